//! `seawall watch`: the sampled drops as they come, as lines or as a capture file.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

mod filter;

use anyhow::Context as _;
use clap::{Args, value_parser};
use tokio::signal::unix::{SignalKind, signal};

use super::is_broken_pipe;
use crate::{
    capture::Writer,
    control::{self, ListKind, ListShown, Request, Watched},
    status::{EventLine, utc},
};

/// Show the sampled drops as they come, until it is interrupted. What a filter in front of a busy host
/// drops is more than can be shown: `packet.events` says how many become events.
#[derive(Args, Debug)]
pub struct WatchArgs {
    /// Write a capture in pcapng, with the reason as comment of each packet. As with tcpdump, a file
    /// that is there is overwritten, and `-` is standard output.
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pcap: Option<PathBuf>,
    /// Print JSON, an object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    filter: filter::Filter,
    /// End after so many events that are shown.
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// The daemon's control socket.
    #[arg(long, value_name = "PATH", default_value = control::SOCKET)]
    socket: PathBuf,
}

/// Watches until the count is reached, a signal comes, or the daemon ends.
pub fn run(args: &WatchArgs) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match runtime.block_on(watch(args)) {
        // Whoever reads has seen enough.
        Err(error) if is_broken_pipe(&error) => Ok(()),
        done => done,
    }
}

async fn watch(args: &WatchArgs) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    args.filter.check_lists(|| lists(&args.socket))?;
    let mut watch = control::watch(&args.socket).await?;
    let mut output = None;
    let (mut shown, mut lost) = (0, 0);
    let ended = loop {
        let watched = tokio::select! {
            watched = watch.next() => watched,
            _ = interrupt.recv() => break Ok(()),
            _ = terminate.recv() => break Ok(()),
        };
        match watched {
            Ok(Watched::Begin { interfaces, sample_one_in }) => {
                args.filter.check_interfaces(&interfaces)?;
                // Not before the daemon has agreed: a file that is there stays as it is until then.
                output = Some(Output::open(args)?);
                eprintln!("watching {}: {}", interfaces.join(" "), sampling(sample_one_in));
            }
            Ok(Watched::Event(event)) if !args.filter.admits(&event) => {}
            Ok(Watched::Event(event)) => {
                shown += 1;
                if let Some(output) = &mut output {
                    output.event(&event)?;
                }
            }
            Ok(Watched::Lost { events }) => {
                lost += events;
                if let Some(output) = &mut output {
                    output.lost(events)?;
                }
            }
            Ok(Watched::Stopped {}) => break Ok(()),
            Err(error) => break Err(error.into()),
        }
        if let Some(output) = &mut output
            && !watch.has_more()
        {
            output.flush()?;
        }
        if args.count == Some(shown) {
            break Ok(());
        }
    };
    if let Some(output) = &mut output {
        output.flush()?;
        eprintln!("{shown} events, {lost} lost since they were read too slowly");
    }
    ended
}

/// The lists of the policy in force.
fn lists(socket: &Path) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for list in [ListKind::Deny, ListKind::Allow] {
        let shown: ListShown = control::ask(socket, &Request::ListShow { list })?;
        names.extend(shown.configured.into_iter().map(|list| list.name));
        if !shown.entries.is_empty() {
            names.push(list.label().to_owned());
        }
    }
    names.dedup();
    Ok(names)
}

fn sampling(one_in: u32) -> String {
    match one_in {
        0 => "of drops, only the first of each source can become events".to_owned(),
        1 => "every drop becomes an event, up to the bound".to_owned(),
        one_in => format!("one drop in {one_in} becomes an event, up to the bound"),
    }
}

/// Where events go.
enum Output {
    Text(BufWriter<io::Stdout>),
    Json(BufWriter<io::Stdout>),
    Pcap { writer: Writer<BufWriter<Box<dyn Write>>>, interfaces: Vec<String> },
}

