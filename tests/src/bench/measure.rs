//! One measurement: a receiver is attached, flooded for a moment, and asked what it counted.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};

use crate::bench::{
    link::{self, Link},
    receiver::{Counts, Receiver},
    traffic::Generator,
};

/// Caches, branch predictors and buckets fill up before it counts.
const WARM_UP: Duration = Duration::from_millis(100);
/// What a rate is taken over.
pub const WINDOW: Duration = Duration::from_millis(400);
/// Reading counters at both ends of a window takes so long at most.
const SLACK: Duration = Duration::from_millis(200);

/// What was seen.
pub struct Sample {
    /// Packets that the receiver disposed of in the window.
    pub window: u64,
    /// How long the window was.
    pub window_s: f64,
    /// What it counted from first to last packet.
    pub total: Counts,
    /// How long that took.
    pub total_s: f64,
    /// Packets that came out of the interface's queue, by its own count.
    pub arrived: u64,
    /// Packets that it saw an XDP program drop.
    pub dropped: u64,
    /// Packets that were generated; those that found the queue full are lost.
    pub sent: u64,
    /// The share of the time that others took from either side.
    pub disturbed: f64,
}

impl Sample {
    /// Million packets a second that the receiver disposed of.
    #[must_use]
    pub fn mpps(&self) -> f64 {
        self.window as f64 / self.window_s / 1e6
    }

    /// The share of what was generated that found the queue full: near zero, the generator is the
    /// slower side, and the receiver could do more.
    #[must_use]
    pub fn overflow(&self) -> f64 {
        1.0 - self.arrived as f64 / self.sent as f64
    }
}

/// Takes one.
pub fn sample(
    link: &Link,
    receiver: &mut dyn Receiver,
    generator: &Generator,
    length: Duration,
) -> Result<Sample> {
    receiver.attach()?;
    let sampled = flood(link, receiver, generator, length);
    receiver.detach()?;
    sampled
}

fn flood(
    link: &Link,
    receiver: &dyn Receiver,
    generator: &Generator,
    length: Duration,
) -> Result<Sample> {
    let (counts_before, before) = (receiver.counts()?, link::arrivals()?);
    let sent_before = generator.sent()?;
    generator.stop(false)?;
    let start = Instant::now();
    let (seen, waited) = thread::scope(|scope| {
        let sender = scope.spawn(|| {
            generator.run(WARM_UP + length + SLACK)?;
            Ok(link::sender_waited())
        });
        thread::sleep(WARM_UP);
        let seen = window(link, receiver, length);
        let stopped = generator.stop(true);
        (
            seen.and_then(|seen| stopped.map(|()| seen)),
            sender.join().unwrap_or_else(|_| Err(anyhow!("the generator panicked"))),
        )
    });
    let (Window { packets, seconds, waited }, sender_waited) = (seen?, waited?);
    let sent = generator.sent()? - sent_before;
    let after = link::arrivals()?;
    let total_s = start.elapsed().as_secs_f64();
    let arrived = after.packets - before.packets;
    // What the sender could not send only counts where there was room for it.
    let spare = 1.0 - arrived as f64 / sent as f64;
    let unsent = sender_waited.as_secs_f64() / total_s - spare;
    let disturbed = (waited.as_secs_f64() / seconds).max(unsent);
    Ok(Sample {
        window: packets,
        window_s: seconds,
        total: difference(&receiver.counts()?, &counts_before),
        total_s,
        arrived,
        dropped: after.drops - before.drops,
        sent,
        disturbed,
    })
}

struct Window {
    packets: u64,
    seconds: f64,
    waited: Duration,
}

fn window(link: &Link, receiver: &dyn Receiver, length: Duration) -> Result<Window> {
    let waited_before = link.receiver_waited();
    let (first, start) = timed(receiver)?;
    thread::sleep(length);
    let (second, end) = timed(receiver)?;
    let waited = link.receiver_waited() - waited_before;
    let seconds = (end - start).as_secs_f64();
    Ok(Window { packets: second - first, seconds, waited })
}

/// Reading takes time: what is read was true about half-way.
fn timed(receiver: &dyn Receiver) -> Result<(u64, Instant)> {
    let start = Instant::now();
    let packets = receiver.disposed()?;
    Ok((packets, start + start.elapsed() / 2))
}

/// What was counted between two readings; what did not move is left out.
#[must_use]
pub fn difference(after: &Counts, before: &Counts) -> Counts {
    after
        .iter()
        .map(|(label, count)| (label.clone(), count - before.get(label).unwrap_or(&0)))
        .filter(|(_, count)| *count != 0)
        .collect()
}

/// The middle one; of none, none.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
