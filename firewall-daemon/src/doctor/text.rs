//! Findings for people: the bad ones with what was expected and what to do, the good ones in a line.

use std::fmt::Write as _;

use super::{Level, Report};

/// One finding after the other, and how many of each level.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        let (level, check) = (finding.level.label(), &finding.check);
        let found = plain(&finding.found);
        // A String takes what is written to it.
        let _ = writeln!(text, "{level:<8} {check}: {found}");
        if finding.level > Level::Ok {
            let _ = writeln!(text, "           expected {}", plain(&finding.expected));
        }
        if let Some(remedy) = &finding.remedy {
            let _ = writeln!(text, "           remedy   {}", plain(remedy));
        }
    }
    let count = |level| report.findings.iter().filter(|finding| finding.level == level).count();
    let [ok, notices, warnings, errors] =
        [Level::Ok, Level::Notice, Level::Warning, Level::Error].map(count);
    let _ = writeln!(text, "{errors} errors, {warnings} warnings, {notices} notices, {ok} ok");
    text
}

/// What comes from files and tools must not steer the terminal.
fn plain(text: &str) -> String {
    text.replace(char::is_control, " ")
}
