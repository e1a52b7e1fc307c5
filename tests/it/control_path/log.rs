//! The daemon's own lines: both forms, levels, sampled drops, and the XDP program's lines.

use seawall_tests::{requirement, wait};

use crate::site::Site;

#[test]
fn the_program_and_the_drops_are_seen_at_debug_level() {
    if !requirement::root("the_program_and_the_drops_are_seen_at_debug_level") {
        return;
    }
    let packet = "  kernel_log: debug\n  events: { sample_one_in: 1 }\n  \
                  geo: { database: country.mmdb, block: [DE] }\n";
    let site = Site::start(packet, "log: { level: debug, format: text }\n");
    let refused = site.ground.get("/").send(site.ground.client()).unwrap();
    assert_eq!(refused.status, 0, "the client's country is blocked: {refused:?}");
    // (what the line is, a word that it carries)
    for (what, words) in [
        ("a line of the XDP program", ["xdp", "drop reason=6 source="]),
        ("a sampled drop", ["event", "country=\"DE\""]),
    ] {
        let seen = wait::until(what, || {
            let log = site.seawall.process.log();
            log.lines().any(|line| words.iter().all(|word| line.contains(word))).then_some(())
        });
        assert!(seen.is_ok(), "{what} in\n{}", site.seawall.process.log());
    }
    let log = site.seawall.process.log();
    assert!(log.lines().all(|line| !line.starts_with('{')), "text, not JSON:\n{log}");
    let status = site.metric("seawall_events_total", &[]);
    assert!(status > 0, "sampled drops are counted");
}

#[test]
fn info_lines_are_json_and_say_nothing_of_packets() {
    if !requirement::root("info_lines_are_json_and_say_nothing_of_packets") {
        return;
    }
    let site =
        Site::start("  events: { sample_one_in: 1 }\n  deny: { prefixes: [0.0.0.0/0] }\n", "");
    let refused = site.ground.get("/").send(site.ground.client()).unwrap();
    assert_eq!(refused.status, 0, "{refused:?}");
    let log = site.seawall.process.log();
    assert!(log.contains("\"message\":\"ready\""), "{log}");
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_ne!(line["target"], "event", "{line}");
    }
}
