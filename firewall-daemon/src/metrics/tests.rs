//! The page against its reference: what is in one is in the other.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use firewall_gateway::figures::{
    BackendFigures, BackendStanding, BehaviourFigures, CanaryFigures, LabelCount, MirrorFigures,
    RateFigures, RequestCount, RolloutFigures, RouteFigures, ScoreFigures, SinkFigures,
    SplitFigures, StoreFigures, UpstreamStanding, VerdictFigures,
};
use serde_json::Value;

use super::*;
use crate::status::{
    AcmeStatus, CertificateStatus, DatabaseStatus, FeedOutcome, FeedResult, FeedStatus, GeoStatus,
    InterfaceStatus, KeysStatus, LimitStatus, PacketCount, ReasonCount, ReloadOutcome, RuleStatus,
    UpdateStatus,
};

fn full() -> Snapshot {
    let mut gateway = GatewayStatus { restarts: 2, ..GatewayStatus::default() };
    gateway.figures.requests = vec![RequestCount { status: 200, protocol: "h2".into(), count: 5 }];
    gateway.figures.rejections = vec![LabelCount { label: "body_too_large".into(), count: 3 }];
    gateway.figures.denied = vec![LabelCount { label: "expired".into(), count: 7 }];
    gateway.figures.authenticated = vec![LabelCount { label: "api_key".into(), count: 5 }];
    (gateway.figures.api_keys, gateway.figures.api_keys_refused) = (12, 1);
    gateway.figures.leaks = vec![LabelCount { label: "secret".into(), count: 9 }];
    gateway.figures.leaks_unscanned = 16;
    gateway.figures.introspections = vec![LabelCount { label: "good".into(), count: 24 }];
    (gateway.figures.sessions, gateway.figures.sessions_refused) = (16, 17);
    (gateway.figures.logins_begun, gateway.figures.logins_completed) = (19, 18);
    let failed = LabelCount { label: "login_timeout".into(), count: 20 };
    gateway.figures.logins_failed = vec![failed];
    (gateway.figures.logouts_front, gateway.figures.logouts_back) = (21, 22);
    gateway.figures.logouts_frame = 23;
    gateway.session_changes_lost = 23;
    gateway.figures.cross_site = vec![LabelCount { label: "origin".into(), count: 8 }];
    gateway.figures.sanitised = vec![LabelCount { label: "changed".into(), count: 51 }];
    gateway.figures.sanitise_changes = vec![LabelCount { label: "html".into(), count: 52 }];
    let fault = LabelCount { label: "control_character".into(), count: 53 };
    gateway.figures.sanitise_faults = vec![fault];
    gateway.figures.validation_faults = vec![LabelCount { label: "schema".into(), count: 6 }];
    gateway.figures.answer_faults = vec![LabelCount { label: "schema".into(), count: 9 }];
    (gateway.figures.preflights, gateway.figures.cookies_hardened) = (14, 15);
    gateway.figures.forbidden = vec![LabelCount { label: "scopes".into(), count: 6 }];
    gateway.figures.rates = vec![RateFigures {
        limit: "hourly".into(),
        allowed: 11,
        refused: 12,
        shadow_refused: 13,
        delayed: 14,
        local: 15,
        keys: 16,
        displaced: 17,
        untracked: 18,
    }];
    let label = |label: &str, count| LabelCount { label: label.into(), count };
    gateway.figures.events = vec![SinkFigures {
        sink: "webhook".into(),
        sent: 31,
        lost: vec![label("queue_full", 32), label("stopped", 0)],
        retries: 33,
        waiting: 34,
        queue_max: 35,
    }];
    gateway.figures.verdicts = vec![VerdictFigures {
        service: "fraud".into(),
        outcomes: vec![label("allow", 36), label("timeout", 37)],
    }];
    gateway.figures.rate_store = Some(StoreFigures { up: 1, calls: 21, failures: 22, unasked: 23 });
    gateway.figures.session_store =
        Some(StoreFigures { up: 1, calls: 41, failures: 42, unasked: 43 });
    (gateway.figures.tokens_cached, gateway.figures.tokens_verified) = (10, 9);
    gateway.figures.token_keys_wanted = 3;
    let scores = ScoreFigures {
        signals: vec![LabelCount { label: "not_found".into(), count: 4 }],
        verdicts: vec![LabelCount { label: "challenged".into(), count: 3 }],
        scored: 2,
        displaced: 1,
    };
    gateway.figures.behaviour = BehaviourFigures {
        travels_displaced: 5,
        budgets_displaced: 6,
        challenges: scores.verdicts.clone(),
        addresses: scores.clone(),
        consumers: scores,
    };
    gateway.figures.http2_floods = vec![LabelCount { label: "ping".into(), count: 2 }];
    gateway.figures.upstream_failures = vec![LabelCount { label: "refused".into(), count: 1 }];
    gateway.figures.upstreams =
        vec![UpstreamStanding { upstream: "api".into(), retries: 9, ..Default::default() }];
    gateway.figures.standings = vec![BackendStanding {
        upstream: "api".into(),
        backend: "10.0.0.1:8443".into(),
        state: "ejected".into(),
        weight: 1,
        in_flight: 0,
        latency_us: 700,
        ejections: 2,
        checks_ok: 8,
        checks_failed: 1,
    }];
    gateway.figures.tls_failures = vec![LabelCount { label: "alpn".into(), count: 6 }];
    gateway.certificates_total = 2;
    gateway.acme =
        Some(AcmeStatus { issued: 1, next_epoch_s: 1_790_000_000, ..Default::default() });
    gateway.certificates = vec![CertificateStatus {
        name: "api.example".into(),
        key: "rsa".into(),
        not_after_epoch_s: 1_800_000_000,
    }];
    gateway.figures.request_duration.buckets[1] = 4;
    gateway.figures.request_duration.sum_us = 800;
    gateway.figures.routes = vec![RouteFigures {
        route: "users".into(),
        h1: [1, 2, 3, 4, 5],
        h2: [6, 7, 8, 9, 10],
        validations: [31, 32, 33, 34],
        answers: [41, 42, 43, 44],
        ..RouteFigures::default()
    }];
    gateway.figures.routes[0].duration.buckets[2] = 55;
    gateway.figures.backends = vec![BackendFigures {
        upstream: "api".into(),
        backend: "10.0.0.1:80".into(),
        requests: 56,
        failures: 2,
        server_errors: 3,
        in_flight: 1,
        ..BackendFigures::default()
    }];
    gateway.figures.backends[0].duration.sum_us = 1_500_000;
    gateway.figures.rollouts = RolloutFigures {
        splits: vec![SplitFigures {
            route: "users".into(),
            upstream: "api".into(),
            requests: 9,
            errors: 1,
        }],
        canaries: vec![CanaryFigures {
            route: "users".into(),
            upstream: "next".into(),
            percent: 5,
            rollbacks: 1,
        }],
        mirrors: vec![MirrorFigures {
            route: "users".into(),
            upstream: "next".into(),
            ok: 1,
            errors: 2,
            skipped: 3,
        }],
    };
    let mut snapshot = Snapshot {
        version: "1.2.3".into(),
        generation: 7,
        interfaces: vec![InterfaceStatus {
            name: "eth0".into(),
            index: 2,
            mode: "native".into(),
            unfiltered_us: 250_000,
        }],
        packets: vec![PacketCount {
            verdict: "drop".into(),
            reason: "geo".into(),
            protocol: "tcp".into(),
            packets: 11,
            bytes: 660,
        }],
        rules: vec![RuleStatus { name: "no-ssh".into(), packets: 3, bytes: 180 }],
        bans: 4,
        offences: vec![LabelCount { label: "rate".into(), count: 6 }],
        gateway: Some(gateway),
        ..Snapshot::default()
    };
    let updates = UpdateStatus {
        new: 2,
        unchanged: 5,
        refused: vec![ReasonCount { reason: "html".into(), count: 1 }],
        last: Some(FeedOutcome {
            at_epoch_s: 1,
            result: FeedResult::Refused,
            reason: Some("html".into()),
            error: None,
        }),
        next_epoch_s: None,
    };
    snapshot.feeds = vec![FeedStatus {
        name: "ipsum".into(),
        prefixes: 120_000,
        checked_epoch_s: Some(1_780_000_001),
        updates: updates.clone(),
        ..FeedStatus::default()
    }];
    snapshot.keys = vec![KeysStatus {
        jwt: "main".into(),
        confirmed_epoch_s: Some(1_780_000_002),
        wanted: 8,
        updates: updates.clone(),
        ..KeysStatus::default()
    }];
    snapshot.databases = vec![DatabaseStatus { database: "country".into(), updates }];
    snapshot.policy.geo = Some(GeoStatus {
        mode: "only".into(),
        countries: vec!["DE".into()],
        database: "country.mmdb".into(),
        kind: "test".into(),
        build_epoch_s: 1_780_000_000,
        networks: 9,
    });
    snapshot.policy.limits = vec![LimitStatus {
        scope: "source".into(),
        rate_pps: Some(10),
        burst_packets: Some(20),
        rate_bytes_per_s: Some(30),
        burst_bytes: Some(40),
    }];
    snapshot.reloads.last = Some(ReloadOutcome { at_epoch_s: 1_780_000_001, error: None });
    snapshot
}

