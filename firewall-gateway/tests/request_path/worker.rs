//! The worker as a process of its own: handed its sockets, sandboxed, drained, told apart from root.
//!
//! The process is this test binary, started once more for the one test that becomes the worker.

use std::{
    env,
    fs::File,
    io::{BufReader, Read, Seek, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::{
        fd::{AsFd, OwnedFd},
        unix::process::CommandExt,
    },
    process::{self, Child, Command, ExitCode, Stdio},
};

use firewall_gateway::{
    behaviour::{
        offence::{Offence, SignalCount},
        signal::Signal,
    },
    events::Decision,
    figures::SinkFigures,
    identity::api_key::{
        store::{GrantPolicy, KeyChange, KeyPolicy},
        text::KeyText,
    },
    limits::Limits,
    listener::{BoundListener, bind_listeners},
    policy::{
        ApiKeyPolicy, AuthenticationPolicy, BehaviourPolicy, CertificatePolicy, ConsumerPolicy,
        GatewayPolicy, SyslogPolicy, Thresholds, UpstreamPolicy,
    },
    worker::{
        self,
        channel::Channel,
        message::{FromWorker, ToWorker},
        start::{self, HandedFiles},
    },
};
use rustix::{
    fs::{MemfdFlags, memfd_create},
    net::{AddressFamily, SocketFlags, SocketType, socketpair},
};

use crate::{
    events,
    upstream::Upstream,
    world::{
        connect, gateway_policy, header, read_answer, read_to_end, route_policy, status,
        upstream_policy,
    },
};

#[test]
fn becomes_the_worker() {
    if env::var_os(BECOME_WORKER).is_some() {
        process::exit(i32::from(worker::run() != ExitCode::SUCCESS));
    }
}

#[test]
fn serves_reports_and_drains() {
    let upstream = Upstream::start("api.internal");
    let policy = policy(&upstream);
    let listeners =
        bind_listeners(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))], 2, Vec::new()).unwrap();
    let address = listeners[0].shape.address;
    let mut old = Worker::start(&policy, &listeners, Some(NOBODY));
    let sandbox = old.ready();
    for held in
        ["no_capabilities", "no_new_privs", "no_core_file", "not_dumpable", "dies_with_parent"]
    {
        assert!(sandbox.iter().any(|one| one == held), "{held}: {sandbox:?}");
    }
    assert!(sandbox.iter().any(|one| one.starts_with("landlock=")), "{sandbox:?}");
    for _ in 0..4 {
        assert_eq!(status(&get(address, &policy.tls.certificates[0].chain_pem)), 200);
    }
    // A second worker takes over the same sockets before the first one drains.
    let mut new = Worker::start(&policy, &listeners, Some(NOBODY));
    new.ready();
    old.channel.send(&ToWorker::Challenges { number: 7, challenges: vec![] }, &[]).unwrap();
    old.channel.send(&ToWorker::Drain, &[]).unwrap();
    let (mut requests, mut shown) = (0, 0);
    let (mut routes, mut backends) = (Vec::new(), Vec::new());
    let (mut upstreams, mut standings) = (Vec::new(), Vec::new());
    loop {
        match old.channel.receive().unwrap().unwrap().0 {
            FromWorker::Figures(figures) => {
                requests = figures.requests.iter().map(|one| one.count).sum()
            }
            FromWorker::Routes(rows) => {
                routes = rows.iter().map(|row| (row.route.clone(), row.h1)).collect();
            }
            FromWorker::Backends(rows) => {
                backends = rows.iter().map(|row| (row.requests, row.in_flight)).collect();
            }
            FromWorker::Upstreams(rows) => {
                upstreams = rows.iter().map(|row| (row.upstream.clone(), row.in_flight)).collect();
            }
            FromWorker::Standings(rows) => {
                standings = rows.iter().map(|row| row.state.clone()).collect();
            }
            FromWorker::Shown { number } => shown = number,
            FromWorker::Drained => break,
            other @ (FromWorker::Ready { .. }
            | FromWorker::Failed { .. }
            | FromWorker::ApiKeysUsed(_)
            | FromWorker::Offences(_)
            | FromWorker::SessionsChanged(_)
            | FromWorker::SessionsUsed(_)
            | FromWorker::KeysWanted { .. }) => panic!("{other:?}"),
        }
    }
    assert_eq!(shown, 7);
    assert_eq!(requests, 4, "the last figures before the end are complete");
    assert_eq!(routes, [("all".to_owned(), [0, 4, 0, 0, 0])]);
    assert_eq!(backends, [(4, 0)]);
    assert_eq!(upstreams, [("api".to_owned(), 0)]);
    assert_eq!(standings, ["up"]);
    assert!(old.child.wait().unwrap().success());
    assert_eq!(
        status(&get(address, &policy.tls.certificates[0].chain_pem)),
        200,
        "the new worker serves"
    );
    // The supervisor's end closes: drain and end.
    let Worker { child: mut orphan, channel } = new;
    drop(channel);
    assert!(orphan.wait().unwrap().success());
}

