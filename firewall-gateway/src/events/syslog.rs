//! Messages of RFC 5424 over TCP, each behind its length (RFC 6587, 3.4.1). The receiver says nothing: what the kernel has
//! taken counts as delivered, though it may be lost where a connection breaks at that moment.

use std::{cell::Cell, io, sync::Arc, time::Duration};

use tokio::{io::AsyncWriteExt as _, net::TcpStream, time::timeout};

use super::{
    decision::Decision,
    event::Teller,
    queue::{Loss, Numbered, Queue},
    sender::{Backoff, Sink},
};
use crate::{
    date,
    limits::{SYSLOG_CONNECT_TIMEOUT_MS, SYSLOG_WRITE_TIMEOUT_MS},
    policy::SyslogPolicy,
};

/// A receiver.
pub struct Syslog {
    policy: SyslogPolicy,
    teller: Teller,
    queue: Arc<Queue>,
    place: usize,
    stream: Option<TcpStream>,
    failing: bool,
}

impl Syslog {
    /// The receiver of a policy, without a connection yet.
    #[must_use]
    pub fn new(policy: &SyslogPolicy, teller: Teller, queue: Arc<Queue>, place: usize) -> Self {
        Self { policy: policy.clone(), teller, queue, place, stream: None, failing: false }
    }

    // Writes what is left of the messages; `done` counts those that have gone whole.
    async fn write(&mut self, text: &[u8], ends: &[usize], done: &Cell<usize>) -> io::Result<()> {
        let mut stream = match self.stream.take().filter(is_open) {
            Some(stream) => stream,
            None => {
                let wait = Duration::from_millis(SYSLOG_CONNECT_TIMEOUT_MS);
                timeout(wait, TcpStream::connect(self.policy.address)).await??
            }
        };
        // A message that was cut off with its connection begins anew.
        let mut at =
            done.get().checked_sub(1).and_then(|last| ends.get(last)).copied().unwrap_or(0);
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let wait = Duration::from_millis(SYSLOG_WRITE_TIMEOUT_MS);
            match timeout(wait, stream.write(rest)).await?? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                more => at += more,
            }
            done.set(ends.partition_point(|end| *end <= at));
        }
        self.stream = Some(stream);
        Ok(())
    }
}

impl Sink for Syslog {
    async fn deliver(&mut self, batch: &[Numbered], done: &Cell<usize>) -> Result<(), Loss> {
        let (mut text, mut ends) = (Vec::new(), Vec::new());
        for event in batch {
            let message = message(event, &self.policy, &self.teller);
            text.extend_from_slice(format!("{} ", message.len()).as_bytes());
            text.extend_from_slice(&message);
            ends.push(text.len());
        }
        let mut backoff = Backoff::new(Duration::from_secs(self.policy.give_up_s));
        loop {
            match self.write(&text, &ends, done).await {
                Ok(()) => {
                    if std::mem::take(&mut self.failing) {
                        tracing::info!("the receiver of syslog takes events again");
                    }
                    return Ok(());
                }
                Err(error) => {
                    if !std::mem::replace(&mut self.failing, true) {
                        tracing::warn!(%error, "the receiver of syslog does not take events; it is tried again");
                    }
                    if !backoff.pause(Duration::ZERO).await {
                        return Err(Loss::Undelivered);
                    }
                    self.queue.retried(self.place);
                }
            }
        }
    }
}

// It never says anything: what can be read is its end.
fn is_open(stream: &TcpStream) -> bool {
    let nothing = stream.try_read(&mut [0; 1]);
    nothing.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

/// RFC 5424, 6: header, no structured data, the event as JSON.
fn message(event: &Numbered, policy: &SyslogPolicy, teller: &Teller) -> Vec<u8> {
    let severity = match event.decision() {
        Decision::Offended => WARNING,
        Decision::Served => INFORMATIONAL,
        _ => NOTICE,
    };
    let priority = policy.facility * 8 + severity;
    let host = if policy.host.is_empty() { "-" } else { &policy.host };
    let (time, process) = (date::rfc3339(event.at()), std::process::id());
    let kind = event.decision().label();
    let mut text = format!("<{priority}>1 {time} {host} seawall {process} {kind} - ").into_bytes();
    event.write(teller, &mut text);
    text
}

/// RFC 5424, table 2.
const WARNING: u8 = 4;
const NOTICE: u8 = 5;
const INFORMATIONAL: u8 = 6;
