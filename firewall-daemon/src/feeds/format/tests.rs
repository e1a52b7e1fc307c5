//! What each format gives, and what refuses a copy.

use super::*;

const MAX: usize = 1_000;
const TAB: FeedFormat = FeedFormat::Tab { count_min: 3 };
const CSV: FeedFormat = FeedFormat::Csv { column: 2, header: true };
const PREFIX: &str =
    "expected an address or a prefix such as 203.0.113.0/24 or 2001:db8::/32, found";

fn read(format: FeedFormat, text: &str) -> Result<Vec<String>, String> {
    parse(format, text.as_bytes(), MAX)
        .map(|prefixes| prefixes.iter().map(ToString::to_string).collect())
        .map_err(|error| error.to_string())
}

#[test]
fn each_format_is_read() {
    for (format, text, expected) in [
        (
            FeedFormat::Plain,
            "# list\r\n; note\n\n203.0.113.9 ; SBL1\r\n 10.0.0.0/8,x\n2001:db8::/32\tx\n10.0.0.0/8",
            &["10.0.0.0/8", "203.0.113.9/32", "2001:db8::/32"][..],
        ),
        (FeedFormat::Plain, "\u{feff}192.0.2.1", &["192.0.2.1/32"]),
        (
            TAB,
            "# IPsum\n192.0.2.1\t9\n192.0.2.2\t2\n2001:db8::1\t3\n",
            &["192.0.2.1/32", "2001:db8::1/128"],
        ),
        (
            FeedFormat::Netset,
            "#\n# firehol\n#\n0.0.0.0/8\n 224.0.0.0/3 # multicast\n",
            &["0.0.0.0/8", "224.0.0.0/3"],
        ),
        (
            CSV,
            "first,ip\n\"a, \"\"b\"\"\",\"192.0.2.1\",x\n# comment\nc, 192.0.2.0/24 \n",
            &["192.0.2.0/24", "192.0.2.1/32"],
        ),
        (FeedFormat::Csv { column: 1, header: false }, "192.0.2.1\n", &["192.0.2.1/32"]),
        (
            FeedFormat::SpamhausJson,
            "{\"cidr\":\"1.10.16.0/20\",\"sblid\":\"SBL1\",\"rir\":\"apnic\"}\n\
             {\"cidr\":\"2001:db8::/32\",\"sblid\":\"SBL2\"}\n\
             {\"type\":\"metadata\",\"timestamp\":1729062181,\"size\":9,\"records\":2,\"terms\":\"t\"}\n",
            &["1.10.16.0/20", "2001:db8::/32"],
        ),
    ] {
        assert_eq!(
            read(format, text),
            Ok(expected.iter().map(ToString::to_string).collect()),
            "{text}"
        );
    }
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let long = "x".repeat(LINE_BYTES_MAX + 1);
    let empty =
        "expected at least one address or prefix, found none; is it the right URL and format?";
    let json = "expected a JSON object with cidr, or with type metadata and records, found";
    for (format, text, expected) in [
        (FeedFormat::Plain, "", empty.to_owned()),
        (FeedFormat::Plain, "# nothing\n\n", empty.to_owned()),
        (TAB, "192.0.2.1\t2\n", empty.to_owned()),
        (FeedFormat::SpamhausJson, "{\"type\":\"metadata\",\"records\":0}", empty.to_owned()),
        (FeedFormat::Plain, "192.0.2.1\ngarbage\n", format!("line 2: {PREFIX} \"garbage\"")),
        (FeedFormat::Plain, "\u{0}\u{1}", format!("line 1: {PREFIX} \"\\0\\u{{1}}\"")),
        (FeedFormat::Plain, "0.0.0.0/33", "line 1: expected a prefix length from 0 to 32, found \"33\"".to_owned()),
        (FeedFormat::Plain, &long, "line 1: expected at most 1024 bytes in a line, found more".to_owned()),
        (FeedFormat::Netset, "192.0.2.1 x\n", format!("line 1: {PREFIX} \"192.0.2.1 x\"")),
        (TAB, "192.0.2.1 3\n", "line 1: expected ADDRESS, a tab and a whole number, found \"192.0.2.1 3\"".to_owned()),
        (TAB, "192.0.2.1\t-3", "line 1: expected ADDRESS, a tab and a whole number, found \"192.0.2.1\\t-3\"".to_owned()),
        (TAB, "192.0.2.9\t9\nnone\t1", format!("line 2: {PREFIX} \"none\"")),
        (CSV, "ip\n192.0.2.1\n", "line 2: expected at least 2 fields, found 1".to_owned()),
        (CSV, "ip\na,\"192.0.2.1\n", "line 2: expected a quote at the end of a field, found none in \"a,\\\"192.0.2.1\"".to_owned()),
        (CSV, "a,b\nx,y\n", format!("line 2: {PREFIX} \"y\"")),
        (FeedFormat::SpamhausJson, "192.0.2.1", format!("line 1: {json} \"192.0.2.1\"")),
        (FeedFormat::SpamhausJson, "{\"type\":\"x\"}", format!("line 1: {json} \"{{\\\"type\\\":\\\"x\\\"}}\"")),
        (
            FeedFormat::SpamhausJson,
            "{\"cidr\":\"192.0.2.1\"}\n",
            "expected a last line with metadata, found 1 records; the copy is cut off: try again later".to_owned(),
        ),
        (
            FeedFormat::SpamhausJson,
            "{\"cidr\":\"192.0.2.1\"}\n{\"type\":\"metadata\",\"records\":2}",
            "expected 2 records, found 1 records; the copy is cut off: try again later".to_owned(),
        ),
        (
            FeedFormat::SpamhausJson,
            "{\"type\":\"metadata\",\"records\":0}\n{\"cidr\":\"192.0.2.1\"}",
            "line 2: expected nothing behind the metadata, found more".to_owned(),
        ),
    ] {
        assert_eq!(read(format, text), Err(expected), "{format:?} {text:?}");
    }
    let bytes =
        parse(FeedFormat::Plain, b"192.0.2.1\n\xff\xfe\n", MAX).map_err(|error| error.to_string());
    assert_eq!(bytes, Err("line 2: expected UTF-8, found other bytes".to_owned()));
    let many = parse(FeedFormat::Plain, b"192.0.2.1\n192.0.2.2\n192.0.2.3\n", 2);
    assert_eq!(many, Err(FormatError::TooMany { line: 3, max: 2 }));
}
