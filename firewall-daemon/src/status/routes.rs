//! What the gateway makes of which requests, and how it went.

use std::fmt::{self, Write as _};

use firewall_gateway::{
    figures::{Figures, MirrorFigures, NO_ROUTE, RouteFigures, STATUS_CLASSES},
    policy::{ForwardPolicy, GatewayPolicy, HeaderTest, RouteAction, RoutePolicy},
};
use serde::{Deserialize, Serialize};

/// `seawall routes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutesShown {
    /// In the order in which they are tried.
    pub routes: Vec<RouteShown>,
    /// Answers to requests that no route took, by class of status from 1xx.
    pub unrouted: [u64; STATUS_CLASSES.len()],
}

/// A route as the worker serves it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteShown {
    /// Its name.
    pub name: String,
    /// Which requests it takes.
    pub takes: String,
    /// What becomes of them.
    pub goes: String,
    /// Answers by class of status from 1xx.
    pub answers: [u64; STATUS_CLASSES.len()],
    /// What each upstream got, where there are several.
    pub upstreams: Vec<PartShown>,
    /// How its canary stands.
    pub canary: Option<CanaryShown>,
    /// What became of its copies.
    pub mirror: Option<MirrorFigures>,
}

/// What one upstream got of a route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartShown {
    /// The upstream.
    pub upstream: String,
    /// Its requests.
    pub requests: u64,
    /// Those not answered, or with a status of 500 or more.
    pub errors: u64,
}

/// How a canary stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryShown {
    /// The upstream that is tried out.
    pub upstream: String,
    /// What it gets now; 0 once it went back.
    pub percent: u64,
}

impl RoutesShown {
    /// The routes of a policy with what was counted of them.
    #[must_use]
    pub fn new(policy: &GatewayPolicy, figures: &Figures) -> Self {
        let upstreams: Vec<&str> = policy.upstreams.iter().map(|one| one.name.as_str()).collect();
        let routes = policy.routes.iter().map(|route| {
            let splits = figures.rollouts.splits.iter().filter(|row| row.route == route.name);
            let canary = canary_of(route).and_then(|place| upstreams.get(place)).copied();
            let stands = |upstream: &str| {
                let mut canaries = figures.rollouts.canaries.iter();
                canaries.find(|row| row.route == route.name && row.upstream == upstream)
            };
            let mut mirrors = figures.rollouts.mirrors.iter();
            RouteShown {
                name: route.name.clone(),
                takes: takes(route),
                goes: goes(route, &upstreams),
                answers: answers(figures, &route.name),
                upstreams: splits
                    .map(|row| PartShown {
                        upstream: row.upstream.clone(),
                        requests: row.requests,
                        errors: row.errors,
                    })
                    .collect(),
                canary: canary.map(|upstream| CanaryShown {
                    upstream: upstream.to_owned(),
                    percent: stands(upstream).map_or(0, |row| row.percent),
                }),
                mirror: mirrors.find(|row| row.route == route.name).cloned(),
            }
        });
        Self { routes: routes.collect(), unrouted: answers(figures, NO_ROUTE) }
    }
}

/// Which requests a route takes, on one line.
#[must_use]
pub fn takes(route: &RoutePolicy) -> String {
    let mut text = match route.hosts.as_slice() {
        [] => "any host".to_owned(),
        hosts => hosts.join(" "),
    };
    let mut add = |part: &str| {
        text.push(' ');
        text.push_str(part);
    };
    add(&route.path);
    if !route.methods.is_empty() {
        add(&route.methods.join(","));
    }
    for header in &route.headers {
        add(&match &header.test {
            HeaderTest::Value(value) => format!("{}={value:?}", header.name),
            HeaderTest::Present => header.name.clone(),
            HeaderTest::Absent => format!("!{}", header.name),
        });
    }
    text
}

/// What becomes of a route's requests, on one line.
#[must_use]
pub fn goes(route: &RoutePolicy, upstreams: &[&str]) -> String {
    match &route.action {
        RouteAction::Forward(forward) => forwarded(forward, upstreams),
        RouteAction::Redirect { to, status } => format!("{status} {to}"),
        RouteAction::Maintenance { retry_after_s, .. } => {
            format!("maintenance, Retry-After {retry_after_s}")
        }
    }
}

fn forwarded(forward: &ForwardPolicy, upstreams: &[&str]) -> String {
    let name = |place: usize| upstreams.get(place).copied().unwrap_or_default();
    let mut parts: Vec<String> = match forward.shares.as_slice() {
        [sole] => vec![name(sole.upstream).to_owned()],
        shares => {
            let share = |share: &firewall_gateway::policy::SharePolicy| {
                format!("{} {}", name(share.upstream), share.weight)
            };
            shares.iter().map(share).collect()
        }
    };
    if let Some(canary) = forward.canary {
        parts.push(format!("canary {} {} %", name(canary.upstream), canary.percent));
    }
    if let Some(mirror) = forward.mirror {
        parts.push(format!("mirror {} {} %", name(mirror.upstream), mirror.percent));
    }
    if let Some(rewrite) = &forward.rewrite {
        parts.push(format!("as {rewrite}"));
    }
    parts.join(", ")
}

fn canary_of(route: &RoutePolicy) -> Option<usize> {
    match &route.action {
        RouteAction::Forward(forward) => forward.canary.map(|canary| canary.upstream),
        RouteAction::Redirect { .. } | RouteAction::Maintenance { .. } => None,
    }
}

