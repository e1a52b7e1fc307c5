//! Cookies that are ours alone, and texts that are sessions.

use http::{HeaderMap, HeaderValue, header};

use super::{OwnCookies, SessionText};
use crate::{generated::cases, identity::session::error::SessionError};

fn own() -> OwnCookies {
    OwnCookies {
        sessions: vec!["__Host-s".to_owned()],
        progress: vec!["__Host-login-m-".to_owned()],
    }
}

fn lines(
    name: &header::HeaderName,
    given: &[&str],
    change: impl Fn(&mut HeaderMap),
) -> Vec<String> {
    let mut headers = HeaderMap::new();
    for line in given {
        headers.append(name, HeaderValue::from_bytes(line.as_bytes()).unwrap());
    }
    change(&mut headers);
    let left = headers.get_all(name).iter();
    left.map(|line| String::from_utf8(line.as_bytes().to_vec()).unwrap()).collect()
}

#[test]
fn an_upstream_gets_no_cookie_of_ours() {
    for (given, expected) in [
        (&[][..], &[][..]),
        (&["a=b"][..], &["a=b"][..]),
        (&["__Host-s=x"], &[]),
        (&["a=b; __Host-s=x; c=d"], &["a=b; c=d"]),
        (&["__Host-s=x;a=b"], &["a=b"]),
        (&["a=b", "__Host-s=x", "c=d"], &["a=b", "c=d"]),
        (&["__Host-login-m-0=x; a=b; __Host-login-m-3=y"], &["a=b"]),
        (&["__Host-s", " __Host-s =x"], &[]),
        (
            &["__Host-other=x; __host-s=y; a=__Host-s=z"],
            &["__Host-other=x; __host-s=y; a=__Host-s=z"],
        ),
        (&["a=\u{fc}; __Host-s=x"], &["a=\u{fc}"]),
    ] {
        let left = lines(&header::COOKIE, given, |headers| own().withhold(headers));
        assert_eq!(left, expected, "{given:?}");
        // Without a login there is nothing to withhold.
        let none = lines(&header::COOKIE, given, |headers| OwnCookies::default().withhold(headers));
        assert_eq!(none, given);
    }
}

#[test]
fn an_upstream_sets_no_cookie_of_ours() {
    for (given, expected) in [
        (&["a=b; Path=/"][..], &["a=b; Path=/"][..]),
        (&["__Host-s=x; Path=/; Secure"], &[]),
        (&[" __Host-s =x", "a=b"], &["a=b"]),
        (&["__Host-login-m-1=x"], &[]),
        (&["__Host-s"], &[]),
        (&["a=__Host-s"], &["a=__Host-s"]),
    ] {
        let left = lines(&header::SET_COOKIE, given, |headers| own().keep_own(headers));
        assert_eq!(left, expected, "{given:?}");
    }
}

#[test]
fn a_session_has_one_text() {
    let text = SessionText::generate().unwrap();
    assert_eq!(text.reveal().len(), 43);
    assert_eq!(SessionText::parse(text.reveal()), Ok(text.clone()));
    assert_ne!(SessionText::generate().unwrap(), text);
    assert!(!format!("{text:?}").contains(text.reveal()));
    let long = format!("{}A", text.reveal());
    for other in ["", "x", &text.reveal()[1..], &long, &format!("{}=", text.reveal())] {
        assert_eq!(SessionText::parse(other), Err(SessionError::Malformed), "{other}");
    }
    let mut read = 0;
    for bytes in cases(5, 20_000, &[text.reveal().as_bytes().to_vec()]) {
        let Ok(given) = std::str::from_utf8(&bytes) else { continue };
        if let Ok(found) = SessionText::parse(given) {
            read += 1;
            assert_eq!(found.reveal(), given);
        }
    }
    assert!(read > 100, "{read}");
}
