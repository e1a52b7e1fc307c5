//! Tables of texts and what becomes of them, and properties that hold for any.

use http::{HeaderMap, HeaderValue, header, uri::PathAndQuery};
use proptest::prelude::*;
use serde_json::Value;

use super::Sanitise;
use crate::{
    generated::cases,
    policy::{ControlCharacters, SanitisePolicy, UnicodeForm, Unwanted},
    validate::{
        fault::Fault,
        json::{self, Bounds},
    },
};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

fn sanitise(change: impl FnOnce(&mut SanitisePolicy)) -> Sanitise {
    let mut policy = SanitisePolicy::default();
    change(&mut policy);
    Sanitise::new(&policy).unwrap()
}

fn strips(policy: &mut SanitisePolicy) {
    policy.control_characters = ControlCharacters::Strip;
    policy.html = vec!["/html".into(), "/list/*/text".into()];
}

/// What becomes of a body: `None` where it stays, or the fault and its pointer.
fn body(
    sanitise: &Sanitise,
    kind: &'static str,
    text: &[u8],
) -> Result<Option<String>, (Fault, String)> {
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
    sanitise
        .whole(&headers, text)
        .map_err(|invalid| (invalid.fault, invalid.problems[0].pointer.clone()))
}

#[test]
fn texts_change_where_they_stand_and_nothing_else_does() {
    let strips = sanitise(strips);
    for (text, expected) in [
        ("{}", None),
        (" [1.0, 1e400, 12345678901234567890, -0, 1E+2] ", None),
        ("{\"a\" :\t\"b\\u0041\\/\\n\\\"\" }", None),
        ("\"caf\u{e9} \\u00e9 \\ud83d\\ude00\"", None),
        ("\"a\\u0009\\r\\n\"", None),
        ("{\"html\":\"a > b\"}", None),
        ("{\"html\":\"<b>x<\\/b>\"}", None),
        ("{\"other\":\"<script>\"}", None),
        // The form of Unicode, escaped or not, of values and names.
        (
            "{\"n\":1.0, \"a\":\"cafe\u{301}\" ,\"m\":1e400}",
            Some("{\"n\":1.0, \"a\":\"caf\u{e9}\" ,\"m\":1e400}"),
        ),
        ("[\"e\\u0301\",12345678901234567890]", Some("[\"\u{e9}\",12345678901234567890]")),
        ("{\"e\u{301}\":{\"e\u{301}\":1}}", Some("{\"\u{e9}\":{\"\u{e9}\":1}}")),
        ("\"\u{212b}\"", Some("\"\u{c5}\"")),
        // Characters that nobody sees.
        ("[\"a\\u0000b\\u001b\"]", Some("[\"ab\"]")),
        ("\"\u{202e}a\u{200b}\u{feff}b\u{85}\"", Some("\"ab\"")),
        ("{\"\\u200ba\":0}", Some("{\"a\":0}")),
        // Between a letter and its mark, too.
        ("\"e\u{200b}\u{301}\"", Some("\"\u{e9}\"")),
        ("\"\\\"\u{200b}\\\\\\n\"", Some("\"\\\"\\\\\\n\"")),
        // HTML where it is marked, under any spelling of the name, and all that is within.
        ("{\"html\":\"<script>a</script>b\"}", Some("{\"html\":\"b\"}")),
        ("{\"ht\\u006dl\":\"<script>a</script>b\"}", Some("{\"ht\\u006dl\":\"b\"}")),
        ("{\"htm\\u200bl\":\"<script>a</script>b\"}", Some("{\"html\":\"b\"}")),
        ("{\"html\":[{\"x\":\"<img onerror=1>\"}]}", Some("{\"html\":[{\"x\":\"<img>\"}]}")),
        (
            "{\"list\":[{\"text\":\"\\u003cscript>a\"},{\"x\":\"<i>\"},{\"text\":\"<i>\"}]}",
            Some("{\"list\":[{\"text\":\"\"},{\"x\":\"<i>\"},{\"text\":\"<i></i>\"}]}"),
        ),
        ("{\"html\":\"<scr\u{200b}ipt>a</script>b\"}", Some("{\"html\":\"b\"}")),
        ("{\"html\":\"a &#x202e; b\"}", Some("{\"html\":\"a  b\"}")),
        ("{\"html\":\"e&#x301;\"}", Some("{\"html\":\"\u{e9}\"}")),
        ("{\"html\":\"<a href='java&#x200b;script:x'>a</a>\"}", Some("{\"html\":\"<a>a</a>\"}")),
    ] {
        let cleaned = body(&strips, JSON, text.as_bytes()).unwrap();
        assert_eq!(cleaned.as_deref(), expected, "{text}");
        if let Some(cleaned) = &cleaned {
            assert_eq!(body(&strips, JSON, cleaned.as_bytes()), Ok(None), "{text}");
        }
    }
}

