//! `cargo xtask trial`: as many frames as are asked for, on every core.

use std::{
    process::ExitCode,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Error, Result, ensure};
use clap::Parser;
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};

use crate::{
    ending, requirement,
    trial::{self, Trial, report::Report},
};

#[derive(Parser)]
#[command(name = "seawall-trial", about = "Generated frames, judged twice.")]
struct Arguments {
    /// How many frames.
    #[arg(long)]
    frames: u64,
    /// The seed of the first policy.
    #[arg(long)]
    seed: u64,
    /// One object of JSON instead of lines to read.
    #[arg(long)]
    json: bool,
}

/// Frames of a policy: more of them would find less, fewer would spend most of the time on loading.
const FRAMES_OF_POLICY: u64 = 2_000;
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Runs the trial; a frame that is judged in two ways is a failure.
pub fn main() -> ExitCode {
    ending::exit_code(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<bool> {
    ensure!(requirement::is_root(), "BPF needs root: run `cargo xtask trial`");
    ensure!(arguments.frames > 0, "expected at least one frame, found 0");
    // The mounts of a trial that is stopped go with the process.
    unshare(CloneFlags::CLONE_NEWNS).context("could not make a mount namespace")?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>)
        .context("could not make the mounts private")?;
    let threads = thread::available_parallelism()?.get();
    let work = Work::new(arguments.seed, arguments.frames);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| work.go_on());
        }
    });
    let Progress { total, failure, started, .. } =
        work.progress.into_inner().unwrap_or_else(PoisonError::into_inner);
    let report = Report::new(arguments.seed, &total, started.elapsed(), threads, failure.as_ref());
    if arguments.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{report}");
    }
    Ok(failure.is_none())
}

/// What the threads share. Each takes the next seed; a policy has a BPF file system of its own, so that two
/// at once share nothing.
struct Work {
    frames: u64,
    progress: Mutex<Progress>,
}

struct Progress {
    next_seed: u64,
    frames_given: u64,
    total: Trial,
    failure: Option<Error>,
    started: Instant,
    told: Instant,
}

impl Work {
    fn new(seed: u64, frames: u64) -> Self {
        let now = Instant::now();
        let progress = Progress {
            next_seed: seed,
            frames_given: 0,
            total: Trial::default(),
            failure: None,
            started: now,
            told: now,
        };
        Self { frames, progress: Mutex::new(progress) }
    }

    fn go_on(&self) {
        while let Some((seed, frames)) = self.take() {
            let result = trial::run(seed, frames as usize);
            self.give(result);
        }
    }

    /// The next seed, and how many frames; nothing where all are done or one has failed.
    fn take(&self) -> Option<(u64, u64)> {
        let mut progress = self.lock();
        let left = self.frames - progress.frames_given;
        if left == 0 || progress.failure.is_some() {
            return None;
        }
        let (seed, frames) = (progress.next_seed, left.min(FRAMES_OF_POLICY));
        progress.next_seed += 1;
        progress.frames_given += frames;
        Some((seed, frames))
    }

    fn give(&self, result: Result<Trial>) {
        let mut progress = self.lock();
        match result {
            Ok(trial) => progress.total.add(&trial),
            // The first is enough: the others may be of the same cause.
            Err(error) => {
                progress.failure.get_or_insert(error);
            }
        }
        if progress.told.elapsed() >= TELL_EVERY {
            progress.told = Instant::now();
            let frames = progress.total.frames();
            let rate = frames as f64 / progress.started.elapsed().as_secs_f64();
            eprintln!("{frames} of {} frames, {rate:.0} frames/s", self.frames);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
