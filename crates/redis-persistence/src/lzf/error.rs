//! What can be wrong with a compressed string.

/// Why a compressed string does not decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind}, at byte {at} of the compressed data")]
pub struct LzfError {
    /// The offset in the compressed input at which the bad token begins; the end of the input for
    /// [`LzfErrorKind::ShortOutput`], 0 where the sizes alone are wrong.
    pub at: u64,
    /// What is wrong.
    pub kind: LzfErrorKind,
}

/// What is wrong with a compressed string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LzfErrorKind {
    /// There are no compressed bytes.
    #[error("no compressed data")]
    EmptyInput,
    /// The declared size is 0. No writer compresses an empty string, and several servers take any garbage for one.
    #[error("the declared size is 0")]
    DeclaredZero,
    /// No input of this length can give the declared size.
    #[error("so few bytes cannot give the declared size")]
    ImpossibleRatio,
    /// A literal run would write past the declared size.
    #[error("a literal run goes beyond the declared size")]
    LiteralBeyondSize,
    /// A match would write past the declared size.
    #[error("a match goes beyond the declared size")]
    MatchBeyondSize,
    /// A match reaches back to before the first byte of the output.
    #[error("a match reaches back before the start")]
    MatchBeforeStart,
    /// The input ends inside a token.
    #[error("the data end inside a token")]
    CutToken,
    /// Every token is good, but they give less than the declared size.
    #[error("the data give only {produced} bytes, fewer than declared")]
    ShortOutput {
        /// How many bytes they give.
        produced: u64,
    },
}
