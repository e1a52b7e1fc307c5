//! A plan for people.

use std::fmt::Write as _;

use super::{Plan, SeenChange};

/// The plan as lines.
#[must_use]
pub fn render(plan: &Plan, file: &str) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write(plan, file, &mut text);
    text
}

fn write(plan: &Plan, file: &str, text: &mut String) -> std::fmt::Result {
    if plan.is_nothing() {
        writeln!(text, "nothing to change: {file} is what is in force")?;
    } else {
        writeln!(text, "{file} against generation {} in force:", plan.generation)?;
    }
    for list in &plan.lists {
        let (section, name) = (&list.section, &list.name);
        match (list.before, list.after) {
            (None, Some(after)) => writeln!(text, "+ {section} list {name}: {after} prefixes")?,
            (Some(before), None) => writeln!(text, "- {section} list {name}: {before} prefixes")?,
            (before, after) => writeln!(
                text,
                "~ {section} list {name}: {} -> {} prefixes, {} new, {} gone",
                before.unwrap_or(0),
                after.unwrap_or(0),
                list.new,
                list.gone
            )?,
        }
    }
    for change in &plan.changes {
        writeln!(text, "~ {}: {} -> {}", change.what, change.before, change.after)?;
    }
    let seen = &plan.seen;
    writeln!(
        text,
        "seen: {} sources of the last sampled drops, {} other ends of open TCP connections; who only \
         passed and is gone is not known",
        seen.from_events, seen.connected
    )?;
    sources(text, "would be dropped", &seen.dropped)?;
    sources(text, "would no longer be dropped", &seen.let_in)?;
    if seen.left_off > 0 {
        writeln!(text, "  and {} more", seen.left_off)?;
    }
    for cut in &plan.cuts {
        writeln!(text, "REFUSED: {cut}")?;
    }
    if let Some(restart) = &plan.restart {
        writeln!(text, "REFUSED: {restart}")?;
    }
    Ok(())
}

fn sources(text: &mut String, what: &str, sources: &[SeenChange]) -> std::fmt::Result {
    if sources.is_empty() {
        return writeln!(text, "  none {what}");
    }
    writeln!(text, "  {} {what}:", sources.len())?;
    for SeenChange { source, traffic, by } in sources {
        writeln!(text, "    {source}  {traffic}  by {by}")?;
    }
    Ok(())
}
