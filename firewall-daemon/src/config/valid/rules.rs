//! Rules: what their keys need of each other, and of the sections that they name.

use std::collections::{BTreeMap, BTreeSet};

use firewall_common::Country;
use serde_saphyr::{Location, Spanned};

use crate::config::{
    ConfigError, LimitPer, ListConfig, PortRange, RuleConfig, RuleProtocol, RuleVerdict, TcpFlags,
    document::{
        Entries,
        rules::{PerDocument, RuleDocument, RuleLimitDocument, TcpFlagsDocument, VerdictDocument},
    },
    scalar::{
        CountryCode, Given, Number,
        ports::{Ports, ProtocolName, TcpFlag},
    },
    valid::{Check, packet::one_of},
};

/// Rules at most: a packet that none decides is compared with each.
const RULES_MAX: usize = 56;
/// Those with a bucket at most: each that matches is a look into a map of its own.
const LIMIT_RULES_MAX: usize = 8;

impl Check<'_> {
    pub(super) fn rules(
        &self,
        rules: Option<Entries<RuleDocument>>,
        sets: &BTreeMap<String, ListConfig>,
        geo: bool,
    ) -> Result<Vec<RuleConfig>, ConfigError> {
        let Some(rules) = rules else { return Ok(Vec::new()) };
        let mut limits = 0;
        let mut checked = Vec::new();
        for rule in self.counted("rules", 0..=RULES_MAX, rules)? {
            self.new_name(&rule.value.name, checked.iter().map(|other: &RuleConfig| &other.name))?;
            let name = rule.value.name.value.0.clone();
            let verdict_place = rule.value.verdict.referenced;
            let rule = self.rule(name, rule.value, sets, geo)?;
            limits += usize::from(matches!(rule.verdict, RuleVerdict::Limit { .. }));
            if limits > LIMIT_RULES_MAX {
                let message = format!(
                    "verdict: expected at most {LIMIT_RULES_MAX} rules that limit, \
                     found one more; merge rules or use packet.limits"
                );
                return self.error(verdict_place, message);
            }
            checked.push(rule);
        }
        Ok(checked)
    }

    fn rule(
        &self,
        name: String,
        rule: RuleDocument,
        sets: &BTreeMap<String, ListConfig>,
        geo: bool,
    ) -> Result<RuleConfig, ConfigError> {
        let protocol = rule.protocol.0.map(|ProtocolName(protocol)| protocol);
        Ok(RuleConfig {
            name,
            protocol,
            ports: self.ports(rule.ports, protocol)?,
            icmp_types: self.icmp_types(rule.icmp_types, protocol)?,
            tcp_flags: match rule.tcp_flags.0 {
                None => None,
                Some(flags) => Some(self.tcp_flags(flags, protocol)?),
            },
            sources: self.sources(rule.sources, sets)?,
            countries: self.countries(rule.countries, geo)?,
            verdict: self.verdict(rule.verdict, rule.limit.0)?,
        })
    }

    /// The entries of a list that asks something: an empty one would ask nothing, and match all.
    fn asked<T>(
        &self,
        key: &str,
        list: Given<Entries<T>>,
    ) -> Result<Option<Entries<T>>, ConfigError> {
        match list.0 {
            Some(list) if list.value.is_empty() => {
                let message = format!(
                    "{key}: expected at least one entry, found an empty list; \
                     leave {key} out to match any"
                );
                self.error(list.referenced, message)
            }
            list => Ok(list),
        }
    }

    /// A key that has a meaning for some protocols only.
    fn needs(
        &self,
        key: &str,
        place: Location,
        protocols: &[RuleProtocol],
        found: Option<RuleProtocol>,
    ) -> Result<(), ConfigError> {
        if found.is_some_and(|found| protocols.contains(&found)) {
            return Ok(());
        }
        let expected: Vec<String> = protocols.iter().map(ToString::to_string).collect();
        let found = found.map_or("none".to_owned(), |found| found.to_string());
        let message =
            format!("{key}: expected protocol {} beside it, found {found}", expected.join(" or "));
        self.error(place, message)
    }

    fn ports(
        &self,
        ports: Given<Entries<Ports>>,
        protocol: Option<RuleProtocol>,
    ) -> Result<Vec<PortRange>, ConfigError> {
        let Some(ports) = self.asked("ports", ports)? else { return Ok(Vec::new()) };
        let protocols = [RuleProtocol::Tcp, RuleProtocol::Udp];
        self.needs("ports", ports.referenced, &protocols, protocol)?;
        let overlap = |range: &PortRange, other: &PortRange| range.overlaps(*other);
        self.disjoint("ports", ports.value, |Ports(range)| range, overlap)
    }

    fn icmp_types(
        &self,
        types: Given<Entries<Number<0, 255>>>,
        protocol: Option<RuleProtocol>,
    ) -> Result<Vec<u8>, ConfigError> {
        let Some(types) = self.asked("icmp_types", types)? else { return Ok(Vec::new()) };
        let protocols = [RuleProtocol::Icmp, RuleProtocol::Icmpv6];
        self.needs("icmp_types", types.referenced, &protocols, protocol)?;
        self.each_once("icmp_types", types.value, |number| number.cast())
    }

    fn tcp_flags(
        &self,
        flags: Spanned<TcpFlagsDocument>,
        protocol: Option<RuleProtocol>,
    ) -> Result<TcpFlags, ConfigError> {
        let place = flags.referenced;
        self.needs("tcp_flags", place, &[RuleProtocol::Tcp], protocol)?;
        let TcpFlagsDocument { set, clear } = flags.value;
        if set.is_empty() && clear.is_empty() {
            let message = "tcp_flags: expected a flag in `set` or `clear`, found none; \
                           leave tcp_flags out to match any";
            return self.error(place, message.to_owned());
        }
        for flag in &clear {
            if set.iter().any(|other| other.value == flag.value) {
                let message = format!(
                    "clear: expected flags that are not in `set` too, found {}; no packet has it both ways",
                    flag.value
                );
                return self.error(flag.referenced, message);
            }
        }
        let bits = |flags: Vec<TcpFlag>| flags.iter().fold(0, |bits, flag| bits | flag.bit);
        Ok(TcpFlags {
            set: bits(self.each_once("set", set, |flag| flag)?),
            clear: bits(self.each_once("clear", clear, |flag| flag)?),
        })
    }

    fn sources(
        &self,
        sources: Given<Entries<String>>,
        sets: &BTreeMap<String, ListConfig>,
    ) -> Result<Vec<String>, ConfigError> {
        let Some(sources) = self.asked("sources", sources)? else { return Ok(Vec::new()) };
        for source in &sources.value {
            if !sets.contains_key(&source.value) {
                let message = format!(
                    "sources: expected {}, found {:?}",
                    one_of("set", "packet.sets", sets.keys()),
                    source.value
                );
                return self.error(source.referenced, message);
            }
        }
        self.each_once("sources", sources.value, |name| name)
    }

    fn countries(
        &self,
        countries: Given<Entries<CountryCode>>,
        geo: bool,
    ) -> Result<BTreeSet<Country>, ConfigError> {
        let Some(countries) = self.asked("countries", countries)? else {
            return Ok(BTreeSet::new());
        };
        if !geo {
            let message = "countries: expected packet.geo with a database, found none; \
                           without it no source has a country";
            return self.error(countries.referenced, message.to_owned());
        }
        let countries =
            self.each_once("countries", countries.value, |CountryCode(country)| country)?;
        Ok(countries.into_iter().collect())
    }

    fn verdict(
        &self,
        verdict: Spanned<VerdictDocument>,
        limit: Option<Spanned<RuleLimitDocument>>,
    ) -> Result<RuleVerdict, ConfigError> {
        match (verdict.value, limit) {
            (VerdictDocument::Pass, None) => Ok(RuleVerdict::Pass),
            (VerdictDocument::Drop, None) => Ok(RuleVerdict::Drop),
            (VerdictDocument::Limit, Some(limit)) => Ok(RuleVerdict::Limit {
                per: match limit.value.per {
                    PerDocument::Source => LimitPer::Source,
                    PerDocument::Prefix => LimitPer::Prefix,
                    PerDocument::Rule => LimitPer::Rule,
                },
                rate: self.rate("limit", limit.referenced, &limit.value.rate())?,
            }),
            (VerdictDocument::Limit, None) => {
                let message =
                    "verdict: expected `limit` with a rate beside verdict limit, found none";
                self.error(verdict.referenced, message.to_owned())
            }
            (VerdictDocument::Pass | VerdictDocument::Drop, Some(limit)) => {
                let message = "limit: expected verdict limit beside it, found another; remove one";
                self.error(limit.referenced, message.to_owned())
            }
        }
    }
}
