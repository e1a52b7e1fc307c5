//! `cargo xtask package`: the Debian package, and with `--check` its life in a fresh Debian.

mod version;

mod layout;

mod control;

mod archive;

mod check;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::{build, setup, shell};

use version::Version;

/// Options of `cargo xtask package`.
#[derive(Args)]
pub struct Options {
    /// Build it as this version, such as 0.2.0-1; the changelog's newest otherwise.
    #[arg(long, value_name = "VERSION")]
    version: Option<Version>,
    /// Then install, start, upgrade, remove and purge it in a fresh Debian with systemd, and ask lintian.
    #[arg(long)]
    check: bool,
}

/// Builds the package into target/package.
pub fn run(options: &Options) -> Result<()> {
    let architecture = setup::package()?;
    let program = build::dist(&["seawall"])?.join("seawall");
    let package = Package { version: options.version.clone(), architecture, program };
    let file = package.build()?;
    shell::step(&format!("package: {}", file.display()));
    if options.check {
        check::run(&package, &file)?;
    }
    Ok(())
}

/// A package to be built.
#[derive(Clone)]
struct Package {
    version: Option<Version>,
    /// As Debian calls it, such as amd64.
    architecture: String,
    /// What is packed.
    program: PathBuf,
}

impl Package {
    /// The same as another version.
    fn next(&self) -> Result<Self> {
        let next = self.changelog()?.version.next();
        Ok(Self { version: Some(next), ..self.clone() })
    }

    fn changelog(&self) -> Result<version::Changelog> {
        version::Changelog::read(self.version.as_ref())
    }

    /// Lays out the files and packs them; the same tree and version give the same bytes.
    fn build(&self) -> Result<PathBuf> {
        let changelog = self.changelog()?;
        let name = format!("seawall_{}_{}", changelog.version, self.architecture);
        shell::step(&format!("package: laying out {name}"));
        let folder = folder()?;
        let root = folder.join(&name);
        layout::lay_out(&root, &self.program, &changelog)?;
        control::write(&root, &changelog, &self.architecture)?;
        archive::pack(&root, &folder.join(format!("{name}.deb")), changelog.epoch_s)
    }
}

/// Where all of it is made.
fn folder() -> Result<PathBuf> {
    Ok(shell::target()?.join("package"))
}
