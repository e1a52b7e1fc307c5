//! Where in a text something stands that is nobody's business.

use std::{net::Ipv4Addr, ops::Range, sync::LazyLock};

use regex::bytes::{Regex, RegexBuilder};

use crate::policy::LeakKind;

/// No find is longer: what is longer is found, and covered, in its first part.
pub const FIND_BYTES_MAX: usize = 512;

// Lines of traces as the common languages write them.
static STACK_TRACE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    expression(&[
        // Java, Kotlin, Scala
        r"\bat [A-Za-z_$][\w$.]{1,200}\([\w$]{1,80}\.(?:java|kt|scala):\d{1,6}\)",
        // Python
        r"Traceback \(most recent call last\):",
        r#"File \\?"[^"\r\n]{1,200}\\?", line \d{1,6}, in [\w<>]{1,80}"#,
        // JavaScript
        r"\bat (?:[\w$.<> \[\]]{1,120} )?\(?(?:file://|node:|/)[^\s()]{1,200}:\d{1,6}:\d{1,6}\)?",
        // .NET
        r"\bat [\w.<>`]{1,200}\([^)\r\n]{0,150}\) in [^\r\n]{1,120}:line \d{1,6}",
        // Go, Rust, PHP, Ruby
        r"goroutine \d{1,9} \[[a-z ]{1,40}\]:",
        r"thread '[^'\r\n]{1,80}' panicked at [^\r\n]{1,120}",
        r"PHP (?:Fatal|Parse) error: [^\r\n]{1,160}",
        r"#\d{1,3} /[^\s(]{1,200}\.php\(\d{1,6}\)",
        r"/[^\s:]{1,200}\.rb:\d{1,6}:in [`'][^'\r\n]{1,80}'",
    ])
});

static SQL_ERROR: LazyLock<Option<Regex>> = LazyLock::new(|| {
    expression(&[
        r"(?i:you have an error in your sql syntax)[^\r\n<]{0,200}",
        r"SQLSTATE\[[0-9A-Z]{5}\][^\r\n<]{0,200}",
        r"\bORA-\d{5}: [^\r\n<]{0,200}",
        r"(?i:unclosed quotation mark after the character string)",
        r"\bPG::[A-Z]\w{2,40}(?:: [^\r\n<]{0,200})?",
        r"\b(?:psycopg2|sqlite3|pymysql|MySQLdb|cx_Oracle)\.(?:\w{1,30}\.)?\w{0,30}Error\b[^\r\n<]{0,120}",
        r"\borg\.(?:postgresql\.util\.PSQLException|hibernate\.\w{1,60}Exception|sqlite\.SQLiteException)",
        r"\bcom\.(?:mysql|microsoft\.sqlserver)\.[\w.]{1,80}Exception",
        r"(?:ERROR: {1,2})?(?:relation|column) \\?\x22[^\x22\\\r\n]{1,64}\\?\x22 does not exist",
        r"(?i:microsoft ole db provider for (?:sql server|odbc drivers))",
    ])
});

static SECRET: LazyLock<Option<Regex>> = LazyLock::new(|| {
    expression(&[
        r"-----BEGIN (?:RSA |EC |DSA |OPENSSH |ENCRYPTED |PGP )?PRIVATE KEY(?: BLOCK)?-----(?:[A-Za-z0-9+/=\s]|\\n|\\r){0,380}",
        // Amazon, GitHub, GitLab, Slack, Stripe, Google
        r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
        r"\bgh[pousr]_[A-Za-z0-9]{36,255}\b",
        r"\bgithub_pat_[A-Za-z0-9_]{22,255}\b",
        r"\bglpat-[A-Za-z0-9_-]{20,64}",
        r"\bxox[abprs]-[A-Za-z0-9-]{10,250}",
        r"\b[sr]k_live_[0-9A-Za-z]{16,250}\b",
        r"\bAIza[0-9A-Za-z_-]{35}",
        // A key of ours
        r"\bsw_[0-9A-Za-z]{8}_[0-9A-Za-z]{43,60}\b",
        // Whoever is in a connection's address
        r"\b(?:postgres(?:ql)?|mysql|mongodb(?:\+srv)?|redis|amqps?)://[^\s:/@\x22']{0,80}:[^\s/@\x22']{1,120}@",
    ])
});

static DIGITS: LazyLock<Option<Regex>> = LazyLock::new(|| expression(&[r"\d(?:[ -]?\d){12,126}"]));

