//! One connection of a client, and one request over it.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    body::{Bytes, Incoming},
    client::conn::{TrySendError, http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

use super::{Plan, Protocol};

/// For a connection, and for an answer: longer than any change of the server may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The server, as a client has to know it.
pub struct Target {
    /// What is asked for.
    pub plan: Plan,
    name: ServerName<'static>,
    tls: TlsConnector,
}

impl Target {
    /// Reads the authority.
    pub fn new(plan: Plan) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&plan.authority)?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![match plan.protocol {
            Protocol::Http1 => b"http/1.1".to_vec(),
            Protocol::Http2 => b"h2".to_vec(),
        }];
        let name = ServerName::try_from(plan.host.clone())?;
        Ok(Self { plan, name, tls: TlsConnector::from(Arc::new(config)) })
    }
}

/// Why a request got no answer.
pub enum Lost {
    /// Nothing of it was sent.
    Unsent,
    /// The server's last GOAWAY says that it did not take it (RFC 9113, 6.8): a client asks again.
    NotTaken,
    /// It may have been.
    Failed(String),
}

/// A connection.
pub enum Session {
    Http1(http1::SendRequest<Empty<Bytes>>),
    Http2(http2::SendRequest<Empty<Bytes>>),
}

impl Session {
    /// Connects and shakes hands.
    pub async fn open(target: &Target) -> Result<Self> {
        timeout(PATIENCE, Self::connect(target)).await.context("no handshake in time")?
    }

    async fn connect(target: &Target) -> Result<Self> {
        let tcp = TcpStream::connect(target.plan.address).await.context("connect")?;
        tcp.set_nodelay(true)?;
        let tls = target.tls.connect(target.name.clone(), tcp).await.context("TLS")?;
        let wire = TokioIo::new(tls);
        Ok(match target.plan.protocol {
            Protocol::Http1 => {
                let (sender, connection) = http1::handshake(wire).await?;
                tokio::spawn(connection);
                Self::Http1(sender)
            }
            Protocol::Http2 => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), wire).await?;
                tokio::spawn(connection);
                Self::Http2(sender)
            }
        })
    }

    /// Asks once, and looks at the whole answer.
    pub async fn ask(&mut self, target: &Target) -> Result<(), Lost> {
        let plan = &target.plan;
        let request = Request::get(match self {
            Self::Http1(_) => plan.path.clone(),
            Self::Http2(_) => format!("https://{}{}", plan.host, plan.path),
        });
        let request = request.header("host", &plan.host).body(Empty::new());
        let request = request.map_err(|error| Lost::Failed(error.to_string()))?;
        let answered = async {
            let response = match self {
                Self::Http1(sender) => {
                    sender.ready().await.map_err(|_| Lost::Unsent)?;
                    sender.try_send_request(request).await.map_err(lost)?
                }
                Self::Http2(sender) => {
                    sender.ready().await.map_err(|_| Lost::Unsent)?;
                    sender.try_send_request(request).await.map_err(lost)?
                }
            };
            look(response, &plan.begins).await.map_err(|error| Lost::Failed(format!("{error:#}")))
        };
        let late = |_| Lost::Failed(format!("no answer within {PATIENCE:?}"));
        timeout(PATIENCE, answered).await.map_err(late)?
    }
}

fn lost(mut error: TrySendError<Request<Empty<Bytes>>>) -> Lost {
    if error.take_message().is_some() {
        return Lost::Unsent;
    }
    let error = anyhow::Error::from(error.into_error());
    // Streams that the server did take do not end with its GOAWAY.
    let not_taken = |cause: &h2::Error| {
        cause.is_go_away() && cause.is_remote() && cause.reason() == Some(h2::Reason::NO_ERROR)
    };
    match error.root_cause().downcast_ref().is_some_and(not_taken) {
        true => Lost::NotTaken,
        false => Lost::Failed(format!("{error:#}")),
    }
}

async fn look(response: Response<Incoming>, begins: &str) -> Result<()> {
    let status = response.status();
    let body = response.into_body().collect().await.context("the body broke off")?.to_bytes();
    if status != StatusCode::OK || !body.starts_with(begins.as_bytes()) {
        bail!("{status} with {} bytes: {:.200}", body.len(), String::from_utf8_lossy(&body));
    }
    Ok(())
}
