use firewall_daemon::policy::PolicySource;
use seawall_tests::{
    engine::{Engine, plain_options},
    frame,
};
use std::net::Ipv4Addr;

#[test]
fn smoke() {
    let source = PolicySource {
        deny: vec!["203.0.113.0/24".parse().unwrap()],
        allow: vec!["203.0.113.7/32".parse().unwrap()],
        ..PolicySource::default()
    };
    let mut engine = Engine::load(&source, &plain_options());
    println!("{:?}", engine.run(&frame::udp_from(Ipv4Addr::new(203, 0, 113, 8).into())));
    println!("{:?}", engine.run(&frame::udp_from(Ipv4Addr::new(203, 0, 113, 7).into())));
    println!("{:?}", engine.run(&frame::udp_from(Ipv4Addr::new(203, 0, 114, 7).into())));
    println!("{:?} {} insns {}", engine.counts(), engine.bytes(), engine.verified_instructions());
}
