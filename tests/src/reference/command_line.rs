//! The command line as Markdown: a section a verb, a row an option.

use clap::{Arg, Command};

const HEAD: &str = "# Command line

Made from the program by `cargo xtask reference`; a test compares the two. Every verb knows `--help`. It ends with 0 where it did
what it was asked for, with 1 where that could not be done, and with 2 where it was asked for in a wrong way, by a flag or
by the content of a file.
";

/// The whole page.
#[must_use]
pub fn markdown(command: Command) -> String {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut page = HEAD.to_owned();
    for verb in verbs(&command) {
        section(verb, &mut page);
    }
    page
}

/// What can be called, without what is hidden.
pub fn verbs(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|verb| !verb.is_hide_set())
}

fn section(verb: &Command, page: &mut String) {
    let name = verb.get_bin_name().unwrap_or_else(|| verb.get_name());
    let usage = verb.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").lines().map(str::trim).collect::<Vec<_>>();
    page.push_str(&format!("\n## {name}\n\n```\n{}\n```\n", usage.join("\n")));
    if let Some(about) = verb.get_long_about().or_else(|| verb.get_about()) {
        page.push_str(&format!("\n{}\n", about.to_string().trim()));
    }
    let rows: Vec<String> = verb.get_arguments().filter(|arg| shown(arg)).map(row).collect();
    if !rows.is_empty() {
        page.push_str(&format!("\n| option | does |\n| --- | --- |\n{}\n", rows.join("\n")));
    }
    for verb in verbs(verb) {
        section(verb, page);
    }
}

fn shown(argument: &Arg) -> bool {
    !argument.is_hide_set() && !["help", "version"].contains(&argument.get_id().as_str())
}

fn row(argument: &Arg) -> String {
    let mut does = argument
        .get_long_help()
        .or_else(|| argument.get_help())
        .map(|help| help.to_string().split_whitespace().collect::<Vec<_>>().join(" "))
        .unwrap_or_default();
    let mut add = |text: String| {
        let separator = if does.is_empty() || does.ends_with('.') { " " } else { ". " };
        does = format!("{does}{separator}{text}").trim().to_owned();
    };
    let takes_a_value = argument.get_action().takes_values();
    if takes_a_value {
        let values = argument.get_possible_values();
        let values: Vec<String> = values
            .iter()
            .filter(|value| !value.is_hide_set())
            .map(|value| format!("`{}`", value.get_name()))
            .collect();
        if !values.is_empty() {
            add(format!("One of {}.", values.join(", ")));
        }
        let defaults: Vec<_> =
            argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        if !defaults.is_empty() {
            add(format!("Default: `{}`.", defaults.join(" ")));
        }
    }
    if argument.is_required_set() && !argument.is_positional() {
        add("Required.".to_owned());
    }
    format!("| `{}` | {} |", written(argument, takes_a_value), does.replace('|', "\\|"))
}

/// As it is typed: `--pcap FILE`, `-n`, `ADDRESS`.
fn written(argument: &Arg, takes_a_value: bool) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    let values = names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    if argument.is_positional() {
        return values;
    }
    let short = argument.get_short().map(|short| format!("-{short}"));
    let long = argument.get_long().map(|long| format!("--{long}"));
    let flag = short.into_iter().chain(long).collect::<Vec<_>>().join(", ");
    if takes_a_value { format!("{flag} {values}") } else { flag }
}
