//! Who asks: the kernel says so (`SO_PEERCRED`), the caller cannot. In which session it sits is its own word,
//! which protects an address from being cut and gives no right.

use std::{fmt, io};

use nix::unistd::{Uid, User, geteuid};
use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;

use crate::guard::Session;

/// Who asks for a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The user.
    pub uid: u32,
    /// The user's name; the number where it has none.
    pub user: String,
    /// The group.
    pub gid: u32,
    /// The process; of the daemon itself its own.
    pub pid: u32,
    /// The SSH session that it asks in, where it says so.
    pub session: Option<Session>,
}

impl Caller {
    /// The one at the other end of a connection, without a name yet.
    ///
    /// # Errors
    ///
    /// Where the kernel does not say.
    pub fn of(stream: &UnixStream) -> io::Result<Self> {
        let peer = stream.peer_cred()?;
        let pid = peer.pid().and_then(|pid| u32::try_from(pid).ok()).unwrap_or_default();
        let (uid, gid) = (peer.uid(), peer.gid());
        Ok(Self { uid, user: uid.to_string(), gid, pid, session: None })
    }

    /// The same with the user's name. Where names come from a directory this may wait for a network.
    #[must_use]
    pub fn named(&self) -> Self {
        Self { session: self.session, ..Self::new(self.uid, self.gid, self.pid) }
    }

    /// The daemon, which does something by itself: a time is over, a file changed.
    #[must_use]
    pub fn daemon() -> Self {
        Self::new(geteuid().as_raw(), nix::unistd::getegid().as_raw(), std::process::id())
    }

    fn new(uid: u32, gid: u32, pid: u32) -> Self {
        let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
        let user = user.map_or_else(|| uid.to_string(), |user| user.name);
        Self { uid, user, gid, pid, session: None }
    }

    /// Whether it is root or the daemon's own user. The file's mode keeps others out already; this holds
    /// where someone widened it.
    #[must_use]
    pub fn may_change(&self) -> bool {
        self.uid == 0 || self.uid == geteuid().as_raw()
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (uid {}, pid {})", self.user, self.uid, self.pid)
    }
}
