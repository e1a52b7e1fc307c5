//! One thread: a current-thread runtime, its listening sockets, its pool, its connections.

use std::{
    cell::Cell,
    io,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
        mpsc::Sender,
    },
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, interval, sleep, timeout},
};

use super::spread::{Moved, Place, Spread};
use crate::{
    access_log::AccessLog,
    answer::AnswerTable,
    behaviour::{Behaviour, Source, signal::Signal},
    clients::{Clients, addresses::Seat, arrival::Arrival},
    connection::{self, Activity, Client},
    countries::Countries,
    events::Events,
    figures::{Meter, one},
    identity::{Identifier, Identities},
    limits::{ACCEPT_PAUSE_MS, Limits, UNSENT_BYTES_MAX, UPSTREAM_SWEEP_INTERVAL_MS},
    listener::BoundListener,
    login::Logins,
    rate::Rates,
    route::Router,
    tls::{Accepted, Acceptor},
    trace::export::Tracer,
    upstream::{SharedUpstream, Upstream},
};

/// What the threads of a worker share; of it only a row of a limit's table is locked in a request, and never over an await.
#[derive(Clone)]
pub struct Shared {
    /// Sizes, counts and times.
    pub limits: Arc<Limits>,
    /// Whom to believe, and what each address has.
    pub clients: Arc<Clients>,
    /// How addresses are scored, where they are.
    pub behaviour: Option<Arc<Behaviour>>,
    /// TLS towards clients.
    pub acceptor: Acceptor,
    /// Which request goes where.
    pub router: Arc<Router>,
    /// Who may send requests.
    pub identities: Arc<Identities>,
    /// Where people log in.
    pub logins: Arc<Logins>,
    /// Which country an address is in.
    pub countries: Arc<Countries>,
    /// How often requests may come.
    pub rates: Arc<Rates>,
    /// How answers look.
    pub answers: Arc<AnswerTable>,
    /// Where lines of requests go.
    pub access_log: Arc<AccessLog>,
    /// Where spans of requests go.
    pub tracer: Option<Tracer>,
    /// Who is told of decisions.
    pub events: Option<Arc<Events>>,
    /// The upstreams: their backends, and what is known of them.
    pub upstreams: Arc<[Arc<SharedUpstream>]>,
    /// Open connections of the worker: written once a connection, never in a request.
    pub connections: Arc<AtomicU32>,
}

/// Runs until the drain is over. Says through `started` that it accepts, or why it cannot.
pub fn run(
    shared: Shared,
    listeners: Vec<BoundListener>,
    (spread, moved): (Spread, mpsc::UnboundedReceiver<Moved>),
    meter: Arc<Meter>,
    drain: watch::Receiver<bool>,
    started: &Sender<io::Result<()>>,
) {
    // Not a `LocalSet` in a runtime: that would be a second queue, behind a lock, for every wake-up.
    let outcome = runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build_local(runtime::LocalOptions::default());
    let runtime = match outcome {
        Ok(runtime) => runtime,
        Err(error) => return report(started, Err(error)),
    };
    runtime.block_on(async move {
        let upstream = |upstream: &Arc<SharedUpstream>| {
            Upstream::new(upstream, shared.limits.clone(), meter.clone())
        };
        let thread = Rc::new(Thread {
            upstreams: shared.upstreams.iter().map(upstream).collect(),
            identifier: Rc::new(Identifier::new(shared.identities.clone(), meter.clone())),
            shared,
            meter,
            drain,
            drain_over: Rc::default(),
        });
        let mut accepting = JoinSet::new();
        for listener in listeners {
            match TcpListener::from_std(listener.socket) {
                Ok(socket) => {
                    // Every connection has it from its listening socket.
                    let unsent = SockRef::from(&socket).set_tcp_notsent_lowat(UNSENT_BYTES_MAX);
                    if let Err(error) = unsent {
                        return report(started, Err(error));
                    }
                    accepting.spawn_local(thread.clone().accept(socket, spread.clone()))
                }
                Err(error) => return report(started, Err(error)),
            };
        }
        // The threads hold a way to each other for as long as they accept.
        drop(spread);
        accepting.spawn_local(thread.clone().take_over(moved));
        report(started, Ok(()));
        let sweep = thread.sweep();
        tokio::select! {
            () = sweep => {}
            () = async { while accepting.join_next().await.is_some() {} } => {}
        }
    });
}

