//! `seawall watch`: what is dropped is seen as it comes, as lines and as a capture file.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{IpAddr, SocketAddr, UdpSocket},
    os::unix::net::UnixStream,
    path::Path,
    process::Command,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use firewall_daemon::{
    capture::{CapturedFrame, Reader},
    control::WATCHERS_MAX,
};
use nix::sys::signal::Signal;
use seawall_tests::{
    namespace::Namespace,
    process::{self, Process},
    requirement,
    seawall::{self, Seawall},
    wait,
    world::{SERVER_INTERFACE, SERVER_IPV4, SERVER_IPV6},
};
use serde_json::Value;

use crate::site::{CLIENT, Ground, Site};

/// The client is denied by a list, and each drop becomes an event.
const POLICY: &str = "  deny: { files: [spam.txt] }
  geo: { database: country.mmdb, block: [KP] }
  events: { sample_one_in: 1, events_per_s_max: 1000000 }
";
const PORT: u16 = 40_053;
/// Bytes of a frame that an event carries.
const CAPTURED: usize = 128;
/// Ends at once, and no machine is this slow.
const EXIT: Duration = Duration::from_secs(15);

fn site() -> Site {
    let ground = Ground::prepare();
    fs::write(ground.world.folder().join("spam.txt"), "198.51.100.0/24\n2001:db8:d::/48\n")
        .unwrap();
    let seawall = Seawall::start(&ground.world, &ground.config(POLICY, "")).unwrap();
    Site { seawall, ground }
}

/// Starts `seawall watch`, and waits until the daemon tells it.
fn watch(site: &Site, name: &str, arguments: &[&str]) -> Process {
    let socket = site.ground.socket();
    let mut command = Command::new(process::program("seawall").unwrap());
    command.arg("watch").args(arguments).arg("--socket").arg(socket);
    let world = &site.ground.world;
    let mut watch = Process::start(&world.server, &mut command, name, world.folder()).unwrap();
    let log = world.folder().join(format!("{name}.log"));
    watch
        .wait_until("watching", EXIT, || {
            let log = fs::read_to_string(&log).ok()?;
            log.contains("watching eth0: every drop becomes an event").then_some(())
        })
        .unwrap();
    watch
}

/// Sends a datagram to each server address that there is a payload for.
fn datagram(client: &Namespace, source: IpAddr, server: IpAddr, payload: &[u8]) {
    let sent = client
        .run(|| UdpSocket::bind((source, PORT))?.send_to(payload, SocketAddr::new(server, 53)));
    assert_eq!(sent.unwrap().unwrap(), payload.len());
}

fn address_of(namespace: &Namespace, interface: &str) -> Vec<u8> {
    let output =
        namespace.output(Command::new("ip").args(["-o", "link", "show", interface])).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let address = text.split("link/ether ").nth(1).unwrap().split(' ').next().unwrap();
    address.split(':').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

/// The frame of such a datagram: all bytes but those that the hosts on the way choose.
fn check_frame(site: &Site, frame: &CapturedFrame, source: IpAddr, server: IpAddr, payload: &[u8]) {
    let mut head = address_of(&site.ground.world.server, SERVER_INTERFACE);
    head.extend(address_of(&site.ground.world.internet, "uplink"));
    let (ethertype, addresses, header) = match (source, server) {
        (IpAddr::V4(source), IpAddr::V4(server)) => {
            ([0x08, 0x00], [source.octets(), server.octets()].concat(), 20)
        }
        (IpAddr::V6(source), IpAddr::V6(server)) => {
            ([0x86, 0xdd], [source.octets(), server.octets()].concat(), 40)
        }
        _ => panic!("of one family"),
    };
    head.extend(ethertype);
    let transport = 14 + header;
    let length = transport + 8 + payload.len();
    assert_eq!(frame.original_length as usize, length);
    assert_eq!(frame.bytes.len(), length.min(CAPTURED));
    assert_eq!(frame.bytes[..14], head);
    assert_eq!(frame.bytes[transport - addresses.len()..transport], addresses);
    let ports = [PORT.to_be_bytes(), 53_u16.to_be_bytes()].concat();
    assert_eq!(frame.bytes[transport..transport + 4], ports);
    let captured = &frame.bytes[transport + 8..];
    assert_eq!(captured, &payload[..captured.len()]);
}

fn frames(path: &Path) -> Vec<CapturedFrame> {
    Reader::open(path).unwrap().map(|frame| frame.unwrap()).collect()
}

fn times(bytes: &[u8], part: &[u8]) -> usize {
    bytes.windows(part.len()).filter(|found| *found == part).count()
}

fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64
}

