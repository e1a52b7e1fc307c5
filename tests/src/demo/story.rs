//! The story: a request from every client, floods from those who are to be dropped, then a flood from
//! one source while another client goes on working.

use std::{
    net::{IpAddr, SocketAddr},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow};

use super::{
    cast::{self, API, BURST_PACKETS, RATE_PPS},
    live,
    measure::Measure,
    outcome::{Figure, Outcome, Scene},
    report::grouped,
    stage::Stage,
};
use crate::{
    client::{Answer, Request},
    flood::{Flood, Sent},
    world::{Host, SERVER},
};

const MESSAGE: &str = "/v1/message";
/// Who gets no answer waits this long for it.
const NO_ANSWER: Duration = Duration::from_secs(3);
/// Nobody listens there, so the server's kernel counts each datagram that arrives.
const FLOOD_PORT: u16 = 9999;
const FLOOD_PPS: u32 = 10_000;
const DROPPED_FLOOD: Duration = Duration::from_secs(2);
const RATE_FLOOD: Duration = Duration::from_secs(6);
/// Requests of the allowed client while the flood lasts.
const STEADY_REQUESTS: u32 = 50;

/// Plays the whole story, over IPv4 and IPv6 at the same time.
pub fn play(stage: &Stage) -> Result<Outcome> {
    let message = stage.upstream.ask(&stage.world, MESSAGE)?.body;
    let before = Measure::take(stage)?;
    let (mut scenes, (storm_scenes, floods)) = live::beside(stage, || {
        let scenes = requests(stage, &message)?;
        Ok((scenes, storm(stage)?))
    })?;
    scenes.extend(storm_scenes);
    let during = Measure::settled(stage)?.since(&before);
    let mut figures = during.figures();
    for (server, sent) in SERVER.iter().zip(&floods) {
        let arrived = during.arrived(*server);
        figures.push(passes(*server, sent, arrived));
        scenes.push(flooder_scene(*server, sent, arrived));
    }
    Ok(Outcome { scenes, figures })
}

/// One request from each client but the flooder; those who must get nothing also flood.
fn requests(stage: &Stage, message: &str) -> Result<Vec<Scene>> {
    let hosts = [cast::ALLOWED, cast::EXEMPT, cast::BLOCKED, cast::DENIED];
    let parts =
        hosts.iter().flat_map(|plan| SERVER.map(|server| (stage.world.host(plan.name), server)));
    at_once(parts.map(|(host, server)| {
        move || match host.plan.name {
            "blocked" | "denied" => unheard(stage, host, server),
            _ => served(stage, host, server, message),
        }
    }))
}

fn served(stage: &Stage, host: &Host, server: IpAddr, message: &str) -> Result<Scene> {
    let answer = request(stage, server).send(&host.namespace)?;
    let got_it = answer.status == 200 && answer.body == message;
    Ok(Scene {
        client: client(host, server),
        did: format!("GET {MESSAGE}"),
        saw: seen(&answer),
        policy: "200 over TLSv1.3: the message".to_owned(),
        agrees: got_it && answer.tls_version == "TLSv1.3",
    })
}

fn unheard(stage: &Stage, host: &Host, server: IpAddr) -> Result<Scene> {
    let sent = flood(host, server, DROPPED_FLOOD)?;
    let answer = request(stage, server).within(NO_ANSWER).send(&host.namespace)?;
    Ok(Scene {
        client: client(host, server),
        did: format!("GET {MESSAGE}, {} datagrams", grouped(sent.datagrams)),
        saw: seen(&answer),
        policy: "nothing".to_owned(),
        agrees: answer.nothing_came(),
    })
}

/// The flood from one source, and the allowed client beside it; answers the floods by family.
fn storm(stage: &Stage) -> Result<(Vec<Scene>, Vec<Sent>)> {
    let allowed = stage.world.host(cast::ALLOWED.name);
    let flooder = stage.world.host(cast::FLOODER.name);
    thread::scope(|scope| {
        let floods = scope
            .spawn(|| at_once(SERVER.map(|server| move || flood(flooder, server, RATE_FLOOD))));
        let scenes = at_once(SERVER.map(|server| move || steady(stage, allowed, server)))?;
        let floods = floods.join().map_err(|_| anyhow!("a flood panicked"))??;
        Ok((scenes, floods))
    })
}

