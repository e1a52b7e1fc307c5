//! What workers tell of clients becomes bans: on the road of `seawall ban`, and never of whom a policy lets pass,
//! who is protected, or a proxy that brings others.
//!
//! One thread decides and bans, so that an attacker is dropped before a disk is waited for; another keeps the
//! records, all that came meanwhile with one wait. Whatever a worker says, no more are banned in a second than the
//! policy lets.

mod escalation;
mod outcome;
mod pace;
mod protected;

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

use firewall_gateway::{
    behaviour::{offence::Offence, signal::Signal},
    policy::BehaviourPolicy,
};
use ipnetwork::IpNetwork;
use tokio::{sync::watch, task::spawn_blocking};

pub use self::outcome::Outcomes;
use self::{escalation::Offenders, outcome::Outcome, pace::Pace, protected::Seen};
use super::{
    Daemon,
    change::Policy,
    holders::{Holders, at, of_address},
    lock,
    snapshot::now_epoch_s,
};
use crate::{
    audit::{Record, Who},
    config::{BehaviourConfig, GatewayConfig, OffenceBans},
    control::ListKind,
    datapath::bans::normal,
    state::bans::{BanLine, KeptBan},
};

/// Records that wait for the disk: while it takes none, so many are banned and no more.
const RECORDS_WAITING_MAX: usize = 4_096;
/// Records that are written together.
const RECORDS_AT_ONCE: usize = 512;
/// Ends of bans are kept in whole seconds.
const BUDGET_BAN_S_MIN: u64 = 1;
/// Who bans, in `seawall bans`.
const WHO: &str = "gateway";
/// A request's id is so long.
const REQUEST_ID_BYTES: usize = 32;

/// A ban that is in force and whose record is not on the disk yet.
struct Kept {
    appended: u64,
    record: Record,
}

/// What is known from one offence to the next. Of one thread.
struct Bouncer {
    records: SyncSender<Kept>,
    offenders: Offenders,
    pace: Pace,
    /// Asks for those whom no policy may cut.
    look: SyncSender<()>,
}

impl Bouncer {
    /// A ban for a score makes the next one longer.
    fn note(
        &mut self,
        offence: &Offence,
        source: IpAddr,
        now: u64,
        for_s: u64,
        bans: &OffenceBans,
    ) {
        if offence.budget.is_none() {
            self.offenders.note(source, now, for_s, bans);
        }
    }
}

/// Bans whom workers tell of, until `stop` says true.
pub async fn follow(daemon: Arc<Daemon>, mut stop: watch::Receiver<bool>) {
    if daemon.supervisor.is_none() {
        return;
    }
    let (records, kept) = sync_channel(RECORDS_WAITING_MAX);
    let (look, asked) = sync_channel(1);
    let [banning, looking, recording] = [(); 3].map(|()| daemon.clone());
    let threads = [
        spawn_blocking(move || banning.ban_offenders(records, look)),
        spawn_blocking(move || {
            let protect = || lock(&looking.config).packet.protect;
            looking.offences.protected.look_again(&asked, protect);
        }),
        spawn_blocking(move || recording.record_offenders(&kept)),
    ];
    // Whoever could say true is gone: that is a stop too.
    let _ = stop.wait_for(|stop| *stop).await;
    if let Some(supervisor) = &daemon.supervisor {
        supervisor.close_offences();
    }
    for thread in threads {
        if let Err(error) = thread.await {
            tracing::error!(%error, "whoever offends is not banned any more");
        }
    }
}

impl Daemon {
    fn ban_offenders(&self, records: SyncSender<Kept>, look: SyncSender<()>) {
        let Some(supervisor) = &self.supervisor else { return };
        let (offenders, pace) = (Offenders::default(), Pace::new(Instant::now()));
        let mut bouncer = Bouncer { records, offenders, pace, look };
        while let Some(offences) = supervisor.next_offences() {
            let current = self.policy_in_force();
            let holders = Holders::new(self, &current);
            let gateway = current.config.gateway.as_ref();
            let behaviour = gateway.and_then(|it| Some((it, it.behaviour.as_ref()?)));
            for offence in offences {
                let outcome = match behaviour {
                    Some((gateway, behaviour)) => {
                        let asked =
                            Asked { offence: &offence, current: &current, gateway, behaviour };
                        self.judge_offence(&mut bouncer, &asked, &holders)
                    }
                    // A worker of an earlier policy told of it.
                    None => Outcome::Off,
                };
                if outcome != Outcome::Banned {
                    let (address, outcome) = (offence.address, outcome.label());
                    tracing::debug!(%address, outcome, "the gateway asked for a ban");
                }
                self.offences.count(outcome);
            }
        }
    }

