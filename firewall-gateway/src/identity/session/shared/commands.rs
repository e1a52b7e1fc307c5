//! What the store is told: a session is a text under its hash, and in the lists by which sessions are ended.

use std::fmt::Write as _;

use bytes::BytesMut;

use super::lives_s;
use crate::{
    identity::{
        api_key::text::KeyHash,
        session::record::{Ending, SessionRecord},
    },
    redis::resp::command,
};

/// Names of keys and of the channel.
#[derive(Clone, Debug)]
pub struct Names {
    prefix: String,
}

impl Names {
    /// Below this prefix.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// Where ends are told.
    #[must_use]
    pub fn channel(&self) -> String {
        format!("{}:sessions:ended", self.prefix)
    }

    fn session(&self, hash: &KeyHash) -> String {
        format!("{}{}", self.sessions(), hex(hash))
    }

    fn sessions(&self) -> String {
        format!("{}:session:", self.prefix)
    }

    /// The list of the sessions that an ending takes; one session is in none.
    fn list(&self, ending: &Ending) -> Option<String> {
        let name = match ending {
            Ending::One(_) => return None,
            Ending::Consumer(consumer) => format!("consumer:{consumer}"),
            Ending::Subject { login, subject } => format!("subject:{login}:{subject}"),
            Ending::ProviderSession { login, sid } => format!("sid:{login}:{sid}"),
            Ending::All => "all".to_owned(),
        };
        Some(format!("{}:sessions:{name}", self.prefix))
    }

    /// Asks for a session; the answer is its text, or none.
    pub fn find(&self, to: &mut BytesMut, hash: &KeyHash) {
        command(to, &[b"GET", self.session(hash).as_bytes()]);
    }

    /// It lives on for so long; the answer is whether there is one.
    pub fn used(&self, to: &mut BytesMut, hash: &KeyHash, lives_s: u64) {
        let lives = lives_s.max(1).to_string();
        command(to, &[b"EXPIRE", self.session(hash).as_bytes(), lives.as_bytes()]);
    }

    /// Keeps a session until it ends; the answer is a number.
    pub fn open(&self, to: &mut BytesMut, record: &SessionRecord, text: &[u8], now_epoch_s: u64) {
        let login = record.login.clone();
        let endings = [
            Some(Ending::All),
            Some(Ending::Consumer(record.consumer.clone())),
            Some(Ending::Subject { login: login.clone(), subject: record.subject.clone() }),
            record.sid.clone().map(|sid| Ending::ProviderSession { login, sid }),
        ];
        let mut keys = vec![self.session(&record.hash)];
        keys.extend(endings.iter().flatten().filter_map(|ending| self.list(ending)));
        let (count, hash) = (keys.len().to_string(), hex(&record.hash));
        let lives = lives_s(record, now_epoch_s).max(1).to_string();
        let (ends, now) = (record.ends_epoch_s.to_string(), now_epoch_s.to_string());
        let mut words: Vec<&[u8]> = vec![b"EVAL", OPEN.as_bytes(), count.as_bytes()];
        words.extend(keys.iter().map(|key| key.as_bytes()));
        words.extend([text, lives.as_bytes(), hash.as_bytes(), ends.as_bytes(), now.as_bytes()]);
        command(to, &words);
    }

    /// Ends sessions and tells everyone; the answer is how many there were.
    pub fn end(&self, to: &mut BytesMut, ending: &Ending, text: &[u8]) {
        let list = self.list(ending).unwrap_or_default();
        let one = match ending {
            Ending::One(hash) => hex(hash),
            _ => String::new(),
        };
        let (sessions, channel) = (self.sessions(), self.channel());
        let words = [
            &b"EVAL"[..],
            END.as_bytes(),
            b"1",
            list.as_bytes(),
            sessions.as_bytes(),
            channel.as_bytes(),
            text,
            one.as_bytes(),
        ];
        command(to, &words);
    }
}

fn hex(hash: &KeyHash) -> String {
    hash.0.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

const OPEN: &str = include_str!("open.lua");
const END: &str = include_str!("end.lua");
