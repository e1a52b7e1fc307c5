//! The worker's unprivileged user.

use nix::unistd::User;

/// Numbers of the worker's user and group.
#[derive(Clone, Copy, Debug)]
pub struct WorkerUser {
    /// The user.
    pub uid: u32,
    /// The user's own group.
    pub gid: u32,
}

/// The user cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// There is none of that name.
    #[error(
        "gateway.user: expected a user of this host, found none named {name:?}; `useradd --system --no-create-home {name}` makes one"
    )]
    Missing {
        /// The name.
        name: String,
    },
    /// It has all privileges.
    #[error("gateway.user: expected an unprivileged user, found {name:?} with the number 0")]
    Privileged {
        /// The name.
        name: String,
    },
}

impl WorkerUser {
    /// Looks a user up by name.
    pub fn find(name: &str) -> Result<Self, UserError> {
        let found = User::from_name(name)
            .ok()
            .flatten()
            .ok_or_else(|| UserError::Missing { name: name.to_owned() })?;
        if found.uid.is_root() {
            return Err(UserError::Privileged { name: name.to_owned() });
        }
        Ok(Self { uid: found.uid.as_raw(), gid: found.gid.as_raw() })
    }
}
