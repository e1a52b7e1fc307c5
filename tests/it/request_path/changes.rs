//! What changes while requests are under way: none is lost.

use seawall_tests::{
    changes::{self, Plan},
    requirement,
};

#[test]
fn no_change_loses_a_request() {
    if !requirement::root("no_change_loses_a_request") {
        return;
    }
    let plan =
        Plan { connections: 16, reloads: 3, certificates: 2, backends: 3, workers: 2, upgrades: 2 };
    let outcome = changes::measure(plan).unwrap();
    for seen in [&outcome.http1, &outcome.http2] {
        assert_eq!((seen.failed, &seen.failures), (0, &Vec::new()));
        assert!(seen.answered > 100, "{seen:?}");
        // Each of 12 changes ends every connection, though two may follow each other closely.
        assert!(seen.connections >= 6 * plan.connections as u64, "{seen:?}");
    }
    assert!(outcome.backends.iter().all(|connections| *connections > 0), "{outcome:?}");
}
