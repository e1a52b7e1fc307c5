//! Runs commands: from the workspace root, with short output and errors that show the command line.

use std::{
    env,
    ffi::OsString,
    fs,
    io::{IsTerminal as _, stderr, stdin},
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

/// Says what happens next.
pub fn step(what: &str) {
    if stderr().is_terminal() {
        eprintln!("\x1b[1;36m==>\x1b[0m \x1b[1m{what}\x1b[0m");
        return;
    }
    eprintln!("==> {what}");
}

/// Says something that the reader of a long log must not miss.
pub fn notice(what: &str) {
    if stderr().is_terminal() {
        eprintln!("\x1b[1;33mnote:\x1b[0m {what}");
        return;
    }
    eprintln!("note: {what}");
}

/// Runs a command to its end; its output goes where ours goes.
pub fn run(command: &mut Command) -> Result<()> {
    let status =
        command.status().with_context(|| format!("could not start `{}`", line(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status})", line(command));
    }
    Ok(())
}

/// Runs a command to its end and answers what it wrote.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("could not start `{}`", line(command)))?;
    if !output.status.success() {
        let wrote = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed ({}): {}", line(command), output.status, wrote.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a command can be started and ends well; its output is not shown.
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The folder of the workspace.
pub fn workspace() -> Result<PathBuf> {
    let manifest = env::var_os("CARGO_MANIFEST_DIR")
        .context("CARGO_MANIFEST_DIR is not set: run this as `cargo xtask`")?;
    let folder = Path::new(&manifest).parent().context("xtask has no folder above it")?;
    Ok(folder.to_path_buf())
}

/// The folder that cargo builds into.
pub fn target() -> Result<PathBuf> {
    let workspace = workspace()?;
    Ok(env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace.join("target"), |folder| workspace.join(PathBuf::from(folder))))
}

/// Tools that are built for this tree only.
pub fn tools() -> Result<PathBuf> {
    Ok(workspace()?.join("target/tools"))
}

/// The cargo that started us, in the workspace.
pub fn cargo() -> Result<Command> {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace()?);
    Ok(command)
}

/// Becomes a program, as root and with these variables, so that a signal from the
/// terminal reaches it directly. Returns only where that fails.
pub fn become_program(program: &Path, arguments: &[OsString], variables: &[&str]) -> Result<()> {
    let error = as_root(program, variables)?.args(arguments).exec();
    Err(error).with_context(|| format!("could not start {}", program.display()))
}

/// A call of a program as root, with these variables.
pub fn as_root(program: &Path, variables: &[&str]) -> Result<Command> {
    let words = elevation_with(variables).context("network namespaces and BPF need root")?;
    let mut command = match words.split_first() {
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
        None => Command::new(program),
    };
    // Its children must not load the libraries of the cargo that started us.
    command.env("PATH", path_of_root()).env_remove("LD_LIBRARY_PATH");
    Ok(command)
}

/// Where a program is: on PATH, or where the distributions keep what only root is expected to call.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|folder| folder.join(program))
        .find(|file| {
            fs::metadata(file)
                .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        })
}

/// PATH with a folder in front.
pub fn path_with(folder: &Path) -> OsString {
    let mut path = OsString::from(folder);
    path.push(":");
    path.push(env::var_os("PATH").unwrap_or_default());
    path
}

/// PATH with the folders where `tc` and `ethtool` are: a user's may lack them.
pub fn path_of_root() -> String {
    let path = env::var("PATH").unwrap_or_default();
    format!("{path}:/usr/sbin:/sbin")
}

/// The words that run a program as root: none when we are root already.
pub fn elevation() -> Result<Vec<String>> {
    let me = fs::metadata("/proc/self").context("could not read /proc/self")?;
    if me.uid() == 0 {
        return Ok(Vec::new());
    }
    if find("sudo").is_none() {
        bail!("this needs root, and there is no sudo: run it as root");
    }
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect();
    if succeeds(Command::new("sudo").args(["-n", "true"])) {
        return Ok(words(&["sudo", "-n"]));
    }
    // CI must fail instead of waiting for a password that nobody will type.
    if env::var_os("CI").is_none() && stdin().is_terminal() {
        return Ok(words(&["sudo"]));
    }
    bail!("this needs root, and sudo would ask for a password: run it as root or in a terminal")
}

/// The words that run a program as root with a PATH that has every tool and the given variables, which sudo would drop.
pub fn elevation_with(variables: &[&str]) -> Result<Vec<String>> {
    let mut words = elevation()?;
    if words.is_empty() {
        return Ok(words);
    }
    words.push("env".to_owned());
    words.push(format!("PATH={}", path_of_root()));
    for name in variables {
        if let Ok(value) = env::var(name) {
            words.push(format!("{name}={value}"));
        }
    }
    Ok(words)
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().replace('\x1f', " ")).collect::<Vec<_>>().join(" ")
}
