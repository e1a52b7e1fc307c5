//! A daemon that reloads, dies and is replaced under traffic; `cargo xtask bench takeover` does it a hundred
//! times at a million packets a second, with another build.

use std::fs;

use seawall_tests::{
    bench::link::Link,
    process, requirement,
    takeover::{self, Plan},
};

use crate::frames::Frames;

#[test]
fn no_packet_goes_unjudged_and_nothing_is_lost() {
    if !requirement::root("no_packet_goes_unjudged_and_nothing_is_lost") {
        return;
    }
    let link = Link::create().expect("a veth pair");
    let outcome = link
        .run(|| {
            // The same build in another file.
            let folder = link.pins().parent().expect("a folder").to_path_buf();
            let other = folder.join("seawall-other");
            fs::copy(process::program("seawall")?, &other)?;
            let frames = Frames::new(takeover::frames(4_000));
            takeover::measure(&link, &frames, &other, Plan { reloads: 4, reloads_a_life: 1 })
        })
        .expect("it can be measured");
    assert_eq!(outcome.problems(), Vec::<String>::new());
    assert_eq!((outcome.reloads, outcome.kills, outcome.upgrades), (4, 2, 2));
    assert_eq!(outcome.programs.len(), 1, "both files hold one XDP object");
}
