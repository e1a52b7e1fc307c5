//! One order, from the account to the certificate.

use std::time::Duration;

use firewall_gateway::policy::{CertificatePolicy, ChallengePolicy};
use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Identifier, NewAccount, NewOrder, Order,
    OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair, PublicKeyData as _};
use tokio::time::{sleep, timeout};

use super::{AcmeError, Identity, Store, http::Client};
use crate::{config::AcmeConfig, fetch};

/// From the account to the certificate; authorities look from several places, and let wait.
const ORDER_TIMEOUT: Duration = Duration::from_secs(300);
/// How long an authority may take to look, and to sign.
const STEP_TIMEOUT: Duration = Duration::from_secs(120);

/// How long the worker may take to show a challenge: the authority looks as soon as it is told to.
const SHOW_TIMEOUT: Duration = Duration::from_secs(2);
/// How often it is asked whether it does.
const SHOW_POLL: Duration = Duration::from_millis(5);
/// How often an order is begun where the authority takes none of its nonces. The library asks three times
/// with each; an authority that refuses one nonce in twenty gets so far in one of 1,000 orders.
const NONCE_TRIES_MAX: u32 = 4;

/// Where the worker gets what it is to show to the authority.
pub trait Challenge: Sync {
    /// Shows these certificates, and no others.
    fn show(&self, challenges: Vec<ChallengePolicy>);

    /// Whether they are shown already.
    fn is_shown(&self) -> bool;
}

/// Orders a certificate.
///
/// # Errors
///
/// Where there is none; what was shown to the authority is shown no more in any case.
pub async fn obtain(
    config: &AcmeConfig,
    store: &Store,
    challenge: &impl Challenge,
) -> Result<Identity, AcmeError> {
    let obtained = timeout(ORDER_TIMEOUT, persistent(config, store, challenge)).await;
    challenge.show(Vec::new());
    obtained.unwrap_or(Err(AcmeError::Late(ORDER_TIMEOUT.as_secs())))
}

/// RFC 8555, 6.5: a client tries again with another nonce.
async fn persistent(
    config: &AcmeConfig,
    store: &Store,
    challenge: &impl Challenge,
) -> Result<Identity, AcmeError> {
    for _ in 1..NONCE_TRIES_MAX {
        match order(config, store, challenge).await {
            Err(error) if error.is_of("badNonce") => {
                tracing::info!("the authority refuses nonces: the order is begun anew");
            }
            ended => return ended,
        }
    }
    order(config, store, challenge).await
}

async fn order(
    config: &AcmeConfig,
    store: &Store,
    challenge: &impl Challenge,
) -> Result<Identity, AcmeError> {
    let failed = |source| AcmeError::Authority {
        directory: fetch::shown(&config.directory),
        source: Box::new(source),
    };
    let account = account(config, store).await?;
    let identifiers: Vec<Identifier> = config.names.iter().cloned().map(Identifier::Dns).collect();
    let mut order = match account.new_order(&NewOrder::new(&identifiers)).await {
        Ok(order) => order,
        Err(error) => {
            let error = failed(error);
            // An authority that forgot us gets a new account the next time.
            if error.is_of("accountDoesNotExist") {
                store.forget_account()?;
            }
            return Err(error);
        }
    };
    let mut shown = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(failed)?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let name = authorization.identifier().to_string();
        let Some(mut offered) = authorization.challenge(ChallengeType::TlsAlpn01) else {
            return Err(AcmeError::NoChallenge { name });
        };
        shown.push(certificate(&name, offered.key_authorization().digest().as_ref())?);
        challenge.show(shown.clone());
        await_shown(challenge).await?;
        offered.set_ready().await.map_err(failed)?;
    }
    let retries = RetryPolicy::new().timeout(STEP_TIMEOUT);
    match order.poll_ready(&retries).await.map_err(failed)? {
        OrderStatus::Ready | OrderStatus::Valid | OrderStatus::Processing => {}
        OrderStatus::Pending | OrderStatus::Invalid => return Err(refusal(&mut order).await),
    }
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(config.names.clone())?;
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(&key)?;
    order.finalize_csr(request.der()).await.map_err(failed)?;
    let chain = order.poll_certificate(&retries).await.map_err(failed)?;
    judged(&config.names, &key, &chain)
}

async fn account(config: &AcmeConfig, store: &Store) -> Result<Account, AcmeError> {
    let directory = &config.directory;
    let failed = |source| AcmeError::Authority {
        directory: fetch::shown(directory),
        source: Box::new(source),
    };
    let client = Client::new(config.ca.as_deref())?;
    let builder = Account::builder_with_http(Box::new(client));
    if let Some(credentials) = store.account(directory)? {
        return builder.from_credentials(credentials).await.map_err(failed);
    }
    let contact: Vec<&str> = config.contact.iter().map(String::as_str).collect();
    let new = NewAccount {
        contact: &contact,
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let created = builder.create(&new, directory.clone(), None).await;
    let (account, credentials) = created.map_err(failed)?;
    store.keep_account(directory, credentials)?;
    Ok(account)
}

async fn await_shown(challenge: &impl Challenge) -> Result<(), AcmeError> {
    let shown = async {
        while !challenge.is_shown() {
            sleep(SHOW_POLL).await;
        }
    };
    let late = |_| AcmeError::NotShown(SHOW_TIMEOUT.as_millis() as u64);
    timeout(SHOW_TIMEOUT, shown).await.map_err(late)
}

/// What the worker shows for a name: RFC 8737, 3.
fn certificate(name: &str, digest: &[u8]) -> Result<ChallengePolicy, AcmeError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let certificate = CertificatePolicy {
        place: "gateway.acme".to_owned(),
        chain_pem: params.self_signed(&key)?.pem(),
        key_pem: key.serialize_pem(),
        ocsp_der: None,
    };
    Ok(ChallengePolicy { name: name.to_owned(), certificate })
}

/// The first name that the authority did not find to be ours, in its words.
async fn refusal(order: &mut Order) -> AcmeError {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let Ok(state) = authorization.refresh().await else { continue };
        if state.status == AuthorizationStatus::Valid {
            continue;
        }
        let why = state.challenges.iter().find_map(|challenge| challenge.error.as_ref());
        let why = why.map_or_else(|| "it gives no reason".to_owned(), ToString::to_string);
        let name = authorization.identifier().to_string();
        return AcmeError::Refused { name, why };
    }
    AcmeError::Issued("the order is not ready, though every name is ours".to_owned())
}

/// A certificate that does not carry the names would take the good one's place.
fn judged(names: &[String], key: &KeyPair, chain: &str) -> Result<Identity, AcmeError> {
    let pem = format!("{}{chain}", key.serialize_pem());
    let identity = Identity::of(&pem).map_err(AcmeError::Issued)?;
    if identity.public_key != key.subject_public_key_info() {
        return Err(AcmeError::Issued("the certificate is of another key".to_owned()));
    }
    if identity.names != names {
        let found = identity.names.join(", ");
        return Err(AcmeError::Issued(format!("expected {}, found {found}", names.join(", "))));
    }
    Ok(identity)
}
