//! Several certificates, their change under traffic, sessions over it, and certificates of clients.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use rcgen::KeyPair;
use seawall_tests::{requirement, seawall, wait};

use crate::site::{API, GATEWAY, Ground, Site};

#[test]
fn each_name_has_its_certificate() {
    if !requirement::root("each_name_has_its_certificate") {
        return;
    }
    let ground = Ground::prepare();
    let authority = &ground.authority;
    let shop = authority.issue("shop.example").unwrap();
    let shop_rsa = authority.issue_rsa("shop.example").unwrap();
    let wild =
        authority.issue_for(&["*.shop.example"], "wild", KeyPair::generate().unwrap()).unwrap();
    ocsp(&ground, &shop.certificate, &ground.world.folder().join("shop.ocsp"));
    let lines = "  certificates:\n    \
        - { certificate: shop.example.pem, private_key: shop.example.key, ocsp: shop.ocsp }\n    \
        - { certificate: shop.example-rsa.pem, private_key: shop.example-rsa.key }\n    \
        - { certificate: wild.pem, private_key: wild.key }\n";
    let site = Site::on(ground, "", lines);
    let default = &site.ground.gateway;
    for (name, words, expected) in [
        (API, &[][..], default),
        ("shop.example", &[], &shop),
        ("shop.example", &["-sigalgs", "RSA-PSS+SHA256"], &shop_rsa),
        ("www.shop.example", &[], &wild),
        ("unknown.example", &[], default),
    ] {
        let shown = s_client(&site, name, words, "");
        assert_eq!(first(&shown), first(&read(&expected.certificate)), "{name} {words:?}");
    }
    let stapled = |name| s_client(&site, name, &["-status"], "");
    assert!(stapled("shop.example").contains("Cert Status: good"), "{}", stapled("shop.example"));
    assert!(stapled(API).contains("OCSP response: no response sent"));
    site.wait_for_metric("seawall_gateway_tls_unknown_names_total", &[], 1);
    assert_eq!(site.metric("seawall_gateway_certificates", &[]), 4);
    for (name, key) in [(API, "ecdsa"), ("shop.example", "rsa"), ("*.shop.example", "ecdsa")] {
        let end = "seawall_gateway_certificate_expiry_timestamp_seconds";
        // rcgen's certificates are good until the year 4096.
        assert_eq!(site.metric(end, &[("name", name), ("key", key)]), 67_090_118_400);
    }

    site.reload(&site.ground.config("", &format!("{lines}  tls: {{ unknown_name: refuse }}\n")));
    let refused = || s_client(&site, "unknown.example", &[], "").contains("alert number 49");
    wait::until("refusal", || refused().then_some(())).unwrap();
    assert_eq!(first(&s_client(&site, API, &[], "")), first(&read(&default.certificate)));
    let reason = [("reason", "unknown_name")];
    site.wait_for_metric("seawall_gateway_tls_handshake_failures_total", &reason, 1);

    // Two for one name are refused, and what was served is served on.
    let twice = format!("{lines}    - {{ certificate: wild.pem, private_key: wild.key }}\n");
    site.reload(&site.ground.config("", &twice));
    assert_eq!(site.metric("seawall_last_reload_successful", &[]), 0);
    let status = seawall::run(
        &site.ground.world,
        &["status", "--socket", &site.ground.socket().display().to_string()],
    );
    let status = String::from_utf8(status.unwrap().stdout).unwrap();
    let conflict = "gateway.certificates[3].certificate: expected each name in one certificate";
    assert!(status.contains(conflict), "{status}");
    assert!(status.contains("certificates 4, "), "{status}");
    assert!(refused());
}

#[test]
fn twenty_changes_of_a_certificate_fail_no_handshake() {
    if !requirement::root("twenty_changes_of_a_certificate_fail_no_handshake") {
        return;
    }
    let site = Site::start("", "");
    let config = site.ground.config("", "");
    let mut before = first(&s_client(&site, API, &[], ""));
    for round in 0..20 {
        let renewed = site.ground.authority.issue(API).unwrap();
        std::thread::scope(|scope| {
            let client = scope.spawn(|| {
                let get = || site.ground.get("/").send(site.ground.client()).unwrap();
                (0..10).map(|_| get()).find(|answer| answer.status != 200)
            });
            site.reload(&config);
            assert!(client.join().unwrap().is_none(), "round {round}");
        });
        // The worker of before accepts for one moment more.
        let renewed = first(&read(&renewed.certificate));
        assert_ne!(renewed, before, "round {round}");
        let served = || (first(&s_client(&site, API, &[], "")) == renewed).then_some(());
        wait::until("new certificate", served).unwrap();
        before = renewed;
    }
    assert_eq!(site.metric("seawall_reloads_total", &[("result", "ok")]), 20);
    assert_eq!(site.metric("seawall_gateway_tls_handshakes_total", &[("result", "failed")]), 0);

    // A key of another certificate changes nothing.
    fs::copy(site.ground.world.folder().join("api.internal.key"), &site.ground.gateway.key)
        .unwrap();
    site.reload(&config);
    assert_eq!(site.metric("seawall_reloads_total", &[("result", "error")]), 1);
    assert_eq!(first(&s_client(&site, API, &[], "")), before);
    assert!(site.seawall.process.log().contains("do not go together"));
}

