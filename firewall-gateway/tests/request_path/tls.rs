//! Which certificate a client gets, which sessions go on, and what no handshake is made with.

use std::{io::Read, sync::Arc};

use firewall_gateway::policy::{
    CertificatePolicy, ChallengePolicy, TICKET_KEY_BYTES, TicketKey, TlsPolicy, TlsVersion,
    UnknownName,
};
use rcgen::{CertificateParams, CustomExtension, KeyPair, PKCS_RSA_SHA256};
use rustls::{
    ClientConfig, HandshakeKind, NamedGroup, SignatureScheme,
    client::Resumption,
    version::{TLS12, TLS13},
};

use crate::{
    pki::{Authority, Identity, ask, open},
    world::{World, label, tls_policy},
};

struct Shop {
    authority: Authority,
    /// By what they are for.
    identities: Vec<(&'static str, Identity)>,
}

impl Shop {
    fn open() -> Shop {
        let authority = Authority::new("authority");
        let ecdsa = || KeyPair::generate().unwrap();
        let rsa = || KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
        let identities = vec![
            ("default", authority.server(&["gateway.test"], ecdsa())),
            ("two", authority.server(&["two.test", "TWO.example"], ecdsa())),
            ("two rsa", authority.server(&["two.test"], rsa())),
            ("wild", authority.server(&["*.two.test"], ecdsa())),
            ("exact", authority.server(&["www.two.test"], ecdsa())),
        ];
        Shop { authority, identities }
    }

    fn policy(&self) -> TlsPolicy {
        tls_policy(self.identities.iter().map(|(place, one)| one.policy(place)).collect())
    }

    fn which(&self, leaf: &[u8]) -> &'static str {
        let found = self.identities.iter().find(|(_, one)| *one.leaf() == *leaf);
        found.map_or("another", |(what, _)| what)
    }

    /// A client that does not look at names: what it is served with is the question.
    fn client(&self) -> ClientConfig {
        let mut config = self.authority.trusting(&[&TLS13, &TLS12]).config();
        config.resumption = Resumption::disabled();
        config
    }
}

/// Takes every certificate, and offers these signatures.
#[derive(Debug)]
struct AnyCertificate(Vec<SignatureScheme>);

mod any {
    use rustls::{
        DigitallySignedStruct, Error, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        pki_types::{CertificateDer, ServerName, UnixTime},
    };

    impl ServerCertVerifier for super::AnyCertificate {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.0.clone()
        }
    }
}

#[test]
fn a_certificate_is_chosen_by_name_and_by_what_the_client_verifies() {
    let shop = Shop::open();
    let world = World::speaking(shop.policy());
    let both = vec![SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::RSA_PSS_SHA256];
    let rsa = vec![SignatureScheme::RSA_PSS_SHA256, SignatureScheme::RSA_PKCS1_SHA256];
    for version in [&TLS13, &TLS12] {
        for (schemes, host, expected) in [
            (&both, "gateway.test", "default"),
            (&both, "two.test", "two"),
            (&both, "TWO.test", "two"),
            (&both, "two.example", "two"),
            (&rsa, "two.test", "two rsa"),
            (&both, "mail.two.test", "wild"),
            (&both, "www.two.test", "exact"),
            (&both, "a.mail.two.test", "default"),
            (&both, "unknown.test", "default"),
            // No name at all: an address is none.
            (&both, "127.0.0.1", "default"),
        ] {
            let mut config = shop.authority.trusting(&[version]).config();
            let any = Arc::new(AnyCertificate(schemes.clone()));
            config.dangerous().set_certificate_verifier(any);
            let client = ask(world.address, &Arc::new(config), host).unwrap();
            let leaf = &client.conn.peer_certificates().unwrap()[0];
            assert_eq!(shop.which(leaf), expected, "{version:?} {schemes:?} {host}");
        }
    }
    let figures = world.settled();
    assert_eq!(figures.tls_handshakes_ok, 20);
    assert_eq!((figures.tls_unknown_names, figures.tls_handshakes_failed), (4, 0));
}

#[test]
fn a_name_that_no_certificate_carries_is_refused_where_that_is_asked() {
    let shop = Shop::open();
    let world = World::speaking(TlsPolicy { unknown_name: UnknownName::Refuse, ..shop.policy() });
    let config = Arc::new(shop.client());
    let error = ask(world.address, &config, "unknown.test").err().unwrap().to_string();
    assert!(error.contains("AccessDenied"), "{error}");
    ask(world.address, &config, "two.test").unwrap();
    let figures = world.settled();
    assert_eq!((figures.tls_unknown_names, figures.tls_handshakes_ok), (1, 1));
    assert_eq!(figures.tls_failures.len(), 1, "{figures:?}");
    assert_eq!(label(&figures.tls_failures, "unknown_name"), 1);
}

