//! An upstream that fails: the client learns that, and nothing more.

use seawall_tests::{echo::Echo, requirement, upstream};

use crate::site::{Ground, Site};

/// curl: the transfer ended before the length that was announced; or the stream was reset.
const CURL_PARTIAL: [i32; 3] = [18, 56, 92];

#[test]
fn a_failing_upstream_is_502_without_detail() {
    if !requirement::root("a_failing_upstream_is_502_without_detail") {
        return;
    }
    let site = Site::start("", "");
    let ground = &site.ground;
    assert_eq!(
        ground.get("/status/503").send(ground.client()).unwrap().status,
        503,
        "its own errors pass"
    );
    for protocol in ["--http1.1", "--http2"] {
        let cut = ground.get("/cut").with(&[protocol]).send(ground.client()).unwrap();
        assert!(CURL_PARTIAL.contains(&cut.exit_code), "a cut answer must not look whole: {cut:?}");
    }
    ground.echo.stop(&ground.world.server).unwrap();
    // Connections that the gateway kept may serve for a moment.
    let down = seawall_tests::wait::until("502", || {
        let answer = ground.get("/").send(ground.client()).ok()?;
        (answer.status == 502).then_some(answer)
    });
    check_problem(&down.unwrap());
}

#[test]
fn an_upstream_that_is_not_who_it_should_be_is_not_asked() {
    if !requirement::root("an_upstream_that_is_not_who_it_should_be_is_not_asked") {
        return;
    }
    let site = Site::start("", "");
    let Ground { world, authority, echo, .. } = &site.ground;
    let stranger =
        seawall_tests::pki::Authority::create(&world.folder().join(""), "stranger").unwrap();
    echo.stop(&world.server).unwrap();
    for identity in
        [authority.issue("other.internal").unwrap(), stranger.issue(upstream::NAME).unwrap()]
    {
        let impostor = seawall_tests::wait::until("free port", || {
            Echo::start(&world.server, upstream::ADDRESS, &identity).ok()
        });
        let answer = seawall_tests::wait::until("502", || {
            let answer = site.ground.get("/secret").send(site.ground.client()).ok()?;
            (answer.status == 502).then_some(answer)
        });
        check_problem(&answer.unwrap());
        impostor.unwrap().stop(&world.server).unwrap();
    }
}

fn check_problem(answer: &seawall_tests::client::Answer) {
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    assert!(answer.header("x-request-id").is_some());
    for inside in ["refused", "certificate", "127.0.0.1", "internal", "os error"] {
        assert!(!answer.body.contains(inside), "shows {inside}: {}", answer.body);
    }
}