impl Output {
    fn open(args: &WatchArgs) -> anyhow::Result<Self> {
        let stdout = || BufWriter::new(io::stdout());
        let Some(path) = &args.pcap else {
            return Ok(if args.json { Self::Json(stdout()) } else { Self::Text(stdout()) });
        };
        let file: Box<dyn Write> = if path == Path::new("-") {
            Box::new(io::stdout())
        } else {
            let created = File::create(path);
            Box::new(created.with_context(|| format!("cannot write {}", path.display()))?)
        };
        let writer = Writer::create(BufWriter::new(file), &[])?;
        Ok(Self::Pcap { writer, interfaces: Vec::new() })
    }

    fn event(&mut self, event: &EventLine) -> anyhow::Result<()> {
        match self {
            Self::Text(out) => Ok(writeln!(out, "{}", line(event))?),
            Self::Json(out) => Ok(writeln!(out, "{}", serde_json::to_string(event)?)?),
            Self::Pcap { writer, interfaces } => {
                let name = event.interface.as_deref().unwrap_or("unknown");
                let interface = match interfaces.iter().position(|known| known == name) {
                    Some(interface) => interface,
                    None => {
                        interfaces.push(name.to_owned());
                        writer.add_interface(name)?
                    }
                };
                let bytes = event.captured_bytes()?;
                let comment = decision(event);
                Ok(writer.write(interface, event.time_epoch_ns, event.bytes, &bytes, &comment)?)
            }
        }
    }

    fn lost(&mut self, events: u64) -> anyhow::Result<()> {
        match self {
            Self::Json(out) => Ok(writeln!(out, "{}", serde_json::json!({ "lost": events }))?),
            Self::Text(_) | Self::Pcap { .. } => {
                eprintln!("{events} events lost since they were read too slowly");
                Ok(())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Text(out) | Self::Json(out) => out.flush(),
            Self::Pcap { writer, .. } => writer.flush(),
        }
    }
}

fn line(event: &EventLine) -> String {
    let known = |name: &Option<String>| name.clone().unwrap_or_else(|| "?".to_owned());
    format!(
        "{} {} {} {} -> {} {} bytes on {}",
        utc(event.time_epoch_ns),
        decision(event).escape_debug(),
        event.protocol,
        known(&event.source),
        known(&event.destination),
        event.bytes,
        known(&event.interface),
    )
}

/// What was decided and for what: the comment of a packet.
fn decision(event: &EventLine) -> String {
    let asn = event.asn.map(|asn| asn.to_string());
    let named =
        [("list", &event.list), ("country", &event.country), ("asn", &asn), ("rule", &event.rule)];
    let named =
        named.into_iter().filter_map(|(key, value)| Some(format!(" {key}={}", value.as_ref()?)));
    format!("{} {}", event.verdict, event.reason) + &named.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_comments() {
        let event = EventLine {
            time_epoch_ns: 1_700_000_000_123_456_789,
            verdict: "drop".to_owned(),
            reason: "deny".to_owned(),
            protocol: "tcp".to_owned(),
            source: Some("203.0.113.7:40000".to_owned()),
            destination: Some("192.0.2.10:443".to_owned()),
            bytes: 74,
            interface: Some("eth0".to_owned()),
            ..EventLine::default()
        };
        let list = Some("spam".to_owned());
        let (country, rule) = (Some("DE".to_owned()), Some("no-\u{1b}ssh".to_owned()));
        for (event, comment, text) in [
            (event.clone(), "drop deny", "drop deny tcp 203.0.113.7:40000 -> 192.0.2.10:443"),
            (
                EventLine { list, country, rule, asn: Some(64_496), ..event.clone() },
                "drop deny list=spam country=DE asn=64496 rule=no-\u{1b}ssh",
                "drop deny list=spam country=DE asn=64496 rule=no-\\u{1b}ssh tcp 203.0.113.7:40000 -> \
                 192.0.2.10:443",
            ),
            (
                EventLine { source: None, destination: None, ..event },
                "drop deny",
                "drop deny tcp ? -> ?",
            ),
        ] {
            assert_eq!(decision(&event), comment);
            let expected = format!("2023-11-14T22:13:20.123456Z {text} 74 bytes on eth0");
            assert_eq!(line(&event), expected);
        }
    }
}
