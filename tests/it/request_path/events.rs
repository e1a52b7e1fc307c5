//! Events of the real daemon's worker, over a rotation and a bad secret; and a verdict that does not come.

use std::fs;

use seawall_tests::{requirement, seawall, upstream, wait};
use serde_json::Value;

use crate::site::{Ground, Site};

#[test]
fn events_go_to_a_file_and_a_receiver_and_their_counts_outlive_the_worker() {
    const NAME: &str = "events_go_to_a_file_and_a_receiver_and_their_counts_outlive_the_worker";
    if !requirement::root(NAME) {
        return;
    }
    let ground = Ground::prepare();
    let folder = ground.world.folder().to_owned();
    let (file, old) = (folder.join("events.log"), folder.join("events.log.1"));
    let secret = folder.join("webhook.secret");
    fs::write(&secret, "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\n").unwrap();
    let (upstream, name) = (upstream::ADDRESS, upstream::NAME);
    let lines = format!(
        "  upstreams: [{{name: api, backends: [{{address: '{upstream}'}}], tls: {{server_name: {name}, ca: authority.pem}}}}]
  routes:
    - {{name: judged, path: /judged, upstream: api, verdict: {{service: judge, on_failure: block}}}}
    - {{name: all, path: '/*', upstream: api}}
  verdict_services: [{{name: judge, upstream: api, path: /judge}}]
  events:
    file: {}
    webhook: {{upstream: api, path: /events, secret: webhook.secret, batch_wait_ms: 1}}
",
        file.display()
    );
    let site = Site::start_of(ground, &lines);
    let client = site.ground.client();
    // The upstream answers everything, and what it says is no verdict.
    for (path, status) in [("/a", 200), ("/judged", 503)] {
        assert_eq!(site.ground.get(path).send(client).unwrap().status, status, "{path}");
    }
    let outcome = [("service", "judge"), ("outcome", "malformed")];
    site.wait_for_metric("seawall_gateway_verdicts_total", &outcome, 1);
    for sink in ["file", "webhook"] {
        site.wait_for_metric("seawall_gateway_events_sent_total", &[("sink", sink)], 1);
    }
    let events = |path| -> Vec<Value> {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let [first] = &events(&file)[..] else { panic!("{:?}", events(&file)) };
    assert_eq!(
        (&first["type"], &first["subject"]),
        (&"seawall.request.judged".into(), &"judged".into())
    );
    assert!(first["source"].as_str().unwrap().starts_with("urn:seawall"), "{first}");
    assert_eq!(first["data"]["rejection"], "verdict_unavailable");

    // Rotated.
    fs::rename(&file, &old).unwrap();
    site.reload_as_is();
    assert_eq!(site.metric("seawall_generation", &[]), 2);
    site.ground.raw(b"GET / HTTP/1.1\r\nHost: api.example\r\nContent-Length: x\r\n\r\n");
    wait::until("an event", || (events(&file).len() == 1).then_some(())).unwrap();
    assert_eq!(events(&old).len(), 1);
    let second = &events(&file)[0];
    assert_eq!(second["type"], "seawall.request.refused");
    assert_ne!(first["worker"], second["worker"]);
    assert_eq!(first["sequence"], second["sequence"], "each worker counts from 1");
    for sink in ["file", "webhook"] {
        site.wait_for_metric("seawall_gateway_events_sent_total", &[("sink", sink)], 2);
        assert_eq!(site.metric("seawall_gateway_events_lost_total", &[("sink", sink)]), 0);
    }

    // A secret that is none is refused, and never shown.
    fs::write(&secret, "s3cr3t-v4lue").unwrap();
    let config = folder.join("seawall.yaml").display().to_string();
    let checked = seawall::run(&site.ground.world, &["check", &config]).unwrap();
    let said = String::from_utf8_lossy(&[checked.stdout, checked.stderr].concat()).into_owned();
    assert!(!checked.status.success(), "{said}");
    assert!(said.contains("gateway.events.webhook.secret: expected whsec_ and base64"), "{said}");
    assert!(!said.contains("s3cr3t"), "{said}");
}
