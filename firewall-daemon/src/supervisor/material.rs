//! Certificates, keys, authorities and lists: read here, as the worker can read no file.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use firewall_gateway::{
    limits::OPENAPI_BYTES_MAX,
    policy::{
        AuthenticationPolicy, CertificatePolicy, ClientCertificatePolicy, ClientCertificateUse,
        DocumentPolicy, EventsPolicy, GatewayPolicy, IntrospectionPolicy, JwtPolicy, KeyText,
        LogPolicy, LoginPolicy, RateStorePolicy, RoutePolicy, SecretText, SessionStorePolicy,
        TlsPolicy, UpstreamPolicy, UpstreamTlsPolicy,
    },
    server::ServeError,
    tls::{CertificateFacts, TlsError},
};

use super::sticky;
use crate::{
    acme::{AcmeError, Store},
    config::{
        CertificateConfig, EventsSinks, GatewayConfig, IntrospectionConfig, JwtConfig, KeysConfig,
        LogConfig, LoginConfig, OpenApiConfig, RateStoreConfig, SessionStoreConfig, TlsConfig,
        UpstreamConfig, yaml_options,
    },
    fetch,
    jwks::store,
    state::StateError,
    status::now_epoch_s,
};

/// A chain of certificates, a bundle of authorities or an OCSP response may have so many bytes.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// All authorities that a host trusts may have so many: some 150 certificates are a quarter of it.
const AUTHORITIES_BYTES_MAX: u64 = 1 << 20;
/// Revocation lists may have so many: some 100,000 entries.
const CRL_BYTES_MAX: u64 = 4 << 20;

/// Where the certificate of an authority stands in the configuration.
const ACME: &str = "gateway.acme";

/// What a worker needs, and what there is to say of it.
#[derive(Clone, Debug)]
pub struct Material {
    /// For the worker.
    pub policy: GatewayPolicy,
    /// Its certificates, in their order.
    pub certificates: Vec<CertificateFacts>,
}

impl Material {
    /// Says in the log what clients refuse of it, now or soon.
    pub fn log_warnings(&self) {
        for warning in super::warnings(&self.certificates, now_epoch_s()) {
            tracing::warn!(warning, "a certificate of the gateway");
        }
    }
}

/// A file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MaterialError {
    /// It cannot be read.
    #[error("{key} {path}: expected a readable file, found: {source}")]
    Read {
        /// The configuration key.
        key: String,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It is too large.
    #[error("{key} {path}: expected at most {max} bytes, found more")]
    TooLarge {
        /// The configuration key.
        key: String,
        /// The file.
        path: PathBuf,
        /// Its bound.
        max: u64,
    },
    /// It is not text.
    #[error("{key} {path}: expected text, found bytes that are none")]
    NoText {
        /// The configuration key.
        key: String,
        /// The file.
        path: PathBuf,
    },
    /// It is no document of an API.
    #[error("{key} {path}: expected YAML or JSON: {found}")]
    Document {
        /// The configuration key.
        key: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        found: String,
    },
    /// The key of sticky cookies.
    #[error(transparent)]
    Sticky(#[from] StateError),
    /// A name is asked for that is there.
    #[error(
        "gateway.acme.names: expected names of no other certificate with an ECDSA key, found {name} in {place}.certificate; remove one of them"
    )]
    Name {
        /// The name.
        name: String,
        /// Where else it is.
        place: String,
    },
    /// The certificate of last time.
    #[error("gateway.acme: {0}")]
    Acme(AcmeError),
    /// It does not hold what it should.
    #[error("gateway: {0}")]
    Content(#[from] ServeError),
}

