//! Headers of proxies, and of clients who write them too.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::origin;
use crate::{limits::FORWARDED_PROXIES_MAX, policy::AddressHeader};

fn check(header: AddressHeader, lines: &[(&'static str, &str)], expected: &str) {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    let trusts = |address: IpAddr| address.to_string().starts_with("10.");
    let found = origin("10.0.0.1".parse().unwrap(), &headers, header, trusts);
    assert_eq!(found.chain(), expected, "{lines:?}");
}

fn chain(values: &[&str], expected: &str) {
    let lines: Vec<_> = values.iter().map(|value| ("x-forwarded-for", *value)).collect();
    check(AddressHeader::XForwardedFor, &lines, expected);
}

#[test]
fn the_client_is_the_first_from_the_right_that_is_no_proxy() {
    chain(&[], "10.0.0.1");
    chain(&["192.0.2.1"], "192.0.2.1, 10.0.0.1");
    chain(&["192.0.2.1, 10.0.0.2"], "192.0.2.1, 10.0.0.2, 10.0.0.1");
    chain(&["192.0.2.1", "10.0.0.2"], "192.0.2.1, 10.0.0.2, 10.0.0.1");
    // What the client wrote itself stands to the left, and goes no further.
    chain(&["203.0.113.9, 192.0.2.1"], "192.0.2.1, 10.0.0.1");
    chain(&["10.0.0.9, 192.0.2.1"], "192.0.2.1, 10.0.0.1");
    chain(&["203.0.113.9", "192.0.2.1 , 10.0.0.2"], "192.0.2.1, 10.0.0.2, 10.0.0.1");
    chain(&["unknown, 192.0.2.1"], "192.0.2.1, 10.0.0.1");
    // Proxies all the way.
    chain(&["10.0.0.3, 10.0.0.2"], "10.0.0.3, 10.0.0.2, 10.0.0.1");
    // What is no address ends at the proxy that wrote it.
    chain(&["192.0.2.1, unknown"], "10.0.0.1");
    chain(&["192.0.2.1, "], "10.0.0.1");
    chain(&["192.0.2.1, 10.0.0.2.3"], "10.0.0.1");
    chain(&["192.0.2.1, unknown, 10.0.0.2"], "10.0.0.2, 10.0.0.1");
    for (written, read) in [
        ("192.0.2.1:8080", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
    ] {
        chain(&[written], &format!("{read}, 10.0.0.1"));
    }
    let endless = vec!["10.0.0.2"; 1_000].join(", ");
    let read = vec!["10.0.0.2"; FORWARDED_PROXIES_MAX].join(", ");
    chain(&[&endless], &format!("{read}, 10.0.0.1"));
}

#[test]
fn forwarded_is_read_as_its_grammar_has_it() {
    for (value, expected) in [
        ("for=192.0.2.1", "192.0.2.1, 10.0.0.1"),
        ("FOR = 192.0.2.1;proto=http;by=10.0.0.9", "192.0.2.1, 10.0.0.1"),
        ("for=\"[2001:db8::1]:4711\"", "2001:db8::1, 10.0.0.1"),
        ("for=\"192.0.2.1:4711\", for=10.0.0.2", "192.0.2.1, 10.0.0.2, 10.0.0.1"),
        ("for=203.0.113.9, for=192.0.2.1", "192.0.2.1, 10.0.0.1"),
        ("for=_hidden", "10.0.0.1"),
        ("for=unknown", "10.0.0.1"),
        ("proto=http", "10.0.0.1"),
        ("for=192.0.2.1;for=203.0.113.9", "10.0.0.1"),
        ("for=\"192.0.2.1", "10.0.0.1"),
        ("192.0.2.1", "10.0.0.1"),
        ("for=192.0.2.1;host=\"a, for=203.0.113.9\"", "10.0.0.1"),
        ("for=192.0.2.1;host=\"a, for=203.0.113.9;by=b\"", "10.0.0.1"),
        ("for=192.0.2.1;host=\"a, for=203.0.113.9;by=\\\"b\"", "10.0.0.1"),
    ] {
        check(AddressHeader::Forwarded, &[("forwarded", value)], expected);
    }
}

#[test]
fn one_header_is_believed_and_not_the_other() {
    let both = [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.2")];
    check(AddressHeader::XForwardedFor, &both, "192.0.2.1, 10.0.0.1");
    check(AddressHeader::Forwarded, &both, "192.0.2.2, 10.0.0.1");
    check(AddressHeader::XForwardedFor, &both[1..], "10.0.0.1");
    check(AddressHeader::Forwarded, &both[..1], "10.0.0.1");
}
