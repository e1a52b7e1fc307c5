//! The backend and the three in front of it, set up to do the same.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    process::Command,
    time::Duration,
};

use anyhow::Result;

use super::contender::Contender;
use crate::{
    pki::{Authority, Identity},
    process::Process,
    seawall, upstream,
    world::{SERVER_INTERFACE, World},
};

const START: Duration = Duration::from_secs(20);
const SEAWALL: u16 = 4430;
const NGINX: u16 = 4431;
const HAPROXY: u16 = 4432;
/// What the backend answers to who posts something.
pub const POSTED: &str = "taken";

/// All of them.
#[derive(Debug)]
pub struct Servers {
    /// Ours first.
    pub contenders: [Contender; 3],
    _backend: Process,
}

/// How ours is started: in a world, with a certificate, on a port, with lines of `gateway`.
pub type Ours = fn(&World, &Identity, u16, &str) -> Result<Contender>;

/// Starts them on the server's loopback.
pub fn start(
    world: &World,
    authority: &Authority,
    front: &Identity,
    ours: Ours,
) -> Result<Servers> {
    let folder = world.folder();
    // HAProxy reads certificate and key from one file.
    let pair = fs::read_to_string(&front.certificate)? + &fs::read_to_string(&front.key)?;
    fs::write(folder.join("pair.pem"), pair)?;
    let backend = backend(world, authority)?;
    let nginx = nginx(world, "nginx", &proxy(folder, front), local(NGINX))?;
    let path = folder.join("haproxy.cfg");
    fs::write(&path, haproxy(folder))?;
    let mut command = Command::new("haproxy");
    command.args(["-db", "-f"]).arg(&path);
    let haproxy = started(world, &mut command, "haproxy", local(HAPROXY))?;
    let to_backend = format!(
        "  upstream: {{ address: \"{}\", server_name: {}, ca: authority.pem }}\n",
        upstream::ADDRESS,
        upstream::NAME
    );
    let ours = ours(world, front, SEAWALL, &to_backend)?;
    let contender = |name, port, process| Contender { name, address: local(port), process };
    Ok(Servers {
        contenders: [
            ours,
            contender("nginx", NGINX, nginx),
            contender("haproxy", HAPROXY, haproxy),
        ],
        _backend: backend,
    })
}

/// The backend alone.
pub fn backend(world: &World, authority: &Authority) -> Result<Process> {
    let inside = authority.issue(upstream::NAME)?;
    nginx(world, "backend", &serving(world.folder(), &inside), upstream::ADDRESS)
}

/// Seawall alone, on this port, with these lines of `gateway` beside those that all of them have; one address may
/// have all there is.
pub fn seawall(world: &World, front: &Identity, port: u16, ways: &str) -> Result<Contender> {
    let all = "  clients: { connections_max: 65535, requests_active_max: 65535 }\n  \
               limits: { connections_max: 12000, idle_timeout_ms: 300000 }\n";
    bounded(world, front, port, &[all, ways].concat())
}

