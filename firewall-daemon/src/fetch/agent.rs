//! The client: whom it trusts and how long it waits.

use std::{fs::File, io::Read as _, path::Path, sync::Arc, time::Duration};

use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use ureq::{
    Agent,
    tls::{Certificate, RootCerts, TlsConfig, TlsProvider},
};

use super::{CONNECT_TIMEOUT, FetchError, REDIRECTS_MAX};

/// Debian's bundle of authorities has a quarter of it.
const AUTHORITIES_BYTES_MAX: u64 = 1 << 20;
/// A head may have so many bytes.
const HEAD_BYTES_MAX: usize = 32 << 10;

/// A client for one request: nothing is kept from one to the next.
pub fn agent(authorities: &Path, timeout: Duration) -> Result<Agent, FetchError> {
    let roots = certificates(authorities)?;
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .build();
    let config = Agent::config_builder()
        .https_only(true)
        .http_status_as_error(false)
        .max_redirects(REDIRECTS_MAX)
        .timeout_resolve(Some(CONNECT_TIMEOUT.min(timeout)))
        .timeout_connect(Some(CONNECT_TIMEOUT.min(timeout)))
        .timeout_global(Some(timeout))
        .max_response_header_size(HEAD_BYTES_MAX)
        .user_agent(concat!("seawall/", env!("CARGO_PKG_VERSION")))
        // Nothing in the environment changes where root's daemon connects to.
        .proxy(None)
        .tls_config(tls)
        .build();
    Ok(config.into())
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, FetchError> {
    let failed = |found: String| FetchError::Authorities { path: path.to_path_buf(), found };
    let mut pem = Vec::new();
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    let read = file.take(AUTHORITIES_BYTES_MAX + 1).read_to_end(&mut pem);
    read.map_err(|error| failed(error.to_string()))?;
    if pem.len() as u64 > AUTHORITIES_BYTES_MAX {
        return Err(failed(format!("more than {AUTHORITIES_BYTES_MAX} bytes")));
    }
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.map_err(|error| failed(error.to_string()))?;
    if certificates.is_empty() {
        return Err(failed("no certificate".to_owned()));
    }
    Ok(certificates.iter().map(|one| Certificate::from_der(one).to_owned()).collect())
}
