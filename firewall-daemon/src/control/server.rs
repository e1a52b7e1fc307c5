//! Answering on the control socket.

use std::{io, sync::Arc, time::Duration};

use serde::Serialize;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::spawn_blocking,
    time::{interval, timeout},
};

use super::{Answer, Asked, Caller, Handler, REQUEST_BYTES_MAX, Request, dispatch};
use crate::daemon::{BEAT, Pulse};

/// Callers at once; one more waits.
const CONNECTIONS_MAX: usize = 16;
/// From the connection to the end of the request, and from the answer's first byte to its last.
const WAIT: Duration = Duration::from_secs(2);
/// At the end of the daemon: two waits for a caller that is slow, and none for one that waits for a long change.
const LAST_WAIT: Duration = WAIT.saturating_mul(2);
/// After a failed accept: a loop that finds no free descriptor must not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` says true.
pub async fn serve(
    listener: UnixListener,
    handler: Arc<dyn Handler>,
    pulse: Pulse,
    mut stop: watch::Receiver<bool>,
) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut beat = interval(BEAT);
    loop {
        pulse.beat();
        // While every place is taken it beats too: that it is busy is no reason to end the daemon.
        let accepted = tokio::select! {
            accepted = accept(&listener, &permits) => accepted,
            _ = beat.tick() => continue,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, permit)) => {
                let (handler, stop) = (handler.clone(), stop.clone());
                tokio::spawn(async move {
                    if let Err(error) = connection(stream, permit, handler, stop).await {
                        tracing::debug!(%error, "control: a caller left early");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "control: cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    handler.watchers().ended().await;
    // Whoever asked is told, most of all whoever asked for this end.
    if timeout(LAST_WAIT, permits.acquire_many(CONNECTIONS_MAX as u32)).await.is_err() {
        tracing::warn!("control: the daemon ends before a caller has its answer");
    }
}

/// The next caller there is a place for.
async fn accept(
    listener: &UnixListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(UnixStream, OwnedSemaphorePermit)> {
    let permit = permits.clone().acquire_owned().await.map_err(io::Error::other)?;
    Ok((listener.accept().await?.0, permit))
}

async fn connection(
    mut stream: UnixStream,
    permit: OwnedSemaphorePermit,
    handler: Arc<dyn Handler>,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut caller = Caller::of(&stream)?;
    let answer = match asked(&mut stream, &caller).await? {
        Ok(Asked { request: Request::Watch {}, .. }) => {
            // It may stay for days, and there is a bound of its own.
            drop(permit);
            let watching = handler.clone();
            let begin = apart(move || written(&Answer::Ok(watching.watch()))).await?;
            return handler.watchers().serve(stream, begin, stop).await;
        }
        Ok(Asked { request, session }) => {
            caller.session = session;
            apart(move || dispatch::answer(handler.as_ref(), &caller, request)).await?
        }
        Err(refusal) => error(refusal)?,
    };
    timeout(WAIT, stream.write_all(&answer)).await.unwrap_or_else(|late| Err(late.into()))
}

/// Does something apart from the servers: tables are read and the program is run.
async fn apart(work: impl FnOnce() -> io::Result<Vec<u8>> + Send + 'static) -> io::Result<Vec<u8>> {
    spawn_blocking(work).await?
}

/// What a caller asks; the inner error is what it is told instead.
async fn asked(stream: &mut UnixStream, caller: &Caller) -> io::Result<Result<Asked, String>> {
    if !caller.may_change() {
        return Ok(Err(format!("expected root or the daemon's own user, found {caller}")));
    }
    let Ok(line) = timeout(WAIT, line(stream)).await else {
        return Ok(Err(format!("expected a request within {} s", WAIT.as_secs())));
    };
    let line = line?;
    if line.len() > REQUEST_BYTES_MAX {
        return Ok(Err(format!("expected at most {REQUEST_BYTES_MAX} bytes in a request")));
    }
    Ok(serde_json::from_slice(&line).map_err(|found| {
        format!("expected a request such as {{\"verb\":\"status\"}}, found something else: {found}")
    }))
}

/// All up to a line feed, or up to one byte more than a request may have.
async fn line(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut limited = stream.take(REQUEST_BYTES_MAX as u64 + 1);
    loop {
        let read = limited.read_buf(&mut line).await?;
        if let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            line.truncate(end);
            return Ok(line);
        }
        if read == 0 {
            return Ok(line);
        }
    }
}

fn error(text: String) -> io::Result<Vec<u8>> {
    written(&Answer::<()>::Error(text))
}

/// An answer as a line.
pub(super) fn written<T: Serialize>(answer: &Answer<T>) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(answer)?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use firewall_gateway::explain::{self as request, RequestExplanation};

    use super::*;
    use crate::{
        control::{
            Applied, ApplyAsk, BackendAsk, BanAdd, BansShown, Changed, GeoAsk, GeoShown,
            HistoryShown, KeyCreate, KeyCreated, KeyRotate, KeysShown, LimitSet, LimitsShown,
            ListAdd, ListKind, ListRemove, ListShown, PlanAsk, RollbackAsk, SessionsRevoked,
            SessionsShown, Watched, Watchers,
        },
        explain::{ExplainError, Explanation, Question, Subject},
        geo::update::From,
        plan::Plan,
        status::{RoutesShown, Snapshot, UpdateReport},
    };

    #[derive(Default)]
    struct Fixed {
        watchers: Watchers,
    }

    impl Handler for Fixed {
        fn status(&self) -> Snapshot {
            Snapshot { generation: 3, ..Snapshot::default() }
        }

        fn routes(&self) -> Result<RoutesShown, String> {
            Ok(RoutesShown::default())
        }

        fn explain(&self, subject: &Subject) -> Result<Explanation, ExplainError> {
            Question::new(subject).map(|_| Explanation::default())
        }

        fn explain_request(&self, _: &request::Question) -> Result<RequestExplanation, String> {
            Ok(RequestExplanation::default())
        }

        fn plan(&self, _: &Caller, _: &PlanAsk) -> Result<Plan, String> {
            Ok(Plan::default())
        }

        fn apply(&self, _: &Caller, _: &ApplyAsk) -> Result<Applied, String> {
            Err("refused".to_owned())
        }

        fn confirm(&self, _: &Caller) -> Result<Applied, String> {
            Ok(Applied::default())
        }

        fn rollback(&self, _: &Caller, _: &RollbackAsk) -> Result<Applied, String> {
            Ok(Applied::default())
        }

        fn history(&self) -> HistoryShown {
            HistoryShown::default()
        }

        fn update_feeds(
            &self,
            _: &Caller,
            feed: Option<&str>,
            _: bool,
        ) -> Result<Vec<UpdateReport>, String> {
            feed.map_or_else(|| Ok(Vec::new()), |feed| Err(format!("no {feed}")))
        }

        fn update_geo(&self, _: &Caller, _: &From, _: bool) -> Result<Vec<UpdateReport>, String> {
            Ok(Vec::new())
        }

        fn list_add(&self, caller: &Caller, ask: &ListAdd) -> Result<Changed, String> {
            let told = format!("{}, {:?}, {ask:?}", caller.uid, caller.session);
            Ok(Changed { changed: vec![told], ..Changed::default() })
        }

        fn list_remove(&self, _: &Caller, _: &ListRemove) -> Result<Changed, String> {
            Err("not there".to_owned())
        }

        fn list_show(&self, _: ListKind) -> Result<ListShown, String> {
            Ok(ListShown { entries: Vec::new(), configured: Vec::new() })
        }

        fn ban(&self, _: &Caller, _: &BanAdd) -> Result<Changed, String> {
            Ok(Changed::default())
        }

        fn unban(&self, _: &Caller, _: &[IpAddr]) -> Result<Changed, String> {
            Ok(Changed::default())
        }

        fn bans(&self) -> Result<BansShown, String> {
            Ok(BansShown::default())
        }

        fn geo(&self, _: &Caller, _: &GeoAsk) -> Result<Changed, String> {
            Ok(Changed::default())
        }

        fn backend(&self, _: &Caller, _: &BackendAsk) -> Result<Changed, String> {
            Ok(Changed::default())
        }

        fn geo_show(&self) -> Result<GeoShown, String> {
            Err("not here".to_owned())
        }

        fn limit(&self, _: &Caller, _: &LimitSet) -> Result<Changed, String> {
            Ok(Changed::default())
        }

        fn key_create(&self, _: &Caller, _: &KeyCreate) -> Result<KeyCreated, String> {
            Err("no consumer".to_owned())
        }

        fn key_rotate(&self, _: &Caller, _: &KeyRotate) -> Result<KeyCreated, String> {
            Err("no key".to_owned())
        }

        fn key_revoke(&self, _: &Caller, _: &[String]) -> Result<Changed, String> {
            Err("no key".to_owned())
        }

        fn key_list(&self, _: Option<&str>) -> KeysShown {
            KeysShown::default()
        }

        fn session_revoke(&self, _: &Caller, _: &SessionsRevoked) -> Result<Changed, String> {
            Err("no session".to_owned())
        }

        fn session_list(&self, _: Option<&str>) -> Result<SessionsShown, String> {
            Err("no session".to_owned())
        }

        fn limit_show(&self) -> Result<LimitsShown, String> {
            Err("not here".to_owned())
        }

        fn detach(&self, _: &Caller) -> Result<Changed, String> {
            Err("nothing is attached".to_owned())
        }

        fn watch(&self) -> Watched {
            Watched::Begin { interfaces: Vec::new(), sample_one_in: 1 }
        }

        fn watchers(&self) -> &Watchers {
            &self.watchers
        }
    }

    /// What a caller is told who sends this.
    async fn asked_for(request: &[u8]) -> String {
        let (mut caller, daemon) = UnixStream::pair().expect("a pair");
        let permits = Arc::new(Semaphore::new(1));
        let permit = permits.acquire_owned().await.expect("a permit");
        let (_stop, stopped) = watch::channel(false);
        let served = tokio::spawn(connection(daemon, permit, Arc::new(Fixed::default()), stopped));
        caller.write_all(request).await.expect("written");
        let mut answer = String::new();
        caller.read_to_string(&mut answer).await.expect("text");
        served.await.expect("no panic").expect("an answer");
        answer
    }

    #[tokio::test]
    async fn requests() {
        let explain = |subject: &str| format!("{{\"verb\":\"explain\",\"subject\":{subject}}}");
        let packet = |hex: &str| explain(&format!("{{\"packet\":{{\"hex\":\"{hex}\"}}}}"));
        let list = |fields: &str| format!("{{\"verb\":\"list_add\",{fields}}}");
        let backend = |change: &str| {
            let rest = "\"upstream\":\"api\",\"address\":\"10.0.0.1:80\"";
            format!("{{\"verb\":\"backend\",\"change\":{change},{rest}}}")
        };
        let address = |source: &str, protocol: &str, port: &str| {
            let fields =
                format!("\"source\":\"{source}\",\"protocol\":\"{protocol}\",\"port\":{port}");
            explain(&format!("{{\"address\":{{{fields}}}}}"))
        };
        // (request, part of the answer)
        for (request, expected) in [
            ("{\"verb\":\"status\"}".to_owned(), "\"generation\":3"),
            (String::new(), "expected a request such as"),
            ("status".to_owned(), "expected a request such as"),
            ("{\"verb\":\"detach\"}".to_owned(), "nothing is attached"),
            ("{\"verb\":\"attach\"}".to_owned(), "unknown variant `attach`"),
            ("{\"verb\":\"status\",\"x\":1}".to_owned(), "unknown field `x`"),
            ("{\"verb\":\"confirm\"}".to_owned(), "{\"ok\":{"),
            ("{\"verb\":\"history\"}".to_owned(), "\"records\":[]"),
            ("{\"verb\":\"rollback\",\"to\":-1,\"guard\":true}".to_owned(), "invalid value"),
            ("{\"verb\":\"plan\",\"file\":\"f\",\"text\":\"\"}".to_owned(), "{\"ok\":{"),
            (
                "{\"verb\":\"apply\",\"file\":\"f\",\"text\":\"\",\"guard\":true}".to_owned(),
                "{\"error\":\"refused\"}",
            ),
            (
                "{\"verb\":\"apply\",\"file\":\"f\",\"text\":\"\"}".to_owned(),
                "missing field `guard`",
            ),
            (
                "{\"verb\":\"plan\",\"file\":\"f\",\"text\":\"\",\"x\":1}".to_owned(),
                "unknown field `x`",
            ),
            ("\u{0}".to_owned(), "expected a request such as"),
            (packet(&"00".repeat(14)), "{\"ok\":{"),
            (packet(&"00".repeat(3_520)), "{\"ok\":{"),
            (packet(&"00".repeat(13)), "expected a frame of 14 to 3520 bytes"),
            (packet(&"00".repeat(3_521)), "the Ethernet header on, found 3521"),
            (packet("0g"), "found 'g' at character 2"),
            (packet("000"), "the one at character 3 has no second"),
            (packet("\\ud800"), "expected a request such as"),
            (address("2001:db8::7", "udp", "443"), "{\"ok\":{"),
            (address("::ffff:203.0.113.7", "icmp", "null"), "{\"ok\":{"),
            (address("203.0.113.0/24", "tcp", "443"), "invalid IP address syntax"),
            (address("203.0.113.7", "sctp", "443"), "unknown variant `sctp`"),
            (address("203.0.113.7", "tcp", "65536"), "invalid value: integer `65536`"),
            (address("203.0.113.7", "tcp", "-1"), "invalid value: integer `-1`"),
            (
                address("203.0.113.7", "icmp", "0"),
                "expected none with icmp, which has none, found 0",
            ),
            (list("\"list\":\"deny\",\"prefixes\":[\"10.0.0.0/8\"]"), "10.0.0.0"),
            (
                list(
                    "\"list\":\"deny\",\"prefixes\":[],\"session\":{\"peer\":\"::1\",\"port\":2222}",
                ),
                "Some(Session { peer: ::1, port: 2222 })",
            ),
            (list("\"list\":\"deny\",\"prefixes\":[],\"session\":null"), "None, ListAdd"),
            (
                list("\"list\":\"deny\",\"prefixes\":[],\"session\":{\"peer\":\"::1\"}"),
                "missing field `port`",
            ),
            (list("\"list\":\"deny\",\"prefixes\":[\"10.0.0.1/8\"]"), "without host bits"),
            (list("\"list\":\"denny\",\"prefixes\":[]"), "unknown variant `denny`"),
            (list("\"list\":\"deny\",\"prefixes\":[],\"x\":1"), "unknown field `x`"),
            (list("\"list\":\"deny\",\"prefixes\":[],\"for_s\":-1"), "expected a request such"),
            (
                "{\"verb\":\"ban\",\"addresses\":[\"10.0.0.0/8\"],\"for_s\":1}".to_owned(),
                "invalid IP",
            ),
            ("{\"verb\":\"geo\",\"change\":{\"block\":[\"XX\"]}}".to_owned(), "expected a country"),
            ("{\"verb\":\"limit\",\"scope\":\"tcp\"}".to_owned(), "unknown variant `tcp`"),
            (backend("\"drain\""), "{\"ok\":{"),
            (backend("{\"add\":{\"weight\":1,\"quota\":0}}"), "{\"ok\":{"),
            (backend("\"stop\""), "unknown variant `stop`"),
            (explain("{}"), "expected a request such as"),
            (explain("{\"packet\":{\"hex\":\"00\",\"x\":1}}"), "unknown field `x`"),
            (explain("{\"packet\":{\"hex\":\"00\"},\"address\":{}}"), "expected a request such"),
        ] {
            let answer = asked_for(format!("{request}\n").as_bytes()).await;
            assert!(answer.contains(expected), "{request}: {answer}");
        }
        let long = asked_for(&vec![b' '; REQUEST_BYTES_MAX + 1]).await;
        assert!(long.contains("expected at most 4194304 bytes"), "{long}");
        let answer = asked_for(b"\xff\xfe\x00\n").await;
        assert!(answer.starts_with("{\"error\":\"expected a request such as"));
    }

    #[tokio::test]
    async fn a_caller_who_says_nothing_is_told_and_left() {
        assert_eq!(asked_for(b"").await, "{\"error\":\"expected a request within 2 s\"}\n");
        assert_eq!(
            asked_for(b"{\"verb\"").await,
            "{\"error\":\"expected a request within 2 s\"}\n"
        );
    }

    #[tokio::test]
    async fn who_asked_is_answered_although_the_daemon_ends() {
        let path = std::env::temp_dir().join(format!("seawall-control-{}", std::process::id()));
        let listener = UnixListener::bind(&path).expect("a socket");
        let (stop, stopped) = watch::channel(false);
        let served =
            tokio::spawn(serve(listener, Arc::new(Fixed::default()), Pulse::default(), stopped));
        let mut caller = UnixStream::connect(&path).await.expect("a connection");
        caller.write_all(b"{\"verb\":").await.expect("written");
        tokio::time::sleep(Duration::from_millis(50)).await;
        stop.send(true).expect("it listens");
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!served.is_finished(), "it waits for its caller");
        caller.write_all(b"\"status\"}\n").await.expect("written");
        let mut answer = String::new();
        caller.read_to_string(&mut answer).await.expect("text");
        assert!(answer.contains("\"generation\":3"), "{answer}");
        served.await.expect("no panic");
        std::fs::remove_file(path).expect("removed");
    }

    #[tokio::test]
    async fn a_line_may_come_in_pieces_and_need_not_end() {
        for end in ["\n", ""] {
            let (mut caller, mut daemon) = UnixStream::pair().expect("a pair");
            caller.write_all(b"{\"verb\":").await.expect("written");
            caller.write_all(format!("\"status\"}}{end}").as_bytes()).await.expect("written");
            caller.shutdown().await.expect("shut");
            let request = asked(&mut daemon, &Caller::daemon()).await.expect("it reads");
            assert_eq!(request, Ok(Asked { request: Request::Status {}, session: None }));
        }
    }
}
