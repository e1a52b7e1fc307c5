//! `seawall ban`, `unban` and `bans`.

use std::{fmt::Write as _, net::IpAddr};

use clap::Args;

use super::{
    duration,
    lists::{To, time},
    print, print_changed,
};
use crate::control::{self, BanAdd, BansShown, Request};

/// Ban sources for a time, in force when the command returns. An IPv6 address stands for its /64.
#[derive(Args, Debug)]
pub struct BanArgs {
    /// Addresses.
    #[arg(value_name = "ADDRESS", value_parser = address, required = true)]
    addresses: Vec<IpAddr>,
    /// For how long: 30s, 10m, 2h, 7d.
    #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = duration::parse)]
    for_s: u64,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    to: To,
}

/// End bans: all of them or none.
#[derive(Args, Debug)]
pub struct UnbanArgs {
    /// Addresses.
    #[arg(value_name = "ADDRESS", value_parser = address, required = true)]
    addresses: Vec<IpAddr>,
    #[command(flatten)]
    to: To,
}

/// Show the bans that go on.
#[derive(Args, Debug)]
pub struct BansArgs {
    #[command(flatten)]
    to: To,
}

/// Asks the daemon and prints.
pub fn ban(args: BanArgs) -> anyhow::Result<()> {
    let BanArgs { addresses, for_s, reason, to } = args;
    print_changed(&to, &Request::Ban(BanAdd { addresses, for_s, reason }))
}

/// Asks the daemon and prints.
pub fn unban(args: UnbanArgs) -> anyhow::Result<()> {
    print_changed(&args.to, &Request::Unban { addresses: args.addresses })
}

/// Asks the daemon and prints.
pub fn bans(args: &BansArgs) -> anyhow::Result<()> {
    let shown: BansShown = control::ask(&args.to.socket, &Request::Bans {})?;
    if args.to.json {
        return print(&(serde_json::to_string_pretty(&shown)? + "\n"));
    }
    let mut text = String::new();
    for ban in &shown.bans {
        let width = if ban.source.is_ipv4() { "" } else { "/64" };
        let source = format!("{}{width}", ban.source);
        let (who, reason) = (ban.who.as_deref(), ban.reason.as_deref());
        let reason = reason.unwrap_or_default().escape_debug();
        let until = time(ban.ends_epoch_s);
        let line = format!("{source:<18} until {until} {:<8} {reason}", who.unwrap_or("-"));
        writeln!(text, "{}", line.trim_end())?;
    }
    match shown.total as usize - shown.bans.len() {
        0 => writeln!(text, "{} bans", shown.total)?,
        more => writeln!(text, "{} bans, {more} of them not shown", shown.total)?,
    }
    print(&text)
}

fn address(text: &str) -> Result<IpAddr, String> {
    let shown: String = text.chars().take(48).collect();
    text.parse().map_err(|_| {
        format!(
            "expected an address such as 203.0.113.7 or 2001:db8::7, found {shown:?}; a prefix belongs on \
             the deny list: seawall deny add"
        )
    })
}
