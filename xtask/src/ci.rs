//! `cargo xtask ci`: what CI runs, in its order.

use anyhow::Result;

use crate::{check, test};

/// Check, then test.
pub fn run() -> Result<()> {
    check::run()?;
    test::run(&test::Options::default())
}
