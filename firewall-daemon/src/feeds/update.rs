//! One update of one feed, up to the copy that may come into force. The policy is not touched here.

use std::{
    sync::atomic::AtomicBool,
    time::{SystemTime, UNIX_EPOCH},
};

use ipnetwork::IpNetwork;

use super::{Refusal, format, guard, store};
use crate::{
    config::FeedConfig,
    feeds::store::{Copy, Header},
    fetch::{self, Fetched, Validators, Wanted},
    state::{file::Staged, swap::Update},
};

/// A copy that may come into force: it was read whole and is what was to be expected.
#[derive(Debug)]
pub struct NewCopy {
    /// Its file.
    pub staged: Staged,
    /// Prefixes of the copy in force.
    pub before: usize,
    /// Prefixes of the new one.
    pub after: usize,
}

/// Fetches a feed and stages what is new.
///
/// # Errors
///
/// Why it is not taken: the copy in force stays as it is.
pub fn prepare(
    feed: &FeedConfig,
    protected: &[IpNetwork],
    force: bool,
    stopping: &AtomicBool,
) -> Result<Update<NewCopy>, Refusal> {
    let source = feed.source();
    let kept = store::read(&feed.copy)?;
    // Of another source it says nothing.
    let old = kept.as_ref().filter(|copy| copy.header.source == source);
    let wanted = Wanted {
        timeout: fetch::TIMEOUT,
        url: feed.url.clone(),
        ca: feed.ca.clone(),
        bytes_max: feed.bytes_max,
        authorization: None,
        // Whoever forces wants the copy that was refused.
        known: old.filter(|_| !force).map(|old| old.header.validators.clone()).unwrap_or_default(),
    };
    match fetch::apart(wanted, stopping)? {
        Fetched::Unchanged => {
            store::confirm(&feed.copy, SystemTime::now())?;
            Ok(Update::Unchanged)
        }
        Fetched::New { bytes, validators } => {
            let prefixes = format::parse(feed.format, &bytes, feed.prefixes_max)?;
            if !force {
                let known = old.map(|old| old.prefixes.as_slice());
                guard::check(feed.bounds, protected, known, &prefixes)?;
            }
            stage(feed, kept.as_ref(), source, validators, &prefixes)
        }
    }
}

fn stage(
    feed: &FeedConfig,
    kept: Option<&Copy>,
    source: String,
    validators: Validators,
    prefixes: &[IpNetwork],
) -> Result<Update<NewCopy>, Refusal> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let header =
        Header { source, validators, fetched_epoch_s: now.as_secs(), prefixes: prefixes.len() };
    let staged = store::stage(&feed.copy, &header, prefixes)?;
    if kept.is_some_and(|kept| kept.prefixes == prefixes) {
        // The same list again, from a server that does not say so: no new policy for that.
        store::commit(staged)?;
        return Ok(Update::Unchanged);
    }
    let before = kept.map_or(0, |kept| kept.prefixes.len());
    Ok(Update::New(NewCopy { staged, before, after: prefixes.len() }))
}
