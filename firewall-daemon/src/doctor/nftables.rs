//! Another filter on the same packets: what it drops, Seawall's counters count as passed.

use serde::Deserialize;
use serde_json::Value;

use super::{Finding, Level};

const CHECK: &str = "nftables";
const EXPECTED: &str = "no chain on the way in that drops what Seawall lets pass";
/// Where packets of the network arrive.
const HOOKS: [&str; 3] = ["ingress", "prerouting", "input"];

/// What `nft -j list ruleset` prints.
#[derive(Deserialize)]
struct Ruleset {
    nftables: Vec<Object>,
}

/// One of many kinds; these two matter.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Object {
    chain: Option<Chain>,
    rule: Option<Rule>,
}

#[derive(Deserialize)]
struct Chain {
    family: String,
    table: String,
    name: String,
    hook: Option<String>,
    policy: Option<String>,
}

#[derive(Deserialize)]
struct Rule {
    family: String,
    table: String,
    chain: String,
    #[serde(default)]
    expr: Vec<Value>,
}

pub fn judge(ruleset: &Result<String, String>) -> Vec<Finding> {
    let parsed = ruleset.as_ref().map_err(Clone::clone).and_then(|text| {
        serde_json::from_str::<Ruleset>(text).map_err(|error| format!("nft's JSON: {error}"))
    });
    match parsed {
        Ok(ruleset) => {
            let findings = conflicts(&ruleset.nftables);
            if findings.is_empty() {
                return vec![Finding::ok(CHECK, EXPECTED, "none")];
            }
            findings
        }
        Err(why) => {
            let found = format!("unknown whether there is one: {why}");
            vec![Finding::not(Level::Notice, CHECK, EXPECTED, found, "as root: nft list ruleset")]
        }
    }
}

fn conflicts(objects: &[Object]) -> Vec<Finding> {
    let chains = objects.iter().filter_map(|object| object.chain.as_ref());
    let hooked = chains.filter_map(|chain| {
        let hook = chain.hook.as_deref()?;
        HOOKS.contains(&hook).then_some((chain, hook))
    });
    hooked
        .filter_map(|(chain, hook)| {
            let Chain { family, table, name, .. } = chain;
            let named = format!("table {family} {table}, chain {name}, hook {hook}");
            let remedy = format!(
                "see that it accepts what Seawall lets pass: nft list chain {family} {table} {name}"
            );
            if chain.policy.as_deref() == Some("drop") {
                let found = format!("{named}: policy drop");
                return Some(Finding::not(Level::Warning, CHECK, EXPECTED, found, remedy));
            }
            let rules = objects.iter().filter_map(|object| object.rule.as_ref());
            let drops = rules.filter(|rule| rule.is_in(chain) && rule.drops()).count();
            let found = format!("{named}: {drops} rules that drop or reject");
            (drops > 0).then(|| Finding::not(Level::Notice, CHECK, EXPECTED, found, remedy))
        })
        .collect()
}

impl Rule {
    fn is_in(&self, chain: &Chain) -> bool {
        (&self.family, &self.table, &self.chain) == (&chain.family, &chain.table, &chain.name)
    }

    fn drops(&self) -> bool {
        self.expr.iter().any(|part| part.get("drop").is_some() || part.get("reject").is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rulesets() {
        let chain = |hook: &str, policy: &str| {
            format!(
                r#"{{"chain":{{"family":"inet","table":"f","name":"c","handle":1,"type":"filter","hook":"{hook}","prio":0,"policy":"{policy}"}}}}"#
            )
        };
        let rule = |verdict: &str| {
            format!(
                r#"{{"rule":{{"family":"inet","table":"f","chain":"c","handle":2,"expr":[{{"{verdict}":null}}]}}}}"#
            )
        };
        let meta = r#"{"metainfo":{"version":"1.0.6","json_schema_version":1}}"#.to_owned();
        let plain = r#"{"chain":{"family":"inet","table":"f","name":"c","handle":1}}"#.to_owned();
        for (objects, level) in [
            (vec![], Level::Ok),
            (vec![chain("input", "accept")], Level::Ok),
            (vec![chain("input", "drop")], Level::Warning),
            (vec![chain("ingress", "drop")], Level::Warning),
            (vec![chain("output", "drop")], Level::Ok),
            (vec![chain("prerouting", "accept"), rule("drop")], Level::Notice),
            (vec![chain("input", "accept"), rule("accept")], Level::Ok),
            (vec![plain, rule("drop")], Level::Ok),
        ] {
            let objects = [vec![meta.clone()], objects].concat().join(",");
            let found = judge(&Ok(format!("{{\"nftables\":[{objects}]}}")));
            assert_eq!((found.len(), found[0].level), (1, level), "{objects}");
        }
        for answer in [Ok("table inet f {}".to_owned()), Err("nft does not run".to_owned())] {
            assert_eq!(judge(&answer)[0].level, Level::Notice, "{answer:?}");
        }
    }
}
