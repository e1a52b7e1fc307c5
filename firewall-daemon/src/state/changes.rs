//! What verbs changed: laid over the configuration, whose file no verb writes.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use firewall_common::Country;
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use super::{
    StateError,
    backends::{BACKEND_CHANGES_MAX, BackendChange},
};
use crate::{
    config::{LimitScope, LimitsConfig, PacketConfig, RateConfig, country},
    control::ListKind,
    policy::{GeoMode, prefix},
};

/// Deny and allow entries together: the file is written at each change, and read whole.
pub const ENTRIES_MAX: usize = 16_384;
/// A comment or a reason may have so many bytes.
pub const COMMENT_BYTES_MAX: usize = 200;
/// The file may have so many bytes: every entry with the longest comment.
pub const FILE_BYTES_MAX: u64 = 16 << 20;

/// The layout of the file.
const VERSION: u32 = 1;

/// What verbs changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    /// Prefixes that are dropped, beside those of the configuration.
    #[serde(default)]
    pub deny: Vec<Entry>,
    /// Prefixes that pass.
    #[serde(default)]
    pub allow: Vec<Entry>,
    /// Countries, in place of those of the configuration.
    #[serde(default)]
    pub geo: Option<GeoChange>,
    /// Limits, each in place of that of the configuration.
    #[serde(default)]
    pub limits: BTreeMap<LimitScope, LimitChange>,
    /// Backends of the gateway, beside those of the configuration.
    #[serde(default)]
    pub backends: Vec<BackendChange>,
}

/// A prefix on the list `deny` or `allow`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The prefix.
    #[serde(with = "prefix_text")]
    pub prefix: IpNetwork,
    /// Why, in the words of who added it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Who added it.
    pub who: String,
    /// When, in seconds since 1970.
    pub added_epoch_s: u64,
    /// Until when; for good without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_epoch_s: Option<u64>,
}

impl Entry {
    /// Whether its time is over.
    #[must_use]
    pub fn is_over(&self, now_epoch_s: u64) -> bool {
        self.expires_epoch_s.is_some_and(|end| end <= now_epoch_s)
    }
}

/// What the countries mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeoChange {
    /// `only` or `block`.
    #[serde(with = "mode_text")]
    pub mode: GeoMode,
    /// Which; with `block` there may be none.
    #[serde(with = "countries_text")]
    pub countries: BTreeSet<Country>,
    /// Who changed it.
    pub who: String,
    /// When, in seconds since 1970.
    pub changed_epoch_s: u64,
}

/// A limit; without a rate there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitChange {
    /// The rate.
    pub rate: Option<RateConfig>,
    /// Who changed it.
    pub who: String,
    /// When, in seconds since 1970.
    pub changed_epoch_s: u64,
}

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<C> {
    version: u32,
    changes: C,
}

impl Changes {
    /// How many changes there are.
    #[must_use]
    pub fn count(&self) -> usize {
        let lists = self.deny.len() + self.allow.len();
        lists + usize::from(self.geo.is_some()) + self.limits.len() + self.backends.len()
    }

    /// The entries of a list.
    #[must_use]
    pub fn list(&self, kind: ListKind) -> &[Entry] {
        match kind {
            ListKind::Deny => &self.deny,
            ListKind::Allow => &self.allow,
        }
    }

    /// The same, to be changed.
    pub fn list_mut(&mut self, kind: ListKind) -> &mut Vec<Entry> {
        match kind {
            ListKind::Deny => &mut self.deny,
            ListKind::Allow => &mut self.allow,
        }
    }

    /// Puts the limits that verbs changed in place of others.
    pub fn lay_limits_over(&self, limits: &mut LimitsConfig) {
        for (scope, change) in &self.limits {
            *limits.of_mut(*scope) = change.rate;
        }
    }

    /// Reads them from a file's content.
    pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Self, StateError> {
        let wrong = |found: String| StateError::Content {
            path: path.display().to_string(),
            expected: "the changes that verbs made, whole",
            found,
        };
        let document: Document<Self> =
            serde_json::from_slice(bytes).map_err(|error| match bytes {
                [] => wrong("an empty file".to_owned()),
                _ => wrong(error.to_string()),
            })?;
        if document.version != VERSION {
            return Err(wrong(format!("version {}, not {VERSION}", document.version)));
        }
        for (scope, limit) in &document.changes.limits {
            if let Some(Err(error)) = limit.rate.map(RateConfig::check) {
                return Err(wrong(format!("limit {scope}: {error}")));
            }
        }
        document.changes.check()?;
        Ok(document.changes)
    }

