//! Which rule is counted where. A rule's name keeps its slot, so that its counters go on whatever becomes of the
//! rule's place, of the generation and of the daemon. The names are pinned beside the counters.

use std::{borrow::Borrow, cmp::Reverse, path::Path};

use aya::maps::{Array, Map, MapData, MapError, PerCpuArray, PerCpuValues};
use firewall_common::{
    counter::Count,
    maps,
    rules::{RULE_NAME_BYTES, RULE_SLOTS, RuleSlot},
};

use crate::datapath::{error::DatapathError, generation::Generation};

/// Whose packets each slot counts.
pub struct RuleSlots(Vec<RuleSlot>);

impl RuleSlots {
    /// Reads what is pinned; nobody counts yet where nothing is.
    pub fn open(pin: &Path) -> Result<Self, DatapathError> {
        if !pin.exists() {
            return Ok(Self(vec![RuleSlot::default(); RULE_SLOTS as usize]));
        }
        let map = MapData::from_pin(pin).and_then(Map::from_map_data).map_err(names_failed)?;
        Self::read(&Array::<MapData, RuleSlot>::try_from(map).map_err(names_failed)?)
    }

    /// Reads all of them.
    pub fn read<M: Borrow<MapData>>(names: &Array<M, RuleSlot>) -> Result<Self, DatapathError> {
        let slots = (0..RULE_SLOTS).map(|slot| names.get(&slot, 0).map_err(names_failed));
        slots.collect::<Result<_, _>>().map(Self)
    }

    /// The slot of each rule: its own; else a free one; else that of the rule that is gone for longest. There
    /// are more slots than rules of two generations, so those in force and those before keep theirs.
    pub fn assign(&self, names: &[String]) -> Vec<u8> {
        let names: Vec<_> = names.iter().map(|name| padded(name)).collect();
        let taken = |slot: &RuleSlot| names.contains(&slot.name);
        let mut others: Vec<_> = self.numbered().filter(|(_, slot)| !taken(slot)).collect();
        // The next to be taken stands last.
        others.sort_by_key(|(number, slot)| {
            Reverse((slot.name != [0; RULE_NAME_BYTES], slot.last_used, *number))
        });
        let own = |name| self.numbered().find(|(_, slot)| slot.name == name);
        let slots = names.iter().map(|name| own(*name).or_else(|| others.pop()));
        slots.map(|found| found.map_or(0, |(number, _)| number)).collect()
    }

    /// Rules that had to give their slots up.
    pub fn replaced(&self) -> u64 {
        self.0.iter().map(|slot| slot.replaced).sum()
    }

    /// What the slots of these rules say from here on.
    fn taken(&self, slots: &[u8], rules: &[String]) -> Vec<(u8, RuleSlot)> {
        let last_used = 1 + self.0.iter().map(|slot| slot.last_used).max().unwrap_or(0);
        let next = |(slot, rule): (&u8, &String)| {
            let held = self.0.get(usize::from(*slot)).copied().unwrap_or_default();
            let name = padded(rule);
            let gives_up = held.name != [0; RULE_NAME_BYTES] && held.name != name;
            (*slot, RuleSlot { last_used, replaced: held.replaced + u64::from(gives_up), name })
        };
        slots.iter().zip(rules).map(next).collect()
    }

    fn put(&mut self, taken: &[(u8, RuleSlot)]) {
        for (slot, next) in taken {
            if let Some(held) = self.0.get_mut(usize::from(*slot)) {
                *held = *next;
            }
        }
    }

    fn is_another(&self, slot: u8, next: &RuleSlot) -> bool {
        self.0.get(usize::from(slot)).is_none_or(|held| held.name != next.name)
    }

    fn numbered(&self) -> impl Iterator<Item = (u8, &RuleSlot)> {
        (0..=u8::MAX).zip(&self.0)
    }
}

