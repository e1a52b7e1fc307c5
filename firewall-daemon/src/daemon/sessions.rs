//! Sessions: what workers open and end is kept and told to the other workers; `session list` and `session revoke`.

use std::sync::Arc;

use firewall_gateway::identity::session::record::{Ending, SessionChange, SessionRecord, id};
use tokio::{sync::watch, task::spawn_blocking};

use super::{
    Daemon,
    change::{Cause, ChangeError},
    snapshot::now_epoch_s,
};
use crate::control::{
    Caller, Changed, SESSIONS_LISTED_MAX, SessionShown, SessionsRevoked, SessionsShown,
};

/// Keeps what workers tell until `stop` says true.
pub async fn follow(daemon: Arc<Daemon>, mut stop: watch::Receiver<bool>) {
    if daemon.supervisor.is_none() {
        return;
    }
    let keeping = daemon.clone();
    let thread = spawn_blocking(move || {
        let Some(supervisor) = &keeping.supervisor else { return };
        while let Some(changes) = supervisor.next_sessions() {
            keeping.take_sessions(&changes);
        }
    });
    let _ = stop.wait_for(|stop| *stop).await;
    daemon.keep_last_sessions();
    if let Err(error) = thread.await {
        tracing::error!(%error, "sessions are not kept any more");
    }
}

impl Daemon {
    /// What was told and not attended to.
    pub(super) fn keep_last_sessions(&self) {
        let Some(supervisor) = &self.supervisor else { return };
        let left = supervisor.close_sessions();
        if !left.is_empty() {
            self.take_sessions(&left);
        }
    }

    /// What ends is told before a disk is waited for. What opens is on the disk before it is told: so a worker that
    /// starts meanwhile finds it there, or hears of it.
    fn take_sessions(&self, changes: &[SessionChange]) {
        let ends = |change: &&SessionChange| !matches!(change, SessionChange::Open(_));
        let ends: Vec<SessionChange> = changes.iter().filter(ends).cloned().collect();
        self.tell_sessions(&ends);
        if let Err(error) = self.sessions.take(changes) {
            // They hold as long as this daemon runs, and whoever logged out comes back with nothing.
            tracing::error!(%error, "sessions will not outlive this daemon");
        }
        self.tell_sessions(changes);
    }

    /// `session list`.
    pub(super) fn show_sessions(
        &self,
        consumer: Option<&str>,
    ) -> Result<SessionsShown, ChangeError> {
        let (found, total) = self.sessions.list(consumer, now_epoch_s(), SESSIONS_LISTED_MAX)?;
        let shown = |record: SessionRecord| SessionShown {
            id: id(&record.hash),
            idle_ends_epoch_s: record.idle_ends_epoch_s().min(record.ends_epoch_s),
            login: record.login,
            consumer: record.consumer,
            address: record.address,
            created_epoch_s: record.created_epoch_s,
            used_epoch_s: record.used_epoch_s,
            ends_epoch_s: record.ends_epoch_s,
        };
        Ok(SessionsShown { total, sessions: found.into_iter().map(shown).collect() })
    }

    /// `session revoke`: first in the gateway, as whoever takes a session back may be in a hurry.
    pub(super) fn revoke_sessions(
        &self,
        caller: &Caller,
        which: &SessionsRevoked,
    ) -> Result<Changed, ChangeError> {
        let (endings, what) = match which {
            SessionsRevoked::All {} => (vec![Ending::All], "all".to_owned()),
            SessionsRevoked::Consumer { consumer } => {
                (vec![Ending::Consumer(consumer.clone())], format!("of {consumer}"))
            }
            SessionsRevoked::Ids { ids } => {
                let ending = |id: &String| match self.sessions.find(id)? {
                    Some(found) => Ok(Ending::One(found.hash)),
                    None => Err(ChangeError::Refused(format!(
                        "there is no session {id:?}: `seawall session list` shows what there is"
                    ))),
                };
                (ids.iter().map(ending).collect::<Result<_, _>>()?, ids.join(" "))
            }
        };
        let changes: Vec<SessionChange> = endings.into_iter().map(SessionChange::End).collect();
        self.tell_sessions(&changes);
        let taken = self.sessions.take(&changes);
        // A worker that was started meanwhile may have begun with them.
        self.tell_sessions(&changes);
        self.audit_revocation(&Cause::new(caller, "session revoke", what));
        let ended = match taken? {
            1 => "1 session holds no longer".to_owned(),
            ended => format!("{ended} sessions hold no longer"),
        };
        Ok(Changed { changed: vec![ended], ..Changed::default() })
    }

    fn tell_sessions(&self, changes: &[SessionChange]) {
        if let Some(supervisor) = &self.supervisor
            && !changes.is_empty()
        {
            supervisor.tell_sessions(changes);
        }
    }
}
