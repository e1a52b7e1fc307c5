//! `seawall top` and `watch` as a person sees them: driven in tmux, against a world with traffic.

use std::{
    fs,
    net::{IpAddr, SocketAddr, UdpSocket},
    process::{self, Command},
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread,
    time::Duration,
};

use seawall_tests::{
    process::program,
    requirement,
    seawall::{self, Seawall},
    wait,
    world::{SERVER_INTERFACE, SERVER_IPV4},
};

use crate::site::{CLIENT, Ground, Site};

const POLICY: &str = "  deny: { files: [spam.txt] }
  geo: { database: country.mmdb, block: [KP] }
  events: { sample_one_in: 1, events_per_s_max: 1000000 }
";
const COLUMNS: &str = "100";
const ROWS: &str = "24";
/// Between two datagrams.
const PAUSE: Duration = Duration::from_millis(5);

/// A terminal in the server's namespace, on a tmux server of its own.
struct Terminal {
    socket: String,
}

impl Terminal {
    fn start(site: &Site, line: &str) -> Self {
        // One that ends may still hold its socket.
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let socket = format!("seawall-{}-{number}", process::id());
        let terminal = Self { socket };
        // The shell's last word shows that the screen came back, and with what the command ended.
        let line = format!("{line}; echo ended with $?; read wait");
        let mut command = terminal.command(&["-f", "/dev/null", "new-session", "-d"]);
        command.args(["-x", COLUMNS, "-y", ROWS, "sh", "-c", &line]).env("TERM", "xterm");
        let output = site.ground.world.server.output(&mut command).unwrap();
        assert!(output.status.success(), "{output:?}");
        terminal
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.args(["-L", &self.socket]).args(arguments);
        command
    }

    fn press(&self, key: &str) {
        assert!(self.command(&["send-keys", key]).status().unwrap().success(), "{key}");
    }

    fn screen(&self) -> String {
        let output = self.command(&["capture-pane", "-p"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// Waits for a screen that has all of these.
    fn shows(&self, words: &[&str]) -> String {
        let mut last = String::new();
        let found = wait::until("screen", || {
            last = self.screen();
            words.iter().all(|word| last.contains(word)).then(|| last.clone())
        });
        found.unwrap_or_else(|_| panic!("no {words:?} on\n{last}"))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It is gone already where its command ended.
        let _ = self.command(&["kill-server"]).output();
    }
}

fn site() -> Site {
    let ground = Ground::prepare();
    fs::write(ground.world.folder().join("spam.txt"), "198.51.100.0/24\n").unwrap();
    let seawall = Seawall::start(&ground.world, &ground.config(POLICY, "")).unwrap();
    Site { seawall, ground }
}

/// Sends datagrams that are dropped, as long as the work lasts.
fn under_traffic<T>(site: &Site, work: impl FnOnce() -> T) -> T {
    let stop = AtomicBool::new(false);
    let client = site.ground.client();
    thread::scope(|scope| {
        scope.spawn(|| {
            client.run(|| {
                let socket = UdpSocket::bind((CLIENT.ipv4, 40_053)).unwrap();
                let server = SocketAddr::new(IpAddr::V4(SERVER_IPV4), 53);
                while !stop.load(Ordering::Relaxed) {
                    socket.send_to(b"seen", server).unwrap();
                    thread::sleep(PAUSE);
                }
            })
        });
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        stop.store(true, Ordering::Relaxed);
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[test]
fn top_and_watch_in_a_terminal() {
    if !requirement::root("top_and_watch_in_a_terminal") {
        return;
    }
    let site = site();
    let program = program("seawall").unwrap();
    let (program, socket) = (program.display().to_string(), site.ground.socket());
    let socket = socket.display().to_string();
    let source = CLIENT.ipv4.to_string();
    under_traffic(&site, || {
        let terminal = Terminal::start(&site, &format!("{program} top --socket {socket}"));
        let first = terminal.shows(&["drop deny", &source, " spam", " DE"]);
        assert!(first.contains(&format!("seawall top  {SERVER_INTERFACE} native")), "{first}");
        println!("top:\n{first}");
        terminal.press("/");
        for key in ["g", "e", "o"] {
            terminal.press(key);
        }
        let typed = terminal.shows(&["filter: geo_"]);
        assert!(!typed.contains(&source), "{typed}");
        terminal.press("Escape");
        terminal.press("s");
        terminal.shows(&["s sort (name)", &source]);
        terminal.press("b");
        let asks = terminal.shows(&[&format!("ban {source} for an hour?")]);
        println!("top, before a ban:\n{asks}");
        terminal.press("n");
        terminal.shows(&[&format!("{source} is not banned")]);
        assert_eq!(bans(&site), "0 bans\n");
        terminal.press("b");
        terminal.press("y");
        let banned = terminal.shows(&["is banned until", "bans 1"]);
        println!("top, after a ban:\n{banned}");
        assert!(bans(&site).contains(&source));
        terminal.press("q");
        terminal.shows(&["ended with 0"]);
    });
    let unban = ["unban", &source, "--socket", &socket];
    assert!(seawall::run(&site.ground.world, &unban).unwrap().status.success());
    under_traffic(&site, || {
        let filters =
            format!("--reason deny --list spam --country DE --source {source} --protocol udp");
        let line = format!("{program} watch {filters} --count 3 --socket {socket}");
        let terminal = Terminal::start(&site, &line);
        let shown =
            terminal.shows(&["list=spam country=DE udp", "3 events, 0 lost", "ended with 0"]);
        println!("watch:\n{shown}");
        drop(terminal);
        for (filter, said) in [
            ("--list lost", "--list: expected one of spam, found \"lost\""),
            ("--interface eth9", "--interface: expected one of eth0, found \"eth9\""),
        ] {
            let line = format!("{program} watch {filter} --count 1 --socket {socket}");
            let terminal = Terminal::start(&site, &line);
            terminal.shows(&[said, "ended with 1"]);
        }
    });
    // For a pipe: one view, and no escape sequence in it.
    let once = under_traffic(&site, || {
        seawall::run(&site.ground.world, &["top", "--once", "--socket", &socket]).unwrap()
    });
    let text = String::from_utf8(once.stdout).unwrap();
    assert!(
        once.status.success() && text.contains("drop deny") && !text.contains('\u{1b}'),
        "{text}"
    );
    let piped = seawall::run(&site.ground.world, &["top", "--socket", &socket]).unwrap();
    let side = String::from_utf8_lossy(&piped.stderr);
    assert!(piped.status.code() == Some(1) && side.contains("top --once"), "{side}");
}

fn bans(site: &Site) -> String {
    let socket = site.ground.socket();
    let arguments = ["bans", "--socket", socket.to_str().unwrap()];
    String::from_utf8(seawall::run(&site.ground.world, &arguments).unwrap().stdout).unwrap()
}