#[test]
fn drops_are_written_as_a_capture_with_their_reasons() {
    if !requirement::root("drops_are_written_as_a_capture_with_their_reasons") {
        return;
    }
    let site = site();
    let client = site.ground.client();
    let (v4, v6) = (IpAddr::V4(CLIENT.ipv4), IpAddr::V6(CLIENT.ipv6[0]));
    let long: Vec<u8> = (0..=255).collect();
    let path = site.ground.world.folder().join("drops.pcapng");
    // As with tcpdump: what was there is replaced.
    fs::write(&path, vec![7; 100_000]).unwrap();
    let before = now_ns();
    let mut watching = watch(&site, "count", &["--count", "2", "--pcap", path.to_str().unwrap()]);
    datagram(client, v4, SERVER_IPV4.into(), b"short");
    datagram(client, v6, SERVER_IPV6.into(), &long);
    let status = watching.wait_for_exit(EXIT).unwrap();
    assert_eq!(status.code(), Some(0), "{}", watching.log());
    assert!(watching.log().contains("2 events, 0 lost"), "{}", watching.log());
    let found = frames(&path);
    assert_eq!(found.len(), 2);
    check_frame(&site, &found[0], v4, SERVER_IPV4.into(), b"short");
    check_frame(&site, &found[1], v6, SERVER_IPV6.into(), &long);
    let order = [before, found[0].time_ns, found[1].time_ns, now_ns()];
    // The program's time is that of the kernel's last tick, at 100 Hz up to 10 ms ago.
    let tick_ns = 10_000_000;
    assert!(order.is_sorted_by(|one, next| one.saturating_sub(tick_ns) <= *next), "{order:?}");
    let bytes = fs::read(&path).unwrap();
    assert_eq!(times(&bytes, b"\x01\x00\x1e\x00drop deny list=spam country=DE"), 2, "comments");
    assert_eq!(times(&bytes, b"\x02\x00\x04\x00eth0"), 1, "one interface, and its name");

    // Whole while it is written, and after an interrupt.
    let mut watching = watch(&site, "interrupt", &["--pcap", path.to_str().unwrap()]);
    for number in 1..=3_usize {
        datagram(client, v4, SERVER_IPV4.into(), &long);
        wait::until("frame", || (frames(&path).len() == number).then_some(())).unwrap();
    }
    watching.signal(Signal::SIGINT).unwrap();
    let status = watching.wait_for_exit(EXIT).unwrap();
    assert_eq!(status.code(), Some(0), "{}", watching.log());
    assert!(watching.log().contains("3 events, 0 lost"), "{}", watching.log());
    assert_eq!(frames(&path).len(), 3);
}

#[test]
fn lines_for_people_and_programs() {
    if !requirement::root("lines_for_people_and_programs") {
        return;
    }
    let site = site();
    let text = watch(&site, "text", &["--count", "1"]);
    let json = watch(&site, "json", &["--count", "1", "--json"]);
    assert_eq!(site.metric("seawall_watchers", &[]), 2);
    let source = IpAddr::V4(CLIENT.ipv4);
    datagram(site.ground.client(), source, SERVER_IPV4.into(), b"seen");
    for mut watching in [text, json] {
        assert_eq!(watching.wait_for_exit(EXIT).unwrap().code(), Some(0), "{}", watching.log());
    }
    let folder = site.ground.world.folder();
    let log = fs::read_to_string(folder.join("text.log")).unwrap();
    let expected = format!(
        "Z drop deny list=spam country=DE udp {source}:{PORT} -> {SERVER_IPV4}:53 46 bytes on eth0\n"
    );
    assert!(log.contains(&expected), "{log}");
    let log = fs::read_to_string(folder.join("json.log")).unwrap();
    let line = log.lines().find(|line| line.starts_with('{')).unwrap();
    let event: Value = serde_json::from_str(line).unwrap();
    for (key, value) in [
        ("verdict", "drop"),
        ("reason", "deny"),
        ("protocol", "udp"),
        ("list", "spam"),
        ("country", "DE"),
        ("interface", "eth0"),
        ("source", &format!("{source}:{PORT}")),
        ("destination", &format!("{SERVER_IPV4}:53")),
    ] {
        assert_eq!(event[key], value, "{key} in {event}");
    }
    assert_eq!(event["bytes"], 46);
    let captured = event["captured"].as_str().unwrap();
    assert!(captured.len() == 92 && captured.ends_with("7365656e"), "{captured}");
    wait::until("watchers gone", || (site.metric("seawall_watchers", &[]) == 0).then_some(()))
        .unwrap();
}

