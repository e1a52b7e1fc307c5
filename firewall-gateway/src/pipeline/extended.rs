//! A stream of HTTP/2 that asks to be a tunnel (RFC 8441): towards the backend, and in all that is decided of it, the
//! request that HTTP/1.1 has for that.

use std::rc::Rc;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use hyper::{ext::Protocol, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;

use super::Outcome;
use crate::{connection::Activity, rejection::Rejection, tunnel::Tunnel, upgrade};

/// What the stream needs beside its request.
pub(super) struct Extended {
    /// Its bytes, once it is agreed to.
    upgraded: OnUpgrade,
}

impl Extended {
    /// Makes of such a request one of HTTP/1.1; nothing where it is another.
    ///
    /// # Errors
    /// The kernel has no randomness to give, or the protocol has no name.
    pub(super) fn of<B>(request: &mut Request<B>) -> Result<Option<Self>, Rejection> {
        if request.method() != Method::CONNECT {
            return Ok(None);
        }
        let Some(protocol) = request.extensions().get::<Protocol>() else { return Ok(None) };
        let protocol =
            HeaderValue::from_bytes(protocol.as_ref()).map_err(|_| Rejection::RequestMalformed)?;
        let upgraded = hyper::upgrade::on(&mut *request);
        *request.method_mut() = Method::GET;
        let headers = request.headers_mut();
        upgrade::set(headers, &protocol);
        if protocol.as_bytes().eq_ignore_ascii_case(WEBSOCKET) {
            let mut nonce = [0; NONCE_BYTES];
            getrandom::fill(&mut nonce).map_err(|_| Rejection::UpstreamBusy)?;
            let key = HeaderValue::from_str(&BASE64_STANDARD.encode(nonce));
            headers.insert(header::SEC_WEBSOCKET_KEY, key.map_err(|_| Rejection::UpstreamBusy)?);
        }
        Ok(Some(Self { upgraded }))
    }

    /// What came of it, as HTTP/2 says it: there 2xx is a tunnel, whoever it comes from.
    pub(super) fn told(outcome: Result<Outcome, Rejection>) -> Result<Outcome, Rejection> {
        match outcome? {
            Outcome::Tunnel(mut head, opening) => {
                head.status = StatusCode::OK;
                for of_http1 in [header::CONNECTION, header::UPGRADE, header::SEC_WEBSOCKET_ACCEPT]
                {
                    head.headers.remove(of_http1);
                }
                Ok(Outcome::Tunnel(head, opening))
            }
            Outcome::Own(answer) | Outcome::Preflight(answer) if answer.status().is_success() => {
                Err(Rejection::MethodRefused)
            }
            other => Ok(other),
        }
    }

    /// Carries the stream's bytes from when the answer is out, apart from the connection's other streams.
    pub(super) fn carry(self, tunnel: Tunnel, activity: Rc<Activity>) {
        tokio::task::spawn_local(async move {
            // The client has gone meanwhile: the tunnel's end tells.
            let Ok(stream) = self.upgraded.await else { return };
            let _lasts = activity.tunnel();
            Box::pin(tunnel.carry(TokioIo::new(stream), Bytes::new())).await;
        });
    }
}

const WEBSOCKET: &[u8] = b"websocket";
const NONCE_BYTES: usize = 16;
