//! Clients that show a certificate: who is taken, what the upstream learns, and whose session goes on.

use std::{io::Write, sync::Arc};

use firewall_gateway::policy::{
    ApiKeyPolicy, AuthenticationPolicy, ClientCertificatePolicy, ClientCertificateUse,
    ConsumerPolicy, TICKET_KEY_BYTES, TicketKey, TlsPolicy,
};
use rcgen::KeyPair;
use rustls::{
    HandshakeKind,
    version::{TLS12, TLS13},
};

use crate::{
    pki::{Authority, Identity, ask},
    upstream::Upstream,
    world::{World, header, label, one_request, tls_policy, upstream_policy},
};

/// Years before and after the tests.
const PAST: i32 = 2021;
const FUTURE: i32 = 2100;

struct Club {
    servers: Authority,
    clients: Authority,
    server: Identity,
}

impl Club {
    fn new() -> Club {
        let servers = Authority::new("servers");
        let server = servers.server(&["gateway.test"], KeyPair::generate().unwrap());
        Club { clients: Authority::new("clients"), servers, server }
    }

    /// One route, which does this with certificates.
    fn routing(&self, client_certificate: ClientCertificateUse) -> World {
        let mut policy = crate::world::example_policy();
        policy.tls = self.tls("");
        policy.routes[0].client_certificate = client_certificate;
        let upstream = Upstream::start("api.internal");
        policy.upstreams = vec![upstream_policy(upstream.address, &upstream.certificate_pem, 4)];
        World::serving(upstream, &policy)
    }

    fn world(&self, crl_pem: &str) -> World {
        World::speaking(self.tls(crl_pem))
    }

    fn tls(&self, crl_pem: &str) -> TlsPolicy {
        let clients = ClientCertificatePolicy {
            ca_pem: self.clients.pem.clone(),
            crl_pem: crl_pem.to_owned(),
        };
        TlsPolicy {
            client_certificates: Some(clients),
            ticket_keys: vec![TicketKey([7; TICKET_KEY_BYTES])],
            ..tls_policy(vec![self.server.policy("gateway")])
        }
    }
}

#[test]
fn only_certificates_that_are_good_are_taken() {
    let club = Club::new();
    let strangers = Authority::new("strangers");
    let alice = club.clients.client("alice", 1, FUTURE);
    for (crl, shown, served, failure) in [
        ("", None, true, ""),
        ("", Some(&alice), true, ""),
        ("", Some(&strangers.client("alice", 1, FUTURE)), false, "client_certificate"),
        ("", Some(&club.clients.client("alice", 1, PAST)), false, "client_certificate"),
        // A server's certificate is no client's.
        (
            "",
            Some(&club.clients.server(&["a.test"], KeyPair::generate().unwrap())),
            false,
            "client_certificate",
        ),
        (&*club.clients.revoked(&[2, 3], FUTURE), Some(&alice), true, ""),
        (&*club.clients.revoked(&[2, 1], FUTURE), Some(&alice), false, "client_certificate"),
        (&*club.clients.revoked(&[2, 1], FUTURE), None, true, ""),
        // A list that is over, or another authority's, says nothing of alice.
        (&*club.clients.revoked(&[], PAST), Some(&alice), false, "client_certificate"),
        (&*strangers.revoked(&[], FUTURE), Some(&alice), false, "client_certificate"),
    ] {
        for version in [&TLS13, &TLS12] {
            let world = club.world(crl);
            let mut client = club.servers.trusting(&[version]);
            if let Some(identity) = shown {
                client = client.showing(identity);
            }
            let asked = ask(world.address, &Arc::new(client.config()), "gateway.test");
            assert_eq!(asked.is_ok(), served, "{version:?} {:?}", asked.err());
            let figures = world.settled();
            assert_eq!(figures.tls_handshakes_ok, u64::from(served));
            assert_eq!(label(&figures.tls_failures, failure), u64::from(!served), "{figures:?}");
        }
    }
}

