//! `key`: what was given out is on the disk before it is shown, and what is taken back holds for no request more.

use firewall_gateway::{
    identity::api_key::{
        store::{GrantPolicy, KeyChange, KeyPolicy},
        text::KeyText,
    },
    limits::{API_KEYS_MAX, GRANTED_MAX},
    policy::{AuthenticationPolicy, ConsumerPolicy, RoutePolicy},
};

use super::{
    Daemon,
    change::{Cause, ChangeError},
    holders::at,
    lists::words,
    lock,
    snapshot::now_epoch_s,
};
use crate::{
    config::GatewayConfig,
    control::{
        Caller, Changed, KEYS_LISTED_MAX, KeyCreate, KeyCreated, KeyRotate, KeyShown, KeysShown,
    },
    state::api_keys::KeptKey,
};

impl Daemon {
    /// `key create`.
    pub(super) fn create_key(
        &self,
        caller: &Caller,
        ask: &KeyCreate,
    ) -> Result<KeyCreated, ChangeError> {
        let comment = words("comment", ask.comment.as_deref())?;
        let grant = {
            let config = lock(&self.config);
            let gateway = config.gateway.as_ref().ok_or_else(no_gateway)?;
            grant(gateway, ask)?
        };
        let now = now_epoch_s();
        let ends_epoch_s = ask.for_s.map(|time| now.saturating_add(time));
        let cause = Cause::new(caller, "key create", "").because(comment.clone());
        self.give_out(cause, grant, ends_epoch_s, comment)
    }

    /// `key rotate`: both hold until the grace time is over.
    pub(super) fn rotate_key(
        &self,
        caller: &Caller,
        ask: &KeyRotate,
    ) -> Result<KeyCreated, ChangeError> {
        let _turn = lock(&self.api_key_turn);
        let now = now_epoch_s();
        let old = self.good_key(&ask.id, now)?;
        if let Some(next) = &old.replaced_by {
            return refused(format!(
                "key {}: expected one without a successor, found {next}; rotate that one",
                ask.id
            ));
        }
        let what = format!("in the place of {}", ask.id);
        let cause = Cause::new(caller, "key rotate", what).because(old.comment.clone());
        let (grant, ends) = (old.key.grant.clone(), old.key.ends_epoch_s);
        let mut created = self.give_out(cause, grant, ends, old.comment.clone())?;
        let graced = now.saturating_add(ask.grace_s);
        let ends_epoch_s = old.key.ends_epoch_s.map_or(graced, |end| end.min(graced));
        let key = KeyPolicy { ends_epoch_s: Some(ends_epoch_s), ..old.key };
        let hash = key.hash;
        let kept = KeptKey { key, replaced_by: Some(created.id.clone()), ..old };
        if let Err(error) = self.api_keys.keep(kept) {
            // The new one holds; that the old one does too is told, as nobody sees the new one again.
            created.notes.push(format!("{} does not end by itself: {error}", ask.id));
            return Ok(created);
        }
        self.tell_keys(&[KeyChange::End { hash, ends_epoch_s }]);
        created.notes.push(format!("{} holds until {}", ask.id, at(ends_epoch_s)));
        Ok(created)
    }

    /// `key revoke`: first in the gateway, as whoever takes a key back may be in a hurry.
    pub(super) fn revoke_keys(
        &self,
        caller: &Caller,
        ids: &[String],
    ) -> Result<Changed, ChangeError> {
        let _turn = lock(&self.api_key_turn);
        let now = now_epoch_s();
        let mut changes = Vec::new();
        for id in ids {
            let kept = self.kept_key(id)?;
            if let Some(at_epoch_s) = kept.revoked_epoch_s {
                return refused(format!("key {id} was revoked {}", at(at_epoch_s)));
            }
            changes.push(KeyChange::Revoke { hash: kept.key.hash });
        }
        self.tell_keys(&changes);
        let kept: Vec<_> = ids.iter().map(|id| self.api_keys.revoke(id, now)).collect();
        // A worker that was started meanwhile may have begun with them.
        self.tell_keys(&changes);
        let cause = Cause::new(caller, "key revoke", ids.join(" "));
        self.audit_revocation(&cause);
        for result in kept {
            result?;
        }
        let changed = ids.iter().map(|id| format!("key {id} holds no longer")).collect();
        Ok(Changed { changed, ..Changed::default() })
    }

    /// `key list`.
    pub(super) fn show_keys(&self, consumer: Option<&str>) -> KeysShown {
        let now = now_epoch_s();
        let (kept, total) = self.api_keys.list(consumer, KEYS_LISTED_MAX);
        let known: Vec<String> = {
            let config = lock(&self.config);
            let consumers = config.gateway.iter().flat_map(|gateway| &gateway.consumers);
            consumers.map(|one| one.name.clone()).collect()
        };
        let shown = |kept: KeptKey| {
            let state = match () {
                () if kept.revoked_epoch_s.is_some() => "revoked",
                () if !kept.is_good(now) => "expired",
                () if !known.contains(&kept.key.grant.consumer) => "consumer_unknown",
                () if kept.replaced_by.is_some() => "replaced",
                () => "good",
            };
            KeyShown {
                id: kept.key.id,
                state: state.to_owned(),
                grant: kept.key.grant,
                created_epoch_s: kept.created_epoch_s,
                ends_epoch_s: kept.key.ends_epoch_s,
                revoked_epoch_s: kept.revoked_epoch_s,
                used_epoch_s: kept.used_epoch_s,
                replaced_by: kept.replaced_by,
                who: kept.who,
                comment: kept.comment,
            }
        };
        KeysShown { total, keys: kept.into_iter().map(shown).collect() }
    }

