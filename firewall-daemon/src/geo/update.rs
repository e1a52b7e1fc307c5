//! One update of one database, up to the file that may come into force. The policy is not touched here.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use serde::{Deserialize, Serialize};

use super::{
    Database, GeoRefusal,
    checks::{self, Facts},
    provider::{self, Month},
    unpack,
};
use crate::{
    config::{GeoConfig, GeoUpdateConfig, Provider},
    feeds::guard::Bounds,
    fetch::{self, FetchError, Fetched, Validators, Wanted},
    state::{
        file::{Staged, beside},
        swap::Update,
    },
};

/// A licence key or token has a tenth of it.
const KEY_BYTES_MAX: u64 = 1_024;
/// Bytes of a database from a file, where no update is configured.
const BYTES_MAX: u64 = 512 << 20;
const BOUNDS: Bounds = Bounds { shrink_max_percent: 30, grow_max_percent: 100 };

/// Where a database is to come from.
#[derive(Clone, Debug, Default)]
pub enum From {
    /// From where the configuration says.
    #[default]
    Configured,
    /// From a URL.
    Url(String),
    /// From a file.
    File(PathBuf),
}

/// A database that may come into force.
#[derive(Debug)]
pub struct NewDatabase {
    /// Its file.
    pub staged: Staged,
    /// What it is.
    pub facts: Facts,
    /// Where it came from; nothing of a file.
    pub source: Option<Source>,
}

/// Where the database that is there came from.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The URL as it is shown: a key in it stays out of files.
    url: String,
    validators: Validators,
}

impl Source {
    /// Notes it beside the database, once that is in its place; where this fails, it is fetched once more.
    pub fn note(&self, path: &Path) {
        if let Ok(json) = serde_json::to_vec(self) {
            let _ = fs::write(beside(path, ".source"), json);
        }
    }
}

/// The file of a database, where it is configured.
#[must_use]
pub fn path(geo: &GeoConfig, database: Database) -> Option<&Path> {
    match database {
        Database::Country => Some(&geo.database),
        Database::Asn => geo.asn_database.as_deref(),
    }
}

/// Whether the configuration says where a database comes from.
#[must_use]
pub fn is_configured(geo: &GeoConfig, database: Database) -> bool {
    let month = Month { year: 2_026, month: 1 };
    let update = geo.update.as_ref();
    let url = update.and_then(|update| provider::url(update, database, month, None));
    url.is_some() && path(geo, database).is_some()
}

/// Fetches or reads a database and stages it beside the one that is there.
///
/// # Errors
///
/// Why it is not taken: the database that is there stays as it is.
pub fn prepare(
    geo: &GeoConfig,
    database: Database,
    from: &From,
    force: bool,
    now_epoch_s: u64,
    stopping: &AtomicBool,
) -> Result<Update<NewDatabase>, GeoRefusal> {
    let path = path(geo, database).ok_or_else(|| {
        GeoRefusal::Source("expected packet.geo.asn_database, found none".to_owned())
    })?;
    let (bytes_max, bounds) =
        geo.update.as_ref().map_or((BYTES_MAX, BOUNDS), |update| (update.bytes_max, update.bounds));
    let (bytes, source) = match from {
        From::File(file) => (read(file, bytes_max)?, None),
        From::Url(_) | From::Configured => {
            match fetched(geo, database, from, path, force, now_epoch_s, stopping)? {
                None => return Ok(Update::Unchanged),
                Some((bytes, source)) => (bytes, Some(source)),
            }
        }
    };
    let bytes = unpack::unpack(bytes, bytes_max)?;
    if fs::metadata(path).is_ok_and(|found| found.len() == bytes.len() as u64)
        && fs::read(path).is_ok_and(|there| there == bytes)
    {
        // The same again, from a server that does not say so: no new policy for that.
        return Ok(Update::Unchanged);
    }
    let staged = Staged::write_public(path, |file| file.write_all(&bytes))
        .map_err(|source| GeoRefusal::Store { what: "write", path: path.to_path_buf(), source })?;
    let old = path.exists().then_some(path);
    let facts = checks::check(database, staged.path(), old, bounds, now_epoch_s, force)?;
    Ok(Update::New(NewDatabase { staged, facts, source }))
}

/// The bytes of another database, and where they came from; nothing where there is none.
fn fetched(
    geo: &GeoConfig,
    database: Database,
    from: &From,
    path: &Path,
    force: bool,
    now_epoch_s: u64,
    stopping: &AtomicBool,
) -> Result<Option<(Vec<u8>, Source)>, GeoRefusal> {
    let update = geo.update.as_ref();
    let key = update.map(key).transpose()?.flatten();
    let known = fs::read(beside(path, ".source")).ok().filter(|_| path.exists() && !force);
    let known: Option<Source> = known.and_then(|json| serde_json::from_slice(&json).ok());
    let get = |url: String, authorization: Option<String>| {
        let shown = fetch::shown(&url);
        let same = known.as_ref().filter(|known| known.url == shown);
        let wanted = Wanted {
            timeout: fetch::TIMEOUT,
            url,
            ca: update.and_then(|update| update.ca.clone()),
            bytes_max: update.map_or(BYTES_MAX, |update| update.bytes_max),
            authorization,
            known: same.map(|known| known.validators.clone()).unwrap_or_default(),
        };
        match fetch::apart(wanted, stopping)? {
            Fetched::Unchanged => Ok(None),
            Fetched::New { bytes, validators } => {
                Ok(Some((bytes, Source { url: shown, validators })))
            }
        }
    };
    if let From::Url(url) = from {
        fetch::check_url(url).map_err(|expected| {
            GeoRefusal::Source(format!("--url: expected {expected}, found {:?}", fetch::shown(url)))
        })?;
        // A key goes to the provider that it belongs to, and to nobody else.
        return get(url.clone(), None);
    }
    let none = || {
        GeoRefusal::Source(format!(
            "expected packet.geo.update to say where the {} database comes from, found nothing; or give --url or --from",
            database.label()
        ))
    };
    let update = update.ok_or_else(none)?;
    let authorization = || provider::authorization(update, key.as_deref());
    let of = |month| provider::url(update, database, month, key.as_deref()).ok_or_else(none);
    let month = Month::of(now_epoch_s);
    let (url, before) = (of(month)?, of(month.before())?);
    match get(url.clone(), authorization()) {
        // The first days of a month, its database is not there yet.
        Err(GeoRefusal::Fetch(FetchError::Status { found: 404 })) if url != before => {
            get(before, authorization())
        }
        got => got,
    }
}

/// The licence key or token, read when it is used: it may have been renewed.
fn key(update: &GeoUpdateConfig) -> Result<Option<String>, GeoRefusal> {
    let path = match &update.provider {
        Provider::Maxmind { key_file, .. } | Provider::Ipinfo { key_file } => key_file,
        Provider::DbipLite | Provider::Url => return Ok(None),
    };
    let bytes = read(path, KEY_BYTES_MAX)?;
    let key = str::from_utf8(&bytes).map(str::trim).unwrap_or_default();
    let printable = |key: &str| key.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'&');
    if key.is_empty() || !printable(key) {
        return Err(GeoRefusal::Source(format!(
            "expected a key of printable characters in {}, found none",
            path.display()
        )));
    }
    Ok(Some(key.to_owned()))
}

fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, GeoRefusal> {
    let failed = |source| GeoRefusal::Store { what: "read", path: path.to_path_buf(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > bytes_max {
        return Err(FetchError::TooLarge { bytes_max }.into());
    }
    Ok(bytes)
}
