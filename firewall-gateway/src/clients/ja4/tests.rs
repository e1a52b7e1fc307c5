//! Fingerprints that JA4's documentation and public captures name, and ClientHellos nobody sends.

use super::{Look, Stack, of};
use crate::{generated::cases, limits::CLIENT_HELLO_BYTES_MAX};

fn numbers(text: &str) -> Vec<u8> {
    let number = |word| u16::from_str_radix(word, 16).unwrap().to_be_bytes();
    text.split(',').filter(|word| !word.is_empty()).flat_map(number).collect()
}

fn prefixed(content: &[u8]) -> Vec<u8> {
    [&u16::try_from(content.len()).unwrap().to_be_bytes(), content].concat()
}

/// A ClientHello with these suites and extensions; signature algorithms, versions and the protocol
/// stand where their extension does.
fn hello(
    ciphers: &str,
    extensions: &str,
    signatures: &str,
    versions: &str,
    alpn: &[u8],
) -> Vec<u8> {
    let mut body = [&[3, 3][..], &[7; 32], &[0], &prefixed(&numbers(ciphers)), &[1, 0]].concat();
    let mut all = Vec::new();
    for kind in extensions.split(',').filter(|kind| !kind.is_empty()) {
        let content = match kind {
            "000d" => prefixed(&numbers(signatures)),
            "002b" => {
                let versions = numbers(versions);
                [&[versions.len() as u8][..], &versions].concat()
            }
            "0010" => prefixed(&[&[alpn.len() as u8][..], alpn, b"\x08http/1.1"].concat()),
            _ => vec![0; 5],
        };
        all.extend(numbers(kind));
        all.extend(prefixed(&content));
    }
    if !extensions.is_empty() {
        body.extend(prefixed(&all));
    }
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[1], &length[1..], &body].concat()
}

fn record(fragment: &[u8]) -> Vec<u8> {
    [&[22, 3, 1][..], &prefixed(fragment)].concat()
}

const CHROME_SUITES: &str =
    "1a1a,1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035";
const CHROME_SIGNATURES: &str = "0403,0804,0401,0503,0805,0501,0806,0601";

#[test]
fn fingerprints_are_those_that_are_known() {
    for (ciphers, extensions, signatures, versions, alpn, expected) in [
        // The example of the documentation.
        (
            CHROME_SUITES,
            "0a0a,001b,0000,0033,0010,4469,0017,002d,000d,0005,0023,0012,002b,ff01,000b,000a,0015,dada",
            CHROME_SIGNATURES,
            "2a2a,0304,0303",
            &b"h2"[..],
            "t13d1516h2_8daaf6152771_e5627efa2ab1",
        ),
        // A later Chrome, as a public mirror of fingerprints shows it.
        (
            CHROME_SUITES,
            "002d,0033,0010,fe0d,0017,44cd,0000,000b,000a,002b,ff01,0023,0012,0005,000d,001b",
            CHROME_SIGNATURES,
            "0304,0303",
            b"h2",
            "t13d1516h2_8daaf6152771_d8a2da3f94cd",
        ),
        // No name, no protocol, no list of versions, no signatures: the fields say so.
        ("002f,0035", "000a", "", "", b"", "t12i020100_"),
        ("002f", "", "", "", b"", "t12i010000_"),
        ("", "", "", "", b"", "t12i000000_000000000000_000000000000"),
        ("002f", "0010", "", "", b"http/1.1", "t12i0101h1_"),
        ("002f", "0010", "", "", b"\xab\xcd", "t12i0101ad_"),
        ("002f", "002b", "", "0301,0302", b"", "t11i010100_"),
    ] {
        let message = hello(ciphers, extensions, signatures, versions, alpn);
        let found = of(&record(&message)).unwrap();
        assert!(found.ja4.starts_with(expected), "{found:?}, not {expected}");
        // However the message is cut into records, and whatever follows.
        for at in 1..message.len() {
            let (first, second) = message.split_at(at);
            let records = [record(first), record(second), vec![20, 3, 3, 0, 1, 1]].concat();
            assert_eq!(of(&records).as_ref(), Some(&found), "cut at {at}");
        }
        for length in 0..record(&message).len() {
            assert_eq!(of(&record(&message)[..length]), None, "cut off at {length}");
        }
    }
}

#[test]
fn the_order_of_suites_and_extensions_says_nothing() {
    let one = hello("1301,1302,002f", "0000,0010,000a,000d", "0403", "", b"h2");
    let other = hello("002f,1302,1301", "000d,000a,0010,0000", "0403", "", b"h2");
    let different = hello("1301,1302,002f", "0000,0010,000a,000d", "0804", "", b"h2");
    assert_eq!(of(&record(&one)), of(&record(&other)));
    assert_ne!(of(&record(&one)), of(&record(&different)));
}

#[test]
fn what_browsers_have_in_common_is_seen() {
    let all = Stack { tls_1_3: true, alpn: true, grease: true };
    for (ciphers, extensions, versions, expected) in [
        (CHROME_SUITES, "0010,002b", "1a1a,0304,0303", all),
        ("1301,002f", "0010,002b,dada", "0304", all),
        ("1301,002f", "0010,002b", "0304", Stack { grease: false, ..all }),
        // Two bytes that are alike in one half alone are no GREASE.
        ("1a0a,1b1b", "0010,002b", "0304", Stack { grease: false, ..all }),
        (CHROME_SUITES, "002b", "0304", Stack { alpn: false, ..all }),
        (CHROME_SUITES, "0010,002b", "0303", Stack { tls_1_3: false, ..all }),
        (CHROME_SUITES, "0010", "", Stack { tls_1_3: false, ..all }),
    ] {
        let message = hello(ciphers, extensions, "", versions, b"h2");
        assert_eq!(of(&record(&message)).unwrap().stack, expected, "{ciphers} {extensions}");
    }
}

#[test]
fn what_is_no_client_hello_has_none() {
    let message = hello("1301", "0000", "", "", b"");
    let mut server = message.clone();
    server[0] = 2;
    for bytes in [
        &record(&server)[..],
        &record(&[]),
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        &[21, 3, 3, 0, 2, 1, 0],
    ] {
        assert_eq!(of(bytes), None, "{bytes:?}");
    }
}

#[test]
fn generated_bytes_give_a_fingerprint_of_its_form_or_none() {
    let seeds = [
        record(&hello(CHROME_SUITES, "0000,0010,000d,002b,0a0a", CHROME_SIGNATURES, "0304", b"h2")),
        record(&hello("1301", "", "", "", b"")),
        [record(&[1, 0]), record(&[0, 40])].concat(),
    ];
    let mut found = 0;
    for mut bytes in cases(3, 100_000, &seeds) {
        bytes.truncate(CLIENT_HELLO_BYTES_MAX);
        if let Some(Look { ja4: text, .. }) = of(&bytes) {
            found += 1;
            let parts: Vec<usize> = text.split('_').map(str::len).collect();
            assert_eq!(parts, [10, 12, 12], "{text}");
            assert!(
                text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'),
                "{text}"
            );
        }
    }
    assert!(found > 1_000, "{found}");
}