#[test]
fn a_daemon_that_ends_ends_its_watchers() {
    if !requirement::root("a_daemon_that_ends_ends_its_watchers") {
        return;
    }
    for (signal, said) in
        [(Signal::SIGTERM, "control.sock stopped"), (Signal::SIGKILL, "control.sock broke off")]
    {
        let mut site = site();
        let path = site.ground.world.folder().join("drops.pcapng");
        let mut watching = watch(&site, "watch", &["--pcap", path.to_str().unwrap()]);
        datagram(site.ground.client(), CLIENT.ipv4.into(), SERVER_IPV4.into(), b"last");
        wait::until("frame", || (frames(&path).len() == 1).then_some(())).unwrap();
        site.seawall.process.signal(signal).unwrap();
        let status = watching.wait_for_exit(EXIT).unwrap();
        let log = watching.log();
        assert_eq!(status.code(), Some(1), "{signal}: {log}");
        assert!(log.contains("seawall: the seawall daemon at") && log.contains(said), "{log}");
        assert!(log.contains("1 events, 0 lost"), "{signal}: {log}");
        assert_eq!(frames(&path).len(), 1);
        site.seawall.process.wait_for_exit(EXIT).unwrap();
    }
}

/// Watches by hand, and reads the first line alone.
fn by_hand(site: &Site) -> BufReader<UnixStream> {
    let mut stream = UnixStream::connect(site.ground.socket()).unwrap();
    stream.set_read_timeout(Some(EXIT)).unwrap();
    stream.write_all(b"{\"verb\":\"watch\"}\n").unwrap();
    let mut reader = BufReader::with_capacity(1, stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let begin = "{\"ok\":{\"begin\":{\"interfaces\":[\"eth0\"],\"sample_one_in\":1}}}\n";
    assert_eq!(line, begin);
    reader
}

#[test]
fn watchers_are_bounded_and_hold_up_nobody() {
    if !requirement::root("watchers_are_bounded_and_hold_up_nobody") {
        return;
    }
    /// Fewer than the ring buffer holds, and more than a socket.
    const DATAGRAMS: usize = 3_000;
    let site = site();
    let run = |verb: &str| {
        let socket = site.ground.socket();
        seawall::run(&site.ground.world, &[verb, "--socket", socket.to_str().unwrap()]).unwrap()
    };
    let mut watching: Vec<_> = (0..WATCHERS_MAX).map(|_| by_hand(&site)).collect();
    let refused = run("watch");
    let side = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{side}");
    assert!(side.contains("expected fewer than 8 watchers, found as many"), "{side}");
    assert!(run("status").status.success(), "other verbs are answered");
    watching.truncate(1);
    wait::until("room", || (site.metric("seawall_watchers", &[]) == 1).then_some(())).unwrap();

    // One reads nothing, another reads all, and the daemon goes on answering.
    let count = DATAGRAMS.to_string();
    let mut reads = watch(&site, "reads", &["--json", "--count", &count]);
    let sent = site.ground.client().run(|| {
        let socket = UdpSocket::bind((CLIENT.ipv4, PORT))?;
        (0..DATAGRAMS).try_for_each(|number| {
            socket.send_to(&number.to_be_bytes(), (SERVER_IPV4, 53)).map(|_| ())
        })
    });
    sent.unwrap().unwrap();
    let status = reads.wait_for_exit(EXIT).unwrap();
    assert_eq!(status.code(), Some(0), "{}", reads.log());
    let log = fs::read_to_string(site.ground.world.folder().join("reads.log")).unwrap();
    let lines = log.lines().filter(|line| line.starts_with('{'));
    for (number, line) in lines.enumerate() {
        let event: Value = serde_json::from_str(line).unwrap();
        let payload = format!("{:016x}", number as u64);
        assert!(event["captured"].as_str().unwrap().ends_with(&payload), "{number}: {line}");
    }
    assert!(log.contains("3000 events, 0 lost"), "{log}");
    assert!(run("status").status.success(), "other verbs are answered");
    site.wait_for_metric("seawall_watchers_dropped_total", &[], 1);
    assert!(site.metric("seawall_watch_events_lost_total", &[]) > 0);
    assert_eq!(site.metric("seawall_watchers", &[]), 0);
}
