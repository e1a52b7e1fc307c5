//! Names and sizes of the maps, used by both sides. The kernel keeps 15 characters of a name.

/// The XDP program.
pub const PROGRAM: &str = "seawall";
/// The same, run for a test alone: it returns a [`crate::verdict::Answer`] and counts nothing.
pub const PROGRAM_EXPLAIN: &str = "seawall_explain";
/// The number of the layout of all that crosses the kernel boundary. What an earlier daemon has pinned says
/// which one it is of.
pub const ABI: u32 = 6;
/// [`crate::settings::Settings`] of a generation. The number is that of the layout: it is raised with
/// every change to a type or a map that crosses the kernel boundary, so that the loader finds no
/// such symbol in an object of another layout.
pub const SETTINGS: &str = "SETTINGS_ABI_6";

/// Tables of a generation, sized to the policy: the words of the first look at an IPv4 source.
pub const V4_KINDS: &str = "V4_KINDS";
/// The planes of the first look.
pub const V4_PLANES: &str = "V4_PLANES";
/// The slots of the first look at an IPv6 source.
pub const V6_KINDS: &str = "V6_KINDS";
/// The words behind them.
pub const V6_KIND_WORDS: &str = "V6_KIND_WORDS";
/// IPv4 slots.
pub const V4_SLOTS: &str = "V4_SLOTS";
/// IPv4 nodes.
pub const V4_NODES: &str = "V4_NODES";
/// IPv4 ranges.
pub const V4_RANGES: &str = "V4_RANGES";
/// IPv6 slots.
pub const V6_SLOTS: &str = "V6_SLOTS";
/// IPv6 nodes.
pub const V6_NODES: &str = "V6_NODES";
/// IPv6 ranges over the upper 64 bits.
pub const V6_RANGES: &str = "V6_RANGES";
/// Groups of ranges inside one /64.
pub const V6_GROUPS: &str = "V6_GROUPS";
/// IPv6 ranges over the lower 64 bits.
pub const V6_DEEP: &str = "V6_DEEP";
/// Classes.
pub const CLASSES: &str = "CLASSES";
/// Conditions of the rules.
pub const RULES: &str = "RULES";
/// Limits of ports.
pub const PORTS: &str = "PORTS";

/// Token buckets of sources and prefixes, shared by the generations.
pub const BUCKETS: &str = "BUCKETS";
/// Token buckets that are one for all sources, shared by the generations.
pub const AGGREGATES: &str = "AGGREGATES";
/// Bans, shared by the generations: when each ends, in nanoseconds of `CLOCK_MONOTONIC`.
pub const BANS: &str = "BANS";
/// How many bans there are: with none, no packet asks for one.
pub const BAN_COUNT: &str = "BAN_COUNT";
/// Where it is known that nobody is banned: [`crate::ban_places`].
pub const BAN_FREE: &str = "BAN_FREE";
/// What the hash of the buckets is keyed with, as long as they live.
pub const HASH_KEY: &str = "HASH_KEY";
/// Sources with an event of their own, shared by the generations.
pub const SEEN: &str = "SEEN";
/// Counters, shared by the generations.
pub const COUNTERS: &str = "COUNTERS";
/// [`crate::counter::Loss`] counters, shared by the generations.
pub const LOSSES: &str = "LOSSES";
/// Packets and bytes by the slot of a rule, shared by the generations.
pub const RULE_COUNTERS: &str = "RULE_COUNTERS";
/// [`crate::rules::RuleSlot`]: whose packets a slot counts. Read by userspace alone.
pub const RULE_NAMES: &str = "RULE_NAMES";
/// The highest number of a generation that was in force. Read by userspace alone.
pub const GENERATION: &str = "GENERATION";
/// Sampled drops, shared by the generations.
pub const EVENTS: &str = "EVENTS";

/// Bans at once. The kernel takes 90 bytes for each that there is, and 16 MiB for the table.
pub const BANS_MAX: u32 = 1 << 20;
/// Sources whose first drop is remembered: 64 KiB; a newer one takes the place of an older one.
pub const SEEN_MAX: u32 = 1 << 14;
/// Room for events that userspace has not read yet, in bytes.
pub const EVENTS_BYTES: u32 = 1 << 20;
