//! Another XDP program on the interface: named, left alone, or replaced where that is asked for.

use std::io;

use aya::programs::XdpMode;
use firewall_daemon::{
    config::{AttachPolicy, InterfaceConfig},
    datapath::{
        AttachMode, Datapath, DatapathError, DatapathOptions,
        attached::{self, AttachedProgram},
        generation::Generation,
    },
    policy::{PolicySource, compile},
};
use nix::net::if_::if_nametoindex;
use seawall_tests::{
    bpffs::Bpffs,
    engine::plain_options,
    requirement,
    world::{SERVER_INTERFACE, World},
};

/// A program that some other software has loaded. Its object is ours; nothing here depends on that.
struct Foreign {
    generation: Generation,
    bpffs: Bpffs,
}

/// How other software attaches its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// As `ip link` does: it stays when the process ends.
    Netlink,
    /// By a link, which belongs to who holds it.
    Link,
}

impl Foreign {
    fn load() -> Self {
        let bpffs = Bpffs::mount().expect("a BPF file system can be mounted");
        let policy = compile::compile(&PolicySource::default()).expect("it compiles");
        let mut generation =
            Generation::load(1, &plain_options(), &policy, bpffs.path()).expect("it loads");
        let program = generation.program().expect("the object holds the program");
        program.pin(bpffs.path().join("foreign")).expect("it can be pinned");
        Self { generation, bpffs }
    }

    fn attach(&mut self, world: &World, way: Way, mode: AttachMode) {
        match way {
            Way::Netlink => {
                let pin = self.bpffs.path().join("foreign");
                let word = if mode == AttachMode::Native { "xdpdrv" } else { "xdpgeneric" };
                let line =
                    format!("link set dev {SERVER_INTERFACE} {word} pinned {}", pin.display());
                world.server.ip(&[line]).expect("ip attaches it");
            }
            Way::Link => {
                let flags = if mode == AttachMode::Native { XdpMode::Driver } else { XdpMode::Skb };
                let program = self.generation.program().expect("the object holds the program");
                let attach = || program.attach(SERVER_INTERFACE, flags).map(drop);
                world.server.run(attach).expect("it runs").expect("it attaches");
            }
        }
    }

    fn id(&mut self) -> u32 {
        let program = self.generation.program().expect("the object holds the program");
        program.info().expect("the kernel describes it").id()
    }
}

fn query(world: &World) -> Option<AttachedProgram> {
    let ask = || attached::query(if_nametoindex(SERVER_INTERFACE).expect("an index"));
    world.server.run(ask).expect("it runs").expect("the kernel answers")
}

fn detach(world: &World, program: &AttachedProgram) -> io::Result<()> {
    let index = || if_nametoindex(SERVER_INTERFACE).expect("an index");
    world.server.run(|| attached::detach(index(), program)).expect("it runs")
}

fn start(world: &World, mode: AttachPolicy, replace: bool) -> Result<Datapath, DatapathError> {
    let name = SERVER_INTERFACE.to_owned();
    let options = DatapathOptions {
        interfaces: vec![InterfaceConfig { name, mode, replace }],
        pin_path: world.pin_path(),
    };
    let policy = compile::compile(&PolicySource::default()).expect("it compiles");
    world.server.run(|| Datapath::start(&options, &plain_options(), &policy)).expect("it runs")
}

const EVERY_WAY: [(Way, AttachMode); 4] = [
    (Way::Netlink, AttachMode::Native),
    (Way::Netlink, AttachMode::Generic),
    (Way::Link, AttachMode::Native),
    (Way::Link, AttachMode::Generic),
];

#[test]
fn another_program_is_named_and_left_as_it_was() {
    if !requirement::root("another_program_is_named_and_left_as_it_was") {
        return;
    }
    let world = World::build(&[]).unwrap();
    assert_eq!(query(&world), None);
    for (way, mode) in EVERY_WAY {
        let mut foreign = Foreign::load();
        foreign.attach(&world, way, mode);
        let found =
            AttachedProgram { id: foreign.id(), name: "seawall".to_owned(), mode: mode.label() };
        assert_eq!(query(&world), Some(found.clone()), "{way:?} {mode:?}");
        for policy in [AttachPolicy::Native, AttachPolicy::NativeOrGeneric, AttachPolicy::Generic] {
            let refused = start(&world, policy, false).err().expect("it is refused").to_string();
            let expected = format!(
                "interface eth0: expected no other XDP program on it, \
                 found \"seawall\" (id {}, {} mode); ",
                found.id, found.mode
            );
            let remedy = refused.strip_prefix(&expected).expect(&refused);
            let by_link = remedy.starts_with("it is held by a bpf_link; stop the process");
            assert_eq!(by_link, way == Way::Link, "{remedy}");
            assert_eq!(query(&world), Some(found.clone()), "{way:?} {mode:?} {policy:?}");
            assert!(!world.pin_path().exists(), "a refused start leaves no pin");
        }
        if way == Way::Netlink {
            // What the error says to do does it.
            let refused = start(&world, AttachPolicy::Native, false).err().expect("it is refused");
            let refused = refused.to_string();
            let command = refused.split('`').nth(1).and_then(|words| words.strip_prefix("ip "));
            world.server.ip(&[command.expect("a command of ip")]).unwrap();
        }
        drop(foreign);
        let mut datapath = start(&world, AttachPolicy::Native, false).expect("the way is free");
        datapath.detach().expect("it stops");
        assert_eq!(query(&world), None, "{way:?} {mode:?}");
    }
}

#[test]
fn another_program_is_replaced_where_that_is_asked_for() {
    if !requirement::root("another_program_is_replaced_where_that_is_asked_for") {
        return;
    }
    let world = World::build(&[]).unwrap();
    for (way, mode) in EVERY_WAY {
        let mut foreign = Foreign::load();
        foreign.attach(&world, way, mode);
        let before = query(&world);
        match start(&world, AttachPolicy::Native, true) {
            Ok(mut datapath) => {
                assert_eq!(way, Way::Netlink);
                let ours = query(&world).expect("ours is there");
                assert_ne!(ours.id, foreign.id());
                assert_eq!(ours.mode, "native");
                datapath.detach().expect("it stops");
            }
            Err(error) => {
                assert_eq!(way, Way::Link, "{error}");
                let error = error.to_string();
                for word in [
                    "interface eth0: cannot replace the XDP program \"seawall\" (id ",
                    "is held by a bpf_link; stop the process that attached it, or",
                    "`bpftool link detach id ",
                ] {
                    assert!(error.contains(word), "no {word} in {error}");
                }
                assert_eq!(query(&world), before, "it stays");
                drop(foreign);
            }
        }
        assert_eq!(query(&world), None, "{way:?} {mode:?}");
    }
}

#[test]
fn only_the_program_that_was_found_is_detached() {
    if !requirement::root("only_the_program_that_was_found_is_detached") {
        return;
    }
    let world = World::build(&[]).unwrap();
    let (mut first, mut second) = (Foreign::load(), Foreign::load());
    first.attach(&world, Way::Netlink, AttachMode::Generic);
    let found = query(&world).expect("the first");
    detach(&world, &found).expect("it is detached");
    second.attach(&world, Way::Netlink, AttachMode::Generic);
    let error = detach(&world, &found).expect_err("it is not there").to_string();
    assert!(error.contains("found that another took its place"), "{error}");
    assert_eq!(query(&world).map(|program| program.id), Some(second.id()));

    let missing = world.server.run(|| attached::query(u32::MAX >> 1)).unwrap();
    assert!(missing.is_err(), "there is no such interface");
}
