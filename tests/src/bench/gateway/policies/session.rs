//! A session without a login: it stands in the daemon's file before the daemon starts, as one that outlived a restart does.

use std::{fs::DirBuilder, net::Ipv4Addr, os::unix::fs::DirBuilderExt as _, time::SystemTime};

use anyhow::{Context as _, Result};
use firewall_daemon::state::sessions::SessionFile;
use firewall_gateway::identity::session::{
    SessionText,
    record::{IdToken, SessionChange, SessionRecord},
};

use super::HOST;
use crate::{seawall, world::World};

const LOGIN: &str = "people";
/// As the token of the bench says.
const CONSUMER: &str = "alice";
const LIFETIME_S: u64 = 43_200;

/// The header of its browser.
pub fn opened(world: &World, id_token: &str) -> Result<String> {
    let folder = seawall::state(world.folder());
    // It says who is somebody: the daemon's alone, as the daemon makes it.
    DirBuilder::new().mode(0o700).create(&folder)?;
    let text = SessionText::generate().context("no randomness")?;
    let now_epoch_s = SystemTime::UNIX_EPOCH.elapsed()?.as_secs();
    let record = SessionRecord {
        hash: text.hash(),
        login: LOGIN.to_owned(),
        consumer: CONSUMER.to_owned(),
        subject: CONSUMER.to_owned(),
        sid: None,
        address: Ipv4Addr::LOCALHOST.into(),
        created_epoch_s: now_epoch_s,
        ends_epoch_s: now_epoch_s + LIFETIME_S,
        idle_timeout_s: 1_800,
        used_epoch_s: now_epoch_s,
        id_token: IdToken(id_token.to_owned()),
    };
    SessionFile::open(&folder).take(&[SessionChange::Open(Box::new(record))])?;
    Ok(format!("cookie: __Host-session-{LOGIN}={}", text.reveal()))
}

/// The login that it comes from. Its provider is nowhere: nobody logs in while this is measured, and sessions go on.
pub fn login() -> String {
    format!(
        "  logins:\n    {LOGIN}: {{issuer: 'https://127.0.0.1:9/realms/shop', client_id: api, origin: 'https://{HOST}', \
         ca: authority.pem, consumer_claim: preferred_username, roles_claim: realm_access.roles}}\n"
    )
}
