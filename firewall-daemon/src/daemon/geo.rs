//! `geo`: which countries are let in, in place of what the configuration says.

use std::{collections::BTreeSet, sync::Arc};

use firewall_common::Country;

use super::{
    Daemon,
    change::{Cause, ChangeError, Policy},
    lists::each_once,
    snapshot::now_epoch_s,
};
use crate::{
    config::GeoConfig,
    control::{Caller, Changed, CountryCode, GeoAsk, GeoShown},
    policy::GeoMode,
    state::GeoChange,
};

impl Daemon {
    /// `geo block`, `geo allow`, `geo only`, `geo reset`.
    pub(super) fn change_geo(&self, caller: &Caller, ask: &GeoAsk) -> Result<Changed, ChangeError> {
        let (verb, codes) = match ask {
            GeoAsk::Block(codes) => ("geo block", countries(codes)?),
            GeoAsk::Allow(codes) => ("geo allow", countries(codes)?),
            GeoAsk::Only(codes) => ("geo only", countries(codes)?),
            GeoAsk::Reset {} => ("geo reset", Vec::new()),
        };
        let cause = Cause::new(caller, verb, joined(&codes));
        let (generation, mut changed) = self.put_in_force(&cause, |current| {
            let mut changes = current.changes.as_ref().clone();
            let mut told = Changed::default();
            changes.geo = match (ask, &current.config.packet.geo) {
                (GeoAsk::Reset {}, _) if changes.geo.is_none() => {
                    return refused("the countries are as the configuration says already".to_owned());
                }
                (GeoAsk::Reset {}, _) => {
                    told.changed.push("the countries are as the configuration says".to_owned());
                    None
                }
                (_, None) => {
                    return refused(format!(
                        "packet.geo.database: expected a country database, found none in {}: set it and \
                         reload",
                        current.config.path.display()
                    ));
                }
                (_, Some(config)) => {
                    let now = in_force(config, changes.geo.as_ref());
                    let (mode, countries) = next(ask, &codes, now)?;
                    told.changed.push(sentence(mode, &countries));
                    let shadow = &current.config.packet.shadow.countries;
                    let counted = codes.iter().filter(|code| shadow.contains(code));
                    let counted: Vec<String> = counted.map(ToString::to_string).collect();
                    if !counted.is_empty() {
                        let counted = counted.join(" ");
                        told.notes.push(format!("{counted}: in shadow, counted and let in"));
                    }
                    // What the configuration says too is no change: its file decides again.
                    let same = (config.mode, &config.countries) == (mode_of(mode, &countries), &countries);
                    (!same).then(|| GeoChange {
                        mode,
                        countries,
                        who: caller.user.clone(),
                        changed_epoch_s: now_epoch_s(),
                    })
                }
            };
            Ok((Policy { changes: Arc::new(changes), ..current.clone() }, told))
        })?;
        changed.generation = Some(generation);
        Ok(changed)
    }

    /// `geo show`.
    pub(super) fn show_geo(&self) -> GeoShown {
        let current = self.policy_in_force();
        let change = current.changes.geo.as_ref();
        let config = current.config.packet.geo.as_ref();
        let (mode, countries) =
            config.map(|config| in_force(config, change)).unwrap_or((None, BTreeSet::new()));
        GeoShown {
            mode: mode.map_or("none", GeoMode::label).to_owned(),
            countries: countries.iter().map(ToString::to_string).collect(),
            changed_by: change.map(|change| change.who.clone()),
            database: config.map(|config| config.database.clone()),
        }
    }
}

type Countries = BTreeSet<Country>;

fn in_force(config: &GeoConfig, change: Option<&GeoChange>) -> (Option<GeoMode>, Countries) {
    match change {
        Some(change) => (mode_of(change.mode, &change.countries), change.countries.clone()),
        None => (config.mode, config.countries.clone()),
    }
}

/// With no country none is dropped.
fn mode_of(mode: GeoMode, countries: &Countries) -> Option<GeoMode> {
    (!countries.is_empty()).then_some(mode)
}

