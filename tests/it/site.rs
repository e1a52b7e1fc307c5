//! A server behind Seawall, an upstream that says what it was asked, and one client.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
};

use nix::sys::signal::Signal;
use seawall_tests::{
    client::Request,
    echo::Echo,
    mmdb::{self, Shape},
    namespace::Namespace,
    pki::{Authority, Identity},
    raw::{self, Reply},
    seawall::{self, Seawall},
    upstream, wait,
    world::{HostPlan, SERVER_INTERFACE, SERVER_IPV4, SERVER_IPV6, World},
};

/// The name in the gateway's certificate.
pub const API: &str = "api.example";
/// The gateway over IPv4.
pub const GATEWAY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(SERVER_IPV4), 443);
/// The gateway over IPv6.
pub const GATEWAY_IPV6: SocketAddr = SocketAddr::new(std::net::IpAddr::V6(SERVER_IPV6), 443);
/// The client, in a network that the database gives to DE.
pub const CLIENT: HostPlan = HostPlan {
    name: "client",
    ipv4: Ipv4Addr::new(198, 51, 100, 7),
    ipv6: &[Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 7)],
};

/// The hosts and files, before anything of Seawall runs.
pub struct Ground {
    pub echo: Echo,
    pub authority: Authority,
    pub gateway: Identity,
    pub world: World,
}

impl Ground {
    pub fn prepare() -> Self {
        Self::among(&[])
    }

    /// The same with these hosts beside the client.
    pub fn among(hosts: &[HostPlan]) -> Self {
        let world = World::build(&[&[CLIENT], hosts].concat()).unwrap();
        let authority = Authority::create(world.folder(), "authority").unwrap();
        let gateway = authority.issue(API).unwrap();
        let inside = authority.issue(upstream::NAME).unwrap();
        let echo = Echo::start(&world.server, upstream::ADDRESS, &inside).unwrap();
        let networks = [
            ("198.51.100.0/24".parse().unwrap(), "DE"),
            ("2001:db8:d::/48".parse().unwrap(), "DE"),
        ];
        mmdb::write(&world.folder().join("country.mmdb"), Shape::Nested, &networks).unwrap();
        Self { echo, authority, gateway, world }
    }

    /// A configuration that works, with these lines in the sections for packets and for the gateway.
    pub fn config(&self, packet: &str, gateway: &str) -> String {
        let (upstream, name) = (upstream::ADDRESS, upstream::NAME);
        let sole = format!(
            "  upstream:\n    address: {upstream}\n    server_name: {name}\n    ca: authority.pem\n"
        );
        self.config_of(packet, &format!("{sole}{gateway}"))
    }

    /// The same, where the gateway's lines say too where requests go.
    pub fn config_of(&self, packet: &str, gateway: &str) -> String {
        let places = seawall::places(&self.world);
        self.config_at(&self.world.pin_path(), &places, packet, gateway)
    }

    /// The same with other places than those of the world's server.
    pub fn config_at(&self, pin_path: &Path, places: &str, packet: &str, gateway: &str) -> String {
        format!(
            "interfaces:\n  - name: {SERVER_INTERFACE}\n\
             packet:\n  pin_path: {pin_path}\n{packet}\
             gateway:\n  listen: [\"0.0.0.0:443\", \"[::]:443\"]\n  certificate: {certificate}\n  \
             private_key: {key}\n  user: nobody\n  threads: 2\n{gateway}{places}",
            pin_path = pin_path.display(),
            certificate = self.gateway.certificate.display(),
            key = self.gateway.key.display(),
        )
    }

    pub fn client(&self) -> &Namespace {
        &self.world.host(CLIENT.name).namespace
    }

    pub fn socket(&self) -> PathBuf {
        seawall::socket(self.world.folder())
    }

    /// A GET over IPv4.
    pub fn get(&self, path: &str) -> Request {
        Request::get(API, GATEWAY, path, &self.authority.certificate)
    }

    /// Bytes as they stand, over IPv4.
    pub fn raw(&self, bytes: &[u8]) -> Reply {
        let authority = &self.authority.certificate;
        raw::send(self.client(), GATEWAY, API, authority, bytes, RAW_PATIENCE_S).unwrap()
    }

    /// What of the daemon is to be seen on the server: nothing before it starts, nothing after its end.
    pub fn traces(&self) -> Vec<String> {
        let links = self.world.server.output(std::process::Command::new("ip").args(["-o", "link"]));
        let links = String::from_utf8(links.unwrap().stdout).unwrap();
        let attached = links.lines().filter(|line| line.contains("xdp")).map(str::to_owned);
        let places = [self.world.pin_path(), self.socket()];
        let places = places.into_iter().filter(|path| path.exists());
        attached.chain(places.map(|path| path.display().to_string())).collect()
    }
}

/// The same with Seawall running.
pub struct Site {
    pub seawall: Seawall,
    pub ground: Ground,
}

impl Site {
    /// Starts it with these lines in the sections for packets and for the gateway.
    pub fn start(packet: &str, gateway: &str) -> Self {
        Self::on(Ground::prepare(), packet, gateway)
    }

    /// The same on ground that was prepared.
    pub fn on(ground: Ground, packet: &str, gateway: &str) -> Self {
        let config = ground.config(packet, gateway);
        let seawall = Seawall::start(&ground.world, &config).unwrap();
        Self { seawall, ground }
    }

    /// Starts it with lines of the gateway that say too where requests go.
    pub fn start_of(ground: Ground, gateway: &str) -> Self {
        let config = ground.config_of("", gateway);
        let seawall = Seawall::start(&ground.world, &config).unwrap();
        Self { seawall, ground }
    }

    /// Waits until a metric has this value: a worker reports its figures once a second.
    pub fn wait_for_metric(&self, name: &str, labels: &[(&str, &str)], value: u64) {
        let mut last = 0;
        let reached = wait::until("such value", || {
            last = self.metric(name, labels);
            (last >= value).then_some(())
        });
        assert!(reached.is_ok() && last == value, "{name}{labels:?}: {last}, not {value}");
    }

    /// Writes the configuration, tells the daemon, and waits until it has counted the reload.
    pub fn reload(&self, config: &str) {
        seawall::write_config(&self.ground.world, config).unwrap();
        self.reload_as_is();
    }

    /// The same with the file as it is. The count is the end of a reload: its generation is in force some
    /// milliseconds before the daemon answers by the rest of it.
    pub fn reload_as_is(&self) {
        let before = self.metric("seawall_reloads_total", &[]);
        self.seawall.process.signal(Signal::SIGHUP).unwrap();
        let counted = || (self.metric("seawall_reloads_total", &[]) > before).then_some(());
        wait::until("reload", counted).unwrap();
    }

    /// The sum of a metric's samples that carry these labels.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.seawall.metrics(&self.ground.world).unwrap().sum(name, labels)
    }
}

/// Every refusal comes at once; only a gateway that waits for more takes this long.
const RAW_PATIENCE_S: u32 = 5;
