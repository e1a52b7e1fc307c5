//! The tables as the kernel searches them: slots, nodes, ranges, and ranges inside one /64.

use firewall_common::{
    class::ClassId,
    ranges::{
        DEEP_GROUPS_MAX, DeepGroup, DeepRange, GROUP_MAX, NODE_BITS, NODE_BRANCHES, ROW_RANGES,
        ROWS_MAX, SHIFT_BEHIND_SLOT, SHIFT_OUTSIDE, SLOT_BITS, SLOTS, Slot, V6_RANGE_BITS, ValueV6,
        branch_v4, branch_v6, class_v4, is_above_v6, is_global_unicast, key_v4, key_v6, pack_v4,
        pack_v6, search_deep, search_group, slot_v4, slot_v6, value_v6,
    },
};

/// More ranges than the tables hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// The IPv4 table.
#[derive(Debug)]
pub struct TableV4 {
    /// The slots.
    pub slots: Vec<u32>,
    /// The nodes.
    pub nodes: Vec<[u32; NODE_BRANCHES]>,
    /// Packed ranges, in groups that never lie across rows of [`ROW_RANGES`].
    pub ranges: Vec<u32>,
}

/// The IPv6 table.
#[derive(Debug)]
pub struct TableV6 {
    /// The slots of global unicast.
    pub slots: Vec<u32>,
    /// The nodes; the first is the root of all other addresses.
    pub nodes: Vec<[u32; NODE_BRANCHES]>,
    /// Packed ranges over the upper half, as in IPv4.
    pub ranges: Vec<u64>,
    /// Where the ranges of each /64 are that has some inside.
    pub groups: Vec<DeepGroup>,
    /// Ranges over the lower half; those of one /64 stand together.
    pub deep: Vec<DeepRange>,
}

impl TableV4 {
    /// From where each class begins, in order of address, the first at zero.
    ///
    /// # Errors
    ///
    /// Where the ranges do not fit.
    pub fn new(classes: &[(u32, ClassId)]) -> Result<Self, Full> {
        const SPAN_BITS: u32 = 32 - SLOT_BITS;
        let direct = |class| Some(Slot::Class(class));
        let mut builder = Builder::new(|first: u32, class| pack_v4(first, class), direct);
        let mut slots = Vec::with_capacity(SLOTS);
        let mut rest = Covering::new(classes);
        for slot in 0..SLOTS as u32 {
            let first = slot << SPAN_BITS;
            let within = rest.within(first, first | ((1 << SPAN_BITS) - 1));
            slots.push(builder.slot(within, u64::from(first), SPAN_BITS)?.to_word());
        }
        Ok(Self { slots, nodes: builder.nodes, ranges: builder.ranges })
    }

    /// The class of an address, by the same search as the kernel's.
    #[must_use]
    pub fn class(&self, address: u32) -> Option<ClassId> {
        let mut slot = Slot::from_word(*self.slots.get(slot_v4(address) as usize)?);
        if let Slot::Node(node) = slot {
            slot = Slot::from_word(self.nodes.get(node as usize)?[branch_v4(address) as usize]);
        }
        match slot {
            Slot::Class(class) => Some(class),
            Slot::Node(_) => None,
            Slot::Group { row, offset, count } => {
                let group = group(&self.ranges, row, offset, count)?;
                let key = key_v4(address);
                let found = search_group(count, |at| u32::from(group[at as usize] > key));
                Some(class_v4(group[found as usize]))
            }
        }
    }
}

impl TableV6 {
    /// From where each class begins, in order of address, the first at zero.
    ///
    /// # Errors
    ///
    /// Where the ranges do not fit.
    pub fn new(classes: &[(u128, ClassId)]) -> Result<Self, Full> {
        let mut deep = Deep { groups: Vec::new(), ranges: Vec::new() };
        let upper = deep.split(classes);
        if deep.groups.len() > DEEP_GROUPS_MAX || u32::try_from(deep.ranges.len()).is_err() {
            return Err(Full);
        }
        let mut builder = Builder::new(
            |first: u64, value| pack_v6(first, value),
            |value| match value {
                ValueV6::Class(class) => Some(Slot::Class(class)),
                ValueV6::Deep(_) => None,
            },
        );
        // The root is a node whatever it holds: the program begins there without asking.
        let mut rest = Covering::new(&upper);
        builder.outside(&mut rest)?;
        let slots = builder.global(&upper)?;
        let Deep { groups, ranges } = deep;
        Ok(Self { slots, nodes: builder.nodes, ranges: builder.ranges, groups, deep: ranges })
    }

