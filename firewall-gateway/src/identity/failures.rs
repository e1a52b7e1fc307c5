//! How often credentials did not hold: of an address, of its network, of a consumer.
//!
//! Nobody guesses 256 bits; what this bounds is what trying costs us, and how long a leaked list of keys is
//! tried out unnoticed. One table for all threads, two words a slot and no lock: the state of a rate (GCRA)
//! and whose it is.

use std::{
    hash::{BuildHasher, RandomState},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::{Denied, Identifier, Refused, session::error::SessionError};
use crate::{limits::FAILURE_SLOTS, policy::FailuresPolicy};

/// A bounded table: who finds no slot displaces the one of its row that failed longest ago.
pub struct Failures {
    policy: FailuresPolicy,
    rows: Box<[[Slot; ROW_SLOTS]]>,
    // Keyed anew in each process: nobody can choose addresses that share a row.
    hasher: RandomState,
}

#[derive(Default)]
struct Slot {
    owner: AtomicU64,
    /// When what was taken is used up, in milliseconds since 1970.
    until_ms: AtomicU64,
}

#[derive(Clone, Copy)]
enum Of<'a> {
    Address(IpAddr),
    Network(IpAddr),
    Consumer(&'a str),
}

impl Failures {
    /// Nobody has failed yet.
    #[must_use]
    pub fn new(policy: FailuresPolicy) -> Self {
        let rows = (0..FAILURE_SLOTS / ROW_SLOTS).map(|_| Default::default()).collect();
        Self { policy, rows, hasher: RandomState::new() }
    }

    /// Whether this address may try.
    ///
    /// # Errors
    /// It or its network failed too often; after this time it may again.
    pub fn may_try(&self, address: IpAddr, now_ms: u64) -> Result<(), Duration> {
        for of in [Of::Address(address), Of::Network(address)] {
            self.room(of, now_ms)?;
        }
        Ok(())
    }

    /// A credential did not hold; of a consumer, where it was one's.
    ///
    /// # Errors
    /// The consumer's credentials failed too often.
    pub fn failed(
        &self,
        address: IpAddr,
        consumer: Option<&str>,
        now_ms: u64,
    ) -> Result<(), Duration> {
        self.take(Of::Address(address), now_ms);
        self.take(Of::Network(address), now_ms);
        let Some(consumer) = consumer else { return Ok(()) };
        // One that holds is never refused for these: whoever has an old key could lock its consumer out.
        self.room(Of::Consumer(consumer), now_ms)?;
        self.take(Of::Consumer(consumer), now_ms);
        Ok(())
    }

    fn room(&self, of: Of<'_>, now_ms: u64) -> Result<(), Duration> {
        let (owner, each_ms) = self.about(of);
        let slots = self.row(owner);
        let Some(slot) =
            slots.and_then(|row| row.iter().find(|it| it.owner.load(Relaxed) == owner))
        else {
            return Ok(());
        };
        // A minute's worth at once, as they come in bursts where a client is set up wrongly.
        let free_ms = (slot.until_ms.load(Relaxed) + each_ms).saturating_sub(MINUTE_MS);
        match free_ms.saturating_sub(now_ms) {
            0 => Ok(()),
            wait_ms => Err(Duration::from_millis(wait_ms)),
        }
    }

    fn take(&self, of: Of<'_>, now_ms: u64) {
        let (owner, each_ms) = self.about(of);
        let Some(row) = self.row(owner) else { return };
        let slot = match row.iter().find(|slot| slot.owner.load(Relaxed) == owner) {
            Some(slot) => slot,
            None => {
                let oldest = row.iter().min_by_key(|slot| slot.until_ms.load(Relaxed));
                let Some(slot) = oldest else { return };
                // Two threads may displace each other here: one failure is forgotten, once.
                slot.owner.store(owner, Relaxed);
                slot.until_ms.store(0, Relaxed);
                slot
            }
        };
        let next = |until_ms: u64| Some(until_ms.max(now_ms).saturating_add(each_ms));
        // It never says no.
        let _ = slot.until_ms.fetch_update(Relaxed, Relaxed, next);
    }

    /// Whose slot it is, and the time that one failure takes.
    fn about(&self, of: Of<'_>) -> (u64, u64) {
        let (hash, per_min) = match of {
            Of::Address(address) => {
                (self.hasher.hash_one((0u8, masked(address, 32, 64))), self.policy.address_per_min)
            }
            Of::Network(address) => {
                (self.hasher.hash_one((1u8, masked(address, 24, 48))), self.policy.network_per_min)
            }
            Of::Consumer(name) => (self.hasher.hash_one((2u8, name)), self.policy.consumer_per_min),
        };
        // 0 is nobody's.
        (hash | 1, (MINUTE_MS / u64::from(per_min.max(1))).max(1))
    }

    fn row(&self, owner: u64) -> Option<&[Slot; ROW_SLOTS]> {
        // The lowest bit is always set.
        self.rows.get((owner >> 1) as usize % self.rows.len())
    }
}

/// The network of an address.
pub fn masked(address: IpAddr, v4_bits: u32, v6_bits: u32) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - v4_bits).unwrap_or_default();
            IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - v6_bits).unwrap_or_default();
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
    }
}

