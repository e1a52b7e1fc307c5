//! Active checks: one thread of the worker asks each backend whether it is well, and tells all threads.

use std::{collections::HashMap, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt, Empty};
use tokio::{
    runtime,
    sync::watch,
    task::{JoinSet, LocalSet},
    time::{MissedTickBehavior, interval, timeout},
};

use super::{SharedUpstream, backend::Backend, server::Server};
use crate::{figures::Meter, policy::HealthPolicy};

/// Checks until the drain begins.
pub fn run(upstreams: &[Arc<SharedUpstream>], mut drain: watch::Receiver<bool>) {
    let runtime = match runtime::Builder::new_current_thread().enable_io().enable_time().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "no backend is checked: the runtime cannot be built");
            return;
        }
    };
    LocalSet::new().block_on(&runtime, async move {
        let mut checking = JoinSet::new();
        for upstream in upstreams {
            if let Some(policy) = upstream.delivery.health.clone() {
                checking.spawn_local(check_all(upstream.clone(), policy));
            }
        }
        // The checks end by being dropped.
        let _ended = drain.wait_for(|on| *on).await;
    });
}

/// Whether a policy needs the thread.
#[must_use]
pub fn is_wanted(upstreams: &[Arc<SharedUpstream>]) -> bool {
    upstreams.iter().any(|upstream| upstream.delivery.health.is_some())
}

async fn check_all(upstream: Arc<SharedUpstream>, policy: HealthPolicy) {
    let policy = Rc::new(policy);
    let mut rows: HashMap<SocketAddr, Row> = HashMap::new();
    let mut ticks = interval(Duration::from_millis(policy.interval_ms));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let servers = upstream.servers();
        rows.retain(|address, _| servers.iter().any(|server| server.address == *address));
        let mut checks = JoinSet::new();
        for server in servers.iter().cloned() {
            let (upstream, policy) = (upstream.clone(), policy.clone());
            checks.spawn_local(async move {
                let good = check(&upstream, &policy, server.address).await;
                (server, good)
            });
        }
        while let Some(checked) = checks.join_next().await {
            let Ok((server, good)) = checked else { continue };
            server.checked(good);
            let row = rows.entry(server.address).or_default();
            if let Some(well) = row.add(good, server.is_well(), &policy) {
                tell(&upstream, &server, well);
            }
        }
    }
}

fn tell(upstream: &SharedUpstream, server: &Server, well: bool) {
    server.set_well(well, upstream.now_ms());
    let (upstream, backend) = (&upstream.name, server.address);
    if well {
        tracing::info!(%upstream, %backend, "a backend is well again");
    } else {
        tracing::warn!(%upstream, %backend, "a backend is unwell: its checks fail");
    }
}

async fn check(upstream: &SharedUpstream, policy: &HealthPolicy, address: SocketAddr) -> bool {
    // What checks do is no traffic: it is counted with the checks alone.
    let meter = Arc::new(Meter::new([]));
    let backend = Backend::new(upstream, address, meter);
    let asked = async {
        let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
        let mut request = Request::new(body);
        *request.uri_mut() = policy.path.parse().ok()?;
        let headers = request.headers_mut();
        headers.insert(header::HOST, upstream.host.clone());
        headers.insert(header::USER_AGENT, HeaderValue::from_static("seawall-health"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        backend.ask_once(request).await
    };
    let answer = timeout(Duration::from_millis(policy.timeout_ms), asked).await.ok().flatten();
    answer.is_some_and(|answer| policy.statuses.contains(&answer.status().as_u16()))
}

/// Checks in a row that say the opposite of what is taken to be true.
#[derive(Debug, Default)]
struct Row(u32);

impl Row {
    /// What is true from now on, where that changes.
    fn add(&mut self, good: bool, well: bool, policy: &HealthPolicy) -> Option<bool> {
        if good == well {
            self.0 = 0;
            return None;
        }
        self.0 = self.0.saturating_add(1);
        let needed = if good { policy.healthy_after } else { policy.unhealthy_after };
        (self.0 >= needed).then(|| {
            self.0 = 0;
            good
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{HealthPolicy, Row};

    #[test]
    fn a_row_of_checks_decides() {
        let policy = HealthPolicy {
            path: "/".to_owned(),
            interval_ms: 1,
            timeout_ms: 1,
            healthy_after: 2,
            unhealthy_after: 3,
            statuses: vec![200],
        };
        for (checks, expected) in [
            ("", true),
            ("--", true),
            ("--+--", true),
            ("---", false),
            ("---+", false),
            ("---+-+", false),
            ("---++", true),
            ("---++--", true),
            ("---++---", false),
        ] {
            let (mut row, mut well) = (Row::default(), true);
            for check in checks.chars() {
                well = row.add(check == '+', well, &policy).unwrap_or(well);
            }
            assert_eq!(well, expected, "{checks}");
        }
    }
}