    /// The class of an address, by the same search as the kernel's.
    #[must_use]
    pub fn class(&self, address: u128) -> Option<ClassId> {
        let (high, low) = ((address >> 64) as u64, address as u64);
        let (mut slot, mut shift) = if is_global_unicast(high) {
            (Slot::from_word(*self.slots.get(slot_v6(high) as usize)?), SHIFT_BEHIND_SLOT)
        } else {
            (Slot::Node(0), SHIFT_OUTSIDE)
        };
        while let Slot::Node(node) = slot {
            slot = Slot::from_word(self.nodes.get(node as usize)?[branch_v6(high, shift) as usize]);
            shift = shift.wrapping_sub(NODE_BITS);
        }
        let value = match slot {
            Slot::Class(class) => return Some(class),
            Slot::Node(_) => return None,
            Slot::Group { row, offset, count } => {
                let group = group(&self.ranges, row, offset, count)?;
                let key = key_v6(high);
                let found = search_group(count, |at| is_above_v6(group[at as usize], key));
                value_v6(group[found as usize])
            }
        };
        match value {
            ValueV6::Class(class) => Some(class),
            ValueV6::Deep(number) => {
                let DeepGroup { first, count } = *self.groups.get(number as usize)?;
                let item = |at: u32| Some(self.deep.get(at as usize)?.first);
                let found = search_deep(first, count, low, item)?;
                Some(self.deep.get(found as usize)?.class)
            }
        }
    }
}

fn group<W>(ranges: &[W], row: u32, offset: u32, count: u32) -> Option<&[W]> {
    let first = row as usize * ROW_RANGES + offset as usize;
    ranges.get(first..first + count as usize)
}

/// Walks sorted ranges, slot by slot.
pub(super) struct Covering<'a, N, V> {
    ranges: &'a [(N, V)],
    at: usize,
}

impl<'a, N: Copy + Ord, V> Covering<'a, N, V> {
    pub(super) fn new(ranges: &'a [(N, V)]) -> Self {
        Self { ranges, at: 0 }
    }

    /// The ranges that hold addresses from `first` to `last`; slots are asked for in order.
    pub(super) fn within(&mut self, first: N, last: N) -> &'a [(N, V)] {
        while self.ranges.get(self.at + 1).is_some_and(|(next, _)| *next <= first) {
            self.at += 1;
        }
        let rest = self.ranges.get(self.at..).unwrap_or_default();
        let more = rest.iter().skip(1).take_while(|(next, _)| *next <= last).count();
        rest.get(..=more).unwrap_or_default()
    }
}

/// Puts ranges into groups, and groups that are too large behind nodes.
struct Builder<N, V, W> {
    pack: fn(N, V) -> W,
    /// What stands for a value alone, where it needs no range of its own.
    direct: fn(V) -> Option<Slot>,
    nodes: Vec<[u32; NODE_BRANCHES]>,
    ranges: Vec<W>,
}

