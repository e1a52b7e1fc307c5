//! What a driver can do with an XDP program, as it says itself: the generic netlink family `netdev`, which Linux
//! has since 6.3 (Documentation/netlink/specs/netdev.yaml).

use std::io;

use netlink_packet_core::{
    DecodeError, DefaultNla, Emitable as _, NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader,
    NetlinkSerializable, NlaBuffer, NlasIterator,
};
use rustix::net::netlink;

use super::{exchange, unexpected};

/// `GENL_ID_CTRL`, the family that knows the numbers of the others.
const CONTROL: u16 = 0x10;
/// `CTRL_CMD_GETFAMILY`.
const GET_FAMILY: u8 = 3;
/// `CTRL_ATTR_FAMILY_ID`.
const FAMILY_ID: u16 = 1;
/// `CTRL_ATTR_FAMILY_NAME`.
const FAMILY_NAME: u16 = 2;
/// The family's name, ended as C ends it.
const NETDEV: &[u8] = b"netdev\0";
/// `NETDEV_CMD_DEV_GET`.
const GET_DEVICE: u8 = 1;
/// `NETDEV_A_DEV_IFINDEX`.
const INTERFACE_INDEX: u16 = 1;
/// `NETDEV_A_DEV_XDP_FEATURES`.
const XDP_FEATURES: u16 = 3;
/// `NETDEV_XDP_ACT_BASIC`: a program in the driver may drop, pass and send back.
const BASIC: u64 = 1;

/// Whether the driver of an interface of this network namespace runs XDP programs itself; nothing where this
/// kernel does not say.
///
/// # Errors
///
/// Where there is no such interface, or the kernel's answer cannot be read.
pub fn has_native(interface_index: u32) -> io::Result<Option<bool>> {
    let family = ask(CONTROL, GET_FAMILY, FAMILY_NAME, NETDEV.to_vec());
    let family = match family {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        family => number(&family?, FAMILY_ID)?,
    };
    let family = u16::try_from(family)
        .map_err(|_| unexpected("the number of a family", &family.to_string()))?;
    let index = interface_index.to_ne_bytes().to_vec();
    let device = ask(family, GET_DEVICE, INTERFACE_INDEX, index)?;
    Ok(Some(number(&device, XDP_FEATURES)? & BASIC != 0))
}

fn ask(family: u16, command: u8, attribute: u16, value: Vec<u8>) -> io::Result<Generic> {
    let attributes = vec![(attribute, value)];
    let request = Generic { family, command, attributes };
    exchange(Some(netlink::GENERIC), request, NLM_F_REQUEST)?
        .ok_or_else(|| unexpected("an answer", "none"))
}

/// A number of the answer, of as many bytes as it has.
fn number(answer: &Generic, wanted: u16) -> io::Result<u64> {
    let value = answer.attributes.iter().find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    let number = match value.map(Vec::as_slice) {
        Some(&[a, b]) => Some(u64::from(u16::from_ne_bytes([a, b]))),
        Some(value) => value.try_into().ok().map(u64::from_ne_bytes),
        None => None,
    };
    let found = || format!("{value:?} as attribute {wanted}");
    number.ok_or_else(|| unexpected("a number of 2 or 8 bytes", &found()))
}

/// A message of generic netlink: four bytes of header, of which two are reserved, then attributes.
#[derive(Debug)]
struct Generic {
    family: u16,
    command: u8,
    attributes: Vec<(u16, Vec<u8>)>,
}

/// Command, version, two bytes that are reserved.
const HEADER_BYTES: usize = 4;
const VERSION: u8 = 1;

impl Generic {
    fn nlas(&self) -> Vec<DefaultNla> {
        let attributes = self.attributes.iter();
        attributes.map(|(kind, value)| DefaultNla::new(*kind, value.clone())).collect()
    }
}

impl NetlinkSerializable for Generic {
    fn message_type(&self) -> u16 {
        self.family
    }

    fn buffer_len(&self) -> usize {
        HEADER_BYTES + self.nlas().as_slice().buffer_len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        if let Some((header, rest)) = buffer.split_first_chunk_mut::<HEADER_BYTES>() {
            *header = [self.command, VERSION, 0, 0];
            self.nlas().as_slice().emit(rest);
        }
    }
}

impl NetlinkDeserializable for Generic {
    type Error = DecodeError;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, Self::Error> {
        let Some((&[command, ..], rest)) = payload.split_first_chunk::<HEADER_BYTES>() else {
            let message = format!("expected {HEADER_BYTES} bytes or more, found {}", payload.len());
            return Err(DecodeError::from(message));
        };
        let attributes = NlasIterator::new(rest).map(|attribute| {
            let attribute: NlaBuffer<&[u8]> = attribute?;
            Ok((attribute.kind(), attribute.value().to_vec()))
        });
        let attributes = attributes.collect::<Result<_, DecodeError>>()?;
        Ok(Self { family: header.message_type, command, attributes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_as_they_are_written() {
        let features = BASIC.to_ne_bytes().to_vec();
        let attributes = vec![(INTERFACE_INDEX, vec![7, 0, 0, 0]), (XDP_FEATURES, features)];
        let message = Generic { family: 29, command: GET_DEVICE, attributes };
        let mut bytes = vec![0xff; message.buffer_len()];
        message.serialize(&mut bytes);
        assert_eq!(bytes[..12], [1, 1, 0, 0, 8, 0, 1, 0, 7, 0, 0, 0]);
        let mut header = NetlinkHeader::default();
        header.message_type = 29;
        let read = Generic::deserialize(&header, &bytes).expect("a message");
        assert_eq!((read.family, read.command), (29, GET_DEVICE));
        assert_eq!(read.attributes, message.attributes);
        assert_eq!(number(&read, XDP_FEATURES).expect("a number"), BASIC);
        for (wanted, expected) in [(INTERFACE_INDEX, "Some([7, 0, 0, 0])"), (9, "None")] {
            let error = number(&read, wanted).expect_err("no number of 2 or 8 bytes");
            assert!(error.to_string().contains(expected), "{error}");
        }
        for cut in [&bytes[..3], &bytes[..6], &bytes[..11]] {
            assert!(Generic::deserialize(&header, cut).is_err(), "{cut:?}");
        }
        assert!(
            Generic::deserialize(&header, &bytes[..4]).is_ok_and(|it| it.attributes.is_empty())
        );
    }

    #[test]
    fn the_loopback_interface_has_no_driver_that_runs_programs() {
        // Index 1 in every network namespace; kernels before 6.3 do not say.
        let said = has_native(1).expect("an answer");
        assert!(matches!(said, Some(false) | None), "{said:?}");
    }
}