fn steady(stage: &Stage, host: &Host, server: IpAddr) -> Result<Scene> {
    let start = Instant::now();
    let mut answers = Vec::new();
    for number in 0..STEADY_REQUESTS {
        let due = RATE_FLOOD * number / STEADY_REQUESTS;
        thread::sleep(due.saturating_sub(start.elapsed()));
        answers.push(request(stage, server).send(&host.namespace)?);
    }
    let good = answers.iter().filter(|answer| answer.status == 200).count();
    let first_failure = answers.iter().find(|answer| answer.status != 200).map(seen);
    Ok(Scene {
        client: client(host, server),
        did: format!("{STEADY_REQUESTS} requests during the flood"),
        saw: format!(
            "{good} answers 200{}",
            first_failure.map(|seen| format!(", {seen}")).unwrap_or_default()
        ),
        policy: "all of them answered".to_owned(),
        agrees: good == answers.len(),
    })
}

fn flooder_scene(server: IpAddr, sent: &Sent, arrived: u64) -> Scene {
    let figure = passes(server, sent, arrived);
    let seconds = sent.elapsed.as_secs_f64();
    Scene {
        client: format!("{} {}", cast::FLOODER.name, family(server)),
        did: format!("{} datagrams in {seconds:.1} s", grouped(sent.datagrams)),
        saw: format!("{} arrived", grouped(arrived)),
        policy: format!("{} at once, then {RATE_PPS} a second", grouped(BURST_PACKETS.into())),
        agrees: figure.agrees(),
    }
}

/// What the token bucket lets through of a flood, and what came through.
fn passes(server: IpAddr, sent: &Sent, arrived: u64) -> Figure {
    let due = f64::from(BURST_PACKETS) + f64::from(RATE_PPS) * sent.elapsed.as_secs_f64();
    let expected = due.round() as u64;
    Figure {
        name: format!("pass: flooder {}, burst + rate x time", family(server)),
        expected,
        counted: arrived,
        tolerance: expected / 20,
    }
}

fn flood(host: &Host, server: IpAddr, duration: Duration) -> Result<Sent> {
    let sources = host.addresses_towards(server);
    let target = SocketAddr::new(server, FLOOD_PORT);
    Flood { sources, target, rate_pps: FLOOD_PPS, duration }.send(&host.namespace)
}

fn request(stage: &Stage, server: IpAddr) -> Request {
    Request::get(API, SocketAddr::new(server, 443), MESSAGE, &stage.authority)
}

fn seen(answer: &Answer) -> String {
    if answer.nothing_came() {
        return "nothing".to_owned();
    }
    if answer.status == 0 {
        return format!("no answer: {}", answer.complaint);
    }
    let body: String = answer.body.trim().chars().take(40).collect();
    format!("{} over {}: {body}", answer.status, answer.tls_version)
}

fn client(host: &Host, server: IpAddr) -> String {
    format!("{} {}", host.plan.name, family(server))
}

fn family(server: IpAddr) -> &'static str {
    match server {
        IpAddr::V4(_) => "IPv4",
        IpAddr::V6(_) => "IPv6",
    }
}

/// Does all parts at the same time; the answers are in their order.
fn at_once<T: Send, W: FnOnce() -> Result<T> + Send>(
    parts: impl IntoIterator<Item = W>,
) -> Result<Vec<T>> {
    thread::scope(|scope| {
        let running: Vec<_> = parts.into_iter().map(|part| scope.spawn(part)).collect();
        running
            .into_iter()
            .map(|part| part.join().map_err(|_| anyhow!("a part of the story panicked")).flatten())
            .collect::<Result<_>>()
            .context("the story broke off")
    })
}
