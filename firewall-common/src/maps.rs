//! Names and sizes of the maps, used by both sides. The kernel keeps 15 characters of a name.

/// The XDP program.
pub const PROGRAM: &str = "seawall";
/// [`crate::settings::Settings`] of a generation. The number is that of the layout: it is raised with
/// every change to a type or a map that crosses the kernel boundary, so that the loader finds no
/// such symbol in an object of another layout.
pub const SETTINGS: &str = "SETTINGS_ABI_1";

/// Tables of a generation, sized to the policy.
pub const V4_SLOTS: &str = "V4_SLOTS";
/// IPv4 ranges.
pub const V4_RANGES: &str = "V4_RANGES";
/// IPv6 slots.
pub const V6_SLOTS: &str = "V6_SLOTS";
/// IPv6 ranges over the upper 64 bits.
pub const V6_RANGES: &str = "V6_RANGES";
/// IPv6 ranges over the lower 64 bits.
pub const V6_DEEP: &str = "V6_DEEP";

/// Token buckets, shared by the generations.
pub const BUCKETS: &str = "BUCKETS";
/// Counters, shared by the generations.
pub const COUNTERS: &str = "COUNTERS";
/// [`crate::counter::Loss`] counters, shared by the generations.
pub const LOSSES: &str = "LOSSES";
/// Sampled drops, shared by the generations.
pub const EVENTS: &str = "EVENTS";

/// The maps that the generations share: pinned, so that the next one finds them.
pub const SHARED: [&str; 4] = [BUCKETS, COUNTERS, LOSSES, EVENTS];

/// Sources with a token bucket at once: 262,144 take 30 MiB. The kernel evicts the longest unused.
pub const BUCKETS_MAX: u32 = 1 << 18;
/// Room for events that userspace has not read yet, in bytes.
pub const EVENTS_BYTES: u32 = 1 << 18;
