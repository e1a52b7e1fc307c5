//! A Redis that tests start, stop, hang and end.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{requirement, world::PATIENCE};

pub const PASSWORD: &str = "not-a-secret";

/// A Redis of this test.
pub struct Redis {
    pub address: SocketAddr,
    child: Child,
}

impl Redis {
    /// None where there is no Redis, which is said.
    pub fn start(test: &str) -> Option<Redis> {
        if Command::new(SERVER).arg("--version").stdout(Stdio::null()).status().is_err() {
            requirement::skip(test, "needs redis-server");
            return None;
        }
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        Some(Redis::at(free))
    }

    pub fn at(address: SocketAddr) -> Redis {
        let mut command = Command::new(SERVER);
        command.args(["--bind", "127.0.0.1", "--port", &address.port().to_string()]);
        command.args(["--save", "", "--appendonly", "no", "--requirepass", PASSWORD]);
        let child = command.current_dir("/tmp").stdout(Stdio::null()).stderr(Stdio::null());
        let redis = Redis { address, child: child.spawn().unwrap() };
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < end, "redis-server does not listen");
            thread::sleep(Duration::from_millis(5));
        }
        redis
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // One that was killed already is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const SERVER: &str = "redis-server";
