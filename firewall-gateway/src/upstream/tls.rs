//! TLS to an upstream: only the authorities of the policy, only its name.

use std::{io, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::UpstreamFault;
use crate::{
    policy::{BackendProtocol, UpstreamTlsPolicy},
    read_ahead::ReadAhead,
};

/// What verifies the backends of an upstream.
#[derive(Clone)]
pub struct Tls {
    name: ServerName<'static>,
    protocol: BackendProtocol,
    connector: TlsConnector,
}

impl Tls {
    /// Prepares the verification.
    ///
    /// # Errors
    /// No authority that can be read, or a name that is none.
    pub fn new(
        policy: &UpstreamTlsPolicy,
        protocol: BackendProtocol,
    ) -> Result<Self, UpstreamFault> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(policy.ca_pem.as_bytes()) {
            let certificate = certificate.map_err(|error| UpstreamFault::Ca(error.to_string()))?;
            roots.add(certificate).map_err(|error| UpstreamFault::Ca(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(UpstreamFault::Ca("it holds no certificate".to_owned()));
        }
        let name = ServerName::try_from(policy.server_name.clone())
            .map_err(|_| UpstreamFault::Name(policy.server_name.clone()))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| UpstreamFault::Tls(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn(protocol).to_vec()];
        Ok(Self { name, protocol, connector: TlsConnector::from(Arc::new(config)) })
    }

    /// Shakes hands with a backend.
    ///
    /// # Errors
    /// The connection failed, or the backend is not who it should be.
    pub async fn connect(&self, tcp: TcpStream) -> io::Result<TlsStream<ReadAhead<TcpStream>>> {
        let stream = self.connector.connect(self.name.clone(), ReadAhead::new(tcp)).await?;
        let agreed = stream.get_ref().1.alpn_protocol();
        // A backend that knows nothing of ALPN speaks HTTP/1.1.
        if agreed != Some(alpn(self.protocol)) && self.protocol != BackendProtocol::Http1 {
            return Err(io::Error::other(
                "expected a backend that agrees to `h2` by ALPN, found one that does not; \
                 let it, or set `protocol: http1`",
            ));
        }
        Ok(stream)
    }
}

fn alpn(protocol: BackendProtocol) -> &'static [u8] {
    match protocol {
        BackendProtocol::Http1 => b"http/1.1",
        BackendProtocol::Http2 => b"h2",
    }
}
