//! Tags that are not in the frame any more.

use std::os::fd::AsRawFd as _;

use aya::programs::XdpMode;
use firewall_common::{Protocol, Reason};
use firewall_daemon::{
    config::{AttachPolicy, EventsConfig, SynCookiesConfig},
    datapath::{EventSource, PacketOptions, generation::Generation},
    policy::{PolicySource, compile},
};
use nix::{
    errno::Errno,
    ifaddrs::getifaddrs,
    sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, sendto, socket},
};
use seawall_tests::{
    bpffs::Bpffs,
    engine::{Counts, plain_options},
    frame::{TCP, tagged, tcp, udp_from},
    namespace::Namespace,
    policies::denying,
    requirement, wait,
    world::World,
};

use super::live::{attach, counts};
use crate::packet_path::case::{prefixes, v4};

/// Number 14 (p4c-xdp #38: a rule on the tag never matched). A bridge takes the outer tag off a frame, as a
/// card with receive offload does, and a veth hands it on beside the frame; or, without its offload, in it.
#[test]
fn a_tag_stripped_before_the_program_changes_no_verdict() {
    if !requirement::root("a_tag_stripped_before_the_program_changes_no_verdict") {
        return;
    }
    const SENT: usize = 20;
    const VLAN: u16 = 0x8100;
    let options = PacketOptions {
        events: EventsConfig { sample_one_in: 1, first_of_source: false, events_per_s_max: 1_000 },
        ..plain_options()
    };
    let source = denying(prefixes(&["203.0.113.0/24"]));
    let world = bridged();
    let [good, denied] =
        [[198, 51, 100, 1], [203, 0, 113, 8]].map(|source| udp_from(source.into()));
    let one = |frame: &[u8]| tagged(VLAN, 7, frame);
    let two = |frame: &[u8]| tagged(0x88a8, 8, &one(frame));
    for mode in [AttachPolicy::Native, AttachPolicy::Generic] {
        // (the sender's offload, tags, what of them the program sees)
        for (offload, tags, seen) in
            [("on", 1, 0x0800), ("on", 2, VLAN), ("off", 1, VLAN), ("off", 2, 0x88a8)]
        {
            let what = format!("{mode:?}, offload {offload}, {tags} tags");
            keep_tags_beside(&world, offload);
            let mut datapath = attach(&world, mode, &source, &options);
            let mut events = datapath.event_source().unwrap();
            let frames =
                [&denied, &good].map(|frame| if tags == 1 { one(frame) } else { two(frame) });
            send_frames(&world.internet, "source", &frames, SENT);
            let udp = || -> Counts {
                let counted = counts(&datapath).into_iter();
                counted.filter(|(name, _)| name.ends_with(" udp")).collect()
            };
            let all = 2 * SENT as u64;
            wait::until("frames", || (udp().values().sum::<u64>() >= all).then_some(()))
                .unwrap_or_else(|error| panic!("{what}: {error}: {:?}", counts(&datapath)));
            let expected =
                ["drop deny udp", "pass default udp"].map(|name| (name.into(), SENT as u64));
            assert_eq!(udp(), Counts::from(expected), "{what}");
            let event = events.next_event().expect("a drop");
            assert_eq!(event.reason, Reason::Deny, "{what}");
            let ethertype = u16::from_be_bytes([event.captured()[12], event.captured()[13]]);
            println!("{what}: the program saw {ethertype:#06x}");
            assert_eq!(ethertype, seen, "{what}");
            datapath.detach().unwrap();
        }
    }
}

/// The uplink is a port of a bridge, and the interface `source` leads to another.
fn bridged() -> World {
    let world = World::build(&[]).unwrap();
    let lines = [
        "link add bridge type bridge",
        "link add source type veth peer name port",
        "link set port master bridge",
        "link set uplink master bridge",
        "link set source up",
        "link set port up",
        "link set bridge up",
    ];
    world.internet.ip(&lines).unwrap();
    world
}

/// Whether the uplink hands tags on beside the frame.
fn keep_tags_beside(world: &World, offload: &str) {
    for feature in ["tx-vlan-hw-insert", "tx-vlan-stag-hw-insert"] {
        world.internet.tool("ethtool", &["-K", "uplink", feature, offload]).unwrap();
    }
}

/// The other side of number 14: what the program sends back has the tags that are in the frame, and lacks
/// the one beside it.
#[test]
fn an_answer_has_the_tags_of_its_frame() {
    if !requirement::root("an_answer_has_the_tags_of_its_frame") {
        return;
    }
    let all = EventsConfig { sample_one_in: 1, first_of_source: false, events_per_s_max: 1_000 };
    let answering = PacketOptions {
        syn_cookies: Some(SynCookiesConfig { ports: [443].into(), threshold_pps: 1 }),
        ..plain_options()
    };
    let world = bridged();
    // On the other end of the uplink, a program that says what it drops: all.
    let bpffs = Bpffs::mount().unwrap();
    let nothing = compile::compile(&denying(prefixes(&["0.0.0.0/0"]))).unwrap();
    let watching = PacketOptions { events: all, ..plain_options() };
    let mut watcher = Generation::load(1, &watching, &nothing, bpffs.path()).unwrap();
    let program = watcher.program().unwrap();
    let attached = world.internet.run(|| program.attach("uplink", XdpMode::Driver)).unwrap();
    attached.unwrap();
    let mut seen = EventSource::open(bpffs.path()).unwrap();
    let syn = tagged(0x8100, 7, &v4([198, 51, 100, 1], TCP, &tcp(40_000, 443)));
    for (offload, ethertype) in [("off", 0x8100), ("on", 0x0800)] {
        keep_tags_beside(&world, offload);
        let mut datapath =
            attach(&world, AttachPolicy::Native, &PolicySource::default(), &answering);
        send_frames(&world.internet, "source", std::slice::from_ref(&syn), 5);
        let answer = wait::until("answer", || {
            std::iter::from_fn(|| seen.next_event()).find(|event| event.protocol == Protocol::Tcp)
        });
        let answer = answer.unwrap_or_else(|error| panic!("{error}: {:?}", counts(&datapath)));
        let found = u16::from_be_bytes([answer.captured()[12], answer.captured()[13]]);
        assert_eq!(found, ethertype, "offload {offload}");
        datapath.detach().unwrap();
        while seen.next_event().is_some() {}
    }
}

/// Sends frames as they stand out of an interface, all of them so many times.
fn send_frames(namespace: &Namespace, interface: &str, frames: &[Vec<u8>], times: usize) {
    let sent = namespace.run(|| -> nix::Result<()> {
        let own = getifaddrs()?.filter(|address| address.interface_name == interface);
        let link = own.filter_map(|address| address.address?.as_link_addr().copied()).next();
        let link = link.ok_or(Errno::ENODEV)?;
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Packet, SockType::Raw, flags, None)?;
        for frame in (0..times).flat_map(|_| frames) {
            sendto(socket.as_raw_fd(), frame, &link, MsgFlags::empty())?;
        }
        Ok(())
    });
    sent.unwrap().unwrap();
}
