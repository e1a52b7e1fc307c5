//! Which events are shown: those that meet every filter, and of one filter any of its values.

use clap::{Args, builder::PossibleValuesParser};
use firewall_common::{Country, Protocol, Reason};
use ipnetwork::IpNetwork;

use crate::{config::country, policy::prefix, status::EventLine};

fn reasons() -> PossibleValuesParser {
    PossibleValuesParser::new(Reason::ALL.map(Reason::label))
}

fn protocols() -> PossibleValuesParser {
    PossibleValuesParser::new(Protocol::ALL.map(Protocol::label))
}

/// Filters; each may be given more than once.
#[derive(Args, Clone, Debug, Default)]
pub struct Filter {
    /// Only drops for this reason.
    #[arg(long, value_name = "REASON", value_parser = reasons(), hide_possible_values = true)]
    reason: Vec<String>,
    /// Only sources that this list holds.
    #[arg(long, value_name = "NAME")]
    list: Vec<String>,
    /// Only sources of this country, such as DE.
    #[arg(long, value_name = "COUNTRY", value_parser = country::parse)]
    country: Vec<Country>,
    /// Only sources in this prefix.
    #[arg(long, value_name = "PREFIX", value_parser = prefix::parse)]
    source: Vec<IpNetwork>,
    /// Only what arrived on this interface.
    #[arg(long, value_name = "NAME")]
    interface: Vec<String>,
    /// Only what carried this protocol.
    #[arg(long, value_name = "PROTOCOL", value_parser = protocols(), hide_possible_values = true)]
    protocol: Vec<String>,
}

impl Filter {
    /// Whether an event is shown.
    pub fn admits(&self, event: &EventLine) -> bool {
        any(&self.reason, |reason| *reason == event.reason)
            && any(&self.protocol, |protocol| *protocol == event.protocol)
            && any(&self.list, |list| event.list.as_ref() == Some(list))
            && any(&self.interface, |name| event.interface.as_ref() == Some(name))
            && any(&self.country, |country| {
                event.country.as_ref().is_some_and(|found| *found == country.to_string())
            })
            && any(&self.source, |prefix| {
                event.source_address().is_some_and(|ip| prefix.contains(ip))
            })
    }

    /// Refuses an interface that the daemon does not watch.
    pub fn check_interfaces(&self, watched: &[String]) -> anyhow::Result<()> {
        for name in &self.interface {
            anyhow::ensure!(
                watched.contains(name),
                "--interface: expected one of {}, found {name:?}",
                watched.join(", ")
            );
        }
        Ok(())
    }

    /// Refuses a list that the policy in force does not have.
    pub fn check_lists(
        &self,
        known: impl FnOnce() -> anyhow::Result<Vec<String>>,
    ) -> anyhow::Result<()> {
        if self.list.is_empty() {
            return Ok(());
        }
        let known = known()?;
        for name in &self.list {
            let names = if known.is_empty() {
                "none, as there is no list".to_owned()
            } else {
                known.join(", ")
            };
            anyhow::ensure!(
                known.contains(name),
                "--list: expected one of {names}, found {name:?}"
            );
        }
        Ok(())
    }
}

/// A filter that was not given admits all.
fn any<T>(values: &[T], meets: impl Fn(&T) -> bool) -> bool {
    values.is_empty() || values.iter().any(meets)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        filter: Filter,
    }

    fn parse(line: &str) -> Result<Filter, clap::Error> {
        let words = ["watch"].into_iter().chain(line.split_whitespace());
        Line::try_parse_from(words).map(|line| line.filter)
    }

    #[test]
    fn filters_are_combined() {
        let some = |text: &str| Some(text.to_owned());
        let event = EventLine {
            reason: "deny".to_owned(),
            protocol: "udp".to_owned(),
            list: some("spam"),
            country: some("DE"),
            source: some("198.51.100.7:40000"),
            interface: some("eth0"),
            ..EventLine::default()
        };
        let bare = EventLine { reason: "malformed".to_owned(), ..EventLine::default() };
        let ipv6 = EventLine { source: some("[2001:db8:d::7]:53"), ..event.clone() };
        for (line, admits) in [
            ("", [true, true, true]),
            ("--reason deny", [true, false, true]),
            ("--reason deny --reason malformed", [true, true, true]),
            ("--reason geo", [false, false, false]),
            ("--protocol udp --country DE", [true, false, true]),
            ("--protocol tcp --country DE", [false, false, false]),
            ("--source 198.51.100.0/24", [true, false, false]),
            ("--source 198.51.100.8", [false, false, false]),
            ("--source 2001:db8:d::/48", [false, false, true]),
            ("--list spam --interface eth0", [true, false, true]),
            ("--list other", [false, false, false]),
            ("--interface eth1", [false, false, false]),
        ] {
            let filter = parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            let found = [&event, &bare, &ipv6].map(|event| filter.admits(event));
            assert_eq!(found, admits, "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_what_there_is() {
        for (line, words) in [
            ("--reason rude", "rate_source"),
            ("--protocol sctp", "icmpv6"),
            ("--country Germany", "Germany"),
            ("--source 198.51.100.7/24", "198.51.100.0/24"),
        ] {
            let error = parse(line).expect_err("it is wrong").to_string();
            assert!(error.contains(words), "{line}: {error}");
        }
        let filter = parse("--list lost --interface eth9").expect("the words are well-formed");
        let known = || Ok(vec!["spam".to_owned(), "scan".to_owned()]);
        let error = filter.check_lists(known).expect_err("no such list").to_string();
        assert_eq!(error, "--list: expected one of spam, scan, found \"lost\"");
        let error = filter.check_interfaces(&["eth0".to_owned()]).expect_err("none").to_string();
        assert_eq!(error, "--interface: expected one of eth0, found \"eth9\"");
    }
}
