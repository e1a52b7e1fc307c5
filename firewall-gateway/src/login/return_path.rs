//! Where a browser may be sent to after its login: a path of ours, which no browser reads as another site.

use crate::limits::RETURN_PATH_BYTES_MAX;

/// The path if it is one, else the first page.
#[must_use]
pub fn checked(path: &str) -> &str {
    if is_own(path) { path } else { HOME }
}

/// Whether it is one. Browsers read `//host` and `/\host` as another site, and strip tabs and newlines before they look.
#[must_use]
pub fn is_own(path: &str) -> bool {
    let mut bytes = path.bytes();
    let begins = bytes.next() == Some(b'/') && bytes.next() != Some(b'/');
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"\\\"<>^`{|}".contains(&byte);
    begins
        && path.len() <= RETURN_PATH_BYTES_MAX
        && path.bytes().all(plain)
        // A login that leads to a login never ends.
        && !path.starts_with(super::PREFIX)
}

const HOME: &str = "/";

#[cfg(test)]
mod tests {
    use super::{RETURN_PATH_BYTES_MAX, checked};

    #[test]
    fn no_other_site_is_a_path() {
        let long = format!("/{}", "a".repeat(RETURN_PATH_BYTES_MAX));
        for good in [
            "/",
            "/a",
            "/a/b?c=d&e=/f//g#h",
            "/?next=https://other.example/",
            "/a%0d%0aSet-Cookie:x",
            "/%2f%2fother.example",
            "/@other.example",
            "/.well-known/x",
            &long[..RETURN_PATH_BYTES_MAX],
        ] {
            assert_eq!(checked(good), good);
        }
        for other in [
            "",
            "a",
            "//other.example",
            "///other.example",
            "/\\other.example",
            "\\\\other.example",
            "/\t/other.example",
            "\t//other.example",
            " //other.example",
            "/\n/other.example",
            "/a\r\nSet-Cookie: x=y",
            "/a\0",
            "/a b",
            "/\u{fc}",
            "https://other.example/",
            "https:other.example",
            "javascript:alert(1)",
            "data:text/html,x",
            "?a",
            "#a",
            ".",
            "/a\\..\\b",
            "/<script>",
            "/.seawall/login/main",
            "/.seawall/logout/main",
            &long,
        ] {
            assert_eq!(checked(other), "/", "{other:?}");
        }
    }
}
