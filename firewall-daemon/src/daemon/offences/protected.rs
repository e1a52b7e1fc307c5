//! Whom no policy may cut, as it was a moment ago: the kernel walks its whole table of connections to say who is
//! logged in, and a ban is not to wait for that.

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, SyncSender},
    },
    time::{Duration, Instant},
};

use crate::{
    config::ProtectConfig,
    daemon::lock,
    datapath::bans::normal,
    guard::{self, Protected},
};

/// So old it is looked for anew, beside...
const AGE: Duration = Duration::from_secs(1);
/// ...and so old it is not believed any more, and is waited for.
const AGE_MAX: Duration = Duration::from_secs(10);

/// What was seen last, and when.
#[derive(Debug, Default)]
pub struct Seen(Mutex<Option<(Instant, Arc<Vec<Protected>>)>>);

impl Seen {
    /// Whether a source is one of those; of IPv6 all of the /64 would be banned with one. Through `again` it is asked
    /// for anew.
    pub fn protects(&self, source: IpAddr, config: &ProtectConfig, again: &SyncSender<()>) -> bool {
        let seen = lock(&self.0).clone();
        let protected = match seen {
            Some((at, protected)) if at.elapsed() < AGE_MAX => {
                if at.elapsed() >= AGE {
                    // Where one asked already, that is enough.
                    let _ = again.try_send(());
                }
                protected
            }
            _ => self.look(config),
        };
        protected.iter().any(|one| normal(one.address) == source)
    }

    /// Looks each time it is asked for, until nobody asks any more.
    pub fn look_again(&self, asked: &Receiver<()>, config: impl Fn() -> ProtectConfig) {
        while asked.recv().is_ok() {
            self.look(&config());
        }
    }

    fn look(&self, config: &ProtectConfig) -> Arc<Vec<Protected>> {
        let protected = Arc::new(guard::addresses(config, None));
        *lock(&self.0) = Some((Instant::now(), protected.clone()));
        protected
    }
}