/// The same with the bounds that it has by itself.
pub fn bounded(world: &World, front: &Identity, port: u16, ways: &str) -> Result<Contender> {
    let path = seawall::write_config(world, &ours(world, front, port, ways))?;
    let mut command = Command::new(crate::process::program("seawall")?);
    command.args(["run", "--config"]).arg(path);
    let process = started(world, &mut command, "seawall", local(port))?;
    Ok(Contender { name: "seawall", address: local(port), process })
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn nginx(world: &World, name: &str, config: &str, address: SocketAddr) -> Result<Process> {
    let path = world.folder().join(format!("{name}.conf"));
    fs::write(&path, config)?;
    let mut command = Command::new("nginx");
    command.arg("-p").arg(world.folder()).arg("-c").arg(&path);
    started(world, &mut command, name, address)
}

fn started(
    world: &World,
    command: &mut Command,
    name: &str,
    address: SocketAddr,
) -> Result<Process> {
    let mut process = Process::start(&world.server, command, name, world.folder())?;
    process.wait_until("connection", START, || {
        world.server.run(|| TcpStream::connect(address)).ok()?.ok()
    })?;
    Ok(process)
}

// A proxy's connection to each stream it serves at once is kept: 512 for 256.
fn proxy(folder: &Path, front: &Identity) -> String {
    format!(
        "{head}\
         upstream backend {{ server {backend}; keepalive 512; keepalive_requests 1000000000; }}\n\
         server {{ listen {address} ssl http2 reuseport backlog=4096; ssl_protocols TLSv1.3;\n\
         ssl_certificate {certificate}; ssl_certificate_key {key};\n\
         location / {{ proxy_pass https://backend; proxy_http_version 1.1; proxy_ssl_protocols TLSv1.3;\n\
         proxy_ssl_name {name}; proxy_ssl_server_name on; proxy_ssl_verify on;\n\
         proxy_ssl_trusted_certificate {folder}/authority.pem; proxy_set_header Connection \"\";\n\
         proxy_set_header Host {name}; proxy_set_header X-Forwarded-For $remote_addr;\n\
         proxy_set_header X-Forwarded-Proto https; proxy_set_header X-Forwarded-Host $host;\n\
         proxy_set_header X-Request-Id $request_id; add_header X-Request-Id $request_id; }} }} }}\n",
        head = nginx_head(folder, "nginx"),
        backend = upstream::ADDRESS,
        address = local(NGINX),
        certificate = front.certificate.display(),
        key = front.key.display(),
        name = upstream::NAME,
        folder = folder.display(),
    )
}

fn serving(folder: &Path, identity: &Identity) -> String {
    format!(
        "{head}open_file_cache max=10; sendfile on; default_type text/plain;\n\
         server {{ listen {address} ssl reuseport backlog=4096; ssl_protocols TLSv1.3; root {folder}/www;\n\
         ssl_certificate {certificate}; ssl_certificate_key {key};\n\
         location = /posted {{ return 200 \"{POSTED}\"; }} }} }}\n",
        head = nginx_head(folder, "backend"),
        address = upstream::ADDRESS,
        folder = folder.display(),
        certificate = identity.certificate.display(),
        key = identity.key.display(),
    )
}

fn nginx_head(folder: &Path, name: &str) -> String {
    format!(
        "daemon off; user root; worker_processes 2; pid {folder}/{name}.pid; error_log {folder}/{name}.err;\n\
         events {{ worker_connections 8192; }}\n\
         http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 300;\n",
        folder = folder.display(),
    )
}

// Beyond the limits of this machine's descriptors HAProxy asks not to be strict.
fn haproxy(folder: &Path) -> String {
    format!(
        "global\n nbthread 2\n maxconn 12000\n no strict-limits\n ssl-default-bind-options ssl-min-ver TLSv1.3\n \
         ssl-default-server-options ssl-min-ver TLSv1.3\n\
         defaults\n mode http\n timeout connect 5s\n timeout client 300s\n timeout server 300s\n \
         timeout http-keep-alive 300s\n\
         frontend front\n bind {address} ssl crt {folder}/pair.pem alpn h2,http/1.1\n \
         unique-id-format %[uuid()]\n unique-id-header X-Request-Id\n \
         http-request set-header X-Forwarded-Proto https\n \
         http-request set-header X-Forwarded-Host %[req.hdr(host)]\n \
         http-request set-header Host {name}\n http-response set-header X-Request-Id %[unique-id]\n \
         option forwardfor\n default_backend backend\n\
         backend backend\n http-reuse always\n \
         server one {backend} ssl verify required ca-file {folder}/authority.pem sni str({name}) verifyhost {name} alpn http/1.1\n",
        address = local(HAPROXY),
        folder = folder.display(),
        name = upstream::NAME,
        backend = upstream::ADDRESS,
    )
}

fn ours(world: &World, front: &Identity, port: u16, ways: &str) -> String {
    format!(
        "interfaces:\n  - name: {SERVER_INTERFACE}\npacket:\n  pin_path: {pins}\n\
         gateway:\n  listen: [\"{address}\"]\n  certificate: {certificate}\n  private_key: {key}\n  \
         user: nobody\n  threads: 2\n  access_log: {{ format: off }}\n  \
         response_headers: {{ strict: false }}\n{ways}{places}",
        pins = world.pin_path().display(),
        address = local(port),
        certificate = front.certificate.display(),
        key = front.key.display(),
        places = seawall::places(world),
    )
}
