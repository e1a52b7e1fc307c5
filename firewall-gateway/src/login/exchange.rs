//! A code becomes an ID token (OpenID Connect Core 1.0, 3.1.3): a request to the token endpoint, bounded in time,
//! size and number.

use std::time::Duration;

use bytes::Bytes;
use form_urlencoded::Serializer;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::client::TlsStream;

use super::{LoginError, Provider, progress::Progress};
use crate::{
    client_authentication::{basic, post},
    limits::{
        JWT_TOKEN_BYTES_MAX, LOGIN_ANSWER_BYTES_MAX, LOGIN_EXCHANGE_TIMEOUT_MS,
        UPSTREAM_HEADER_BYTES_MAX,
    },
    policy::{ClientAuthentication, LoginPolicy},
    read_ahead::ReadAhead,
};

/// What a token endpoint answers; what else it sends is not for us.
#[derive(Deserialize)]
struct Answer {
    id_token: Option<String>,
    error: Option<String>,
}

/// Asks for the ID token of a code.
///
/// # Errors
/// Why there is none.
pub async fn id_token(
    login: &LoginPolicy,
    provider: &Provider,
    code: &str,
    progress: &Progress,
    redirect_uri: &str,
) -> Result<String, LoginError> {
    let request = request(login, provider, code, progress, redirect_uri)?;
    let time = Duration::from_millis(LOGIN_EXCHANGE_TIMEOUT_MS);
    let asked = timeout(time, ask(login.name(), provider, request));
    let (status, body) = asked.await.map_err(|_| LoginError::Timeout)??;
    let answer: Result<Answer, _> = serde_json::from_slice(&body);
    match (status, answer) {
        (StatusCode::OK, Ok(Answer { id_token: Some(token), .. })) => match token.len() {
            0..=JWT_TOKEN_BYTES_MAX => Ok(token),
            _ => Err(LoginError::TooLarge),
        },
        (StatusCode::OK, Ok(_)) => Err(LoginError::IdTokenMissing),
        (StatusCode::OK, Err(_)) => Err(LoginError::Malformed),
        // RFC 6749, 5.2.
        (status, Ok(Answer { error: Some(error), .. })) if status.is_client_error() => {
            let (login, error) = (login.name(), shown(&error));
            tracing::warn!(login, error, "the provider gives no token for a code");
            Err(LoginError::TokenError)
        }
        (status, _) => {
            let (login, status) = (login.name(), status.as_u16());
            tracing::warn!(login, status, "the token endpoint answers with another status");
            Err(LoginError::Status)
        }
    }
}

fn request(
    login: &LoginPolicy,
    provider: &Provider,
    code: &str,
    progress: &Progress,
    redirect_uri: &str,
) -> Result<Request<Full<Bytes>>, LoginError> {
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "authorization_code")
        .append_pair("code", code)
        .append_pair("redirect_uri", redirect_uri)
        .append_pair("code_verifier", &progress.verifier);
    let secret = login.client_secret.as_ref().map(|secret| secret.0.as_str());
    let authorization = match (login.client_authentication, secret) {
        (ClientAuthentication::ClientSecretBasic, Some(secret)) => {
            Some(basic(&login.client_id, secret).ok_or(LoginError::Connect)?)
        }
        (ClientAuthentication::ClientSecretPost, _) | (_, None) => {
            post(&mut form, &login.client_id, secret);
            None
        }
    };
    let uri: Uri = provider.policy.token_endpoint.parse().map_err(|_| LoginError::Connect)?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let host = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
    let mut request = Request::new(Full::new(Bytes::from(form.finish())));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = path.parse().map_err(|_| LoginError::Connect)?;
    let headers = request.headers_mut();
    headers.insert(header::HOST, host.parse().map_err(|_| LoginError::Connect)?);
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    headers.insert(header::CONTENT_TYPE, form);
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    headers.extend(authorization.map(|value| (header::AUTHORIZATION, value)));
    Ok(request)
}

async fn ask(
    login: &str,
    provider: &Provider,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), LoginError> {
    let stream = connect(login, provider).await?;
    let broken = |error: hyper::Error| {
        tracing::warn!(login, %error, "the token endpoint's answer cannot be read");
        LoginError::Malformed
    };
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(UPSTREAM_HEADER_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let answer = async move {
        let answer = sender.send_request(request).await.map_err(broken)?;
        let (status, body) = (answer.status(), answer.into_body());
        let body = Limited::new(body, LOGIN_ANSWER_BYTES_MAX).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                LoginError::TooLarge
            } else {
                LoginError::Malformed
            }
        })?;
        Ok((status, body.to_bytes()))
    };
    // What it brought before it ended is read all the same.
    let driven = async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to a token endpoint ended");
        }
        std::future::pending().await
    };
    tokio::select! {
        answer = answer => answer,
        never = driven => never,
    }
}

async fn connect(
    login: &str,
    provider: &Provider,
) -> Result<TlsStream<ReadAhead<TcpStream>>, LoginError> {
    for address in &provider.policy.addresses {
        let connected = async {
            let tcp = TcpStream::connect(address).await?;
            tcp.set_nodelay(true)?;
            provider.tls.connect(tcp).await
        };
        match connected.await {
            Ok(stream) => return Ok(stream),
            Err(error) => tracing::warn!(login, %address, %error, "no way to the token endpoint"),
        }
    }
    Err(LoginError::Connect)
}

/// A word of the provider's for the log (RFC 6749, 5.2: plain characters).
pub fn shown(text: &str) -> String {
    text.chars().filter(|letter| letter.is_ascii_graphic()).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn words_of_others_are_short_and_plain() {
        assert_eq!(shown("invalid_grant"), "invalid_grant");
        assert_eq!(shown("a\r\nb \u{1b}[31m"), "ab[31m");
        assert_eq!(shown(&"x".repeat(1_000)).len(), 64);
    }
}
