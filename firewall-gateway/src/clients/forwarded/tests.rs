//! Headers of proxies, and of clients who write them too.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::origin;
use crate::{generated::cases, limits::FORWARDED_PROXIES_MAX, policy::AddressHeader};

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

/// Whatever a client writes left of the proxy's entry: it is not believed, and what is passed on are addresses.
#[test]
fn generated_headers_name_no_other_client() {
    let seeds = [
        "10.0.0.2, 203.0.113.9",
        "for=\"[2001:db8::1]:4711\";by=10.0.0.2, for=10.0.0.3",
        "for=203.0.113.9;host=\"a, for=10.0.0.4;by=\\\"b\"",
        "[2001:db8::1]:80, unknown, ::ffff:10.0.0.2",
    ];
    let seeds = seeds.map(|seed| seed.as_bytes().to_vec());
    let trusts = |address: IpAddr| address.to_string().starts_with("10.");
    let mut named = 0;
    for bytes in cases(5, 50_000, &seeds) {
        let Ok(value) = HeaderValue::from_bytes(&bytes) else { continue };
        for (header, name, entry) in [
            (AddressHeader::XForwardedFor, "x-forwarded-for", "192.0.2.1"),
            (AddressHeader::Forwarded, "forwarded", "for=192.0.2.1"),
        ] {
            let name = HeaderName::from_static(name);
            let mut headers = HeaderMap::new();
            headers.append(name.clone(), value.clone());
            let found = origin("10.0.0.1".parse().unwrap(), &headers, header, trusts);
            named += u64::from(!found.proxies.is_empty());
            assert!(found.proxies.len() <= FORWARDED_PROXIES_MAX);
            assert!(found.proxies.iter().all(|proxy| trusts(*proxy)), "{found:?}");
            // The proxy says whose it is in a line of its own.
            headers.append(name, HeaderValue::from_static(entry));
            let found = origin("10.0.0.1".parse().unwrap(), &headers, header, trusts);
            assert_eq!(found.chain(), "192.0.2.1, 10.0.0.1");
        }
    }
    assert!(named > 1_000, "{named}");
}
