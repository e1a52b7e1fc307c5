//! Safe change: what a file would change, putting it in force, confirming it, going back.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    path::Path,
    time::{Duration, Instant},
};

use firewall_common::{Reason, Verdict};

use super::{
    Daemon,
    change::{Cause, ChangeError, Keep, Policy, Prepared},
    lock,
    pending::{self, Pending},
    reload::check_frozen,
    snapshot::now_epoch_s,
};
use crate::{
    config::Config,
    control::{
        Applied, ApplyAsk, CONFIRM_S_MAX, CONFIRM_S_MIN, Caller, HistoryLine, HistoryShown,
        PlanAsk, RollbackAsk,
    },
    datapath::{DatapathError, PacketOptions, explain::Explained, generation::Generation},
    explain::{Question, Subject, Traffic},
    guard::{self, Cut, Judge, Session},
    plan::{self, LISTED_MAX, NamedList, Plan, Seen, SeenChange},
    state::file::Staged,
};

impl Daemon {
    /// What a file would change. Nothing is attached or counted.
    pub(super) fn plan_of(&self, who: &Caller, ask: &PlanAsk) -> Result<Plan, ChangeError> {
        // Held until the end, so that what it is compared with stays.
        let mut sources = lock(&self.road).clone();
        let _road = lock(&self.road);
        let before = self.policy_in_force();
        let config = parse(&before.config.path, &ask.file, &ask.text)?;
        let restart = check_frozen(&before.config, &config).err().map(|error| error.to_string());
        let old_packet =
            before.changes.over(&before.config.packet).map_err(ChangeError::Refused)?;
        let prepared = Prepared::new(&config, &before.changes, &mut sources)?;
        let (number, next) = {
            let datapath = lock(&self.datapath);
            (datapath.generation(), datapath.next_number())
        };
        let options = PacketOptions::from(&prepared.packet);
        let pin_path = &before.config.packet.pin_path;
        let mut candidate = Generation::load(next, &options, &prepared.compiled, pin_path)?;
        Ok(Plan {
            generation: number,
            lists: plan::lists(&self.lists_in_force(), &lists_of(&prepared)),
            changes: plan::changes(&before.config, &old_packet, &config, &prepared.packet),
            seen: self.seen(&mut candidate)?,
            cuts: self.cuts(&prepared, who.session),
            restart,
        })
    }

    /// The protected addresses that a policy would cut and the one in force does not: a host that was
    /// started with such a cut can still be steered.
    pub(super) fn cuts(&self, prepared: &Prepared, session: Option<Session>) -> Vec<Cut> {
        let protected = guard::addresses(&prepared.packet.protect, session);
        let judge = Judge::new(&prepared.compiled, &PacketOptions::from(&prepared.packet));
        let mut cuts = Vec::new();
        for one in protected {
            let of_one = guard::cuts(&judge, &[one]);
            if of_one.is_empty() {
                continue;
            }
            let mut datapath = lock(&self.datapath);
            let is_cut_already = guard::probes(&one).iter().any(|(_, frame)| {
                datapath.explain(frame).is_ok_and(|said| {
                    said.reason != Reason::Ban && guard::is_cut(one.why, said.verdict, said.reason)
                })
            });
            if is_cut_already {
                tracing::warn!(address = %one.address, why = %one.why, "is cut by the policy in force");
            } else {
                cuts.extend(of_one);
            }
        }
        cuts
    }

    fn lists_in_force(&self) -> Vec<NamedList> {
        let mut lists = lock(&self.origin).all_lists();
        lists.retain(|(_, _, prefixes)| !prefixes.is_empty());
        lists
    }

