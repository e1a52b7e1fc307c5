//! An authority, what it signs, and clients that trust it.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use firewall_gateway::policy::CertificatePolicy;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned,
    SupportedProtocolVersion,
    crypto::{CryptoProvider, SupportedKxGroup},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::world::{Client, PATIENCE};

/// What a server shows under this name, and the text of it that its clients trust.
pub fn self_signed(name: &str) -> (Arc<ServerConfig>, String) {
    let pair = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let certificate_pem = pair.cert.pem();
    let certificate = CertificateDer::from_pem_slice(certificate_pem.as_bytes()).unwrap();
    let key_pem = pair.signing_key.serialize_pem();
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    (Arc::new(config), certificate_pem)
}

pub struct Authority {
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A chain and its key, as text.
#[derive(Clone)]
pub struct Identity {
    pub chain_pem: String,
    pub key_pem: String,
}

impl Authority {
    pub fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { pem, issuer: Issuer::new(params, key) }
    }

    pub fn server(&self, names: &[&str], key: KeyPair) -> Identity {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params, key)
    }

    /// A client's certificate, good until the end of this year of the century.
    pub fn client(&self, name: &str, serial: u64, until_year: i32) -> Identity {
        let mut params = CertificateParams::new(vec![format!("{name}.clients")]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.serial_number = Some(SerialNumber::from(serial));
        params.not_after = date_time_ymd(until_year, 12, 31);
        self.sign(params, KeyPair::generate().unwrap())
    }

    /// A list of revoked serial numbers, good until the end of this year.
    pub fn revoked(&self, serials: &[u64], until_year: i32) -> String {
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(until_year, 12, 31),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    fn sign(&self, mut params: CertificateParams, key: KeyPair) -> Identity {
        params.use_authority_key_identifier_extension = true;
        let chain_pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        Identity { chain_pem, key_pem: key.serialize_pem() }
    }

    /// A client that trusts this authority, and shows a certificate where it has one.
    pub fn trusting(&self, versions: &[&'static SupportedProtocolVersion]) -> Trusting {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()).unwrap();
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        Trusting { roots, versions: versions.to_vec(), identity: None, provider }
    }
}

impl Identity {
    pub fn policy(&self, place: &str) -> CertificatePolicy {
        CertificatePolicy {
            place: place.to_owned(),
            chain_pem: self.chain_pem.clone(),
            key_pem: self.key_pem.clone(),
            ocsp_der: None,
        }
    }

    pub fn leaf(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.chain_pem.as_bytes()).unwrap()
    }
}

pub struct Trusting {
    roots: RootCertStore,
    versions: Vec<&'static SupportedProtocolVersion>,
    identity: Option<Identity>,
    provider: CryptoProvider,
}

impl Trusting {
    pub fn showing(mut self, identity: &Identity) -> Trusting {
        self.identity = Some(identity.clone());
        self
    }

    pub fn exchanging(mut self, groups: Vec<&'static dyn SupportedKxGroup>) -> Trusting {
        self.provider.kx_groups = groups;
        self
    }

    pub fn config(self) -> ClientConfig {
        let config = ClientConfig::builder_with_provider(Arc::new(self.provider))
            .with_protocol_versions(&self.versions)
            .unwrap()
            .with_root_certificates(self.roots);
        let mut config = match self.identity {
            None => config.with_no_client_auth(),
            Some(identity) => {
                let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).unwrap();
                config.with_client_auth_cert(vec![identity.leaf()], key).unwrap()
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config
    }
}

/// A connection on which nothing was said yet.
pub fn open(address: SocketAddr, config: &Arc<ClientConfig>, host: &str) -> io::Result<Client> {
    let tcp = TcpStream::connect(address)?;
    tcp.set_read_timeout(Some(PATIENCE))?;
    let name = host.to_owned().try_into().map_err(io::Error::other)?;
    let session = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
    Ok(StreamOwned::new(session, tcp))
}

/// Shakes hands and asks for `/`: a client learns of a refused certificate only from the answer.
pub fn ask(address: SocketAddr, config: &Arc<ClientConfig>, host: &str) -> io::Result<Client> {
    let mut client = open(address, config, host)?;
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    client.read_to_end(&mut answer)?;
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{:?}", String::from_utf8_lossy(&answer));
    Ok(client)
}