    /// What becomes of an offence; where it is a ban, that is in force on return.
    fn judge_offence(
        &self,
        bouncer: &mut Bouncer,
        asked: &Asked<'_>,
        holders: &Holders<'_>,
    ) -> Outcome {
        let Asked { offence, gateway, behaviour, .. } = asked;
        let address = offence.address.to_canonical();
        let source = normal(address);
        if !is_asked_for(offence, &behaviour.policy) {
            return Outcome::Off;
        }
        if is_local(address) {
            return Outcome::Local;
        }
        if gateway.clients.trusted_proxies.iter().any(|proxy| meets(*proxy, source)) {
            return Outcome::TrustedProxy;
        }
        if self.offences.protected.protects(
            source,
            &asked.current.config.packet.protect,
            &bouncer.look,
        ) || holders.protected_around(of_address(address)).is_some()
        {
            return Outcome::Protected;
        }
        if holders.around(ListKind::Allow, of_address(address)).is_some() {
            return Outcome::Allowed;
        }
        let sources = [source];
        // Somebody changes its ban by hand at this moment.
        let Some(_turn) = self.turns.take_free(&sources) else { return Outcome::Busy };
        match lock(&self.bans).find(source) {
            Ok(None) => {}
            Ok(Some(_)) => return Outcome::AlreadyBanned,
            Err(error) => {
                tracing::error!(%source, %error, "it is not known whether it is banned");
                return Outcome::Failed;
            }
        }
        if !bouncer.pace.take(behaviour.bans.per_s_max, Instant::now()) {
            return Outcome::Rate;
        }
        let now = now_epoch_s();
        let (for_s, number) = sentence(offence, &bouncer.offenders, now, &behaviour.bans);
        let reason = reason(offence, number);
        if behaviour.policy.shadow {
            tracing::info!(%source, for_s, reason, "would be banned: gateway.behaviour is in shadow mode");
            bouncer.note(offence, source, now, for_s, &behaviour.bans);
            return Outcome::Shadow;
        }
        let outcome = self.ban_offender(bouncer, source, for_s, reason);
        if outcome == Outcome::Banned {
            bouncer.note(offence, source, now, for_s, &behaviour.bans);
        }
        outcome
    }

    /// Bans it; the caller has its turn.
    fn ban_offender(
        &self,
        bouncer: &Bouncer,
        source: IpAddr,
        for_s: u64,
        reason: String,
    ) -> Outcome {
        // Of all senders there is this one: room that is there stays there.
        if self.offences.records.load(Ordering::Relaxed) >= RECORDS_WAITING_MAX {
            return Outcome::Unrecorded;
        }
        let ends_epoch_s = now_epoch_s().saturating_add(for_s);
        // Before the journal: a disk that is busy is nobody's time to go on.
        if let Err(error) = lock(&self.bans).add(source, Duration::from_secs(for_s)) {
            tracing::error!(%source, %error, "an offender is not banned");
            return Outcome::Failed;
        }
        let ban = KeptBan { ends_epoch_s, reason: Some(reason.clone()), who: WHO.to_owned() };
        let appended = self.journal.append(&[BanLine::Ban { source, ban }]);
        if let Err(error) = &appended {
            // An attack does not wait for a disk that is full: it is in force until the host starts anew.
            tracing::error!(%source, %error, "a ban is not kept");
        }
        let appended = appended.unwrap_or_default();
        let shown = IpNetwork::new(source, if source.is_ipv4() { 32 } else { 64 });
        let shown = shown.map_or_else(|_| source.to_string(), super::holders::shown);
        let what = format!("{shown} until {}", at(ends_epoch_s));
        let before = format!("{shown} not banned");
        let record = Record { why: reason, before, ..Record::new(Who::Daemon, "ban", &what) };
        self.offences.records.fetch_add(1, Ordering::Relaxed);
        if bouncer.records.try_send(Kept { appended, record }).is_err() {
            tracing::error!(%source, "the record of a ban is lost");
        }
        Outcome::Banned
    }

