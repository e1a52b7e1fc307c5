//! `seawall check`: what `run` would say of a file, touching nothing.

use std::{fmt::Write as _, path::PathBuf};

use clap::Args;

use super::print;
use crate::{
    config::Config,
    policy::{GeoMode, PolicySource, compile},
    status::{self, day, now_epoch_s},
    supervisor,
};

/// Check a configuration with every list, database and certificate that it names.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// The configuration file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Reads all that the daemon would read, and prints what it found.
pub fn run(args: &CheckArgs) -> anyhow::Result<()> {
    let config = Config::load(&args.file)?;
    let source = PolicySource::read(&config.packet)?;
    let policy = compile::compile(&source)?;
    let summary = policy.summary;
    let mut text = String::new();
    writeln!(text, "{}: well-formed", args.file.display())?;
    writeln!(
        text,
        "prefixes    {} protected, {} allow, {} deny",
        summary.protected, summary.allow, summary.deny
    )?;
    if let Some(geo) = &source.geo {
        let mode = geo.mode.map_or("none is dropped", GeoMode::label);
        let countries: Vec<String> = geo.countries.iter().map(ToString::to_string).collect();
        writeln!(text, "countries   {mode} {}", countries.join(" "))?;
        writeln!(
            text,
            "            {} ({} IPv4 and {} IPv6 networks)",
            geo.database.path.display(),
            geo.database.ipv4_networks,
            geo.database.ipv6_networks
        )?;
    }
    if !source.rules.is_empty() {
        let names: Vec<&str> = source.rules.iter().map(|rule| rule.name.as_str()).collect();
        writeln!(text, "rules       {}", names.join(" "))?;
    }
    writeln!(text, "tables      {} IPv4 and {} IPv6 ranges", summary.ranges_v4, summary.ranges_v6)?;
    if let Some(gateway) = &config.gateway {
        let material = supervisor::material(gateway, config.log)?;
        let listen: Vec<String> = gateway.listen.iter().map(ToString::to_string).collect();
        writeln!(text, "gateway     {}", listen.join(" "))?;
        let upstreams: Vec<&str> =
            gateway.upstreams.iter().map(|upstream| upstream.name.as_str()).collect();
        for route in &gateway.routes {
            let (takes, goes) = (status::takes(route), status::goes(route, &upstreams));
            writeln!(text, "  route     {}: {takes} -> {goes}", route.name)?;
        }
        for upstream in &gateway.upstreams {
            let backends = upstream.backends.iter().map(|backend| backend.address.to_string());
            let names = upstream.names.iter().map(|name| format!("{}:{}", name.name, name.port));
            let backends: Vec<String> = backends.chain(names).collect();
            writeln!(text, "  upstream  {}: {}", upstream.name, backends.join(" "))?;
        }
        for facts in &material.certificates {
            let end = day(u64::try_from(facts.not_after_epoch_s).unwrap_or(0));
            writeln!(text, "certificate {} ({}), good until {end}", facts.name(), facts.key)?;
        }
        for warning in supervisor::warnings(&material.certificates, now_epoch_s()) {
            writeln!(text, "warning     {warning}")?;
        }
    }
    print(&text)
}
