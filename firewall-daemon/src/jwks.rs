//! Keys of issuers of tokens, from their endpoints: asked for ahead of need, read whole before they replace the
//! last good ones, which outlive a restart.

pub mod store;
pub mod update;
mod refusal;

pub use refusal::{REASONS, Refusal};
