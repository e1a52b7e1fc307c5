//! A gateway between a raw TLS client and a raw TLS upstream, and the counters before and after.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use firewall_gateway::{
    figures::{Figures, LabelCount},
    limits::Limits,
    listener::bind_listeners,
    policy::{
        AccessLogPolicy, AnswerPolicy, BackendPolicy, CertificatePolicy, ClientsPolicy,
        DeliveryPolicy, GatewayPolicy, LogFormat, LogLevel, LogPolicy, RoutePolicy, TlsPolicy,
        TlsVersion, UnknownName, UpstreamPolicy, UpstreamTlsPolicy, access_log::AccessFormat,
    },
    server::{Gateway, Handed, serve_handed},
};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::{h2raw::RawHttp2, upstream::Upstream};

pub struct World {
    pub gateway: Gateway,
    pub address: SocketAddr,
    pub upstream: Upstream,
    pub certificate_pem: String,
}

pub type Client = StreamOwned<ClientConnection, TcpStream>;

impl World {
    pub fn new() -> World {
        World::with(Limits::default(), 4)
    }

    pub fn with(limits: Limits, connections_max: u32) -> World {
        let upstream = Upstream::start("api.internal");
        let policy = upstream_policy(upstream.address, &upstream.certificate_pem, connections_max);
        World::behind(upstream, policy, limits)
    }

    /// A gateway that treats clients like this.
    pub fn for_clients(clients: ClientsPolicy) -> World {
        World::changed(|policy| policy.clients = clients)
    }

    /// A world whose policy is changed before it is served.
    pub fn changed(change: impl FnOnce(&mut GatewayPolicy)) -> World {
        World::changed_and_handed(Handed::default(), change)
    }

    /// The same, with what the daemon hands over.
    pub fn changed_and_handed(handed: Handed, change: impl FnOnce(&mut GatewayPolicy)) -> World {
        World::made(1, handed, change)
    }

    /// A gateway of so many threads; elsewhere one, whose figures come in order.
    pub fn of_threads(threads: u16) -> World {
        World::made(threads, Handed::default(), |_| {})
    }

    fn made(threads: u16, handed: Handed, change: impl FnOnce(&mut GatewayPolicy)) -> World {
        let upstream = Upstream::start("api.internal");
        let way = upstream_policy(upstream.address, &upstream.certificate_pem, 4);
        let mut policy = gateway_policy(way, Limits::default());
        change(&mut policy);
        World::bound(threads, upstream, &policy, handed)
    }

    pub fn behind(upstream: Upstream, policy: UpstreamPolicy, limits: Limits) -> World {
        World::serving(upstream, &gateway_policy(policy, limits))
    }

    /// A gateway with this TLS towards clients.
    pub fn speaking(tls: TlsPolicy) -> World {
        World::changed(|policy| policy.tls = tls)
    }

    /// Behind it three upstreams, `first`, `second` and `third`; the last two are given back.
    pub fn routed(routes: Vec<RoutePolicy>) -> (World, [Upstream; 2]) {
        let [first, second, third] = [(); 3].map(|()| Upstream::start("api.internal"));
        let named = |name: &str, upstream: &Upstream| UpstreamPolicy {
            name: name.to_owned(),
            ..upstream_policy(upstream.address, &upstream.certificate_pem, 16)
        };
        let upstreams =
            vec![named("first", &first), named("second", &second), named("third", &third)];
        let policy = gateway_policy(named("first", &first), Limits::default());
        (World::serving(first, &GatewayPolicy { upstreams, routes, ..policy }), [second, third])
    }

    pub fn serving(upstream: Upstream, policy: &GatewayPolicy) -> World {
        Self::handed(upstream, policy, Handed::default())
    }

    pub fn handed(upstream: Upstream, policy: &GatewayPolicy, handed: Handed) -> World {
        World::bound(1, upstream, policy, handed)
    }

    fn bound(threads: u16, upstream: Upstream, policy: &GatewayPolicy, handed: Handed) -> World {
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listeners = bind_listeners(&[local], threads, Vec::new()).unwrap();
        let address = listeners[0].shape.address;
        let gateway = serve_handed(policy, listeners, handed).unwrap();
        let certificate_pem = policy.tls.certificates[0].chain_pem.clone();
        World { gateway, address, upstream, certificate_pem }
    }

    pub fn tls(&self, alpn: &[u8]) -> ClientConfig {
        tls(&self.certificate_pem, alpn)
    }

    pub fn connect(&self) -> Client {
        connect(self.address, &self.certificate_pem)
    }

    /// An HTTP/2 connection with these settings, for frames as they stand.
    pub fn http2(&self, settings: &[(u16, u32)]) -> RawHttp2<Client> {
        let tcp = TcpStream::connect(self.address).unwrap();
        RawHttp2::begin(over(tcp, self.tls(b"h2")), settings).unwrap()
    }

    /// Sends bytes on a connection of their own and reads to its end.
    pub fn exchange(&self, request: &str) -> String {
        let mut client = self.connect();
        client.write_all(request.as_bytes()).unwrap();
        read_to_end(&mut client)
    }

    /// The figures once no connection is open, so that nothing is still to be counted.
    pub fn settled(&self) -> Figures {
        let end = Instant::now() + PATIENCE;
        loop {
            let figures = self.gateway.figures();
            if figures.connections_active == 0 {
                // Read again: these were read while the last connection was ending.
                return self.gateway.figures();
            }
            assert!(Instant::now() < end, "connections stay open: {figures:?}");
            thread::yield_now();
        }
    }
}

