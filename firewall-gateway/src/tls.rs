//! TLS towards the client: 1.3 and 1.2, HTTP/2 and HTTP/1.1, within a time limit.

mod names;

mod ocsp;

mod certificate;

mod challenge;

mod resolver;

mod tickets;

mod client_certificate;

mod failure;

mod error;

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustls::{
    HandshakeKind, ProtocolVersion, ServerConfig, ServerConnection, SupportedProtocolVersion,
    crypto::{
        CryptoProvider,
        aws_lc_rs::{self, kx_group},
    },
    server::ServerSessionMemoryCache,
};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use self::{
    certificate::Certificate, client_certificate::ClientTrust, resolver::Resolver, tickets::Tickets,
};
pub use self::{
    certificate::CertificateFacts, client_certificate::ClientCertificate, error::TlsError,
    failure::HandshakeFailure,
};
use crate::{
    clients::opening::Opening,
    context::Protocol,
    limits::TLS_SESSIONS_MAX,
    policy::{ChallengePolicy, GatewayPolicy, TicketKey, TlsVersion},
    read_ahead::ReadAhead,
};

/// Takes TCP connections to TLS connections.
#[derive(Clone)]
pub struct Acceptor {
    acceptor: TlsAcceptor,
    timeout: Duration,
    resolver: Arc<Resolver>,
    tickets: Arc<Tickets>,
    client_lists_until_epoch_s: Option<i64>,
}

