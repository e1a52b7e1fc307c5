//! Seawall as a receiver: all that the benchmark knows of `firewall_daemon` is here.

use std::{
    collections::BTreeSet,
    fs,
    net::IpAddr,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use aya::{
    TestRun as _, TestRunOptions,
    programs::{XdpMode, xdp::XdpLinkId},
};
use firewall_common::Country;
use firewall_daemon::{
    config::{
        AttachPolicy, EventsConfig, Fate, InterfaceConfig, LimitPer, LimitsConfig, PortLimit,
        PortProtocol, RateConfig, RuleConfig, RuleProtocol, RuleVerdict, SynCookiesConfig,
    },
    datapath::{
        Datapath, DatapathOptions, Losses, PacketOptions, bans::Bans, generation::Generation,
    },
    policy::{GeoMode, GeoSource, PolicySource, compile, geo},
};
use ipnetwork::IpNetwork;

use crate::{
    bench::{
        link::RECEIVER,
        lists::Geo,
        receiver::{Counts, Receiver},
    },
    engine::{labelled, plain_options},
    policies::{database, denying, packets, rule},
};

/// Labels of [`Receiver::counts`], as far as the benchmark expects them.
pub mod label {
    /// On the deny list.
    pub const DENIED: &str = "drop deny udp";
    /// Not let in; also what no list names, see [`super::Policy::source`].
    pub const UNLISTED: &str = "drop geo udp";
    /// Over its rate.
    pub const LIMITED: &str = "drop rate_source udp";
    /// Let in.
    pub const PASSED: &str = "pass default udp";
    /// Over the rate of a rule.
    pub const RULE_LIMITED: &str = "drop rate_rule udp";
    /// Let by by the rule, and dropped behind it.
    pub const CLOSED: &str = "drop default udp";
    /// A SYN that is let in.
    pub const SYN_PASSED: &str = "pass default tcp";
    /// An established client's, over its rate.
    pub const CLIENT_LIMITED: &str = "drop rate_source tcp";
    /// An established client's, let in.
    pub const CLIENT_PASSED: &str = "pass default tcp";
}

/// What a receiver is to enforce.
#[derive(Clone, Copy, Default)]
pub struct Policy<'a> {
    /// The deny list.
    pub denied: &'a [IpNetwork],
    /// The countries.
    pub geo: Option<&'a Geo>,
    /// Packets a second and burst, a source.
    pub limit: Option<(u32, u32)>,
    /// The same, by a rule, behind which everything is dropped: what passes would cost the network stack,
    /// which is not measured here.
    pub closed_limit: Option<(u32, u32)>,
    /// Everything else that a packet can meet is on, and lets it pass.
    pub everything: bool,
}

/// More than any packet of a benchmark takes.
const ENOUGH: u32 = 10_000_000;

impl Policy<'_> {
    /// Where nothing limits, what no list names is dropped too: that no country is let in says so. What
    /// passes would cost the network stack, which is not measured here.
    fn source(&self) -> Result<PolicySource> {
        let geo = match self.geo {
            Some(geo) => {
                let (networks, database) = geo::read(&geo.path)?;
                let countries = geo.let_in.iter().filter_map(|code| Country::parse(code)).collect();
                Some(GeoSource::new(Some(GeoMode::Only), countries, networks, database))
            }
            None if self.limit.is_none() && self.closed_limit.is_none() => Some(nobody()),
            None => None,
        };
        let mut source = PolicySource { geo, ..denying(self.denied.to_vec()) };
        if let Some((rate_pps, burst)) = self.closed_limit {
            source.rules = vec![limit_rule(packets(rate_pps, burst))];
            source.default = Fate::Drop;
        }
        if self.everything {
            let limit = limit_rule(packets(ENOUGH, ENOUGH));
            let drop = rule("mail", Some(RuleProtocol::Tcp), &[25], RuleVerdict::Drop);
            source.rules = vec![drop, limit];
        }
        Ok(source)
    }

    fn options(&self) -> PacketOptions {
        let source = self.limit.map(|(rate_pps, burst)| packets(rate_pps, burst));
        if self.everything {
            return everything();
        }
        PacketOptions {
            limits: LimitsConfig { source, ..LimitsConfig::default() },
            events: sampling(),
            ..plain_options()
        }
    }
}

fn limit_rule(rate: RateConfig) -> RuleConfig {
    rule("limit", None, &[], RuleVerdict::Limit { per: LimitPer::Source, rate })
}

/// As it is where nothing else is configured.
fn sampling() -> EventsConfig {
    EventsConfig { sample_one_in: 100, first_of_source: true, events_per_s_max: 1_000 }
}