/// Reads and checks what a worker needs.
///
/// # Errors
///
/// The key and the file.
pub fn material(config: &GatewayConfig, log: LogConfig) -> Result<Material, MaterialError> {
    let upstreams = config.upstreams.iter().map(|one| upstream(one, &config.sticky_key));
    let mut policy = GatewayPolicy {
        tls: tls(config, &config.tls)?,
        upstreams: upstreams.collect::<Result<_, _>>()?,
        routes: routes(config)?,
        jwts: config.jwts.iter().map(jwt).collect::<Result<_, _>>()?,
        logins: logins(config)?,
        clients: config.clients.clone(),
        behaviour: config.behaviour.as_ref().map(|behaviour| behaviour.policy.clone()),
        introspections: config
            .introspections
            .iter()
            .map(introspection)
            .collect::<Result<_, _>>()?,
        countries: config.countries.clone(),
        consumers: config.consumers.clone(),
        authentication_failures: config.authentication_failures,
        rates: config.rates.clone(),
        rate_store: config.rate_store.as_ref().map(rate_store).transpose()?,
        session_store: config.session_store.as_ref().map(session_store).transpose()?,
        openapi: config.openapi.iter().map(openapi).collect::<Result<_, _>>()?,
        answers: config.answers.clone(),
        access_log: config.access_log.clone(),
        events: config.events.as_ref().map(events).transpose()?,
        verdict_services: config.verdict_services.clone(),
        traces: config.traces.clone(),
        limits: config.limits.clone(),
        log: LogPolicy { level: log.level, format: log.format },
    };
    let certificates = match firewall_gateway::server::check(&policy) {
        // The last certificate of an authority serves until the next one does, and makes way for a file.
        Err(ServeError::Tls(TlsError::Conflict { place, .. })) if place == ACME => {
            policy.tls.certificates.retain(|certificate| certificate.place != ACME);
            firewall_gateway::server::check(&policy)?
        }
        checked => checked?,
    };
    let names = config.acme.iter().flat_map(|acme| &acme.names);
    for name in names {
        let same = |other: &&CertificateFacts| {
            other.place != ACME && other.key == "ecdsa" && other.names.contains(name)
        };
        if let Some(other) = certificates.iter().find(same) {
            let place = other.place.clone();
            return Err(MaterialError::Name { name: name.clone(), place });
        }
    }
    Ok(Material { policy, certificates })
}

fn tls(config: &GatewayConfig, tls: &TlsConfig) -> Result<TlsPolicy, MaterialError> {
    let default = CertificateConfig {
        certificate: config.certificate.clone(),
        private_key: config.private_key.clone(),
        ocsp: config.ocsp.clone(),
    };
    let mut certificates = vec![certificate("gateway".to_owned(), &default)?];
    for (number, entry) in config.certificates.iter().enumerate() {
        certificates.push(certificate(format!("gateway.certificates[{number}]"), entry)?);
    }
    if let Some(acme) = &config.acme
        && let Some(identity) = Store::new(&acme.store).identity().map_err(MaterialError::Acme)?
    {
        certificates.push(CertificatePolicy {
            place: ACME.to_owned(),
            chain_pem: identity.pem.clone(),
            key_pem: identity.pem,
            ocsp_der: None,
        });
    }
    let wanted = |route: &RoutePolicy| {
        route.client_certificate != ClientCertificateUse::None
            || route.authentication.contains(&AuthenticationPolicy::Certificate)
    };
    let clients = tls.client_certificates.as_ref().filter(|_| config.routes.iter().any(wanted));
    let client_certificates = clients.map(|clients| {
        Ok::<_, MaterialError>(ClientCertificatePolicy {
            ca_pem: text("gateway.tls.client_ca", &clients.ca, FILE_BYTES_MAX)?,
            crl_pem: match &clients.crl {
                Some(path) => text("gateway.tls.client_crl", path, CRL_BYTES_MAX)?,
                None => String::new(),
            },
        })
    });
    Ok(TlsPolicy {
        certificates,
        unknown_name: tls.unknown_name,
        version_min: tls.version_min,
        // The supervisor's own, in the moment of handing over.
        ticket_keys: Vec::new(),
        ticket_lifetime_s: tls.ticket_lifetime_s,
        client_certificates: client_certificates.transpose()?,
        acme: config.acme.is_some(),
    })
}

fn certificate(
    place: String,
    config: &CertificateConfig,
) -> Result<CertificatePolicy, MaterialError> {
    let key = |key: &str| format!("{place}.{key}");
    Ok(CertificatePolicy {
        chain_pem: text(&key("certificate"), &config.certificate, FILE_BYTES_MAX)?,
        key_pem: text(&key("private_key"), &config.private_key, FILE_BYTES_MAX)?,
        ocsp_der: match &config.ocsp {
            Some(path) => Some(bytes(&key("ocsp"), path, FILE_BYTES_MAX)?),
            None => None,
        },
        place,
    })
}

