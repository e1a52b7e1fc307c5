//! Ways to run a script that are known, texts that are harmless, and texts that are made to be much work.

use super::{Budget, is_markup};

fn clean(text: &str) -> String {
    Budget::new().clean(text).unwrap()
}

#[test]
fn what_acts_is_gone() {
    for text in [
        "<script>alert(1)</script>",
        "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
        "<scr<script>ipt>alert(1)</scr</script>ipt>",
        "<script/x>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<img/src=x/onerror=alert(1)>",
        "<IMG \"\"\"><SCRIPT>alert(1)</SCRIPT>\">",
        "<img src=\"x\"onerror=\"alert(1)\">",
        "<img src=javascript:alert(1)>",
        "<a href=javascript:alert(1)>x</a>",
        "<a href=\"JaVaScRiPt:alert(1)\">x</a>",
        "<a href=\"&#106;avascript:alert(1)\">x</a>",
        "<a href=\"jav&#x09;ascript:alert(1)\">x</a>",
        "<a href=\"jav\nascript:alert(1)\">x</a>",
        "<a href=\" \u{1} javascript:alert(1)\">x</a>",
        "<a href=\"javascript&colon;alert(1)\">x</a>",
        "<a href=\"vbscript:msgbox(1)\">x</a>",
        "<a href=\"data:text/html;base64,PHNjcmlwdD4=\">x</a>",
        "<svg onload=alert(1)>",
        "<svg><script>alert(1)</script></svg>",
        "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
        "<svg><a><animate attributeName=href values=javascript:alert(1) /><text>x</text></a></svg>",
        "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
        "<math href=\"javascript:alert(1)\">x</math>",
        "<body onload=alert(1)>",
        "<iframe src=javascript:alert(1)></iframe>",
        "<iframe srcdoc=\"<script>alert(1)</script>\"></iframe>",
        "<object data=javascript:alert(1)></object>",
        "<embed src=javascript:alert(1)>",
        "<form action=javascript:alert(1)><input type=submit></form>",
        "<button formaction=javascript:alert(1)>x</button>",
        "<details open ontoggle=alert(1)>x</details>",
        "<video><source onerror=alert(1)></video>",
        "<audio src=x onerror=alert(1)>",
        "<marquee onstart=alert(1)>x</marquee>",
        "<div style=\"background:url(javascript:alert(1))\">x</div>",
        "<style>@import 'javascript:alert(1)';</style>",
        "<link rel=stylesheet href=javascript:alert(1)>",
        "<meta http-equiv=refresh content=\"0;url=javascript:alert(1)\">",
        "<base href=javascript:alert(1)//>",
        "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
        "<template><script>alert(1)</script></template>",
        "<textarea><script>alert(1)</script></textarea>",
        "<title><img src=x onerror=alert(1)></title>",
        "<xmp><img src=x onerror=alert(1)></xmp>",
        "<!--><script>alert(1)</script>-->",
        "<![CDATA[<script>alert(1)</script>]]>",
        "<?xml-stylesheet href=\"javascript:alert(1)\"?>",
        "<isindex type=image src=1 onerror=alert(1)>",
        "<select><style></select><img src=x onerror=alert(1)></style>",
        "<p onclick=alert(1)>x</p>",
        "<a href=x onmouseover=alert(1) autofocus tabindex=1>x</a>",
    ] {
        let cleaned = clean(text);
        assert!(acts(&cleaned).is_none(), "{text} became {cleaned}: {:?}", acts(&cleaned));
        assert_eq!(clean(&cleaned), cleaned, "{text}");
    }
}

/// What of a text would do something: its tags are those that were serialised, in lower case and quoted.
fn acts(text: &str) -> Option<&str> {
    for piece in text.split('<').skip(1) {
        let tag = piece.split_once('>').map_or(piece, |(tag, _)| tag);
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
        let harmless = ["a", "p", "b", "img", "div", "details", "s", "table", "select", "article"];
        if !harmless.contains(&name) || tag.contains(" on") {
            return Some(piece);
        }
        let addresses = ["javascript", "vbscript", "data:", "style=", "\u{1}"];
        if addresses.into_iter().any(|address| tag.to_lowercase().contains(address)) {
            return Some(piece);
        }
    }
    None
}

#[test]
fn what_text_is_set_with_stays_as_it_is() {
    for text in [
        "",
        "plain",
        "<b>bold</b> and <i>other</i>",
        "<p>a</p>\n<ul><li>b</li></ul>",
        "<a href=\"https://a.example/?b=c\" title=\"t\">d</a>",
        "<a href=\"mailto:a@b.example\">e</a>",
        "<a href=\"/here\">f</a>",
        "<img src=\"https://a.example/b.png\" alt=\"c\">",
        "a &lt; b &amp; c",
        "<blockquote>caf\u{e9} \u{1f600}</blockquote>",
    ] {
        assert_eq!(clean(text), text);
    }
    for (text, expected) in [
        ("a & b", "a &amp; b"),
        ("a < b", "a &lt; b"),
        ("<b>open", "<b>open</b>"),
        ("<a href=ftp://a.example/>x</a>", "<a>x</a>"),
        ("<p class=a id=b>x</p>", "<p>x</p>"),
    ] {
        assert_eq!(clean(text), expected);
    }
    assert!(!is_markup("a > b \" ' ;"));
}

#[test]
fn pieces_are_one_text() {
    let word = "caf\u{e9}\u{301}\u{1f600} &amp; <b>x</b>";
    let text = word.repeat(100);
    assert_eq!(clean(&text), text);
    assert_eq!(clean(&"\u{1f600}".repeat(500)), "\u{1f600}".repeat(500));
}

#[test]
fn work_is_bounded() {
    let mut budget = Budget::new();
    assert!(budget.take(&"<&".repeat(512)).is_some());
    assert!(budget.take("plain").is_some());
    assert!(budget.take("<").is_none());
    let spent = Budget { marks: 0, until: super::processor_time() };
    assert_eq!(spent.clean("<b>x</b>"), None);
}
