//! `cargo xtask bench flood`: handshakes of a real TLS client during a SYN flood from spoofed sources, with
//! Seawall and without. Both come out of one queue, that of the server's only interface.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use firewall_daemon::{
    config::{AttachPolicy, InterfaceConfig, RuleProtocol, RuleVerdict, SynCookiesConfig},
    datapath::{Datapath, DatapathOptions, PacketOptions},
    policy::{PolicySource, compile},
};
use nix::unistd::gettid;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};

use crate::{
    bench::{
        link, measure,
        paced::Paced,
        report::{Report, Row},
        syn_generator,
    },
    echo::Echo,
    engine::{labelled, plain_options},
    peer::Peer,
    pki::Authority,
    policies::rule,
    wait,
    world::{HostPlan, SERVER_INTERFACE, SERVER_IPV4, World},
};

const NAME: &str = "api.example";
const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(SERVER_IPV4), 443);
const CLIENT: HostPlan = HostPlan {
    name: "client",
    ipv4: Ipv4Addr::new(198, 51, 100, 7),
    ipv6: &[Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 7)],
};
/// What has to reach the server's interface.
const FLOOD_PPS: u32 = 1_000_000;
/// What is sent, so that it does: what finds the server's queue full is lost.
const SENT_PPS: u32 = 1_100_000;
const THRESHOLD_PPS: u32 = 1_000;
const HANDSHAKES: u32 = 200;
/// Handshakes before the flood, and after it: fewer than the threshold.
const HANDSHAKES_IN_PEACE: u32 = 20;
/// The share of the handshakes that the flood may not keep from completing.
const COMPLETED_MIN: f64 = 0.95;
/// Clients at once.
const CLIENTS: u32 = 16;
/// What a client has for connection and handshake together: it retries its first segment after 1 s.
const PATIENCE: Duration = Duration::from_secs(3);
/// From the end of a client's handshake to its next.
const PAUSE: Duration = Duration::from_millis(400);
const SETTLE: Duration = Duration::from_secs(1);
/// Every handshake taking all its patience, and as much again.
const LONGEST: Duration = Duration::from_secs(100);

/// What came of one flood.
struct Outcome {
    completed: u32,
    /// The middle one of those that completed.
    handshake_ms: f64,
    generated_pps: f64,
    arrived_pps: f64,
    /// Of [`HANDSHAKES_IN_PEACE`], once it was over.
    completed_after: u32,
    cookies: Option<Cookies>,
}

/// SYN cookies that Seawall answered with.
struct Cookies {
    before: u64,
    during: u64,
    after: u64,
}

/// Floods both ways.
pub fn run(object: &Path) -> Result<(Report, Vec<String>)> {
    let with = flood(object, true)?;
    let without = flood(object, false)?;
    let mut problems = Vec::new();
    for (outcome, how) in [(&with, "with"), (&without, "without")] {
        eprintln!(
            "{how} Seawall: {} of {HANDSHAKES} handshakes; {:.0} segments/s sent, {:.0} packets/s arrived",
            outcome.completed, outcome.generated_pps, outcome.arrived_pps
        );
        if outcome.generated_pps < f64::from(FLOOD_PPS) {
            problems.push(format!("{how} Seawall: fewer than {FLOOD_PPS} segments/s were sent"));
        }
        if outcome.completed_after != HANDSHAKES_IN_PEACE {
            let completed = outcome.completed_after;
            problems.push(format!("{how} Seawall: {completed} handshakes after the flood"));
        }
    }
    problems.extend(with.problems());
    let share = |outcome: &Outcome| f64::from(outcome.completed) / f64::from(HANDSHAKES);
    let row = |id, value, unit| Row::single(id, value, unit, problems.is_empty());
    let after = with.cookies.as_ref().map_or(f64::NAN, |cookies| cookies.after as f64);
    let rows = vec![
        row("syn_flood_pps", with.generated_pps, "pps"),
        // What the server's queue had no place for was never judged.
        row("syn_flood_arrived_pps", with.arrived_pps, "pps"),
        row("syn_flood_handshakes", share(&with), "share"),
        row("syn_flood_handshake_ms", with.handshake_ms, "ms"),
        row("syn_flood_replies_after", after, "count"),
        row("syn_flood_pps_without", without.generated_pps, "pps"),
        row("syn_flood_arrived_pps_without", without.arrived_pps, "pps"),
        row("syn_flood_handshakes_without", share(&without), "share"),
        row("syn_flood_handshake_ms_without", without.handshake_ms, "ms"),
    ];
    Ok((Report::from_rows(rows), problems))
}