#[test]
fn the_upstream_learns_who_a_client_is_from_us_alone() {
    let club = Club::new();
    let world = club.world("");
    let alice = club.clients.client("alice", 1, FUTURE);
    let config = Arc::new(club.servers.trusting(&[&TLS13]).showing(&alice).config());
    // The second time the session goes on, and the client is still who it was.
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let client = ask(world.address, &config, "gateway.test").unwrap();
        assert_eq!(client.conn.handshake_kind(), Some(kind));
        let seen = world.upstream.seen();
        assert_eq!(header(&seen[0], "x-client-cert-subject"), Some("CN=alice"));
        assert_eq!(header(&seen[0], "x-client-cert-san"), Some("DNS:alice.clients"));
        let fingerprint = header(&seen[0], "x-client-cert-fingerprint").unwrap();
        assert_eq!(fingerprint, sha256(&alice.leaf()));
    }
    // Without a certificate nobody is anybody, whatever it says of itself.
    let config = Arc::new(club.servers.trusting(&[&TLS13]).config());
    let mut stream = crate::pki::open(world.address, &config, "gateway.test").unwrap();
    stream.write_all(
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Client-Cert-Subject: CN=alice\r\nX_Client.Cert_San: x\r\n\
          X-Client-Cert: x\r\nConnection: close\r\n\r\n",
    )
    .unwrap();
    assert!(crate::world::read_to_end(&mut stream).starts_with("HTTP/1.1 200 "));
    let seen = world.upstream.seen().remove(0).to_ascii_lowercase();
    assert!(!seen.contains("cert"), "{seen}");
}

#[test]
fn a_route_says_what_becomes_of_a_certificate() {
    let club = Club::new();
    let alice = club.clients.client("alice", 1, FUTURE);
    for (with, served, told) in [
        (ClientCertificateUse::None, true, false),
        (ClientCertificateUse::Optional, true, true),
        (ClientCertificateUse::Required, true, true),
    ] {
        let world = club.routing(with);
        let shown = Arc::new(club.servers.trusting(&[&TLS13]).showing(&alice).config());
        assert_eq!(ask(world.address, &shown, "gateway.test").is_ok(), served, "{with:?}");
        let seen = world.upstream.seen().remove(0);
        assert_eq!(header(&seen, "x-client-cert-subject").is_some(), told, "{with:?}");
    }
    // Without a certificate.
    for (with, expected) in [
        (ClientCertificateUse::None, 200),
        (ClientCertificateUse::Optional, 200),
        (ClientCertificateUse::Required, 403),
    ] {
        let world = club.routing(with);
        let before = world.gateway.figures();
        let config = Arc::new(club.servers.trusting(&[&TLS13]).config());
        let mut stream = crate::pki::open(world.address, &config, "gateway.test").unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let answer = crate::world::read_to_end(&mut stream);
        assert_eq!(crate::world::status(&answer), expected, "{with:?}");
        let rejection = if expected == 403 { "client_certificate_missing" } else { "" };
        one_request(&before, &world.settled(), expected, "h1", rejection);
        assert_eq!(world.upstream.seen().len(), usize::from(expected == 200), "{with:?}");
    }
}

#[test]
fn a_session_does_not_outlive_what_its_client_was_held_against() {
    let club = Club::new();
    let alice = club.clients.client("alice", 1, FUTURE);
    let (none, others) = (club.clients.revoked(&[], FUTURE), club.clients.revoked(&[2], FUTURE));
    let hers = club.clients.revoked(&[1], FUTURE);
    for version in [&TLS13, &TLS12] {
        let config = Arc::new(club.servers.trusting(&[version]).showing(&alice).config());
        let kind = |crl: &str| {
            let client = ask(club.world(crl).address, &config, "gateway.test");
            client.ok().and_then(|client| client.conn.handshake_kind())
        };
        assert_eq!(kind(&none), Some(HandshakeKind::Full), "{version:?}");
        assert_eq!(kind(&none), Some(HandshakeKind::Resumed), "{version:?}");
        assert_eq!(kind(&others), Some(HandshakeKind::Full), "{version:?}");
        assert_eq!(kind(&hers), None, "{version:?}");
    }
}

#[test]
fn authorities_and_lists_that_cannot_be_used_are_refused() {
    let club = Club::new();
    let ca = club.clients.pem.clone();
    for (ca_pem, crl_pem, expected) in [
        ("", "", "gateway.tls.client_ca: expected certificates of authorities in PEM: it holds no"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "",
            "gateway.tls.client_ca",
        ),
        (&*ca, "x", "gateway.tls.client_crl: expected revocation lists in PEM: it holds no list"),
        (
            &*ca,
            "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
            "gateway.tls.client_crl",
        ),
    ] {
        let mut policy = crate::world::example_policy();
        policy.tls.client_certificates = Some(ClientCertificatePolicy {
            ca_pem: ca_pem.to_owned(),
            crl_pem: crl_pem.to_owned(),
        });
        let error = firewall_gateway::server::check(&policy).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{expected}: {error}");
    }
}

