//! A certificate authority for one world, and the certificates of its servers.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256,
    RevokedCertParams, SerialNumber, date_time_ymd,
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

    /// Makes a certificate for a server of this host name; a second one takes the first one's place.
    pub fn issue(&self, host: &str) -> Result<Identity> {
        self.issue_for(&[host], host, KeyPair::generate()?)
    }

    /// The same with an RSA key, in files of another name.
    pub fn issue_rsa(&self, host: &str) -> Result<Identity> {
        self.issue_for(&[host], &format!("{host}-rsa"), KeyPair::generate_for(&PKCS_RSA_SHA256)?)
    }

    /// Makes a certificate for a server of these host names.
    pub fn issue_for(&self, hosts: &[&str], file: &str, key: KeyPair) -> Result<Identity> {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts)?;
        params.distinguished_name.push(DnType::CommonName, file);
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        self.sign(params, file, &key)
    }

    /// Makes a certificate for a client of this name.
    pub fn issue_client(&self, name: &str, serial: u64) -> Result<Identity> {
        let mut params = CertificateParams::new(vec![format!("{name}.clients")])?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.serial_number = Some(SerialNumber::from(serial));
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
        self.sign(params, name, &KeyPair::generate()?)
    }

    /// Writes a list of revoked serial numbers.
    pub fn revoke(&self, serials: &[u64]) -> Result<PathBuf> {
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(2100, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let path = self.folder.join("revoked.pem");
        write(&path, &params.signed_by(&self.issuer)?.pem()?, 0o644)?;
        Ok(path)
    }

    /// Writes its key, for tools that sign in its name.
    pub fn key(&self) -> Result<PathBuf> {
        let path = self.folder.join("authority.key");
        write(&path, &self.issuer.key().serialize_pem(), 0o600)?;
        Ok(path)
    }

    fn sign(&self, mut params: CertificateParams, file: &str, key: &KeyPair) -> Result<Identity> {
        params.use_authority_key_identifier_extension = true;
        params.key_usages.push(KeyUsagePurpose::DigitalSignature);
        let certificate = params.signed_by(key, &self.issuer)?;
        let identity = Identity {
            certificate: self.folder.join(format!("{file}.pem")),
            key: self.folder.join(format!("{file}.key")),
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