    /// Whose fate would change, of those that were seen lately.
    fn seen(&self, candidate: &mut Generation) -> Result<Seen, DatapathError> {
        let events = self.sources_of_events();
        let peers = guard::peers();
        let mut seen = Seen {
            from_events: events.iter().map(|(source, ..)| source).collect::<BTreeSet<_>>().len()
                as u64,
            connected: peers.iter().map(|peer| peer.address).collect::<BTreeSet<_>>().len() as u64,
            ..Seen::default()
        };
        let open = peers.into_iter().filter_map(|peer| {
            let frame = probe(peer.address, Traffic::Tcp, Some(peer.port))?;
            let traffic = format!("its open TCP connection to port {}", peer.port);
            Some((peer.address, traffic, guard::going_on(frame)))
        });
        let dropped = events.into_iter().filter_map(|(source, protocol, port)| {
            let traffic = match port {
                Some(port) => format!("{protocol} to port {port}, of a sampled event"),
                None => format!("{protocol}, of a sampled event"),
            };
            Some((source, traffic, probe(source, protocol, port)?))
        });
        for (source, traffic, frame) in open.chain(dropped) {
            let now = lock(&self.datapath).explain(&frame)?;
            let then = candidate.explain(&frame, None)?;
            let (into, said) = match (is_policy_drop(&now), is_policy_drop(&then)) {
                (false, true) => (&mut seen.dropped, then),
                (true, false) => (&mut seen.let_in, now),
                _ => continue,
            };
            if into.len() == LISTED_MAX {
                seen.left_off += 1;
                continue;
            }
            into.push(SeenChange { source, traffic, by: by(&said) });
        }
        Ok(seen)
    }

    fn sources_of_events(&self) -> BTreeSet<(IpAddr, Traffic, Option<u16>)> {
        let events = lock(&self.events);
        let source = |event: &crate::status::EventLine| {
            let traffic = match event.protocol.as_str() {
                "tcp" => Traffic::Tcp,
                "udp" => Traffic::Udp,
                "icmp" | "icmpv6" => Traffic::Icmp,
                _ => return None,
            };
            let (source, to) = (event.source.as_deref()?, event.destination.as_deref()?);
            match traffic {
                Traffic::Icmp => Some((source.parse().ok()?, traffic, None)),
                Traffic::Tcp | Traffic::Udp => {
                    let (source, to): (SocketAddr, SocketAddr) =
                        (source.parse().ok()?, to.parse().ok()?);
                    Some((source.ip(), traffic, Some(to.port())))
                }
            }
        };
        events.1.iter().filter_map(source).collect()
    }

    /// Puts a file in force.
    pub(super) fn apply_file(&self, who: &Caller, ask: &ApplyAsk) -> Result<Applied, ChangeError> {
        if let Some(found) = ask.confirm_s
            && !(CONFIRM_S_MIN..=CONFIRM_S_MAX).contains(&found)
        {
            return Err(ChangeError::Refused(format!(
                "--confirm: expected {CONFIRM_S_MIN} to {CONFIRM_S_MAX} seconds, found {found}"
            )));
        }
        let current = self.policy_in_force().config;
        let config = parse(&current.path, &ask.file, &ask.text)?;
        let history = self.state.history();
        if lock(&self.pending).is_none()
            && config.text == current.text
            && history.is_newest(&config)
        {
            let notes = vec![format!("nothing to change: {} is what is in force", ask.file)];
            return Ok(Applied { notes, ..Applied::default() });
        }
        let unguarded = if ask.guard { "" } else { ", without the guard" };
        let cause = Cause::new(who, "apply", format!("{}{unguarded}", ask.file))
            .because(ask.why.clone())
            .guarded(ask.guard);
        let keep = match ask.confirm_s {
            None => Keep::File(Staged::write(&current.path, &config.text)?.like_the_old()?),
            Some(seconds) => {
                if let Some(pending) = &*lock(&self.pending) {
                    return Err(pending.refusal());
                }
                let within = Duration::from_secs(seconds);
                pending::note(&self.state, &cause, within, &config.text)?;
                Keep::Confirmed { within }
            }
        };
        let text = config.clone();
        let applied = self.change(&cause, keep, |before| {
            check_frozen(&before.config, &config)?;
            Ok((Policy { config, changes: before.changes.clone(), gateway: true }, ()))
        });
        let generation = match applied {
            Ok((generation, ())) => generation,
            Err(error) => {
                if ask.confirm_s.is_some() && lock(&self.pending).is_none() {
                    pending::forget(&self.state);
                }
                return Err(error);
            }
        };
        let mut applied = Applied {
            generation: Some(generation),
            confirm_s: ask.confirm_s,
            ..Applied::default()
        };
        if ask.confirm_s.is_none() {
            self.remember(&text, who, "apply", &mut applied);
        }
        Ok(applied)
    }

