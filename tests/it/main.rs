//! One integration binary; this is its table of contents.

#![forbid(unsafe_code)]

/// What every test below relies on.
mod harness;

/// One packet at a time through the loaded program.
mod packet_path;