#[test]
fn versions_protocols_and_groups() {
    let shop = Shop::open();
    let world = World::speaking(TlsPolicy { version_min: TlsVersion::V1_3, ..shop.policy() });
    let old = Arc::new(shop.authority.trusting(&[&TLS12]).config());
    let error = ask(world.address, &old, "gateway.test").err().unwrap().to_string();
    assert!(error.contains("ProtocolVersion"), "{error}");

    let mut other = shop.client();
    other.alpn_protocols = vec![b"spdy/1".to_vec()];
    let error = ask(world.address, &Arc::new(other), "gateway.test").err().unwrap().to_string();
    assert!(error.contains("NoApplicationProtocol"), "{error}");

    let all = rustls::crypto::aws_lc_rs::ALL_KX_GROUPS;
    let named = |name| *all.iter().find(|group| group.name() == name).unwrap();
    for (groups, expected) in [
        (&[NamedGroup::X25519MLKEM768, NamedGroup::X25519][..], NamedGroup::X25519MLKEM768),
        (&[NamedGroup::X25519, NamedGroup::secp256r1], NamedGroup::X25519),
        (&[NamedGroup::secp384r1], NamedGroup::secp384r1),
    ] {
        let groups = groups.iter().map(|group| named(*group)).collect();
        let config = shop.authority.trusting(&[&TLS13]).exchanging(groups).config();
        let client = ask(world.address, &Arc::new(config), "gateway.test").unwrap();
        assert_eq!(client.conn.negotiated_key_exchange_group().unwrap().name(), expected);
    }

    let figures = world.settled();
    assert_eq!(label(&figures.tls_failures, "incompatible"), 1, "{figures:?}");
    assert_eq!(label(&figures.tls_failures, "alpn"), 1, "{figures:?}");
    assert_eq!((figures.tls_handshakes_ok, figures.tls_handshakes_failed), (3, 2));
}

#[test]
fn a_session_goes_on_in_another_worker_while_its_key_is_kept() {
    let shop = Shop::open();
    let [first, second, third] = [1, 2, 3].map(|byte| TicketKey([byte; TICKET_KEY_BYTES]));
    let with = |keys: &[TicketKey]| {
        World::speaking(TlsPolicy { ticket_keys: keys.to_vec(), ..shop.policy() })
    };
    let (old, new) = (with(&[first]), with(&[second, first]));
    for version in [&TLS13, &TLS12] {
        let config = Arc::new(shop.authority.trusting(&[version]).config());
        let kind = |world: &World, host| {
            let client = ask(world.address, &config, host).unwrap();
            client.conn.handshake_kind().unwrap()
        };
        let full = [HandshakeKind::Full, HandshakeKind::FullWithHelloRetryRequest];
        assert!(full.contains(&kind(&old, "two.test")), "{version:?}");
        assert_eq!(kind(&old, "two.test"), HandshakeKind::Resumed, "{version:?}");
        assert_eq!(kind(&new, "two.test"), HandshakeKind::Resumed, "{version:?}");
        // A ticket for one name is none for another.
        assert!(full.contains(&kind(&new, "www.two.test")), "{version:?}");
        // The last ticket was sealed with the second key; this one is with the first.
        let _fresh = kind(&old, "two.test");
        new.gateway.replace_ticket_keys(&[third, second]);
        assert!(full.contains(&kind(&new, "two.test")), "{version:?}");
        new.gateway.replace_ticket_keys(&[second, first]);
    }
    assert_eq!((old.settled().tls_resumptions, new.settled().tls_resumptions), (2, 2));
    // Without keys there are no tickets: a session ends with its worker.
    let (old, new) = (with(&[]), with(&[]));
    let config = Arc::new(shop.authority.trusting(&[&TLS13]).config());
    for world in [&old, &old, &new] {
        ask(world.address, &config, "two.test").unwrap();
    }
    assert_eq!((old.settled().tls_resumptions, new.settled().tls_resumptions), (1, 0));
}

