//! What a generation may change beside its tables.

use firewall_common::{
    bucket::{Limit, Rate, UNITS_PER_NS},
    limits::PORT_LIMITS_MAX,
    port_limits::PortTable,
    rules::{RuleMasks, RuleTable},
    settings::Settings,
};

use crate::{
    config::{
        EventsConfig, Fate, KernelLog, LimitsConfig, PacketConfig, PortProtocol, RateConfig,
        SynCookiesConfig,
    },
    policy::{compile::CompiledPolicy, rules::limit},
};

/// What a generation may change beside its tables.
#[derive(Clone, Debug)]
pub struct PacketOptions {
    /// Token buckets.
    pub limits: LimitsConfig,
    /// Answers from the program.
    pub syn_cookies: Option<SynCookiesConfig>,
    /// What cannot be parsed.
    pub malformed: Fate,
    /// TCP flags that no client sends together.
    pub tcp_flags: Fate,
    /// Fragments that are not the first.
    pub fragments: Fate,
    /// Frames that are neither IP, ARP nor link control.
    pub non_ip: Fate,
    /// The whole policy is in shadow.
    pub shadow: bool,
    /// Sampling of drops.
    pub events: EventsConfig,
    /// Log lines of the program.
    pub kernel_log: KernelLog,
}

impl From<&PacketConfig> for PacketOptions {
    fn from(config: &PacketConfig) -> Self {
        Self {
            limits: config.limits.clone(),
            syn_cookies: config.syn_cookies.clone(),
            malformed: config.malformed,
            tcp_flags: config.tcp_flags,
            fragments: config.fragments,
            non_ip: config.non_ip,
            shadow: config.shadow.policy,
            events: config.events.clone(),
            kernel_log: config.kernel_log,
        }
    }
}

impl PacketOptions {
    /// As the program wants them.
    pub(super) fn settings(
        &self,
        number: u32,
        masks: RuleMasks,
        rules: Option<&RuleTable>,
    ) -> Settings {
        let on = |rate: &Option<RateConfig>| rate.as_ref().map_or(Limit::OFF, limit);
        let pass = |fate: Fate| u32::from(fate == Fate::Pass);
        let LimitsConfig { source, prefix, country, syn, udp, icmp, other, ports } = &self.limits;
        let mut settings = Settings {
            rules: masks,
            source: on(source),
            prefix: on(prefix),
            country: on(country),
            protocols: [on(syn), on(udp), on(icmp), on(other)],
            syn_meter: self.syn_cookies.as_ref().map_or(Limit::OFF, syn_meter),
            events: events_bound(&self.events),
            window_max: 0,
            generation: number,
            sample_one_in: self.events.sample_one_in,
            first_of_source: u32::from(self.events.first_of_source),
            ports: u32::from(!ports.is_empty()),
            timed: 0,
            exact_time: 0,
            first_look: 0,
            _pad: 0,
            rule_slots: [0; 64],
            malformed_pass: pass(self.malformed),
            non_ip_pass: pass(self.non_ip),
            tcp_flags_pass: pass(self.tcp_flags),
            fragments_pass: pass(self.fragments),
            shadow: u32::from(self.shadow),
            logs: u32::from(self.kernel_log != KernelLog::Off),
        };
        let of_rules = rules.into_iter().flat_map(|table| &table.limits).map(|rule| &rule.limit);
        let in_rows = [&settings.source, &settings.prefix].into_iter().chain(of_rules);
        let windows = in_rows.flat_map(|limit| [limit.packets.window(), limit.bytes.window()]);
        settings.window_max = windows.max().unwrap_or(0);
        let timed = [&settings.country, &settings.syn_meter].into_iter().chain(&settings.protocols);
        let is_timed = settings.window_max != 0
            || settings.ports != 0
            || timed.into_iter().any(|limit| limit.is_on());
        settings.timed = u32::from(is_timed);
        let of_ports = self.limits.ports.iter().map(|port| limit(&port.rate));
        let of_rules = rules.into_iter().flat_map(|table| table.limits).map(|rule| rule.limit);
        let all = [settings.source, settings.prefix, settings.country, settings.syn_meter];
        let all = all.into_iter().chain(settings.protocols).chain(of_ports).chain(of_rules);
        let mut windows = all.flat_map(|limit| [limit.packets.window(), limit.bytes.window()]);
        settings.exact_time =
            u32::from(windows.any(|window| (1..TICKED_WINDOW_MIN).contains(&window)));
        settings
    }

    /// The same for a policy that is asked in memory.
    #[must_use]
    pub fn settings_of(&self, policy: &CompiledPolicy) -> Settings {
        self.settings(0, policy.rules.masks, policy.rules.table.as_deref())
    }

    /// The tables by port, where any port has a limit or SYN cookies.
    pub(super) fn ports(&self) -> Option<Box<PortTable>> {
        if self.limits.ports.is_empty() && self.syn_cookies.is_none() {
            return None;
        }
        let mut table = PortTable::boxed();
        for (place, port) in self.limits.ports.iter().take(PORT_LIMITS_MAX).enumerate() {
            let places = match port.protocol {
                PortProtocol::Tcp => &mut table.tcp,
                PortProtocol::Udp => &mut table.udp,
            };
            places[usize::from(port.port)] = place as u8 + 1;
            table.limits[place] = limit(&port.rate);
        }
        for port in self.syn_cookies.iter().flat_map(|cookies| &cookies.ports) {
            table.syn_cookies[usize::from(port / 64)] |= 1 << (port % 64);
        }
        Some(table)
    }
}

/// The shortest window that the time of the last tick is exact enough for: ten of the slowest kernel's
/// ticks (100 Hz).
const TICKED_WINDOW_MIN: u64 = 100_000_000 * UNITS_PER_NS;

/// A tenth of a second's worth at once: the threshold is passed within that.
fn syn_meter(cookies: &SynCookiesConfig) -> Limit {
    let rate = u64::from(cookies.threshold_pps);
    Limit { packets: Rate::new(rate, rate / 10), bytes: Rate::OFF }
}

/// A second's worth at once: the clock that it is asked by has ticks of some milliseconds.
fn events_bound(events: &EventsConfig) -> Limit {
    let rate = u64::from(events.events_per_s_max);
    if rate == 0 {
        return Limit::OFF;
    }
    Limit { packets: Rate::new(rate, rate), bytes: Rate::OFF }
}