    /// What of keys and sessions was used, and what ended.
    pub(super) fn sweep_credentials(&self) -> Result<(), ChangeError> {
        self.api_keys.sweep(now_epoch_s())?;
        self.sessions.sweep(now_epoch_s())?;
        Ok(())
    }

    fn give_out(
        &self,
        cause: Cause,
        grant: GrantPolicy,
        ends_epoch_s: Option<u64>,
        comment: Option<String>,
    ) -> Result<KeyCreated, ChangeError> {
        if self.api_keys.is_full() {
            return refused(format!(
                "expected at most {API_KEYS_MAX} keys, found as many; those that ended are forgotten after 90 days"
            ));
        }
        let random = |error| ChangeError::Refused(format!("no randomness for a key: {error}"));
        let mut text = KeyText::generate().map_err(random)?;
        while self.api_keys.get(text.id()).is_some() {
            text = KeyText::generate().map_err(random)?;
        }
        let (id, who) = (text.id().to_owned(), cause.who.user.clone());
        let key = KeyPolicy { id: id.clone(), hash: text.hash(), ends_epoch_s, grant };
        let consumer = key.grant.consumer.clone();
        let kept = KeptKey {
            key: key.clone(),
            created_epoch_s: now_epoch_s(),
            who,
            comment,
            replaced_by: None,
            revoked_epoch_s: None,
            used_epoch_s: None,
        };
        self.api_keys.keep(kept)?;
        let what = format!("{id} of {consumer} {}", cause.what);
        let cause = Cause { what: what.trim_end().to_owned(), ..cause };
        if let Err(error) = self.audit_cause(&cause) {
            // What cannot be recorded is not to hold.
            self.api_keys.forget(&id)?;
            return Err(error);
        }
        self.tell_keys(&[KeyChange::Add(key)]);
        tracing::info!(who = %cause.who, verb = cause.verb, what = cause.what, "changed");
        Ok(KeyCreated { id, consumer, key: text, ends_epoch_s, notes: Vec::new() })
    }

    fn tell_keys(&self, changes: &[KeyChange]) {
        if let Some(supervisor) = &self.supervisor {
            supervisor.tell_api_keys(changes);
        }
    }

    fn good_key(&self, id: &str, now: u64) -> Result<KeptKey, ChangeError> {
        let kept = self.kept_key(id)?;
        match kept.is_good(now) {
            true => Ok(kept),
            false => {
                refused(format!("key {id}: expected one that holds, found one that has ended"))
            }
        }
    }

    fn kept_key(&self, id: &str) -> Result<KeptKey, ChangeError> {
        match self.api_keys.get(id) {
            Some(kept) => Ok(kept),
            None => {
                refused(format!("there is no key {id:?}: `seawall key list` shows what there is"))
            }
        }
    }
}

/// What a key is good for, if its consumer and routes are there.
fn grant(gateway: &GatewayConfig, ask: &KeyCreate) -> Result<GrantPolicy, ChangeError> {
    let consumer = gateway.consumers.iter().find(|one| one.name == ask.consumer);
    let Some(ConsumerPolicy { name, scopes, .. }) = consumer else {
        return refused(format!(
            "consumer: expected one of gateway.consumers, found {:?}; add it there and reload",
            ask.consumer
        ));
    };
    for (what, count) in
        [("scope", ask.scopes.len()), ("route", ask.routes.len()), ("network", ask.networks.len())]
    {
        if count > GRANTED_MAX {
            return refused(format!("{what}: expected at most {GRANTED_MAX}, found {count}"));
        }
    }
    if let Some(other) = ask.scopes.iter().find(|scope| !scopes.contains(scope)) {
        return refused(format!(
            "scope: expected one that the consumer {name} has ({}), found {other:?}",
            scopes.join(", ")
        ));
    }
    for route in &ask.routes {
        let takes = |one: &RoutePolicy| {
            let mut asked = one.authentication.iter();
            asked.any(|asked| matches!(asked, AuthenticationPolicy::ApiKey(_)))
        };
        if !gateway.routes.iter().any(|one| one.name == *route && takes(one)) {
            return refused(format!(
                "route: expected one of gateway.routes that takes API keys, found {route:?}"
            ));
        }
    }
    Ok(GrantPolicy {
        consumer: name.clone(),
        scopes: (!ask.scopes.is_empty()).then(|| ask.scopes.clone()),
        routes: ask.routes.clone(),
        networks: ask.networks.iter().map(|prefix| prefix.0).collect(),
    })
}

fn no_gateway() -> ChangeError {
    ChangeError::Refused("there are no API keys: the configuration has no gateway".to_owned())
}

fn refused<T>(text: String) -> Result<T, ChangeError> {
    Err(ChangeError::Refused(text))
}
