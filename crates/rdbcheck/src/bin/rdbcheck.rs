//! `rdbcheck`: verifies RDB files.

fn main() {}
