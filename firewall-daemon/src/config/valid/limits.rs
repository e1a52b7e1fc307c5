//! Rates, the limits that have them, and SYN cookies.

use serde_saphyr::{Location, Spanned};

use crate::config::{
    ByteRate, ConfigError, LimitsConfig, PacketRate, PortLimit, RateConfig, SynCookiesConfig,
    document::limits::{LimitsDocument, RateDocument, SynCookiesDocument},
    limits::REFILL_S_MAX,
    scalar::{Given, Number},
    valid::Check,
};

/// Ports with a limit at most: all of them are compared with each packet's.
const PORT_LIMITS_MAX: usize = 64;
const COOKIE_PORTS_MAX: usize = 64;

impl Check<'_> {
    pub(super) fn limits(&self, limits: LimitsDocument) -> Result<LimitsConfig, ConfigError> {
        let rate = |key: &str, rate: Given<Spanned<RateDocument>>| {
            rate.0.map(|rate| self.rate(key, rate.referenced, &rate.value)).transpose()
        };
        let mut checked = LimitsConfig {
            source: rate("source", limits.source)?,
            prefix: rate("prefix", limits.prefix)?,
            country: rate("country", limits.country)?,
            syn: rate("syn", limits.syn)?,
            udp: rate("udp", limits.udp)?,
            icmp: rate("icmp", limits.icmp)?,
            other: rate("other", limits.other)?,
            ports: Vec::new(),
        };
        let Some(ports) = limits.ports.0 else { return Ok(checked) };
        for entry in self.counted("ports", 0..=PORT_LIMITS_MAX, ports)? {
            let rate = self.rate("ports", entry.referenced, &entry.value.rate())?;
            let name = entry.value.port.value;
            let limit = PortLimit { protocol: name.protocol, port: name.port, rate };
            let same =
                |other: &PortLimit| (other.protocol, other.port) == (limit.protocol, limit.port);
            if checked.ports.iter().any(same) {
                let message = format!(
                    "port: expected each port once, found {}/{} again; remove one",
                    limit.port, limit.protocol
                );
                return self.error(entry.value.port.referenced, message);
            }
            checked.ports.push(limit);
        }
        Ok(checked)
    }

    /// A rate that stands at `place` under `key`.
    pub(super) fn rate(
        &self,
        key: &str,
        place: Location,
        rate: &RateDocument,
    ) -> Result<RateConfig, ConfigError> {
        let at = (key, place);
        let packets = self
            .pair(at, ("rate_pps", rate.rate_pps), ("burst_packets", rate.burst_packets))?
            .map(|(rate, burst)| PacketRate { rate_pps: rate.cast(), burst_packets: burst.cast() });
        let bytes = self
            .pair(
                at,
                ("rate_bytes_per_s", rate.rate_bytes_per_s),
                ("burst_bytes", rate.burst_bytes),
            )?
            .map(|(rate, burst)| ByteRate { rate_bytes_per_s: rate.0, burst_bytes: burst.0 });
        if packets.is_none() && bytes.is_none() {
            let message = format!(
                "{key}: expected rate_pps with burst_packets, rate_bytes_per_s with burst_bytes, \
                 or both, found neither"
            );
            return self.error(place, message);
        }
        Ok(RateConfig { packets, bytes })
    }

    /// A rate and its burst: both or neither.
    fn pair<const A: u64, const B: u64, const C: u64, const D: u64>(
        &self,
        (key, place): (&str, Location),
        (rate_key, rate): (&str, Given<Number<A, B>>),
        (burst_key, burst): (&str, Given<Number<C, D>>),
    ) -> Result<Option<(Number<A, B>, Number<C, D>)>, ConfigError> {
        let (found, missing) = match (rate.0, burst.0) {
            (None, None) => return Ok(None),
            (Some(rate), Some(burst)) if burst.0.div_ceil(rate.0) <= REFILL_S_MAX => {
                return Ok(Some((rate, burst)));
            }
            (Some(rate), Some(burst)) => {
                let message = format!(
                    "{key}: expected {burst_key} of at most {REFILL_S_MAX} s of {rate_key} \
                     ({}), found {}; lower it or raise {rate_key}",
                    rate.0.saturating_mul(REFILL_S_MAX),
                    burst.0
                );
                return self.error(place, message);
            }
            (Some(_), None) => (rate_key, burst_key),
            (None, Some(_)) => (burst_key, rate_key),
        };
        let message = format!("{key}: expected {missing} beside {found}, found none");
        self.error(place, message)
    }

    pub(super) fn syn_cookies(
        &self,
        cookies: SynCookiesDocument,
    ) -> Result<SynCookiesConfig, ConfigError> {
        let ports = self.counted("ports", 1..=COOKIE_PORTS_MAX, cookies.ports)?;
        let ports = self.each_once("ports", ports, |port| port.cast::<u16>())?;
        Ok(SynCookiesConfig {
            ports: ports.into_iter().collect(),
            threshold_pps: cookies.threshold_pps.cast(),
        })
    }
}
