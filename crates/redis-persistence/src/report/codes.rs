//! The table of finding codes, and how bad each is: the stable names that tests and machines depend on.
//!
//! The page of each code lies in `docs/findings.md` of this package; [`Code::explain`] gives it out. To add a code, add
//! its row here, its page there, and a test that produces it.

use std::fmt;

/// How bad a finding is. The rule is one for all codes:
///
/// an error is damage of the structure (also where a default server does not look), or something that the newest server
/// of the file's own family refuses in any configuration; a warning loads, but something is wrong or unproven; a note
/// depends on the server's configuration, or is worth knowing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "kebab-case"))]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Loads, but something is wrong or unproven.
    Warning,
    /// Damage, or refused.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// Makes the enum `Code` from rows of variant, name and severity.
macro_rules! codes {
    ($($variant:ident $name:literal $severity:ident;)*) => {
        /// The kind of a finding. Its page is [`Code::explain`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Returns the name that reports and machines use.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Returns how bad findings of this kind are.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }
        }
    };
}

codes! {
    // The frame.
    RdbEmptyFile "rdb-empty-file" Error;
    RdbZeroFilled "rdb-zero-filled" Error;
    RdbBadMagic "rdb-bad-magic" Error;
    RdbNotAnRdb "rdb-not-an-rdb" Note;
    RdbBadVersion "rdb-bad-version" Error;
    RdbVersionDigitDamaged "rdb-version-digit-damaged" Error;
    RdbNewerVersion "rdb-newer-version" Note;
    RdbForeignProduct "rdb-foreign-product" Note;
    RdbTruncated "rdb-truncated" Error;
    RdbBadLength "rdb-bad-length" Error;
    RdbBadStringEncoding "rdb-bad-string-encoding" Error;
    RdbUnknownType "rdb-unknown-type" Error;
    RdbForeignType "rdb-foreign-type" Error;
    RdbTypeNewerThanVersion "rdb-type-newer-than-version" Warning;
    RdbLimitExceeded "rdb-limit-exceeded" Error;
    RdbChecksumMismatch "rdb-checksum-mismatch" Error;
    RdbChecksumDisabled "rdb-checksum-disabled" Warning;
    RdbChecksumAbsent "rdb-checksum-absent" Note;
    RdbTrailingBytes "rdb-trailing-bytes" Warning;
    RdbContentUnproven "rdb-content-unproven" Warning;
    RdbZeroHole "rdb-zero-hole" Error;
    // Databases, slots, attributes.
    RdbDuplicateKey "rdb-duplicate-key" Error;
    RdbDuplicatesUnchecked "rdb-duplicates-unchecked" Warning;
    RdbResizedbMismatch "rdb-resizedb-mismatch" Warning;
    RdbResizedbImpossible "rdb-resizedb-impossible" Error;
    RdbDbOrder "rdb-db-order" Warning;
    RdbDbBeyondDefault "rdb-db-beyond-default" Note;
    RdbSlotOutOfRange "rdb-slot-out-of-range" Error;
    RdbSlotOrder "rdb-slot-order" Warning;
    RdbSlotInfoMismatch "rdb-slot-info-mismatch" Warning;
    RdbWrongSlot "rdb-wrong-slot" Warning;
    RdbAttributesPending "rdb-attributes-pending" Warning;
    RdbAttributesRepeated "rdb-attributes-repeated" Warning;
    RdbAttributesInterrupted "rdb-attributes-interrupted" Note;
    RdbIdleAndFreq "rdb-idle-and-freq" Warning;
    RdbExpireMinusOne "rdb-expire-minus-one" Warning;
    RdbExpireNegative "rdb-expire-negative" Warning;
    RdbExpireImplausible "rdb-expire-implausible" Warning;
    // AUX, functions, modules, metadata.
    RdbAuxDuplicate "rdb-aux-duplicate" Warning;
    RdbAuxImplausible "rdb-aux-implausible" Warning;
    RdbAuxFamily "rdb-aux-family" Warning;
    RdbAuxSlotInfoBad "rdb-aux-slot-info-bad" Error;
    RdbFunctionInvalid "rdb-function-invalid" Error;
    RdbFunctionDuplicate "rdb-function-duplicate" Error;
    RdbFunctionPreGa "rdb-function-pre-ga" Error;
    RdbModuleV1 "rdb-module-v1" Error;
    RdbModuleBadOpcode "rdb-module-bad-opcode" Error;
    RdbModuleAuxWhen "rdb-module-aux-when" Error;
    RdbModuleNeeded "rdb-module-needed" Note;
    RdbKeyMetaInvalid "rdb-key-meta-invalid" Error;
    RdbKeyMetaNeeded "rdb-key-meta-needed" Note;
    RdbSlotImportInvalid "rdb-slot-import-invalid" Error;
    // Forms that no server writes.
    RdbOverlongLength "rdb-overlong-length" Warning;
    RdbSpecialAsNumber "rdb-special-as-number" Warning;
    RdbNoncanonicalString "rdb-noncanonical-string" Warning;
    LzfDamaged "lzf-damaged" Error;
    LzfEmpty "lzf-empty" Warning;
    // Collections.
    CollectionEmpty "collection-empty" Warning;
    SetDuplicateMember "set-duplicate-member" Error;
    ZsetDuplicateMember "zset-duplicate-member" Error;
    HashDuplicateField "hash-duplicate-field" Error;
    ElementsUnchecked "elements-unchecked" Warning;
    ZsetNanScore "zset-nan-score" Error;
    ZsetBadScore "zset-bad-score" Error;
    ZsetOddScore "zset-odd-score" Warning;
    ZsetUnordered "zset-unordered" Error;
    ZsetWriteOrder "zset-write-order" Note;
    HashMinExpireWrong "hash-min-expire-wrong" Warning;
    HashExpiryInvalid "hash-expiry-invalid" Error;
    HashExpiryOrder "hash-expiry-order" Error;
    HashExpiryImplausible "hash-expiry-implausible" Warning;
    HashFieldsExpired "hash-fields-expired" Note;
    // Packed encodings.
    PackedUnchecked "packed-unchecked" Warning;
    PackedOddCount "packed-odd-count" Error;
    PackedNoncanonical "packed-noncanonical" Warning;
    ListpackBadHeader "listpack-bad-header" Error;
    ListpackBadEncoding "listpack-bad-encoding" Error;
    ListpackBadBacklen "listpack-bad-backlen" Error;
    ListpackOverrun "listpack-overrun" Error;
    ListpackBadEnd "listpack-bad-end" Error;
    ListpackBadCount "listpack-bad-count" Error;
    ZiplistBadHeader "ziplist-bad-header" Error;
    ZiplistBadEncoding "ziplist-bad-encoding" Error;
    ZiplistBadPrevlen "ziplist-bad-prevlen" Error;
    ZiplistOverrun "ziplist-overrun" Error;
    ZiplistBadEnd "ziplist-bad-end" Error;
    ZiplistBadCount "ziplist-bad-count" Error;
    ZiplistBadTail "ziplist-bad-tail" Error;
    IntsetBadHeader "intset-bad-header" Error;
    IntsetEmpty "intset-empty" Error;
    IntsetUnordered "intset-unordered" Error;
    ZipmapBadStructure "zipmap-bad-structure" Error;
    ZipmapEmpty "zipmap-empty" Error;
    ZipmapHiddenBytes "zipmap-hidden-bytes" Warning;
    QuicklistBadContainer "quicklist-bad-container" Error;
    QuicklistEmptyNode "quicklist-empty-node" Warning;
    QuicklistPlainEmpty "quicklist-plain-empty" Error;
    // Streams.
    StreamBadNodeId "stream-bad-node-id" Error;
    StreamDuplicateNode "stream-duplicate-node" Error;
    StreamNodeOrder "stream-node-order" Error;
    StreamBadNode "stream-bad-node" Error;
    StreamNodeCount "stream-node-count" Error;
    StreamEntryOrder "stream-entry-order" Error;
    StreamLengthMismatch "stream-length-mismatch" Error;
    StreamLengthDrift "stream-length-drift" Warning;
    StreamIdRange "stream-id-range" Warning;
    StreamUnknownFlags "stream-unknown-flags" Warning;
    StreamEntriesAdded "stream-entries-added" Error;
    StreamEntriesRead "stream-entries-read" Warning;
    StreamEntriesReadRange "stream-entries-read-range" Error;
    StreamDuplicateGroup "stream-duplicate-group" Error;
    StreamDuplicateConsumer "stream-duplicate-consumer" Error;
    StreamDuplicatePending "stream-duplicate-pending" Error;
    StreamPendingUnknown "stream-pending-unknown" Error;
    StreamPendingShared "stream-pending-shared" Error;
    StreamPendingUnowned "stream-pending-unowned" Error;
    StreamPendingGone "stream-pending-gone" Note;
    StreamPendingOrder "stream-pending-order" Warning;
    StreamPendingUnchecked "stream-pending-unchecked" Warning;
    StreamGroupImplausible "stream-group-implausible" Warning;
    StreamNackInvalid "stream-nack-invalid" Error;
    StreamIdmpInvalid "stream-idmp-invalid" Error;
    StreamIdmpImplausible "stream-idmp-implausible" Warning;
    // Arrays and template hashes.
    VectorsetInvalid "vectorset-invalid" Error;
    VectorsetLinks "vectorset-links" Error;
    VectorsetProjection "vectorset-projection" Error;
    VectorsetDuplicate "vectorset-duplicate" Error;
    VectorsetEmpty "vectorset-empty" Error;
    VectorsetDimension "vectorset-dimension" Warning;
    VectorsetIndex "vectorset-index" Note;
    VectorsetUnchecked "vectorset-unchecked" Note;
    ArrayInvalid "array-invalid" Error;
    ArrayIndexOrder "array-index-order" Error;
    ArrayNoncanonical "array-noncanonical" Warning;
    TemplateInvalid "template-invalid" Error;
    TemplateUnknown "template-unknown" Error;
    TemplateUnused "template-unused" Note;
    TemplateHashInvalid "template-hash-invalid" Error;
    // What DUMP answers.
    DumpDamaged "dump-damaged" Error;
    // Append-only files: records.
    AofTruncatedRecord "aof-truncated-record" Error;
    AofBadFormat "aof-bad-format" Error;
    AofZeroTail "aof-zero-tail" Error;
    AofSecondRdb "aof-second-rdb" Error;
    AofToolOnlyForm "aof-tool-only-form" Error;
    AofOpenTransaction "aof-open-transaction" Error;
    AofDiscardInMulti "aof-discard-in-multi" Error;
    AofWatchedTransaction "aof-watched-transaction" Error;
    AofEmptyCommandName "aof-empty-command-name" Error;
    AofNulInCommandName "aof-nul-in-command-name" Error;
    AofUnknownCommand "aof-unknown-command" Error;
    AofWrongArity "aof-wrong-arity" Error;
    AofShutdown "aof-shutdown" Error;
    AofRestoreDamaged "aof-restore-damaged" Error;
    AofScriptDamaged "aof-script-damaged" Error;
    AofCommandFails "aof-command-fails" Warning;
    AofLenientForm "aof-lenient-form" Warning;
    AofExtraArguments "aof-extra-arguments" Warning;
    AofNestedMulti "aof-nested-multi" Warning;
    AofStrayExec "aof-stray-exec" Warning;
    AofWatchInAof "aof-watch-in-aof" Warning;
    AofSelectInvalid "aof-select-invalid" Warning;
    AofSelectOutOfRange "aof-select-out-of-range" Note;
    AofDangerousCommand "aof-dangerous-command" Warning;
    AofSwallowedRecord "aof-swallowed-record" Warning;
    AofAnnotationTooLong "aof-annotation-too-long" Warning;
    AofAnnotationCut "aof-annotation-cut" Warning;
    AofTimestampMalformed "aof-timestamp-malformed" Warning;
    AofTimestampBackwards "aof-timestamp-backwards" Note;
    AofUnknownAnnotation "aof-unknown-annotation" Note;
    AofModuleCommand "aof-module-command" Note;
    AofBulkChange "aof-bulk-change" Note;
    AofForeignCommand "aof-foreign-command" Note;
    // Append-only files: images, and the files as a whole.
    AofPreambleDamaged "aof-preamble-damaged" Error;
    AofRdbInIncr "aof-rdb-in-incr" Warning;
    AofRdbKeyRepeated "aof-rdb-key-repeated" Error;
    AofEmptyBase "aof-empty-base" Error;
    AofGrewWhileRead "aof-grew-while-read" Note;
    AofShrankWhileRead "aof-shrank-while-read" Warning;
    // Manifests.
    ManifestEmpty "manifest-empty" Error;
    ManifestLineTooLong "manifest-line-too-long" Error;
    ManifestNoFinalNewline "manifest-no-final-newline" Error;
    ManifestNulByte "manifest-nul-byte" Error;
    ManifestBlankLine "manifest-blank-line" Error;
    ManifestBadQuoting "manifest-bad-quoting" Error;
    ManifestNotPairs "manifest-not-pairs" Error;
    ManifestNameIsPath "manifest-name-is-path" Error;
    ManifestNoName "manifest-no-name" Error;
    ManifestNoSeq "manifest-no-seq" Error;
    ManifestNoType "manifest-no-type" Error;
    ManifestUnknownType "manifest-unknown-type" Error;
    ManifestSecondBase "manifest-second-base" Error;
    ManifestSeqNotRising "manifest-seq-not-rising" Error;
    ManifestTooLarge "manifest-too-large" Error;
    ManifestMissingFile "manifest-missing-file" Error;
    ManifestNotAFile "manifest-not-a-file" Error;
    ManifestMissing "manifest-missing" Error;
    ManifestCommentsOnly "manifest-comments-only" Warning;
    ManifestListsNothing "manifest-lists-nothing" Warning;
    ManifestFirstLineTripsTools "manifest-first-line-trips-tools" Warning;
    ManifestGap "manifest-gap" Warning;
    ManifestDuplicateFile "manifest-duplicate-file" Warning;
    ManifestHistoryNamesLive "manifest-history-names-live" Warning;
    ManifestHistoryForeignFile "manifest-history-foreign-file" Warning;
    ManifestOffsetsDoNotChain "manifest-offsets-do-not-chain" Warning;
    ManifestNameMismatch "manifest-name-mismatch" Note;
    ManifestLenientForm "manifest-lenient-form" Note;
    // What lies around a set.
    AofEmptyStart "aof-empty-start" Error;
    AofDataNotRead "aof-data-not-read" Warning;
    AofNextFileExists "aof-next-file-exists" Warning;
    AofOrphanFile "aof-orphan-file" Note;
    AofAccessDenied "aof-access-denied" Warning;
    AofDiskSpace "aof-disk-space" Warning;
    AofTemporaryFile "aof-temporary-file" Note;
    AofOldStyleIgnored "aof-old-style-ignored" Note;
    AofOldStyleMigrates "aof-old-style-migrates" Note;
    AofOtherManifest "aof-other-manifest" Note;
    AofPartOfSet "aof-part-of-set" Note;
    AofFolderUnlisted "aof-folder-unlisted" Note;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Code {
    /// Returns the code of that name.
    ///
    /// # Examples
    /// ```
    /// use redis_persistence::verify::Code;
    ///
    /// assert_eq!(Code::from_name("rdb-duplicate-key"), Some(Code::RdbDuplicateKey));
    /// ```
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == name)
    }

    /// Its page: what it means, what servers do about it, and what to do.
    ///
    /// # Examples
    /// ```
    /// use redis_persistence::verify::Code;
    ///
    /// assert!(Code::RdbDuplicateKey.explain().contains("abort"));
    /// ```
    #[must_use]
    pub fn explain(self) -> &'static str {
        page(include_str!("../../docs/findings.md"), self.as_str())
    }
}

/// Returns what stands under the heading `name`.
pub(super) fn page(pages: &'static str, name: &str) -> &'static str {
    let heading = format!("\n## {name}\n");
    let Some(at) = pages.find(&heading) else { return "" };
    let page = &pages[at + heading.len()..];
    page[..page.find("\n## ").unwrap_or(page.len())].trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page() {
        for code in Code::ALL {
            assert!(code.explain().len() > 40, "{code} has no page in docs/findings.md");
        }
    }

    #[test]
    fn every_page_has_a_code() {
        for line in include_str!("../../docs/findings.md").lines().filter_map(|l| l.strip_prefix("## ")) {
            assert!(Code::from_name(line).is_some(), "{line}");
        }
    }

    #[test]
    fn codes_are_kebab_case_and_unique() {
        let mut names: Vec<_> = Code::ALL.iter().map(|c| c.as_str()).collect();
        assert!(names.iter().all(|n| n.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
    }
}
