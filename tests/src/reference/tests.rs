//! The documents against the program.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::{COMMAND_LINE, command_line::verbs, configuration, manual, markdown};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn the_reference_of_the_command_line_is_the_command_line() {
    let written = fs::read_to_string(workspace().join(COMMAND_LINE)).unwrap_or_default();
    let made = markdown(firewall_daemon::cli::command());
    let differs = made.lines().zip(written.lines()).find(|(made, written)| made != written);
    assert!(
        made == written,
        "{COMMAND_LINE} is not what the program says; `cargo xtask reference` writes it anew. First difference: {differs:?}"
    );
}

#[test]
fn every_verb_has_a_page_and_every_page_names_its_options() {
    let mut command = firewall_daemon::cli::command().disable_help_subcommand(true);
    command.build();
    let pages = manual::pages(firewall_daemon::cli::command()).expect("they are text");
    let names: BTreeSet<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.len(), pages.len(), "{names:?}");
    assert!(names.contains("seawall.1"), "{names:?}");
    assert!(!names.iter().any(|name| name.contains("worker") || name.contains("help")));
    for verb in verbs(&command) {
        let name = format!("seawall-{}.1", verb.get_name());
        let (_, page) = pages.iter().find(|(found, _)| *found == name).expect("a page");
        assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{name}");
        for option in verb.get_arguments().filter_map(|argument| argument.get_long()) {
            // A hyphen is escaped in roff, or a page shows another character in its place.
            let escaped = format!("\\-\\-{}", option.replace('-', "\\-"));
            assert!(page.contains(&escaped), "{name} lacks --{option}");
        }
    }
}

#[test]
fn the_page_of_the_configuration_names_every_key() {
    let text = fs::read_to_string(workspace().join("docs/reference/config.md")).expect("text");
    let page = configuration::page(&text);
    let keys = text.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let mut count = 0;
    for key in keys {
        assert!(page.contains(&format!("\\fB{}\\fR", key.replace('-', "\\-"))), "no {key}");
        count += 1;
    }
    assert!(count > 100, "{count} keys");
    for left in ["](", "**", "| ", " *"] {
        assert!(!page.contains(left), "Markdown is left: {left}");
    }
}
