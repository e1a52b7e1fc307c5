//! Refuses what the HTTP library lets through and an upstream could understand differently.

pub mod path;

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version, uri::PathAndQuery};

use crate::{
    headers::{connection_tokens, must_arrive},
    limits::Limits,
    rejection::Rejection,
};

/// Judges the head of a request; on success the name it is for and what is asked of it.
///
/// # Errors
/// The first thing that is wrong.
pub fn inspect<B>(request: &Request<B>, limits: &Limits) -> Result<Target, Rejection> {
    let headers = request.headers();
    // A closed list: TRACE echoes credentials, CONNECT opens a tunnel, and servers differ on `get`.
    if !METHODS.contains(request.method()) {
        return Err(Rejection::MethodRefused);
    }
    let fields = Fields::of(headers);
    fields.within_size(request.method(), request.uri(), limits)?;
    let host = host(request, &fields)?;
    let path = path(request.method(), request.uri())?;
    // `Connection: Host` makes a proxy remove what the upstream needs to judge the request.
    let named = |token: &[u8]| std::str::from_utf8(token).map_or(true, must_arrive);
    if fields.has_connection && connection_tokens(headers).any(named) {
        return Err(Rejection::ConnectionHeader);
    }
    if fields.expects_other {
        return Err(Rejection::ExpectationRefused);
    }
    // RFC 9113, 8.2.1. HTTP/1 removes such spaces, so that the upstream would see another value.
    if request.version() == Version::HTTP_2 && headers.values().any(is_padded) {
        return Err(Rejection::RequestMalformed);
    }
    // The scan of the wire sees these before hyper removes them; this is the second lock.
    let Fields { encodings, lengths, .. } = fields;
    if encodings + lengths > 1 || (encodings > 0 && request.version() != Version::HTTP_11) {
        return Err(Rejection::FramingAmbiguous);
    }
    Ok(Target { host, path })
}

/// Whom a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Host name with an optional port, as the client wrote it.
    pub host: String,
    /// Path and query: the path always starts with `/` and is in its canonical form.
    pub path: PathAndQuery,
}

/// What is served, also the value of `Allow`.
pub const METHODS_TEXT: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// The methods that are served. In one place: a constant would be made anew wherever one is looked for.
pub static METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];

/// What is judged of the headers, in one walk: cheaper than to look for each of them.
#[derive(Default)]
struct Fields<'a> {
    count: usize,
    bytes: usize,
    host: Option<&'a HeaderValue>,
    hosts: usize,
    has_connection: bool,
    expects_other: bool,
    encodings: usize,
    lengths: usize,
}

impl<'a> Fields<'a> {
    fn of(headers: &'a HeaderMap) -> Self {
        let mut fields = Self { count: headers.len(), ..Self::default() };
        for (name, value) in headers {
            let name = name.as_str();
            // `NAME: VALUE CR LF`
            fields.bytes += name.len() + value.len() + 4;
            match name {
                "host" => {
                    fields.host = fields.host.or(Some(value));
                    fields.hosts += 1;
                }
                "connection" => fields.has_connection = true,
                "expect" => {
                    let other = !value.as_bytes().eq_ignore_ascii_case(b"100-continue");
                    fields.expects_other |= other;
                }
                "transfer-encoding" => fields.encodings += 1,
                "content-length" => fields.lengths += 1,
                _ => {}
            }
        }
        fields
    }

    fn within_size(&self, method: &Method, uri: &Uri, limits: &Limits) -> Result<(), Rejection> {
        // Of the first line two spaces, the version and CR LF.
        let line = method.as_str().len() + uri_bytes(uri) + 12;
        if self.count > limits.headers_max as usize
            || line + self.bytes > limits.header_bytes_max as usize
        {
            return Err(Rejection::HeadersTooLarge);
        }
        Ok(())
    }
}

fn is_padded(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    bytes != bytes.trim_ascii()
}

fn uri_bytes(uri: &Uri) -> usize {
    uri.path_and_query().map_or(1, |path| path.as_str().len())
        + uri.authority().map_or(0, |authority| authority.as_str().len() + 8)
}

fn host<B>(request: &Request<B>, fields: &Fields<'_>) -> Result<String, Rejection> {
    if fields.hosts > 1 {
        return Err(Rejection::HostRepeated);
    }
    let named = match fields.host {
        Some(value) => Some(value.to_str().map_err(|_| Rejection::HostInvalid)?),
        None => None,
    };
    let authority = request.uri().authority().map(|authority| authority.as_str());
    let host = match (named, authority) {
        (Some(named), Some(authority)) if !named.eq_ignore_ascii_case(authority) => {
            return Err(Rejection::TargetInvalid);
        }
        // RFC 9112, 3.2: an HTTP/1.1 request without Host is refused, absolute form or not.
        (None, Some(_)) if request.version() == Version::HTTP_11 => {
            return Err(Rejection::HostMissing);
        }
        (Some(host), _) | (None, Some(host)) => host,
        (None, None) => return Err(Rejection::HostMissing),
    };
    if !is_host(host) {
        return Err(Rejection::HostInvalid);
    }
    Ok(host.to_owned())
}

// Letters, digits and what names and addresses need; user info, spaces and quotes are not among them.
fn is_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) => {
                if address.parse::<std::net::Ipv6Addr>().is_err() {
                    return false;
                }
                ("v6", port)
            }
            None => return false,
        },
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let named = !name.is_empty()
        && name.len() <= 253
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    let port_fits = match port.strip_prefix(':') {
        Some(digits) => {
            digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok()
        }
        None => port.is_empty(),
    };
    named && port_fits
}

fn path(method: &Method, uri: &Uri) -> Result<PathAndQuery, Rejection> {
    if uri.scheme_str().is_some_and(|scheme| scheme != "https" && scheme != "http") {
        return Err(Rejection::TargetInvalid);
    }
    let given = match uri.path_and_query() {
        Some(path) if path.as_str().starts_with('/') => path.clone(),
        // `https://host?query` has an empty path (RFC 9110, 4.2.3: the same as `/`).
        Some(path) if uri.scheme().is_some() && method != Method::OPTIONS => {
            format!("/{path}").parse().map_err(|_| Rejection::TargetInvalid)?
        }
        Some(_) | None => return Err(Rejection::TargetInvalid),
    };
    match path::canonical(given.path()).ok_or(Rejection::PathAmbiguous)? {
        Cow::Borrowed(_) => Ok(given),
        Cow::Owned(path) => with_query(path, given.query()).ok_or(Rejection::TargetInvalid),
    }
}

/// A path with the query of a request behind it.
pub fn with_query(mut path: String, query: Option<&str>) -> Option<PathAndQuery> {
    if let Some(query) = query {
        path.push('?');
        path.push_str(query);
    }
    path.parse().ok()
}

#[cfg(test)]
mod tests;