fn sha256(bytes: &[u8]) -> String {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let suite = provider.cipher_suites.iter().find_map(|suite| {
        let suite = suite.tls13()?;
        let hash = suite.common.hash_provider;
        (hash.output_len() == 32).then(|| hash.hash(bytes))
    });
    suite.unwrap().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_certificate_is_a_consumers() {
    let club = Club::new();
    let [alice, bob] =
        [("alice", 1), ("bob", 2)].map(|(name, serial)| club.clients.client(name, serial, FUTURE));
    let consumer = |name: &str, certificate: &str, networks: &[&str]| ConsumerPolicy {
        name: name.to_owned(),
        scopes: vec!["orders.read".to_owned()],
        roles: vec!["partner".to_owned()],
        networks: networks.iter().map(|network| network.parse().unwrap()).collect(),
        certificates: vec![certificate.to_owned()],
    };
    let key = AuthenticationPolicy::ApiKey(ApiKeyPolicy {
        header: Some("x-api-key".to_owned()),
        bearer: false,
        basic: false,
        keep: false,
    });
    let shop = [consumer("shop", "DNS:alice.clients", &[])];
    let far = [consumer("shop", "subject:CN=alice", &["192.0.2.0/24"])];
    let (alone, beside) =
        (vec![AuthenticationPolicy::Certificate], vec![key, AuthenticationPolicy::Certificate]);
    for (consumers, authentication, shown, more, status, rejection, denied) in [
        (&shop, &alone, Some(&alice), "", 200, "", ""),
        (&shop, &beside, Some(&alice), "", 200, "", ""),
        (&shop, &alone, Some(&bob), "", 403, "forbidden", "certificate_unknown"),
        (&far, &alone, Some(&alice), "", 403, "forbidden", "certificate_network"),
        (&shop, &alone, None, "", 403, "client_certificate_missing", "credential_missing"),
        (&shop, &beside, None, "", 401, "unauthenticated", "credential_missing"),
        (&shop, &beside, Some(&bob), "", 401, "unauthenticated", "certificate_unknown"),
        // A credential that does not hold is not made up for.
        (&shop, &beside, Some(&alice), "X-Api-Key: x\r\n", 401, "unauthenticated", "key_malformed"),
    ] {
        let mut policy = crate::world::example_policy();
        policy.tls = club.tls("");
        policy.consumers = consumers.to_vec();
        policy.routes[0].authentication = authentication.clone();
        // What the upstream is told of certificates has nothing to do with who it is.
        policy.routes[0].client_certificate = ClientCertificateUse::None;
        let upstream = Upstream::start("api.internal");
        policy.upstreams = vec![upstream_policy(upstream.address, &upstream.certificate_pem, 4)];
        let world = World::serving(upstream, &policy);
        let mut config = club.servers.trusting(&[&TLS13]);
        if let Some(identity) = shown {
            config = config.showing(identity);
        }
        let before = world.gateway.figures();
        let mut client =
            crate::pki::open(world.address, &Arc::new(config.config()), "gateway.test").unwrap();
        let request = format!(
            "GET / HTTP/1.1\r\nHost: a\r\nX-Consumer: root\r\n{more}Connection: close\r\n\r\n"
        );
        client.write_all(request.as_bytes()).unwrap();
        let answer = crate::world::read_to_end(&mut client);
        assert_eq!(crate::world::status(&answer), status, "{answer}");
        assert_eq!(header(&answer, "www-authenticate").is_some(), status == 401, "{answer}");
        let after = world.settled();
        one_request(&before, &after, status, "h1", rejection);
        for reason in
            ["credential_missing", "certificate_unknown", "certificate_network", "key_malformed"]
        {
            assert_eq!(
                label(&after.denied, reason),
                u64::from(reason == denied),
                "{reason}: {answer}"
            );
        }
        assert_eq!(label(&after.authenticated, "certificate"), u64::from(status == 200));
        if status != 200 {
            assert!(world.upstream.seen().is_empty(), "{answer}");
            continue;
        }
        let seen = world.upstream.seen().remove(0);
        assert_eq!(header(&seen, "x-consumer"), Some("shop"), "{seen}");
        assert_eq!(header(&seen, "x-consumer-scopes"), Some("orders.read"));
        assert_eq!(header(&seen, "x-consumer-roles"), Some("partner"));
        let credential = header(&seen, "x-consumer-credential").unwrap();
        assert_eq!(credential, &sha256(&alice.leaf())[..16]);
        assert_eq!(header(&seen, "x-client-cert-subject"), None);
    }
}
