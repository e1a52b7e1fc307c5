//! `cargo xtask profile`: a run of the daemon under load is counted, for the build that is installed (docs/adr/0044).

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};

use crate::{
    build::{self, COUNT, Compiler},
    ebpf, setup, shell,
};

const EXERCISE: &str = "seawall-bench";

/// Builds the daemon so that it counts, exercises it, and writes what was counted into the tree.
pub fn run() -> Result<()> {
    let toolchain = setup::bench()?;
    let compiler = Compiler::find()?;
    let merger = compiler.merger()?;
    let object = ebpf::build_object(&toolchain, ebpf::BENCH)?;
    build::run()?;

    let target = shell::target()?.join("profile");
    let counted = target.join("counted");
    clear(&counted)?;
    shell::step("profile: the daemon, so that it counts");
    let mut flags = vec![format!("-Cprofile-generate={}/%c%p", counted.display())];
    flags.extend(COUNT.map(str::to_owned));
    shell::run(compiler.dist(&["seawall"], &flags)?.env("CARGO_TARGET_DIR", &target))?;

    shell::step("profile: it is exercised");
    // It takes the daemon that lies beside it.
    let exercise = compiler.dist_folder(&target).join(EXERCISE);
    let built = shell::target()?.join("release").join(EXERCISE);
    fs::copy(&built, &exercise).with_context(|| format!("could not copy {}", built.display()))?;
    let mut command = shell::as_root(&exercise, &["TERM"])?;
    shell::run(command.arg("training").arg("--object").arg(object))?;

    let made = target.join("made.profdata");
    let mut merge = Command::new(&merger);
    shell::run(merge.args(["merge", "--sparse", "-o"]).arg(&made).arg(&counted))?;
    let mut show = Command::new(&merger);
    let shown = shell::output(show.args(["show", "--counts", "--function=pipeline"]).arg(&made))?;
    // The worker has a user of its own, and is what this is about.
    ensure!(
        shown.contains("Block counts"),
        "nothing of the gateway's requests was counted: may every user search the folders above {}?",
        counted.display()
    );
    let profile = compiler.profile()?;
    let folder = profile.parent().context("a profile has a folder")?;
    fs::create_dir_all(folder)
        .and_then(|()| fs::copy(&made, &profile))
        .with_context(|| format!("could not write {}", profile.display()))?;
    clear(&counted)?;
    shell::step(&format!("profile: {}", profile.display()));
    Ok(())
}

/// An empty folder that every user may write into: daemon and worker are two. What is in it may be root's.
fn clear(folder: &Path) -> Result<()> {
    shell::run(shell::as_root(Path::new("rm"), &[])?.arg("-rf").arg(folder))?;
    fs::create_dir_all(folder)
        .and_then(|()| fs::set_permissions(folder, fs::Permissions::from_mode(0o777)))
        .with_context(|| format!("could not make {}", folder.display()))
}
