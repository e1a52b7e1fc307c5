//! Sessions that are opened, used and ended; and their way into a worker.

use std::net::Ipv4Addr;

use super::*;
use crate::identity::session::{handed, record::IdToken};

fn record(number: u32) -> SessionRecord {
    SessionRecord {
        hash: KeyHash::of(&number.to_le_bytes()),
        login: "main".to_owned(),
        consumer: format!("consumer-{}", number % 2),
        subject: format!("subject-{number}"),
        sid: (number > 0).then(|| format!("sid-{number}")),
        address: Ipv4Addr::LOCALHOST.into(),
        created_epoch_s: 100,
        ends_epoch_s: 1_000,
        idle_timeout_s: 60,
        used_epoch_s: 100,
        id_token: IdToken("e30.e30.".to_owned()),
    }
}

fn holds(store: &SessionStore, number: u32, now: u64) -> Option<Result<(), SessionError>> {
    store.tables().find(&record(number).hash).map(|session| session.holds(now))
}

fn filled(count: u32) -> SessionStore {
    let store = SessionStore::new(100);
    store.fill((0..count).map(|number| Arc::new(Session::new(record(number)))).collect());
    store
}

#[test]
fn times_end_a_session() {
    let store = filled(1);
    for (used, now, expected) in [
        (None, 159, Ok(())),
        (None, 160, Err(SessionError::Idle)),
        (Some(159), 218, Ok(())),
        (Some(159), 219, Err(SessionError::Idle)),
        // A clock that was set back takes nothing away.
        (Some(100), 218, Ok(())),
        (Some(990), 999, Ok(())),
        (Some(999), 1_000, Err(SessionError::Expired)),
    ] {
        if let Some(at) = used {
            store.tables().find(&record(0).hash).unwrap().used(at);
        }
        assert_eq!(holds(&store, 0, now), Some(expected), "{used:?} {now}");
    }
    let over = |used_epoch_s, now| SessionRecord { used_epoch_s, ..record(0) }.is_over(now);
    assert_eq!([over(100, 159), over(100, 160), over(990, 1_000)], [false, true, true]);
}

#[test]
fn each_kind_of_ending_takes_its_sessions_alone() {
    let login = || "main".to_owned();
    for (ending, expected) in [
        (Ending::One(record(2).hash), vec![2]),
        (Ending::One(record(9).hash), vec![]),
        (Ending::Consumer("consumer-1".to_owned()), vec![1, 3]),
        (Ending::Consumer("consumer".to_owned()), vec![]),
        (Ending::Subject { login: login(), subject: "subject-0".to_owned() }, vec![0]),
        (Ending::Subject { login: "other".to_owned(), subject: "subject-0".to_owned() }, vec![]),
        (Ending::ProviderSession { login: login(), sid: "sid-3".to_owned() }, vec![3]),
        (Ending::ProviderSession { login: login(), sid: String::new() }, vec![]),
        (Ending::All, vec![0, 1, 2, 3]),
    ] {
        let store = filled(4);
        let told = store.told().unwrap();
        assert_eq!(store.close(ending.clone()), Ok(expected.len()), "{ending:?}");
        for number in 0..4 {
            let ended = holds(&store, number, 100) == Some(Err(SessionError::Ended));
            assert_eq!(ended, expected.contains(&number), "{ending:?} {number}");
        }
        assert_eq!(told.try_recv(), Ok(SessionChange::End(ending)));
    }
}

#[test]
fn the_bound_refuses_whoever_comes_and_nobody_who_is_there() {
    let store = SessionStore::new(3);
    let told = store.told().unwrap();
    for number in 0..3 {
        assert_eq!(store.open(record(number), 100), Ok(()));
    }
    assert_eq!(store.open(record(3), 100), Err(Full));
    store.change(vec![SessionChange::Open(Box::new(record(3)))]);
    assert_eq!((store.counts(), told.try_iter().count()), ((3, 2), 3));
    assert_eq!(holds(&store, 2, 100), Some(Ok(())));
    // One that has ended gives way at once.
    store.change(vec![SessionChange::End(Ending::One(record(1).hash))]);
    assert_eq!(store.open(record(3), 100), Ok(()));
    assert_eq!([holds(&store, 1, 100), holds(&store, 3, 100)], [None, Some(Ok(()))]);
    // Told again, each is there once.
    store.change(vec![SessionChange::Open(Box::new(record(3)))]);
    assert_eq!(store.counts().0, 3);
    store.sweep(160);
    assert_eq!(store.counts(), (0, 2));
}

#[test]
fn nobody_logs_in_of_whom_the_supervisor_cannot_hear() {
    let store = SessionStore::new(u32::MAX);
    let most = SESSION_CHANGES_WAITING_MAX as u32;
    for number in 0..most {
        assert_eq!(store.open(record(number), 100), Ok(()), "{number}");
    }
    assert_eq!(store.open(record(most), 100), Err(Full));
    assert_eq!(holds(&store, most, 100), None);
    // An end holds here all the same.
    assert_eq!(store.close(Ending::All), Err(Full));
    assert_eq!(holds(&store, 0, 100), Some(Err(SessionError::Ended)));
}

#[test]
fn all_of_them_come_into_a_worker_and_their_uses_out_of_it() {
    let (store, mut file) = (SessionStore::new(10_000), Vec::new());
    let records: Vec<SessionRecord> = (0..3_000).map(record).collect();
    for record in &records {
        handed::write(record, &mut file).unwrap();
    }
    handed::read(&file[..], &store).unwrap();
    assert_eq!(store.size().0, 3_000);
    assert_eq!(*store.tables().find(&records[17].hash).unwrap().record(), records[17]);
    assert!(handed::read(&file[..file.len() - 10], &store).is_err());
    assert_eq!(store.size().0, 3_000, "all of them or none");
    for number in [5, 2_500] {
        store.tables().find(&records[number].hash).unwrap().used(130);
    }
    let (uses, next) = store.used_since(2, 0);
    assert_eq!((uses.len(), next), (2, None));
    assert_eq!((uses[0].id.clone(), uses[0].at_epoch_s), (id(&records[5].hash), 130));
    let (uses, next) = store.used_since(1, 0);
    assert_eq!((uses.len(), next), (KEY_USES_AT_ONCE, Some(KEY_USES_AT_ONCE)));
    assert_eq!(store.used_since(1, KEY_USES_AT_ONCE).0.len(), 3_000 - KEY_USES_AT_ONCE);
}
