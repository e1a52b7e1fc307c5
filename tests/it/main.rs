//! One integration binary; this is its table of contents.

/// One packet at a time through the loaded program.
mod packet_path;
