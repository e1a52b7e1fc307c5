//! What goes to the audit log, and what happens where it cannot be written.
//!
//! A change of the policy is refused then: nothing is in force that nobody can account for. A ban is in force all
//! the same, as an attack does not wait for a disk, and so is a stop: their records are owed.

use super::{
    Daemon,
    change::{Cause, ChangeError, Policy},
};
use crate::audit::{Record, Who};

impl Daemon {
    /// Records a change of the policy.
    pub(super) fn audit(
        &self,
        cause: &Cause,
        number: u32,
        before: &Policy,
        next: &Policy,
    ) -> Result<(), ChangeError> {
        let (was, is) = before.changes.told_apart(&next.changes);
        let was = generation(number.saturating_sub(1), &was);
        self.audit.record(&cause.record(was, generation(number, &is)))?;
        Ok(())
    }

    /// Records a ban or the end of one. The end of one is refused where it cannot be recorded.
    pub(super) fn audit_ban(&self, cause: &Cause, before: String) -> Result<(), ChangeError> {
        let Cause { who, verb, what, why } = cause;
        let record = cause.record(before, String::new());
        if *verb == "ban" {
            // The log says so itself.
            let _ = self.audit.record_or_owe(&record);
        } else {
            self.audit.record(&record)?;
        }
        tracing::info!(who = %who, verb, what, why, "changed");
        Ok(())
    }

    /// Records what the daemon does by itself and cannot leave undone: a start, a stop, a refusal.
    pub(super) fn audit_own(&self, verb: &'static str, what: &str, after: &str) {
        let record = Record { after: after.to_owned(), ..Record::new(Who::Daemon, verb, what) };
        let _ = self.audit.record_or_owe(&record);
    }
}

/// A number, and what one policy has that the other has not.
fn generation(number: u32, changes: &str) -> String {
    if changes.is_empty() {
        format!("generation {number}")
    } else {
        format!("generation {number}, {changes}")
    }
}
