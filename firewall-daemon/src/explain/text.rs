//! An explanation for people.

use std::fmt::{self, Write as _};

use super::Explanation;
use crate::status::duration;

/// The explanation as lines of text.
#[must_use]
pub fn render(explanation: &Explanation) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut out, explanation);
    out
}

fn write(out: &mut String, explanation: &Explanation) -> fmt::Result {
    let Explanation { verdict, reason, stage, .. } = explanation;
    writeln!(out, "verdict     {verdict} {reason}")?;
    writeln!(out, "next        {}", shown(&explanation.next))?;
    writeln!(out, "stage       {stage}, generation {}", explanation.generation)?;
    let mut line = |name: &str, value: Option<String>| match value {
        Some(value) => writeln!(out, "{name:<11} {}", shown(&value)),
        None => Ok(()),
    };
    line("assumed", explanation.assumed.clone())?;
    line("protocol", Some(explanation.protocol.clone()))?;
    line("source", explanation.source.map(|source| source.to_string()))?;
    line("in tunnel", explanation.inner.map(|inner| inner.to_string()))?;
    line("decided by", explanation.address.map(|address| address.to_string()))?;
    line("list", explanation.list.clone())?;
    line("prefix", explanation.prefix.clone())?;
    line("country", explanation.country.clone())?;
    let organisation = explanation.organisation.as_ref();
    let organisation = organisation.map_or(String::new(), |name| format!(", {name}"));
    line("system", explanation.asn.map(|asn| format!("AS{asn}{organisation}")))?;
    line("rule", explanation.rule.clone())?;
    line("shadow", explanation.shadow.clone())?;
    let ban = explanation.ban.as_ref();
    line("ban", ban.map(|ban| format!("{}, {} left", ban.source, duration(ban.left_s))))?;
    line("banned by", ban.and_then(|ban| ban.who.clone()))?;
    line("because", ban.and_then(|ban| ban.reason.clone()))
}

/// Nothing that a terminal would obey; quotes may stand as they are.
#[must_use]
pub fn shown(text: &str) -> String {
    let shown = |character: char| match character {
        '\'' | '"' => character.to_string(),
        other => other.escape_debug().to_string(),
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::BanStatus;

    #[test]
    fn what_is_known_has_a_line_and_nothing_foreign_reaches_a_terminal() {
        let address = |text: &str| text.parse().ok();
        let explanation = Explanation {
            generation: 3,
            verdict: "drop".to_owned(),
            reason: "ban".to_owned(),
            stage: "tunnel".to_owned(),
            protocol: "other".to_owned(),
            source: address("198.18.0.2"),
            inner: address("198.18.0.1"),
            address: address("198.18.0.1"),
            list: Some("it's \u{1b}[2J".to_owned()),
            asn: Some(64_496),
            organisation: Some("Bad \u{7} Guys".to_owned()),
            ban: address("198.18.0.1").map(|source| BanStatus {
                source,
                left_s: 3_599,
                who: Some("gateway".to_owned()),
                reason: Some("credential_refused 17".to_owned()),
            }),
            next: "passes to the host's network stack".to_owned(),
            ..Explanation::default()
        };
        let expected = "verdict     drop ban\n\
                        next        passes to the host's network stack\n\
                        stage       tunnel, generation 3\n\
                        protocol    other\n\
                        source      198.18.0.2\n\
                        in tunnel   198.18.0.1\n\
                        decided by  198.18.0.1\n\
                        list        it's \\u{1b}[2J\n\
                        system      AS64496, Bad \\u{7} Guys\n\
                        ban         198.18.0.1, 59 min 59 s left\n\
                        banned by   gateway\n\
                        because     credential_refused 17\n";
        assert_eq!(render(&explanation), expected);
    }
}
