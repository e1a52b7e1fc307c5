//! `seawall explain`: what the policy in force says of a packet or a request, and why.

mod request;

use std::{net::IpAddr, path::PathBuf};

use clap::{Args, value_parser};

use self::request::RequestArgs;
use super::print;
use crate::{
    control,
    explain::{self, Question, Subject, Traffic},
};

/// Ask the policy in force what it would do with a packet or a request, and why. Nothing is counted for it,
/// and no limit is used up.
#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// The address that typical traffic comes from.
    #[arg(value_name = "ADDRESS", value_parser = address, required_unless_present = "packet")]
    address: Option<IpAddr>,
    /// A frame in hexadecimal, from its Ethernet header on; white space and colons are passed over.
    #[arg(long, value_name = "HEX", conflicts_with_all = ["address", "protocol", "port"])]
    packet: Option<String>,
    /// What the address sends: a TCP SYN, a UDP datagram or an echo request.
    #[arg(long, value_enum, default_value_t = Traffic::Tcp)]
    protocol: Traffic,
    /// The port that the address sends to [default: 443].
    #[arg(long, value_name = "PORT", value_parser = value_parser!(u16).range(1..))]
    port: Option<u16>,
    #[command(flatten)]
    request: RequestArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// The daemon's control socket.
    #[arg(long, value_name = "PATH", default_value = control::SOCKET)]
    socket: PathBuf,
}

/// Asks the daemon and prints.
pub fn run(args: &ExplainArgs) -> anyhow::Result<()> {
    let ExplainArgs { protocol, port, .. } = *args;
    let subject = match (args.address, &args.packet) {
        (Some(source), _) => Subject::Address { source, protocol, port },
        (None, packet) => Subject::Packet { hex: packet.clone().unwrap_or_default() },
    };
    // What is wrong with it is said before anyone is asked, by the characters as they were typed.
    let question = Question::new(&subject)?;
    let subject = match subject {
        Subject::Address { .. } => subject,
        // A request has a bound, and white space has none.
        Subject::Packet { .. } => Subject::packet(&question.frame),
    };
    let request = args.address.map(|address| args.request.question(address)).transpose()?;
    let explanation = control::explain(&args.socket, subject)?;
    if let Some(question) = request.flatten() {
        let request = control::explain_request(&args.socket, question)?;
        return print(&request::render(args.json, explanation, request)?);
    }
    if args.json {
        return print(&(serde_json::to_string_pretty(&explanation)? + "\n"));
    }
    print(&explain::render(&explanation))
}

fn address(text: &str) -> Result<IpAddr, String> {
    let expected = "expected an address such as 203.0.113.7 or 2001:db8::7";
    text.parse().map_err(|_| expected.to_owned())
}
