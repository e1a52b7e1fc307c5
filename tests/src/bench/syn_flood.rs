//! `cargo xtask bench flood`: handshakes of a real TLS client during a SYN flood from spoofed sources, with
//! Seawall and without. Both come out of one queue, that of the server's only interface.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, ensure};
use firewall_daemon::{
    config::{
        AttachPolicy, InterfaceConfig, PortRange, RuleConfig, RuleProtocol, RuleVerdict,
        SynCookiesConfig,
    },
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
        link,
        report::{Report, Row},
        syn_generator::{self, SynGenerator},
    },
    echo::Echo,
    engine::plain_options,
    peer::Peer,
    pki::Authority,
    world::{HostPlan, SERVER_INTERFACE, SERVER_IPV4, World},
};

const NAME: &str = "api.example";
const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(SERVER_IPV4), 443);
const CLIENT: HostPlan = HostPlan {
    name: "client",
    ipv4: Ipv4Addr::new(198, 51, 100, 7),
    ipv6: &[Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 7)],
};
const FLOOD_PPS: u32 = 1_000_000;
const THRESHOLD_PPS: u32 = 1_000;
const HANDSHAKES: u32 = 200;
/// Clients at once.
const CLIENTS: u32 = 8;
/// What a client has for connection and handshake together: it retries its first segment after 1 s.
const PATIENCE: Duration = Duration::from_secs(3);
/// From the end of a client's handshake to its next.
const PAUSE: Duration = Duration::from_millis(400);
const SETTLE: Duration = Duration::from_secs(1);
/// Every handshake taking all its patience, and as much again.
const LONGEST: Duration = Duration::from_secs(160);

/// What came of one flood.
struct Outcome {
    completed: u32,
    generated_pps: f64,
    arrived_pps: f64,
}

/// Floods both ways.
pub fn run(object: &Path) -> Result<(Report, Vec<String>)> {
    let with = flood(object, true)?;
    let without = flood(object, false)?;
    let enough = f64::from(FLOOD_PPS) * 0.95;
    let mut problems = Vec::new();
    for (outcome, how) in [(&with, "with"), (&without, "without")] {
        eprintln!(
            "{how} Seawall: {} of {HANDSHAKES} handshakes; {:.0} segments/s sent, {:.0} packets/s arrived",
            outcome.completed, outcome.generated_pps, outcome.arrived_pps
        );
        if outcome.generated_pps < enough {
            problems
                .push(format!("{how} Seawall: fewer than {enough} segments a second were sent"));
        }
    }
    let share = |outcome: &Outcome| f64::from(outcome.completed) / f64::from(HANDSHAKES);
    let row = |id, value, unit| Row::single(id, value, unit, problems.is_empty());
    let rows = vec![
        row("syn_flood_pps", with.generated_pps, "pps"),
        // What the server's queue had no place for was never judged.
        row("syn_flood_arrived_pps", with.arrived_pps, "pps"),
        row("syn_flood_handshakes", share(&with), "share"),
        row("syn_flood_handshakes_without", share(&without), "share"),
    ];
    Ok((Report::from_rows(rows), problems))
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
    let client = &world.host(CLIENT.name).namespace;
    client.run(|| handshake(&config))?.context("no handshake while nothing was flooded")?;
    // Answers to the flood end here: beyond, it would be the internet that is measured.
    let _peer = Peer::attach(&world.internet, "uplink", &turning_away())?;
    let mut seawall = None;
    if with_seawall {
        seawall = Some(protect(&world)?);
    } else {
        world.server.tool("ethtool", &["-K", SERVER_INTERFACE, "gro", "on"])?;
    }
    for (namespace, interface) in [(&world.server, SERVER_INTERFACE), (&world.internet, "uplink")] {
        let write = format!("echo 1 > /sys/class/net/{interface}/threaded");
        namespace.tool("ip", &["netns", "exec", namespace.name(), "sh", "-c", &write])?;
    }
    let generator =
        world.internet.run(|| SynGenerator::load(object, "uplink", SERVER.port(), FLOOD_PPS))??;
    let outcome = thread::scope(|scope| {
        let sending = scope.spawn(|| {
            world.internet.run(|| {
                link::own(gettid(), link::SENDING_CPU)?;
                generator.run(LONGEST)
            })?
        });
        let measured = measure(&world, &generator, &config);
        generator.stop()?;
        sending.join().map_err(|_| anyhow!("the generator panicked"))??;
        measured
    })?;
    if let Some(mut datapath) = seawall {
        for row in datapath.counters()? {
            eprintln!("  {} {}: {}", row.verdict.label(), row.reason.label(), row.packets);
        }
        ensure!(datapath.losses()?.replies == 0, "answers could not be written");
        datapath.stop()?;
    }
    Ok(outcome)
}

fn measure(world: &World, generator: &SynGenerator, config: &Arc<ClientConfig>) -> Result<Outcome> {
    thread::sleep(SETTLE);
    let (start, sent, arrived) = (Instant::now(), generator.sent()?, received(world)?);
    let (next, completed) = (AtomicU32::new(0), AtomicU32::new(0));
    let client = &world.host(CLIENT.name).namespace;
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                client.run(|| {
                    while next.fetch_add(1, Ordering::Relaxed) < HANDSHAKES {
                        if handshake(config).is_ok() {
                            completed.fetch_add(1, Ordering::Relaxed);
                        }
                        thread::sleep(PAUSE);
                    }
                })
            });
        }
    });
    let took_s = start.elapsed().as_secs_f64();
    Ok(Outcome {
        completed: completed.into_inner(),
        generated_pps: (generator.sent()? - sent) as f64 / took_s,
        arrived_pps: (received(world)? - arrived) as f64 / took_s,
    })
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
    let port = syn_generator::PORT;
    let rule = RuleConfig {
        name: "answers-to-the-flood".to_owned(),
        protocol: Some(RuleProtocol::Tcp),
        ports: vec![PortRange { first: port, last: port }],
        icmp_types: Vec::new(),
        tcp_flags: None,
        sources: Vec::new(),
        countries: Default::default(),
        verdict: RuleVerdict::Drop,
    };
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