fn routes(config: &GatewayConfig) -> Result<Vec<RoutePolicy>, MaterialError> {
    let mut routes = config.routes.clone();
    for token in routes.iter_mut().filter_map(|route| route.csrf.as_mut()?.token.as_mut()) {
        token.key_hex = sticky::key_hex(&config.sticky_key)?;
    }
    Ok(routes)
}

fn upstream(config: &UpstreamConfig, sticky_key: &Path) -> Result<UpstreamPolicy, MaterialError> {
    let tls = config.tls.as_ref().map(|tls| {
        Ok::<_, MaterialError>(UpstreamTlsPolicy {
            server_name: tls.server_name.clone(),
            ca_pem: text("gateway: the upstream's ca", &tls.ca, FILE_BYTES_MAX)?,
        })
    });
    let mut delivery = config.delivery.clone();
    if let Some(policy) = &mut delivery.sticky {
        policy.key_hex = sticky::key_hex(sticky_key)?;
    }
    Ok(UpstreamPolicy {
        name: config.name.clone(),
        backends: config.backends.clone(),
        host: config.host.clone(),
        tls: tls.transpose()?,
        connections_max: config.connections_max,
        ports: config.names.iter().map(|name| name.port).collect(),
        delivery,
    })
}

fn text(key: &str, path: &Path, bytes_max: u64) -> Result<String, MaterialError> {
    let no_text = |_| MaterialError::NoText { key: key.to_owned(), path: path.to_path_buf() };
    String::from_utf8(bytes(key, path, bytes_max)?).map_err(no_text)
}

fn bytes(key: &str, path: &Path, bytes_max: u64) -> Result<Vec<u8>, MaterialError> {
    let (key, path) = (key.to_owned(), path.to_path_buf());
    let mut bytes = Vec::new();
    let read = File::open(&path).and_then(|file| file.take(bytes_max + 1).read_to_end(&mut bytes));
    match read {
        Err(source) => Err(MaterialError::Read { key, path, source }),
        Ok(_) if bytes.len() as u64 > bytes_max => {
            Err(MaterialError::TooLarge { key, path, max: bytes_max })
        }
        Ok(_) => Ok(bytes),
    }
}

fn openapi(config: &OpenApiConfig) -> Result<DocumentPolicy, MaterialError> {
    let (key, path) = (format!("gateway.openapi.{}.file", config.name), &config.file);
    let text = text(&key, path, OPENAPI_BYTES_MAX)?;
    // JSON is read by the gateway alone: it refuses what means one thing here and another there.
    let text = if text.trim_start().starts_with('{') {
        text
    } else {
        let value: serde_json::Value =
            serde_saphyr::from_str_with_options(&text, yaml_options()).map_err(|error| {
                MaterialError::Document { key, path: path.clone(), found: error.to_string() }
            })?;
        value.to_string()
    };
    Ok(DocumentPolicy { name: config.name.clone(), text, base_path: config.base_path.clone() })
}

fn introspection(config: &IntrospectionConfig) -> Result<IntrospectionPolicy, MaterialError> {
    let mut policy = config.policy.clone();
    if let Some(path) = &config.secret {
        let key = format!("gateway.introspections.{}.client_secret_file", policy.name);
        let secret = text(&key, path, FILE_BYTES_MAX)?;
        policy.client_secret = Some(SecretText(secret.trim_end_matches(['\r', '\n']).to_owned()));
    }
    Ok(policy)
}

fn events(config: &EventsSinks) -> Result<EventsPolicy, MaterialError> {
    let mut policy = config.policy.clone();
    if let (Some(webhook), Some(path)) = (&mut policy.webhook, &config.secret) {
        let text = text("gateway.events.webhook.secret", path, FILE_BYTES_MAX)?;
        webhook.secret = text.trim().to_owned();
    }
    let host = host_name();
    policy.source = match &config.source {
        Some(source) => source.clone(),
        None if host.is_empty() => "urn:seawall".to_owned(),
        None => format!("urn:seawall:{host}"),
    };
    if let Some(syslog) = &mut policy.syslog {
        syslog.host = host;
    }
    Ok(policy)
}

/// What this host calls itself; nothing where that is not known, or could not stand in a line.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    Some(name.trim()).filter(|name| name.bytes().all(plain)).unwrap_or_default().to_owned()
}

