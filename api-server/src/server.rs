//! Listening, TLS, connections within limits, and a stop that finishes what is in flight.

mod connection;

use std::{future::Future, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::Context;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    net::TcpListener,
    runtime,
    signal::unix::{SignalKind, signal},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    cli::Arguments,
    limits::{ACCEPT_PAUSE_MS, CONNECTIONS_MAX, DRAIN_TIMEOUT_MS},
    rate::Rate,
    routes::Api,
};

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// A file that cannot be used, or an address that cannot be listened on.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let acceptor = acceptor(&arguments.certificate, &arguments.private_key)?;
    // One thread is plenty for the example, and keeps it next to the gateway in the measurements.
    let runtime =
        runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(async move {
        let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be heard")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be heard")?;
        let listener = listen(arguments.listen).await?;
        tracing::info!(listen = %arguments.listen, "serving");
        let stop = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        let api = Api { message: arguments.message, rate: Rate::new(arguments.rate_per_s) };
        serve(listener, acceptor, api.into(), stop).await;
        tracing::info!("stopped");
        Ok(())
    })
}

/// Serves until `stop` resolves and what was in flight then has ended.
pub async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    api: Arc<Api>,
    stop: impl Future<Output = ()>,
) {
    let mut stop = std::pin::pin!(stop);
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (draining, drain) = watch::channel(false);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match (accepted, permits.clone().try_acquire_owned()) {
                (Ok((stream, _)), Ok(permit)) => {
                    let served = connection::serve(stream, acceptor.clone(), api.clone(), drain.clone());
                    connections.spawn(async move {
                        served.await;
                        drop(permit);
                    });
                }
                (Ok((_, peer)), Err(_)) => tracing::warn!(%peer, "refused: {CONNECTIONS_MAX} connections are open"),
                (Err(error), _) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
                }
            },
        }
    }
    drop(listener);
    draining.send_replace(true);
    let all = async { while connections.join_next().await.is_some() {} };
    if timeout(Duration::from_millis(DRAIN_TIMEOUT_MS), all).await.is_err() {
        tracing::warn!("the drain time is over: the remaining connections are cut");
    }
}

/// Listens on an address.
///
/// # Errors
/// The address and the kernel's reason.
pub async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("--listen: cannot listen on {address}; stop what uses the port or choose another")
    })
}

/// TLS 1.3 and 1.2 with HTTP/2 and HTTP/1.1.
///
/// # Errors
/// The file that cannot be used, and why.
pub fn acceptor(certificate: &Path, private_key: &Path) -> anyhow::Result<TlsAcceptor> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| {
            format!(
                "--certificate: expected a certificate chain in PEM at {}",
                certificate.display()
            )
        })?;
    anyhow::ensure!(
        !chain.is_empty(),
        "--certificate: {} holds no certificate",
        certificate.display()
    );
    let key = PrivateKeyDer::from_pem_file(private_key).with_context(|| {
        format!("--private-key: expected a private key in PEM at {}", private_key.display())
    })?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .context("TLS cannot be set up")?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("--certificate and --private-key do not go together")?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
