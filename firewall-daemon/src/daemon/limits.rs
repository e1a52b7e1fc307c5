//! `limit`: the limits, each in place of what the configuration says.

use std::sync::Arc;

use super::{
    Daemon,
    change::{Cause, ChangeError, Policy},
    snapshot::{limit_status, now_epoch_s},
};
use crate::{
    config::LimitsConfig,
    control::{Caller, Changed, LimitSet, LimitsShown},
    state::{Changes, LimitChange},
};

impl Daemon {
    /// `limit set`, `limit clear`.
    pub(super) fn change_limit(
        &self,
        caller: &Caller,
        ask: &LimitSet,
    ) -> Result<Changed, ChangeError> {
        let LimitSet { scope, rate } = *ask;
        if let Some(rate) = rate {
            rate.check()
                .map_err(|error| ChangeError::Refused(format!("limit {scope}: {error}")))?;
        }
        let text = rate.map_or("none".to_owned(), |rate| rate.to_string());
        let verb = if rate.is_some() { "limit set" } else { "limit clear" };
        let cause = Cause::new(caller, verb, format!("{scope} {text}"));
        let (generation, mut changed) = self.put_in_force(&cause, |current| {
            let configured = current.config.packet.limits.of(scope);
            if limits(&current.config.packet.limits, &current.changes).of(scope) == rate {
                return Err(ChangeError::Refused(match rate {
                    Some(_) => format!("the limit {scope} is {text} already"),
                    None => {
                        format!(
                            "there is no limit {scope}: `seawall limit show` shows what there is"
                        )
                    }
                }));
            }
            let mut changes = current.changes.as_ref().clone();
            // What the configuration says too is no change: its file decides again.
            if rate == configured {
                changes.limits.remove(&scope);
            } else {
                let (who, changed_epoch_s) = (caller.user.clone(), now_epoch_s());
                changes.limits.insert(scope, LimitChange { rate, who, changed_epoch_s });
            }
            let told =
                Changed { changed: vec![format!("limit {scope}: {text}")], ..Changed::default() };
            Ok((Policy { changes: Arc::new(changes), ..current.clone() }, told))
        })?;
        changed.generation = Some(generation);
        Ok(changed)
    }

    /// `limit show`.
    pub(super) fn show_limits(&self) -> LimitsShown {
        let Policy { config, changes, .. } = self.policy_in_force();
        LimitsShown {
            limits: limit_status(&limits(&config.packet.limits, &changes)),
            changed: changes.limits.keys().map(ToString::to_string).collect(),
        }
    }
}

fn limits(config: &LimitsConfig, changes: &Changes) -> LimitsConfig {
    let mut limits = config.clone();
    changes.lay_limits_over(&mut limits);
    limits
}
