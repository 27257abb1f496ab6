//! A connection that is cut: a proxy in front of a server that passes on so many bytes, and then closes one connection.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// How much is passed on at once.
const PIECE: usize = 16 << 10;

/// The way that bytes take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Up,
    Down,
}

/// A proxy on loopback. It goes on until the test ends.
pub(crate) struct Cut {
    pub(crate) address: String,
    state: Arc<State>,
}

struct State {
    /// After how many bytes on which way it is cut.
    after: (Way, u64),
    is_cut: AtomicBool,
    passed: AtomicU64,
}

impl Cut {
    /// Starts a proxy that is cut after so many bytes, once.
    pub(crate) fn start(server: SocketAddr, after: (Way, u64)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("grpc://{}", listener.local_addr().unwrap());
        let state = Arc::new(State {
            after,
            is_cut: AtomicBool::new(false),
            passed: AtomicU64::new(0),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(server).unwrap());
                for (way, from, to) in [(Way::Up, &client, &server), (Way::Down, &server, &client)]
                {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let state = Arc::clone(&shared);
                    thread::spawn(move || state.pass(way, from, to));
                }
            }
        });
        Self { address, state }
    }

    /// Tells whether it was cut.
    pub(crate) fn is_cut(&self) -> bool {
        self.state.is_cut.load(Ordering::SeqCst)
    }

    /// Returns how many bytes have taken the way on which it was cut.
    pub(crate) fn passed(&self) -> u64 {
        self.state.passed.load(Ordering::SeqCst)
    }
}

impl State {
    fn pass(&self, way: Way, mut from: TcpStream, mut to: TcpStream) {
        let mut piece = [0; PIECE];
        while let Ok(count) = from.read(&mut piece)
            && count > 0
            && to.write_all(&piece[..count]).is_ok()
        {
            if way == self.after.0 {
                let before = self.passed.fetch_add(count as u64, Ordering::SeqCst);
                let is_enough = before + count as u64 > self.after.1;
                if is_enough && !self.is_cut.swap(true, Ordering::SeqCst) {
                    break;
                }
            }
        }
        for end in [from, to] {
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}