    /// Keeps the change that waits.
    pub(super) fn confirm_change(&self, who: &Caller) -> Result<Applied, ChangeError> {
        let _road = lock(&self.road);
        let mut waiting = lock(&self.pending);
        let Some(Pending { cause, before, .. }) = &*waiting else {
            return Err(ChangeError::Refused(
                "confirm: expected a change that waits to be confirmed, found none; it was taken back, \
                 or `seawall apply FILE --confirm 60s` was never asked"
                    .to_owned(),
            ));
        };
        let tried = self.policy_in_force();
        let file = Staged::write(&tried.config.path, &tried.config.text)?.like_the_old()?;
        let confirm = Cause::new(who, "confirm", cause.what.clone());
        self.audit(&confirm, None, before, &tried)?;
        file.commit()?;
        *waiting = None;
        drop(waiting);
        pending::forget(&self.state);
        let generation = lock(&self.datapath).generation();
        let mut applied = Applied { generation: Some(generation), ..Applied::default() };
        self.remember(&tried.config, who, "apply", &mut applied);
        tracing::info!(generation, who = %who, "confirmed");
        Ok(applied)
    }

    /// Takes back what waits; else goes back to what was in force.
    pub(super) fn roll_back(
        &self,
        who: &Caller,
        ask: &RollbackAsk,
    ) -> Result<Applied, ChangeError> {
        if ask.to.is_none()
            && let Some(generation) = self.take_back(who, "asked for", false)
        {
            let notes = vec!["the change that waited to be confirmed is taken back".to_owned()];
            return Ok(Applied { generation: Some(generation), notes, ..Applied::default() });
        }
        let history = self.state.history();
        let records = history.records();
        let numbers: Vec<String> = records.iter().map(|record| record.number.to_string()).collect();
        let wanted = match ask.to {
            Some(number) => records.iter().find(|record| record.number == number),
            None => records.len().checked_sub(2).and_then(|at| records.get(at)),
        };
        let Some(record) = wanted else {
            let found =
                ask.to.map_or("none before the one in force".to_owned(), |to| to.to_string());
            return Err(ChangeError::Refused(format!(
                "rollback: expected one of the history ({}), found {found}; `seawall rollback --list` \
                 shows it",
                if numbers.is_empty() { "which is empty".to_owned() } else { numbers.join(", ") }
            )));
        };
        let path = self.policy_in_force().config.path;
        let config = Config::from_bytes(&path, history.text(record.number)?)?;
        let kept = config.clone();
        let cause = Cause::new(who, "rollback", format!("to {}", record.number)).guarded(ask.guard);
        let keep = Keep::File(Staged::write(&path, &config.text)?.like_the_old()?);
        let (generation, files) = self.change(&cause, keep, |before| {
            check_frozen(&before.config, &config)?;
            let files = history.put_back(record)?;
            Ok((Policy { config, changes: before.changes.clone(), gateway: true }, files))
        })?;
        let mut applied = Applied { generation: Some(generation), ..Applied::default() };
        applied.notes.push(format!("what was in force as {} is in force again", record.number));
        applied.notes.extend(files.settle());
        let lost = record.files.iter().filter(|file| !file.kept);
        applied.notes.extend(lost.map(|file| {
            format!("{}: no copy was kept, it is as it stands now", file.path.display())
        }));
        if lock(&self.changes).count() > 0 {
            applied.notes.push(
                "what deny, allow, geo and limit changed stays: it is undone by the same verbs"
                    .to_owned(),
            );
        }
        self.remember(&kept, who, "rollback", &mut applied);
        Ok(applied)
    }

