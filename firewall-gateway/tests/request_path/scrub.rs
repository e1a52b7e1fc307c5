//! What answers of a backend should not say: told, covered, held back.

use std::io::Write;

use firewall_gateway::policy::{LeakAction, LeakKind, ScrubPolicy};

use crate::world::{World, header, label, one_request, read_to_end, status};

fn world(action: LeakAction) -> World {
    World::changed(|policy| {
        let kinds = LeakKind::ALL.to_vec();
        policy.routes[0].scrub = Some(ScrubPolicy { action, kinds, bytes_max: 90_000 });
    })
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

#[test]
fn what_is_found_is_told_covered_or_held_back() {
    use LeakAction::{Block, Mask, Report};
    let covered = "{\"x\":\"\",\"db\":\"********\"}";
    let said = "{\"x\":\"\",\"db\":\"10.0.0.7\"}";
    for (action, path, expected, text, found, unscanned) in [
        (Report, "plain", 200, said, 1, 0),
        (Mask, "plain", 200, covered, 1, 0),
        (Block, "plain", 502, "", 1, 0),
        (Mask, "clean", 200, "{\"x\":\"\",\"db\":\"db.example\"}", 0, 0),
        (Block, "clean", 200, "{\"x\":\"\",\"db\":\"db.example\"}", 0, 0),
        // Nobody can read it, or it is read as it comes.
        (Block, "coded", 200, said, 0, 0),
        (Block, "events", 200, said, 0, 0),
        (Block, "image", 200, said, 0, 0),
        // Behind what is looked through.
        (Mask, "late", 200, "", 0, 1),
        (Block, "late", 200, "", 0, 1),
    ] {
        let world = world(action);
        let before = world.settled();
        let answer = world.exchange(&format!(
            "GET /leaking/{path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        ));
        assert_eq!(status(&answer), expected, "{action:?} {path}: {answer:.300}");
        let after = world.settled();
        let rejection = if expected == 502 { "leak_blocked" } else { "" };
        one_request(&before, &after, expected, "h1", rejection);
        assert_eq!(label(&after.leaks, "internal_address"), found, "{action:?} {path}");
        assert_eq!(after.leaks_unscanned, unscanned, "{action:?} {path}");
        if expected == 502 {
            assert!(!answer.contains("10.0") && !answer.contains("****"), "{answer}");
        } else {
            let length: usize = header(&answer, "content-length").unwrap().parse().unwrap();
            assert_eq!(length, body(&answer).len(), "{action:?} {path}");
        }
        if !text.is_empty() {
            assert_eq!(body(&answer), text, "{action:?} {path}");
        }
        // The connection to the backend can be used again.
        world.exchange("GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert_eq!(world.settled().upstream_connections_opened, 1, "{action:?} {path}");
    }
}

#[test]
fn parts_are_looked_through_together_and_trailers_follow() {
    for action in [LeakAction::Mask, LeakAction::Block] {
        let world = world(action);
        let mut client = world.connect();
        client
            .write_all(
                b"GET /leaking/chunked HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: te, close\r\n\r\n",
            )
            .unwrap();
        let answer = read_to_end(&mut client);
        let figures = world.settled();
        assert_eq!(label(&figures.leaks, "internal_address"), 1, "{answer}");
        assert_eq!(label(&figures.leaks, "card_number"), 1, "{answer}");
        if action == LeakAction::Block {
            assert_eq!(status(&answer), 502, "{answer}");
            continue;
        }
        assert_eq!(status(&answer), 200, "{answer}");
        let covered = "{\"db\":\"********\",\"card\":\"*******************\"}";
        assert!(answer.contains(covered), "{answer}");
        assert!(answer.to_ascii_lowercase().ends_with("x-sum: 1\r\n\r\n"), "{answer}");
    }
}
