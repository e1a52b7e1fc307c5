//! The package's version and its changelog, in Debian's form: both come from packaging/debian/changelog.

use std::{fmt, fs, process::Command, str::FromStr};

use anyhow::{Context as _, Result, bail};

use crate::shell;

/// An upstream version with a Debian revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    upstream: String,
    revision: u32,
}

impl Version {
    /// The next revision.
    pub fn next(&self) -> Self {
        Self { upstream: self.upstream.clone(), revision: self.revision + 1 }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(text, "{}-{}", self.upstream, self.revision)
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected a version such as 0.2.0-1, found {text:?}");
        let (upstream, revision) = text.rsplit_once('-').ok_or_else(expected)?;
        let sound = upstream.starts_with(|first: char| first.is_ascii_digit())
            && upstream
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || ".~+".contains(letter));
        match revision.parse() {
            Ok(revision) if sound => Ok(Self { upstream: upstream.to_owned(), revision }),
            _ => Err(expected()),
        }
    }
}

/// What the changelog says.
pub struct Changelog {
    /// The newest version.
    pub version: Version,
    /// Who keeps the package.
    pub maintainer: String,
    /// Its time, in seconds since 1970: that of every file in the package.
    pub epoch_s: u64,
    /// The whole text.
    pub text: String,
}

impl Changelog {
    /// Reads it; with a version that it does not have, an entry is put on top.
    pub fn read(version: Option<&Version>) -> Result<Self> {
        let path = shell::workspace()?.join("packaging/debian/changelog");
        let text = fs::read_to_string(&path)
            .with_context(|| format!("could not read {}", path.display()))?;
        let newest = text
            .split_once('(')
            .and_then(|(_, rest)| rest.split_once(')'))
            .with_context(|| format!("{}: no version in the first line", path.display()))?;
        let newest: Version = newest.0.parse().map_err(anyhow::Error::msg)?;
        let signature = text.lines().find_map(|line| line.strip_prefix(" -- "));
        let (maintainer, date) =
            signature.and_then(|line| line.split_once("  ")).with_context(|| {
                format!("{}: no line such as ` -- NAME <MAIL>  DATE`", path.display())
            })?;
        if newest.upstream != env!("CARGO_PKG_VERSION") {
            bail!(
                "{}: expected an entry of version {}, found {newest} on top",
                path.display(),
                env!("CARGO_PKG_VERSION")
            );
        }
        let epoch_s = match std::env::var("SOURCE_DATE_EPOCH") {
            Ok(given) => given.parse().context("SOURCE_DATE_EPOCH: expected seconds since 1970")?,
            Err(_) => epoch_s(date)?,
        };
        let maintainer = maintainer.to_owned();
        match version {
            Some(version) if *version != newest => {
                let entry = format!(
                    "seawall ({version}) unstable; urgency=medium\n\n  * Built as {version}.\n\n -- {maintainer}  {date}\n\n"
                );
                Ok(Self { version: version.clone(), maintainer, epoch_s, text: entry + &text })
            }
            Some(_) | None => Ok(Self { version: newest, maintainer, epoch_s, text }),
        }
    }
}

fn epoch_s(date: &str) -> Result<u64> {
    let seconds = shell::output(Command::new("date").args(["-u", "+%s", "-d", date]))?;
    seconds.trim().parse().with_context(|| format!("`date` made {seconds:?} of {date:?}"))
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn versions_are_read_and_counted() {
        for (text, next) in [("0.1.0-1", "0.1.0-2"), ("1.2~rc1-9", "1.2~rc1-10")] {
            let version: Version = text.parse().expect("a version");
            assert_eq!(
                (version.to_string(), version.next().to_string()),
                (text.to_owned(), next.to_owned())
            );
        }
        for text in ["", "0.1.0", "-1", "0.1.0-", "0.1.0-x", "v1-1", "1/..-1", "1 -1"] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }
}
