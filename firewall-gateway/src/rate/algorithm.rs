//! What the five algorithms, and the bound of what is in flight, have in common. Each is arithmetic on whole
//! numbers and a state of its own: no clock, no lock, no key.

/// So many units in so much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// At least one.
    pub units: u64,
    /// At least one.
    pub window_ns: u64,
}

/// A way of counting. For one state, time never goes back: [`super::table::Table`] sees to it.
pub trait Algorithm {
    /// What is remembered of one key; that of one who was never here is the default.
    type State: Default;

    /// Whether a request of this cost may pass, and after which wait. Takes nothing; it may forget what is over.
    ///
    /// # Errors
    /// It may not; after this time it may, if nobody else comes before.
    fn ask(&self, state: &mut Self::State, now_ns: u64, cost: u64) -> Result<u64, u64>;

    /// Counts what passed, whatever `ask` says of it: what is known only when a request is over may be more than
    /// was left.
    fn charge(&self, state: &mut Self::State, now_ns: u64, cost: u64);

    /// The most that could pass now.
    fn left(&self, state: &mut Self::State, now_ns: u64) -> u64;

    /// From when on the state is worth that of one who was never here.
    fn fresh_at_ns(&self, state: &Self::State) -> u64;
}

/// Never: it is in use.
pub const IN_USE: u64 = u64::MAX;

/// Time in parts of a nanosecond: so many that a unit takes a whole number of them, whatever the quota. 128 bits hold
/// it: 64 of time and as many of units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fine(pub u128);

impl Quota {
    /// A time.
    #[must_use]
    pub fn fine(self, time_ns: u64) -> Fine {
        Fine(u128::from(time_ns) * u128::from(self.units))
    }

    /// What these units take at the quota's rate.
    #[must_use]
    pub fn takes(self, units: u64) -> u128 {
        u128::from(units) * u128::from(self.window_ns)
    }

    /// The first nanosecond that is not before it.
    #[must_use]
    pub fn nanoseconds(self, fine: u128) -> u64 {
        u64::try_from(fine.div_ceil(u128::from(self.units.max(1)))).unwrap_or(u64::MAX)
    }

    /// So many whole units fit.
    #[must_use]
    pub fn whole(self, fine: u128) -> u64 {
        u64::try_from(fine / u128::from(self.window_ns.max(1))).unwrap_or(u64::MAX)
    }
}
