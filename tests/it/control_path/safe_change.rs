//! Safe change: the guard, a change that takes itself back, the history.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use seawall_tests::{
    process, requirement,
    seawall::{self, Seawall},
    world::SERVER_IPV4,
};
use serde_json::Value;

use crate::site::{Ground, Site};

/// Where the administrator's shell listens.
const SHELL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(SERVER_IPV4), 2_222);
/// As sshd tells it of the client.
const SESSION: &str = "198.51.100.7 40000 192.0.2.10 2222";
const CUT: &str = "  deny: { prefixes: [198.51.100.0/24] }\n";
/// A cut connection's packets are sent again after at most so long.
const PATIENCE: Duration = Duration::from_secs(15);

/// A connection that answers every byte with the same: a shell, as far as a firewall sees.
struct Shell {
    stream: TcpStream,
}

impl Shell {
    fn open(ground: &Ground) -> Self {
        let listener = ground.world.server.run(|| TcpListener::bind(SHELL)).unwrap().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut byte = [0];
            while stream.read_exact(&mut byte).is_ok() && stream.write_all(&byte).is_ok() {}
        });
        let stream = ground.client().run(|| TcpStream::connect(SHELL)).unwrap().unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream }
    }

    /// Whether a byte comes back within this time.
    fn answers(&mut self, within: Duration) -> bool {
        self.stream.set_read_timeout(Some(within)).unwrap();
        self.stream.write_all(b"x").unwrap();
        self.stream.read_exact(&mut [0]).is_ok()
    }

    /// Whether all bytes that are under way come back in the end.
    fn answers_again(&mut self, bytes: usize) -> bool {
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        self.stream.read_exact(&mut vec![0; bytes]).is_ok()
    }
}

/// Runs a verb as the administrator does, in the session.
fn run(site: &Site, arguments: &[&str]) -> Output {
    let socket = site.ground.socket();
    let mut command = Command::new(process::program("seawall").unwrap());
    command.args(arguments).arg("--socket").arg(socket).env("SSH_CONNECTION", SESSION);
    site.ground.world.server.output(&mut command).unwrap()
}

fn refused(site: &Site, arguments: &[&str]) -> String {
    let output = run(site, arguments);
    let side = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
    side
}

