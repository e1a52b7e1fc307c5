//! Feeds, autonomous systems, and where databases come from.

use std::time::Duration;

use super::*;
use crate::{
    config::{FeedConfig, Provider},
    feeds::{format::FeedFormat, guard::Bounds},
};

const FEED: &str = "feeds: [{name: a, url: 'https://a/b'";

#[test]
fn every_key_of_a_feed_acts() {
    let config = load(&packet(
        "feeds:
    - {name: plain, url: 'https://a/b'}
    - name: tab
      url: https://a/b
      format: tab
      count_min: 3
      interval_s: 300
      bytes_max: 1024
      prefixes_max: 7
      shrink_max_percent: 1
      grow_max_percent: 2
      ca: ca.pem
    - {name: csv, url: 'https://a/b', format: csv, column: 2, header: true}
    - {name: netset, url: 'https://a/b', format: netset}
    - {name: json, url: 'https://a/b', format: spamhaus_json}
  shadow: {lists: [csv]}
state: {path: /state}",
    ))
    .expect("feeds");
    let feeds = config.packet.feeds;
    let formats: Vec<FeedFormat> = feeds.iter().map(|feed| feed.format).collect();
    assert_eq!(
        formats,
        [
            FeedFormat::Plain,
            FeedFormat::Tab { count_min: 3 },
            FeedFormat::Csv { column: 2, header: true },
            FeedFormat::Netset,
            FeedFormat::SpamhausJson,
        ]
    );
    let plain = FeedConfig {
        name: "plain".into(),
        url: "https://a/b".into(),
        format: FeedFormat::Plain,
        interval: Duration::from_secs(86_400),
        bytes_max: 16 << 20,
        prefixes_max: 1_000_000,
        bounds: Bounds { shrink_max_percent: 50, grow_max_percent: 100 },
        ca: None,
        copy: "/state/feeds/plain.list".into(),
    };
    assert_eq!(feeds[0], plain);
    let tab = FeedConfig {
        name: "tab".into(),
        format: FeedFormat::Tab { count_min: 3 },
        interval: Duration::from_secs(300),
        bytes_max: 1_024,
        prefixes_max: 7,
        bounds: Bounds { shrink_max_percent: 1, grow_max_percent: 2 },
        ca: Some("/etc/seawall/ca.pem".into()),
        copy: "/state/feeds/tab.list".into(),
        ..plain
    };
    assert_eq!(feeds[1], tab);
    assert!(config.packet.shadow.lists.contains("csv"));
}

#[test]
fn every_key_of_geo_data_acts() {
    let config = load(&packet(
        "geo:
    database: c.mmdb
    asn_database: a.mmdb
    age_max_days: 7
    update:
      provider: maxmind
      account_id: 42
      key_file: key
      url: https://m/c
      asn_url: https://m/a
      interval_s: 3600
      bytes_max: 1024
      shrink_max_percent: 3
      grow_max_percent: 4
      ca: ca.pem
  deny: {asns: [64496, 64497]}
  allow: {asns: [64498]}
  sets: {s: {asns: [64499]}}",
    ))
    .expect("geo data");
    let geo = config.packet.geo.expect("geo");
    assert_eq!(geo.asn_database.as_deref(), Some(Path::new("/etc/seawall/a.mmdb")));
    assert_eq!(geo.age_max, Duration::from_secs(7 * 86_400));
    let update = geo.update.expect("an update");
    let key_file = "/etc/seawall/key".into();
    assert_eq!(update.provider, Provider::Maxmind { account_id: 42, key_file });
    assert_eq!(
        (update.url.as_deref(), update.asn_url.as_deref()),
        (Some("https://m/c"), Some("https://m/a"))
    );
    assert_eq!((update.interval, update.bytes_max), (Duration::from_secs(3_600), 1_024));
    assert_eq!(update.bounds, Bounds { shrink_max_percent: 3, grow_max_percent: 4 });
    assert_eq!(update.ca.as_deref(), Some(Path::new("/etc/seawall/ca.pem")));
    assert_eq!(config.packet.deny.names("deny"), ["as64496", "as64497"]);
    assert_eq!(config.packet.allow.asns, [64_498]);
    assert_eq!(config.packet.sets["s"].asns, [64_499]);
    for (provider, expected) in [
        ("provider: dbip_lite", Provider::DbipLite),
        ("provider: ipinfo, key_file: /t", Provider::Ipinfo { key_file: "/t".into() }),
        ("provider: url, url: 'https://a/'", Provider::Url),
    ] {
        let text = packet(&format!("geo: {{database: c, update: {{{provider}}}}}"));
        let geo = load(&text).expect(provider).packet.geo.expect("geo");
        assert_eq!(geo.update.expect("an update").provider, expected);
        assert_eq!(geo.age_max, Duration::from_secs(45 * 86_400));
    }
}

#[test]
fn what_is_wrong_with_a_feed_is_said_with_its_place() {
    let geo = |update: &str| packet(&format!("geo: {{database: c, update: {{{update}}}}}"));
    let many: String = (0..33).map(|n| format!("{{name: f{n}, url: 'https://a/'}}, ")).collect();
    refused(&[
        (packet(&format!("feeds: [{many}]")), "3:10: feeds: expected 0 to 32 entries, found 33"),
        (
            packet(&format!("{FEED}}}, {{name: a, url: 'https://c/'}}]")),
            "3:49: name: expected a name that no other feed and no deny list has, found \"a\" again",
        ),
        (
            packet("feeds: [{name: deny, url: 'https://a/b'}]"),
            "3:18: name: expected a name that no other feed and no deny list has, found \"deny\" again",
        ),
        (
            packet("feeds: [{name: a, url: 'http://a/b?key=x'}]"),
            "3:26: expected a URL that begins with https://, as anyone on the way can change what http carries, found \"http://a/b…\"",
        ),
        (packet("feeds: [{name: a}]"), "3:12: missing field `url`"),
        (
            packet(&format!("{FEED}, count_min: 3}}]")),
            "3:52: count_min: expected it with format tab alone",
        ),
        (
            packet(&format!("{FEED}, format: tab, column: 3}}]")),
            "3:62: column: expected it with format csv alone",
        ),
        (
            packet(&format!("{FEED}, interval_s: 299}}]")),
            "3:53: expected a whole number from 300 to 2592000, found \"299\"",
        ),
        (
            packet("deny: {asns: [64496]}"),
            "3:17: asns: expected packet.geo.asn_database, which says whose networks they are, found none",
        ),
        (
            packet("deny: {asns: [1, 1]}\n  geo: {database: c, asn_database: a}"),
            "3:20: asns: expected each once, found 1 again; remove one",
        ),
        (
            geo("provider: maxmind"),
            "3:30: update: expected account_id, which provider maxmind needs, found none",
        ),
        (
            geo("provider: ipinfo"),
            "3:30: update: expected key_file, which provider ipinfo needs, found none",
        ),
        (geo("provider: url"), "3:30: update: expected url, which provider url needs, found none"),
        (
            geo("provider: dbip_lite, key_file: k"),
            "3:62: key_file: expected it with provider maxmind or ipinfo alone",
        ),
        (
            geo("provider: dbip_lite, account_id: 1"),
            "3:64: account_id: expected it with provider maxmind alone",
        ),
        (
            geo("provider: dbip_lite, asn_url: 'https://a/'"),
            "3:30: asn_url: expected packet.geo.asn_database, which it is the source of, found none",
        ),
        (
            geo("provider: geoip"),
            "3:41: unknown variant `geoip`, expected one of dbip_lite, maxmind, ipinfo, url",
        ),
    ]);
}
