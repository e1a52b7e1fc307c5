//! Two connections to the store: one that asks, and one over which ends are heard, each in the order in which the store
//! did it.

use std::io;

use bytes::BytesMut;
use tokio::{
    io::{AsyncWriteExt as _, BufReader},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    task::JoinHandle,
};

use super::commands::Names;
use crate::{
    policy::SessionStorePolicy,
    redis::{connect, resp},
};

/// Words that came over the second connection and are not attended to yet.
const HEARD_MAX: usize = 256;
/// Of a message: its kind, its channel, what is told.
const WORDS_MAX: usize = 3;

/// See above.
pub struct Connection {
    /// The one that asks.
    pub asking: BufReader<TcpStream>,
    hearing: OwnedWriteHalf,
    heard: mpsc::Receiver<io::Result<Heard>>,
    listening: JoinHandle<()>,
}

/// What came over the second connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// It is there, and everything before it was heard.
    Pong,
    /// An ending, as it was told.
    Ended(Vec<u8>),
}

impl Connection {
    /// Connects both, and hears ends from then on.
    ///
    /// # Errors
    /// The store is not there, or refuses.
    pub async fn open(policy: &SessionStorePolicy, names: &Names) -> io::Result<Self> {
        let password = policy.password.as_ref().map(|password| password.0.as_str());
        let mut second = connect(policy.address, password).await?;
        let mut bytes = BytesMut::new();
        resp::command(&mut bytes, &[b"SUBSCRIBE", names.channel().as_bytes()]);
        second.write_all(&bytes).await?;
        resp::words(&mut second, WORDS_MAX).await?;
        let asking = connect(policy.address, password).await?;
        let (told, heard) = mpsc::channel(HEARD_MAX);
        // Nothing is left in its buffer but what was told after the subscription.
        let left = second.buffer().to_vec();
        let (reading, hearing) = second.into_inner().into_split();
        let listening = tokio::spawn(listen(left, reading, told));
        Ok(Self { asking, hearing, heard, listening })
    }

    /// The next thing that was heard.
    ///
    /// # Errors
    /// The store is gone, or says what it should not.
    pub async fn next(&mut self) -> io::Result<Heard> {
        self.heard.recv().await.unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()))
    }

    /// Asks both whether they are there; the answer of the second is heard later.
    ///
    /// # Errors
    /// One is gone.
    pub async fn ping(&mut self) -> io::Result<()> {
        let mut bytes = BytesMut::new();
        resp::command(&mut bytes, &[b"PING"]);
        self.hearing.write_all(&bytes).await?;
        self.asking.write_all(&bytes).await?;
        resp::text(&mut self.asking).await.map(drop)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(left: Vec<u8>, reading: OwnedReadHalf, told: mpsc::Sender<io::Result<Heard>>) {
    let left = io::Cursor::new(left);
    let mut reading = BufReader::new(tokio::io::AsyncReadExt::chain(left, reading));
    loop {
        let heard = resp::words(&mut reading, WORDS_MAX).await.and_then(|words| match &words[..] {
            [kind, ..] if kind == b"pong" => Ok(Heard::Pong),
            [kind, _, text] if kind == b"message" => Ok(Heard::Ended(text.clone())),
            _ => Err(io::Error::other("the store said what nobody asked")),
        });
        let failed = heard.is_err();
        if told.send(heard).await.is_err() || failed {
            return;
        }
    }
}