fn done(site: &Site, arguments: &[&str]) -> Value {
    let output = run(site, &[arguments, &["--json"]].concat());
    let side = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {side}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Writes a configuration beside the daemon's own.
fn file(site: &Site, name: &str, packet: &str) -> PathBuf {
    let path = site.ground.world.folder().join(name);
    fs::write(&path, site.ground.config(packet, "")).unwrap();
    path
}

fn in_force(site: &Site) -> String {
    fs::read_to_string(&site.seawall.config).unwrap()
}

#[test]
fn a_change_that_cuts_the_administrator_is_refused_and_unguarded_takes_itself_back() {
    if !requirement::root(
        "a_change_that_cuts_the_administrator_is_refused_and_unguarded_takes_itself_back",
    ) {
        return;
    }
    let site = Site::start("", "");
    let mut shell = Shell::open(&site.ground);
    assert!(shell.answers(Duration::from_secs(2)));
    let before = in_force(&site);
    let cut = file(&site, "cut.yaml", CUT);
    let cut = cut.to_str().unwrap();

    let plan = done(&site, &["plan", cut]);
    assert_eq!(plan["cuts"][0]["address"], "198.51.100.7");
    assert_eq!(plan["cuts"][0]["by"], "deny list deny");
    assert_eq!(plan["lists"][0]["new"], 1);
    let dropped = plan["seen"]["dropped"].as_array().unwrap();
    assert!(dropped.iter().any(|one| one["source"] == "198.51.100.7"), "{plan}");

    for arguments in [&["apply", cut][..], &["apply", cut, "--confirm", "5s"]] {
        let said = refused(&site, arguments);
        let reason = "deny list deny would drop TCP to port 2222 from 198.51.100.7, \
                      the SSH session that this command was typed in";
        assert!(said.contains(reason), "{said}");
        assert_eq!(site.metric("seawall_generation", &[]), 1);
    }
    assert!(shell.answers(Duration::from_secs(2)));

    let applied = done(&site, &["apply", cut, "--no-guard", "--confirm", "5s"]);
    let since = Instant::now();
    assert_eq!((&applied["generation"], &applied["confirm_s"]), (&2.into(), &5.into()));
    assert!(!shell.answers(Duration::from_secs(1)), "the change is not in force");
    assert_eq!(in_force(&site), before, "the file waits to be confirmed");
    // Nothing else meanwhile.
    let open = file(&site, "open.yaml", "");
    let said = refused(&site, &["apply", open.to_str().unwrap(), "--confirm", "6s"]);
    assert!(said.contains("waits to be confirmed"), "{said}");

    assert!(shell.answers_again(1), "the connection did not come back");
    assert!(shell.answers(Duration::from_secs(2)));
    assert!(since.elapsed() > Duration::from_secs(4), "it came back before its time");
    assert_eq!(site.metric("seawall_generation", &[]), 1);
    assert!(site.seawall.process.log().contains("not confirmed in time"));
    let said = refused(&site, &["confirm"]);
    assert!(said.contains("expected a change that waits to be confirmed, found none"), "{said}");
    site.seawall.detach().unwrap();
}

#[test]
fn no_verb_cuts_the_session_that_it_was_typed_in() {
    if !requirement::root("no_verb_cuts_the_session_that_it_was_typed_in") {
        return;
    }
    let site = Site::start("  geo: { database: country.mmdb }\n", "");
    let listed = "deny list deny would drop TCP to port 2222 from 198.51.100.7, the SSH session";
    let country =
        "geo, by country DE, would drop TCP to port 2222 from 198.51.100.7, the SSH session";
    let banned = "198.51.100.7 cannot be banned: 198.51.100.7 is the SSH session";
    let cuts: [(&[&str], &str); 5] = [
        (&["deny", "add", "198.51.100.7"], listed),
        (&["deny", "add", "203.0.113.9", "198.51.100.0/24"], listed),
        (&["geo", "block", "DE"], country),
        (&["geo", "only", "AT"], country),
        (&["ban", "198.51.100.7"], banned),
    ];
    for (arguments, reason) in cuts {
        let said = refused(&site, arguments);
        assert!(said.contains(reason), "{arguments:?}: {said}");
    }
    assert_eq!(site.metric("seawall_generation", &[]), 1);
    assert_eq!(site.metric("seawall_bans", &[]), 0);
    // The nearest that cuts nobody.
    assert_eq!(done(&site, &["deny", "add", "198.51.100.8/29"])["generation"], 2);
    assert_eq!(done(&site, &["geo", "block", "AT"])["generation"], 3);
    done(&site, &["ban", "198.51.100.8"]);
    // Who sits at the host itself has no session: nobody is known to be at port 2222.
    let socket = site.ground.socket().display().to_string();
    let deny = ["deny", "add", "198.51.100.7", "--socket", &socket];
    let output = seawall::run(&site.ground.world, &deny).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    site.seawall.detach().unwrap();
}

#[test]
fn a_confirmed_change_stays_and_the_history_leads_back() {
    if !requirement::root("a_confirmed_change_stays_and_the_history_leads_back") {
        return;
    }
    let site = Site::start("", "");
    let folder = site.ground.world.folder();
    let list = folder.join("spam.txt");
    fs::write(&list, "203.0.113.0/24\n").unwrap();
    let first = in_force(&site);
    let with_list = file(&site, "list.yaml", "  deny: { files: [spam.txt] }\n");
    let with_list = with_list.to_str().unwrap();
    let applied = done(&site, &["apply", with_list, "--confirm", "5s", "--why", "spam"]);
    assert_eq!(applied["history"], Value::Null);
    assert_eq!(done(&site, &["confirm"])["history"], 2);
    assert_eq!(in_force(&site), fs::read_to_string(with_list).unwrap());
    thread::sleep(Duration::from_secs(6));
    assert_eq!(site.metric("seawall_generation", &[]), 2, "a confirmed change was taken back");

    let same = done(&site, &["apply", with_list]);
    assert_eq!(same["generation"], Value::Null, "{same}");
    fs::write(&list, "192.0.2.128/25\n").unwrap();
    assert_eq!(done(&site, &["apply", with_list])["history"], 3);

    // To the list as it was then.
    let back = done(&site, &["rollback"]);
    assert_eq!(fs::read_to_string(&list).unwrap(), "203.0.113.0/24\n", "{back}");
    assert_eq!(fs::read_to_string(folder.join("spam.txt.replaced")).unwrap(), "192.0.2.128/25\n");
    let judged = done(&site, &["explain", "203.0.113.9"]);
    assert_eq!((&judged["verdict"], &judged["list"]), (&"drop".into(), &"spam".into()));
    done(&site, &["rollback", "--to", "1"]);
    assert_eq!(in_force(&site), first);
    let said = refused(&site, &["rollback", "--to", "77"]);
    assert!(said.contains("expected one of the history (1, 2, 3, 4, 5), found 77"), "{said}");
    let shown = done(&site, &["rollback", "--list"]);
    let verbs: Vec<&str> = shown["records"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["verb"].as_str())
        .collect();
    assert_eq!(verbs, ["start", "apply", "apply", "rollback", "rollback"]);

    // What only a restart can change, and what is wrong.
    let moved = folder.join("moved.yaml");
    fs::write(&moved, first.replace("name: eth0", "name: lo")).unwrap();
    let moved = moved.to_str().unwrap();
    assert!(done(&site, &["plan", moved])["restart"].as_str().unwrap().contains("interfaces"));
    assert!(refused(&site, &["apply", moved]).contains("restart the daemon"));
    fs::write(moved, first.replace("packet:", "pocket:")).unwrap();
    for verb in ["plan", "apply"] {
        let said = refused(&site, &[verb, moved]);
        assert!(said.contains("moved.yaml:3:1: "), "{said}");
    }
    let gone = file(&site, "gone.yaml", "  deny: { files: [gone.txt] }\n");
    for verb in ["plan", "apply"] {
        assert!(refused(&site, &[verb, gone.to_str().unwrap()]).contains("gone.txt"));
    }
    assert!(refused(&site, &["plan", "/nowhere.yaml"]).contains("/nowhere.yaml"));
    assert_eq!(in_force(&site), first, "a refused change has changed the file");
    site.seawall.detach().unwrap();
}

#[test]
fn a_daemon_that_is_killed_meanwhile_takes_the_change_back() {
    if !requirement::root("a_daemon_that_is_killed_meanwhile_takes_the_change_back") {
        return;
    }
    let site = Site::start("", "");
    let mut shell = Shell::open(&site.ground);
    let cut = file(&site, "cut.yaml", CUT);
    done(&site, &["apply", cut.to_str().unwrap(), "--no-guard", "--confirm", "1h"]);
    assert!(!shell.answers(Duration::from_secs(1)), "the change is not in force");
    let Site { mut seawall, ground } = site;
    seawall.process.signal(Signal::SIGKILL).unwrap();
    seawall.process.wait_for_exit(PATIENCE).unwrap();
    let config = fs::read_to_string(&seawall.config).unwrap();
    drop(seawall);
    let seawall = Seawall::start(&ground.world, &config).unwrap();
    assert!(shell.answers_again(1), "the connection did not come back");
    assert!(seawall.process.log().contains("ended before it was confirmed"));
    assert!(!seawall::state(ground.world.folder()).join("pending.json").exists());
    seawall.detach().unwrap();
}

#[test]
fn a_reload_that_cuts_the_gateway_or_a_resolver_is_refused() {
    if !requirement::root("a_reload_that_cuts_the_gateway_or_a_resolver_is_refused") {
        return;
    }
    let site = Site::start("", "");
    for (packet, part, refused) in [
        ("  deny: { prefixes: [192.0.2.0/24] }\n", "192.0.2.1, a default gateway", true),
        ("  deny: { prefixes: [\"2001:db8:1::/64\"] }\n", "2001:db8:1::1, a default gateway", true),
        ("  deny: { prefixes: [192.0.2.0/24] }\n  protect: { gateway: false }\n", "", false),
        ("  deny: { prefixes: [192.0.2.0/24] }\n  protected: [192.0.2.1]\n", "", false),
    ] {
        let before = site.metric("seawall_reloads_total", &[("result", "error")]);
        site.reload(&site.ground.config(packet, ""));
        let errors = site.metric("seawall_reloads_total", &[("result", "error")]) - before;
        assert_eq!(errors == 1, refused, "{packet}: {}", site.seawall.process.log());
        assert!(site.seawall.process.log().contains(part), "{packet}");
        // The next is judged against a policy that cuts nothing.
        site.reload(&site.ground.config("", ""));
    }
    site.seawall.detach().unwrap();
}