static DOTTED: LazyLock<Option<Regex>> =
    LazyLock::new(|| expression(&[r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}"]));

// They are constants, which a test compiles.
fn expression(parts: &[&str]) -> Option<Regex> {
    RegexBuilder::new(&parts.join("|")).unicode(false).build().ok()
}

/// Calls `found` with each place of this kind, in their order.
pub fn find(kind: LeakKind, text: &[u8], mut found: impl FnMut(Range<usize>)) {
    let expression = match kind {
        LeakKind::StackTrace => &STACK_TRACE,
        LeakKind::SqlError => &SQL_ERROR,
        LeakKind::Secret => &SECRET,
        LeakKind::CardNumber => &DIGITS,
        LeakKind::InternalAddress => &DOTTED,
    };
    let Some(expression) = &**expression else { return };
    for find in expression.find_iter(text) {
        let range = find.range();
        match kind {
            LeakKind::CardNumber => cards(text, range, &mut found),
            LeakKind::InternalAddress => {
                let belongs = |byte: u8| byte.is_ascii_digit() || byte == b'.';
                if is_alone(text, &range, belongs) && is_internal(find.as_bytes()) {
                    found(range);
                }
            }
            _ => found(range.start..range.end.min(range.start + FIND_BYTES_MAX)),
        }
    }
}

/// Numbers stand in groups of digits; whole groups beside each other may be one.
fn cards(text: &[u8], run: Range<usize>, found: &mut impl FnMut(Range<usize>)) {
    let is_digit = |place: Option<usize>| {
        place.and_then(|place| text.get(place)).is_some_and(u8::is_ascii_digit)
    };
    let mut groups: Vec<Range<usize>> = Vec::new();
    for place in run.clone().filter(|place| is_digit(Some(*place))) {
        match groups.last_mut() {
            Some(group) if group.end == place => group.end += 1,
            _ => groups.push(place..place + 1),
        }
    }
    // A part of a longer number is no number.
    groups.retain(|group| !is_digit(group.start.checked_sub(1)) && !is_digit(Some(group.end)));
    let mut rest = groups.as_slice();
    while let Some(first) = rest.first() {
        let mut numbers = (1..=rest.len().min(CARD_GROUPS_MAX)).filter_map(|count| {
            let range = first.start..rest.get(count - 1)?.end;
            text.get(range.clone()).is_some_and(is_card).then_some((count, range))
        });
        let taken = match numbers.next_back() {
            Some((count, range)) => {
                found(range);
                count
            }
            None => 1,
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
}

/// Whether nothing beside it belongs to it: a part of a longer number is no number.
fn is_alone(text: &[u8], range: &Range<usize>, belongs: impl Fn(u8) -> bool) -> bool {
    let before = range.start.checked_sub(1).and_then(|place| text.get(place));
    !before.is_some_and(|byte| belongs(*byte))
        && match text.get(range.end..) {
            // The full stop of a sentence is no part of an address.
            Some([b'.', next, ..]) => !next.is_ascii_digit() || !belongs(b'.'),
            Some([b'.']) | Some([]) | None => true,
            Some([next, ..]) => !belongs(*next),
        }
}

/// Of a card: four times four, and three more.
const CARD_GROUPS_MAX: usize = 5;

/// ISO/IEC 7812: 13 to 19 digits of an issuer that is in use, and the check digit fits (Luhn).
fn is_card(text: &[u8]) -> bool {
    let digits: Vec<u32> = text
        .iter()
        .filter(|byte| byte.is_ascii_digit())
        .map(|byte| u32::from(byte - b'0'))
        .collect();
    let issuer = match digits.as_slice() {
        [4, ..] => matches!(digits.len(), 13 | 16 | 19),
        [5, second, ..] => (1..=5).contains(second) && digits.len() == 16,
        [2, second, ..] => (2..=7).contains(second) && digits.len() == 16,
        [3, 4 | 7, ..] => digits.len() == 15,
        [3, 0 | 6 | 8, ..] => digits.len() == 14,
        [3, 5, ..] => digits.len() == 16,
        [6, 0 | 2 | 4 | 5, ..] => (16..=19).contains(&digits.len()),
        _ => false,
    };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match place % 2 {
            0 => *digit,
            _ => digit * 2 - if *digit > 4 { 9 } else { 0 },
        })
        .sum();
    // One digit over and over fits too, and is a placeholder.
    issuer && sum.is_multiple_of(10) && digits.iter().any(|digit| Some(digit) != digits.first())
}

/// RFC 1918, RFC 6598, RFC 3927: never an address of who reads the answer.
fn is_internal(text: &[u8]) -> bool {
    let address = std::str::from_utf8(text).ok().and_then(|text| text.parse::<Ipv4Addr>().ok());
    address.is_some_and(|address| {
        let [first, second, ..] = address.octets();
        address.is_private() || address.is_link_local() || (first == 100 && second & 0xc0 == 64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(kind: LeakKind, text: &str) -> Vec<String> {
        let mut all = Vec::new();
        find(kind, text.as_bytes(), |range| all.push(text[range].to_owned()));
        all
    }

    #[test]
    fn expressions_are_expressions() {
        for kind in [&STACK_TRACE, &SQL_ERROR, &SECRET, &DIGITS, &DOTTED] {
            assert!(kind.is_some());
        }
    }

    #[test]
    fn what_is_nobodys_business_is_found() {
        use LeakKind::{CardNumber, InternalAddress, Secret, SqlError, StackTrace};
        let secret = format!("sw_ab12cd34_{}", "x".repeat(49));
        for (kind, text, expected) in [
            (
                StackTrace,
                "x\n\tat com.example.Shop.pay(Shop.java:42)\n",
                &["at com.example.Shop.pay(Shop.java:42)"][..],
            ),
            (
                StackTrace,
                "Traceback (most recent call last):\n  File \"/app/a.py\", line 3, in pay",
                &["Traceback (most recent call last):", "File \"/app/a.py\", line 3, in pay"],
            ),
            (
                StackTrace,
                r#"{"e":"File \"/app/a.py\", line 3, in <module>"}"#,
                &[r#"File \"/app/a.py\", line 3, in <module>"#],
            ),
            (
                StackTrace,
                "    at Object.pay (/app/index.js:10:5)",
                &["at Object.pay (/app/index.js:10:5)"],
            ),
            (StackTrace, "at /app/index.js:10:5", &["at /app/index.js:10:5"]),
            (
                StackTrace,
                "   at Shop.Pay(Int32 a) in C:\\a.cs:line 4",
                &["at Shop.Pay(Int32 a) in C:\\a.cs:line 4"],
            ),
            (StackTrace, "goroutine 1 [running]:", &["goroutine 1 [running]:"]),
            (
                StackTrace,
                "thread 'main' panicked at src/main.rs:2:5:",
                &["thread 'main' panicked at src/main.rs:2:5:"],
            ),
            (StackTrace, "we met at noon (10:30)", &[]),
            (StackTrace, "look at https://example.com/a:1:2", &[]),
            (
                SqlError,
                "You have an error in your SQL syntax; check near ''' at line 1",
                &["You have an error in your SQL syntax; check near ''' at line 1"],
            ),
            (SqlError, "SQLSTATE[42S02]: Base table", &["SQLSTATE[42S02]: Base table"]),
            (SqlError, "ORA-00942: table or view", &["ORA-00942: table or view"]),
            (SqlError, "relation \"users\" does not exist", &["relation \"users\" does not exist"]),
            (
                SqlError,
                r#"{"m":"ERROR:  relation \"users\" does not exist"}"#,
                &[r#"ERROR:  relation \"users\" does not exist"#],
            ),
            (SqlError, "our relation to you does not exist", &[]),
            (
                InternalAddress,
                "from 10.0.0.7, 192.168.1.1. And 172.31.255.255 100.64.0.1 169.254.169.254",
                &["10.0.0.7", "192.168.1.1", "172.31.255.255", "100.64.0.1", "169.254.169.254"],
            ),
            (
                InternalAddress,
                "8.8.8.8 172.32.0.1 110.0.0.7 10.0.0.7.8 10.0.0.256 210.0.0.71 1.10.0.0.7",
                &[],
            ),
            (Secret, "id AKIAIOSFODNN7EXAMPLE end", &["AKIAIOSFODNN7EXAMPLE"]),
            (Secret, "postgres://shop:hunter2@db:5432/x", &["postgres://shop:hunter2@"]),
            (Secret, "https://example.com:443/a@b", &[]),
            (Secret, &secret, &[&secret]),
            (
                CardNumber,
                "4111 1111 1111 1111, 4111111111111111 5555-5555-5555-4444 378282246310005",
                &[
                    "4111 1111 1111 1111",
                    "4111111111111111",
                    "5555-5555-5555-4444",
                    "378282246310005",
                ],
            ),
            (
                CardNumber,
                "4111111111111112 14111111111111111 41111111111111111 1234567890123456 0000000000000000",
                &[],
            ),
            (CardNumber, "id 1700000000000 and 9999999999999999", &[]),
        ] {
            assert_eq!(finds(kind, text), expected, "{kind:?} {text}");
        }
    }

    #[test]
    fn a_find_has_a_bound() {
        let key = format!("-----BEGIN PRIVATE KEY-----\n{}", "A".repeat(5_000));
        let found = finds(LeakKind::Secret, &key);
        assert!(found.len() == 1 && found[0].len() <= FIND_BYTES_MAX, "{}", found[0].len());
    }
}