fn rate_store(config: &RateStoreConfig) -> Result<RateStorePolicy, MaterialError> {
    let password = config.password.as_ref().map(|path| {
        let text = text("gateway.rate_store.password", path, FILE_BYTES_MAX)?;
        Ok::<_, MaterialError>(text.trim_end_matches(['\r', '\n']).to_owned())
    });
    Ok(RateStorePolicy { password: password.transpose()?, ..config.policy.clone() })
}

fn session_store(config: &SessionStoreConfig) -> Result<SessionStorePolicy, MaterialError> {
    let password = config.password.as_ref().map(|path| {
        let text = text("gateway.session_store.password", path, FILE_BYTES_MAX)?;
        Ok::<_, MaterialError>(SecretText(text.trim_end_matches(['\r', '\n']).to_owned()))
    });
    Ok(SessionStorePolicy { password: password.transpose()?, ..config.policy.clone() })
}

fn logins(config: &GatewayConfig) -> Result<Vec<LoginPolicy>, MaterialError> {
    let login = |login: &LoginConfig| {
        let LoginConfig { policy, discovery, client_secret } = login;
        let key = |key: &str| format!("gateway.logins.{}.{key}", policy.name());
        let secret = client_secret.as_ref().map(|path| {
            let secret = text(&key("client_secret_file"), path, FILE_BYTES_MAX)?;
            Ok::<_, MaterialError>(SecretText(secret.trim_end_matches(['\r', '\n']).to_owned()))
        });
        let ca = discovery.ca.as_deref().unwrap_or(Path::new(fetch::AUTHORITIES));
        // What is wrong with the copy is told where it is fetched anew.
        let copy = store::read(&discovery.copy, &discovery.url).ok().flatten();
        Ok(LoginPolicy {
            jwt: jwt(&login.issuer())?,
            client_secret: secret.transpose()?,
            ca_pem: text(&key("ca"), ca, AUTHORITIES_BYTES_MAX)?,
            key_hex: SecretText(sticky::key_hex(&config.sticky_key)?),
            provider: copy.and_then(|copy| copy.provider),
            ..policy.clone()
        })
    };
    config.logins.iter().map(login).collect()
}

fn jwt(config: &JwtConfig) -> Result<JwtPolicy, MaterialError> {
    let name = &config.policy.name;
    let keys = match &config.keys {
        KeysConfig::Inline(text) => Some(KeyText { text: text.clone(), confirmed_epoch_s: 0 }),
        KeysConfig::File(path) => {
            let key = format!("gateway.jwt.{name}.jwks_file");
            Some(KeyText { text: text(&key, path, FILE_BYTES_MAX)?, confirmed_epoch_s: 0 })
        }
        // What is wrong with the copy is told where it is fetched anew.
        KeysConfig::Url(endpoint) | KeysConfig::Discovered { endpoint, .. } => {
            let copy = store::read(&endpoint.copy, &endpoint.url).ok().flatten();
            copy.map(|copy| copy.keys())
        }
    };
    Ok(JwtPolicy { keys, ..config.policy.clone() })
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::openapi;
    use crate::config::OpenApiConfig;

    // What YAML makes of a text is the same whoever reads it: numbers as names, `no` as a text.
    #[test]
    fn a_document_is_yaml_or_json() {
        let file = PathBuf::from(format!(
            "{}/seawall-openapi-{}",
            std::env::temp_dir().display(),
            std::process::id()
        ));
        let config = OpenApiConfig { name: "a".into(), file: file.clone(), base_path: None };
        let json = r#"{"responses":{"200":{"enum":["no",true,1]}},"version":"1.0"}"#;
        for (text, expected) in [
            (json, Ok(json)),
            ("version: '1.0'\nresponses:\n  200:\n    enum: [no, true, 1]\n", Ok(json)),
            ("{\"a\":1,\"a\":2}", Ok("{\"a\":1,\"a\":2}")),
            ("a: 1\na: 2\n", Err("expected YAML or JSON: ")),
            ("a: [\n", Err("expected YAML or JSON: ")),
        ] {
            fs::write(&file, text).expect("a file");
            match (openapi(&config), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found.text, expected),
                (Err(error), Err(expected)) => {
                    let error = error.to_string();
                    let begins = format!("gateway.openapi.a.file {}: {expected}", file.display());
                    assert!(error.starts_with(&begins), "{error}");
                }
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
        fs::remove_file(&file).expect("it was there");
        let error = openapi(&config).expect_err("no file").to_string();
        assert!(error.contains("expected a readable file"), "{error}");
    }
}