/// Waits until the figures are so.
pub fn until(world: &World, mut is_so: impl FnMut(&Figures) -> bool) {
    let met = (0..500).any(|_| {
        thread::sleep(Duration::from_millis(10));
        is_so(&world.gateway.figures())
    });
    assert!(met, "{:?}", world.gateway.figures());
}

pub const PATIENCE: Duration = Duration::from_secs(10);

pub fn upstream_policy(address: SocketAddr, ca_pem: &str, connections_max: u32) -> UpstreamPolicy {
    UpstreamPolicy {
        name: "api".to_owned(),
        backends: vec![BackendPolicy::new(address)],
        host: "api.internal".to_owned(),
        tls: Some(UpstreamTlsPolicy {
            server_name: "api.internal".to_owned(),
            ca_pem: ca_pem.to_owned(),
        }),
        connections_max,
        ports: Vec::new(),
        delivery: DeliveryPolicy::default(),
    }
}

pub fn route_policy(path: &str) -> RoutePolicy {
    RoutePolicy::to_upstream("all", path, 0)
}

pub fn gateway_policy(upstream: UpstreamPolicy, limits: Limits) -> GatewayPolicy {
    let pair = rcgen::generate_simple_self_signed(vec!["gateway.test".to_owned()]).unwrap();
    let certificate = CertificatePolicy {
        place: "gateway".to_owned(),
        chain_pem: pair.cert.pem(),
        key_pem: pair.signing_key.serialize_pem(),
        ocsp_der: None,
    };
    GatewayPolicy {
        tls: tls_policy(vec![certificate]),
        upstreams: vec![upstream],
        routes: vec![route_policy("/*")],
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
        clients: ClientsPolicy::default(),
        answers: AnswerPolicy::default(),
        access_log: AccessLogPolicy { format: AccessFormat::Off, ..AccessLogPolicy::default() },
        events: None,
        verdict_services: Vec::new(),
        traces: None,
        limits,
        log: LogPolicy { level: LogLevel::Info, format: LogFormat::Json },
    }
}

/// A policy that can be served, of an upstream that is never asked.
pub fn example_policy() -> GatewayPolicy {
    let upstream = Upstream::start("api.internal");
    let policy = upstream_policy(upstream.address, &upstream.certificate_pem, 4);
    gateway_policy(policy, Limits::default())
}

pub fn tls_policy(certificates: Vec<CertificatePolicy>) -> TlsPolicy {
    TlsPolicy {
        certificates,
        unknown_name: UnknownName::Default,
        version_min: TlsVersion::V1_2,
        ticket_keys: Vec::new(),
        ticket_lifetime_s: 60,
        client_certificates: None,
        acme: false,
    }
}

pub fn connect(address: SocketAddr, certificate_pem: &str) -> Client {
    over(TcpStream::connect(address).unwrap(), tls(certificate_pem, b"http/1.1"))
}

/// TLS over a connection, however it was made and whatever was sent before.
pub fn over(tcp: TcpStream, config: ClientConfig) -> Client {
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    let config = Arc::new(config);
    let session = ClientConnection::new(config, "gateway.test".try_into().unwrap()).unwrap();
    StreamOwned::new(session, tcp)
}

fn tls(certificate_pem: &str, alpn: &[u8]) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots(certificate_pem))
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    config
}

fn roots(certificate_pem: &str) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificate_pem.as_bytes()).unwrap()).unwrap();
    roots
}

pub fn read_to_end(client: &mut Client) -> String {
    let mut answer = Vec::new();
    match client.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&answer)),
    }
    String::from_utf8(answer).unwrap()
}

/// Reads exactly one answer with a `Content-Length`.
pub fn read_answer(client: &mut Client) -> String {
    let head = read_head(client);
    let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0u8; length];
    client.read_exact(&mut body).unwrap();
    head + &String::from_utf8(body).unwrap()
}

pub fn read_head(client: &mut Client) -> String {
    let mut head = Vec::new();
    let mut byte = [0u8; 1];
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

pub fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

pub fn header<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    let head = message.split("\r\n\r\n").next()?;
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(": ")?;
        found.eq_ignore_ascii_case(name).then_some(value)
    })
}

/// How many requests were counted, whatever became of them.
pub fn requests(figures: &Figures) -> u64 {
    figures.requests.iter().map(|row| row.count).sum()
}

/// Asserts that exactly one request was counted, with this status, protocol and refusal.
pub fn one_request(
    before: &Figures,
    after: &Figures,
    status: u16,
    protocol: &str,
    rejection: &str,
) {
    let exact = |figures: &Figures| -> u64 {
        let mut found = figures.requests.iter();
        found
            .find(|one| one.status == status && one.protocol == protocol)
            .map_or(0, |one| one.count)
    };
    assert_eq!(requests(after) - requests(before), 1, "requests: {after:?}");
    assert_eq!(exact(after) - exact(before), 1, "status {status}: {after:?}");
    let durations = |figures: &Figures| -> u64 { figures.request_duration.buckets.iter().sum() };
    assert_eq!(durations(after) - durations(before), 1, "durations: {after:?}");
    let all = |figures: &Figures| -> u64 { figures.rejections.iter().map(|one| one.count).sum() };
    assert_eq!(all(after) - all(before), u64::from(!rejection.is_empty()), "rejections: {after:?}");
    if !rejection.is_empty() {
        let added = label(&after.rejections, rejection) - label(&before.rejections, rejection);
        assert_eq!(added, 1, "{rejection}: {after:?}");
    }
}

pub fn label(counts: &[LabelCount], label: &str) -> u64 {
    counts.iter().find(|one| one.label == label).map_or(0, |one| one.count)
}
