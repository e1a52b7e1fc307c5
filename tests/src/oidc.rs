//! A provider of identities: `oidc-provider` of npm, on the server, and a browser that keeps cookies: curl.

use std::{
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    namespace::Namespace,
    pki::Authority,
    process::Process,
    world::{SERVER_IPV4, World},
};

/// Where it listens.
pub const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(SERVER_IPV4), 8_444);
/// Who the gateway is there.
pub const CLIENT_ID: &str = "shop-web";
/// How it proves that: with every character that forms encode.
pub const CLIENT_SECRET: &str = "a secret: 100%";

const START_TIMEOUT: Duration = Duration::from_secs(20);
/// What is installed, and runs.
const FILES: [(&str, &str); 3] = [
    ("package.json", include_str!("../oidc-provider/package.json")),
    ("package-lock.json", include_str!("../oidc-provider/package-lock.json")),
    ("provider.js", include_str!("../oidc-provider/provider.js")),
];

/// What it runs on: older ones have no Web Cryptography of their own.
const NODE_MIN: u32 = 20;

/// Whether what runs it is installed.
#[must_use]
pub fn is_installed() -> bool {
    let version = |program: &str| {
        let output = Command::new(program).arg("--version").stderr(Stdio::null()).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        text.trim_start_matches('v').split('.').next()?.trim().parse::<u32>().ok()
    };
    version("npm").is_some() && version("node").is_some_and(|major| major >= NODE_MIN)
}

/// A running provider.
#[derive(Debug)]
pub struct Provider {
    /// The process.
    pub process: Process,
}

impl Provider {
    /// Starts it on the server. It sends browsers back to this origin of the gateway.
    pub fn start(world: &World, authority: &Authority, origin: &str) -> Result<Self> {
        let folder = installed()?;
        let (host, port) = (ADDRESS.ip().to_string(), ADDRESS.port().to_string());
        let identity = authority.issue(&host)?;
        let mut command = Command::new("node");
        command.arg(folder.join("provider.js")).args([&host, &port]);
        command.args([&identity.certificate, &identity.key, &authority.certificate]);
        command.args([origin, &host]).current_dir(&folder);
        let mut process = Process::start(&world.server, &mut command, "provider", world.folder())?;
        let log = world.folder().join("provider.log");
        process.wait_until("listening", START_TIMEOUT, || {
            fs::read_to_string(&log).ok()?.contains("listening at").then_some(())
        })?;
        Ok(Self { process })
    }

    /// What it calls itself.
    #[must_use]
    pub fn issuer() -> String {
        format!("https://{ADDRESS}")
    }
}

/// Puts it beside what the workspace built, as its lock file says.
fn installed() -> Result<PathBuf> {
    let me = env::current_exe().context("could not find our own file")?;
    let target = me.ancestors().find(|folder| folder.file_name().is_some_and(|it| it == "target"));
    let folder = target.unwrap_or(Path::new("/tmp")).join("oidc-provider");
    fs::create_dir_all(&folder)?;
    for (name, text) in FILES {
        fs::write(folder.join(name), text)?;
    }
    let stamp = folder.join("node_modules/.package-lock.json");
    if !stamp.exists() {
        let mut npm = Command::new("npm");
        npm.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(&folder);
        let output = npm.output().context("npm cannot be run")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "npm ci failed: {said}");
    }
    Ok(folder)
}

/// A browser: curl with a jar of cookies, which follows where it is sent.
#[derive(Debug)]
pub struct Browser<'a> {
    namespace: &'a Namespace,
    jar: PathBuf,
    authority: PathBuf,
    /// The gateway, by its name.
    resolve: String,
}

/// Where a browser ended.
#[derive(Clone, Debug)]
pub struct Page {
    /// 0 where there was no answer.
    pub status: u16,
    /// The address that it shows.
    pub url: String,
    /// What it got.
    pub body: String,
}

impl<'a> Browser<'a> {
    /// One that has never been anywhere; the gateway has this name and address.
    pub fn new(
        namespace: &'a Namespace,
        folder: &Path,
        name: &str,
        authority: &Authority,
        gateway: (&str, SocketAddr),
    ) -> Self {
        let (host, address) = gateway;
        Self {
            namespace,
            jar: folder.join(format!("{name}.cookies")),
            authority: authority.certificate.clone(),
            resolve: format!("{host}:{}:{}", address.port(), address.ip()),
        }
    }

    /// Goes to a page.
    pub fn go(&self, url: &str) -> Result<Page> {
        self.curl(url, &["-H", "Sec-Fetch-Mode: navigate", "-H", "Sec-Fetch-Dest: document"])
    }

    /// Sends a form of a page of this origin.
    pub fn submit(&self, url: &str, origin: &str, form: &str) -> Result<Page> {
        let origin = format!("Origin: {origin}");
        self.curl(url, &["-H", "Sec-Fetch-Mode: navigate", "-H", &origin, "--data", form])
    }

    /// A script of a page asks for something.
    pub fn script(&self, url: &str) -> Result<Page> {
        self.curl(url, &["-H", "Sec-Fetch-Mode: cors", "-H", "Sec-Fetch-Site: same-origin"])
    }

    /// The value of a cookie.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let text = fs::read_to_string(&self.jar).ok()?;
        let rows = text.lines().map(|line| line.split('\t').collect::<Vec<_>>());
        rows.filter(|row| row.get(5) == Some(&name)).find_map(|row| Some((*row.get(6)?).to_owned()))
    }

    fn curl(&self, url: &str, more: &[&str]) -> Result<Page> {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--location", "--max-redirs", "10"]);
        command.args(["--noproxy", "*", "--max-time", "20", "--resolve", &self.resolve]);
        command.arg("--cacert").arg(&self.authority);
        command.arg("--cookie").arg(&self.jar).arg("--cookie-jar").arg(&self.jar);
        command.args(more).args(["--write-out", "\n%{http_code} %{url_effective}", url]);
        let output = self.namespace.output(&mut command)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{url}: {said}");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, end) = text.rsplit_once('\n').context("curl says nothing")?;
        let (status, url) = end.split_once(' ').context("curl says nothing of the end")?;
        Ok(Page { status: status.parse()?, url: url.to_owned(), body: body.to_owned() })
    }
}