/// What is to be, from what is asked and what is.
fn next(
    ask: &GeoAsk,
    codes: &[Country],
    (mode, mut countries): (Option<GeoMode>, Countries),
) -> Result<(GeoMode, Countries), ChangeError> {
    let is_only = mode == Some(GeoMode::Only);
    let let_in = |countries: &Countries, code: &Country| countries.contains(code) == is_only;
    match ask {
        GeoAsk::Reset {} => {}
        GeoAsk::Only(_) => {
            let only: Countries = codes.iter().copied().collect();
            if is_only && only == countries {
                return refused(format!("{} alone are let in already", joined(codes)));
            }
            return Ok((GeoMode::Only, only));
        }
        GeoAsk::Block(_) => {
            if let Some(code) = codes.iter().find(|code| !let_in(&countries, code)) {
                return refused(format!(
                    "{code} is not let in already: `seawall geo show` shows what is"
                ));
            }
        }
        GeoAsk::Allow(_) => {
            if let Some(code) = codes.iter().find(|code| let_in(&countries, code)) {
                return refused(format!(
                    "{code} is let in already: `seawall geo show` shows what is"
                ));
            }
        }
    }
    for code in codes {
        if !countries.remove(code) {
            countries.insert(*code);
        }
    }
    match (is_only, countries.is_empty()) {
        (true, true) => refused(format!(
            "without {} nobody would be let in; name those that are: seawall geo only CC...",
            joined(codes)
        )),
        (true, false) => Ok((GeoMode::Only, countries)),
        (false, _) => Ok((GeoMode::Block, countries)),
    }
}

fn sentence(mode: GeoMode, countries: &Countries) -> String {
    let codes: Vec<Country> = countries.iter().copied().collect();
    match (mode, codes.is_empty()) {
        (GeoMode::Block, true) => "every country is let in".to_owned(),
        (GeoMode::Block, false) => format!("not let in: {}", joined(&codes)),
        (GeoMode::Only, _) => {
            format!("let in: {} alone; so sources of no known country are not", joined(&codes))
        }
    }
}

fn countries(codes: &[CountryCode]) -> Result<Vec<Country>, ChangeError> {
    let codes: Vec<Country> = codes.iter().map(|code| code.0).collect();
    each_once("country", "countries", &codes, ToString::to_string)?;
    Ok(codes)
}

fn joined(codes: &[Country]) -> String {
    codes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn refused<T>(message: String) -> Result<T, ChangeError> {
    Err(ChangeError::Refused(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_and_what_is_make_what_is_to_be() {
        let set = |codes: &str| -> Countries {
            codes.split_whitespace().map(|code| Country::parse(code).expect("a country")).collect()
        };
        let (block, only) = (Some(GeoMode::Block), Some(GeoMode::Only));
        // (mode, countries, verb, codes, what is to be or why not)
        for (mode, now, verb, codes, expected) in [
            (None, "", "block", "KP", Ok("block KP")),
            (block, "KP", "block", "IR", Ok("block IR KP")),
            (block, "KP", "block", "KP", Err("KP is not let in already")),
            (block, "IR KP", "allow", "KP", Ok("block IR")),
            (block, "KP", "allow", "KP", Ok("block ")),
            (block, "KP", "allow", "DE", Err("DE is let in already")),
            (block, "KP", "only", "DE AT", Ok("only AT DE")),
            (None, "", "allow", "DE", Err("DE is let in already")),
            (only, "DE", "only", "DE", Err("DE alone are let in already")),
            (only, "DE", "only", "AT", Ok("only AT")),
            (only, "DE", "allow", "AT", Ok("only AT DE")),
            (only, "DE", "allow", "DE", Err("DE is let in already")),
            (only, "AT DE", "block", "DE", Ok("only AT")),
            (only, "DE", "block", "DE", Err("without DE nobody would be let in")),
            (only, "DE", "block", "KP", Err("KP is not let in already")),
        ] {
            let ask = match verb {
                "block" => GeoAsk::Block(Vec::new()),
                "allow" => GeoAsk::Allow(Vec::new()),
                _ => GeoAsk::Only(Vec::new()),
            };
            let codes: Vec<Country> = set(codes).into_iter().collect();
            let found = next(&ask, &codes, (mode, set(now)));
            let found = found.map(|(mode, countries)| {
                let countries: Vec<Country> = countries.into_iter().collect();
                format!("{} {}", mode.label(), joined(&countries))
            });
            match (found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(found), Err(expected)) => {
                    assert!(found.to_string().starts_with(expected), "{found}");
                }
                (found, expected) => panic!("{found:?}, not {expected:?}"),
            }
        }
    }
}
