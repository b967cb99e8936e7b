//! LZF as Redis stores it.
