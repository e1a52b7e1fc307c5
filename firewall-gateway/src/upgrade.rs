//! Requests to leave HTTP behind (RFC 9110, 7.8), such as the opening of a WebSocket (RFC 6455, 4.1).

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use hyper::{body::Body, ext::Protocol};

use crate::{headers::connection_tokens, rejection::Rejection};

/// The protocols that a route lets its clients change to.
#[derive(Clone, Debug, Default)]
pub struct Upgrades(Box<[HeaderValue]>);

impl Upgrades {
    /// Those of these names, in lower case.
    ///
    /// # Errors
    /// The first name that is none of a protocol.
    pub fn new(names: &[String]) -> Result<Self, String> {
        let parse = |name: &String| match HeaderValue::from_str(name) {
            Ok(value) if is_protocol(name) => Ok(value),
            Ok(_) | Err(_) => Err(name.clone()),
        };
        names.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether it lets them change to none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The protocol that a request asks for, where the route allows it. Whoever asks for another, or in
    /// another way, is served over HTTP: a server may ignore `Upgrade`.
    ///
    /// # Errors
    /// It is a stream of HTTP/2 that can be nothing but a tunnel (RFC 8441, 4).
    pub fn asked<B: Body>(&self, request: &Request<B>) -> Result<Option<Upgrade>, Rejection> {
        let is_stream = request.extensions().get::<Protocol>().is_some();
        match self.allowed(request).filter(|_| is_stream || request.version() == Version::HTTP_11) {
            None if is_stream => Err(Rejection::MethodRefused),
            None => Ok(None),
            Some(protocol) => {
                let key = request.headers().get(header::SEC_WEBSOCKET_KEY).filter(|_| is_stream);
                Ok(Some(Upgrade { accept: key.and_then(accepted), protocol, is_stream }))
            }
        }
    }

    fn allowed<B: Body>(&self, request: &Request<B>) -> Option<HeaderValue> {
        if self.0.is_empty() {
            return None;
        }
        // A body could not be told from the first bytes of the other protocol by every backend.
        if request.method() != Method::GET || !request.body().is_end_stream() {
            return None;
        }
        let mut tokens = connection_tokens(request.headers());
        if !tokens.any(|token| token.eq_ignore_ascii_case(b"upgrade")) {
            return None;
        }
        let asked = sole(request.headers())?;
        self.0.iter().find(|name| same(name, asked)).cloned()
    }
}

/// What a request asks to change to.
#[derive(Debug, PartialEq, Eq)]
pub struct Upgrade {
    protocol: HeaderValue,
    /// How a WebSocket's backend shows that it has understood (RFC 6455, 4.2.2): over HTTP/2 no client asks for it.
    accept: Option<HeaderValue>,
    is_stream: bool,
}

impl Upgrade {
    /// Says it to the next hop.
    pub fn set(&self, headers: &mut HeaderMap) {
        set(headers, &self.protocol);
    }

    /// Whether a backend's answer is one to this: it agrees, or is none that the client would take for agreement.
    #[must_use]
    pub fn is_answered_by<B>(&self, answer: &Response<B>) -> bool {
        let headers = answer.headers();
        match answer.status() {
            StatusCode::SWITCHING_PROTOCOLS => {
                let agreed = sole(headers).is_some_and(|agreed| same(agreed, &self.protocol));
                let shown = headers.get(header::SEC_WEBSOCKET_ACCEPT);
                agreed && (!self.is_stream || shown == self.accept.as_ref())
            }
            // RFC 8441, 4: there 2xx is a tunnel, whoever it comes from.
            status => !(self.is_stream && status.is_success()),
        }
    }
}

/// Says it to the next hop.
pub fn set(headers: &mut HeaderMap, protocol: &HeaderValue) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, protocol.clone());
}

/// Whether a configuration may name it: HTTP in another version would pass every check of ours by.
#[must_use]
pub fn is_protocol(name: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !name.is_empty() && name.bytes().all(token) && !matches!(name, "h2c" | "http" | "tls")
}