#[test]
fn one_that_drains_hears_of_a_revoked_key() {
    let upstream = Upstream::start("api.internal");
    let mut policy = policy(&upstream);
    policy.consumers = vec![ConsumerPolicy {
        name: "shop".to_owned(),
        scopes: Vec::new(),
        roles: Vec::new(),
        networks: Vec::new(),
        certificates: Vec::new(),
    }];
    let header = Some("x-api-key".to_owned());
    let by_key = ApiKeyPolicy { header, bearer: false, basic: false, keep: false };
    policy.routes[0].authentication = vec![AuthenticationPolicy::ApiKey(by_key)];
    let listeners =
        bind_listeners(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))], 1, Vec::new()).unwrap();
    let mut worker = Worker::start(&policy, &listeners, Some(NOBODY));
    worker.ready();
    let text = KeyText::generate().unwrap();
    let grant = GrantPolicy {
        consumer: "shop".to_owned(),
        scopes: None,
        routes: Vec::new(),
        networks: Vec::new(),
    };
    let (id, hash) = (text.id().to_owned(), text.hash());
    let key = KeyPolicy { id, hash, ends_epoch_s: None, grant };
    worker.tell(1, ToWorker::ApiKeys(vec![KeyChange::Add(key)]));
    let certificate = &policy.tls.certificates[0].chain_pem;
    let mut client = connect(listeners[0].shape.address, certificate);
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Api-Key: {}\r\n\r\n", text.reveal());
    client.write_all(request.as_bytes()).unwrap();
    assert_eq!(status(&read_answer(&mut client)), 200);
    worker.channel.send(&ToWorker::Drain, &[]).unwrap();
    worker.tell(2, ToWorker::ApiKeys(vec![KeyChange::Revoke { hash }]));
    // A kept connection is answered once more.
    client.write_all(request.as_bytes()).unwrap();
    assert_eq!(status(&read_to_end(&mut client)), 401);
    loop {
        match worker.channel.receive().unwrap().unwrap().0 {
            FromWorker::ApiKeysUsed(uses) => assert_eq!(uses[0].id, text.id()),
            FromWorker::Drained => break,
            _ => {}
        }
    }
    assert!(worker.child.wait().unwrap().success());
}

