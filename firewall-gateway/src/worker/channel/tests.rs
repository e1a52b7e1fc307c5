//! Messages and sockets through a real pair.

use std::{
    net::{Ipv4Addr, SocketAddr},
    os::fd::AsFd,
    time::Duration,
};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::{Channel, ChannelError};
use crate::{
    limits::Limits,
    listener::bind_listeners,
    policy::{GatewayPolicy, LogFormat, LogLevel, LogPolicy},
    worker::message::{MESSAGE_BYTES_MAX, ToWorker},
};

#[test]
fn a_start_message_arrives_with_its_sockets() {
    let (ours, theirs) = pair(SocketType::SEQPACKET);
    let (ours, theirs) = (Channel::new(ours).unwrap(), Channel::new(theirs).unwrap());
    let listeners = bind_listeners(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))], 2).unwrap();
    let shapes = listeners.iter().map(|listener| listener.shape).collect();
    let sockets: Vec<_> = listeners.iter().map(|listener| listener.socket.as_fd()).collect();
    ours.send(&ToWorker::Start { policy: policy(""), listeners: shapes, keys: false }, &sockets)
        .unwrap();
    let (message, received) = theirs.receive::<ToWorker>().unwrap().unwrap();
    let text = format!("{message:?}");
    assert!(!text.contains("SECRET") && text.contains("redacted"), "{text}");
    let ToWorker::Start { listeners: shapes, .. } = message else { panic!("expected start") };
    assert_eq!(received.len(), 2);
    for (shape, socket) in shapes.iter().zip(received) {
        let socket = std::net::TcpListener::from(socket);
        assert_eq!(socket.local_addr().unwrap(), shape.address);
    }
    drop(ours);
    assert!(theirs.receive::<ToWorker>().unwrap().is_none());
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
    let start =
        ToWorker::Start { policy: policy(&"x".repeat(MESSAGE_BYTES_MAX)), listeners: Vec::new() };
    assert!(matches!(theirs.send(&start, &[]), Err(ChannelError::TooLarge { .. })));
    let (stream, _other) = pair(SocketType::STREAM);
    assert!(matches!(Channel::new(stream), Err(ChannelError::NotPackets)));
}

fn pair(kind: SocketType) -> (std::os::fd::OwnedFd, std::os::fd::OwnedFd) {
    socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).unwrap()
}

fn policy(certificate: &str) -> GatewayPolicy {
    GatewayPolicy {
        certificate_pem: certificate.to_owned(),
        private_key_pem: "SECRET".to_owned(),
        upstreams: Vec::new(),
        routes: Vec::new(),
        clients: crate::policy::ClientsPolicy::default(),
        consumers: Vec::new(),
        authentication_failures: Default::default(),
        answers: Default::default(),
        access_log: Default::default(),
        traces: None,
        limits: Limits::default(),
        log: LogPolicy { level: LogLevel::Info, format: LogFormat::Json },
    }
}