impl Outcome {
    /// What does not hold with Seawall.
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.arrived_pps < f64::from(FLOOD_PPS) {
            problems.push(format!("{:.0} packets/s arrived, of {FLOOD_PPS}", self.arrived_pps));
        }
        if f64::from(self.completed) < f64::from(HANDSHAKES) * COMPLETED_MIN {
            problems.push(format!("{} of {HANDSHAKES} handshakes completed", self.completed));
        }
        match &self.cookies {
            Some(Cookies { before: 0, during: 1.., after: 0 }) => {}
            Some(Cookies { before, during, after }) => problems.push(format!(
                "{before} cookies before the flood, {during} during it, {after} after it"
            )),
            None => problems.push("nobody counted cookies".to_owned()),
        }
        problems
    }
}

fn flood(object: &Path, with_seawall: bool) -> Result<Outcome> {
    let world = World::build(&[CLIENT])?;
    world.server.sysctl("net/ipv4/tcp_syncookies", "2")?;
    // The addresses that the generator writes; NAPI in threads, not on the core that sends.
    world.server.ip(&[format!("link set {SERVER_INTERFACE} address 02:00:00:00:00:01")])?;
    world.internet.ip(&["link set uplink address 02:00:00:00:00:02"])?;
    let authority = Authority::create(world.folder(), "authority")?;
    let identity = authority.issue(NAME)?;
    let _echo = Echo::start(&world.server, SERVER, &identity)?;
    let config = client_config(&authority.certificate)?;
    // Answers to the flood end here: beyond, it would be the internet that is measured.
    let _peer = Peer::attach(&world.internet, "uplink", &turning_away())?;
    // Without a program it is GRO that gives the interface its NAPI; it is on both ways.
    world.server.tool("ethtool", &["-K", SERVER_INTERFACE, "gro", "on"])?;
    // A full ring of a network card loses clients' packets as it loses the flood's. A veth would hold them
    // back in a queue before it, and the flood, which goes by that queue, would do clients no harm.
    world.internet.tool("tc", &["qdisc", "replace", "dev", "uplink", "root", "noqueue"])?;
    let seawall = if with_seawall { Some(protect(&world)?) } else { None };
    let replies = || seawall.as_ref().map(replies).transpose();
    if peace(&world, &config)? != HANDSHAKES_IN_PEACE {
        bail!("not all of {HANDSHAKES_IN_PEACE} handshakes completed while nothing was flooded");
    }
    let before = replies()?;
    for (namespace, interface) in [(&world.server, SERVER_INTERFACE), (&world.internet, "uplink")] {
        let write = format!("echo 1 > /sys/class/net/{interface}/threaded");
        namespace.tool("ip", &["netns", "exec", namespace.name(), "sh", "-c", &write])?;
    }
    let generator =
        world.internet.run(|| syn_generator::load(object, "uplink", SERVER.port(), SENT_PPS))??;
    let mut outcome = thread::scope(|scope| {
        let sending = scope.spawn(|| {
            world.internet.run(|| {
                link::own(gettid(), link::SENDING_CPU)?;
                generator.run(LONGEST)
            })?
        });
        let measured = attack(&world, &generator, &config);
        generator.stop()?;
        sending.join().map_err(|_| anyhow!("the generator panicked"))??;
        measured
    })?;
    settle(&world)?;
    let flooded = replies()?;
    outcome.completed_after = peace(&world, &config)?;
    let counted = before.zip(flooded).zip(replies()?);
    outcome.cookies = counted.map(|((before, flooded), now)| Cookies {
        before,
        during: flooded - before,
        after: now - flooded,
    });
    if let Some(mut datapath) = seawall {
        for row in datapath.counters()? {
            eprintln!("  {} {}: {}", row.verdict.label(), row.reason.label(), row.packets);
        }
        ensure!(datapath.losses()?.replies == 0, "answers could not be written");
        datapath.detach()?;
    }
    Ok(outcome)
}

