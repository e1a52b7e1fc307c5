//! State folders: what was written is read again, and what is not whole is refused and left alone.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use super::*;
use crate::config::{LimitScope, PacketRate, RateConfig};

struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("seawall-state-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn changes() -> Changes {
    let entry = |prefix: &str, expires_epoch_s| Entry {
        prefix: prefix.parse().expect("a prefix"),
        comment: Some("a \"quoted\" word".to_owned()),
        who: "root".to_owned(),
        added_epoch_s: 100,
        expires_epoch_s,
    };
    let packets = Some(PacketRate { rate_pps: 50, burst_packets: 100 });
    let limit = LimitChange {
        rate: Some(RateConfig { packets, bytes: None }),
        who: "root".to_owned(),
        changed_epoch_s: 100,
    };
    let off = LimitChange { rate: None, ..limit.clone() };
    Changes {
        deny: vec![entry("203.0.113.0/24", None), entry("2001:db8::/32", Some(200))],
        allow: vec![entry("198.51.100.7/32", Some(300))],
        geo: Some(GeoChange {
            mode: crate::policy::GeoMode::Block,
            countries: [firewall_common::Country::parse("DE").expect("a country")].into(),
            who: "root".to_owned(),
            changed_epoch_s: 100,
        }),
        limits: [(LimitScope::Source, limit), (LimitScope::Icmp, off)].into(),
        backends: [BackendState::Added { weight: 2, quota: 7 }, BackendState::Removed]
            .map(|state| BackendChange {
                upstream: "api".to_owned(),
                address: ([10, 0, 0, 1], 8443).into(),
                state,
                draining: false,
                who: "root".to_owned(),
                changed_epoch_s: 100,
            })
            .into(),
    }
}

#[test]
fn what_was_changed_is_read_again() {
    let place = Place::new("again");
    let folder = StateFolder::open(&place.0.join("deeper")).expect("a folder");
    let mode = fs::metadata(folder.path()).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "it is its owner's alone");
    assert_eq!(folder.changes().expect("none yet"), Changes::default());
    let changes = changes();
    assert_eq!(changes.count(), 8);
    drop(folder.stage_changes(&changes).expect("staged"));
    assert_eq!(folder.changes().expect("none yet"), Changes::default(), "staged is not written");
    folder.stage_changes(&changes).expect("staged").commit().expect("written");
    assert_eq!(folder.changes().expect("whole"), changes);
    folder.try_writing().expect("it is writable");
    let names = fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(names, 1, "nothing lies beside it");
}

#[test]
fn what_is_not_whole_is_refused_and_left_alone() {
    let place = Place::new("whole");
    let folder = StateFolder::open(&place.0).expect("a folder");
    let path = place.0.join(CHANGES);
    let whole = changes().bytes(&path).expect("bytes");
    let text = String::from_utf8(whole.clone()).expect("text");
    let rate = text.replacen("\"rate_pps\": 50", "\"rate_pps\": 0", 1);
    // (content, what is found)
    for (content, found) in [
        (String::new(), "an empty file"),
        (text[..text.len() / 2].to_owned(), "EOF while parsing"),
        (text[..text.len() - 3].to_owned(), "EOF while parsing"),
        ("<html>".to_owned(), "expected value at line 1 column 1"),
        (text.replacen("203.0.113.0/24", "203.0.113.7/24", 1), "write 203.0.113.0/24"),
        (text.replacen("\"version\": 1", "\"version\": 2", 1), "version 2, not 1"),
        (text.replacen("\"deny\"", "\"dney\"", 1), "unknown field `dney`"),
        (text.replacen("\"DE\"", "\"XX\"", 1), "found \"XX\""),
        (rate, "limit source: expected rate_pps from 1 to 10000000, found 0"),
    ] {
        fs::write(&path, &content).expect("written");
        let error = folder.changes().expect_err("it is not whole").to_string();
        assert!(error.contains(found), "{found}: {error}");
        assert!(error.contains(&path.display().to_string()), "{error}");
        assert!(error.contains("move it away to start without"), "{error}");
        assert_eq!(fs::read_to_string(&path).expect("there"), content, "it is left alone");
    }
    fs::write(&path, vec![b' '; changes::FILE_BYTES_MAX as usize + 1]).expect("written");
    let error = folder.changes().expect_err("it is too large").to_string();
    assert!(error.contains("expected at most 16777216 bytes"), "{error}");
}

#[test]
fn what_cannot_be_had_is_named_with_its_remedy() {
    let place = Place::new("named");
    fs::write(&place.0, "a file").expect("written");
    let error = StateFolder::open(&place.0).expect_err("it is a file").to_string();
    assert!(error.starts_with(&format!("state.path {}: cannot", place.0.display())), "{error}");
    assert!(error.contains("by state.path"), "{error}");
    let many = Changes { deny: vec![changes().deny[0].clone(); 16_385], ..Changes::default() };
    let error = many.bytes(&place.0).expect_err("too many").to_string();
    assert!(error.starts_with("expected at most 16384 deny and allow entries"), "{error}");
}

#[test]
fn what_has_ended_is_left_out() {
    let changes = changes();
    for (now, deny, allow) in [(199, 2, 1), (200, 1, 1), (299, 1, 1), (300, 1, 0)] {
        let left = changes.going_on(now);
        assert_eq!((left.deny.len(), left.allow.len()), (deny, allow), "{now}");
        assert_eq!(changes.has_ended(now), now >= 200, "{now}");
        assert_eq!((left.geo, left.limits), (changes.geo.clone(), changes.limits.clone()));
    }
}
