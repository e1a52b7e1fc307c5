//! The built program: what it answers, and how it fails.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, pem::PemObject},
};

#[test]
fn answers() {
    let server = Server::start(&[]);
    let big = format!("Content-Length: {}\r\n", 65_537);
    for (request, extra, status, expected) in [
        ("GET /v1/message", "", 200, "\r\n\r\nHello from behind the seawall.\n"),
        ("GET /v1/message?x=y", "", 200, "content-type: text/plain; charset=utf-8\r\n"),
        ("GET /healthz", "", 200, "\r\n\r\nok\n"),
        ("HEAD /healthz", "", 200, "content-length: 3\r\n"),
        ("GET /", "", 404, "content-type: application/problem+json\r\n"),
        ("POST /v1/message", "Content-Length: 0\r\n", 405, "allow: GET, HEAD\r\n"),
        ("POST /v1/message", big.as_str(), 413, "\"status\":413"),
        ("GET /", &format!("X: {}\r\n", "x".repeat(40_000)), 431, ""),
    ] {
        let answer = server.exchange(&format!(
            "{request} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{extra}\r\n"
        ));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
        assert!(answer.contains(expected), "{request}: {answer}");
    }
}

#[test]
fn serves_so_many_a_second_and_says_so() {
    let server = Server::start(&["--rate-per-s", "2"]);
    let get = |path: &str| {
        server.exchange(&format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))
    };
    let began = std::time::Instant::now();
    let answers: Vec<String> = (0..6).map(|_| get("/v1/message")).collect();
    let took_s = began.elapsed().as_secs_f64();
    let served = answers.iter().filter(|answer| answer.starts_with("HTTP/1.1 200 ")).count();
    // Two at once, and one each half second.
    assert!((2..=3 + (2.0 * took_s) as usize).contains(&served), "{served} in {took_s} s");
    let refused = answers.iter().find(|answer| answer.starts_with("HTTP/1.1 429 ")).unwrap();
    for line in [
        "ratelimit-policy: \"server\";q=2;w=1\r\n",
        "ratelimit: \"server\";r=0;t=1\r\n",
        "retry-after: 1\r\n",
        "content-type: application/problem+json\r\n",
        "\"status\":429",
    ] {
        assert!(refused.contains(line), "{line}: {refused}");
    }
    assert!(answers[0].contains("ratelimit: \"server\";r=1;t=1\r\n"), "{}", answers[0]);
    // Whether it is well may be asked at any time.
    assert!(get("/healthz").starts_with("HTTP/1.1 200 "));
}

#[test]
fn answers_its_own_message_and_stops_on_sigterm() {
    let mut server = Server::start(&["--message", "Moin."]);
    let answer =
        server.exchange("GET /v1/message HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(answer.ends_with("\r\n\r\nMoin.\n"), "{answer}");
    let pid = server.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

#[test]
fn fails_clearly() {
    let files = Files::new("fails");
    let (certificate, key) = (files.certificate.to_str().unwrap(), files.key.to_str().unwrap());
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (arguments, code, expected) in [
        (vec![], 2, "--certificate"),
        (vec!["--certificate", certificate, "--private-key", key, "--listen", "x"], 2, "--listen"),
        (
            vec!["--certificate", certificate, "--private-key", key, "--rate-per-s", "0"],
            2,
            "--rate",
        ),
        (
            vec!["--certificate", certificate, "--private-key", key, "--listen", &address],
            1,
            "cannot listen",
        ),
        (vec!["--certificate", "/absent.pem", "--private-key", key], 1, "/absent.pem"),
        (vec!["--certificate", certificate, "--private-key", certificate], 1, "--private-key"),
        (vec!["--certificate", key, "--private-key", key], 1, "holds no certificate"),
    ] {
        let output = Command::new(PROGRAM).args(&arguments).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
}

struct Server {
    child: Child,
    address: SocketAddr,
    files: Files,
}

impl Server {
    fn start(arguments: &[&str]) -> Server {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let files = Files::new(&free.port().to_string());
        let mut child = Command::new(PROGRAM)
            .args(["--listen", &free.to_string()])
            .arg("--certificate")
            .arg(&files.certificate)
            .arg("--private-key")
            .arg(&files.key)
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("serving"), "{line}");
        Server { child, address: free, files }
    }

    fn exchange(&self, request: &str) -> String {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&self.files.certificate).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let session =
            ClientConnection::new(Arc::new(config), "api.test".try_into().unwrap()).unwrap();
        let tcp = TcpStream::connect(self.address).unwrap();
        tcp.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut tls = StreamOwned::new(session, tcp);
        tls.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // Where a request was not read whole the close may come without a TLS goodbye.
        drop(tls.read_to_end(&mut answer));
        String::from_utf8(answer).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

struct Files {
    folder: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn new(name: &str) -> Files {
        let folder = std::env::temp_dir().join(format!("api-server-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let pair = rcgen::generate_simple_self_signed(vec!["api.test".to_owned()]).unwrap();
        let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
        std::fs::write(&certificate, pair.cert.pem()).unwrap();
        std::fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
        Files { folder, certificate, key }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_api-server");
