//! The worker process.

pub mod message;
