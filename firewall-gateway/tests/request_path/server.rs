//! A backend in plain text that is well, slow, hung, failing or gone, as it is told.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

pub struct Server {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    mode: AtomicU8,
    served: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    Well,
    /// Answers after 50 ms.
    Slow,
    /// Reads, and answers nothing until it is told otherwise.
    Hung,
    /// Answers 500.
    Failing,
    /// Reads, and closes.
    Closing,
    /// Listens no more.
    Gone,
}

impl Server {
    pub fn start() -> Server {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            mode: AtomicU8::new(Mode::Well as u8),
            served: AtomicU64::new(0),
            open: Mutex::default(),
        });
        listen(listener, shared.clone());
        Server { address, shared }
    }

    /// Is like this from now on.
    pub fn be(&self, mode: Mode) {
        let before = self.shared.mode.swap(mode as u8, SeqCst);
        if mode == Mode::Gone {
            for stream in self.shared.open.lock().unwrap().drain(..) {
                drop(stream.shutdown(Shutdown::Both));
            }
        } else if before == Mode::Gone as u8 {
            // The thread that listened may not have let go yet.
            let listener = (0..1_000).find_map(|_| {
                thread::sleep(Duration::from_millis(1));
                TcpListener::bind(self.address).ok()
            });
            listen(listener.unwrap(), self.shared.clone());
        }
    }

    /// Requests answered well so far, checks not among them.
    pub fn served(&self) -> u64 {
        self.shared.served.load(SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.be(Mode::Gone);
    }
}

fn listen(listener: TcpListener, shared: Arc<Shared>) {
    listener.set_nonblocking(true).unwrap();
    thread::spawn(move || {
        while !shared.is(Mode::Gone) {
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).unwrap();
                    shared.open.lock().unwrap().push(stream.try_clone().unwrap());
                    let shared = shared.clone();
                    thread::spawn(move || serve(stream, &shared));
                }
                Err(_) => thread::sleep(Duration::from_millis(1)),
            }
        }
    });
}

fn serve(mut stream: TcpStream, shared: &Shared) {
    while let Some(request) = request(&mut stream) {
        while shared.is(Mode::Hung) {
            thread::sleep(Duration::from_millis(1));
        }
        if shared.is(Mode::Slow) {
            thread::sleep(Duration::from_millis(50));
        }
        let mut status = "200 OK";
        if shared.is(Mode::Failing) {
            status = "500 Internal Server Error";
        }
        if shared.is(Mode::Closing) || shared.is(Mode::Gone) {
            break;
        }
        if status == "200 OK" && !request.contains("seawall-health") {
            shared.served.fetch_add(1, SeqCst);
        }
        let body = stream.local_addr().unwrap().to_string();
        let length = body.len();
        let body = if request.starts_with("HEAD ") { "" } else { &body };
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
        if stream.write_all(answer.as_bytes()).is_err() {
            break;
        }
    }
    // The clone that is kept would hold it open.
    drop(stream.shutdown(Shutdown::Both));
}

impl Shared {
    fn is(&self, mode: Mode) -> bool {
        self.mode.load(SeqCst) == mode as u8
    }
}

fn request(stream: &mut TcpStream) -> Option<String> {
    let mut message = Vec::new();
    let mut byte = [0u8; 1];
    while !message.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        message.push(byte[0]);
    }
    let head = String::from_utf8(message).ok()?;
    let length = crate::world::header(&head, "content-length");
    let mut body = vec![0u8; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).ok()?;
    Some(head)
}