/// Every limit there is, in packets; SYN cookies; sampling.
fn everything() -> PacketOptions {
    let rate = packets(ENOUGH, ENOUGH);
    let all = Some(rate);
    let ports = vec![PortLimit { protocol: PortProtocol::Tcp, port: 443, rate }];
    PacketOptions {
        limits: LimitsConfig {
            source: all,
            prefix: all,
            country: all,
            syn: all,
            udp: all,
            icmp: all,
            other: all,
            ports,
        },
        syn_cookies: Some(SynCookiesConfig { ports: [443].into(), threshold_pps: ENOUGH }),
        events: sampling(),
        ..plain_options()
    }
}

/// A database of no network, of which no country is let in.
fn nobody() -> GeoSource {
    GeoSource::new(Some(GeoMode::Only), BTreeSet::new(), Vec::new(), database())
}

/// Every network of a country database.
pub fn networks(path: &Path) -> Result<Vec<(IpNetwork, String)>> {
    let (networks, _) = geo::read(path)?;
    Ok(networks.into_iter().map(|(network, country)| (network, country.to_string())).collect())
}

/// A generation that is attached and taken off as the benchmark likes.
pub struct Seawall {
    generation: Generation,
    link: Option<XdpLinkId>,
}

impl Seawall {
    /// Compiles and loads a policy. `pins` is a folder of its own: no two share counters or buckets.
    pub fn load(policy: &Policy<'_>, pins: &Path) -> Result<Self> {
        Self::load_source(&policy.source()?, &policy.options(), pins)
    }

    /// The same, of any policy.
    pub fn load_source(
        source: &PolicySource,
        options: &PacketOptions,
        pins: &Path,
    ) -> Result<Self> {
        fs::create_dir_all(pins).with_context(|| format!("could not make {}", pins.display()))?;
        let compiled = compile::compile(source)?;
        let generation = Generation::load(1, options, &compiled, pins)?;
        Ok(Self { generation, link: None })
    }

    /// What the program could not do.
    pub fn losses(&self) -> Result<Losses> {
        Ok(self.generation.losses()?)
    }

    /// Bans a source, and sweeps as the daemon does.
    pub fn ban(pins: &Path, source: IpAddr) -> Result<()> {
        let mut bans = Bans::open(pins)?;
        bans.add(source, Duration::from_secs(3_600))?;
        ensure!(bans.sweep()? == 1, "expected one banned source");
        Ok(())
    }

    /// Judges one frame over and over (`BPF_PROG_TEST_RUN`); answers how long one takes.
    pub fn judge(&mut self, frame: &[u8], repeat: u32) -> Result<Duration> {
        const XDP_PASS: u32 = 2;
        let options = TestRunOptions { data_in: Some(frame), repeat, ..TestRunOptions::default() };
        let result = self.generation.program()?.test_run(options)?;
        ensure!(result.return_value == XDP_PASS, "the frame ended with {}", result.return_value);
        Ok(result.duration)
    }
}

impl Receiver for Seawall {
    fn attach(&mut self) -> Result<()> {
        self.link = Some(self.generation.program()?.attach(RECEIVER, XdpMode::Driver)?);
        Ok(())
    }

    fn detach(&mut self) -> Result<()> {
        if let Some(link) = self.link.take() {
            self.generation.program()?.detach(link)?;
        }
        Ok(())
    }

    fn counts(&self) -> Result<Counts> {
        Ok(labelled(&self.generation.counters()?))
    }
}

/// A datapath in force, as the daemon has it.
pub struct InForce {
    datapath: Datapath,
}

impl InForce {
    /// Attaches a first policy.
    pub fn start(policy: &Policy<'_>, pins: &Path) -> Result<Self> {
        let compiled = compile::compile(&policy.source()?)?;
        let interface = InterfaceConfig {
            name: RECEIVER.to_owned(),
            mode: AttachPolicy::Native,
            replace: false,
        };
        let options = DatapathOptions { interfaces: vec![interface], pin_path: pins.to_path_buf() };
        Ok(Self { datapath: Datapath::start(&options, &policy.options(), &compiled)? })
    }

    /// Compiles, loads and switches to each policy in turn; answers how long each took, reading of
    /// files left out.
    pub fn switch(
        &mut self,
        policy: &Policy<'_>,
        pins: &Path,
        times: u32,
    ) -> Result<Vec<Duration>> {
        let source = policy.source()?;
        let before = self.datapath.generation();
        let mut took = Vec::new();
        for _ in 0..times {
            let start = Instant::now();
            let compiled = compile::compile(&source)?;
            let number = self.datapath.generation() + 1;
            self.datapath.switch(Generation::load(number, &policy.options(), &compiled, pins)?)?;
            took.push(start.elapsed());
        }
        ensure!(self.datapath.generation() == before + times, "a switch was not counted");
        Ok(took)
    }
}

/// It is attached for as long as it lives.
impl Receiver for InForce {
    fn attach(&mut self) -> Result<()> {
        Ok(())
    }

    fn detach(&mut self) -> Result<()> {
        Ok(self.datapath.detach()?)
    }

    fn counts(&self) -> Result<Counts> {
        Ok(labelled(&self.datapath.counters()?))
    }
}
