//! Capture files made by hand, in either byte order.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Little,
    Big,
}

pub const ORDERS: [Order; 2] = [Order::Little, Order::Big];

impl Order {
    pub fn u16(self, number: u16) -> [u8; 2] {
        match self {
            Self::Little => number.to_le_bytes(),
            Self::Big => number.to_be_bytes(),
        }
    }

    pub fn u32(self, number: u32) -> [u8; 4] {
        match self {
            Self::Little => number.to_le_bytes(),
            Self::Big => number.to_be_bytes(),
        }
    }

    fn i64(self, number: i64) -> [u8; 8] {
        match self {
            Self::Little => number.to_le_bytes(),
            Self::Big => number.to_be_bytes(),
        }
    }
}

/// Seconds, their fraction, original length, bytes.
pub type PcapFrame<'a> = (u32, u32, u32, &'a [u8]);

pub fn pcap(order: Order, magic: u32, link_type: u32, frames: &[PcapFrame<'_>]) -> Vec<u8> {
    let mut file = order.u32(magic).to_vec();
    file.extend([order.u16(2), order.u16(4)].concat());
    file.extend([0, 0, 65_535, link_type].map(|number| order.u32(number)).concat());
    for (seconds, fraction, original, bytes) in frames {
        let kept = bytes.len() as u32;
        let header = [*seconds, *fraction, kept, *original];
        file.extend(header.map(|number| order.u32(number)).concat());
        file.extend(*bytes);
    }
    file
}

pub fn block(order: Order, kind: u32, content: &[u8]) -> Vec<u8> {
    let length = order.u32(content.len().next_multiple_of(4) as u32 + 12);
    let mut block = [order.u32(kind), length].concat();
    block.extend(content);
    block.resize(block.len().next_multiple_of(4), 0);
    block.extend(length);
    block
}

pub fn section(order: Order) -> Vec<u8> {
    let mut content = order.u32(0x1a2b_3c4d).to_vec();
    content.extend([order.u16(1), order.u16(0)].concat());
    content.extend([0xff; 8]);
    block(order, 0x0a0d_0d0a, &content)
}

pub fn option(order: Order, code: u16, value: &[u8]) -> Vec<u8> {
    let mut option = [order.u16(code), order.u16(value.len() as u16)].concat();
    option.extend(value);
    option.resize(option.len().next_multiple_of(4), 0);
    option
}

pub struct Interface {
    pub link_type: u16,
    pub snap_length: u32,
    pub resolution: Option<u8>,
    pub offset_s: Option<i64>,
}

pub const ETHERNET: Interface =
    Interface { link_type: 1, snap_length: 0, resolution: None, offset_s: None };

pub fn interface(order: Order, interface: &Interface) -> Vec<u8> {
    let mut content = [order.u16(interface.link_type), [0; 2]].concat();
    content.extend(order.u32(interface.snap_length));
    if let Some(resolution) = interface.resolution {
        content.extend(option(order, 9, &[resolution]));
    }
    if let Some(offset_s) = interface.offset_s {
        content.extend(option(order, 14, &order.i64(offset_s)));
    }
    content.extend([0; 4]);
    block(order, 1, &content)
}

pub fn enhanced(order: Order, index: u32, ticks: u64, original: u32, bytes: &[u8]) -> Vec<u8> {
    let header = [index, (ticks >> 32) as u32, ticks as u32, bytes.len() as u32, original];
    let mut content = header.map(|number| order.u32(number)).concat();
    content.extend(bytes);
    content.resize(content.len().next_multiple_of(4), 0);
    content.extend(option(order, 1, b"a comment"));
    content.extend([0; 4]);
    block(order, 6, &content)
}

pub fn simple(order: Order, original: u32, bytes: &[u8]) -> Vec<u8> {
    block(order, 3, &[&order.u32(original)[..], bytes].concat())
}
