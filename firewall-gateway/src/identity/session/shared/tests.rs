//! Times of what is told, and the names under which it is kept.

use std::net::Ipv4Addr;

use bytes::BytesMut;

use super::{commands::Names, lives_s, told_after_s};
use crate::identity::{
    api_key::text::KeyHash,
    session::record::{Ending, IdToken, SessionRecord},
};

fn record(idle_timeout_s: u32, ends_epoch_s: u64) -> SessionRecord {
    SessionRecord {
        hash: KeyHash([0xab; 32]),
        login: "main".to_owned(),
        consumer: "ada".to_owned(),
        subject: "u-1".to_owned(),
        sid: Some("p".to_owned()),
        address: Ipv4Addr::LOCALHOST.into(),
        created_epoch_s: 0,
        ends_epoch_s,
        idle_timeout_s,
        used_epoch_s: 0,
        id_token: IdToken("t".to_owned()),
    }
}

#[test]
fn a_session_is_kept_until_it_is_idle_or_over() {
    for (idle_timeout_s, ends_epoch_s, told_s, lives) in [
        (60, 100_000, 6, 66),
        (1_800, 100_000, 60, 1_860),
        (5, 100_000, 1, 6),
        (1_800, 1_100, 60, 100),
        (1_800, 1_000, 60, 0),
        (1_800, 900, 60, 0),
    ] {
        assert_eq!(told_after_s(idle_timeout_s), told_s);
        assert_eq!(lives_s(&record(idle_timeout_s, ends_epoch_s), 1_000), lives);
    }
}

#[test]
fn what_the_store_is_told() {
    let (names, hash) = (Names::new("x"), "ab".repeat(32));
    let said = |tell: &dyn Fn(&mut BytesMut)| {
        let mut bytes = BytesMut::new();
        tell(&mut bytes);
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        // Without the sizes, and without scripts.
        let words = text.split("\r\n").filter(|word| !word.starts_with(['*', '$', '-']));
        words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    };
    let record = record(60, 100);
    assert_eq!(said(&|to| names.find(to, &record.hash)), format!("GET x:session:{hash}"));
    let used = said(&|to| names.used(to, &record.hash, 0));
    // With 0 it would be taken away.
    assert_eq!(used, format!("EXPIRE x:session:{hash} 1"));
    let opened = said(&|to| names.open(to, &record, b"TEXT", 40));
    let lists =
        "x:sessions:all x:sessions:consumer:ada x:sessions:subject:main:u-1 x:sessions:sid:main:p";
    assert!(opened.starts_with("EVAL "), "{opened}");
    let end = format!("5 x:session:{hash} {lists} TEXT 60 {hash} 100 40");
    assert!(opened.ends_with(&end), "{opened}");
    let channel = "x:session: x:sessions:ended";
    for (ending, expected) in [
        (Ending::One(record.hash), format!("1 {channel} E {hash}")),
        (Ending::All, format!("1 x:sessions:all {channel} E")),
        (Ending::Consumer("ada".to_owned()), format!("1 x:sessions:consumer:ada {channel} E")),
    ] {
        let ended = said(&|to| names.end(to, &ending, b"E"));
        assert!(ended.ends_with(&expected), "{ended}");
    }
}
