//! The page against its reference: what is in one is in the other.

use std::{collections::BTreeSet, fs, path::Path};

use firewall_gateway::figures::{LabelCount, RequestCount};

use super::*;
use crate::status::{
    DatabaseStatus, FeedOutcome, FeedResult, FeedStatus, GeoStatus, InterfaceStatus, PacketCount,
    ReasonCount, RuleStatus, UpdateStatus,
};

fn full() -> Snapshot {
    let mut gateway = GatewayStatus { restarts: 2, ..GatewayStatus::default() };
    gateway.figures.requests = vec![RequestCount { status: 200, protocol: "h2".into(), count: 5 }];
    gateway.figures.rejections = vec![LabelCount { label: "body_too_large".into(), count: 3 }];
    gateway.figures.upstream_failures = vec![LabelCount { label: "refused".into(), count: 1 }];
    gateway.figures.request_duration.buckets[1] = 4;
    gateway.figures.request_duration.sum_us = 800;
    let mut snapshot = Snapshot {
        version: "1.2.3".into(),
        generation: 7,
        interfaces: vec![InterfaceStatus { name: "eth0".into(), index: 2, mode: "native".into() }],
        packets: vec![PacketCount {
            verdict: "drop".into(),
            reason: "geo".into(),
            protocol: "tcp".into(),
            packets: 11,
            bytes: 660,
        }],
        rules: vec![RuleStatus { name: "no-ssh".into(), packets: 3, bytes: 180 }],
        bans: 4,
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
    snapshot.databases = vec![DatabaseStatus { database: "country".into(), updates }];
    snapshot.policy.geo = Some(GeoStatus {
        mode: "only".into(),
        countries: vec!["DE".into()],
        database: "country.mmdb".into(),
        kind: "test".into(),
        build_epoch_s: 1_780_000_000,
        networks: 9,
    });
    snapshot
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
        "seawall_policy_prefixes{list=\"geo\"} 9",
        "seawall_rule_packets_total{rule=\"no-ssh\"} 3",
        "seawall_rule_bytes_total{rule=\"no-ssh\"} 180",
        "seawall_bans 4",
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
        "seawall_gateway_worker_restarts_total 2",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\nin\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn the_reference_names_every_metric_and_no_other() {
    let text = encode(&full()).expect("text");
    let written: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/metrics.md");
    let reference = fs::read_to_string(path).expect("docs/reference/metrics.md");
    let listed: BTreeSet<&str> = reference
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .map(|name| name.strip_suffix("_total").unwrap_or(name))
        .collect();
    assert_eq!(written, listed);
}
