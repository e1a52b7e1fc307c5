//! `seawall geo`: countries, and the databases that say which address is where.

use clap::{Args, Subcommand};

use super::geo_data::{self, GeoLookupArgs, GeoUpdateArgs};

/// Update and ask the databases of countries and autonomous systems.
#[derive(Args, Debug)]
pub struct GeoArgs {
    #[command(subcommand)]
    verb: GeoVerb,
}

#[derive(Debug, Subcommand)]
enum GeoVerb {
    Update(GeoUpdateArgs),
    Lookup(GeoLookupArgs),
}

/// Does what is asked.
pub fn run(args: &GeoArgs) -> anyhow::Result<()> {
    match &args.verb {
        GeoVerb::Update(args) => geo_data::update(args),
        GeoVerb::Lookup(args) => geo_data::lookup(args),
    }
}
