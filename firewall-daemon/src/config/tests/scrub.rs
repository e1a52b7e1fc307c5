//! What answers of a route should not say.

use firewall_gateway::policy::{LeakAction, LeakKind, ScrubPolicy};

use super::{LEAST, load};

fn config(route: &str) -> String {
    format!(
        "{LEAST}gateway:\n  listen: ['127.0.0.1:1']\n  certificate: a\n  private_key: b\n  \
         upstreams: [{{name: api, backends: [{{address: '127.0.0.1:2'}}]}}]\n  \
         routes:\n  - name: r\n    path: '/*'\n    upstream: api\n    {route}\n"
    )
}

#[test]
fn every_key_of_scrub_acts() {
    let all = LeakKind::ALL.to_vec();
    let two = vec![LeakKind::Secret, LeakKind::CardNumber];
    for (scrub, action, kinds, bytes_max) in [
        ("{action: report}", LeakAction::Report, all.clone(), 1 << 20),
        ("{action: mask, bytes_max: 1024}", LeakAction::Mask, all, 1_024),
        ("{action: block, kinds: [secret, card_number]}", LeakAction::Block, two, 1 << 20),
    ] {
        let gateway = load(&config(&format!("scrub: {scrub}"))).unwrap().gateway.unwrap();
        let expected = ScrubPolicy { action, kinds, bytes_max };
        assert_eq!(gateway.routes[0].scrub, Some(expected), "{scrub}");
    }
    assert_eq!(load(&config("methods: [GET]")).unwrap().gateway.unwrap().routes[0].scrub, None);
    for (scrub, expected) in [
        ("{}", "action"),
        ("{action: hide}", "hide"),
        ("{action: mask, kinds: []}", "kinds: expected 1 to 5 entries, found 0"),
        (
            "{action: mask, kinds: [secret, secret]}",
            "kinds: expected each once, found secret again",
        ),
        ("{action: mask, kinds: [names]}", "names"),
        ("{action: mask, bytes_max: 10}", "a whole number from 1024 to 67108864"),
    ] {
        let error = load(&config(&format!("scrub: {scrub}"))).unwrap_err().to_string();
        assert!(error.contains(expected), "{scrub}: {error}");
    }
}
