//! Feeds: deny lists that others keep, fetched on a schedule. Every new copy is read and checked whole
//! before it replaces the last good one, which is what a start reads.

pub mod format;
pub mod guard;
pub mod store;
pub mod update;
pub mod schedule;
pub mod figures;
mod refusal;

pub use refusal::{REASONS, Refusal};
