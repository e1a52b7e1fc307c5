//! What a test needs and may not find: it skips loudly, and in CI a skip is a failure.

use std::{env, fs, os::unix::fs::MetadataExt as _};

/// Whether this process is root. When not, says that `test` did not run; under `SEAWALL_TESTS_STRICT=1`
/// it panics instead, because a test that nobody ran proves nothing.
pub fn root(test: &str) -> bool {
    if is_root() {
        return true;
    }
    skip(test, "needs root: network namespaces and BPF");
    false
}

/// Whether this process is root.
pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}

/// Says that a test did not run, or fails it where skips are not allowed.
pub fn skip(test: &str, reason: &str) {
    let strict = env::var_os("SEAWALL_TESTS_STRICT").is_some_and(|value| value == "1");
    assert!(!strict, "{test} {reason}, and SEAWALL_TESTS_STRICT=1 allows no skip");
    eprintln!("SKIPPED {test}: {reason}");
}