#[test]
fn what_is_refused_is_named() {
    let strict = sanitise(|policy| {
        policy.html = vec!["/h".into()];
        (policy.depth_max, policy.values_max, policy.body_bytes_max) = (4, 12, 200);
    });
    let strips = sanitise(|policy| policy.control_characters = ControlCharacters::Strip);
    let amps = format!("{{\"h\":\"{}\"}}", "&".repeat(100));
    for (sanitise, kind, text, fault, pointer) in [
        (&strict, JSON, "{\"a\":[\"\\u0000\"]}", Fault::ControlCharacter, "#/a/0"),
        (&strict, JSON, "{\"a\u{202e}\":1}", Fault::ControlCharacter, "#/a%E2%80%AE"),
        (&strict, JSON, "{\"h\":\"&#x202e;\"}", Fault::ControlCharacter, "#/h"),
        (&strict, JSON, "{\"a\":1,\"a\":2}", Fault::MemberRepeated, "#/a"),
        (&strict, JSON, "{\"a\":1,\"\\u0061\":2}", Fault::MemberRepeated, "#/a"),
        (&strict, JSON, "{\"e\u{301}\":1,\"\u{e9}\":2}", Fault::MemberRepeated, "#/%C3%A9"),
        (&strips, JSON, "{\"a\":1,\"a\u{200b}\":2}", Fault::MemberRepeated, "#/a"),
        (&strict, JSON, "[\"\\ud800\"]", Fault::Syntax, "#/0"),
        (&strict, JSON, "[\"\\udc00\\ud800\"]", Fault::Syntax, "#/0"),
        (&strict, JSON, "\u{feff}{}", Fault::Syntax, "#"),
        (&strict, JSON, "[01]", Fault::Syntax, "#"),
        (&strict, JSON, "{} {}", Fault::TrailingBytes, "#"),
        (&strict, JSON, "[[[[[1]]]]]", Fault::TooDeep, "#/0/0/0/0"),
        (&strict, JSON, "[0,1,2,3,4,5,6,7,8,9,10,11]", Fault::TooManyValues, "#/11"),
        // What it grows to is bounded too.
        (&strict, JSON, &amps, Fault::BodyTooLarge, "#"),
        (&strict, FORM, "a=%2541", Fault::DoubleEncoding, "#/a"),
        (&strict, FORM, "%2541=", Fault::DoubleEncoding, "#/%2541"),
        (&strict, FORM, "a=%00", Fault::ControlCharacter, "#/a"),
        (&strict, FORM, "a=%zz", Fault::Syntax, "#"),
        (&strict, FORM, "a=%ff", Fault::Syntax, "#"),
        (&strict, FORM, "a&b&c&d&e&f&g&h&i&j&k&l&m", Fault::TooManyValues, "#"),
        (&strict, FORM, "%C3%A9=1&e%CC%81=2", Fault::MemberRepeated, "#/e%CC%81"),
    ] {
        let found = body(sanitise, kind, text.as_bytes());
        assert_eq!(found, Err((fault, pointer.to_owned())), "{text}");
    }
    let bytes = b"{\"a\":\"\xff\"}";
    assert_eq!(body(&strict, JSON, bytes), Err((Fault::NotUtf8, "#".to_owned())));
    let many = format!("{{\"h\":\"{}\"}}", "<b>".repeat(1_025));
    let large = sanitise(|policy| policy.html = vec!["/h".into()]);
    let found = body(&large, JSON, many.as_bytes());
    assert_eq!(found, Err((Fault::TooMuchMarkup, "#/h".to_owned())));
}

#[test]
fn pairs_are_decoded_once_and_written_again_where_they_change() {
    let strips = sanitise(|policy| {
        policy.control_characters = ControlCharacters::Strip;
        policy.html = vec!["/html".into()];
    });
    for (text, expected) in [
        ("a=1&b=x+y%20z&&c", None),
        ("a=1&a=2&%61=3", None),
        ("a=100%25&b=%7e~", None),
        ("html=%3Cb%3Ex%3C/b%3E", None),
        ("x=%3Cscript%3E", None),
        ("a=%1b1&b=x+y", Some("a=1&b=x+y")),
        ("a=e%CC%81+b", Some("a=%C3%A9%20b")),
        ("e%cc%81=a+b&c", Some("%C3%A9=a+b&c")),
        ("a%e2%80%8b", Some("a")),
        ("html=%3Cscript%3Ea%3C/script%3E%3Cb%3Ex&y=%41", Some("html=%3Cb%3Ex%3C%2Fb%3E&y=%41")),
        ("h%74ml=%3Cscript%3E", Some("h%74ml=")),
    ] {
        let cleaned = body(&strips, FORM, text.as_bytes()).unwrap();
        assert_eq!(cleaned.as_deref(), expected, "{text}");
    }
}

