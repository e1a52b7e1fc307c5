//! Headers on their way through: hop-by-hop ones end here, identity ones are ours alone.

pub mod trailers;

use std::{fmt::Write as _, net::IpAddr};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{
    clients::forwarded::Origin,
    context::{RequestContext, RequestId},
    rollout::MARK,
};

/// Prepares a client's headers for the upstream.
///
/// `host` is the name the client asked for; the upstream learns it from `X-Forwarded-Host` and gets
/// `Host` from the policy, so that a client never chooses what the upstream takes for its own name.
pub fn to_upstream(
    headers: &mut HeaderMap,
    context: &RequestContext,
    host: &str,
    upstream_host: &HeaderValue,
) {
    // The body's length is written anew from the body that is really sent. An expectation is answered by the
    // connection to the client; the upstream would answer a second time.
    remove_with_hop_by_hop(headers, |name| {
        is_ours(name) || matches!(name, "content-length" | "expect")
    });
    headers.insert(header::HOST, upstream_host.clone());
    headers.insert(X_REQUEST_ID, context.id.value());
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("https"));
    forwarded(headers, &context.origin, host);
    if let Some(certificate) = &context.certificate {
        headers.insert(X_CLIENT_CERT_SUBJECT, certificate.subject.clone());
        headers.insert(X_CLIENT_CERT_SAN, certificate.names.clone());
        headers.insert(X_CLIENT_CERT_FINGERPRINT, certificate.fingerprint.clone());
    }
}

/// Prepares the upstream's headers for the client: nothing that names its software or its hops.
pub fn to_client(headers: &mut HeaderMap) {
    remove_with_hop_by_hop(headers, is_of_the_inside);
}

/// Marks an answer with the request's id, which is what a client quotes to get help.
pub fn set_request_id(headers: &mut HeaderMap, id: &RequestId) {
    headers.insert(X_REQUEST_ID, id.value());
}

/// A value that HTTP/2 keeps no copy of (RFC 7541, 7.1.3): a secret, or what does not come again, which its library
/// would compare with all that it has kept.
#[must_use]
pub fn never_indexed(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

/// Whether a `Connection` header may name it: such headers decide who the request is for and from,
/// and naming them would make us remove them behind the reader's back.
#[must_use]
pub fn must_arrive(name: &str) -> bool {
    ["host", "content-length", "transfer-encoding", "authorization", "cookie"]
        .iter()
        .any(|kept| name.eq_ignore_ascii_case(kept))
        || is_ours(&name.to_ascii_lowercase())
}

/// The tokens of all `Connection` headers.
pub fn connection_tokens(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|token| !token.is_empty())
}

/// Whether a header, in lower case, is one that we set. CGI-like upstreams read `X_Forwarded_For` and
/// `X.Forwarded.For` as `X-Forwarded-For`.
#[must_use]
pub fn is_ours(name: &str) -> bool {
    let plain = |byte: u8| if matches!(byte, b'_' | b'.') { b'-' } else { byte };
    let begins = |with: &str| {
        name.len() >= with.len() && name.bytes().map(plain).zip(with.bytes()).all(|(a, b)| a == b)
    };
    begins("x-forwarded-")
        || begins("x-client-cert")
        || begins("x-consumer-")
        || OURS.iter().any(|ours| name.len() == ours.len() && begins(ours))
}

/// A name as CGI-like upstreams tell it from others.
#[must_use]
pub fn plain(name: &str) -> String {
    name.replace(['_', '.'], "-")
}

/// Whether a request's header frames it, or holds what a client brings for itself: a claim must not stand
/// there.
#[must_use]
pub fn is_framing(name: &HeaderName) -> bool {
    is_hop_by_hop(name.as_str())
        || [
            header::HOST,
            header::CONTENT_LENGTH,
            header::EXPECT,
            header::AUTHORIZATION,
            header::COOKIE,
        ]
        .contains(name)
}

/// Tells the upstream who it is. `is_ours` knows every header that does: a client's own is removed on every
/// route, whether it asks or not.
pub fn identify(
    headers: &mut HeaderMap,
    is_ours: impl Fn(&str) -> bool,
    identity: Vec<(HeaderName, HeaderValue)>,
) {
    let spoofed: Vec<HeaderName> =
        headers.keys().filter(|name| is_ours(name.as_str())).cloned().collect();
    for name in spoofed {
        headers.remove(name);
    }
    for (name, value) in identity {
        headers.insert(name, value);
    }
}

/// The cookies of a request, in their order.
pub fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).filter_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        Some((name, value.trim()))
    })
}

