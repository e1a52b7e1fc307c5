//! Connections over threads. The kernel gives each to one by a hash, so that of a few that last long, as a proxy's or a
//! browser's do, one thread has many and another none. Who has more than another moves a new one there.

use std::{
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use tokio::sync::mpsc;

use crate::limits::{SPREAD_DIFFERENCE_MIN, SPREAD_PART_MIN};

/// A connection, on its way to another thread.
pub struct Moved {
    pub stream: TcpStream,
    pub peer: SocketAddr,
    pub place: Place,
}

/// What one thread knows of all of them.
#[derive(Clone)]
pub struct Spread {
    own: usize,
    open: Arc<[AtomicU32]>,
    ways: Vec<mpsc::UnboundedSender<Moved>>,
}

impl Spread {
    /// For so many threads, and what is moved to each of them.
    #[must_use]
    pub fn over(threads: usize) -> Vec<(Self, mpsc::UnboundedReceiver<Moved>)> {
        let open: Arc<[AtomicU32]> = (0..threads).map(|_| AtomicU32::new(0)).collect();
        // Without a bound of its own: who waits is counted where it is to be served, so that it is not for long the one
        // that has least.
        let (ways, moved): (Vec<_>, Vec<_>) =
            (0..threads).map(|_| mpsc::unbounded_channel()).unzip();
        let spread = |own| Self { own, open: open.clone(), ways: ways.clone() };
        (0..threads).map(spread).zip(moved).collect()
    }

    /// A place for a new connection: on this thread, or on the one that has least where the difference is worth it.
    #[must_use]
    pub fn place(&self) -> Place {
        let open = |thread: usize| self.open.get(thread).map_or(u32::MAX, |one| one.load(Relaxed));
        let least = (0..self.open.len()).min_by_key(|thread| open(*thread)).unwrap_or(self.own);
        let worth = SPREAD_DIFFERENCE_MIN.max(open(least) / SPREAD_PART_MIN);
        let moves = open(self.own) >= open(least).saturating_add(worth);
        let thread = if moves { least } else { self.own };
        if let Some(open) = self.open.get(thread) {
            open.fetch_add(1, Relaxed);
        }
        Place { thread, open: self.open.clone() }
    }

    /// Whether it is on this thread.
    #[must_use]
    pub fn is_own(&self, place: &Place) -> bool {
        place.thread == self.own
    }

    /// Moves a connection to its thread.
    ///
    /// # Errors
    /// The connection, where that thread takes none any more.
    pub fn give(&self, moved: Moved) -> Result<(), Moved> {
        match self.ways.get(moved.place.thread) {
            Some(way) => way.send(moved).map_err(|unsent| unsent.0),
            None => Err(moved),
        }
    }
}

/// A connection counted where it is served, for as long as it is.
pub struct Place {
    thread: usize,
    open: Arc<[AtomicU32]>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(open) = self.open.get(self.thread) {
            open.fetch_sub(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_more_moves_new_ones_to_who_has_least() {
        let spreads = Spread::over(3);
        let spread = |thread: usize| &spreads[thread].0;
        let mut places: Vec<Place> = Vec::new();
        // However the kernel gives them.
        for thread in [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 2, 0] {
            places.push(spread(thread).place());
        }
        let open = |places: &[Place]| {
            [0, 1, 2].map(|thread| places.iter().filter(|place| place.thread == thread).count())
        };
        let found = open(&places);
        assert!(found.iter().all(|count| (3..=5).contains(count)), "{found:?}");
        places.retain(|place| place.thread != 2);
        assert!(spread(2).is_own(&spread(0).place()), "it has none");
        places.clear();
        let place = spread(1).place();
        assert!(spread(1).is_own(&place), "none has less by a few");
    }

    #[test]
    fn of_many_a_larger_difference_is_left_alone() {
        let spreads = Spread::over(2);
        let many: Vec<Place> = (0..400).map(|_| spreads[0].0.place()).collect();
        let open = |thread| many.iter().filter(|place| place.thread == thread).count();
        // The one that accepts keeps them until it has a quarter more: 1.25 to 1.
        assert_eq!((open(0), open(1)), (222, 178));
    }

    #[test]
    fn a_connection_is_given_back_where_its_thread_is_gone() {
        let mut spreads = Spread::over(2);
        let (_, moved) = spreads.pop().unwrap();
        let (spread, _own) = spreads.pop().unwrap();
        drop(moved);
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let peer = stream.local_addr().unwrap();
        let mut places: Vec<Place> = (0..SPREAD_DIFFERENCE_MIN).map(|_| spread.place()).collect();
        let place = places.pop().into_iter().chain([spread.place()]).find(|it| !spread.is_own(it));
        let moved = Moved { stream, peer, place: place.unwrap() };
        assert_eq!(spread.give(moved).err().map(|back| back.peer), Some(peer));
    }
}
