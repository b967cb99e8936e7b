//! The packed encodings: values that lie as one self-contained blob inside an RDB string.