/// The value of a cookie; where it is sent twice, the first (RFC 6265, 5.4: the more specific one).
#[must_use]
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    cookies(headers).find(|(found, _)| *found == name).map(|(_, value)| value)
}

fn remove_with_hop_by_hop(headers: &mut HeaderMap, unwanted: impl Fn(&str) -> bool) {
    // Most name what is removed anyway.
    let named: Vec<HeaderName> = connection_tokens(headers)
        .filter(|token| !token.eq_ignore_ascii_case(b"keep-alive"))
        .filter_map(|token| HeaderName::from_bytes(token).ok())
        .collect();
    remove(headers, |name| {
        is_hop_by_hop(name.as_str()) || named.contains(name) || unwanted(name.as_str())
    });
}

// One walk over what is there is cheaper than asking for each name that could be.
fn remove(headers: &mut HeaderMap, unwanted: impl Fn(&HeaderName) -> bool) {
    let found: Vec<HeaderName> = headers.keys().filter(|name| unwanted(name)).cloned().collect();
    for name in found {
        headers.remove(name);
    }
}

fn set(headers: &mut HeaderMap, name: &HeaderName, value: Bytes) {
    match HeaderValue::from_maybe_shared(value) {
        Ok(value) => headers.insert(name, value),
        // The client's own value must not stand where ours could not be written.
        Err(_) => headers.remove(name),
    };
}

// Who it is from and for which host, written once: `Forwarded` has all that the older headers say a part of each.
fn forwarded(headers: &mut HeaderMap, origin: &Origin, host: &str) {
    // RFC 7239, 6: an IPv6 address is bracketed and quoted.
    let (before, after) = match origin.client {
        IpAddr::V4(_) => ("for=", ";host=\""),
        IpAddr::V6(_) => ("for=\"[", "]\";host=\""),
    };
    let mut text = String::with_capacity(FORWARDED_BYTES + host.len());
    text.push_str(before);
    // Nothing fails to be written to a string.
    let _written = write!(text, "{}", origin.client);
    let client = before.len()..text.len();
    text.push_str(after);
    let host = {
        let from = text.len();
        text.push_str(host);
        from..text.len()
    };
    text.push_str("\";proto=https");
    let text = Bytes::from(text);
    let client = text.slice(client);
    let chain = if origin.proxies.is_empty() { client.clone() } else { origin.chain().into() };
    set(headers, &X_FORWARDED_FOR, chain);
    set(headers, &X_REAL_IP, client);
    set(headers, &X_FORWARDED_HOST, text.slice(host));
    set(headers, &header::FORWARDED, text);
}

/// Room for all of `Forwarded` but the host: an IPv6 address has 39 bytes at most.
const FORWARDED_BYTES: usize = 80;

/// The request's id, to the upstream and to the client.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const X_CLIENT_CERT_SUBJECT: HeaderName = HeaderName::from_static("x-client-cert-subject");
const X_CLIENT_CERT_SAN: HeaderName = HeaderName::from_static("x-client-cert-san");
const X_CLIENT_CERT_FINGERPRINT: HeaderName = HeaderName::from_static("x-client-cert-fingerprint");

/// Who it is, by a key.
pub const X_CONSUMER: HeaderName = HeaderName::from_static("x-consumer");
/// What it was granted.
pub const X_CONSUMER_SCOPES: HeaderName = HeaderName::from_static("x-consumer-scopes");
/// What it is.
pub const X_CONSUMER_ROLES: HeaderName = HeaderName::from_static("x-consumer-roles");
/// Which key it has, without what is secret of it.
pub const X_CONSUMER_CREDENTIAL: HeaderName = HeaderName::from_static("x-consumer-credential");

/// Software, versions, machines and debug pages; and `Alt-Svc`, which would lead clients past us.
fn is_of_the_inside(name: &str) -> bool {
    matches!(
        name,
        "server"
            | "via"
            | "alt-svc"
            | "x-request-id"
            | "x-powered-by"
            | "x-powered-cms"
            | "x-aspnet-version"
            | "x-aspnetmvc-version"
            | "x-runtime"
            | "x-generator"
            | "x-backend-server"
            | "x-served-by"
            | "x-varnish"
            | "x-sourcefiles"
            | "x-php-originating-script"
            | "x-debug-token"
            | "x-debug-token-link"
            | "x-envoy-upstream-service-time"
    )
}

/// Set by us, or read by common frameworks as if a proxy in front had set them.
const OURS: [&str; 15] = [
    "x-consumer",
    "x-forwarded",
    "forwarded",
    "x-request-id",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "x-original-host",
    // Backends that read these judge a request by another method than the route's rules did.
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
    MARK,
];

// RFC 9110, 7.6.1, and the older ones that implementations still act on.
fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}
