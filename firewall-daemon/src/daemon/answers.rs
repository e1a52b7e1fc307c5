//! What the daemon answers on the control socket, a method a verb.

use std::{fs::File, net::IpAddr, time::SystemTime};

use firewall_gateway::{
    countries::Countries,
    explain::{self as request, RequestExplanation},
};

use super::{Daemon, lock};
use crate::{
    control::{
        Applied, ApplyAsk, BackendAsk, BanAdd, BansShown, Caller, Changed, GeoAsk, GeoShown,
        Handler, HistoryShown, KeyCreate, KeyCreated, KeyRotate, KeysShown, LimitSet, LimitsShown,
        ListAdd, ListKind, ListRemove, ListShown, NAMED_MAX, PlanAsk, RollbackAsk, SessionsRevoked,
        SessionsShown, Watched, Watchers,
    },
    datapath::bans::normal,
    explain::{ExplainError, Explanation, Facts, Question, Subject},
    geo::update::From,
    plan::Plan,
    status::{RoutesShown, Snapshot, SnapshotSource as _, UpdateReport},
    supervisor::Supervisor,
};

const NO_GATEWAY: &str = "the configuration has no gateway";

impl Handler for Daemon {
    fn status(&self) -> Snapshot {
        self.snapshot()
    }

    fn routes(&self) -> Result<RoutesShown, String> {
        let supervisor = self.supervisor.as_ref();
        supervisor.map(Supervisor::routes).ok_or_else(|| NO_GATEWAY.to_owned())
    }

    fn explain(&self, subject: &Subject) -> Result<Explanation, ExplainError> {
        let question = Question::new(subject)?;
        let source_alone = question.source_alone();
        let (facts, origin) = {
            let mut datapath = lock(&self.datapath);
            let explained = datapath.explain(&question.frame)?;
            let source_class = match source_alone {
                Some(frame) => datapath.explain(&frame)?.class,
                None => None,
            };
            let ban = |source| match source {
                Some(source) => datapath.ban(source),
                None => Ok(None),
            };
            let facts = Facts {
                generation: datapath.generation(),
                explained,
                source_class,
                source_ban: ban(question.source())?,
                inner_ban: ban(question.inner())?,
            };
            (facts, lock(&self.origin).clone())
        };
        let mut explanation = question.answer(facts, &origin);
        if let Some(ban) = &mut explanation.ban
            && let Some(kept) = self.journal.get(normal(ban.source))
        {
            (ban.who, ban.reason) = (Some(kept.who), kept.reason);
        }
        Ok(explanation)
    }

    fn explain_request(&self, question: &request::Question) -> Result<RequestExplanation, String> {
        let supervisor = self.supervisor.as_ref().ok_or_else(|| NO_GATEWAY.to_owned())?;
        let (policy, keys) = (supervisor.policy(), self.api_keys.policies());
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let countries = Countries::default();
        if let Some(path) = &policy.countries {
            let taken = File::open(path).and_then(|file| countries.replace(file));
            taken.map_err(|error| format!("packet.geo.database {}: {error}", path.display()))?;
        }
        let told = request::explain(&policy, &keys, &countries, question, now);
        told.map_err(|error| error.to_string())
    }

    fn plan(&self, caller: &Caller, ask: &PlanAsk) -> Result<Plan, String> {
        self.plan_of(caller, ask).map_err(|error| error.to_string())
    }

    fn apply(&self, caller: &Caller, ask: &ApplyAsk) -> Result<Applied, String> {
        self.apply_file(caller, ask).map_err(|error| error.to_string())
    }

    fn confirm(&self, caller: &Caller) -> Result<Applied, String> {
        self.confirm_change(caller).map_err(|error| error.to_string())
    }

    fn rollback(&self, caller: &Caller, ask: &RollbackAsk) -> Result<Applied, String> {
        self.roll_back(caller, ask).map_err(|error| error.to_string())
    }

    fn history(&self) -> HistoryShown {
        self.history_shown()
    }

