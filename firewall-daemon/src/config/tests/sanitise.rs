//! In which form the texts of a route's requests go on.

use firewall_gateway::policy::{
    ControlCharacters, SanitisePolicy, UnicodeForm, Unwanted, ValidationMode,
};

use super::{LEAST, load};

fn config(route: &str) -> String {
    format!(
        "{LEAST}gateway:\n  listen: ['127.0.0.1:1']\n  certificate: a\n  private_key: b\n  \
         upstreams: [{{name: api, backends: [{{address: '127.0.0.1:2'}}]}}]\n  \
         routes:\n  - name: r\n    path: '/*'\n    {route}\n"
    )
}

#[test]
fn every_key_of_sanitise_acts() {
    let read = |route: &str| {
        let gateway = load(&config(&format!("upstream: api\n    {route}"))).unwrap().gateway;
        gateway.unwrap().routes[0].sanitise.clone()
    };
    assert_eq!(read("limits: {}"), None);
    assert_eq!(read("sanitise: {}"), Some(SanitisePolicy::default()));
    let full = SanitisePolicy {
        mode: ValidationMode::Report,
        unicode: UnicodeForm::Pass,
        control_characters: ControlCharacters::Strip,
        double_encoding: Unwanted::Pass,
        html: vec!["/comments/*/text".into(), "/bio".into()],
        other_bodies: Unwanted::Refuse,
        body_bytes_max: 5,
        depth_max: 6,
        values_max: 7,
    };
    let written = "sanitise: {mode: report, unicode: pass, control_characters: strip, double_encoding: pass, \
                   html: [/comments/*/text, /bio], other_bodies: refuse, body_bytes_max: 5, depth_max: 6, values_max: 7}";
    assert_eq!(read(written), Some(full));
}

#[test]
fn what_is_wrong_with_sanitise_is_said() {
    for (route, expected) in [
        ("upstream: api\n    sanitise: {html: []}", "html: expected 1 to 16 entries, found 0"),
        (
            "upstream: api\n    sanitise: {html: [comments]}",
            "html: expected a JSON pointer such as /comments/*/text, found \"comments\"",
        ),
        (
            "upstream: api\n    sanitise: {html: [/a, /a]}",
            "html: expected each once, found /a again",
        ),
        ("upstream: api\n    sanitise: {control_characters: keep}", "keep"),
        ("upstream: api\n    sanitise: {unicode: nfd}", "nfd"),
        ("upstream: api\n    sanitise: {depth_max: 65}", "a whole number from 1 to 64"),
        ("upstream: api\n    sanitise: {headers: refuse}", "headers"),
        (
            "maintenance: {retry_after_s: 1}\n    sanitise: {}",
            "sanitise: expected a route to an upstream",
        ),
    ] {
        let error = load(&config(route)).unwrap_err().to_string();
        assert!(error.contains(expected), "{route}: {error}");
    }
}
