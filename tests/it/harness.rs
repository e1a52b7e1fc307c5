//! The harness is believed by every other test, so it is tested itself.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use seawall_tests::{
    flood::Flood,
    requirement,
    snmp::Counts,
    sweep,
    world::{HostPlan, SERVER, World},
};

const HOST: HostPlan = HostPlan {
    name: "host",
    ipv4: Ipv4Addr::new(198, 51, 100, 7),
    ipv6: &[Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 7)],
};

#[test]
fn every_datagram_of_a_flood_is_counted_at_both_ends() {
    if !requirement::root("every_datagram_of_a_flood_is_counted_at_both_ends") {
        return;
    }
    let world = World::build(&[HOST]).unwrap();
    let host = world.host("host");
    let before = [Counts::read(&host.namespace).unwrap(), Counts::read(&world.server).unwrap()];
    let sent = SERVER.map(|server| {
        let flood = Flood {
            sources: host.addresses_towards(server),
            target: SocketAddr::new(server, 9999),
            rate_pps: 20_000,
            duration: Duration::from_millis(300),
        };
        flood.send(&host.namespace).unwrap().datagrams
    });
    let host_sent = Counts::read(&host.namespace).unwrap().since(&before[0]);
    let server_got = Counts::read(&world.server).unwrap().since(&before[1]);
    assert_eq!([host_sent.ipv4_sent(), host_sent.ipv6_sent()], sent);
    assert_eq!([server_got.udp_ipv4_unclaimed(), server_got.udp_ipv6_unclaimed()], sent);
    assert!(sent.iter().all(|sent| (5_500..=6_500).contains(sent)), "{sent:?} of 6,000");
}

#[test]
fn the_server_sees_the_clients_own_addresses() {
    if !requirement::root("the_server_sees_the_clients_own_addresses") {
        return;
    }
    let world = World::build(&[HOST]).unwrap();
    let host = world.host("host");
    for server in SERVER {
        let socket =
            world.server.run(|| std::net::UdpSocket::bind((server, 7000))).unwrap().unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let target = SocketAddr::new(server, 7000);
        let flood = Flood {
            sources: host.addresses_towards(server),
            target,
            rate_pps: 500,
            duration: Duration::from_millis(1),
        };
        flood.send(&host.namespace).unwrap();
        let (_, peer): (usize, SocketAddr) = socket.recv_from(&mut [0; 64]).unwrap();
        assert_eq!(vec![peer.ip()], host.addresses_towards(server));
    }
}

#[test]
fn a_world_leaves_nothing_behind() {
    if !requirement::root("a_world_leaves_nothing_behind") {
        return;
    }
    let world = World::build(&[HOST]).unwrap();
    let prefix = world.prefix().to_owned();
    let mut sleeper = std::process::Command::new("sleep");
    let mut child = world.server.spawn(sleeper.arg("600")).unwrap();
    let there = sweep::leftovers(&prefix);
    assert_eq!(there.len(), 6, "three namespaces, a process, a folder, a mount: {there:?}");
    drop(world);
    child.wait().unwrap();
    assert_eq!(sweep::leftovers(&prefix), Vec::<String>::new());
}
