//! The credential of a connection that has left HTTP behind: no request comes any more that could be refused, so it is
//! told when its credential is taken back.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::HeaderMap;
use tokio::{sync::watch, time::sleep};

use super::{
    Identifier, Identity, Method,
    api_key::{Found, table::Key, text::KeyHash},
    session::{error::SessionError, store::Session},
};

/// See above.
#[derive(Debug)]
pub struct Held {
    credential: Credential,
    changed: watch::Receiver<()>,
}

#[derive(Debug)]
enum Credential {
    Key(Arc<Key>),
    Session(Arc<Session>),
}

impl Held {
    /// Waits until it holds no longer: it was taken back, or its time is over. A session is not idle while its connection
    /// is open.
    pub async fn taken_back(&mut self) {
        loop {
            let now_epoch_s = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
            let (over, ends_epoch_s) = match &self.credential {
                Credential::Key(key) => (key.holds(now_epoch_s).is_err(), key.ends_epoch_s()),
                Credential::Session(session) => {
                    let held = session.holds(now_epoch_s);
                    let over = !matches!(held, Ok(()) | Err(SessionError::Idle));
                    (over, session.record().ends_epoch_s)
                }
            };
            if over {
                return;
            }
            // Clocks are set: the time is looked at again before it is believed.
            let left_s = ends_epoch_s.saturating_sub(now_epoch_s).clamp(1, LOOKED_AT_S);
            tokio::select! {
                changed = self.changed.changed() => {
                    // The gateway ends, and this connection with it.
                    if changed.is_err() {
                        return;
                    }
                }
                () = sleep(Duration::from_secs(left_s)) => {}
            }
        }
    }
}

/// The time is looked at so often at least.
const LOOKED_AT_S: u64 = 60;

impl Identifier {
    /// The credential of somebody who was recognised, where it is one that can be taken back here.
    #[must_use]
    pub fn held(
        &self,
        route: usize,
        identity: Option<&Identity>,
        headers: &HeaderMap,
    ) -> Option<Box<Held>> {
        let (identities, method) = (&self.identities, identity?.method);
        let asks = identities.routes.get(route)?;
        let (credential, changed) = match method {
            Method::ApiKey => {
                let Ok(Found::Key { text, .. }) = asks.keys.as_ref()?.find(headers) else {
                    return None;
                };
                let changed = identities.keys.changed();
                let key = identities.keys.tables().find(&KeyHash::of(text.as_ref()))?.clone();
                (Credential::Key(key), changed)
            }
            Method::Session => {
                let text = asks.session.as_ref()?.cookie.find(headers).ok()?;
                let changed = identities.sessions.changed();
                let session = identities.sessions.tables().find(&text.hash())?.clone();
                (Credential::Session(session), changed)
            }
            Method::Jwt | Method::Certificate | Method::Introspection => return None,
        };
        Some(Box::new(Held { credential, changed }))
    }
}
