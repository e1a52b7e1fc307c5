//! Streams of an HTTP/2 connection: one whose client takes nothing of its answer is reset alone.
//!
//! A client that grants a stream no window blocks neither the wire nor its other streams, so that
//! neither shows it. What shows it is a part of the answer that stays in the library's hands.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    pin::pin,
    rc::Rc,
    task::Poll,
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// What became of the last part of one answer.
#[derive(Default)]
pub struct Unread {
    since: Cell<Option<Instant>>,
    cut: Cell<bool>,
}

impl Unread {
    /// A part was handed over to be sent.
    pub fn handed(&self) {
        self.since.set(Some(Instant::now()));
    }

    /// The next part is asked for: the last one is on its way.
    pub fn asked(&self) {
        self.since.set(None);
    }

    /// Whether the stream was reset since its client read nothing.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.cut.get()
    }
}

/// Runs the streams of one connection on its thread.
#[derive(Clone)]
pub struct Streams {
    wait: Duration,
    // The library starts a stream's task right after it has called the service for it.
    called: Rc<RefCell<Option<Rc<Unread>>>>,
}

impl Streams {
    /// Streams whose clients may take nothing for so long.
    #[must_use]
    pub fn new(wait: Duration) -> Self {
        Self { wait, called: Rc::default() }
    }

    /// The service is called for a stream.
    #[must_use]
    pub fn called(&self) -> Rc<Unread> {
        let unread = Rc::<Unread>::default();
        self.called.replace(Some(unread.clone()));
        unread
    }
}

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for Streams {
    fn execute(&self, future: F) {
        let (wait, unread) = (self.wait, self.called.take().unwrap_or_default());
        tokio::task::spawn_local(async move {
            let mut future = pin!(future);
            let mut sleep = pin!(sleep_until(Instant::now() + wait));
            poll_fn(|cx| {
                if future.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                let Some(since) = unread.since.get() else { return Poll::Pending };
                if sleep.deadline() != since + wait {
                    sleep.as_mut().reset(since + wait);
                }
                let over = sleep.as_mut().poll(cx);
                unread.cut.set(over.is_ready());
                over
            })
            .await;
            // What is left of the future is dropped here, which resets the stream.
        });
    }
}