    fn record_offenders(&self, kept: &Receiver<Kept>) {
        while let Ok(first) = kept.recv() {
            let more = kept.try_iter().take(RECORDS_AT_ONCE - 1);
            let batch: Vec<Kept> = std::iter::once(first).chain(more).collect();
            if let Some(last) = batch.last()
                && let Err(error) = self.journal.sync(last.appended)
            {
                // They are in force until the host starts anew.
                tracing::error!(%error, bans = batch.len(), "bans are not kept");
            }
            let records: Vec<Record> = batch.into_iter().map(|kept| kept.record).collect();
            // The log says so itself where it cannot.
            let _ = self.audit.record_all_or_owe(&records);
            for Record { what, why, .. } in &records {
                tracing::info!(who = WHO, verb = "ban", what, why, "changed");
            }
            self.offences.records.fetch_sub(records.len(), Ordering::Relaxed);
        }
    }
}

/// An offence, and by what it is judged.
struct Asked<'a> {
    offence: &'a Offence,
    current: &'a Policy,
    gateway: &'a GatewayConfig,
    behaviour: &'a BehaviourConfig,
}

/// Counters, and how many records wait.
#[derive(Debug, Default)]
pub struct Offences {
    outcomes: Outcomes,
    records: AtomicUsize,
    protected: Seen,
}

impl Offences {
    fn count(&self, outcome: Outcome) {
        self.outcomes.count(outcome);
    }

    /// What became of offences so far, with those that found no room in the queue.
    pub fn figures(&self, lost: u64) -> Vec<firewall_gateway::figures::LabelCount> {
        self.outcomes.figures(lost)
    }
}

/// Whose ban would hit nobody, or this host's own neighbours.
fn is_local(address: IpAddr) -> bool {
    address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
        || matches!(address, IpAddr::V4(address) if address.is_link_local() || address.is_broadcast())
}

/// Whether a ban of this source would hit anyone of a network.
fn meets(network: IpNetwork, source: IpAddr) -> bool {
    let banned = IpNetwork::new(source, if source.is_ipv4() { 32 } else { 64 });
    banned.is_ok_and(|banned| {
        network.contains(banned.network()) || banned.contains(network.network())
    })
}

/// Whether the policy in force bans for such a thing: a budget may be of an earlier one, or of no policy.
fn is_asked_for(offence: &Offence, policy: &BehaviourPolicy) -> bool {
    let limits = policy.budgets.as_ref().map_or(&[][..], |budgets| &budgets.limits);
    let is_named = |limit: &str| limits.iter().any(|one| one.name == limit);
    offence.budget.as_ref().is_none_or(|budget| is_named(&budget.limit))
}

/// How long a ban takes, and which one in a row it is. For a budget it is no punishment, and ends when that does.
fn sentence(
    offence: &Offence,
    offenders: &Offenders,
    now_epoch_s: u64,
    bans: &OffenceBans,
) -> (u64, u32) {
    match &offence.budget {
        Some(budget) => (budget.for_s.min(bans.longest_s).max(BUDGET_BAN_S_MIN), 1),
        None => offenders.next(normal(offence.address.to_canonical()), now_epoch_s, bans),
    }
}

/// The cause in words: what was done, how often, with which score or over which budget, and the request that
/// decided. What a worker says is bounded and holds nothing but our own words, names of the policy's limits, numbers
/// and hexadecimal digits.
fn reason(offence: &Offence, number: u32) -> String {
    let once = |signal| offence.signals.iter().find(|one| one.signal == signal);
    let signals = Signal::ALL.into_iter().filter_map(once);
    let mut text: String =
        signals.map(|one| format!("{} {}, ", one.signal.label(), one.count)).collect();
    text.push_str(&match &offence.budget {
        Some(budget) => format!("budget {}, refused {}", budget.limit, budget.refusals),
        None => format!("score {}", offence.score),
    });
    let request: String =
        offence.request.chars().filter(char::is_ascii_hexdigit).take(REQUEST_ID_BYTES).collect();
    if !request.is_empty() {
        text.push_str(", request ");
        text.push_str(&request);
    }
    if number > 1 {
        text.push_str(&format!(", ban {number} in a row"));
    }
    text
}

#[cfg(test)]
mod tests;
