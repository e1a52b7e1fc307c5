//! h2spec in strict mode, where the machine has it: `h2spec` in the path, or the program that
//! `SEAWALL_H2SPEC` names. No registry has it; its source is github.com/summerwind/h2spec.

use std::{env, process::Command};

use seawall_tests::requirement;

use crate::site::{GATEWAY, Site};

#[test]
fn h2spec_passes_in_strict_mode() {
    if !requirement::root("h2spec_passes_in_strict_mode") {
        return;
    }
    let program = env::var_os("SEAWALL_H2SPEC").unwrap_or_else(|| "h2spec".into());
    if Command::new(&program).arg("--version").output().is_err() {
        // Not a skip that fails in CI: whoever can have it runs it.
        eprintln!("SKIPPED h2spec_passes_in_strict_mode: there is no h2spec here");
        return;
    }
    let site = Site::start("", "");
    let mut command = Command::new(&program);
    command.args(["--strict", "--tls", "--insecure", "--timeout", "3", "--path", "/"]);
    command.args(["--host", &GATEWAY.ip().to_string(), "--port", &GATEWAY.port().to_string()]);
    let output = site.ground.client().output(&mut command).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains(" 0 failed"), "{said}");
    // How many there were: another version may have more.
    eprintln!("h2spec: {}", said.lines().rfind(|line| line.contains("passed")).unwrap_or_default());
}
