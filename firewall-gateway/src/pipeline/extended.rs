//! A stream of HTTP/2 that asks to be a tunnel (RFC 8441): towards the backend, and in all that is decided of it, the
//! request that HTTP/1.1 has for that.

use std::rc::Rc;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
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
    /// How a WebSocket's backend shows that it has understood (RFC 6455, 4.2.2): over HTTP/2 no client asks for it.
    accept: Option<HeaderValue>,
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
        let mut accept = None;
        if protocol.as_bytes().eq_ignore_ascii_case(WEBSOCKET) {
            let mut nonce = [0; NONCE_BYTES];
            getrandom::fill(&mut nonce).map_err(|_| Rejection::UpstreamBusy)?;
            let value =
                |text: &str| HeaderValue::from_str(text).map_err(|_| Rejection::UpstreamBusy);
            let key = BASE64_STANDARD.encode(nonce);
            accept = Some(value(&accepted(&key))?);
            headers.insert(header::SEC_WEBSOCKET_KEY, value(&key)?);
        }
        Ok(Some(Self { upgraded, accept }))
    }

    /// What came of it, as HTTP/2 says it: there 2xx is a tunnel, whoever it comes from.
    pub(super) fn told(&self, outcome: Result<Outcome, Rejection>) -> Result<Outcome, Rejection> {
        match outcome? {
            Outcome::Tunnel(mut head, opening) => {
                let shown = head.headers.remove(header::SEC_WEBSOCKET_ACCEPT);
                if shown != self.accept {
                    return Err(Rejection::UpstreamFailed);
                }
                head.status = StatusCode::OK;
                head.headers.remove(header::CONNECTION);
                head.headers.remove(header::UPGRADE);
                Ok(Outcome::Tunnel(head, opening))
            }
            Outcome::Upstream(head, _) if head.status.is_success() => {
                Err(Rejection::UpstreamFailed)
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

fn accepted(key: &str) -> String {
    let shown =
        digest(&SHA1_FOR_LEGACY_USE_ONLY, [key.as_bytes(), WEBSOCKET_GUID].concat().as_ref());
    BASE64_STANDARD.encode(shown)
}

const WEBSOCKET: &[u8] = b"websocket";
/// RFC 6455, 1.3
const WEBSOCKET_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const NONCE_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_accepted_as_the_rfc_says() {
        // RFC 6455, 1.3
        assert_eq!(accepted("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