struct Thread {
    shared: Shared,
    upstreams: Rc<[Upstream]>,
    identifier: Rc<Identifier>,
    meter: Arc<Meter>,
    drain: watch::Receiver<bool>,
    drain_over: Rc<Cell<bool>>,
}

impl Thread {
    async fn accept(self: Rc<Self>, socket: TcpListener, spread: Spread) {
        let mut connections = JoinSet::new();
        let mut drain = self.drain.clone();
        loop {
            tokio::select! {
                _ = drain.wait_for(|on| *on) => break,
                Some(_) = connections.join_next() => {}
                accepted = socket.accept() => match accepted {
                    Ok((stream, peer)) => {
                        one(&self.meter.connections_accepted);
                        let kept = self.keeps(&spread, stream, peer);
                        self.admit(&mut connections, kept);
                    }
                    Err(error) => {
                        // EMFILE and the like stay until something closes.
                        tracing::warn!(%error, "a connection cannot be accepted");
                        sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
                    }
                },
            }
        }
        drop((socket, spread));
        self.drain(connections).await;
    }

    /// Serves what other threads move here, until none of them accepts any more.
    async fn take_over(self: Rc<Self>, mut moved: mpsc::UnboundedReceiver<Moved>) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                Some(_) = connections.join_next() => {}
                next = moved.recv() => match next {
                    Some(moved) => self.admit(&mut connections, New::moved(moved).map(Some)),
                    None => break,
                },
            }
        }
        self.drain(connections).await;
    }

    /// Moves a new connection to a thread that has fewer; nothing is left then.
    fn keeps(
        &self,
        spread: &Spread,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> io::Result<Option<New>> {
        let place = spread.place();
        if spread.is_own(&place) {
            return Ok(Some(New { stream, peer, place }));
        }
        match spread.give(Moved { stream: stream.into_std()?, peer, place }) {
            Ok(()) => {
                one(&self.meter.connections_moved);
                Ok(None)
            }
            Err(back) => New::moved(back).map(Some),
        }
    }

    fn admit(self: &Rc<Self>, connections: &mut JoinSet<()>, new: io::Result<Option<New>>) {
        match new {
            Ok(None) => {}
            Ok(Some(New { stream, peer, place })) => {
                match Permit::take(&self.shared, &self.meter, place) {
                    Some(permit) => {
                        connections.spawn_local(self.clone().serve(stream, peer, permit));
                    }
                    // Closed at once: a queue here would only be a second place to fill.
                    None => one(&self.meter.connections_refused),
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be moved to another thread");
                one(&self.meter.connections_refused);
            }
        }
    }

    async fn drain(&self, mut connections: JoinSet<()>) {
        let wait = Duration::from_millis(self.shared.limits.drain_timeout_ms);
        let all = async { while connections.join_next().await.is_some() {} };
        if timeout(wait, all).await.is_err() {
            self.drain_over.set(true);
            tracing::warn!("the drain time is over: the remaining connections are cut");
        }
    }

    async fn serve(self: Rc<Self>, stream: TcpStream, peer: SocketAddr, _permit: Permit) {
        let Some(Welcomed { accepted, client, seat: _seat }) = self.welcome(stream, peer).await
        else {
            return;
        };
        connection::serve(accepted, client.clone(), self.drain.clone()).await;
        // One that we ended in a drain may have had something to ask.
        if client.activity.asked_nothing() && !*self.drain.borrow() {
            self.did(client.peer.ip(), client.direct, Signal::HandshakeWithoutRequest);
        }
    }

    /// All up to HTTP. Apart from the rest of a connection's life, which is not to have room for it.
    async fn welcome(&self, stream: TcpStream, peer: SocketAddr) -> Option<Welcomed> {
        // An answer is written whole; waiting for more only adds delay.
        stream.set_nodelay(true).ok()?;
        let clients = &self.shared.clients;
        let Arrival { opening, peer, direct, seat } =
            Arrival::take(stream, peer, clients, &self.meter).await?;
        let mut accepted = match self.shared.acceptor.accept(opening).await {
            Ok(Some(accepted)) => accepted,
            // It was an authority that has seen what it came for.
            Ok(None) => {
                self.meter.tls_handshake(false);
                return None;
            }
            Err(failure) => {
                self.did(peer.ip(), direct, Signal::HandshakeFailed);
                self.meter.tls_failure(failure);
                return None;
            }
        };
        self.meter.tls_handshake(accepted.resumed);
        let look = accepted.stream.get_mut().0.inner_mut().look();
        let client = Rc::new(Client {
            peer,
            direct,
            stack: Cell::new(look.as_ref().map(|look| look.stack)),
            ja4: look.map(|look| Rc::from(look.ja4)),
            clients: clients.clone(),
            behaviour: self.shared.behaviour.clone(),
            protocol: accepted.protocol,
            tls_version: accepted.version,
            certificate: accepted.client_certificate.clone(),
            limits: self.shared.limits.clone(),
            router: self.shared.router.clone(),
            identifier: self.identifier.clone(),
            countries: self.shared.countries.clone(),
            logins: self.shared.logins.clone(),
            rates: self.shared.rates.clone(),
            answers: self.shared.answers.clone(),
            access_log: self.shared.access_log.clone(),
            tracer: self.shared.tracer.clone(),
            events: self.shared.events.clone(),
            upstreams: self.upstreams.clone(),
            meter: self.meter.clone(),
            tunnel: Cell::default(),
            activity: Rc::new(Activity::new(
                accepted.protocol,
                Instant::now(),
                &self.shared.limits,
                self.drain_over.clone(),
            )),
        });
        Some(Welcomed { accepted, client, seat })
    }

    fn did(&self, address: IpAddr, direct: bool, signal: Signal) {
        if let Some(behaviour) = &self.shared.behaviour {
            let source = Source { address, direct, request: "", consumer: None };
            behaviour.did(&source, signal);
        }
    }

    async fn sweep(&self) {
        let mut ticks = interval(Duration::from_millis(UPSTREAM_SWEEP_INTERVAL_MS));
        loop {
            let now = ticks.tick().await;
            for upstream in self.upstreams.iter() {
                upstream.sweep(now);
            }
        }
    }
}

/// A connection that this thread is to serve.
struct New {
    stream: TcpStream,
    peer: SocketAddr,
    place: Place,
}

impl New {
    fn moved(moved: Moved) -> io::Result<Self> {
        let Moved { stream, peer, place } = moved;
        Ok(Self { stream: TcpStream::from_std(stream)?, peer, place })
    }
}

/// A client that has said its name and agreed on keys.
struct Welcomed {
    accepted: Accepted,
    client: Rc<Client>,
    /// Held as long as the connection lasts.
    seat: Option<Seat>,
}

/// The right to one connection; given back when it ends, however it does.
struct Permit {
    connections: Arc<AtomicU32>,
    meter: Arc<Meter>,
    _place: Place,
}

impl Permit {
    fn take(shared: &Shared, meter: &Arc<Meter>, place: Place) -> Option<Self> {
        let max = shared.limits.connections_max;
        let next = |open: u32| (open < max).then_some(open + 1);
        shared.connections.fetch_update(Relaxed, Relaxed, next).ok()?;
        one(&meter.connections_active);
        Some(Self { connections: shared.connections.clone(), meter: meter.clone(), _place: place })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.connections.fetch_sub(1, Relaxed);
        self.meter.connections_active.fetch_sub(1, Relaxed);
    }
}

fn report(started: &Sender<io::Result<()>>, outcome: io::Result<()>) {
    // The receiver is gone only when another thread has already failed the start.
    let _unheard = started.send(outcome);
}
