//! `gateway.behaviour`, and what routes say of answers.

use firewall_gateway::{
    behaviour::signal::Signal,
    policy::{
        BehaviourPolicy, BudgetLimitPolicy, BudgetPolicy, ChallengePagePolicy, ConsumerScorePolicy,
        RefusalPolicy, Thresholds,
    },
};

use super::{LEAST, load, refused};
use crate::config::{BehaviourConfig, GatewayConfig, OffenceBans};

/// A configuration with these keys in `gateway.behaviour`, which begin at 9:15, and in its route.
fn config(behaviour: &str, route: &str) -> String {
    format!(
        "{LEAST}gateway:\n  listen: ['127.0.0.1:1']\n  certificate: a\n  private_key: b\n  \
         upstreams: [{{name: api, backends: [{{address: '127.0.0.1:2'}}]}}]\n  \
         routes: [{{name: r, path: '/*', upstream: api{route}}}]\n{behaviour}"
    )
}

fn behaviour(keys: &str) -> String {
    config(&format!("  behaviour: {{{keys}}}\n"), "")
}

fn read(text: &str) -> GatewayConfig {
    load(text).expect("a configuration").gateway.expect("a gateway")
}

#[test]
fn every_key_of_behaviour_acts() {
    assert_eq!(read(&config("", "")).behaviour, None, "off");
    let (policy, bans) = (BehaviourPolicy::default(), OffenceBans::default());
    assert!(policy.shadow, "shadow first");
    let expected = BehaviourConfig { policy: policy.clone(), bans };
    assert_eq!(read(&behaviour("")).behaviour, Some(expected));
    let weights = Signal::ALL.map(Signal::label).into_iter().enumerate();
    let weights: Vec<String> = weights.map(|(place, label)| format!("{label}: {place}")).collect();
    let keys = format!(
        "shadow: false, half_life_s: 30, watch: 5, challenge: 6, ban: 7, weights: {{{}}}, \
         scanner_paths: [/.ENV, /b/c], exempt: [192.0.2.0/24, '2001:db8::/32'], ban_s: 60, ban_s_max: 600, \
         ban_factor: 2, remember_s: 0, bans_per_s_max: 9, \
         consumers: {{watch: 8, challenge: 9, ban: 10, exempt: [shop, 'a b']}}, \
         travel_s: 3600, challenge_page: {{difficulty_bits: 20, pass_s: 61}}",
        weights.join(", ")
    );
    let expected = BehaviourConfig {
        policy: BehaviourPolicy {
            shadow: false,
            half_life_s: 30,
            thresholds: Thresholds { watch: 5, challenge: 6, ban: 7 },
            refusals: RefusalPolicy { first_s: 60, factor: 2, longest_s: 600, remember_s: 0 },
            weights: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
            scanner_paths: ["/.env", "/b/c"].map(str::to_owned).to_vec(),
            exempt: ["192.0.2.0/24", "2001:db8::/32"]
                .map(|text| text.parse().expect("a prefix"))
                .to_vec(),
            consumers: ConsumerScorePolicy {
                thresholds: Thresholds { watch: 8, challenge: 9, ban: 10 },
                exempt: ["shop", "a b"].map(str::to_owned).to_vec(),
            },
            travel_s: Some(3_600),
            budgets: None,
            challenge_page: Some(ChallengePagePolicy { difficulty_bits: 20, pass_s: 61 }),
        },
        bans: OffenceBans { first_s: 60, factor: 2, longest_s: 600, remember_s: 0, per_s_max: 9 },
    };
    let travelling = behaviour(&keys).replace("packet: {}", "packet: {geo: {database: a}}");
    let found = read(&travelling);
    assert_eq!(found.behaviour, Some(expected));
    assert!(found.countries.is_some(), "travel is looked at by the database");
    assert_eq!(
        read(&behaviour("scanner_paths: []")).behaviour.expect("it").policy.scanner_paths,
        Vec::<String>::new()
    );
    let longer = read(&behaviour("ban_s: 1000000")).behaviour.expect("it").bans;
    assert_eq!((longer.first_s, longer.longest_s), (1_000_000, 1_000_000));
    let consumers = read(&behaviour("watch: 5, ban: 200, consumers: {ban: 300}")).behaviour;
    let expected = Thresholds { watch: 5, challenge: 50, ban: 300 };
    assert_eq!(consumers.expect("it").policy.consumers.thresholds, expected);
    let page = read(&behaviour("challenge_page: {}")).behaviour.expect("it").policy.challenge_page;
    assert_eq!(page, Some(ChallengePagePolicy::default()));
    let route = read(&config("  behaviour: {}\n", ", offences: [401, 404]"));
    assert_eq!(route.routes[0].offences, [401, 404]);
}

