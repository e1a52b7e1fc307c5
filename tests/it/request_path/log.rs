//! One access-log line a request, in JSON, bounded and escaped.

use seawall_tests::{requirement, wait};
use serde_json::Value;

use crate::site::{CLIENT, Site};

#[test]
fn without_an_access_log_no_request_leaves_a_line() {
    if !requirement::root("without_an_access_log_no_request_leaves_a_line") {
        return;
    }
    let site = Site::start("", "  access_log: {format: off}\n");
    let answer = site.ground.get("/first").send(site.ground.client()).unwrap();
    assert_eq!(answer.status, 200);
    // Counted all the same, and by then the line would be there.
    site.wait_for_metric("seawall_gateway_requests_total", &[("status", "200")], 1);
    assert_eq!(access_lines(&site.seawall.process.log()), Vec::<Value>::new());
}

#[test]
fn every_request_leaves_one_line() {
    if !requirement::root("every_request_leaves_one_line") {
        return;
    }
    let site = Site::start("", "");
    let long = format!("/{}", "a".repeat(4000));
    let requests =
        [("/first", 200), ("/status/404", 404), (long.as_str(), 200), ("/%0a%1b[31m", 400)];
    let mut ids = Vec::new();
    for (path, status) in requests {
        let answer = site.ground.get(path).with(&["--globoff"]).send(site.ground.client()).unwrap();
        assert_eq!(answer.status, status);
        ids.push(answer.header("x-request-id").unwrap().to_owned());
    }
    let reply = site.ground.raw(b"get / HTTP/1.1\r\nHost: api.example\r\n\r\n");
    assert_eq!(reply.status(), Some(405));
    let lines = wait::until("the last line", || {
        let lines = access_lines(&site.seawall.process.log());
        (lines.len() > requests.len()).then_some(lines)
    })
    .unwrap();
    assert_eq!(lines.len(), requests.len() + 1);
    for ((line, id), (path, status)) in lines.iter().zip(&ids).zip(requests) {
        let text = line.to_string();
        assert_eq!(field(line, "request_id"), id.as_str());
        assert_eq!(field(line, "status"), status);
        assert_eq!(field(line, "method"), "GET");
        assert!(text.contains(&CLIENT.ipv4.to_string()), "{text}");
        assert!(text.len() < 2000, "{path}: a line of {} bytes", text.len());
        assert!(!text.contains('\u{1b}') && !text.contains("\\u001b"), "{text}");
    }
    assert_eq!(field(&lines[requests.len()], "rejection"), "method_refused");
}

fn access_lines(log: &str) -> Vec<Value> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["target"] == "access").collect()
}

/// A field, wherever the log format puts it.
fn field<'a>(line: &'a Value, name: &str) -> &'a Value {
    if line["fields"][name].is_null() { &line[name] } else { &line["fields"][name] }
}
