//! `seawall geo`: which countries are let in, and the databases that say which address is where.

use clap::{Args, Subcommand};
use firewall_common::Country;

use super::{
    geo_data::{self, GeoLookupArgs, GeoUpdateArgs},
    lists::To,
    print, print_changed,
};
use crate::{
    config::country,
    control::{self, CountryCode, GeoAsk, GeoShown, Request},
};

/// Change which countries are let in. In force when the command returns, and after a restart.
#[derive(Args, Debug)]
pub struct GeoArgs {
    #[command(subcommand)]
    verb: GeoVerb,
}

#[derive(Debug, Subcommand)]
enum GeoVerb {
    /// Let these no longer in.
    Block(Countries),
    /// Let these in again.
    Allow(Countries),
    /// Let these alone in.
    Only(Countries),
    /// Let in whom the configuration says.
    Reset {
        #[command(flatten)]
        to: To,
    },
    /// Show which are let in.
    Show {
        #[command(flatten)]
        to: To,
    },
    Update(GeoUpdateArgs),
    Lookup(GeoLookupArgs),
}

#[derive(Args, Debug)]
struct Countries {
    /// ISO 3166-1 alpha-2, such as DE.
    #[arg(value_name = "CC", value_parser = country::parse, required = true)]
    countries: Vec<Country>,
    #[command(flatten)]
    to: To,
}

/// Asks the daemon and prints.
pub fn run(args: GeoArgs) -> anyhow::Result<()> {
    let of = |countries: Vec<Country>| countries.into_iter().map(CountryCode).collect();
    let (to, change) = match args.verb {
        GeoVerb::Block(Countries { countries, to }) => (to, GeoAsk::Block(of(countries))),
        GeoVerb::Allow(Countries { countries, to }) => (to, GeoAsk::Allow(of(countries))),
        GeoVerb::Only(Countries { countries, to }) => (to, GeoAsk::Only(of(countries))),
        GeoVerb::Reset { to } => (to, GeoAsk::Reset {}),
        GeoVerb::Show { to } => return show(&to),
        GeoVerb::Update(args) => return geo_data::update(&args),
        GeoVerb::Lookup(args) => return geo_data::lookup(&args),
    };
    print_changed(&to, &Request::Geo { change })
}

fn show(to: &To) -> anyhow::Result<()> {
    let shown: GeoShown = control::ask(&to.socket, &Request::GeoShow {})?;
    if to.json {
        return print(&(serde_json::to_string_pretty(&shown)? + "\n"));
    }
    let countries = shown.countries.join(" ");
    let mode = match shown.mode.as_str() {
        "only" => format!("let in: {countries} alone"),
        "block" => format!("not let in: {countries}"),
        _ => "every country is let in".to_owned(),
    };
    let by =
        shown.changed_by.map_or("the configuration".to_owned(), |who| format!("a verb of {who}"));
    let database = shown.database.map_or("none".to_owned(), |path| path.display().to_string());
    print(&format!("{mode}\nsays        {by}\ndatabase    {database}\n"))
}