impl std::fmt::Debug for Failures {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Failures").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// Two cache lines.
const ROW_SLOTS: usize = 8;
const MINUTE_MS: u64 = 60_000;

impl Identifier {
    /// Whether an address may try once more to name what nobody else knows.
    ///
    /// # Errors
    /// Too often it was nothing.
    pub fn may_try(&self, address: IpAddr, now: Duration) -> Result<(), Refused> {
        self.identities.may_try(address, now)
    }

    /// It was nothing.
    pub fn tried(&self, address: IpAddr, now: Duration) {
        let denied = Denied::Session(SessionError::Unknown);
        self.identities.failed(denied, None, address, now);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Failures, MINUTE_MS};
    use crate::policy::FailuresPolicy;

    const NOW: u64 = 1_800_000_000_000;

    fn failures() -> Failures {
        Failures::new(FailuresPolicy {
            address_per_min: 3,
            network_per_min: 5,
            consumer_per_min: 2,
        })
    }

    #[test]
    fn an_address_and_its_network_have_a_bound() {
        for (same, beside, elsewhere) in [
            ("192.0.2.1", "192.0.2.2", "192.0.3.1"),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", "2001:db8:2::1"),
        ] {
            let failures = failures();
            let [same, beside, elsewhere] =
                [same, beside, elsewhere].map(|address| address.parse().unwrap());
            for _ in 0..3 {
                assert_eq!(failures.may_try(same, NOW), Ok(()), "{same}");
                failures.failed(same, None, NOW).unwrap();
            }
            assert_eq!(failures.may_try(same, NOW), Err(Duration::from_secs(20)));
            assert_eq!(failures.may_try(beside, NOW), Ok(()));
            for _ in 0..2 {
                failures.failed(beside, None, NOW).unwrap();
            }
            assert_eq!(failures.may_try(beside, NOW), Err(Duration::from_secs(12)));
            assert_eq!(failures.may_try(elsewhere, NOW), Ok(()));
            // Each third of a minute gives one back; after a minute all is forgotten.
            assert_eq!(failures.may_try(same, NOW + 20_000), Ok(()));
            failures.failed(same, None, NOW + 20_000).unwrap();
            assert!(failures.may_try(same, NOW + 20_000).is_err());
            assert_eq!(failures.may_try(same, NOW + 3 * MINUTE_MS), Ok(()));
        }
    }

    #[test]
    fn all_addresses_of_a_host_count_together() {
        let failures = failures();
        for host in 0..3 {
            let address = format!("2001:db8::{host}").parse().unwrap();
            assert_eq!(failures.failed(address, None, NOW), Ok(()));
        }
        assert!(failures.may_try("2001:db8::ffff".parse().unwrap(), NOW).is_err());
        let mapped = ["::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1"];
        for address in mapped {
            failures.failed(address.parse().unwrap(), None, NOW).unwrap();
        }
        assert!(failures.may_try("192.0.2.1".parse().unwrap(), NOW).is_err());
    }

    #[test]
    fn a_consumer_has_a_bound_over_all_addresses() {
        let failures = failures();
        let from = |last: u8| format!("198.51.{last}.1").parse().unwrap();
        assert_eq!(failures.failed(from(1), Some("shop"), NOW), Ok(()));
        assert_eq!(failures.failed(from(2), Some("shop"), NOW), Ok(()));
        assert_eq!(failures.failed(from(3), Some("shop"), NOW), Err(Duration::from_secs(30)));
        assert_eq!(failures.failed(from(4), Some("bank"), NOW), Ok(()));
    }
}
