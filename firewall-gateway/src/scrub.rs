//! What a backend's answer should not say: stack traces, errors of databases, addresses of the inside, secrets,
//! card numbers. Reported, covered with asterisks, or not let out at all.
//!
//! Text is looked through while it streams, with as much held back as one find may need; what is covered keeps
//! its length, so that nothing else of the answer changes. Time is linear in the text, whatever it says: the
//! expressions have no backtracking.

mod detect;

mod stream;

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering::Relaxed},
};

use http::{HeaderMap, header};

pub use self::stream::Scrubber;
use crate::{
    figures::Meter,
    policy::{LeakAction, LeakKind, ScrubPolicy},
};

impl LeakKind {
    /// The value of the metric label and of the access log's `leaks`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::StackTrace => "stack_trace",
            Self::SqlError => "sql_error",
            Self::InternalAddress => "internal_address",
            Self::Secret => "secret",
            Self::CardNumber => "card_number",
        }
    }
}

/// What was found in one answer, for its line in the log.
#[derive(Clone, Debug, Default)]
pub struct Leaks(Arc<AtomicU8>);

impl Leaks {
    fn add(&self, kind: LeakKind) {
        self.0.fetch_or(1 << kind as u8, Relaxed);
    }

    /// Whether something was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.load(Relaxed) == 0
    }

    /// The kinds that were found.
    #[must_use]
    pub fn text(&self) -> String {
        let found = self.0.load(Relaxed);
        let kinds = LeakKind::ALL.into_iter().filter(|kind| found & (1 << *kind as u8) != 0);
        kinds.map(LeakKind::label).collect::<Vec<_>>().join(",")
    }
}

/// What a route looks for, and what becomes of it.
#[derive(Clone, Debug)]
pub struct Scrub {
    policy: ScrubPolicy,
}

impl Scrub {
    /// As the policy says.
    #[must_use]
    pub fn new(policy: &ScrubPolicy) -> Self {
        Self { policy: policy.clone() }
    }

    /// Whether an answer that says too much is not let out.
    #[must_use]
    pub fn blocks(&self) -> bool {
        self.policy.action == LeakAction::Block
    }

    /// For one answer; nothing where it is not text that can be read.
    #[must_use]
    pub fn of(&self, headers: &HeaderMap, leaks: &Leaks, meter: &Arc<Meter>) -> Option<Scrubber> {
        // Nobody knows what a coded answer says without undoing it, which costs what an attacker likes.
        if headers.contains_key(header::CONTENT_ENCODING) {
            return None;
        }
        let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        // An event stream is read as it comes: nothing of it can be held back.
        let text = kind != "text/event-stream"
            && (kind.starts_with("text/")
                || kind.ends_with("+json")
                || kind.ends_with("+xml")
                || ["application/json", "application/xml", "application/javascript"]
                    .contains(&kind.as_str()));
        text.then(|| Scrubber::new(&self.policy, leaks.clone(), meter.clone()))
    }
}
