//! Messages and sockets through a real pair.

use std::{
    fs::File,
    io::Write as _,
    net::{Ipv4Addr, SocketAddr},
    os::fd::AsFd,
    time::Duration,
};

use rustix::{
    fs::{MemfdFlags, memfd_create},
    net::{AddressFamily, SocketFlags, SocketType, socketpair},
};

use super::{Channel, ChannelError};
use crate::{
    behaviour::{
        offence::{Budget, Offence, SignalCount},
        signal::Signal,
    },
    limits::{CERTIFICATES_MAX, Limits, OFFENCES_AT_ONCE, POLICY_BYTES_MAX},
    listener::bind_listeners,
    policy::{
        CertificatePolicy, EventsPolicy, GatewayPolicy, LogFormat, LogLevel, LogPolicy,
        TICKET_KEY_BYTES, TicketKey, TlsPolicy, TlsVersion, UnknownName, WebhookPolicy,
    },
    worker::{
        message::{FromWorker, MESSAGE_BYTES_MAX, ToWorker},
        start::{self, HandedFiles, StartError},
    },
};

#[test]
fn a_start_message_arrives_with_its_sockets() {
    let (ours, theirs) = pair(SocketType::SEQPACKET);
    let (ours, theirs) = (Channel::new(ours).unwrap(), Channel::new(theirs).unwrap());
    let listeners =
        bind_listeners(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))], 2, Vec::new()).unwrap();
    // As many certificates as there may be, of the usual size.
    let policy = policy(CERTIFICATES_MAX + 1, &"x".repeat(8_000));
    start::send(&ours, &policy, &listeners, HandedFiles::default()).unwrap();
    let received = start::receive(&theirs).unwrap();
    assert!(received.access_log.is_none());
    let (received, sockets) = (received.policy, received.listeners);
    let text = format!("{received:?}");
    assert!(
        !text.contains("SECRET") && !text.contains("77") && text.contains("redacted"),
        "{text}"
    );
    assert_eq!(received.tls.certificates.len(), CERTIFICATES_MAX + 1);
    assert!(received.tls.certificates.iter().all(|one| one.chain_pem.len() == 8_000));
    assert_eq!(received.tls.ticket_keys, policy.tls.ticket_keys);
    assert_eq!(sockets.len(), 2);
    for (given, received) in listeners.iter().zip(sockets) {
        assert_eq!(received.socket.local_addr().unwrap(), given.shape.address);
    }
    let log = File::from(memfd_create(c"log", MemfdFlags::CLOEXEC).unwrap());
    let files = HandedFiles { access_log: Some(log.as_fd()), ..HandedFiles::default() };
    start::send(&ours, &policy, &listeners, files).unwrap();
    let received = start::receive(&theirs).unwrap();
    assert_eq!(received.listeners.len(), 2);
    assert!(received.api_keys.is_none());
    received.access_log.unwrap().write_all(b"a line").unwrap();
    assert_eq!(log.metadata().unwrap().len(), 6);
    // The files are told from each other, whichever of them are there.
    for with in [None, Some(log.as_fd())] {
        let [keys, sessions, events, countries] = [c"keys", c"sessions", c"events", c"countries"]
            .map(|name| File::from(memfd_create(name, MemfdFlags::CLOEXEC).unwrap()));
        let files = HandedFiles {
            access_log: with,
            api_keys: Some(keys.as_fd()),
            sessions: Some(sessions.as_fd()),
            events: with.and(Some(events.as_fd())),
            countries: Some(countries.as_fd()),
        };
        start::send(&ours, &policy, &listeners, files).unwrap();
        let received = start::receive(&theirs).unwrap();
        assert_eq!(received.access_log.is_some(), with.is_some());
        assert_eq!(received.events.is_some(), with.is_some());
        received.api_keys.unwrap().write_all(b"key").unwrap();
        received.sessions.unwrap().write_all(b"session").unwrap();
        assert_eq!([&keys, &sessions].map(|file| file.metadata().unwrap().len()), [3, 7]);
    }
    drop(ours);
    assert!(theirs.receive::<ToWorker>().unwrap().is_none());
}

