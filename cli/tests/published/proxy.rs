//! A proxy before a real registry that does what a test says with each request: hands it on, loses it or its answer,
//! answers by itself. Each connection has one request, and a thread; nothing sleeps.

use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What is done with a request.
pub(crate) enum Act {
    /// It is handed on, and its answer back.
    Pass,
    /// It is answered without the registry: status, headers, body.
    Answer(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// It never reaches the registry, and the connection is closed.
    Lose,
    /// Half of its body reaches the registry, and both connections are closed.
    Halve,
    /// Half of its body reaches the registry as if that were all; the answer is kept, and does not come back.
    Shorten(Arc<Mutex<String>>),
    /// It reaches the registry, and its answer does not come back.
    LoseAnswer,
    /// It reaches the registry, and half of the body of its answer comes back.
    CutAnswer,
    /// It reaches the registry, and then nothing follows until the client gives up.
    Hang,
}

/// A request, as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// Returns the request with a body that has half as many bytes.
    fn shortened(&self) -> Self {
        let body = self.body[..self.body.len() / 2].to_vec();
        let length = |length: usize| format!("\r\ncontent-length: {length}\r\n");
        let mut shortened = self.clone();
        let (before, after) = (length(self.body.len()), length(body.len()));
        shortened.head = shortened.head.replacen(&before, &after, 1);
        shortened.body = body;
        shortened
    }

    /// Tells whether its head has a line, whatever the case of its letters.
    pub(crate) fn has(&self, line: &str) -> bool {
        let mut lines = self.head.lines();
        lines.any(|found| found.eq_ignore_ascii_case(line))
    }

    /// Tells whether it has a header of this name, in lower case.
    pub(crate) fn has_header(&self, name: &str) -> bool {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.any(|(found, _)| found.eq_ignore_ascii_case(name))
    }

    pub(crate) fn is(&self, method: &str, part: &str) -> bool {
        self.method == method && self.path.contains(part)
    }
}

/// Says what is done with a request.
pub(crate) type Decide = Box<dyn Fn(&Request) -> Act + Send + Sync>;

/// A proxy, as long as this lives.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    registry: String,
    decide: Mutex<Arc<Decide>>,
    requests: Mutex<Vec<Request>>,
}

impl Proxy {
    /// Starts a proxy before the registry at a host and port.
    pub(crate) fn start(registry: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let pass: Decide = Box::new(|_| Act::Pass);
        let shared = Arc::new(Shared {
            registry: registry.to_owned(),
            decide: Mutex::new(Arc::new(pass)),
            requests: Mutex::default(),
        });
        let served = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&served);
                std::thread::spawn(move || {
                    let _ = shared.serve(&stream);
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        Self { address, shared }
    }

    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// Says what is done with requests from now on.
    pub(crate) fn on(&self, decide: impl Fn(&Request) -> Act + Send + Sync + 'static) {
        *self.shared.decide.lock().unwrap() = Arc::new(Box::new(decide));
    }

    /// Returns the requests so far, and forgets them.
    pub(crate) fn take(&self) -> Vec<Request> {
        std::mem::take(&mut self.shared.requests.lock().unwrap())
    }
}

impl Shared {
    fn serve(&self, client: &TcpStream) -> io::Result<()> {
        let Some(request) = read(client)? else {
            return Ok(());
        };
        self.requests.lock().unwrap().push(request.clone());
        let decide = Arc::clone(&self.decide.lock().unwrap());
        let body = &request.body;
        match decide(&request) {
            Act::Pass => (&*client).write_all(&self.hand_on(&request, body)?),
            Act::Answer(code, headers, body) => {
                let mut text = format!("HTTP/1.1 {code} Something\r\nConnection: close\r\n");
                for (name, value) in headers {
                    let _ = write!(text, "{name}: {value}\r\n");
                }
                let _ = write!(text, "Content-Length: {}\r\n\r\n", body.len());
                (&*client).write_all(text.as_bytes())?;
                (&*client).write_all(if request.method == "HEAD" { b"" } else { &body })
            }
            Act::Lose => Ok(()),
            Act::Halve => self.hand_on(&request, &body[..body.len() / 2]).map(|_| ()),
            Act::Shorten(kept) => {
                let request = request.shortened();
                let answer = self.hand_on(&request, &request.body)?;
                *kept.lock().unwrap() = String::from_utf8_lossy(&answer).into_owned();
                Ok(())
            }
            Act::CutAnswer => {
                let answer = self.hand_on(&request, body)?;
                let mut windows = answer.windows(4);
                let head = windows.position(|four| four == b"\r\n\r\n").unwrap() + 4;
                (&*client).write_all(&answer[..head + (answer.len() - head) / 2])
            }
            Act::LoseAnswer => self.hand_on(&request, body).map(|_| ()),
            Act::Hang => {
                self.hand_on(&request, body)?;
                (&*client).read(&mut [0]).map(|_| ())
            }
        }
    }

    /// Returns the answer of the registry. A body that is not whole ends the connection to it.
    fn hand_on(&self, request: &Request, body: &[u8]) -> io::Result<Vec<u8>> {
        let mut registry = TcpStream::connect(&self.registry)?;
        // At once: the second of two small writes would wait for the first to be acknowledged.
        registry.write_all(&[request.head.as_bytes(), body].concat())?;
        if body.len() < request.body.len() {
            registry.shutdown(Shutdown::Write)?;
        }
        let mut answer = Vec::new();
        registry.read_to_end(&mut answer)?;
        Ok(answer)
    }
}

/// Reads a request. It is handed on as one that is the last of its connection.
fn read(client: &TcpStream) -> io::Result<Option<Request>> {
    let mut client = BufReader::new(client);
    let mut line = String::new();
    if client.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let (method, path) = (method.to_owned(), path.to_owned());
    let (mut head, mut length, mut authorization) = (line.clone(), 0, None);
    loop {
        let mut line = String::new();
        client.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap(),
            "authorization" => authorization = Some(value.trim().to_owned()),
            "connection" => continue,
            _ => {}
        }
        head += &line;
    }
    head += "Connection: close\r\n\r\n";
    let mut body = vec![0; length];
    client.read_exact(&mut body)?;
    Ok(Some(Request {
        method,
        path,
        authorization,
        head,
        body,
    }))
}
