//! `ban`, `unban`, `bans`: in the kernel and in the journal before the command returns.

use std::{net::IpAddr, time::Duration};

use super::{
    Daemon,
    change::{Cause, ChangeError},
    holders::{Holders, at, of_address, shown},
    lists::{each_once, words},
    lock,
    snapshot::now_epoch_s,
};
use crate::{
    control::{BANS_LISTED_MAX, BanAdd, BanShown, BansShown, Caller, Changed, ListKind},
    datapath::bans::{Bans, normal},
    guard::{self, Protected},
    state::bans::{BanLine, KeptBan},
};

/// A ban goes on for so long at most; what is to last belongs on the deny list.
pub const BAN_S_MAX: u64 = 10 * 365 * 86_400;

impl Daemon {
    pub(super) fn add_bans(&self, caller: &Caller, ask: &BanAdd) -> Result<Changed, ChangeError> {
        let sources = sources(&ask.addresses)?;
        let reason = words("reason", ask.reason.as_deref())?;
        if !(1..=BAN_S_MAX).contains(&ask.for_s) {
            return Err(ChangeError::Refused(format!(
                "expected a time of 1 s to {BAN_S_MAX} s, found {} s; what is to last belongs on the deny \
                 list: seawall deny add",
                ask.for_s
            )));
        }
        let mut told = Changed::default();
        self.check_bannable(caller, &ask.addresses)?;
        let ends_epoch_s = now_epoch_s().saturating_add(ask.for_s);
        let kept = KeptBan { ends_epoch_s, reason: reason.clone(), who: caller.user.clone() };
        let lines: Vec<BanLine> = sources
            .iter()
            .map(|source| BanLine::Ban { source: *source, ban: kept.clone() })
            .collect();
        for source in &sources {
            told.changed.push(format!(
                "{} is banned until {}",
                of_table(*source),
                at(ends_epoch_s)
            ));
        }
        let what = format!("{} until {}", joined(&sources), at(ends_epoch_s));
        let cause = Cause::new(caller, "ban", what).because(reason);
        let _turn = self.turns.take(&sources)?;
        self.write_bans(&cause, &lines, Duration::from_secs(ask.for_s))?;
        Ok(told)
    }

    pub(super) fn remove_bans(
        &self,
        caller: &Caller,
        addresses: &[IpAddr],
    ) -> Result<Changed, ChangeError> {
        let sources = sources(addresses)?;
        let _turn = self.turns.take(&sources)?;
        {
            let bans = lock(&self.bans);
            for source in &sources {
                if bans.find(*source)?.is_none() {
                    return Err(self.not_banned(*source));
                }
            }
        }
        let lines: Vec<BanLine> =
            sources.iter().map(|source| BanLine::Unban { source: *source }).collect();
        let cause = Cause::new(caller, "unban", joined(&sources));
        self.write_bans(&cause, &lines, Duration::ZERO)?;
        let changed = sources.iter().map(|one| format!("{} is no longer banned", of_table(*one)));
        Ok(Changed { changed: changed.collect(), ..Changed::default() })
    }

    pub(super) fn show_bans(&self) -> Result<BansShown, ChangeError> {
        // Through maps of its own: a walk through a full table takes seconds, in which others ban.
        let pin_path = lock(&self.config).packet.pin_path.clone();
        let listed = Bans::open(&pin_path)?.list()?;
        let now = now_epoch_s();
        let total = listed.len() as u64;
        let bans = listed.into_iter().take(BANS_LISTED_MAX).map(|ban| {
            let kept = self.journal.get(ban.source);
            let left_s = ban.left.as_secs_f64().ceil() as u64;
            BanShown {
                source: ban.source,
                left_s,
                ends_epoch_s: now.saturating_add(left_s),
                reason: kept.as_ref().and_then(|kept| kept.reason.clone()),
                who: kept.map(|kept| kept.who),
            }
        });
        Ok(BansShown { total, bans: bans.collect() })
    }

    /// All of the lines in the journal and in the kernel, or none: what was done is undone. The caller has the
    /// turn of their sources, so that nobody else changes them before it is kept or undone.
    fn write_bans(
        &self,
        cause: &Cause,
        lines: &[BanLine],
        time: Duration,
    ) -> Result<(), ChangeError> {
        let mut bans = lock(&self.bans);
        let mut before = Vec::new();
        for line in lines {
            let source = source_of(line);
            before.push((source, bans.find(source)?, self.journal.get(source)));
        }
        let was: Vec<String> = before
            .iter()
            .map(|(source, ban, _)| match ban {
                Some(ban) => {
                    format!("{} banned for {} s more", of_table(*source), ban.left.as_secs())
                }
                None => format!("{} not banned", of_table(*source)),
            })
            .collect();
        let was = was.join(", ");
        let undo = |bans: &mut Bans| {
            for (source, ban, _) in &before {
                let undone = match ban {
                    Some(ban) => bans.add(*source, ban.left),
                    None => bans.remove(*source).map(drop),
                };
                if let Err(error) = undone {
                    tracing::error!(%source, %error, "a ban cannot be undone");
                }
            }
            let lines: Vec<BanLine> = before
                .iter()
                .map(|(source, _, kept)| match kept {
                    Some(ban) => BanLine::Ban { source: *source, ban: ban.clone() },
                    None => BanLine::Unban { source: *source },
                })
                .collect();
            if let Err(error) = self.journal.append(&lines) {
                tracing::error!(%error, "the journal of bans may not be what is in force");
            }
        };
        let appended = self.journal.append(lines)?;
        let done = lines.iter().try_for_each(|line| match line {
            BanLine::Ban { source, .. } => bans.add(*source, time),
            BanLine::Unban { source } => bans.remove(*source).map(drop),
        });
        if let Err(error) = done {
            undo(&mut bans);
            return Err(error.into());
        }
        // Others may write while this one waits for the disk; not of the same sources.
        drop(bans);
        let kept = self.journal.sync(appended).map_err(ChangeError::from);
        let kept = kept.and_then(|()| self.audit_ban(cause, was));
        if kept.is_err() {
            undo(&mut lock(&self.bans));
        }
        kept
    }