#[test]
fn a_start_message_that_does_not_hold_together_is_an_error() {
    let (ours, theirs) = pair(SocketType::SEQPACKET);
    let (ours, theirs) = (Channel::new(ours).unwrap(), Channel::new(theirs).unwrap());
    let file = memfd_create(c"test", MemfdFlags::CLOEXEC).unwrap();
    rustix::io::write(&file, b"{}").unwrap();
    let start = |policy_bytes| ToWorker::Start {
        policy_bytes,
        listeners: Vec::new(),
        access_log: false,
        api_keys: false,
        events: false,
        countries: false,
        sessions: false,
    };
    let logging = ToWorker::Start {
        policy_bytes: 2,
        listeners: Vec::new(),
        access_log: true,
        api_keys: false,
        events: false,
        countries: false,
        sessions: false,
    };
    for (message, descriptors, expected) in [
        (ToWorker::Drain, vec![], "expected the message `start`"),
        (start(2), vec![], "expected 1 descriptors and got 0"),
        (start(2), vec![file.as_fd(), file.as_fd()], "expected 1 descriptors and got 2"),
        (logging, vec![file.as_fd()], "expected 2 descriptors and got 1"),
        (start(u64::MAX), vec![file.as_fd()], "expected at most"),
        (start(2), vec![file.as_fd()], "missing field `tls`"),
        (start(9), vec![file.as_fd()], "missing field `tls`"),
        (start(1), vec![file.as_fd()], "EOF while parsing"),
    ] {
        ours.send(&message, &descriptors).unwrap();
        let error = start::receive(&theirs).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

#[test]
fn what_is_not_a_message_is_an_error() {
    let (ours, theirs) = pair(SocketType::SEQPACKET);
    let theirs = Channel::new(theirs).unwrap();
    theirs.set_receive_timeout(Duration::from_millis(1)).unwrap();
    assert!(matches!(theirs.receive::<ToWorker>(), Err(ChannelError::TimedOut)));
    rustix::io::write(&ours, b"{\"unknown\":1}").unwrap();
    assert!(matches!(theirs.receive::<ToWorker>(), Err(ChannelError::Form(_))));
    rustix::io::write(&ours, &vec![b' '; MESSAGE_BYTES_MAX + 1]).unwrap();
    assert!(matches!(theirs.receive::<ToWorker>(), Err(ChannelError::CutOff)));
    let long = FromWorker::Failed { error: "x".repeat(MESSAGE_BYTES_MAX) };
    assert!(matches!(theirs.send(&long, &[]), Err(ChannelError::TooLarge { .. })));
    let chain = "x".repeat(POLICY_BYTES_MAX as usize);
    let sent = start::send(&theirs, &policy(1, &chain), &[], HandedFiles::default());
    assert!(matches!(sent, Err(StartError::TooLarge { .. })), "{sent:?}");
    let (stream, _other) = pair(SocketType::STREAM);
    assert!(matches!(Channel::new(stream), Err(ChannelError::NotPackets)));
}

#[test]
fn the_largest_message_of_offences_fits() {
    let signals = Signal::ALL.map(|signal| SignalCount { signal, count: u8::MAX }).to_vec();
    let offence = Offence {
        address: std::net::Ipv6Addr::from_bits(u128::MAX).into(),
        score: u32::MAX,
        signals,
        request: "f".repeat(32),
        budget: Some(Budget { limit: "l".repeat(64), refusals: u32::MAX, for_s: u64::MAX }),
    };
    let all = FromWorker::Offences(vec![offence; OFFENCES_AT_ONCE]);
    let bytes = serde_json::to_vec(&all).unwrap().len();
    // Beside the figures in the kernel's buffer.
    assert!(bytes < MESSAGE_BYTES_MAX / 2, "{bytes}");
}

fn pair(kind: SocketType) -> (std::os::fd::OwnedFd, std::os::fd::OwnedFd) {
    socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).unwrap()
}

fn policy(certificates: usize, chain: &str) -> GatewayPolicy {
    let certificate = CertificatePolicy {
        place: "gateway".to_owned(),
        chain_pem: chain.to_owned(),
        key_pem: "SECRET".to_owned(),
        ocsp_der: None,
    };
    GatewayPolicy {
        tls: TlsPolicy {
            certificates: vec![certificate; certificates],
            unknown_name: UnknownName::Default,
            version_min: TlsVersion::V1_2,
            ticket_keys: vec![TicketKey([77; TICKET_KEY_BYTES])],
            ticket_lifetime_s: 1,
            client_certificates: None,
            acme: false,
        },
        upstreams: Vec::new(),
        routes: Vec::new(),
        jwts: Vec::new(),
        introspections: Vec::new(),
        countries: None,
        logins: Vec::new(),
        consumers: Vec::new(),
        authentication_failures: Default::default(),
        rates: Vec::new(),
        rate_store: None,
        session_store: None,
        openapi: Vec::new(),
        behaviour: None,
        clients: crate::policy::ClientsPolicy::default(),
        answers: Default::default(),
        access_log: Default::default(),
        events: Some(events()),
        verdict_services: Vec::new(),
        traces: None,
        limits: Limits::default(),
        log: LogPolicy { level: LogLevel::Info, format: LogFormat::Json },
    }
}

fn events() -> EventsPolicy {
    let webhook = WebhookPolicy {
        upstream: 0,
        path: "/".to_owned(),
        secret: "SECRET".to_owned(),
        batch_max: 1,
        batch_wait_ms: 1,
        timeout_ms: 1,
        give_up_s: 1,
    };
    EventsPolicy {
        decisions: Vec::new(),
        source: String::new(),
        queue_max: 1,
        queue_bytes_max: 1,
        file: None,
        webhook: Some(webhook),
        syslog: None,
    }
}
