//! Reading what the program counted.

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
    /// Packets that passed unlimited since no bucket could be made for their source.
    pub buckets: u64,
    /// Packets that passed unlimited since their bucket changed under every try.
    pub contention: u64,
}

impl Generation {
    /// Packets and bytes by verdict, reason and protocol, over all CPUs; rows of zero are left out.
    ///
    /// # Errors
    ///
    /// Where the kernel does not answer.
    pub fn counters(&self) -> Result<Vec<CounterRow>, DatapathError> {
        let array = array::<Count>(self, maps::COUNTERS)?;
        let mut rows = Vec::new();
        for verdict in Verdict::ALL {
            for reason in Reason::ALL {
                for protocol in Protocol::ALL {
                    let counts = get(&array, maps::COUNTERS, slot(verdict, reason, protocol))?;
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
        })
    }
}

fn array<'a, V: Pod>(
    generation: &'a Generation,
    name: &'static str,
) -> Result<PerCpuArray<&'a MapData, V>, DatapathError> {
    generation.map(name)?.try_into().map_err(|source| DatapathError::Map { name, source })
}

fn get<V: Pod>(
    array: &PerCpuArray<&MapData, V>,
    name: &'static str,
    index: u32,
) -> Result<aya::maps::PerCpuValues<V>, DatapathError> {
    array.get(&index, 0).map_err(|source| DatapathError::Map { name, source })
}