fn answers(figures: &Figures, route: &str) -> [u64; STATUS_CLASSES.len()] {
    let mut sums = [0; STATUS_CLASSES.len()];
    let rows = figures.routes.iter().filter(|row: &&RouteFigures| row.route == route);
    for row in rows {
        for (sum, count) in sums.iter_mut().zip(row.h1.iter().zip(&row.h2)) {
            *sum += count.0.saturating_add(*count.1);
        }
    }
    sums
}

/// The routes for people.
#[must_use]
pub fn render_routes(shown: &RoutesShown) -> String {
    let mut text = String::new();
    // Writing to a text cannot fail.
    let _infallible = write_routes(&mut text, shown);
    text
}

fn write_routes(out: &mut String, shown: &RoutesShown) -> fmt::Result {
    for route in &shown.routes {
        writeln!(out, "route       {}", route.name)?;
        writeln!(out, "            {} -> {}", route.takes, route.goes)?;
        writeln!(out, "            {}", counts(&route.answers))?;
        for part in &route.upstreams {
            let PartShown { upstream, requests, errors } = part;
            writeln!(out, "            {upstream}: {requests} requests, {errors} errors")?;
        }
        match &route.canary {
            Some(canary) if canary.percent == 0 => {
                writeln!(out, "            CANARY {} WENT BACK", canary.upstream)?;
            }
            Some(canary) => {
                let CanaryShown { upstream, percent } = canary;
                writeln!(out, "            canary {upstream} gets {percent} %")?;
            }
            None => {}
        }
        if let Some(MirrorFigures { upstream, ok, errors, skipped, .. }) = &route.mirror {
            writeln!(
                out,
                "            mirror {upstream}: {ok} ok, {errors} errors, {skipped} not sent"
            )?;
        }
    }
    writeln!(out, "no route    {}", counts(&shown.unrouted))
}

fn counts(answers: &[u64]) -> String {
    let counted = STATUS_CLASSES.iter().zip(answers).filter(|(_, count)| **count > 0);
    let counts: Vec<String> = counted.map(|(class, count)| format!("{class} {count}")).collect();
    if counts.is_empty() { "no requests".to_owned() } else { counts.join(", ") }
}

#[cfg(test)]
mod tests {
    use firewall_gateway::policy::{
        CanaryPolicy, HeaderCondition, MirrorPolicy, RouteAction, SharePolicy,
    };

    use super::*;

    #[test]
    fn a_route_on_one_line() {
        let header = |name: &str, test| HeaderCondition { name: name.into(), test };
        let route = RoutePolicy {
            hosts: vec!["a.example".into(), "*.b.example".into()],
            methods: vec!["GET".into(), "POST".into()],
            headers: vec![
                header("x-version", HeaderTest::Value("2".into())),
                header("x-debug", HeaderTest::Present),
                header("x-old", HeaderTest::Absent),
            ],
            ..RoutePolicy::to_upstream("r", "/v1/*", 0)
        };
        assert_eq!(
            takes(&route),
            "a.example *.b.example /v1/* GET,POST x-version=\"2\" x-debug !x-old"
        );
        let of = |action| goes(&RoutePolicy { action, ..route.clone() }, &["api", "next"]);
        let share = |upstream, weight| SharePolicy { upstream, weight };
        let canary = CanaryPolicy {
            upstream: 1,
            percent: 5,
            error_percent_max: 5,
            requests_min: 1,
            window_s: 1,
        };
        for (action, expected) in [
            (RouteAction::Forward(ForwardPolicy::to(1)), "next"),
            (
                RouteAction::Forward(ForwardPolicy {
                    shares: vec![share(0, 90), share(1, 10)],
                    rewrite: Some("/*".into()),
                    ..ForwardPolicy::to(0)
                }),
                "api 90, next 10, as /*",
            ),
            (
                RouteAction::Forward(ForwardPolicy {
                    canary: Some(canary),
                    mirror: Some(MirrorPolicy { upstream: 1, percent: 50, body_bytes_max: 0 }),
                    ..ForwardPolicy::to(0)
                }),
                "api, canary next 5 %, mirror next 50 %",
            ),
            (RouteAction::Redirect { to: "/x".into(), status: 308 }, "308 /x"),
            (
                RouteAction::Maintenance { retry_after_s: 60, detail: None },
                "maintenance, Retry-After 60",
            ),
        ] {
            assert_eq!(of(action), expected);
        }
    }

    #[test]
    fn routes_for_people() {
        let mirror = MirrorFigures {
            route: "b".into(),
            upstream: "next".into(),
            ok: 1,
            errors: 2,
            skipped: 3,
        };
        let shown = RoutesShown {
            routes: vec![
                RouteShown {
                    name: "a".into(),
                    takes: "any host /".into(),
                    goes: "api".into(),
                    ..RouteShown::default()
                },
                RouteShown {
                    name: "b".into(),
                    takes: "any host /*".into(),
                    goes: "api, canary next 5 %".into(),
                    answers: [0, 8, 0, 1, 2],
                    upstreams: vec![PartShown { upstream: "api".into(), requests: 9, errors: 1 }],
                    canary: Some(CanaryShown { upstream: "next".into(), percent: 0 }),
                    mirror: Some(mirror),
                },
            ],
            unrouted: [0, 0, 0, 7, 0],
        };
        assert_eq!(
            render_routes(&shown),
            "route       a
            any host / -> api
            no requests
route       b
            any host /* -> api, canary next 5 %
            2xx 8, 4xx 1, 5xx 2
            api: 9 requests, 1 errors
            CANARY next WENT BACK
            mirror next: 1 ok, 2 errors, 3 not sent
no route    4xx 7
"
        );
    }
}