impl Acceptor {
    /// Builds it from the policy's certificates and keys, and says what there is to say of them.
    ///
    /// # Errors
    /// The part of the policy that cannot be used; never a key itself.
    pub fn new(policy: &GatewayPolicy) -> Result<(Self, Vec<CertificateFacts>), TlsError> {
        let tls = &policy.tls;
        let provider = Arc::new(provider());
        let mut facts = Vec::with_capacity(tls.certificates.len());
        let mut certificates = Vec::with_capacity(tls.certificates.len());
        for certificate in &tls.certificates {
            let certificate = Certificate::read(certificate, &provider)?;
            facts.push(certificate.facts.clone());
            certificates.push(certificate);
        }
        let resolver = Arc::new(Resolver::new(certificates, tls.unknown_name)?);
        let clients = tls.client_certificates.as_ref();
        let clients = clients.map(|clients| ClientTrust::read(clients, &provider)).transpose()?;
        let setup = |error: rustls::Error| TlsError::Setup(error.to_string());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions(tls.version_min))
            .map_err(setup)?;
        let config = match &clients {
            Some(clients) => config.with_client_cert_verifier(clients.verifier.clone()),
            None => config.with_no_client_auth(),
        };
        let mut config = config.with_cert_resolver(resolver.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        if tls.acme {
            config.alpn_protocols.push(challenge::PROTOCOL.to_vec());
        }
        config.session_storage = ServerSessionMemoryCache::new(TLS_SESSIONS_MAX);
        // A session that goes on is not verified again: a ticket ends with the authorities and lists
        // that its client was verified against.
        let context = clients.as_ref().map_or_else(Vec::new, |clients| clients.digest.clone());
        let tickets = Tickets::new(&tls.ticket_keys, tls.ticket_lifetime_s, context)
            .map_err(|_| TlsError::Setup("its ticket keys cannot be used".to_owned()))?;
        config.ticketer = tickets.clone();
        // A client that wants a second one connects a second time; each costs a seal and a record.
        config.send_tls13_tickets = 1;
        // Early data can be replayed by anyone who recorded it.
        config.max_early_data_size = 0;
        let acceptor = Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            timeout: Duration::from_millis(policy.limits.tls_handshake_timeout_ms),
            resolver,
            tickets,
            client_lists_until_epoch_s: clients.and_then(|clients| clients.lists_until_epoch_s),
        };
        Ok((acceptor, facts))
    }

    /// Shakes hands; nothing where that was all that the other side wanted (RFC 8737).
    ///
    /// # Errors
    /// Why that failed, or that it took too long.
    pub async fn accept(&self, stream: Opening) -> Result<Option<Accepted>, HandshakeFailure> {
        // In boxes, both: what a connection keeps does not have the size of its handshake, and each hand
        // that the stream goes through would have room for another one.
        let handshake = Box::pin(self.acceptor.accept(ReadAhead::new(stream)));
        let stream = match timeout(self.timeout, handshake).await {
            Ok(Ok(stream)) => Box::new(stream),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a TLS handshake failed");
                return Err(HandshakeFailure::of(&error));
            }
            Err(_) => {
                tracing::debug!("a TLS handshake took too long");
                return Err(HandshakeFailure::Timeout);
            }
        };
        let session = stream.get_ref().1;
        let protocol = match session.alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            Some(challenge::PROTOCOL) => return Ok(None),
            Some(_) | None => Protocol::Http1,
        };
        let version = match session.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "1.3",
            Some(_) | None => "1.2",
        };
        let resumed = matches!(session.handshake_kind(), Some(HandshakeKind::Resumed));
        let client_certificate = self.client_certificate(session, resumed)?;
        Ok(Some(Accepted { stream, protocol, version, resumed, client_certificate }))
    }

    /// Shows these to an authority that looks whether a name is ours, and no others.
    pub fn show(&self, challenges: &[ChallengePolicy]) {
        if let Err(error) = self.resolver.challenges().replace(challenges) {
            tracing::error!(%error, "an authority cannot be shown that a name is ours");
        }
    }

    /// Replaces the keys of session tickets; where that fails, the earlier ones stay.
    pub fn replace_ticket_keys(&self, keys: &[TicketKey]) {
        if self.tickets.replace(keys).is_err() {
            tracing::error!("new keys for session tickets cannot be used: the earlier ones stay");
        }
    }

    /// Clients so far that named a host which no certificate carries.
    #[must_use]
    pub fn unknown_names(&self) -> u64 {
        self.resolver.unknown_names()
    }

    fn client_certificate(
        &self,
        session: &ServerConnection,
        resumed: bool,
    ) -> Result<Option<Arc<ClientCertificate>>, HandshakeFailure> {
        let Some(leaf) = session.peer_certificates().and_then(|chain| chain.first()) else {
            return Ok(None);
        };
        let found = ClientCertificate::read(leaf).ok_or(HandshakeFailure::ClientCertificate)?;
        if resumed {
            // It was verified when the session began; since then time has gone by.
            let ends = self.client_lists_until_epoch_s.unwrap_or(i64::MAX);
            if now_epoch_s() >= ends.min(found.not_after_epoch_s) {
                tracing::debug!("a session goes on whose client certificate is over");
                return Err(HandshakeFailure::ClientCertificate);
            }
        }
        Ok(Some(Arc::new(found)))
    }
}

/// A connection ready for HTTP.
pub struct Accepted {
    /// The bytes inside TLS.
    pub stream: Box<TlsStream<ReadAhead<Opening>>>,
    /// What ALPN settled on.
    pub protocol: Protocol,
    /// `1.2` or `1.3`.
    pub version: &'static str,
    /// Whether an earlier session went on.
    pub resumed: bool,
    /// Who the client is, where it showed a certificate.
    pub client_certificate: Option<Arc<ClientCertificate>>,
}

// The library's suites all have forward secrecy and authenticated encryption. The hybrid with ML-KEM
// comes first, as who records today's traffic may decrypt it with tomorrow's machine.
fn provider() -> CryptoProvider {
    CryptoProvider {
        kx_groups: vec![
            kx_group::X25519MLKEM768,
            kx_group::X25519,
            kx_group::SECP256R1,
            kx_group::SECP384R1,
        ],
        ..aws_lc_rs::default_provider()
    }
}

fn versions(min: TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    static FROM_1_2: [&SupportedProtocolVersion; 2] =
        [&rustls::version::TLS13, &rustls::version::TLS12];
    match min {
        TlsVersion::V1_2 => &FROM_1_2,
        TlsVersion::V1_3 => &FROM_1_2[..1],
    }
}

fn now_epoch_s() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
