//! Requests to leave HTTP behind (RFC 9110, 7.8), such as the opening of a WebSocket (RFC 6455, 4.1).

use http::{HeaderMap, HeaderValue, Method, Request, Version, header};
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
    pub fn asked<B: Body>(&self, request: &Request<B>) -> Result<Option<HeaderValue>, Rejection> {
        let is_stream = request.extensions().get::<Protocol>().is_some();
        match self.allowed(request).filter(|_| is_stream || request.version() == Version::HTTP_11) {
            None if is_stream => Err(Rejection::MethodRefused),
            allowed => Ok(allowed),
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

/// Whether a backend's answer agrees to what it was asked for.
#[must_use]
pub fn is_agreed(answer: &HeaderMap, protocol: &HeaderValue) -> bool {
    sole(answer).is_some_and(|agreed| same(agreed, protocol))
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
    fn names_of_protocols() {
        for (name, expected) in
            [("websocket", true), ("", false), ("h2c", false), ("WebSocket", false), ("a b", false)]
        {
            assert_eq!(Upgrades::new(&[name.to_owned()]).is_ok(), expected, "{name}");
        }
    }
}
