//! Which decisions are told as events, and to whom.

use std::{fmt, net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::events::Decision;

/// Events of what the gateway decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventsPolicy {
    /// The decisions that are told.
    pub decisions: Vec<Decision>,
    /// Who tells: the `source` of every event, a URI reference.
    pub source: String,
    /// Events of each sink that wait, those under way among them; of one more the sink is not told...
    pub queue_max: u32,
    /// ...nor where they would take more bytes than this.
    pub queue_bytes_max: u64,
    /// A file, opened by the supervisor for each worker.
    pub file: Option<PathBuf>,
    /// A receiver of batches over HTTP.
    pub webhook: Option<WebhookPolicy>,
    /// A receiver of syslog.
    pub syslog: Option<SyslogPolicy>,
}

/// Who is sent batches, signed as Standard Webhooks has it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookPolicy {
    /// Its place among the policy's upstreams.
    pub upstream: usize,
    /// What is posted to.
    pub path: String,
    /// What signs: `whsec_` and 24 to 64 bytes as base64.
    pub secret: String,
    /// Events of one batch.
    pub batch_max: u32,
    /// How long an event waits for others to go along with.
    pub batch_wait_ms: u64,
    /// How long one attempt may take.
    pub timeout_ms: u64,
    /// How long a batch is tried; its events are lost then.
    pub give_up_s: u64,
}

// The secret stays out of every line.
impl fmt::Debug for WebhookPolicy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("WebhookPolicy")
            .field("upstream", &self.upstream)
            .field("path", &self.path)
            .field("batch_max", &self.batch_max)
            .finish_non_exhaustive()
    }
}

/// Who is sent messages as RFC 5424 has them, over TCP (RFC 6587).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyslogPolicy {
    /// Where it listens.
    pub address: SocketAddr,
    /// The facility, 0 to 23.
    pub facility: u8,
    /// The name of this host; empty where it is not known.
    pub host: String,
    /// How long a message is tried; it is lost then.
    pub give_up_s: u64,
}