fn attack(world: &World, generator: &Paced, config: &Arc<ClientConfig>) -> Result<Outcome> {
    thread::sleep(SETTLE);
    let (start, sent, arrived) = (Instant::now(), generator.sent()?, received(world)?);
    let (next, took_ms) = (AtomicU32::new(0), Mutex::new(Vec::new()));
    let client = &world.host(CLIENT.name).namespace;
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                client.run(|| {
                    while next.fetch_add(1, Ordering::Relaxed) < HANDSHAKES {
                        let start = Instant::now();
                        if handshake(config).is_ok()
                            && let Ok(mut took_ms) = took_ms.lock()
                        {
                            took_ms.push(start.elapsed().as_secs_f64() * 1e3);
                        }
                        thread::sleep(PAUSE);
                    }
                })
            });
        }
    });
    let took_s = start.elapsed().as_secs_f64();
    let took_ms = took_ms.into_inner().map_err(|_| anyhow!("a client panicked"))?;
    Ok(Outcome {
        completed: took_ms.len() as u32,
        handshake_ms: measure::median(took_ms),
        generated_pps: (generator.sent()? - sent) as f64 / took_s,
        arrived_pps: (received(world)? - arrived) as f64 / took_s,
        completed_after: 0,
        cookies: None,
    })
}

/// Handshakes one after the other; answers how many completed.
fn peace(world: &World, config: &Arc<ClientConfig>) -> Result<u32> {
    let client = &world.host(CLIENT.name).namespace;
    client.run(|| (0..HANDSHAKES_IN_PEACE).filter(|_| handshake(config).is_ok()).count() as u32)
}

/// Waits until what was sent has been worked off.
fn settle(world: &World) -> Result<()> {
    let mut last = received(world)?;
    wait::until("end of the flood", || {
        let now = received(world).ok()?;
        let is_over = now == last;
        last = now;
        is_over.then_some(())
    })
}

fn replies(datapath: &Datapath) -> Result<u64> {
    let counts = labelled(&datapath.counters()?);
    Ok(counts.get("reply syn_cookie tcp").copied().unwrap_or(0))
}

/// A connection and its TLS handshake, both within the patience of one client.
fn handshake(config: &Arc<ClientConfig>) -> io::Result<()> {
    let start = Instant::now();
    let mut stream = TcpStream::connect_timeout(&SERVER, PATIENCE)?;
    let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
    let mut tls = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
    while tls.is_handshaking() {
        let left = PATIENCE.checked_sub(start.elapsed()).filter(|left| !left.is_zero());
        stream.set_read_timeout(Some(left.ok_or(io::ErrorKind::TimedOut)?))?;
        if tls.wants_write() {
            tls.write_tls(&mut stream)?;
        } else if tls.read_tls(&mut stream)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        } else {
            tls.process_new_packets().map_err(io::Error::other)?;
        }
    }
    Ok(())
}

fn client_config(authority: &Path) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority)?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// Drops what goes back to the port that the flood comes from.
fn turning_away() -> PolicySource {
    let ports = [syn_generator::PORT];
    let rule = rule("answers-to-the-flood", Some(RuleProtocol::Tcp), &ports, RuleVerdict::Drop);
    PolicySource { rules: vec![rule], ..PolicySource::default() }
}

fn protect(world: &World) -> Result<Datapath> {
    let interface = InterfaceConfig {
        name: SERVER_INTERFACE.to_owned(),
        mode: AttachPolicy::Native,
        replace: false,
    };
    let options = DatapathOptions { interfaces: vec![interface], pin_path: world.pin_path() };
    let cookies = SynCookiesConfig { ports: [SERVER.port()].into(), threshold_pps: THRESHOLD_PPS };
    let packet = PacketOptions { syn_cookies: Some(cookies), ..plain_options() };
    let policy = compile::compile(&PolicySource::default())?;
    Ok(world.server.run(|| Datapath::start(&options, &packet, &policy))??)
}

/// Packets that came in at the server's interface, by its own count.
fn received(world: &World) -> Result<u64> {
    let text = world.server.run(|| std::fs::read_to_string("/proc/thread-self/net/dev"))??;
    let start = format!("{SERVER_INTERFACE}:");
    let line = text.lines().find_map(|line| line.trim().strip_prefix(&start));
    let packets = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    packets.with_context(|| format!("net/dev names no {SERVER_INTERFACE}:\n{text}"))
}
