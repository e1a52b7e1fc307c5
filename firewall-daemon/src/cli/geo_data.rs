//! `seawall geo update` and `seawall geo lookup`: the databases behind countries.

use std::{fmt::Write as _, net::IpAddr, path::PathBuf, sync::atomic::AtomicBool};

use clap::Args;

use super::{print, updates};
use crate::{
    config::{Config, GeoConfig},
    control,
    geo::{
        Database, lookup,
        update::{self, From},
    },
    state::swap::{Swapped, Update},
    status::{FeedResult, UpdateReport, duration},
};

const CONFIG: &str = "/etc/seawall/seawall.yaml";

/// Fetch the databases, check them, and put them in force. Without a source those of `packet.geo.update` are fetched.
#[derive(Args, Debug)]
pub struct GeoUpdateArgs {
    /// The country database from here: a .mmdb, also as .gz or in a .tar.gz.
    #[arg(long, value_name = "URL", conflicts_with = "from")]
    url: Option<String>,
    /// The country database from this file.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Take a database that is older, shrinks or grows too much, or moves networks: look at it first.
    #[arg(long)]
    force: bool,
    /// Without a daemon: replace the files that this configuration names.
    #[arg(long, value_name = "FILE", conflicts_with = "socket")]
    config: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// The daemon's control socket.
    #[arg(long, value_name = "PATH", default_value = control::SOCKET)]
    socket: PathBuf,
}

/// Show the country, the network and the autonomous system of an address. No daemon is needed.
#[derive(Args, Debug)]
pub struct GeoLookupArgs {
    /// The address.
    #[arg(value_name = "ADDRESS", value_parser = address)]
    address: IpAddr,
    /// The configuration that names the databases.
    #[arg(long, value_name = "FILE", default_value = CONFIG)]
    config: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Asks the daemon, or replaces the files without one.
pub fn update(args: &GeoUpdateArgs) -> anyhow::Result<()> {
    let reports = match &args.config {
        None => {
            // A daemon has another folder than who asks it.
            let from = args.from.as_ref().map(std::path::absolute).transpose()?;
            control::update_geo(&args.socket, args.url.clone(), from, args.force)?
        }
        Some(config) => {
            let geo = geo(config)?;
            let from = match (&args.url, &args.from) {
                (Some(url), _) => From::Url(url.clone()),
                (None, Some(file)) => From::File(file.clone()),
                (None, None) => From::Configured,
            };
            let all = matches!(from, From::Configured);
            let wanted = Database::ALL.into_iter().filter(|database| {
                *database == Database::Country || all && update::is_configured(&geo, *database)
            });
            wanted.map(|database| replace(&geo, database, &from, args.force)).collect::<Vec<_>>()
        }
    };
    updates::report("database", &reports, args.json)
}

fn replace(geo: &GeoConfig, database: Database, from: &From, force: bool) -> UpdateReport {
    let now = updates::now_epoch_s();
    let stopping = AtomicBool::new(false);
    let prepared = update::prepare(geo, database, from, force, now, &stopping);
    let (result, text) = match prepared {
        Err(refusal) => (FeedResult::Refused, format!("{refusal}; the old file stays")),
        Ok(Update::Unchanged) => (FeedResult::Unchanged, "the file is the newest".to_owned()),
        Ok(Update::New(new)) => {
            let path = new.staged.target().to_path_buf();
            match Swapped::new(new.staged) {
                Err(error) => (FeedResult::Refused, format!("{}: {error}", path.display())),
                Ok(swapped) => {
                    swapped.keep();
                    new.source.iter().for_each(|source| source.note(&path));
                    let (networks, path) = (new.facts.networks, path.display());
                    (
                        FeedResult::New,
                        format!(
                            "{networks} networks in {path}; a daemon takes it with the next reload"
                        ),
                    )
                }
            }
        }
    };
    UpdateReport { name: database.label().to_owned(), result, text }
}

/// Looks up and prints.
pub fn lookup(args: &GeoLookupArgs) -> anyhow::Result<()> {
    let found = lookup::lookup(&geo(&args.config)?, args.address)?;
    if args.json {
        return print(&(serde_json::to_string_pretty(&found)? + "\n"));
    }
    let mut text = String::new();
    let unknown = || "unknown".to_owned();
    writeln!(text, "address       {}", found.address)?;
    writeln!(text, "country       {}", found.country.unwrap_or_else(unknown))?;
    writeln!(text, "network       {}", found.network.unwrap_or_else(unknown))?;
    if found.asn_database.is_some() {
        let asn = found.asn.map_or_else(unknown, |asn| format!("AS{asn}"));
        writeln!(text, "system        {asn}")?;
        let organisation = found.organisation.unwrap_or_else(unknown);
        writeln!(text, "organisation  {}", organisation.escape_debug())?;
        writeln!(text, "              {}", found.asn_network.unwrap_or_else(unknown))?;
    }
    let age = duration(updates::now_epoch_s().saturating_sub(found.build_epoch_s));
    writeln!(text, "database      {}, made {age} ago", found.database.display())?;
    print(&text)
}

fn geo(config: &std::path::Path) -> anyhow::Result<GeoConfig> {
    let config = Config::load(config)?;
    let path = config.path.display().to_string();
    config.packet.geo.ok_or_else(|| {
        anyhow::anyhow!("{path}: expected packet.geo, which names the databases, found none; see docs/reference/config.md")
    })
}

fn address(text: &str) -> Result<IpAddr, String> {
    let expected = "expected an address such as 203.0.113.7 or 2001:db8::7";
    text.parse().map_err(|_| expected.to_owned())
}
