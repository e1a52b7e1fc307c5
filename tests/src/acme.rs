//! An authority that speaks ACME: pebble on a client host, with a name server that knows every name as
//! the server's.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result};
use rcgen::KeyPair;

use crate::{
    client,
    pki::Authority,
    process::Process,
    world::{Host, SERVER_IPV4, SERVER_IPV6, World},
};

const START_TIMEOUT: Duration = Duration::from_secs(20);
const PORT: u16 = 14_000;
const MANAGEMENT_PORT: u16 = 15_000;
const NAME_SERVER: &str = "127.0.0.1:8053";

/// A running authority.
#[derive(Debug)]
pub struct Pebble {
    /// The process.
    pub process: Process,
    _names: Process,
    address: IpAddr,
    trust: PathBuf,
}

/// Whether it is installed.
#[must_use]
pub fn is_installed() -> bool {
    let version = |program| {
        let mut command = Command::new(program);
        command.arg("-help").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    };
    version("pebble") && version("pebble-challtestsrv")
}

impl Pebble {
    /// Starts it on a host; its own certificate is of this authority, those that it issues are good for
    /// so long, and of a hundred nonces it refuses so many.
    pub fn start(
        world: &World,
        host: &Host,
        authority: &Authority,
        validity_s: u32,
        nonces_refused_percent: u32,
    ) -> Result<Self> {
        let address = IpAddr::V4(host.plan.ipv4);
        let identity =
            authority.issue_for(&[&address.to_string()], "pebble", KeyPair::generate()?)?;
        let config = format!(
            "{{\"pebble\": {{\"listenAddress\": \"{address}:{PORT}\", \
             \"managementListenAddress\": \"{address}:{MANAGEMENT_PORT}\", \
             \"certificate\": \"{}\", \"privateKey\": \"{}\", \"httpPort\": 80, \"tlsPort\": 443, \
             \"certificateValidityPeriod\": {validity_s}}}}}",
            identity.certificate.display(),
            identity.key.display()
        );
        let path = world.folder().join("pebble.json");
        fs::write(&path, config).with_context(|| format!("could not write {}", path.display()))?;
        let mut names = Command::new("pebble-challtestsrv");
        names.args(["-dns01", NAME_SERVER, "-management", "127.0.0.1:8055"]);
        names.args(["-http01", "", "-https01", "", "-tlsalpn01", ""]);
        names.args(["-defaultIPv4", &SERVER_IPV4.to_string()]);
        names.args(["-defaultIPv6", &SERVER_IPV6.to_string()]);
        let names = Process::start(&host.namespace, &mut names, "names", world.folder())?;
        let mut pebble = Command::new("pebble");
        pebble.args(["-strict", "-dnsserver", NAME_SERVER, "-config"]).arg(&path);
        // It looks at once.
        pebble.env("PEBBLE_VA_NOSLEEP", "1");
        pebble.env("PEBBLE_WFE_NONCEREJECT", nonces_refused_percent.to_string());
        pebble.env("PEBBLE_AUTHZREUSE", "0");
        let process = Process::start(&host.namespace, &mut pebble, "pebble", world.folder())?;
        let trust = authority.certificate.clone();
        let mut this = Self { process, _names: names, address, trust };
        let request = this.request(PORT, "/dir");
        this.process.wait_until("answer", START_TIMEOUT, || {
            let answer = request.send(&host.namespace).ok()?;
            (answer.status == 200).then_some(())
        })?;
        Ok(this)
    }

    /// Where ACME begins.
    #[must_use]
    pub fn directory(&self) -> String {
        format!("https://{}:{PORT}/dir", self.address)
    }

    /// Writes the certificate of the authority that issues, for those who are to trust it.
    pub fn root(&self, world: &World, host: &Host) -> Result<PathBuf> {
        let answer = self.request(MANAGEMENT_PORT, "/roots/0").send(&host.namespace)?;
        let path = world.folder().join("pebble-root.pem");
        fs::write(&path, answer.body)?;
        Ok(path)
    }

    fn request(&self, port: u16, path: &str) -> client::Request {
        let address = SocketAddr::new(self.address, port);
        client::Request::get(&self.address.to_string(), address, path, &self.trust)
    }
}
