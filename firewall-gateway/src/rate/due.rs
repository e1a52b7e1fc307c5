//! What a request owes its limits when it is over, and how it stands with them.

use std::sync::Arc;

use super::{Rates, table::Standing};

/// Goes along with a request. Its end settles what is owed, however it comes.
#[derive(Default)]
pub struct Due {
    rates: Option<Arc<Rates>>,
    owed: Vec<Owed>,
    nearest: Option<Nearest>,
    shadowed: Option<Arc<str>>,
}

/// A limit whose count is not known yet, or that counts what is in flight.
#[derive(Clone, Copy, Debug)]
pub struct Owed {
    /// The limit.
    pub place: usize,
    /// Whose.
    pub key: u64,
}

#[derive(Clone, Copy)]
struct Nearest {
    place: usize,
    units: u64,
    standing: Standing,
}

impl Due {
    pub(super) fn owe(&mut self, rates: &Arc<Rates>, owed: Owed) {
        self.rates.get_or_insert_with(|| rates.clone());
        self.owed.push(owed);
    }

    /// Of several limits the one of which the least part is left is what a client has to heed.
    pub(super) fn stands(&mut self, place: usize, units: u64, standing: Standing) {
        let part = |left: u64, of: u64| u128::from(left) * u128::from(of);
        let nearer = self
            .nearest
            .is_none_or(|it| part(standing.left, it.units) < part(it.standing.left, units));
        if nearer {
            self.nearest = Some(Nearest { place, units, standing });
        }
    }

    /// One that is refused has to heed the limit that refuses it.
    pub(super) fn refused(&mut self, place: usize, units: u64, standing: Standing) {
        self.nearest = Some(Nearest { place, units, standing });
    }

    /// Something in shadow mode, of this name, would have refused it; the first is told.
    pub fn shadow(&mut self, by: Arc<str>) {
        self.shadowed.get_or_insert(by);
    }

    /// What in shadow mode would have refused it.
    #[must_use]
    pub fn shadowed(&self) -> Option<&Arc<str>> {
        self.shadowed.as_ref()
    }

    pub(super) fn standing(&self) -> Option<(usize, Standing)> {
        self.nearest.map(|nearest| (nearest.place, nearest.standing))
    }

    /// The request is over: so many bytes went both ways, and it was answered so.
    pub fn settle(&mut self, bytes: u64, status: u16) {
        // Whoever is told to come later and does so has not failed.
        let failed = (400..499).contains(&status) && status != 429;
        let Some(rates) = self.rates.take() else { return };
        for owed in self.owed.drain(..) {
            rates.settle(owed, bytes, failed);
        }
    }
}

impl Drop for Due {
    fn drop(&mut self) {
        self.settle(0, 0);
    }
}