impl<N, V, W> Builder<N, V, W>
where
    N: Copy + Ord + Into<u64> + TryFrom<u64>,
    V: Copy,
    W: Copy + Default,
{
    fn new(pack: fn(N, V) -> W, direct: fn(V) -> Option<Slot>) -> Self {
        Self { pack, direct, nodes: Vec::new(), ranges: Vec::new() }
    }

    /// The slot of the `span_bits` of addresses from `first` on, which `within` covers.
    fn slot(&mut self, within: &[(N, V)], first: u64, span_bits: u32) -> Result<Slot, Full> {
        let [(_, value), ..] = within else { return Ok(Slot::Class(0)) };
        if within.len() == 1
            && let Some(slot) = (self.direct)(*value)
        {
            return Ok(slot);
        }
        // A packed range holds no more bits of the address than a slot leaves.
        if within.len() <= GROUP_MAX && span_bits <= V6_RANGE_BITS {
            return self.group(within, first);
        }
        self.node(within, first, span_bits)
    }

    fn group(&mut self, within: &[(N, V)], first: u64) -> Result<Slot, Full> {
        let left = ROW_RANGES - self.ranges.len() % ROW_RANGES;
        if within.len() > left {
            self.ranges.resize(self.ranges.len() + left, W::default());
        }
        let (row, offset) = (self.ranges.len() / ROW_RANGES, self.ranges.len() % ROW_RANGES);
        if row >= ROWS_MAX {
            return Err(Full);
        }
        for (at, value) in within {
            let at = N::try_from((*at).into().max(first)).map_err(|_| Full)?;
            self.ranges.push((self.pack)(at, *value));
        }
        Ok(Slot::Group { row: row as u32, offset: offset as u32, count: within.len() as u32 })
    }

    fn node(&mut self, within: &[(N, V)], first: u64, span_bits: u32) -> Result<Slot, Full> {
        let branch_bits = span_bits.saturating_sub(NODE_BITS);
        let node = self.nodes.len();
        self.nodes.push([0; NODE_BRANCHES]);
        let mut rest = Covering::new(within);
        for branch in 0..NODE_BRANCHES {
            let first = first + ((branch as u64) << branch_bits);
            let last = first + ((1 << branch_bits) - 1);
            let bounds = (N::try_from(first), N::try_from(last));
            let (Ok(from), Ok(to)) = bounds else { return Err(Full) };
            let within = rest.within(from, to);
            self.nodes[node][branch] = self.slot(within, first, branch_bits)?.to_word();
        }
        Ok(Slot::Node(node as u32))
    }

    /// The root of all addresses outside of the slots.
    fn outside(&mut self, rest: &mut Covering<'_, N, V>) -> Result<(), Full> {
        self.nodes.push([0; NODE_BRANCHES]);
        for branch in 0..NODE_BRANCHES {
            let first = (branch as u64) << SHIFT_OUTSIDE;
            if is_global_unicast(first) {
                continue;
            }
            let last = first | ((1 << SHIFT_OUTSIDE) - 1);
            let bounds = (N::try_from(first), N::try_from(last));
            let (Ok(from), Ok(to)) = bounds else { return Err(Full) };
            let within = rest.within(from, to);
            self.nodes[0][branch] = self.slot(within, first, SHIFT_OUTSIDE)?.to_word();
        }
        Ok(())
    }
}

impl<V: Copy, W: Copy + Default> Builder<u64, V, W> {
    /// The slots of global unicast.
    fn global(&mut self, ranges: &[(u64, V)]) -> Result<Vec<u32>, Full> {
        let global = 1_u64 << 61;
        let mut rest = Covering::new(ranges);
        let slots = (0..SLOTS as u64).map(|slot| {
            let first = global | slot << V6_RANGE_BITS;
            let within = rest.within(first, first | ((1 << V6_RANGE_BITS) - 1));
            Ok(self.slot(within, first, V6_RANGE_BITS)?.to_word())
        });
        slots.collect()
    }
}

/// The ranges inside /64s.
struct Deep {
    groups: Vec<DeepGroup>,
    ranges: Vec<DeepRange>,
}

impl Deep {
    /// Leaves the ranges over the upper half, and takes those over the lower half for itself.
    fn split(&mut self, classes: &[(u128, ClassId)]) -> Vec<(u64, ValueV6)> {
        let mut upper = Vec::with_capacity(classes.len());
        // The class in force where a network begins.
        let mut current = 0;
        let mut groups = classes.chunk_by(|left, right| left.0 >> 64 == right.0 >> 64).peekable();
        while let Some(group) = groups.next() {
            let Some((address, class)) = group.first() else { continue };
            let network = (address >> 64) as u64;
            if group.len() == 1 && *address as u64 == 0 {
                upper.push((network, ValueV6::Class(*class)));
                current = *class;
                continue;
            }
            let first = self.ranges.len();
            if *address as u64 != 0 {
                self.ranges.push(DeepRange { first: 0, class: current, _pad: 0 });
            }
            for (address, class) in group {
                self.ranges.push(DeepRange { first: *address as u64, class: *class, _pad: 0 });
                current = *class;
            }
            let count = (self.ranges.len() - first) as u32;
            upper.push((network, ValueV6::Deep(self.groups.len() as u32)));
            self.groups.push(DeepGroup { first: first as u32, count });
            // Behind this /64 its last class goes on, unless the next group says otherwise.
            let stated = groups.peek().and_then(|group| group.first());
            if let Some(following) = network.checked_add(1)
                && stated.is_none_or(|(address, _)| (address >> 64) as u64 != following)
            {
                upper.push((following, ValueV6::Class(current)));
            }
        }
        upper
    }
}

#[cfg(test)]
mod tests;