#[test]
fn targets_have_one_form() {
    let path = |text: &str| text.parse::<PathAndQuery>().unwrap();
    let passes = |policy: &mut SanitisePolicy| {
        policy.control_characters = ControlCharacters::Pass;
        policy.double_encoding = Unwanted::Pass;
        policy.unicode = UnicodeForm::Pass;
    };
    let (strict, strips, passes) = (sanitise(|_| {}), sanitise(strips), sanitise(passes));
    for (sanitise, text, expected) in [
        (&strict, "/a", Ok(None)),
        (&strict, "/a?", Ok(None)),
        (&strict, "/a?b=c+d&e=%7E", Ok(None)),
        (&strict, "/e%CC%81?b", Ok(None)),
        (&strict, "/a?b=e%CC%81", Ok(Some("/a?b=%C3%A9"))),
        (&strict, "/a?b=%00", Err(Fault::ControlCharacter)),
        (&strict, "/a?b=%250d", Err(Fault::DoubleEncoding)),
        (&strict, "/a?b=%", Err(Fault::ParameterMalformed)),
        (&strict, "/%E2%80%AEa", Err(Fault::ControlCharacter)),
        // A path was judged as it is.
        (&strips, "/%C2%85a", Err(Fault::ControlCharacter)),
        (&strips, "/a?b=%00&html=%3Ci%3E", Ok(Some("/a?b=&html=%3Ci%3E"))),
        (&passes, "/%E2%80%AEa?b=%2500&c=%00&d=e%CC%81", Ok(None)),
    ] {
        let cleaned = sanitise.target(&path(text)).map_err(|invalid| invalid.fault);
        assert_eq!(cleaned, expected.map(|text| text.map(path)), "{text}");
    }
    // It comes to nothing to strip a query of what it hides where the rest says the same.
    let many = format!("/?{}", "a&".repeat(2_000));
    let refused = strict.target(&path(&many)).map_err(|invalid| invalid.fault);
    assert_eq!(refused, Err(Fault::TooManyValues));
}

#[test]
fn generated_texts_are_read_as_the_validator_reads_them() {
    let passes = sanitise(|policy| {
        policy.control_characters = ControlCharacters::Pass;
        policy.unicode = UnicodeForm::Pass;
        (policy.depth_max, policy.values_max) = (64, 64);
    });
    let seeds = [
        &br#"{"a":[1,-2.5e3,"x\u00e9\ud83d\ude00",null,true],"b":{"c":{}}}"#[..],
        b"[[],{},\"\",0,false,1E-7]",
        b"{\"a\":1,\"b\":2}",
    ];
    let seeds = seeds.map(<[u8]>::to_vec);
    let bounds = Bounds { depth: 64, values: 64 };
    let mut read = 0;
    for text in cases(37, 20_000, &seeds) {
        if text.is_empty() {
            continue;
        }
        let shown = String::from_utf8_lossy(&text);
        match (body(&passes, JSON, &text), json::read(&text, bounds)) {
            (Ok(cleaned), Ok(_)) => {
                assert_eq!(cleaned, None, "{shown}");
                read += 1;
            }
            // The one thing that is the validator's alone: here no number is made.
            (Ok(_), Err(invalid)) => assert_eq!(invalid.fault, Fault::NumberRange, "{shown}"),
            (Err(found), Ok(_)) => panic!("{shown}: {found:?}"),
            (Err(_), Err(_)) => {}
        }
    }
    assert!(read > 1_000, "{read}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a text says: cleaned twice is cleaned once, and what it means besides stays.
    #[test]
    fn cleaned_texts_stay_as_they_are(text in "\\PC{0,40}|[<>&'\"=a-e\\u{300}-\\u{308}\\u{200b}\\u{202e}\0/ !\\-]{0,60}") {
        let strips = sanitise(strips);
        for name in ["plain", "html"] {
            let given = Value::from_iter([(name, text.clone())]).to_string();
            let Ok(cleaned) = body(&strips, JSON, given.as_bytes()) else { continue };
            let once = cleaned.unwrap_or(given);
            prop_assert_eq!(body(&strips, JSON, once.as_bytes()), Ok(None));
            let value: Value = serde_json::from_str(&once).unwrap();
            let found = value[name].as_str().unwrap();
            prop_assert!(unicode_normalization::is_nfc(found));
            prop_assert!(!found.chars().any(super::characters::is_hidden));
        }
        let form: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("plain", &text)
            .append_pair("html", &text)
            .finish();
        if let Ok(Some(once)) = body(&strips, FORM, form.as_bytes()) {
            prop_assert_eq!(body(&strips, FORM, once.as_bytes()), Ok(None));
        }
    }
}
