//! The way to the authority: HTTPS within bounds, each request on a thread of its own.

use std::{future::Future, io::Read as _, path::Path, pin::Pin};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use tokio::task::spawn_blocking;
use ureq::Agent;

use super::AcmeError;
use crate::fetch::{self, AUTHORITIES, TIMEOUT};

/// A directory, an order or a chain has a tenth of it.
const ANSWER_BYTES_MAX: u64 = 256 << 10;

/// A client that trusts one set of authorities.
pub struct Client {
    agent: Agent,
}

impl Client {
    /// Trusts the certificates in `ca`, else those of the host.
    pub fn new(ca: Option<&Path>) -> Result<Self, AcmeError> {
        Ok(Self { agent: fetch::agent(ca.unwrap_or(Path::new(AUTHORITIES)), TIMEOUT)? })
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let agent = self.agent.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body =
                body.collect().await.map_or_else(|never| match never {}, |all| all.to_bytes());
            let asked = spawn_blocking(move || ask(&agent, head, &body));
            asked.await.map_err(|error| Error::Other(error.into()))?
        })
    }
}

fn ask(agent: &Agent, head: http::request::Parts, body: &[u8]) -> Result<BytesResponse, Error> {
    let other = |error: ureq::Error| Error::Other(error.into());
    let answer = match head.method {
        Method::POST => agent.run(Request::from_parts(head, body)),
        _ => agent.run(Request::from_parts(head, ())),
    };
    let (head, mut body) = answer.map_err(other)?.into_parts();
    let mut bytes = Vec::new();
    let read = body.as_reader().take(ANSWER_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| other(error.into()))?;
    if bytes.len() as u64 > ANSWER_BYTES_MAX {
        return Err(Error::Str("an answer within the bound of 262144 bytes"));
    }
    Ok(Response::from_parts(head, Full::new(Bytes::from(bytes))).into())
}
