//! One packet at a time through the loaded program; needs root.

/// Frame, verdict, and the exact counters that moved.
mod verdicts;
