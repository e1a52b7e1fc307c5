//! What answers of a route should not say.

use firewall_gateway::policy::{LeakKind, ScrubPolicy};

use crate::config::{ConfigError, document::scrub::ScrubDocument, valid::Check};

/// Of an answer, looked through where a route says nothing else.
const BYTES_MAX: u32 = 1 << 20;

impl Check<'_> {
    pub(super) fn scrub(&self, scrub: ScrubDocument) -> Result<ScrubPolicy, ConfigError> {
        let ScrubDocument { action, kinds, bytes_max } = scrub;
        let kinds = match kinds.0 {
            None => LeakKind::ALL.to_vec(),
            Some(kinds) => {
                let kinds = self.counted("kinds", 1..=LeakKind::ALL.len(), kinds)?;
                self.each_once("kinds", kinds, Shown)?.into_iter().map(|Shown(kind)| kind).collect()
            }
        };
        let bytes_max = bytes_max.map_or(BYTES_MAX, |bytes| bytes.cast());
        Ok(ScrubPolicy { action, kinds, bytes_max })
    }
}

/// A kind as it is written.
#[derive(PartialEq)]
struct Shown(LeakKind);

impl std::fmt::Display for Shown {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.0.label())
    }
}