#[test]
fn one_that_is_locked_in_reaches_every_sink_of_events() {
    let receiver = events::Receiver::start(200);
    let syslog = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let file = File::from(memfd_create(c"events", MemfdFlags::CLOEXEC).unwrap());
    let mut policy = events::policy(&receiver, vec![Decision::Refused]);
    policy.routes[0].path = "/open".to_owned();
    let sinks = policy.events.as_mut().unwrap();
    sinks.file = Some("/a/file/that/it/could/not/open".into());
    let address = syslog.local_addr().unwrap();
    let host = String::new();
    sinks.syslog = Some(SyslogPolicy { address, facility: 16, host, give_up_s: 60 });
    let listeners =
        bind_listeners(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))], 1, Vec::new()).unwrap();
    let files = HandedFiles { events: Some(file.as_fd()), ..HandedFiles::default() };
    let mut worker = Worker::handing(&policy, &listeners, Some(NOBODY), files);
    worker.ready();
    let certificate = &policy.tls.certificates[0].chain_pem;
    assert_eq!(status(&get(listeners[0].shape.address, certificate)), 404);
    let mut stream = BufReader::new(syslog.accept().unwrap().0);
    assert!(events::message(&mut stream).contains("<133>1 "));
    worker.channel.send(&ToWorker::Drain, &[]).unwrap();
    let mut sent = Vec::new();
    loop {
        match worker.channel.receive().unwrap().unwrap().0 {
            FromWorker::Figures(figures) => {
                let of = |row: &SinkFigures| (row.sink.clone(), row.sent, row.lost_total());
                sent = figures.events.iter().map(of).collect();
            }
            FromWorker::Drained => break,
            _ => {}
        }
    }
    let expected = ["file", "webhook", "syslog"].map(|sink| (sink.to_owned(), 1, 0));
    assert_eq!(sent, expected, "the last figures are complete");
    assert!(worker.child.wait().unwrap().success());
    assert_eq!(receiver.events().len(), 1);
    let mut text = String::new();
    (&file).rewind().unwrap();
    (&file).read_to_string(&mut text).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn an_offender_is_told_of_beside_the_figures() {
    let upstream = Upstream::start("api.internal");
    let mut policy = policy(&upstream);
    let behaviour = BehaviourPolicy { shadow: false, ..BehaviourPolicy::default() };
    let thresholds = Thresholds { watch: 1, challenge: 2, ban: 2 };
    policy.behaviour = Some(BehaviourPolicy { thresholds, ..behaviour });
    let listeners =
        bind_listeners(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))], 1, Vec::new()).unwrap();
    let mut worker = Worker::start(&policy, &listeners, Some(NOBODY));
    worker.ready();
    let certificate = &policy.tls.certificates[0].chain_pem;
    let mut client = connect(listeners[0].shape.address, certificate);
    client.write_all(b"GET //a HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let answer = read_to_end(&mut client);
    let told = loop {
        match worker.channel.receive().unwrap().unwrap().0 {
            FromWorker::Offences(offences) => break offences,
            FromWorker::Drained => panic!("it ended first"),
            _ => {}
        }
    };
    let signals = vec![SignalCount { signal: Signal::BadRequest, count: 1 }];
    let request = header(&answer, "x-request-id").unwrap().to_owned();
    let address = Ipv4Addr::LOCALHOST.into();
    assert_eq!(told, [Offence { address, score: 2, signals, request, budget: None }]);
    worker.channel.send(&ToWorker::Drain, &[]).unwrap();
    assert!(worker.child.wait().unwrap().success());
}

