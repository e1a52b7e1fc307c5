//! A certificate authority for one world, and the certificates of its servers.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// A certificate authority whose certificate is a file.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: PathBuf,
    /// Its certificate, for those who are to trust it.
    pub certificate: PathBuf,
}

/// A server's certificate and key, as files.
#[derive(Clone, Debug)]
pub struct Identity {
    /// PEM chain.
    pub certificate: PathBuf,
    /// PEM key, readable by its owner only.
    pub key: PathBuf,
}

impl Authority {
    /// Makes an authority that keeps its files in `folder`, named by `name`.
    pub fn create(folder: &Path, name: &str) -> Result<Self> {
        let mut params = CertificateParams::new(Vec::default())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, format!("Seawall tests, {name}"));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let certificate = folder.join(format!("{name}.pem"));
        write(&certificate, &params.self_signed(&key)?.pem(), 0o644)?;
        Ok(Self { issuer: Issuer::new(params, key), folder: folder.to_path_buf(), certificate })
    }

    /// Makes a certificate for a server of this host name.
    pub fn issue(&self, host: &str) -> Result<Identity> {
        let mut params = CertificateParams::new(vec![host.to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, host);
        params.use_authority_key_identifier_extension = true;
        params.key_usages.push(KeyUsagePurpose::DigitalSignature);
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let identity = Identity {
            certificate: self.folder.join(format!("{host}.pem")),
            key: self.folder.join(format!("{host}.key")),
        };
        write(&identity.certificate, &certificate.pem(), 0o644)?;
        write(&identity.key, &key.serialize_pem(), 0o600)?;
        Ok(identity)
    }
}

fn write(path: &Path, content: &str, mode: u32) -> Result<()> {
    fs::write(path, content)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
        .with_context(|| format!("could not write {}", path.display()))
}
