//! TCP flags that no client sends together: scans and attempts to slip past other filters.

use crate::packet::{
    Packet, Protocol,
    tcp_flag::{ACK, FIN, RST, SYN},
};

/// Whether the flags of a packet contradict each other (RFC 9293, 3.10.7: a segment opens a connection,
/// resets it, or acknowledges).
#[must_use]
#[inline(always)]
pub fn are_bad(packet: &Packet) -> bool {
    if !matches!(packet.protocol, Protocol::Tcp) || packet.later_fragment {
        return false;
    }
    let flags = packet.tcp_flags;
    let both = |pair: u8| flags & pair == pair;
    both(SYN | FIN) || both(SYN | RST) || both(FIN | RST) || flags & (SYN | RST | ACK) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_client_sends() {
        let (psh, urg, ece, cwr) = (8, 32, 64, 128);
        let packet = |protocol, tcp_flags, later_fragment| Packet {
            protocol,
            tcp_flags,
            later_fragment,
            ..Packet::NONE
        };
        for (flags, bad) in [
            (SYN, false),
            (SYN | ACK, false),
            (SYN | ece | cwr, false),
            (SYN | psh, false),
            (ACK, false),
            (ACK | psh | urg, false),
            (FIN | ACK, false),
            (RST, false),
            (RST | ACK, false),
            (0, true),
            (FIN, true),
            (FIN | psh | urg, true),
            (psh, true),
            (SYN | FIN, true),
            (SYN | FIN | ACK, true),
            (SYN | RST, true),
            (FIN | RST | ACK, true),
            (255, true),
        ] {
            assert_eq!(are_bad(&packet(Protocol::Tcp, flags, false)), bad, "{flags:#b}");
            assert!(!are_bad(&packet(Protocol::Tcp, flags, true)));
            assert!(!are_bad(&packet(Protocol::Udp, flags, false)));
        }
    }
}