    /// A file's content.
    pub(super) fn bytes(&self, path: &Path) -> Result<Vec<u8>, StateError> {
        self.check()?;
        let document = Document { version: VERSION, changes: self };
        let mut bytes = serde_json::to_vec_pretty(&document).map_err(|error| {
            let path = path.to_path_buf();
            StateError::Write { path, action: "put it in words", source: error.into() }
        })?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    fn check(&self) -> Result<(), StateError> {
        let found = self.deny.len() + self.allow.len();
        if found > ENTRIES_MAX {
            return Err(StateError::TooMany {
                what: "deny and allow entries made by verbs",
                max: ENTRIES_MAX,
                found,
                remedy: "put them into a list file, or list larger networks",
            });
        }
        let found = self.backends.len();
        if found > BACKEND_CHANGES_MAX {
            return Err(StateError::TooMany {
                what: "changes of backends made by verbs",
                max: BACKEND_CHANGES_MAX,
                found,
                remedy: "put them into the configuration",
            });
        }
        Ok(())
    }

    /// Those whose time is not over.
    #[must_use]
    pub fn going_on(&self, now_epoch_s: u64) -> Self {
        let going_on = |entries: &[Entry]| -> Vec<Entry> {
            entries.iter().filter(|entry| !entry.is_over(now_epoch_s)).cloned().collect()
        };
        Self { deny: going_on(&self.deny), allow: going_on(&self.allow), ..self.clone() }
    }

    /// Whether the time of an entry is over.
    #[must_use]
    pub fn has_ended(&self, now_epoch_s: u64) -> bool {
        self.deny.iter().chain(&self.allow).any(|entry| entry.is_over(now_epoch_s))
    }

    /// The prefixes of those whose time is over, in a line.
    #[must_use]
    pub fn ended(&self, now_epoch_s: u64) -> String {
        let lists = [ListKind::Deny, ListKind::Allow];
        let ended = lists.into_iter().flat_map(|kind| {
            let over = self.list(kind).iter().filter(|entry| entry.is_over(now_epoch_s));
            over.map(move |entry| format!("{kind} {}", entry.prefix))
        });
        ended.collect::<Vec<_>>().join(", ")
    }

    /// A configuration with the changes laid over it.
    ///
    /// # Errors
    ///
    /// Where a change needs what the configuration no longer has: what, and what to do.
    pub fn over(&self, config: &PacketConfig) -> Result<PacketConfig, String> {
        let mut packet = config.clone();
        packet.deny.prefixes.extend(self.deny.iter().map(|entry| entry.prefix));
        packet.allow.prefixes.extend(self.allow.iter().map(|entry| entry.prefix));
        if let Some(change) = &self.geo {
            let Some(geo) = &mut packet.geo else {
                return Err("packet.geo.database: expected a country database, as `seawall geo` \
                     changed the countries, found none; set it, or forget the change by `seawall geo reset`"
                    .to_owned());
            };
            geo.mode = (!change.countries.is_empty()).then_some(change.mode);
            geo.countries.clone_from(&change.countries);
        }
        self.lay_limits_over(&mut packet.limits);
        Ok(packet)
    }
}

mod prefix_text {
    use super::*;

    pub fn serialize<S: serde::Serializer>(
        prefix: &IpNetwork,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(prefix)
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<IpNetwork, D::Error> {
        let text = String::deserialize(deserializer)?;
        prefix::parse(&text).map_err(serde::de::Error::custom)
    }
}

mod mode_text {
    use super::*;

    pub fn serialize<S: serde::Serializer>(
        mode: &GeoMode,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(mode.label())
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<GeoMode, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mode = [GeoMode::Only, GeoMode::Block].into_iter().find(|mode| mode.label() == text);
        mode.ok_or_else(|| serde::de::Error::custom("expected `only` or `block`"))
    }
}

mod countries_text {
    use super::*;

    pub fn serialize<S: serde::Serializer>(
        countries: &BTreeSet<Country>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(countries.iter().map(ToString::to_string))
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeSet<Country>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let parsed = texts.iter().map(|text| country::parse(text));
        parsed.collect::<Result<_, _>>().map_err(serde::de::Error::custom)
    }
}
