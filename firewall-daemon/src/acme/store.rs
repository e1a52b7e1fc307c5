//! What outlives a restart: the account, and the last certificate with its key, each one file that is
//! replaced whole.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Read as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use instant_acme::AccountCredentials;
use serde::{Serialize, de::DeserializeOwned};
use x509_parser::{extensions::GeneralName, pem::Pem};

use super::AcmeError;
use crate::state::file::Staged;

const ACCOUNT: &str = "account.json";
const CERTIFICATE: &str = "certificate.pem";
/// A chain of three and a key have some 6 KB.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// The folder that holds them.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

/// A certificate that was issued, and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The hosts in it, as they were asked for.
    pub names: Vec<String>,
    /// In seconds since 1970.
    pub not_before_epoch_s: u64,
    /// In seconds since 1970.
    pub not_after_epoch_s: u64,
    /// The key in it, as it stands there.
    pub public_key: Vec<u8>,
    /// The key, and the chain after it.
    pub pem: String,
}

/// An account, and where it is one.
#[derive(Serialize, serde::Deserialize)]
struct Account {
    directory: String,
    credentials: AccountCredentials,
}

impl Store {
    /// The folder `path`; it is made with the first file in it.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { folder: path.to_path_buf() }
    }

    /// The certificate of last time.
    ///
    /// # Errors
    ///
    /// Where the file cannot be used.
    pub fn identity(&self) -> Result<Option<Identity>, AcmeError> {
        let Some(bytes) = self.read(CERTIFICATE)? else { return Ok(None) };
        let identity = String::from_utf8(bytes)
            .map_err(|error| error.to_string())
            .and_then(|pem| Identity::of(&pem));
        identity.map(Some).map_err(|found| self.wrong(CERTIFICATE, found))
    }

    /// Keeps a certificate.
    ///
    /// # Errors
    ///
    /// Where the file system refuses; the one of before stays.
    pub fn keep(&self, identity: &Identity) -> Result<(), AcmeError> {
        self.write(CERTIFICATE, identity.pem.as_bytes())
    }

    /// The account at this authority.
    ///
    /// # Errors
    ///
    /// Where the file cannot be used.
    pub fn account(&self, directory: &str) -> Result<Option<AccountCredentials>, AcmeError> {
        let Some(account) = self.json::<Account>(ACCOUNT)? else { return Ok(None) };
        Ok((account.directory == directory).then_some(account.credentials))
    }

    /// Keeps an account.
    ///
    /// # Errors
    ///
    /// Where the file system refuses.
    pub fn keep_account(
        &self,
        directory: &str,
        credentials: AccountCredentials,
    ) -> Result<(), AcmeError> {
        let account = Account { directory: directory.to_owned(), credentials };
        let text =
            serde_json::to_vec(&account).map_err(|error| self.wrong(ACCOUNT, error.to_string()))?;
        self.write(ACCOUNT, &text)
    }

    /// Forgets the account.
    ///
    /// # Errors
    ///
    /// Where the file system refuses.
    pub fn forget_account(&self) -> Result<(), AcmeError> {
        match fs::remove_file(self.folder.join(ACCOUNT)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(self.wrong(ACCOUNT, error.to_string()))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, AcmeError> {
        let Some(bytes) = self.read(name)? else { return Ok(None) };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| self.wrong(name, error.to_string()))
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, AcmeError> {
        let failed = |error: io::Error| self.wrong(name, error.to_string());
        let file = match File::open(self.folder.join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(self.wrong(name, format!("more than {FILE_BYTES_MAX} bytes")));
        }
        Ok(Some(bytes))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), AcmeError> {
        if let Err(error) = DirBuilder::new().mode(0o700).create(&self.folder)
            && !fs::metadata(&self.folder).is_ok_and(|found| found.is_dir())
        {
            return Err(self.wrong("", error.to_string()));
        }
        Ok(Staged::write(&self.folder.join(name), bytes)?.commit()?)
    }

    fn wrong(&self, name: &str, found: String) -> AcmeError {
        AcmeError::File { path: self.folder.join(name), found }
    }
}

impl Identity {
    /// What a key and a chain after it say.
    ///
    /// # Errors
    ///
    /// What is wrong with them.
    pub fn of(pem: &str) -> Result<Self, String> {
        let leaf = Pem::iter_from_buffer(pem.as_bytes())
            .filter_map(Result::ok)
            .find(|block| block.label == "CERTIFICATE")
            .ok_or("no certificate")?;
        let leaf = leaf.parse_x509().map_err(|error| error.to_string())?;
        let extension = leaf.subject_alternative_name().map_err(|error| error.to_string())?;
        let names = extension.map(|extension| &extension.value.general_names);
        let host = |name: &GeneralName<'_>| match name {
            GeneralName::DNSName(host) => Some((*host).to_ascii_lowercase()),
            _ => None,
        };
        let mut names: Vec<String> = names.into_iter().flatten().filter_map(host).collect();
        names.sort();
        let epoch_s = |time: i64| u64::try_from(time).unwrap_or(0);
        Ok(Self {
            names,
            not_before_epoch_s: epoch_s(leaf.validity().not_before.timestamp()),
            not_after_epoch_s: epoch_s(leaf.validity().not_after.timestamp()),
            public_key: leaf.public_key().raw.to_vec(),
            pem: pem.to_owned(),
        })
    }
}