#[test]
fn sessions_go_on_over_a_reload_until_their_key_is_forgotten() {
    if !requirement::root("sessions_go_on_over_a_reload_until_their_key_is_forgotten") {
        return;
    }
    let site = Site::start("", "");
    let folder = site.ground.world.folder().to_path_buf();
    let session = |version: &str| folder.join(format!("session{version}")).display().to_string();
    let ask = |version: &str, way: &str| {
        let request = "GET / HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\n\r\n";
        let shown = s_client(&site, API, &[version, way, &session(version)], request);
        assert!(shown.contains("HTTP/1.1 200 "), "{shown}");
        shown.contains("Reused, TLSv1.")
    };
    for version in ["-tls1_3", "-tls1_2"] {
        assert!(!ask(version, "-sess_out"), "{version}");
        assert!(ask(version, "-sess_in"), "{version}");
    }
    site.reload(&site.ground.config("", "  limits: { idle_timeout_ms: 50000 }\n"));
    for version in ["-tls1_3", "-tls1_2"] {
        assert!(ask(version, "-sess_in"), "{version}: not after a reload");
    }
    site.wait_for_metric("seawall_gateway_tls_resumptions_total", &[], 4);

    // The lifetime is shorter from now on, so the key is over at once and forgotten a second later.
    site.reload(&site.ground.config("", "  tls: { ticket_lifetime_s: 1 }\n"));
    let over = || (!ask("-tls1_3", "-sess_in")).then_some(());
    wait::until("end of the key", over).unwrap();
}

#[test]
fn clients_with_a_certificate_are_known_to_the_upstream() {
    if !requirement::root("clients_with_a_certificate_are_known_to_the_upstream") {
        return;
    }
    let ground = Ground::prepare();
    let alice = ground.authority.issue_client("alice", 1).unwrap();
    ground.authority.revoke(&[2]).unwrap();
    let lines = "  tls: { client_ca: authority.pem, client_crl: revoked.pem }\n";
    let site = Site::on(ground, "", lines);
    let get = |words: &[&str]| site.ground.get("/").with(words).send(site.ground.client()).unwrap();
    let (certificate, key) =
        (alice.certificate.display().to_string(), alice.key.display().to_string());
    let hers = ["--cert", &certificate, "--key", &key, "-H", "X-Client-Cert-Subject: CN=root"];
    let answer = get(&hers);
    assert_eq!(answer.status, 200, "{answer:?}");
    let said = answer.body.to_ascii_lowercase();
    assert!(said.contains("x-client-cert-subject: cn=alice"), "{said}");
    assert!(said.contains("x-client-cert-san: dns:alice.clients"), "{said}");
    assert!(!said.contains("cn=root"), "{said}");
    let nobody = get(&["-H", "X-Client-Cert-Subject: CN=root"]);
    assert_eq!(nobody.status, 200, "{nobody:?}");
    assert!(!nobody.body.to_ascii_lowercase().contains("client-cert"), "{nobody:?}");

    site.ground.authority.revoke(&[2, 1]).unwrap();
    site.reload(&site.ground.config("", lines));
    // Cut off in the middle: curl may see the alert or the end of the connection.
    wait::until("refusal", || (get(&hers).status == 0).then_some(())).unwrap();
    let reason = [("reason", "client_certificate")];
    site.wait_for_metric("seawall_gateway_tls_handshake_failures_total", &reason, 1);
    assert_eq!(get(&[]).status, 200);
}

/// What openssl sees of a connection to the gateway.
fn s_client(site: &Site, name: &str, words: &[&str], input: &str) -> String {
    let mut openssl = Command::new("openssl");
    openssl.args(["s_client", "-connect", &GATEWAY.to_string(), "-servername", name]);
    openssl.args(["-alpn", "http/1.1"]).args(words);
    if !input.is_empty() {
        openssl.arg("-ign_eof");
    }
    openssl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = site.ground.client().spawn(&mut openssl).unwrap();
    // A server that refuses closes before it has read everything.
    let _refused = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// The first certificate in a text, without white space.
fn first(text: &str) -> String {
    let inner = text.split("-----BEGIN CERTIFICATE-----").nth(1);
    let inner = inner.and_then(|rest| rest.split("-----END CERTIFICATE-----").next());
    let inner = inner.unwrap_or_else(|| panic!("no certificate in {text}"));
    inner.split_whitespace().collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// Asks openssl to say, in the authority's name, that a certificate is good.
fn ocsp(ground: &Ground, certificate: &Path, response: &Path) {
    let run = |words: &[&str]| {
        let output = Command::new("openssl").args(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let path = |path: &Path| path.display().to_string();
    let (authority, key) =
        (path(&ground.authority.certificate), path(&ground.authority.key().unwrap()));
    let (certificate, response) = (path(certificate), path(response));
    let serial = run(&["x509", "-in", &certificate, "-noout", "-serial"]);
    let serial = serial.trim().trim_start_matches("serial=");
    let index = ground.world.folder().join("index.txt");
    fs::write(&index, format!("V\t991231235959Z\t\t{serial}\tunknown\t/CN=x\n")).unwrap();
    run(&[
        "ocsp",
        "-index",
        &path(&index),
        "-rsigner",
        &authority,
        "-rkey",
        &key,
        "-CA",
        &authority,
        "-issuer",
        &authority,
        "-cert",
        &certificate,
        "-respout",
        &response,
        "-ndays",
        "30",
    ]);
}
