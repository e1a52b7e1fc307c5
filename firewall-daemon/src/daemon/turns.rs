//! Who changes the ban of a source has it alone until the change is kept or undone: what is undone is what was
//! there before, and no change that somebody else was answered meanwhile. Other sources are not waited for, so
//! that callers at once share one wait for the disk.

use std::{
    collections::BTreeSet,
    net::IpAddr,
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

use super::{change::ChangeError, lock};

/// Somebody else's change waits for the disk at most; one that takes longer is stuck.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// The sources whose bans are being changed. As many as the callers at once name.
#[derive(Debug, Default)]
pub struct Turns {
    taken: Mutex<BTreeSet<IpAddr>>,
    freed: Condvar,
}

/// Sources that are one's own; others have their turn when it is dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    turns: &'a Turns,
    sources: &'a [IpAddr],
}

impl Turns {
    /// Waits until nobody else changes any of these. All are taken at once, so that no two callers wait for
    /// each other.
    ///
    /// # Errors
    ///
    /// Where somebody else takes too long.
    pub fn take<'a>(&'a self, sources: &'a [IpAddr]) -> Result<Turn<'a>, ChangeError> {
        self.take_within(sources, WAIT_MAX)
    }

    /// Takes them where nobody else changes any of these at this moment.
    pub fn take_free<'a>(&'a self, sources: &'a [IpAddr]) -> Option<Turn<'a>> {
        let mut taken = lock(&self.taken);
        if sources.iter().any(|one| taken.contains(one)) {
            return None;
        }
        taken.extend(sources);
        Some(Turn { turns: self, sources })
    }

    fn take_within<'a>(
        &'a self,
        sources: &'a [IpAddr],
        wait_max: Duration,
    ) -> Result<Turn<'a>, ChangeError> {
        let is_taken = |taken: &mut BTreeSet<IpAddr>| sources.iter().any(|one| taken.contains(one));
        let waited = self.freed.wait_timeout_while(lock(&self.taken), wait_max, is_taken);
        let (mut taken, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return Err(ChangeError::Refused(format!(
                "expected the ban of a source to be changed within {} s, and another change of the same is not \
                 done yet: see the daemon's log, and ask again",
                wait_max.as_secs()
            )));
        }
        taken.extend(sources);
        Ok(Turn { turns: self, sources })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut taken = lock(&self.turns.taken);
        for source in self.sources {
            taken.remove(source);
        }
        drop(taken);
        self.turns.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        thread,
    };

    use super::*;

    fn sources(lasts: &[u8]) -> Vec<IpAddr> {
        lasts.iter().map(|last| IpAddr::from([203, 0, 113, *last])).collect()
    }

    #[test]
    fn a_source_is_changed_by_one_at_a_time_and_others_go_on() {
        let turns = Turns::default();
        let (first, both, other) = (sources(&[1]), sources(&[2, 1]), sources(&[2, 3]));
        let held = turns.take(&first).expect("free");
        let beside = turns.take_within(&other, Duration::ZERO).expect("nobody has these");
        drop(beside);
        assert!(turns.take_free(&both).is_none() && turns.take_free(&other).is_some());
        let refused = turns.take_within(&both, Duration::ZERO).expect_err("one of them is taken");
        assert!(refused.to_string().contains("ask again"), "{refused}");
        drop(turns.take_within(&other, Duration::ZERO).expect("what was refused took nothing"));
        drop(held);
        drop(turns.take_within(&both, Duration::ZERO).expect("all are free"));
        assert!(lock(&turns.taken).is_empty());
    }

    #[test]
    fn many_callers_all_have_their_turn() {
        let (turns, inside, done) = (Turns::default(), AtomicU32::new(0), AtomicU32::new(0));
        thread::scope(|scope| {
            for caller in 0..8 {
                let (turns, inside, done) = (&turns, &inside, &done);
                scope.spawn(move || {
                    // Each names the same source, in another order beside others.
                    let mut sources = sources(&[caller + 10, 1, caller + 30]);
                    sources.rotate_left(usize::from(caller % 3));
                    for _ in 0..200 {
                        let turn = turns.take(&sources).expect("a turn");
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "alone");
                        inside.fetch_sub(1, Ordering::SeqCst);
                        done.fetch_add(1, Ordering::SeqCst);
                        drop(turn);
                    }
                });
            }
        });
        assert_eq!(done.load(Ordering::SeqCst), 8 * 200);
    }
}
