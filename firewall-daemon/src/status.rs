//! What the daemon says of itself: the one source of `seawall status` and of the metrics.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use firewall_gateway::figures::{Figures, LabelCount};
use serde::{Deserialize, Serialize};

use crate::audit::Figures as AuditFigures;
use crate::hex::{self, HexError};

mod text;
mod clock;
mod feeds;
mod routes;

pub use clock::{day, now_epoch_s, utc};
pub use feeds::{
    DatabaseStatus, FeedOutcome, FeedResult, FeedStatus, KeysStatus, ReasonCount, UpdateReport,
    UpdateStatus, render_feeds,
};
pub use routes::{CanaryShown, PartShown, RouteShown, RoutesShown, goes, render_routes, takes};
pub use text::{duration, render, render_limits};

/// Gives the state of this moment.
pub trait SnapshotSource: Send + Sync + 'static {
    /// The state of this moment.
    fn snapshot(&self) -> Snapshot;
}

/// The state of one moment.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// Of the daemon.
    pub version: String,
    /// Of the daemon.
    pub pid: u32,
    /// Since the daemon started.
    pub uptime_s: u64,
    /// When the daemon started, in seconds since 1970.
    #[serde(default)]
    pub started_epoch_s: u64,
    /// The configuration file.
    pub config: PathBuf,
    /// What is wrong at this moment; nothing when all is well.
    pub fault: Option<String>,
    /// What of the host keeps a part of the policy from working, and what to do.
    pub warnings: Vec<String>,
    /// Number of the generation in force: one more than that of any before it since the host started.
    pub generation: u64,
    /// The policy in force.
    pub policy: PolicyStatus,
    /// Changes that verbs made to the configuration, and that are in force.
    #[serde(default)]
    pub changes: u64,
    /// Where the program is attached.
    pub interfaces: Vec<InterfaceStatus>,
    /// Packets counted so far.
    pub packets: Vec<PacketCount>,
    /// Rules of the policy in force.
    pub rules: Vec<RuleStatus>,
    /// Rules that are gone and had to give up their counters to others.
    #[serde(default)]
    pub rule_counters_replaced: u64,
    /// Bans, ended ones among them until they are swept.
    pub bans: u64,
    /// What became of clients that the gateway wants banned.
    #[serde(default)]
    pub offences: Vec<LabelCount>,
    /// Packets that passed without their limit being asked.
    pub unlimited: Unlimited,
    /// Segments that could not be answered with a SYN cookie, and were dropped.
    pub replies_failed: u64,
    /// Sampled drops.
    pub events: EventStatus,
    /// Feeds, in the order of the configuration.
    pub feeds: Vec<FeedStatus>,
    /// Keys of issuers of tokens, where they are fetched.
    #[serde(default)]
    pub keys: Vec<KeysStatus>,
    /// Databases that are kept up to date.
    pub databases: Vec<DatabaseStatus>,
    /// Reloads so far.
    pub reloads: ReloadStatus,
    /// The audit log.
    #[serde(default)]
    pub audit: AuditFigures,
    /// The gateway, where one is configured.
    pub gateway: Option<GatewayStatus>,
}

/// The policy in force.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PolicyStatus {
    /// When it came into force, in seconds since 1970.
    pub loaded_at_epoch_s: u64,
    /// Prefixes of protected addresses.
    pub protected: u64,
    /// Prefixes on the allow list.
    pub allow: u64,
    /// Prefixes on the deny list.
    pub deny: u64,
    /// Countries, where the policy names any.
    pub geo: Option<GeoStatus>,
    /// Limits.
    pub limits: Vec<LimitStatus>,
    /// What only counts what it would drop: `policy`, `list NAME`, `country CODE`.
    pub shadow: Vec<String>,
    /// Ranges of the IPv4 table.
    pub ranges_v4: u64,
    /// Ranges of the IPv6 table.
    pub ranges_v6: u64,
}

/// The geo policy in force.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GeoStatus {
    /// `only` or `block`.
    pub mode: String,
    /// The countries that the policy names.
    pub countries: Vec<String>,
    /// The database's file.
    pub database: PathBuf,
    /// The database's type, as its maker calls it.
    pub kind: String,
    /// When the database was made, in seconds since 1970.
    pub build_epoch_s: u64,
    /// Networks with a country.
    pub networks: u64,
}

/// A limit in force.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LimitStatus {
    /// `source`, `prefix`, `country`, `syn`, `udp`, `icmp`, `other`, or `port` and which.
    pub scope: String,
    /// Packets a second.
    pub rate_pps: Option<u32>,
    /// Packets at once.
    pub burst_packets: Option<u32>,
    /// Bytes a second.
    pub rate_bytes_per_s: Option<u64>,
    /// Bytes at once.
    pub burst_bytes: Option<u64>,
}

/// A rule in force.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RuleStatus {
    /// Its name.
    pub name: String,
    /// Packets that it decided about, since this generation came into force.
    pub packets: u64,
    /// Their bytes, link headers included.
    pub bytes: u64,
}

