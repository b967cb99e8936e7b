//! The causes: their names, whether they can be undone, and the command that helps.

use std::fmt;

macro_rules! causes {
    ($($variant:ident $name:literal $reversible:literal $command:expr;)*) => {
        /// A cause that can be told from the bytes of a file.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum CauseCode {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl CauseCode {
            /// Every cause.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name that reports and machines use.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Whether what was done to the file can as a rule be undone without loss.
            pub(crate) fn reversible(self) -> bool {
                match self { $(Self::$variant => $reversible,)* }
            }

            /// The command that helps, with `FILE`, `OUT`, and for offsets `OFFSET` and `NEXT`.
            pub(crate) fn command(self) -> Option<&'static str> {
                match self { $(Self::$variant => $command,)* }
            }
        }
    };
}

const SALVAGE: Option<&str> = Some("rdbcheck --salvage OUT FILE");
const SALVAGE_COMMANDS: Option<&str> = Some("aofcheck --salvage OUT FILE");
const FIX: Option<&str> = Some("aofcheck --fix --dry-run FILE");

causes! {
    Empty "empty" false Some("ls -l temp-*.rdb");
    AllZero "all-zero" false None;
    ZeroTail "zero-tail" false SALVAGE;
    ZeroTailOfCommands "zero-tail-of-commands" true FIX;
    Hole "hole" false SALVAGE;
    Cut "cut" false SALVAGE;
    CutCommand "cut-command" false FIX;
    OpenTransaction "open-transaction" false FIX;
    Gzip "gzip" true Some("gzip -dc FILE | rdbcheck -");
    Zstd "zstd" true Some("zstd -dc FILE | rdbcheck -");
    Lz4 "lz4" true Some("lz4 -dc FILE | rdbcheck -");
    Xz "xz" true Some("xz -dc FILE | rdbcheck -");
    Bzip2 "bzip2" true Some("bzip2 -dc FILE | rdbcheck -");
    Zip "zip" true Some("unzip -p FILE | rdbcheck -");
    Tar "tar" true Some("tar -tf FILE");
    Program "program" false None;
    ErrorPage "error-page" false None;
    Base64 "base64" true None;
    Hex "hex" true None;
    Escaped "escaped" true None;
    Chunked "chunked" true None;
    Surrounded "surrounded" true None;
    GitLfsPointer "git-lfs-pointer" true Some("git lfs pull");
    GitAnnexPointer "git-annex-pointer" true Some("git annex get FILE");
    Text "text" false None;
    NoKnownKind "no-known-kind" false None;
    ByteOrderMark "byte-order-mark" true Some("tail -c +4 FILE | rdbcheck -");
    Utf16 "utf-16" false None;
    Utf8 "utf-8" true Some("iconv -f UTF-8 -t LATIN1 FILE | rdbcheck -");
    Utf8Lossy "utf-8-lossy" false None;
    CrLf "crlf" true Some("sed 's/\\r$//' FILE | rdbcheck -");
    CrLfCommands "crlf-commands" true SALVAGE_COMMANDS;
    LineEndsLost "line-ends-lost" true SALVAGE_COMMANDS;
    TwoRdbs "two-rdbs" true Some("tail -c +NEXT FILE | rdbcheck -");
    ReplicationCapture "replication-capture" true Some("tail -c +NEXT FILE | rdbcheck -");
    ReplicationMark "replication-mark" true Some("head -c OFFSET FILE > OUT");
    LeadingNewlines "leading-newlines" true Some("tail -c +NEXT FILE | rdbcheck -");
    DumpPayload "dump-payload" true Some("redis-cli -x RESTORE KEY 0 < FILE");
    AppendOnlyFile "append-only-file" true Some("aofcheck FILE");
    Manifest "manifest" true Some("aofcheck FILE");
    RdbNamedAof "rdb-named-aof" true Some("rdbcheck FILE");
    ValkeyEnvelope "valkey-envelope" true None;
    Dragonfly "dragonfly" true None;
    KeyDb "keydb" true None;
    RedisEnterprise "redis-enterprise" true None;
    OtherProduct "other-product" true None;
    ModuleCommands "module-commands" true Some("aofcheck --for SERVER --set modules=NAME FILE");
    UnknownCommands "unknown-commands" true Some("aofcheck --for SERVER --conf CONF FILE");
    NewerVersion "newer-version" true None;
    VersionDigit "version-digit" true Some("{ head -c 5 FILE ; printf 0009 ; tail -c +10 FILE ; } > OUT");
    DuplicateKeys "duplicate-keys" false SALVAGE;
    BitRot "bit-rot" false SALVAGE;
    ManifestLost "manifest-lost" true Some("aofcheck --fix --dry-run FILE");
    PartMissing "part-missing" false None;
    DataLost "data-lost" false None;
    DataNotRead "data-not-read" true None;
    CopiedDuringRewrite "copied-during-rewrite" false None;
    AllExpired "all-expired" false None;
}

impl fmt::Display for CauseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
