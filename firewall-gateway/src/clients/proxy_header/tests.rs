//! Headers as proxies write them, as nobody should, and as chance does.

use super::{Parsed, SIGNATURE_V2, parse};
use crate::{generated::cases, limits::PROXY_HEADER_BYTES_MAX};

const TLS: &[u8] = b"\x16\x03\x01";

fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [SIGNATURE_V2, &[command, family], &length, body].concat()
}

fn v4_body(tlvs: &[u8]) -> Vec<u8> {
    [&[192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 4, 1, 0xbb][..], tlvs].concat()
}

fn check(header: &[u8], expected: Option<Option<&str>>) {
    let shown = String::from_utf8_lossy(header);
    let expected = expected.map(|source| source.map(|source| source.parse().unwrap()));
    let parsed = match expected {
        Some(source) => Parsed::Header { bytes: header.len(), source },
        None => Parsed::Invalid,
    };
    assert_eq!(parse(header), parsed, "{shown:?}");
    assert_eq!(parse(&[header, TLS].concat()), parsed, "{shown:?} and what follows");
    if expected.is_some() {
        for cut in 0..header.len() {
            assert_eq!(parse(&header[..cut]), Parsed::Incomplete, "{shown:?} cut at {cut}");
        }
    }
}

#[test]
fn version_1() {
    for (line, expected) in [
        ("TCP4 192.0.2.1 198.51.100.2 56324 443", Some(Some("192.0.2.1:56324"))),
        ("TCP4 255.255.255.255 255.255.255.255 65535 65535", Some(Some("255.255.255.255:65535"))),
        ("TCP6 2001:db8::1 2001:db8::2 0 443", Some(Some("[2001:db8::1]:0"))),
        ("TCP6 ::ffff:192.0.2.1 2001:db8::2 1 443", Some(Some("192.0.2.1:1"))),
        ("UNKNOWN", Some(None)),
        ("UNKNOWN ffff:f...f:ffff 65535", Some(None)),
        ("TCP4 2001:db8::1 2001:db8::2 1 2", None),
        ("TCP6 192.0.2.1 192.0.2.2 1 2", None),
        ("TCP4 192.0.2.1 198.51.100.2 56324", None),
        ("TCP4 192.0.2.1 198.51.100.2 1 2 3", None),
        ("TCP4  192.0.2.1 198.51.100.2 1 2", None),
        ("TCP4 192.0.2.1 198.51.100.2 +1 2", None),
        ("TCP4 192.0.2.1 198.51.100.2 01 2", None),
        ("TCP4 192.0.2.1 198.51.100.2 65536 2", None),
        ("TCP4 192.0.2.01 198.51.100.2 1 2", None),
        ("tcp4 192.0.2.1 198.51.100.2 1 2", None),
        ("UDP4 192.0.2.1 198.51.100.2 1 2", None),
        ("", None),
    ] {
        check(format!("PROXY {line}\r\n").as_bytes(), expected);
    }
    let endless = format!("PROXY UNKNOWN {}", "a".repeat(107));
    assert_eq!(parse(endless.as_bytes()), Parsed::Invalid);
    assert_eq!(parse(b"PROXY UNKNOWN\n"), Parsed::Incomplete);
}

#[test]
fn version_2() {
    let v6: Vec<u8> =
        [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[1], &[0; 16], &[0, 7, 1, 0xbb]].concat();
    let most = PROXY_HEADER_BYTES_MAX - 16;
    for (header, expected) in [
        (v2(0x21, 0x11, &v4_body(&[])), Some(Some("192.0.2.1:56324"))),
        (v2(0x21, 0x11, &v4_body(&[4, 0, 3, 1, 2, 3])), Some(Some("192.0.2.1:56324"))),
        (v2(0x21, 0x11, &v4_body(&vec![9; most - 12])), Some(Some("192.0.2.1:56324"))),
        (v2(0x21, 0x21, &v6), Some(Some("[2001:db8::1]:7"))),
        (v2(0x20, 0x11, &v4_body(&[])), Some(None)),
        (v2(0x20, 0x00, &[]), Some(None)),
        (v2(0x21, 0x00, &[1, 2, 3]), Some(None)),
        (v2(0x21, 0x31, &[0; 216]), Some(None)),
        (v2(0x21, 0x11, &v4_body(&vec![9; most - 11])), None),
        (v2(0x21, 0x11, &[192, 0, 2, 1]), None),
        (v2(0x21, 0x21, &v4_body(&[])), None),
        (v2(0x21, 0x12, &v4_body(&[])), None),
        (v2(0x21, 0x41, &v4_body(&[])), None),
        (v2(0x11, 0x11, &v4_body(&[])), None),
        (v2(0x22, 0x11, &v4_body(&[])), None),
    ] {
        check(&header, expected);
    }
}

#[test]
fn what_is_no_header() {
    for bytes in
        [&b"\x16\x03\x01\x02\x00"[..], b"GET / HTTP/1.1\r\n", b"proxy ", b"\r\n\r\n\x01", b"P\0"]
    {
        assert_eq!(parse(bytes), Parsed::Invalid, "{bytes:?}");
    }
    assert_eq!(parse(b""), Parsed::Incomplete);
}

/// Whatever comes: nothing past the bound is waited for, nothing is taken that is not there, and bytes
/// behind a header change nothing.
#[test]
fn generated_bytes_are_read_within_their_bounds() {
    let seeds = [
        b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n".to_vec(),
        b"PROXY UNKNOWN\r\n".to_vec(),
        v2(0x21, 0x11, &v4_body(&[4, 0, 3, 1, 2, 3])),
        v2(0x20, 0x00, &[]),
    ];
    let (mut headers, mut invalid) = (0, 0);
    for bytes in cases(1, 200_000, &seeds) {
        match parse(&bytes) {
            Parsed::Incomplete => assert!(bytes.len() < PROXY_HEADER_BYTES_MAX, "{bytes:?}"),
            Parsed::Header { bytes: length, source } => {
                headers += 1;
                assert!(length <= bytes.len() && length <= PROXY_HEADER_BYTES_MAX, "{bytes:?}");
                let again = Parsed::Header { bytes: length, source };
                assert_eq!(parse(&bytes[..length]), again, "{bytes:?}");
            }
            Parsed::Invalid => invalid += 1,
        }
    }
    assert!(headers > 1_000 && invalid > 1_000, "{headers} {invalid}");
}