    fn update_feeds(
        &self,
        who: &Caller,
        feed: Option<&str>,
        force: bool,
    ) -> Result<Vec<UpdateReport>, String> {
        Daemon::update_feeds(self, who, feed, force)
    }

    fn update_geo(
        &self,
        who: &Caller,
        from: &From,
        force: bool,
    ) -> Result<Vec<UpdateReport>, String> {
        Daemon::update_geo(self, who, from, force)
    }

    fn list_add(&self, caller: &Caller, ask: &ListAdd) -> Result<Changed, String> {
        self.add_entries(caller, ask).map_err(|error| error.to_string())
    }

    fn list_remove(&self, caller: &Caller, ask: &ListRemove) -> Result<Changed, String> {
        self.remove_entries(caller, ask).map_err(|error| error.to_string())
    }

    fn list_show(&self, list: ListKind) -> Result<ListShown, String> {
        Ok(self.show_entries(list))
    }

    fn ban(&self, caller: &Caller, ask: &BanAdd) -> Result<Changed, String> {
        self.add_bans(caller, ask).map_err(|error| error.to_string())
    }

    fn unban(&self, caller: &Caller, addresses: &[IpAddr]) -> Result<Changed, String> {
        self.remove_bans(caller, addresses).map_err(|error| error.to_string())
    }

    fn bans(&self) -> Result<BansShown, String> {
        self.show_bans().map_err(|error| error.to_string())
    }

    fn geo(&self, caller: &Caller, ask: &GeoAsk) -> Result<Changed, String> {
        self.change_geo(caller, ask).map_err(|error| error.to_string())
    }

    fn geo_show(&self) -> Result<GeoShown, String> {
        Ok(self.show_geo())
    }

    fn limit(&self, caller: &Caller, ask: &LimitSet) -> Result<Changed, String> {
        self.change_limit(caller, ask).map_err(|error| error.to_string())
    }

    fn limit_show(&self) -> Result<LimitsShown, String> {
        Ok(self.show_limits())
    }

    fn backend(&self, caller: &Caller, ask: &BackendAsk) -> Result<Changed, String> {
        self.change_backend(caller, ask).map_err(|error| error.to_string())
    }

    fn key_create(&self, caller: &Caller, ask: &KeyCreate) -> Result<KeyCreated, String> {
        self.create_key(caller, ask).map_err(|error| error.to_string())
    }

    fn key_rotate(&self, caller: &Caller, ask: &KeyRotate) -> Result<KeyCreated, String> {
        self.rotate_key(caller, ask).map_err(|error| error.to_string())
    }

    fn key_revoke(&self, caller: &Caller, ids: &[String]) -> Result<Changed, String> {
        if ids.len() > NAMED_MAX {
            return Err(format!("expected at most {NAMED_MAX} keys, found {}", ids.len()));
        }
        self.revoke_keys(caller, ids).map_err(|error| error.to_string())
    }

    fn key_list(&self, consumer: Option<&str>) -> KeysShown {
        self.show_keys(consumer)
    }

    fn session_revoke(&self, caller: &Caller, which: &SessionsRevoked) -> Result<Changed, String> {
        if let SessionsRevoked::Ids { ids } = which
            && ids.len() > NAMED_MAX
        {
            return Err(format!("expected at most {NAMED_MAX} sessions, found {}", ids.len()));
        }
        self.revoke_sessions(caller, which).map_err(|error| error.to_string())
    }

    fn session_list(&self, consumer: Option<&str>) -> Result<SessionsShown, String> {
        self.show_sessions(consumer).map_err(|error| error.to_string())
    }

    fn detach(&self, caller: &Caller) -> Result<Changed, String> {
        Daemon::detach(self, caller).map_err(|error| error.to_string())
    }

    fn watch(&self) -> Watched {
        let interfaces =
            lock(&self.datapath).interfaces().iter().map(|one| one.name.clone()).collect();
        Watched::Begin { interfaces, sample_one_in: lock(&self.events).0.sample_one_in }
    }

    fn watchers(&self) -> &Watchers {
        &self.watchers
    }
}