#[test]
fn budgets_are_those_of_limits_that_are_somebodys_own() {
    let with = |limit: &str, budgets: &str| {
        let limit = format!("{{name: hourly, limit: 9, everywhere: true, {limit}}}");
        format!("{}  rate_limits: [{limit}]\n", behaviour(&format!("budgets: {{{budgets}}}")))
    };
    let found = |text: &str| read(text).behaviour.expect("it").policy.budgets;
    let expected = |known, refusals| {
        let limits = vec![BudgetLimitPolicy { name: "hourly".to_owned(), known }];
        Some(BudgetPolicy { limits, refusals })
    };
    assert_eq!(found(&behaviour("")), None);
    assert_eq!(found(&with("window_s: 3600", "limits: [hourly]")), expected(false, 20));
    for (key, known) in [("route, address", false), ("consumer", true), ("key, country", true)] {
        let text = with(&format!("window_s: 60, key: [{key}]"), "limits: [hourly], refusals: 7")
            .replace("packet: {}", "packet: {geo: {database: a}}");
        // Whose limit it is by who they are asks who they are.
        let text = if known {
            text.replace("everywhere: true, ", "").replace("upstream: api}]", AUTHENTICATED)
        } else {
            text
        };
        assert_eq!(found(&text), expected(known, 7), "{key}");
    }
    let own = "9:34: limits: expected a limit with address, consumer or key in its key, no shadow and no count: \
               concurrency, found \"hourly\"";
    refused(&[
        (
            with("window_s: 9", "limits: [daily]"),
            "9:34: limits: expected the name of one of gateway.rate_limits, found \"daily\"",
        ),
        (with("window_s: 9, key: [network]", "limits: [hourly]"), own),
        (with("window_s: 9, key: []", "limits: [hourly]"), own),
        (with("window_s: 9, shadow: true", "limits: [hourly]"), own),
        (with("count: concurrency", "limits: [hourly]"), own),
        (with("window_s: 9", "limits: []"), "9:33: limits: expected 1 to 32 entries, found 0"),
        (
            with("window_s: 9", "limits: [hourly, hourly]"),
            "9:42: limits: expected each once, found hourly again; remove one",
        ),
        (
            with("window_s: 9", "limits: [hourly], refusals: 0"),
            "9:53: expected a whole number from 1 to 100000, found \"0\"",
        ),
    ]);
}

/// The end of a route that asks for a key.
const AUTHENTICATED: &str = "upstream: api, authentication: [{api_key: {}}], rate_limits: [hourly]}]\n  consumers: [{name: shop}]";

#[test]
fn what_is_wrong_is_said_with_its_place() {
    refused(&[
        (
            behaviour("watch: 60"),
            "9:22: behaviour: expected watch, challenge and ban to rise, found 60, 50 and 100",
        ),
        (
            behaviour("ban: 10"),
            "9:20: behaviour: expected watch, challenge and ban to rise, found 25, 50 and 10",
        ),
        (behaviour("ban: 0"), "9:20: expected a whole number from 1 to 100000, found \"0\""),
        (
            behaviour("ban_s: 60, ban_s_max: 30"),
            "9:22: ban_s: expected at most ban_s_max, 30, found 60",
        ),
        (
            behaviour("scanner_paths: [wp]"),
            "9:31: scanner_paths: expected a path from / without one at its end, of 2 to 128 characters, found \"wp\"",
        ),
        (
            behaviour("scanner_paths: [/a/]"),
            "9:31: scanner_paths: expected a path from / without one at its end, of 2 to 128 characters, found \"/a/\"",
        ),
        (
            behaviour("scanner_paths: [/a, /A]"),
            "9:35: scanner_paths: expected each once, found /a again; remove one",
        ),
        (
            behaviour("ban: 200, consumers: {challenge: 201}"),
            "9:48: consumers: expected watch, challenge and ban to rise, found 25, 201 and 200",
        ),
        (
            behaviour("consumers: {exempt: ['']}"),
            "9:36: exempt: expected the name of a consumer, of 1 to 256 bytes, found \"\"",
        ),
        (
            behaviour("consumers: {exempt: [a, a]}"),
            "9:39: exempt: expected each once, found a again; remove one",
        ),
        (
            behaviour("challenge_page: {difficulty_bits: 25}"),
            "9:49: expected a whole number from 1 to 24, found \"25\"",
        ),
        (
            behaviour("challenge_page: {pass_s: 59}"),
            "9:40: expected a whole number from 60 to 86400, found \"59\"",
        ),
        (
            behaviour("travel_s: 60"),
            "4:11: countries: expected packet.geo.database beside rules, limits or behaviour that ask for a country, found none",
        ),
        (
            behaviour("travel_s: 59"),
            "9:25: expected a whole number from 60 to 604800, found \"59\"",
        ),
        (behaviour("exempt: []"), "9:23: exempt: expected 1 to 64 entries, found 0"),
        (
            config("  behaviour: {}\n", ", offences: [402]"),
            "8:60: offences: expected some of 400, 401, 403, 404, 422 and 429, found 402",
        ),
        (
            config("", ", offences: [401]"),
            "4:11: routes: expected gateway.behaviour beside the offences of route \"r\", found none",
        ),
    ]);
}
