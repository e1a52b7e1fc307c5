//! Certificate, key and CA: read here, as the worker can read no file.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use firewall_gateway::{
    policy::{GatewayPolicy, LogPolicy, UpstreamPolicy, UpstreamTlsPolicy},
    server::ServeError,
};

use crate::config::{GatewayConfig, LogConfig, UpstreamConfig};

/// A chain of certificates or a bundle of authorities may have so many bytes: with the key, all three
/// go to the worker in one message.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// A file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MaterialError {
    /// It cannot be read.
    #[error("gateway.{key} {path}: expected a readable PEM file, found: {source}")]
    Read {
        /// The configuration key.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It is too large.
    #[error("gateway.{key} {path}: expected at most {FILE_BYTES_MAX} bytes of PEM, found more")]
    TooLarge {
        /// The configuration key.
        key: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// It does not hold what it should.
    #[error("gateway: {0}")]
    Content(#[from] ServeError),
}

/// Reads and checks what a worker needs.
///
/// # Errors
///
/// The key and the file.
pub fn policy(config: &GatewayConfig, log: LogConfig) -> Result<GatewayPolicy, MaterialError> {
    let policy = GatewayPolicy {
        certificate_pem: read("certificate", &config.certificate)?,
        private_key_pem: read("private_key", &config.private_key)?,
        upstreams: config.upstreams.iter().map(upstream).collect::<Result<_, _>>()?,
        routes: config.routes.clone(),
        clients: config.clients.clone(),
        consumers: config.consumers.clone(),
        authentication_failures: config.authentication_failures,
        answers: config.answers.clone(),
        access_log: config.access_log.clone(),
        traces: config.traces.clone(),
        limits: config.limits.clone(),
        log: LogPolicy { level: log.level, format: log.format },
    };
    firewall_gateway::server::check(&policy)?;
    Ok(policy)
}

fn upstream(config: &UpstreamConfig) -> Result<UpstreamPolicy, MaterialError> {
    let tls = config.tls.as_ref().map(|tls| {
        let (server_name, ca_pem) = (tls.server_name.clone(), read("upstream ca", &tls.ca)?);
        Ok::<_, MaterialError>(UpstreamTlsPolicy { server_name, ca_pem })
    });
    Ok(UpstreamPolicy {
        name: config.name.clone(),
        backends: config.backends.clone(),
        host: config.host.clone(),
        tls: tls.transpose()?,
        connections_max: config.connections_max,
    })
}

fn read(key: &'static str, path: &Path) -> Result<String, MaterialError> {
    let failed = |source| MaterialError::Read { key, path: path.to_path_buf(), source };
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(MaterialError::TooLarge { key, path: path.to_path_buf() });
    }
    Ok(text)
}
