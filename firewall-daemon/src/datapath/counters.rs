//! Reading what the program counted.

use std::borrow::Borrow;

use aya::{
    Pod,
    maps::{MapData, PerCpuArray},
};
use firewall_common::{
    Protocol, Reason, Verdict,
    counter::{Count, Loss, slot},
    maps,
};

use crate::datapath::{error::DatapathError, generation::Generation};

/// Packets and bytes of one verdict, reason and protocol, since the maps were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterRow {
    /// What became of the packets.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// What they carried.
    pub protocol: Protocol,
    /// Packets.
    pub packets: u64,
    /// Bytes, link headers included.
    pub bytes: u64,
}

/// What the program could not do, since the maps were made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Events that found the ring buffer full.
    pub events: u64,
    /// Packets that passed unlimited since all buckets of their row were in use.
    pub buckets: u64,
    /// Packets that passed unlimited since their bucket changed under every try.
    pub contention: u64,
    /// Events over the bound of events a second.
    pub events_bound: u64,
    /// Segments that could not be answered with a SYN cookie.
    pub replies: u64,
}

/// Packets and bytes that a rule decided about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCount {
    /// The rule.
    pub name: String,
    /// Packets.
    pub packets: u64,
    /// Bytes, link headers included.
    pub bytes: u64,
}

impl Generation {
    /// Packets and bytes by verdict, reason and protocol, over all CPUs; rows of zero are left out.
    ///
    /// # Errors
    ///
    /// Where the kernel does not answer.
    pub fn counters(&self) -> Result<Vec<CounterRow>, DatapathError> {
        counter_rows(&array(self, maps::COUNTERS)?)
    }

    /// What the program could not do.
    ///
    /// # Errors
    ///
    /// Where the kernel does not answer.
    pub fn losses(&self) -> Result<Losses, DatapathError> {
        let array = array::<u64>(self, maps::LOSSES)?;
        let total = |loss: Loss| {
            get(&array, maps::LOSSES, loss as u32).map(|counts| counts.iter().sum::<u64>())
        };
        Ok(Losses {
            events: total(Loss::Event)?,
            buckets: total(Loss::Bucket)?,
            contention: total(Loss::Contention)?,
            events_bound: total(Loss::EventBound)?,
            replies: total(Loss::Reply)?,
        })
    }

    /// Packets and bytes by rule, in the order of the rules: those of each since its name was first counted.
    ///
    /// # Errors
    ///
    /// Where the kernel does not answer.
    pub fn rule_counts(&self) -> Result<Vec<RuleCount>, DatapathError> {
        let array = array::<Count>(self, maps::RULE_COUNTERS)?;
        let rules = self.rule_slots.iter().zip(&self.names().rules);
        let count = |(slot, name): (&u8, &String)| {
            let counts = get(&array, maps::RULE_COUNTERS, u32::from(*slot))?;
            let packets = counts.iter().map(|count| count.packets).sum();
            let bytes = counts.iter().map(|count| count.bytes).sum();
            Ok(RuleCount { name: name.clone(), packets, bytes })
        };
        rules.map(count).collect()
    }
}

/// The same of a table of counters, whoever has opened it.
///
/// # Errors
///
/// Where the kernel does not answer.
pub fn counter_rows<M: Borrow<MapData>>(
    array: &PerCpuArray<M, Count>,
) -> Result<Vec<CounterRow>, DatapathError> {
    let mut rows = Vec::new();
    for verdict in Verdict::ALL {
        for reason in Reason::ALL {
            for protocol in Protocol::ALL {
                let counts = get(array, maps::COUNTERS, slot(verdict, reason, protocol))?;
                let packets = counts.iter().map(|count| count.packets).sum();
                let bytes = counts.iter().map(|count| count.bytes).sum();
                if packets != 0 {
                    rows.push(CounterRow { verdict, reason, protocol, packets, bytes });
                }
            }
        }
    }
    Ok(rows)
}

fn array<'a, V: Pod>(
    generation: &'a Generation,
    name: &'static str,
) -> Result<PerCpuArray<&'a MapData, V>, DatapathError> {
    generation.map(name)?.try_into().map_err(|source| DatapathError::Map { name, source })
}

fn get<M: Borrow<MapData>, V: Pod>(
    array: &PerCpuArray<M, V>,
    name: &'static str,
    index: u32,
) -> Result<aya::maps::PerCpuValues<V>, DatapathError> {
    array.get(&index, 0).map_err(|source| DatapathError::Map { name, source })
}