/// An interface with the program on it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct InterfaceStatus {
    /// Its name.
    pub name: String,
    /// Its index.
    pub index: u32,
    /// `native` or `generic`.
    pub mode: String,
    /// How long no program was on it when this daemon changed the mode of an earlier one.
    #[serde(default)]
    pub unfiltered_us: u64,
}

/// Packets of one verdict, reason and protocol.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PacketCount {
    /// `pass`, `drop`, `reply` or `shadow`.
    pub verdict: String,
    /// Why.
    pub reason: String,
    /// What they carried.
    pub protocol: String,
    /// How many.
    pub packets: u64,
    /// Their bytes, link headers included.
    pub bytes: u64,
}

/// Packets that passed without their limit being asked.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Unlimited {
    /// All buckets of the row were in use.
    pub bucket: u64,
    /// The bucket changed under every try.
    pub contention: u64,
}

/// Sampled drops.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct EventStatus {
    /// One drop in so many is sampled; 0 is none.
    pub sample_one_in: u32,
    /// Events read so far.
    pub total: u64,
    /// Events that found the ring buffer full.
    pub lost: u64,
    /// Events over the bound of events a second.
    pub over_bound: u64,
    /// Who watches them.
    pub watchers: WatcherStatus,
    /// The latest, oldest first.
    pub recent: Vec<EventLine>,
}

/// Those who watch events.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct WatcherStatus {
    /// How many there are.
    pub active: u64,
    /// Events that one of them lost, as it read too slowly.
    pub events_lost: u64,
    /// Watchers that were left, as they read nothing any more.
    pub dropped: u64,
}

/// A sampled drop.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct EventLine {
    /// `CLOCK_MONOTONIC`.
    pub time_ns: u64,
    /// Nanoseconds since 1970.
    pub time_epoch_ns: u64,
    /// `drop`, `reply` or `shadow`.
    pub verdict: String,
    /// Why.
    pub reason: String,
    /// What it carried.
    pub protocol: String,
    /// The list that holds its source.
    pub list: Option<String>,
    /// Of its source, where it is known.
    pub country: Option<String>,
    /// The autonomous system of its source, where a database is configured that says so.
    pub asn: Option<u32>,
    /// Whose that is.
    pub organisation: Option<String>,
    /// The rule that decided.
    pub rule: Option<String>,
    /// Address, and port where there is one.
    pub source: Option<String>,
    /// Address, and port where there is one.
    pub destination: Option<String>,
    /// Index of the interface on which it arrived.
    pub interface_index: u32,
    /// The name of this interface.
    pub interface: Option<String>,
    /// Its length.
    pub bytes: u32,
    /// Its first bytes, in hexadecimal.
    pub captured: String,
}

impl EventLine {
    /// The first bytes of the frame.
    ///
    /// # Errors
    ///
    /// Where the text is not hexadecimal.
    pub fn captured_bytes(&self) -> Result<Vec<u8>, HexError> {
        hex::parse(&self.captured)
    }

    /// The address of its source, without the port.
    #[must_use]
    pub fn source_address(&self) -> Option<IpAddr> {
        let text = self.source.as_deref()?;
        let with_port = || text.parse::<SocketAddr>().ok().map(|found| found.ip());
        text.parse().ok().or_else(with_port)
    }
}

/// Reloads so far.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ReloadStatus {
    /// Reloads that came into force.
    pub ok: u64,
    /// Reloads that left the old policy in force.
    pub error: u64,
    /// The last one.
    pub last: Option<ReloadOutcome>,
}

/// How a reload ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReloadOutcome {
    /// When, in seconds since 1970.
    pub at_epoch_s: u64,
    /// What was wrong; nothing where it came into force.
    pub error: Option<String>,
}

/// The gateway.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct GatewayStatus {
    /// Where clients connect.
    pub listen: Vec<SocketAddr>,
    /// The worker's process, while there is one.
    pub worker_pid: Option<u32>,
    /// What holds the worker in.
    pub sandbox: Vec<String>,
    /// Workers that died and were replaced.
    pub restarts: u64,
    /// The certificates that end first, the first of them first.
    #[serde(default)]
    pub certificates: Vec<CertificateStatus>,
    /// How many certificates there are.
    #[serde(default)]
    pub certificates_total: u64,
    /// The certificate from an authority, where one is wanted.
    #[serde(default)]
    pub acme: Option<AcmeStatus>,
    /// Logins and logouts that the daemon did not hear of, as too many were waiting.
    #[serde(default)]
    pub session_changes_lost: u64,
    /// Figures of all workers so far.
    pub figures: Figures,
}

/// A certificate of the gateway.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct CertificateStatus {
    /// The first host in it.
    pub name: String,
    /// The kind of its key.
    pub key: String,
    /// When it, or one that signed it, is over, in seconds since 1970.
    pub not_after_epoch_s: u64,
}

/// The certificate that an authority issues.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AcmeStatus {
    /// The hosts in it.
    pub names: Vec<String>,
    /// Orders that brought one.
    pub issued: u64,
    /// Orders that did not.
    pub failed: u64,
    /// When it is asked for the next time, in seconds since 1970.
    pub next_epoch_s: u64,
    /// Why the last order failed, where it did.
    pub error: Option<String>,
}
