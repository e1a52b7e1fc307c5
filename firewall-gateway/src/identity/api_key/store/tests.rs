//! Keys that come, end and are used; and their way into a worker.

use super::*;
use crate::{
    identity::api_key::{error::KeyError, handed},
    limits::RECENT_KEYS_MAX,
    policy::ConsumerPolicy,
};

fn store() -> KeyStore {
    let shop = ConsumerPolicy {
        name: "shop".to_owned(),
        scopes: vec!["read".to_owned(), "write".to_owned()],
        roles: vec![],
        networks: vec![],
        certificates: vec![],
    };
    KeyStore::new(Consumers::new(&[shop]))
}

fn policy(number: u32, scopes: Option<&[&str]>) -> KeyPolicy {
    KeyPolicy {
        id: format!("{number:08}"),
        hash: KeyHash::of(&number.to_le_bytes()),
        ends_epoch_s: None,
        grant: GrantPolicy {
            consumer: "shop".to_owned(),
            scopes: scopes.map(|all| all.iter().map(|one| (*one).to_owned()).collect()),
            routes: vec![],
            networks: vec![],
        },
    }
}

fn holds(store: &KeyStore, key: &KeyPolicy, now: u64) -> Option<Result<(), KeyError>> {
    store.tables().find(&key.hash).map(|key| key.holds(now))
}

#[test]
fn keys_come_end_and_are_revoked() {
    let store = store();
    let keys: Vec<KeyPolicy> = (0..4).map(|number| policy(number, None)).collect();
    let add = |key: &KeyPolicy| KeyChange::Add(key.clone());
    store.change(&[add(&keys[0]), add(&keys[1]), add(&keys[2])]);
    let end = |key: &KeyPolicy, ends_epoch_s| KeyChange::End { hash: key.hash, ends_epoch_s };
    store.change(&[end(&keys[1], 100), KeyChange::Revoke { hash: keys[2].hash }]);
    // A later end does not put off an earlier one, and nothing brings a revoked key back.
    store.change(&[end(&keys[1], 200), end(&keys[2], 200), end(&keys[3], 1)]);
    for (key, now, expected) in [
        (&keys[0], 99, Some(Ok(()))),
        (&keys[1], 99, Some(Ok(()))),
        (&keys[1], 100, Some(Err(KeyError::Expired))),
        (&keys[2], 99, Some(Err(KeyError::Revoked))),
        (&keys[3], 99, None),
    ] {
        assert_eq!(holds(&store, key, now), expected, "{key:?} at {now}");
    }
    // One that comes and goes in one message.
    store.change(&[add(&keys[3]), KeyChange::Revoke { hash: keys[3].hash }]);
    assert_eq!(holds(&store, &keys[3], 1), Some(Err(KeyError::Revoked)));
    // Told again, it stays as it is.
    store.change(&[add(&keys[2]), add(&keys[3]), add(&keys[0])]);
    assert_eq!(holds(&store, &keys[2], 1), Some(Err(KeyError::Revoked)));
    let strange = KeyPolicy { id: "short".to_owned(), ..policy(9, None) };
    store.change(&[add(&strange)]);
    assert_eq!(store.counts(), (4, 1));
}

#[test]
fn many_keys_are_found_and_no_others() {
    let store = store();
    let many = RECENT_KEYS_MAX as u32 * 3;
    for number in 0..many {
        store.change(&[KeyChange::Add(policy(number, None))]);
    }
    assert_eq!(store.size().0, many as usize);
    for number in 0..many {
        assert_eq!(holds(&store, &policy(number, None), 1), Some(Ok(())), "{number}");
        assert_eq!(holds(&store, &policy(number + many, None), 1), None, "{number}");
    }
    // All of a hash counts, not its first half alone.
    let mut close = policy(7, None);
    close.hash.0[31] ^= 1;
    assert_eq!(holds(&store, &close, 1), None);
}

#[test]
fn a_key_narrows_its_consumer_and_never_widens_it() {
    let store = store();
    for (scopes, expected) in [
        (None, &["read", "write"][..]),
        (Some(&["read"][..]), &["read"]),
        (Some(&["read", "admin"]), &["read"]),
        (Some(&[]), &[]),
    ] {
        let grant = store.grant(&policy(0, scopes).grant);
        let found: Vec<&str> = grant.scopes.iter().map(|scope| &**scope).collect();
        assert_eq!(found, expected, "{scopes:?}");
    }
    let stranger = GrantPolicy { consumer: "other".to_owned(), ..policy(0, None).grant };
    let grant = store.grant(&stranger);
    assert!(!grant.consumer.known && grant.scopes.is_empty());
}

#[test]
fn uses_are_told_once_and_in_parts() {
    let store = store();
    let many = KEY_USES_AT_ONCE as u32 + 10;
    store.fill((0..many).filter_map(|number| store.key(&policy(number, None))).collect());
    assert_eq!(store.used_since(0, 0), (vec![], None));
    for number in 0..many {
        let hash = policy(number, None).hash;
        store.tables().find(&hash).unwrap().used(6_030 + u64::from(number % 2) * 60);
    }
    let (first, next) = store.used_since(100, 0);
    assert_eq!((first.len(), next), (KEY_USES_AT_ONCE, Some(KEY_USES_AT_ONCE)));
    assert_eq!(first[0], KeyUse { id: "00000000".to_owned(), at_epoch_s: 6_000 });
    let (rest, next) = store.used_since(100, next.unwrap());
    assert_eq!((rest.len(), next), (10, None));
    let (later, _) = store.used_since(101, 0);
    assert_eq!(later.len(), many as usize / 2);
}

#[test]
fn keys_are_handed_over_whole_or_not_at_all() {
    let mut keys: Vec<KeyPolicy> = (0..100)
        .map(|number| policy(number, if number % 2 == 0 { None } else { Some(&["read"]) }))
        .collect();
    keys[3].ends_epoch_s = Some(50);
    keys[4].ends_epoch_s = Some(REVOKED);
    let mut file = Vec::new();
    handed::write(keys.iter(), &mut file).unwrap();
    let read = store();
    handed::read(&file[..], &read).unwrap();
    assert_eq!(read.size().0, 100);
    for (number, key) in keys.iter().enumerate() {
        let expected = match number {
            3 => Err(KeyError::Expired),
            4 => Err(KeyError::Revoked),
            _ => Ok(()),
        };
        assert_eq!(holds(&read, key, 50), Some(expected), "{number}");
    }
    assert_eq!(read.tables().find(&keys[1].hash).unwrap().grant().scopes.len(), 1);
    for cut in [0, 7, 8, 20, file.len() - 1] {
        let empty = store();
        assert!(handed::read(&file[..cut], &empty).is_err(), "{cut}");
        assert_eq!(empty.size().0, 0, "{cut}");
    }
    let mut strange = file.clone();
    let last = strange.len() - 1;
    strange[last] = 0xff;
    assert!(handed::read(&strange[..], &store()).is_err());
}