#[test]
fn certificates_that_cannot_be_served_are_refused_with_their_place() {
    let shop = Shop::open();
    let find = |what: &str, place: &str| -> CertificatePolicy {
        shop.identities.iter().find(|(one, _)| *one == what).unwrap().1.policy(place)
    };
    let nameless = shop.authority.server(&[], KeyPair::generate().unwrap()).policy("c");
    let two = || find("two", "a");
    for (certificates, expected) in [
        (vec![], "gateway.certificate: expected a certificate, found none"),
        (
            vec![two(), CertificatePolicy { chain_pem: String::new(), ..find("wild", "b") }],
            "b.certificate: expected a certificate chain in PEM: it holds no certificate",
        ),
        (
            vec![two(), CertificatePolicy { key_pem: "x".to_owned(), ..find("wild", "b") }],
            "b.private_key: expected a private key in PEM",
        ),
        (
            vec![two(), CertificatePolicy { key_pem: two().key_pem, ..find("wild", "b") }],
            "b.certificate and b.private_key do not go together",
        ),
        (
            vec![two(), find("two", "b")],
            "b.certificate: expected each name in one certificate for each kind of key, found two.test with a key of kind ecdsa in a.certificate too",
        ),
        (vec![two(), nameless.clone()], "c.certificate: expected a certificate with a DNS name"),
        (
            vec![two(), CertificatePolicy { ocsp_der: Some(vec![1]), ..find("wild", "b") }],
            "b.ocsp: expected the OCSP response for this certificate: it is no OCSP response in DER",
        ),
    ] {
        let mut policy = crate::world::example_policy();
        policy.tls.certificates = certificates;
        let error = firewall_gateway::server::check(&policy).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{expected}: {error}");
    }
    let mut policy = crate::world::example_policy();
    policy.tls.certificates = vec![nameless, two(), find("two rsa", "b")];
    let facts = firewall_gateway::server::check(&policy).unwrap();
    let found: Vec<_> = facts.iter().map(|one| (one.place.as_str(), one.name(), one.key)).collect();
    assert_eq!(found, [("c", "", "ecdsa"), ("a", "two.test", "ecdsa"), ("b", "two.test", "rsa")]);
    assert_eq!(facts[1].names, ["two.test", "two.example"]);
}

#[test]
fn an_authority_is_shown_what_it_looks_for_and_nobody_else() {
    let shop = Shop::open();
    let world = World::speaking(TlsPolicy { acme: true, ..shop.policy() });
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["new.test".to_owned()]).unwrap();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(&[7; 32])];
    let shown = params.self_signed(&key).unwrap();
    let certificate = CertificatePolicy {
        place: "gateway.acme".to_owned(),
        chain_pem: shown.pem(),
        key_pem: key.serialize_pem(),
        ocsp_der: None,
    };
    let challenge = ChallengePolicy { name: "NEW.test".to_owned(), certificate };
    let look = |offered: &[&[u8]], host: &str| {
        let mut config = shop.authority.trusting(&[&TLS13]).config();
        let any = Arc::new(AnyCertificate(vec![SignatureScheme::ECDSA_NISTP256_SHA256]));
        config.dangerous().set_certificate_verifier(any);
        config.alpn_protocols = offered.iter().map(|one| one.to_vec()).collect();
        let mut client = open(world.address, &Arc::new(config), host).unwrap();
        let handshake = client.conn.complete_io(&mut client.sock);
        handshake.ok().map(|_| {
            // Nothing is served on such a connection.
            let end = client.read(&mut [0]);
            let leaf = client.conn.peer_certificates().unwrap()[0].to_vec();
            (leaf, client.conn.alpn_protocol().map(<[u8]>::to_vec), end.is_ok_and(|read| read > 0))
        })
    };
    let acme = &b"acme-tls/1"[..];
    assert_eq!(look(&[acme], "new.test"), None, "nothing is shown yet");
    world.gateway.show(&[challenge]);
    let expected = (shown.der().to_vec(), Some(acme.to_vec()), false);
    assert_eq!(look(&[acme], "new.test"), Some(expected));
    assert_eq!(look(&[acme], "other.test"), None);
    let config = Arc::new(shop.client());
    ask(world.address, &config, "two.test").unwrap();
    world.gateway.show(&[]);
    assert_eq!(look(&[acme], "new.test"), None, "nothing is shown any more");
    let figures = world.settled();
    assert_eq!(figures.tls_handshakes_ok, 2);
    assert_eq!(label(&figures.tls_failures, "unknown_name"), 3, "{figures:?}");
}

#[test]
fn a_thousand_certificates_are_served() {
    let authority = Authority::new("authority");
    let names: Vec<String> = (0..1_000).map(|one| format!("host-{one}.test")).collect();
    let certificate =
        |name: &String| authority.server(&[name], KeyPair::generate().unwrap()).policy(name);
    let world = World::speaking(tls_policy(names.iter().map(certificate).collect()));
    let config = Arc::new(authority.trusting(&[&TLS13]).config());
    for name in names.iter().step_by(99) {
        ask(world.address, &config, name).unwrap();
    }
    assert_eq!(world.settled().tls_handshakes_ok, 11);
}
