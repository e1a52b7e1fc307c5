//! What the demo says: tables that a person reads from top to bottom.

use std::{
    env,
    io::{IsTerminal as _, stdout},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use super::{
    cast,
    outcome::{Figure, Outcome},
    stage::Stage,
};
use crate::{
    client::Request,
    process, seawall,
    world::{SERVER, SERVER_IPV4, SERVER_IPV6, World},
};

/// Before anything is there.
pub fn opening() {
    println!(
        "Building a small internet of network namespaces, and starting seawall and api-server on its server."
    );
}

/// Who takes part.
pub fn cast(world: &World) {
    let mut rows = vec![row(["host", "address", "", "is"])];
    rows.push(row([
        "server",
        &SERVER_IPV4.to_string(),
        &SERVER_IPV6.to_string(),
        "protected by Seawall",
    ]));
    for host in &world.hosts {
        let plan = &host.plan;
        let ipv6 = plan.ipv6[0].to_string();
        rows.push(row([plan.name, &plan.ipv4.to_string(), &ipv6, cast::described(plan)]));
    }
    println!();
    table(&rows);
    println!();
}

/// The tables at the end; answers whether everything agrees.
pub fn outcome(outcome: &Outcome) -> bool {
    let mut rows = vec![row(["client", "what it did", "what it saw", "what the policy says", ""])];
    for scene in &outcome.scenes {
        rows.push(row([&scene.client, &scene.did, &scene.saw, &scene.policy, mark(scene.agrees)]));
    }
    println!();
    table(&rows);
    println!();
    let mut rows = vec![row(["counter", "sent or due", "Seawall counted", ""])];
    for figure in &outcome.figures {
        rows.push(row([
            &figure.name,
            &due(figure),
            &grouped(figure.counted),
            mark(figure.agrees()),
        ]));
    }
    table(&rows);
    println!();
    outcome.agrees()
}

/// After everything is taken down.
pub fn ending(left: &[String], elapsed: Duration) {
    if left.is_empty() {
        println!(
            "Took everything down; nothing is left behind. {:.1} s in all.",
            elapsed.as_secs_f64()
        );
        return;
    }
    println!("LEFT BEHIND:");
    for thing in left {
        println!("  {thing}");
    }
}

/// What to try in a world that stays.
pub fn kept(stage: &Stage) {
    let folder = stage.world.folder().display();
    // Who came by sudo needs it again; who is root may not have it.
    let sudo = if env::var_os("SUDO_UID").is_some() { "sudo " } else { "" };
    let enter =
        |name: &str| format!("{sudo}nsenter --net=/run/netns/{}-{name}", stage.world.prefix());
    println!(
        "The world stays up. A request from each client (blocked and denied ones get nothing):\n"
    );
    let request = |host: &str, server: IpAddr| {
        let address = SocketAddr::new(server, 443);
        let request = Request::get(cast::API, address, "/v1/message", &stage.authority);
        println!("  {} {}", enter(host), request.within(Duration::from_secs(3)).words().join(" "));
    };
    for host in &stage.world.hosts {
        request(host.plan.name, SERVER[0]);
    }
    println!("\nThe same over IPv6, from the first:\n");
    request(cast::ALLOWED.name, SERVER[1]);
    println!("\nThe counters, and the status:\n");
    println!("  {} curl -s http://{}/metrics", enter("server"), seawall::METRICS);
    let program = process::program("seawall")
        .map_or_else(|_| "seawall".into(), |path| path.display().to_string());
    let socket = seawall::socket(stage.world.folder());
    println!("  {sudo}{program} status --socket {}", socket.display());
    println!(
        "\nIts configuration and logs are in {folder}. To take it down:\n\n  cargo xtask demo --down"
    );
}

/// After `--down`.
pub fn taken_down(prefixes: &[String]) {
    match prefixes {
        [] => println!("No world was kept."),
        some => println!("Took down {}.", some.join(", ")),
    }
}

/// A number with its thousands apart.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .filter_map(|group| std::str::from_utf8(group).ok())
        .collect();
    groups.join(",")
}

fn due(figure: &Figure) -> String {
    match figure.tolerance {
        0 => grouped(figure.expected),
        tolerance => format!("{} ±{}", grouped(figure.expected), grouped(tolerance)),
    }
}

fn mark(agrees: bool) -> &'static str {
    match (agrees, stdout().is_terminal()) {
        (true, true) => "\x1b[32mok\x1b[0m",
        (true, false) => "ok",
        (false, true) => "\x1b[1;31mDIFFERS\x1b[0m",
        (false, false) => "DIFFERS",
    }
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).into()
}

/// Columns as wide as their widest cell, a rule below the heading.
fn table(rows: &[Vec<String>]) {
    let columns = rows.first().map_or(0, Vec::len);
    let width =
        |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    // The last column may hold colours, which have no width.
    let widths: Vec<usize> = (0..columns.saturating_sub(1)).map(width).collect();
    for (number, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row
            .iter()
            .enumerate()
            .map(|(column, cell)| {
                format!("{cell:<width$}", width = widths.get(column).copied().unwrap_or(0))
            })
            .collect();
        println!("  {}", cells.join("  ").trim_end());
        if number == 0 {
            let rule: usize = widths.iter().sum::<usize>() + 2 * columns + 5;
            println!("  {}", "-".repeat(rule));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn thousands_stand_apart() {
        for (number, shown) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), shown);
        }
    }
}
