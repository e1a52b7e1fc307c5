//! `seawall top`: a live view on a terminal, or one of it for a pipe.

use std::{
    io::{self, IsTerminal as _},
    net::IpAddr,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers},
};
use tokio::signal::unix::{SignalKind, signal};

use super::{duration, print};
use crate::{
    control::{self, BanAdd, Changed, Request, Watched},
    status::EventLine,
    top::{self, Asked, Key, Model},
};

/// How long a key waits for the view, and an event for the screen.
const BEAT: Duration = Duration::from_millis(50);
/// The longest time between two looks at the counters.
const INTERVAL_MAX_S: u64 = 60;
/// Events on the way to the view; the daemon keeps and counts what comes faster.
const WAITING_MAX: usize = 4_096;
/// For how long the key `b` bans.
const BAN_S: u64 = 3_600;
/// One view for a pipe.
const ONCE: (u16, u16) = (100, 30);

/// Show live what passes and what is dropped: rates by reason, and by country, source and list as far as
/// events are sampled. Keys: q quits, s sorts, / filters, j and k select a source, b bans it.
#[derive(Args, Debug)]
pub struct TopArgs {
    /// The time between two looks at the counters.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    interval: u64,
    /// Print one view as text and end.
    #[arg(long)]
    once: bool,
    /// The daemon's control socket.
    #[arg(long, value_name = "PATH", default_value = control::SOCKET)]
    socket: PathBuf,
}

fn interval(text: &str) -> Result<u64, String> {
    let seconds = duration::parse(text)?;
    if seconds <= INTERVAL_MAX_S {
        return Ok(seconds);
    }
    Err(format!("expected a time of 1s to {INTERVAL_MAX_S}s, found {text:?}"))
}

/// What comes from the daemon's stream of events.
enum News {
    Event(Box<EventLine>),
    Lost(u64),
    /// The stream is over: by a signal without, else with why.
    End(Option<anyhow::Error>),
}

/// Shows the view until a key, a signal or the daemon ends it.
pub fn run(args: &TopArgs) -> anyhow::Result<()> {
    let mut model = Model::default();
    // Whatever is wrong with the daemon is said before the screen is taken.
    model.counted(control::status(&args.socket)?, Duration::ZERO);
    let began = Instant::now();
    let (sender, news) = sync_channel(WAITING_MAX);
    let socket = args.socket.clone();
    thread::spawn(move || follow(&socket, &sender));
    let interval = Duration::from_secs(args.interval);
    if args.once {
        while began.elapsed() < interval {
            thread::sleep(BEAT);
            if let Some(end) = take(&mut model, &news) {
                return end.map_or(Ok(()), Err);
            }
        }
        model.counted(control::status(&args.socket)?, began.elapsed());
        let (columns, rows) = ONCE;
        return print(&top::text(&model, columns, rows));
    }
    anyhow::ensure!(
        io::stdout().is_terminal() && io::stdin().is_terminal(),
        "expected a terminal, found none; `seawall top --once` prints one view as text"
    );
    // A panic puts the terminal back too: the hook is installed here.
    let mut terminal = ratatui::try_init()?;
    let ended = live(&mut terminal, &mut model, &news, interval, &args.socket);
    ratatui::restore();
    ended
}

fn live(
    terminal: &mut DefaultTerminal,
    model: &mut Model,
    news: &Receiver<News>,
    interval: Duration,
    socket: &Path,
) -> anyhow::Result<()> {
    let mut looked = Instant::now();
    loop {
        terminal.draw(|frame| top::draw(model, frame.area(), frame.buffer_mut()))?;
        if event::poll(BEAT)?
            && let Some(key) = key(&event::read()?)
        {
            match model.pressed(key) {
                Asked::Quit => return Ok(()),
                Asked::Ban(source) => model.note(ban(socket, source)),
                Asked::Nothing => {}
            }
        }
        if let Some(end) = take(model, news) {
            return end.map_or(Ok(()), Err);
        }
        if looked.elapsed() >= interval {
            let snapshot = control::status(socket)?;
            model.counted(snapshot, looked.elapsed());
            looked = Instant::now();
        }
    }
}

/// What is there already; whether it is over, and why.
fn take(model: &mut Model, news: &Receiver<News>) -> Option<Option<anyhow::Error>> {
    for news in news.try_iter().take(WAITING_MAX) {
        match news {
            News::Event(event) => model.seen(&event),
            News::Lost(events) => model.lost(events),
            News::End(why) => return Some(why),
        }
    }
    None
}

fn ban(socket: &Path, source: IpAddr) -> String {
    let reason = Some("by hand in seawall top".to_owned());
    let ask = BanAdd { addresses: vec![source], for_s: BAN_S, reason };
    match control::ask::<Changed>(socket, &Request::Ban(ask)) {
        Ok(changed) => changed.changed.join("; "),
        Err(error) => error.to_string(),
    }
}

fn key(event: &Event) -> Option<Key> {
    let Event::Key(pressed) = event else { return None };
    if pressed.kind == KeyEventKind::Release {
        return None;
    }
    match pressed.code {
        KeyCode::Char('c') if pressed.modifiers.contains(KeyModifiers::CONTROL) => {
            Some(Key::Interrupt)
        }
        KeyCode::Char(letter) => Some(Key::Char(letter)),
        KeyCode::Enter => Some(Key::Enter),
        KeyCode::Esc => Some(Key::Escape),
        KeyCode::Backspace => Some(Key::Backspace),
        KeyCode::Up => Some(Key::Up),
        KeyCode::Down => Some(Key::Down),
        _ => None,
    }
}

/// Follows the daemon's events on a thread of its own, until the view is gone.
fn follow(socket: &Path, sender: &SyncSender<News>) {
    let ended = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(events(socket, sender)));
    // Where nobody takes it, the view is gone.
    let _ = sender.send(News::End(ended.err()));
}

async fn events(socket: &Path, sender: &SyncSender<News>) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut watch = control::watch(socket).await?;
    loop {
        let watched = tokio::select! {
            watched = watch.next() => watched?,
            _ = terminate.recv() => return Ok(()),
            _ = hang_up.recv() => return Ok(()),
        };
        let news = match watched {
            Watched::Event(event) => News::Event(event),
            Watched::Lost { events } => News::Lost(events),
            Watched::Begin { .. } => continue,
            Watched::Stopped {} => return Ok(()),
        };
        if sender.send(news).is_err() {
            return Ok(());
        }
    }
}