// Several at once are a choice, and whoever chooses otherwise than we do is out of step with us.
fn sole(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut values = headers.get_all(header::UPGRADE).iter();
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

fn accepted(key: &HeaderValue) -> Option<HeaderValue> {
    let shown =
        digest(&SHA1_FOR_LEGACY_USE_ONLY, [key.as_bytes(), WEBSOCKET_GUID].concat().as_ref());
    HeaderValue::from_str(&BASE64_STANDARD.encode(shown)).ok()
}

/// RFC 6455, 1.3
const WEBSOCKET_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

fn same(one: &HeaderValue, other: &HeaderValue) -> bool {
    one.as_bytes().eq_ignore_ascii_case(other.as_bytes())
}

#[cfg(test)]
mod tests {
    use http_body_util::{Empty, Full};

    use super::*;

    fn request(
        method: Method,
        version: Version,
        headers: &[(&str, &str)],
    ) -> Request<Empty<&'static [u8]>> {
        let mut request = Request::builder().method(method).version(version);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Empty::new()).unwrap()
    }

    #[test]
    fn what_is_an_upgrade() {
        let websocket = Upgrades::new(&["websocket".to_owned()]).unwrap();
        let asks = [("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")];
        for (method, version, headers, expected) in [
            (Method::GET, Version::HTTP_11, asks.to_vec(), true),
            (Method::POST, Version::HTTP_11, asks.to_vec(), false),
            (Method::GET, Version::HTTP_10, asks.to_vec(), false),
            (Method::GET, Version::HTTP_2, asks.to_vec(), false),
            (Method::GET, Version::HTTP_11, vec![("upgrade", "websocket")], false),
            (Method::GET, Version::HTTP_11, vec![("connection", "upgrade")], false),
            (
                Method::GET,
                Version::HTTP_11,
                vec![("connection", "upgrade"), ("upgrade", "h2c")],
                false,
            ),
            (
                Method::GET,
                Version::HTTP_11,
                vec![("connection", "upgrade"), ("upgrade", "websocket, h2c")],
                false,
            ),
            (
                Method::GET,
                Version::HTTP_11,
                vec![("connection", "upgrade"), ("upgrade", "h2c"), ("upgrade", "websocket")],
                false,
            ),
        ] {
            let request = request(method, version, &headers);
            let asked = websocket.asked(&request).map(|asked| asked.is_some());
            assert_eq!(asked, Ok(expected), "{request:?}");
            assert_eq!(Upgrades::default().asked(&request), Ok(None));
        }
        for (protocol, expected) in
            [("websocket", Ok(true)), ("connect-udp", Err(Rejection::MethodRefused))]
        {
            let headers = [("connection", "upgrade"), ("upgrade", protocol)];
            let mut stream = request(Method::GET, Version::HTTP_2, &headers);
            stream.extensions_mut().insert(Protocol::from(protocol));
            let asked = websocket.asked(&stream).map(|asked| asked.is_some());
            assert_eq!(asked, expected, "{protocol}");
            assert_eq!(Upgrades::default().asked(&stream), Err(Rejection::MethodRefused));
        }
        let mut full = Request::new(Full::new(&b"body"[..]));
        set(full.headers_mut(), &HeaderValue::from_static("websocket"));
        assert_eq!(websocket.asked(&full), Ok(None));
    }

    #[test]
    fn what_answers_an_upgrade() {
        // RFC 6455, 1.3
        let (key, accept) = ("dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let websocket = Upgrades::new(&["websocket".to_owned()]).unwrap();
        let asks =
            [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-key", key)];
        let [over_http1, over_http2] = [false, true].map(|is_stream| {
            let mut request = request(Method::GET, Version::HTTP_11, &asks);
            if is_stream {
                request.extensions_mut().insert(Protocol::from_static("websocket"));
            }
            websocket.asked(&request).unwrap().unwrap()
        });
        // What the client of HTTP/1.1 can see for itself is its own.
        for (status, upgrade, shown, of_http1, of_http2) in [
            (101, Some("WebSocket"), Some(accept), true, true),
            (101, Some("websocket"), Some("other"), true, false),
            (101, Some("websocket"), None, true, false),
            (101, Some("other"), Some(accept), false, false),
            (101, None, Some(accept), false, false),
            (200, None, None, true, false),
            (403, None, None, true, true),
            (500, None, None, true, true),
        ] {
            let mut answer = Response::new(());
            *answer.status_mut() = StatusCode::from_u16(status).unwrap();
            for (name, value) in [(header::UPGRADE, upgrade), (header::SEC_WEBSOCKET_ACCEPT, shown)]
            {
                value.map(|it| answer.headers_mut().insert(name, it.parse().unwrap()));
            }
            assert_eq!(over_http1.is_answered_by(&answer), of_http1, "HTTP/1.1: {answer:?}");
            assert_eq!(over_http2.is_answered_by(&answer), of_http2, "HTTP/2: {answer:?}");
        }
    }

    #[test]
    fn names_of_protocols() {
        for (name, expected) in
            [("websocket", true), ("", false), ("h2c", false), ("WebSocket", false), ("a b", false)]
        {
            assert_eq!(Upgrades::new(&[name.to_owned()]).is_ok(), expected, "{name}");
        }
    }
}
