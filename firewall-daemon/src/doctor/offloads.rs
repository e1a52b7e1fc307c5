//! Offloads that change what the program sees: a tag that the card took off is not in the frame, and packets that
//! it glued together are judged as one.

use std::{collections::BTreeMap, fs};

use super::{Finding, Level, run};

/// The VLAN interfaces of this thread's network namespace; absent where the kernel has none.
const VLANS: &str = "/proc/thread-self/net/vlan/config";

pub fn examine(name: &str) -> Vec<Finding> {
    let vlans = vlans_on(name, &fs::read_to_string(VLANS).unwrap_or_default());
    judge(name, &vlans, &run("ethtool", &["-k", name]))
}

/// Lines such as `eth0.5 | 5 | eth0`, below two of headings.
fn vlans_on(name: &str, table: &str) -> Vec<String> {
    let vlan = |line: &str| {
        let mut columns = line.split('|').map(str::trim);
        let (vlan, _, below) = (columns.next()?, columns.next()?, columns.next()?);
        (below == name).then(|| vlan.to_owned())
    };
    table.lines().filter_map(vlan).collect()
}

fn judge(name: &str, vlans: &[String], answer: &Result<String, String>) -> Vec<Finding> {
    let text = match answer {
        Ok(text) => text,
        Err(why) => {
            let (check, expected) = (format!("{name} offloads"), "rx-vlan-offload and LRO off");
            let (found, remedy) = (format!("unknown: {why}"), "apt-get install ethtool");
            return vec![Finding::not(Level::Notice, &check, expected, found, remedy)];
        }
    };
    let features: BTreeMap<&str, &str> = text
        .lines()
        .filter_map(|line| line.trim().split_once(": "))
        .map(|(feature, state)| (feature, state.trim()))
        .collect();
    // Without VLANs there is no tag to be missed. With them a SYN cookie would leave without its tag.
    let (tags, tags_level) = match vlans {
        [] => (
            "tags would be taken off before the program sees the frame, and no VLAN is here"
                .to_owned(),
            Level::Notice,
        ),
        vlans => {
            let vlans = vlans.join(", ");
            let tags = format!(
                "the tags of {vlans} are taken off before the program sees the frame: its own answers lack them"
            );
            (tags, Level::Warning)
        }
    };
    let glued = "the card glues packets together before they are judged".to_owned();
    [
        ("rx-vlan-offload", "rxvlan", tags, tags_level),
        ("large-receive-offload", "lro", glued, Level::Warning),
    ]
    .into_iter()
    .map(|(feature, short, what, level)| {
        let (check, expected) = (format!("{name} {feature}"), "off");
        match features.get(feature) {
            Some(state) if state.starts_with("on") => {
                let found = format!("{state}: {what}");
                let remedy = format!("ethtool -K {name} {short} off");
                Finding::not(level, &check, expected, found, remedy)
            }
            Some(state) => Finding::ok(&check, expected, *state),
            None => {
                let (found, remedy) =
                    ("unknown: ethtool does not name it", format!("ethtool -k {name}"));
                Finding::not(Level::Notice, &check, expected, found, remedy)
            }
        }
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vlans_of_one_interface() {
        let table = "VLAN Dev name\t | VLAN ID\nName-Type: VLAN_NAME_TYPE_RAW_PLUS_VID_NO_PAD\n\
                     eth0.5         | 5  | eth0\nguests         | 7  | eth0\neth1.5         | 5  | eth1\n";
        assert_eq!(vlans_on("eth0", table), ["eth0.5", "guests"]);
        assert_eq!(vlans_on("eth1", table), ["eth1.5"]);
        assert!(vlans_on("eth2", table).is_empty());
        assert!(vlans_on("eth0", "").is_empty() && vlans_on("eth0", "|\n||\n").is_empty());
    }

    #[test]
    fn what_ethtool_says() {
        use Level::{Notice, Ok as Good, Warning};
        let none: [String; 0] = [];
        let some = ["eth0.5".to_owned()];
        for (text, vlans, levels) in [
            ("rx-vlan-offload: off\nlarge-receive-offload: off [fixed]\n", &some[..], [Good, Good]),
            ("\trx-vlan-offload: on\nlarge-receive-offload: off\n", &some, [Warning, Good]),
            ("\trx-vlan-offload: on\nlarge-receive-offload: off\n", &none, [Notice, Good]),
            ("rx-vlan-offload: off\nlarge-receive-offload: on\n", &none, [Good, Warning]),
            ("", &none, [Notice, Notice]),
        ] {
            let found = judge("eth0", vlans, &Ok(text.to_owned()));
            assert_eq!([found[0].level, found[1].level], levels, "{text}");
        }
        let found = judge("eth0", &none, &Err("ethtool does not run".to_owned()));
        assert_eq!((found.len(), found[0].level), (1, Notice));
    }
}