    /// What can be gone back to.
    pub(super) fn history_shown(&self) -> HistoryShown {
        let records = self.state.history().records().into_iter().map(|record| HistoryLine {
            number: record.number,
            at_epoch_s: record.at_epoch_s,
            who: record.who,
            verb: record.verb,
            files: record.files.len() as u64,
            files_not_kept: record.files.iter().filter(|file| !file.kept).count() as u64,
        });
        let left = lock(&self.pending).as_ref().map(|pending| pending.left().as_secs());
        HistoryShown { records: records.collect(), confirm_left_s: left }
    }

    /// Keeps what came into force. It is in force: that it cannot be kept is told, no more.
    fn remember(&self, config: &Config, who: &Caller, verb: &str, applied: &mut Applied) {
        match self.state.history().keep(config, &who.user, verb, now_epoch_s()) {
            Ok(number) => applied.history = Some(number),
            Err(error) => {
                tracing::warn!(%error, "not kept in the history");
                applied.notes.push(format!("not kept in the history: {error}"));
            }
        }
    }

    /// A change that waits from now on.
    pub(super) fn await_confirmation(
        &self,
        within: Duration,
        pending: impl FnOnce(Instant) -> Pending,
    ) {
        // Beyond what an Instant holds there is no hour.
        let deadline = Instant::now().checked_add(within).unwrap_or_else(Instant::now);
        *lock(&self.pending) = Some(pending(deadline));
    }
}

/// What is to stand in the daemon's file, by the name that its author gave it.
fn parse(path: &Path, file: &str, text: &str) -> Result<Config, ChangeError> {
    let config = Config::from_bytes(path, text.as_bytes().to_vec());
    Ok(config.map_err(|error| error.in_file(Path::new(file)))?)
}

fn lists_of(prepared: &Prepared) -> Vec<NamedList> {
    let source = &prepared.source;
    let protected = ("protected", "protected".to_owned(), source.protected.clone().into());
    let named = |section| {
        move |list: &crate::policy::List| (section, list.name.clone(), list.prefixes.clone())
    };
    let allow = source.allow.iter().map(named("allow"));
    let deny = source.deny.iter().map(named("deny"));
    let all = std::iter::once(protected).chain(allow).chain(deny);
    all.filter(|(_, _, prefixes)| !prefixes.is_empty()).collect()
}

fn probe(source: IpAddr, protocol: Traffic, port: Option<u16>) -> Option<Vec<u8>> {
    Question::new(&Subject::Address { source, protocol, port }).ok().map(|question| question.frame)
}

/// Whether the policy drops it; a limit that is used up at this moment, and a ban, are none of its.
fn is_policy_drop(said: &Explained) -> bool {
    use Reason::{Default, Deny, Fragment, Geo, Malformed, NonIp, Port, Rule, TcpFlags};
    let policy = matches!(
        said.reason,
        Deny | Geo | Rule | Port | Default | TcpFlags | Fragment | Malformed | NonIp
    );
    policy && said.verdict == Verdict::Drop
}

fn by(said: &Explained) -> String {
    let country = said.country.map(|country| country.to_string());
    match said.reason {
        Reason::Deny => format!("deny list {}", said.list.as_deref().unwrap_or("unknown")),
        Reason::Geo => format!("geo, country {}", country.as_deref().unwrap_or("unknown")),
        Reason::Rule => format!("rule {}", said.rule.as_deref().unwrap_or("unknown")),
        Reason::Port => "packet.public_ports".to_owned(),
        Reason::Default => "packet.default".to_owned(),
        other => other.label().to_owned(),
    }
}