impl Generation {
    /// It is about to be in force: from here on its slots count its rules, and its number is taken. What a slot
    /// counted for another rule is not its own; that goes first.
    ///
    /// # Errors
    ///
    /// Where the kernel refuses; what is in force goes on counting as before.
    pub fn enter(&mut self) -> Result<(), DatapathError> {
        let mut slots = RuleSlots::read(&self.array::<RuleSlot>(maps::RULE_NAMES)?)?;
        let taken = slots.taken(&self.rule_slots, &self.names().rules);
        for (slot, _) in taken.iter().filter(|(slot, next)| slots.is_another(*slot, next)) {
            self.clear(*slot)?;
        }
        let mut names = self.array::<RuleSlot>(maps::RULE_NAMES)?;
        for (slot, next) in &taken {
            names.set(u32::from(*slot), next, 0).map_err(names_failed)?;
        }
        slots.put(&taken);
        self.replaced = slots.replaced();
        let name = maps::GENERATION;
        let failed = |source| DatapathError::Map { name, source };
        let number = self.number();
        let mut highest = self.array::<u32>(name)?;
        if highest.get(&0, 0).map_err(failed)? < number {
            highest.set(0, number, 0).map_err(failed)?;
        }
        Ok(())
    }

    fn clear(&mut self, slot: u8) -> Result<(), DatapathError> {
        let name = maps::RULE_COUNTERS;
        let failed = |source| DatapathError::Map { name, source };
        let map = self.ebpf_mut().map_mut(name);
        let map = map.ok_or(DatapathError::Missing { what: "map", name })?;
        let mut counters = PerCpuArray::<_, Count>::try_from(map).map_err(failed)?;
        let cpus = counters.get(&u32::from(slot), 0).map_err(failed)?.len();
        let zeros = PerCpuValues::try_from(vec![Count::default(); cpus]);
        let zeros = zeros.map_err(|error| failed(MapError::IoError(error)))?;
        counters.set(u32::from(slot), zeros, 0).map_err(failed)
    }
}

/// The highest number of a generation that was in force; zero where none was.
pub fn last_generation(pin: &Path) -> Result<u32, DatapathError> {
    if !pin.exists() {
        return Ok(0);
    }
    let failed = |source| DatapathError::Map { name: maps::GENERATION, source };
    let map = MapData::from_pin(pin).and_then(Map::from_map_data).map_err(failed)?;
    let array = Array::<MapData, u32>::try_from(map).map_err(failed)?;
    array.get(&0, 0).map_err(failed)
}

fn padded(name: &str) -> [u8; RULE_NAME_BYTES] {
    let mut padded = [0; RULE_NAME_BYTES];
    // The configuration has no longer one.
    padded.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from);
    padded
}

fn names_failed(source: MapError) -> DatapathError {
    DatapathError::Map { name: maps::RULE_NAMES, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(range: std::ops::Range<usize>) -> Vec<String> {
        range.map(|number| format!("rule-{number}")).collect()
    }

    /// Puts rules in force, as `enter` does; answers their slots.
    fn enter(slots: &mut RuleSlots, rules: &[String]) -> Vec<u8> {
        let assigned = slots.assign(rules);
        let taken = slots.taken(&assigned, rules);
        slots.put(&taken);
        assigned
    }

    #[test]
    fn a_rule_keeps_its_slot_until_all_are_taken_and_the_longest_gone_gives_way() {
        let mut slots = RuleSlots(vec![RuleSlot::default(); RULE_SLOTS as usize]);
        // (rules, their slots, rules that had to give way so far)
        let cases: [(Vec<String>, Vec<u8>, u64); 8] = [
            (names(0..3), vec![0, 1, 2], 0),
            (names(1..4), vec![1, 2, 3], 0),
            ([names(3..4), names(0..1)].concat(), vec![3, 0], 0),
            (names(4..60), (4..60).collect(), 0),
            (names(60..256), (60..=255).collect(), 0),
            // One and two went first; 0 and 3 after them.
            (names(300..303), vec![1, 2, 0], 3),
            (names(300..302), vec![1, 2], 3),
            ([names(1..2), names(4..5)].concat(), vec![3, 4], 4),
        ];
        for (step, (rules, expected, replaced)) in cases.into_iter().enumerate() {
            assert_eq!(enter(&mut slots, &rules), expected, "step {step}");
            assert_eq!(slots.replaced(), replaced, "step {step}");
        }
    }

    #[test]
    fn rules_in_force_never_share_a_slot_with_those_of_before() {
        let mut slots = RuleSlots(vec![RuleSlot::default(); RULE_SLOTS as usize]);
        let mut before = Vec::new();
        for round in 0..40 {
            let assigned = enter(&mut slots, &names(56 * round..56 * (round + 1)));
            let mut all = [assigned.clone(), before].concat();
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), if round == 0 { 56 } else { 112 }, "round {round}");
            before = assigned;
        }
        assert_eq!(slots.replaced(), 40 * 56 - 256);
    }
}