    /// What is protected or allowed passes, whether it is banned or not.
    fn check_bannable(&self, caller: &Caller, addresses: &[IpAddr]) -> Result<(), ChangeError> {
        let current = self.policy_in_force();
        // Those whom no policy may cut either; of IPv6 all of the /64 would be banned with them. Asked for
        // once: the kernel walks its whole table of connections to say who is logged in.
        let protected = guard::addresses(&current.config.packet.protect, caller.session);
        let holders = Holders::new(self, &current);
        addresses.iter().try_for_each(|address| bannable(*address, &protected, &holders))
    }

    fn not_banned(&self, source: IpAddr) -> ChangeError {
        let current = self.policy_in_force();
        let holders = Holders::new(self, &current);
        let denied = holders.around(ListKind::Deny, of_address(source)).map(|stand| {
            format!(
                "; it is within {} of the deny list {}, {}",
                shown(stand.prefix),
                stand.list,
                holders.place(&stand)
            )
        });
        ChangeError::Refused(format!(
            "{} is not banned{}",
            of_table(source),
            denied.unwrap_or_else(|| ": `seawall bans` shows who is".to_owned())
        ))
    }

    /// Puts back the bans that the kernel does not have: it was started anew, or its table was.
    pub(super) fn restore_bans(&self) {
        let now = now_epoch_s();
        let mut bans = lock(&self.bans);
        let mut restored = 0_u64;
        for (source, kept) in self.journal.going_on(now) {
            let left = Duration::from_secs(kept.ends_epoch_s.saturating_sub(now));
            match bans.find(source) {
                Ok(Some(_)) => continue,
                Ok(None) => match bans.add(source, left) {
                    Ok(()) => restored += 1,
                    Err(error) => tracing::error!(%source, %error, "a ban cannot be put back"),
                },
                Err(error) => return tracing::error!(%error, "bans cannot be put back"),
            }
        }
        if restored > 0 {
            tracing::info!(bans = restored, "put back from the journal");
        }
    }
}

fn bannable(
    address: IpAddr,
    protected: &[Protected],
    holders: &Holders<'_>,
) -> Result<(), ChangeError> {
    if let Some(one) = protected.iter().find(|one| normal(one.address) == normal(address)) {
        return Err(ChangeError::Refused(format!(
            "{address} cannot be banned: {} is {}; end it first, or switch that off by packet.protect",
            one.address, one.why
        )));
    }
    let prefix = of_address(address);
    if let Some(around) = holders.protected_around(prefix) {
        return Err(ChangeError::Refused(format!(
            "{address} is within {}, which is protected, and what is protected passes all the same: \
             take it off packet.protected first",
            shown(around)
        )));
    }
    match holders.around(ListKind::Allow, prefix) {
        None => Ok(()),
        Some(stand) => Err(ChangeError::Refused(format!(
            "{address} is within {} of the list {}, and what is allowed passes all the same: {}; take \
             it off first",
            shown(stand.prefix),
            stand.list,
            holders.place(&stand)
        ))),
    }
}

fn source_of(line: &BanLine) -> IpAddr {
    match line {
        BanLine::Ban { source, .. } | BanLine::Unban { source } => *source,
    }
}

/// What the table has for each address.
fn sources(addresses: &[IpAddr]) -> Result<Vec<IpAddr>, ChangeError> {
    for address in addresses {
        let mapped = match address {
            IpAddr::V6(address) => address.to_ipv4_mapped(),
            IpAddr::V4(_) => None,
        };
        if let Some(mapped) = mapped {
            return Err(ChangeError::Refused(format!(
                "expected IPv4 in its own notation, found the IPv4-mapped {address}; write {mapped}"
            )));
        }
    }
    let sources: Vec<IpAddr> = addresses.iter().map(|address| normal(*address)).collect();
    each_once("source", "addresses", &sources, |source| of_table(*source))?;
    Ok(sources)
}

/// A source as people see it: an IPv6 one is a /64.
fn of_table(source: IpAddr) -> String {
    if source.is_ipv4() { source.to_string() } else { format!("{source}/64") }
}

fn joined(sources: &[IpAddr]) -> String {
    sources.iter().map(|source| of_table(*source)).collect::<Vec<_>>().join(" ")
}