/// Numbers that are names, or that another figure says better.
fn is_no_figure(pointer: &str) -> bool {
    ["/pid", "/gateway/worker_pid", "/interfaces/0/index", "/uptime_s"].contains(&pointer)
        // It is a label.
        || pointer == "/gateway/figures/requests/0/status"
}

/// Where numbers stand in a value.
fn numbers(value: &Value, pointer: &str, found: &mut Vec<String>) {
    match value {
        Value::Number(_) => found.push(pointer.to_owned()),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                numbers(item, &format!("{pointer}/{index}"), found);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                numbers(field, &format!("{pointer}/{name}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn every_figure_of_the_status_is_a_metric() {
    let status = serde_json::to_value(full()).expect("JSON");
    // Where a part is absent its figures are not compared: every part is there.
    let absent: Vec<_> = ["/policy/geo", "/gateway", "/reloads/last"]
        .into_iter()
        .filter(|part| status.pointer(part).is_none_or(Value::is_null))
        .collect();
    assert!(absent.is_empty(), "{absent:?}");
    let page = encode(&full()).expect("text");
    let mut found = Vec::new();
    numbers(&status, "", &mut found);
    assert!(found.len() > 50, "{found:?}");
    for pointer in found.iter().filter(|pointer| !is_no_figure(pointer)) {
        let mut other = status.clone();
        let number = other.pointer_mut(pointer).expect("it is there");
        *number = Value::from(number.as_u64().expect("a whole number") + 17);
        let snapshot: Snapshot = serde_json::from_value(other).expect("a status");
        assert_ne!(encode(&snapshot).expect("text"), page, "{pointer} has no metric");
    }
}

#[test]
fn lines() {
    let text = encode(&full()).expect("text");
    for line in [
        "seawall_build_info{version=\"1.2.3\"} 1",
        "seawall_generation 7",
        "seawall_packets_total{verdict=\"drop\",reason=\"geo\",protocol=\"tcp\"} 11",
        "seawall_bytes_total{verdict=\"drop\",reason=\"geo\",protocol=\"tcp\"} 660",
        "seawall_interface_info{interface=\"eth0\",mode=\"native\"} 1",
        "seawall_interface_unfiltered_seconds{interface=\"eth0\"} 0.25",
        "seawall_policy_prefixes{list=\"geo\"} 9",
        "seawall_rule_packets_total{rule=\"no-ssh\"} 3",
        "seawall_rule_bytes_total{rule=\"no-ssh\"} 180",
        "seawall_bans 4",
        "seawall_jwt_keys_confirmed_timestamp_seconds{jwt=\"main\"} 1780000002",
        "seawall_jwt_keys_last_update_ok{jwt=\"main\"} 0",
        "seawall_jwt_keys_updates_total{jwt=\"main\",result=\"unchanged\"} 5",
        "seawall_jwt_keys_refusals_total{jwt=\"main\",reason=\"html\"} 1",
        "seawall_jwt_keys_wanted_total{jwt=\"main\"} 8",
        "seawall_gateway_denied_total{reason=\"expired\"} 7",
        "seawall_gateway_sessions 16",
        "seawall_gateway_sessions_refused_total 17",
        "seawall_gateway_session_changes_lost_total 23",
        "seawall_gateway_logins_begun_total 19",
        "seawall_gateway_logins_completed_total 18",
        "seawall_gateway_logins_failed_total{reason=\"login_timeout\"} 20",
        "seawall_gateway_logouts_total{channel=\"front\"} 21",
        "seawall_gateway_logouts_total{channel=\"back\"} 22",
        "seawall_gateway_logouts_total{channel=\"frame\"} 23",
        "seawall_gateway_cross_site_total{reason=\"origin\"} 8",
        "seawall_gateway_validations_total{route=\"users\",verdict=\"refused\"} 32",
        "seawall_gateway_sanitised_total{verdict=\"changed\"} 51",
        "seawall_gateway_sanitise_changes_total{kind=\"html\"} 52",
        "seawall_gateway_sanitise_faults_total{fault=\"control_character\"} 53",
        "seawall_gateway_validation_faults_total{fault=\"schema\"} 6",
        "seawall_gateway_answer_validations_total{route=\"users\",verdict=\"reported\"} 43",
        "seawall_gateway_answer_faults_total{fault=\"schema\"} 9",
        "seawall_gateway_preflights_total 14",
        "seawall_gateway_cookies_hardened_total 15",
        "seawall_gateway_leaks_total{kind=\"secret\"} 9",
        "seawall_gateway_leaks_unscanned_total 16",
        "seawall_gateway_introspections_total{outcome=\"good\"} 24",
        "seawall_gateway_forbidden_total{condition=\"scopes\"} 6",
        "seawall_gateway_rate_limit_requests_total{limit=\"hourly\",result=\"refused\"} 12",
        "seawall_gateway_rate_limit_requests_total{limit=\"hourly\",result=\"shadow\"} 13",
        "seawall_gateway_rate_store_up 1",
        "seawall_gateway_events_sent_total{sink=\"webhook\"} 31",
        "seawall_gateway_events_lost_total{sink=\"webhook\",reason=\"queue_full\"} 32",
        "seawall_gateway_events_lost_total{sink=\"webhook\",reason=\"stopped\"} 0",
        "seawall_gateway_events_waiting{sink=\"webhook\"} 34",
        "seawall_gateway_verdicts_total{service=\"fraud\",outcome=\"timeout\"} 37",
        "seawall_gateway_rate_store_failures_total 22",
        "seawall_gateway_session_store_up 1",
        "seawall_gateway_session_store_calls_total 41",
        "seawall_gateway_session_store_failures_total 42",
        "seawall_gateway_session_store_unasked_total 43",
        "seawall_gateway_rate_limit_keys{limit=\"hourly\"} 16",
        "seawall_gateway_authenticated_total{method=\"api_key\"} 5",
        "seawall_gateway_offences_total{signal=\"not_found\"} 4",
        "seawall_gateway_offenders_total{verdict=\"challenged\"} 3",
        "seawall_gateway_offender_addresses 2",
        "seawall_gateway_offenders_displaced_total 1",
        "seawall_gateway_bans_total{outcome=\"rate\"} 6",
        "seawall_gateway_api_keys 12",
        "seawall_gateway_api_keys_refused_total 1",
        "seawall_gateway_tokens_total{result=\"cached\"} 10",
        "seawall_gateway_tokens_total{result=\"verified\"} 9",
        "seawall_gateway_token_keys_wanted_total 3",
        "seawall_feed_prefixes{feed=\"ipsum\"} 120000",
        "seawall_feed_confirmed_timestamp_seconds{feed=\"ipsum\"} 1780000001",
        "seawall_feed_last_update_ok{feed=\"ipsum\"} 0",
        "seawall_feed_updates_total{feed=\"ipsum\",result=\"unchanged\"} 5",
        "seawall_feed_refusals_total{feed=\"ipsum\",reason=\"html\"} 1",
        "seawall_geo_updates_total{database=\"country\",result=\"new\"} 2",
        "seawall_geo_update_refusals_total{database=\"country\",reason=\"html\"} 1",
        "seawall_reloads_total{result=\"error\"} 0",
        "seawall_geo_database_build_timestamp_seconds 1780000000",
        "seawall_gateway_requests_total{protocol=\"h2\",status=\"200\"} 5",
        "seawall_gateway_rejections_total{reason=\"body_too_large\"} 3",
        "seawall_gateway_request_duration_seconds_bucket{le=\"0.0001\"} 0",
        "seawall_gateway_request_duration_seconds_bucket{le=\"0.00025\"} 4",
        "seawall_gateway_request_duration_seconds_bucket{le=\"+Inf\"} 4",
        "seawall_gateway_request_duration_seconds_count 4",
        "seawall_gateway_route_requests_total{route=\"users\",protocol=\"h2\",status=\"5xx\"} 10",
        "seawall_gateway_route_request_duration_seconds_bucket{le=\"0.0005\",route=\"users\"} 55",
        "seawall_gateway_backend_requests_total{upstream=\"api\",backend=\"10.0.0.1:80\"} 56",
        "seawall_gateway_backend_requests_in_flight{upstream=\"api\",backend=\"10.0.0.1:80\"} 1",
        "seawall_gateway_backend_response_duration_seconds_sum{upstream=\"api\",backend=\"10.0.0.1:80\"} 1.5",
        "seawall_gateway_worker_restarts_total 2",
        "seawall_gateway_upstream_failovers_total{upstream=\"api\",result=\"sent\"} 9",
        "seawall_gateway_backend_ejections_total{upstream=\"api\",backend=\"10.0.0.1:8443\"} 2",
        "seawall_gateway_backend_state{upstream=\"api\",backend=\"10.0.0.1:8443\",state=\"ejected\"} 1",
        "seawall_gateway_backend_state{upstream=\"api\",backend=\"10.0.0.1:8443\",state=\"up\"} 0",
        "seawall_gateway_tls_handshake_failures_total{reason=\"alpn\"} 6",
        "seawall_gateway_certificate_expiry_timestamp_seconds{name=\"api.example\",key=\"rsa\"} 1800000000",
        "seawall_gateway_certificates 2",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\nin\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

/// Type and names of the labels of every metric on a page.
fn described(page: &str) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let mut found = BTreeMap::new();
    for line in page.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|it| it.split_once(' ')) {
            found.insert(name.to_owned(), (kind.to_owned(), BTreeSet::new()));
        } else if let Some((series, _)) = line.split_once(' ').filter(|_| !line.starts_with('#')) {
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let family = ["_total", "_bucket", "_sum", "_count"]
                .into_iter()
                .filter_map(|suffix| name.strip_suffix(suffix))
                .find(|family| found.contains_key(*family))
                .unwrap_or(name);
            let labels = labels.split(',').filter_map(|label| label.split_once("=\""));
            let labels = labels.map(|(name, _)| name.to_owned());
            if let Some((_, known)) = found.get_mut(family) {
                known.extend(labels);
            }
        }
    }
    found
}

#[test]
fn the_reference_has_every_metric_with_its_type_and_labels_and_no_other() {
    let written = described(&encode(&full()).expect("text"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/metrics.md");
    let reference = fs::read_to_string(path).expect("docs/reference/metrics.md");
    let mut listed = BTreeMap::new();
    for row in reference.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, name, kind, labels, ..] = cells[..] else { panic!("{row}") };
        let name = name.trim_matches('`');
        let name = name.strip_suffix("_total").filter(|_| kind == "counter").unwrap_or(name);
        // Of `label`: `value`, `value`; the names alone.
        let labels = labels.split(';').filter_map(|label| label.split('`').nth(1));
        let labels = labels.flat_map(|label| label.split(',')).map(str::to_owned).collect();
        listed.insert(name.to_owned(), (kind.to_owned(), labels));
    }
    assert_eq!(written, listed);
}

#[test]
fn names_follow_the_guide() {
    for (name, (kind, _)) in described(&encode(&full()).expect("text")) {
        assert!(name.starts_with("seawall_"), "{name}");
        for unit in ["_ms", "_us", "_ns", "_minutes", "_kilobytes", "_total"] {
            assert!(!name.ends_with(unit), "{name} ({kind})");
        }
    }
}
