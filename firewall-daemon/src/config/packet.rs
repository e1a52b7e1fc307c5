//! The `packet` section: lists, countries, and what becomes of packets that no list names.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use firewall_common::Country;
use ipnetwork::IpNetwork;

use crate::{
    config::{FeedConfig, GeoUpdateConfig, LimitsConfig, RuleConfig, Service, SynCookiesConfig},
    policy::GeoMode,
};

/// The `packet` section.
#[derive(Clone, Debug)]
pub struct PacketConfig {
    /// Prefixes that outrank every rule.
    pub protected: Vec<IpNetwork>,
    /// What else no change may cut.
    pub protect: ProtectConfig,
    /// Prefixes that pass.
    pub allow: ListConfig,
    /// Prefixes that are dropped.
    pub deny: ListConfig,
    /// Named prefixes, for rules.
    pub sets: BTreeMap<String, ListConfig>,
    /// Deny lists that others keep.
    pub feeds: Vec<FeedConfig>,
    /// Countries.
    pub geo: Option<GeoConfig>,
    /// What is only counted.
    pub shadow: ShadowConfig,
    /// Packets that no rule decides, where every port is public.
    pub default: Fate,
    /// Services that anyone may reach; none means all.
    pub public_ports: Vec<Service>,
    /// The first that matches decides.
    pub rules: Vec<RuleConfig>,
    /// How much of what passes.
    pub limits: LimitsConfig,
    /// Answers in place of a server whose port is flooded.
    pub syn_cookies: Option<SynCookiesConfig>,
    /// Packets that contradict themselves.
    pub malformed: Fate,
    /// TCP flags that no connection sends.
    pub tcp_flags: Fate,
    /// Later fragments.
    pub fragments: Fate,
    /// Frames that are neither IP, ARP nor link control.
    pub non_ip: Fate,
    /// Which drops become events.
    pub events: EventsConfig,
    /// Log lines of the XDP program.
    pub kernel_log: KernelLog,
    /// A folder on a bpffs.
    pub pin_path: PathBuf,
}

/// The `protect` section: whom a change of policy must not cut. They are asked about, not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtectConfig {
    /// Who runs the command over SSH, and who else is logged in.
    pub ssh_peer: bool,
    /// The default gateways.
    pub gateway: bool,
    /// The resolvers of /etc/resolv.conf.
    pub resolvers: bool,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It passes.
    Pass,
    /// It is dropped.
    Drop,
}

/// Prefixes in the configuration and in files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListConfig {
    /// Prefixes.
    pub prefixes: Vec<IpNetwork>,
    /// Files of prefixes.
    pub files: Vec<PathBuf>,
    /// Autonomous systems: the networks that the database gives them.
    pub asns: Vec<u32>,
}

impl ListConfig {
    /// The names of its lists: `inline` where the configuration itself has prefixes, then each
    /// file's name without its extension, then `as64496` for each autonomous system.
    #[must_use]
    pub fn names(&self, inline: &str) -> Vec<String> {
        let inline = (!self.prefixes.is_empty()).then(|| inline.to_owned());
        let asns = self.asns.iter().map(|asn| format!("as{asn}"));
        inline.into_iter().chain(self.file_names()).chain(asns).collect()
    }

    /// The names of the lists that are files.
    pub fn file_names(&self) -> impl Iterator<Item = String> {
        self.files
            .iter()
            .map(|file| file.file_stem().unwrap_or(file.as_os_str()).to_string_lossy().into_owned())
    }
}

/// The `geo` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeoConfig {
    /// A MaxMind DB file.
    pub database: PathBuf,
    /// What the countries mean; without it no country is dropped.
    pub mode: Option<GeoMode>,
    /// At least one where there is a mode, else none.
    pub countries: BTreeSet<Country>,
    /// A MaxMind DB file of autonomous systems.
    pub asn_database: Option<PathBuf>,
    /// A database that is older is warned of.
    pub age_max: Duration,
    /// How the databases are kept up to date.
    pub update: Option<GeoUpdateConfig>,
}

/// The `shadow` section: what would be dropped is counted and passes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShadowConfig {
    /// The whole policy.
    pub policy: bool,
    /// Names of deny lists.
    pub lists: BTreeSet<String>,
    /// Countries that `geo` would drop.
    pub countries: BTreeSet<Country>,
}

/// The `events` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventsConfig {
    /// One in so many drops becomes an event; 0 is none.
    pub sample_one_in: u32,
    /// Whether a source's first drop becomes one too.
    pub first_of_source: bool,
    /// Events a second at most; 0 is no events at all.
    pub events_per_s_max: u32,
}

/// Whether the XDP program logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelLog {
    /// Not at all.
    Off,
    /// A line a packet.
    Debug,
}