#[test]
fn says_why_it_cannot_start() {
    let upstream = Upstream::start("api.internal");
    let good = policy(&upstream);
    let other = policy(&upstream);
    let listeners =
        bind_listeners(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))], 1, Vec::new()).unwrap();
    let with = |change: &dyn Fn(&mut CertificatePolicy)| {
        let mut policy = good.clone();
        change(&mut policy.tls.certificates[0]);
        policy
    };
    let other_key = &other.tls.certificates[0].key_pem;
    let mut cases = vec![
        (with(&|one| "x".clone_into(&mut one.chain_pem)), Some(NOBODY), "gateway.certificate"),
        (with(&|one| "x".clone_into(&mut one.key_pem)), Some(NOBODY), "gateway.private_key"),
        (with(&|one| one.key_pem.clone_from(other_key)), Some(NOBODY), "do not go together"),
        (
            GatewayPolicy {
                upstreams: vec![upstream_policy(upstream.address, "", 4)],
                ..good.clone()
            },
            Some(NOBODY),
            "gateway upstream \"api\": ca: expected one or more certificates",
        ),
        (
            GatewayPolicy {
                upstreams: vec![UpstreamPolicy {
                    backends: Vec::new(),
                    ..upstream_policy(upstream.address, "", 4)
                }],
                ..good.clone()
            },
            Some(NOBODY),
            "gateway upstream \"api\": backends: expected at least one",
        ),
        (
            GatewayPolicy { routes: Vec::new(), ..good.clone() },
            Some(NOBODY),
            "gateway.routes: expected at least one route",
        ),
        (
            GatewayPolicy { upstreams: Vec::new(), ..good.clone() },
            Some(NOBODY),
            "route \"all\" names an upstream that is not there",
        ),
        (
            GatewayPolicy { routes: vec![route_policy("v1")], ..good.clone() },
            Some(NOBODY),
            "route \"all\": path: expected a path that begins with /, found \"v1\"",
        ),
        (
            GatewayPolicy {
                limits: Limits { headers_max: 0, ..Limits::default() },
                ..good.clone()
            },
            Some(NOBODY),
            "limits.headers_max: expected 1 to 1000, found 0",
        ),
    ];
    if rustix::process::getuid().is_root() {
        cases.push((good, None, "must not run as root"));
    } else {
        eprintln!("skipped: that a worker refuses to be root needs root");
    }
    for (policy, user, expected) in cases {
        let mut worker = Worker::start(&policy, &listeners, user);
        let message = worker.channel.receive().unwrap().unwrap().0;
        let FromWorker::Failed { error } = message else { panic!("{expected}: {message:?}") };
        assert!(error.contains(expected), "{expected}: {error}");
        assert_eq!(worker.child.wait().unwrap().code(), Some(1), "{expected}");
    }
}

struct Worker {
    child: Child,
    channel: Channel<OwnedFd>,
}

impl Worker {
    fn start(policy: &GatewayPolicy, listeners: &[BoundListener], user: Option<u32>) -> Worker {
        Self::handing(policy, listeners, user, HandedFiles::default())
    }

    fn handing(
        policy: &GatewayPolicy,
        listeners: &[BoundListener],
        user: Option<u32>,
        files: HandedFiles<'_>,
    ) -> Worker {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .unwrap();
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["--exact", "worker::becomes_the_worker", "--nocapture"])
            .env_clear()
            .env(BECOME_WORKER, "1")
            .current_dir("/")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null());
        if let Some(user) = user.filter(|_| rustix::process::getuid().is_root()) {
            command.uid(user).gid(user);
        }
        let child = command.spawn().unwrap();
        // The command keeps the worker's end open, and with it the channel.
        drop(command);
        let channel = Channel::new(ours).unwrap();
        start::send(&channel, policy, listeners, files).unwrap();
        Worker { child, channel }
    }

    /// Tells it something, and waits until it has taken that over.
    fn tell(&self, turn: u64, message: ToWorker) {
        self.channel.send(&message, &[]).unwrap();
        self.channel.send(&ToWorker::Challenges { number: turn, challenges: vec![] }, &[]).unwrap();
        loop {
            match self.channel.receive().unwrap().unwrap().0 {
                FromWorker::Shown { number } if number == turn => return,
                FromWorker::Drained => panic!("it ended first"),
                _ => {}
            }
        }
    }

    fn ready(&mut self) -> Vec<String> {
        let message = self.channel.receive().unwrap().unwrap().0;
        let FromWorker::Ready { sandbox } = message else { panic!("{message:?}") };
        sandbox
    }
}

fn policy(upstream: &Upstream) -> GatewayPolicy {
    let upstream = upstream_policy(upstream.address, &upstream.certificate_pem, 4);
    gateway_policy(upstream, Limits::default())
}

fn get(address: SocketAddr, certificate_pem: &str) -> String {
    let mut client = connect(address, certificate_pem);
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    read_to_end(&mut client)
}

const BECOME_WORKER: &str = "SEAWALL_TEST_BECOME_WORKER";

// The user `nobody` of every distribution.
const NOBODY: u32 = 65_534;
