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
    writeln!(out, "next        {}", explanation.next.escape_debug())?;
    writeln!(out, "stage       {stage}, generation {}", explanation.generation)?;
    let mut line = |name: &str, value: Option<String>| match value {
        Some(value) => writeln!(out, "{name:<11} {}", value.escape_debug()),
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
    line("rule", explanation.rule.clone())?;
    line("shadow", explanation.shadow.clone())?;
    let ban = explanation.ban.as_ref();
    line("ban", ban.map(|ban| format!("{}, {} left", ban.source, duration(ban.left_s))))
}
