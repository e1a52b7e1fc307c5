//! What is on the screen, and what keys do.

use std::time::Duration;

use ratatui::{Terminal, backend::TestBackend};

use super::*;
use crate::status::{EventLine, InterfaceStatus, PacketCount, Snapshot};

fn snapshot(packets: &[(&str, &str, u64)]) -> Snapshot {
    let count = |&(verdict, reason, packets): &(&str, &str, u64)| PacketCount {
        verdict: verdict.to_owned(),
        reason: reason.to_owned(),
        protocol: "udp".to_owned(),
        packets,
        bytes: 0,
    };
    let interface = InterfaceStatus {
        name: "eth0".to_owned(),
        mode: "native".to_owned(),
        ..InterfaceStatus::default()
    };
    Snapshot {
        pid: 7,
        generation: 3,
        interfaces: vec![interface],
        packets: packets.iter().map(count).collect(),
        ..Snapshot::default()
    }
}

fn event(source: &str, country: Option<&str>) -> EventLine {
    EventLine {
        source: Some(format!("{source}:40000")),
        country: country.map(str::to_owned),
        list: Some("spam".to_owned()),
        ..EventLine::default()
    }
}

fn model() -> Model {
    let mut model = Model::default();
    let second = Duration::from_secs(2);
    model.counted(snapshot(&[("pass", "default", 10), ("drop", "deny", 5)]), second);
    model.counted(snapshot(&[("pass", "default", 30), ("drop", "deny", 105)]), second);
    for (source, country) in
        [("203.0.113.7", Some("DE")), ("198.51.100.9", None), ("203.0.113.7", Some("DE"))]
    {
        model.seen(&event(source, country));
    }
    model
}

fn lines(model: &Model) -> Vec<String> {
    text(model, 80, 20).lines().map(str::to_owned).collect()
}

#[test]
fn a_screen() {
    let expected = [
        "seawall top  eth0 native  generation 3  bans 0",
        "sampled: the first drop of each source; 3 events since the view began",
        "pass         10/s █",
        "drop         50/s █",
        "packets/s by reason                         country, sampled",
        "        50 drop deny                                 2 DE",
        "        10 pass default                              1 unknown",
    ];
    let found = lines(&model());
    for (line, expected) in expected.iter().enumerate() {
        assert_eq!(found[line], *expected, "{found:#?}");
    }
    assert!(found.iter().any(|line| line.starts_with(">        2 203.0.113.7")), "{found:#?}");
    assert!(found.iter().any(|line| line.ends_with("3 spam")), "{found:#?}");
    assert!(found[19].starts_with("q quit  s sort (figure)"), "{found:#?}");
}

#[test]
fn every_size_can_be_drawn() {
    for (columns, rows) in [(1, 1), (5, 3), (20, 7), (80, 24), (300, 100)] {
        let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("it is a buffer");
        terminal
            .draw(|frame| draw(&model(), frame.area(), frame.buffer_mut()))
            .expect("it is drawn");
        assert_eq!(text(&model(), columns, rows).lines().count(), usize::from(rows));
    }
}

#[test]
fn keys_sort_filter_and_ban() {
    let mut model = model();
    let second = "198.51.100.9".parse().expect("an address");
    let press = |model: &mut Model, keys: &str| {
        keys.chars().map(|key| model.pressed(Key::Char(key))).last()
    };
    assert_eq!(press(&mut model, "jjb"), Some(Asked::Nothing));
    assert!(lines(&model)[19].starts_with("ban 198.51.100.9 for an hour?"));
    assert_eq!(press(&mut model, "n"), Some(Asked::Nothing), "it is not confirmed");
    assert!(lines(&model)[19].ends_with("198.51.100.9 is not banned"));
    assert_eq!(press(&mut model, "by"), Some(Asked::Ban(second)));
    press(&mut model, "s");
    let found = lines(&model);
    let place = |name: &str| found.iter().position(|line| line.contains(name));
    assert!(place("198.51.100.9") < place("203.0.113.7"), "{found:#?}");
    press(&mut model, "/203q");
    model.pressed(Key::Backspace);
    assert!(lines(&model)[19].starts_with("filter: 203_"));
    assert_eq!(model.pressed(Key::Enter), Asked::Nothing);
    assert!(!text(&model, 80, 20).contains("198.51.100.9"));
    model.pressed(Key::Escape);
    assert!(text(&model, 80, 20).contains("198.51.100.9"));
    assert_eq!(model.pressed(Key::Char('q')), Asked::Quit);
    assert_eq!(model.pressed(Key::Interrupt), Asked::Quit);
    assert_eq!(Model::default().pressed(Key::Char('b')), Asked::Nothing, "nobody to ban");
}

#[test]
fn another_daemon_begins_anew() {
    let mut model = model();
    let other = Snapshot { pid: 8, ..snapshot(&[("pass", "default", 1)]) };
    model.counted(other, Duration::from_secs(1));
    assert!(text(&model, 80, 20).contains("pass         10/s"), "no rate across two daemons");
}

#[test]
fn forged_sources_do_not_fill_the_memory() {
    let mut model = Model::default();
    for number in 0..10_003_u32 {
        let address = std::net::Ipv4Addr::from(number + 0x0b00_0000);
        model.seen(&event(&address.to_string(), None));
    }
    assert!(text(&model, 120, 20).contains("source, sampled, and 3 more events of others"));
}
