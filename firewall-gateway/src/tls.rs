//! TLS towards the client: 1.3 and 1.2, HTTP/2 and HTTP/1.1, within a time limit.

use std::{sync::Arc, time::Duration};

use rustls::{
    ProtocolVersion, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::ServerSessionMemoryCache,
};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{
    clients::opening::Opening, context::Protocol, limits::TLS_SESSIONS_MAX, policy::GatewayPolicy,
    read_ahead::ReadAhead,
};

/// Takes TCP connections to TLS connections.
#[derive(Clone)]
pub struct Acceptor {
    acceptor: TlsAcceptor,
    timeout: Duration,
}

impl Acceptor {
    /// Builds it from the policy's certificate and key.
    ///
    /// # Errors
    /// The part of the policy that cannot be used; never the key itself.
    pub fn new(policy: &GatewayPolicy) -> Result<Self, TlsError> {
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(policy.certificate_pem.as_bytes())
                .collect::<Result<_, _>>()
                .map_err(|error| TlsError::Certificate(error.to_string()))?;
        if chain.is_empty() {
            return Err(TlsError::Certificate("it holds no certificate".to_owned()));
        }
        let key = PrivateKeyDer::from_pem_slice(policy.private_key_pem.as_bytes())
            .map_err(|error| TlsError::Key(error.to_string()))?;
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
                .map_err(|error| TlsError::Setup(error.to_string()))?
                .with_no_client_auth()
                .with_single_cert(chain, key)
                .map_err(|error| TlsError::Pair(error.to_string()))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.session_storage = ServerSessionMemoryCache::new(TLS_SESSIONS_MAX);
        // Tickets keep resumption stateless; their keys rotate and never leave the process.
        config.ticketer =
            aws_lc_rs::Ticketer::new().map_err(|error| TlsError::Setup(error.to_string()))?;
        // Early data can be replayed by anyone who recorded it.
        config.max_early_data_size = 0;
        let timeout = Duration::from_millis(policy.limits.tls_handshake_timeout_ms);
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), timeout })
    }

    /// Shakes hands; `None` where that failed or took too long.
    pub async fn accept(&self, stream: Opening) -> Option<Accepted> {
        let stream = match timeout(self.timeout, self.acceptor.accept(ReadAhead::new(stream))).await
        {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::debug!(%error, "a TLS handshake failed");
                return None;
            }
            Err(_) => {
                tracing::debug!("a TLS handshake took too long");
                return None;
            }
        };
        let session = stream.get_ref().1;
        let protocol = match session.alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            Some(_) | None => Protocol::Http1,
        };
        let version = match session.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "1.3",
            Some(_) | None => "1.2",
        };
        Some(Accepted { stream, protocol, version })
    }
}

/// A connection ready for HTTP.
pub struct Accepted {
    /// The bytes inside TLS.
    pub stream: TlsStream<ReadAhead<Opening>>,
    /// What ALPN settled on.
    pub protocol: Protocol,
    /// `1.2` or `1.3`.
    pub version: &'static str,
}

/// A certificate or key that cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum TlsError {
    #[error("gateway.certificate: expected a certificate chain in PEM: {0}")]
    Certificate(String),
    #[error("gateway.private_key: expected a private key in PEM: {0}")]
    Key(String),
    #[error("gateway.certificate and gateway.private_key do not go together: {0}")]
    Pair(String),
    #[error("gateway: TLS cannot be set up: {0}")]
    Setup(String),
}
