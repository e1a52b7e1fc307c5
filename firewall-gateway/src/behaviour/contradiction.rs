//! A `User-Agent` that claims a browser, on a TLS stack that no such browser has.
//!
//! The rule is small, and says nothing where it could be wrong: it looks at current versions of Chromium, Firefox and
//! Apple's Safari, at three properties that none of them has been without for years, and at no list of fingerprints,
//! which would be out of date with the next browser.

use crate::clients::ja4::Stack;

/// Whether no browser that claims this has such a stack.
#[must_use]
pub fn contradicts(user_agent: &str, stack: Stack) -> bool {
    let Some(claim) = Claim::of(user_agent) else { return false };
    !stack.tls_1_3 || !stack.alpn || (claim.greases() && !stack.grease)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    /// Chrome, and who is built from it.
    Chromium,
    Firefox,
    /// Of Apple: others under this name have stacks of their own.
    Safari,
}

impl Claim {
    fn of(user_agent: &str) -> Option<Self> {
        // Crawlers say what they are in this way, and have stacks of their own.
        if !user_agent.starts_with("Mozilla/5.0 (") || user_agent.contains("compatible") {
            return None;
        }
        let since = |product: &str, version: u32| {
            let (_, rest) = user_agent.split_once(product)?;
            let digits = rest.split(|other: char| !other.is_ascii_digit()).next()?;
            digits.parse::<u32>().ok().filter(|found| *found >= version)
        };
        if user_agent.contains("Chrome/") {
            return since("Chrome/", CHROMIUM_SINCE).map(|_| Self::Chromium);
        }
        if user_agent.contains("Firefox/") {
            return since("Firefox/", FIREFOX_SINCE).map(|_| Self::Firefox);
        }
        let apples = user_agent.contains("Mac OS X") && user_agent.contains("Safari/");
        since("Version/", SAFARI_SINCE).filter(|_| apples).map(|_| Self::Safari)
    }

    /// Whether it sends values that mean nothing (RFC 8701). Firefox does not.
    fn greases(self) -> bool {
        self != Self::Firefox
    }
}

/// Versions of 2022: what is older may have anything, and is hardly to be seen.
const CHROMIUM_SINCE: u32 = 100;
const FIREFOX_SINCE: u32 = 100;
const SAFARI_SINCE: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const BROWSER: Stack = Stack { tls_1_3: true, alpn: true, grease: true };
    const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
    const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    const SAFARI: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1";

    #[test]
    fn a_browser_has_its_stack() {
        let no_grease = Stack { grease: false, ..BROWSER };
        let no_alpn = Stack { alpn: false, ..BROWSER };
        let old = Stack { tls_1_3: false, ..BROWSER };
        for (user_agent, stack, expected) in [
            (CHROME, BROWSER, false),
            (CHROME, no_grease, true),
            (CHROME, no_alpn, true),
            (CHROME, old, true),
            (FIREFOX, BROWSER, false),
            (FIREFOX, no_grease, false),
            (FIREFOX, no_alpn, true),
            (FIREFOX, old, true),
            (SAFARI, BROWSER, false),
            (SAFARI, no_grease, true),
            (SAFARI, old, true),
        ] {
            assert_eq!(contradicts(user_agent, stack), expected, "{user_agent} {stack:?}");
        }
    }

    #[test]
    fn nothing_is_said_of_what_claims_no_current_browser() {
        let none = Stack { tls_1_3: false, alpn: false, grease: false };
        let chrome = |version: &str| CHROME.replace("140.0.0.0", version);
        for user_agent in [
            "",
            "curl/8.14.1",
            "python-requests/2.32",
            "Chrome/140.0.0.0",
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html) Chrome/140.0.0.0 Safari/537.36",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Safari/605.1.15",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/140.0 Mobile/15E148 Safari/605.1.15",
            &chrome("99.0"),
            &chrome(""),
            &chrome("x140"),
            &chrome("99999999999999999999"),
            &SAFARI.replace("Version/17.5", "Version/15.6"),
            &FIREFOX.replace("Firefox/140.0", "Firefox/91.0"),
        ] {
            assert!(!contradicts(user_agent, none), "{user_agent}");
        }
        assert!(contradicts(&chrome("100"), none), "the nearest that is one");
    }
}
