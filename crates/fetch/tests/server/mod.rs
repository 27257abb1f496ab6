//! An HTTP server on loopback that does what it is told, also what no server should do. Each connection has a
//! thread; nothing in it sleeps: what hangs waits for the client to give up.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long a server that drips waits between two bytes.
const DRIP: Duration = Duration::from_millis(5);

/// A request, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The first byte that is asked for, where a range is.
    fn from(&self) -> Option<usize> {
        let range = self.header("range")?.strip_prefix("bytes=")?;
        range.strip_suffix('-')?.parse().ok()
    }
}

/// A connection, with or without TLS.
pub(crate) trait Connection: Read + Write {}
impl<T: Read + Write> Connection for T {}

/// What is done with a request. True keeps the connection.
pub(crate) type Act = Arc<dyn Fn(&Request, &mut dyn Connection) -> io::Result<bool> + Send + Sync>;

#[derive(Default)]
struct Shared {
    /// For each path, what is done with the requests for it, one after the other; the last again and again.
    acts: Mutex<BTreeMap<String, Vec<Act>>>,
    requests: Mutex<Vec<Request>>,
}

/// A server, as long as this lives.
pub(crate) struct Server {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::listen("http", |stream| Ok(Box::new(stream)))
    }

    /// Starts a server that encrypts with a certificate.
    pub(crate) fn with_certificate(config: rustls::ServerConfig) -> Self {
        let config = Arc::new(config);
        Self::listen("https", move |stream| {
            let connection = rustls::ServerConnection::new(Arc::clone(&config));
            let connection = connection.map_err(io::Error::other)?;
            Ok(Box::new(rustls::StreamOwned::new(connection, stream)))
        })
    }

    fn listen(
        scheme: &'static str,
        open: impl Fn(TcpStream) -> io::Result<Box<dyn Connection>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Shared>::default();
        let (served, open) = (Arc::clone(&shared), Arc::new(open));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (shared, open) = (Arc::clone(&served), Arc::clone(&open));
                std::thread::spawn(move || {
                    let raw = stream.try_clone();
                    let _ = stream.set_nodelay(true);
                    if let Ok(connection) = open(stream) {
                        let _ = shared.serve(connection);
                    }
                    if let Ok(raw) = raw {
                        let _ = raw.shutdown(Shutdown::Both);
                    }
                });
            }
        });
        Self {
            address,
            scheme,
            shared,
        }
    }

    /// Says what is done with the requests for a path. Returns its URL.
    pub(crate) fn on(&self, path: &str, acts: impl IntoIterator<Item = Act>) -> String {
        let acts = acts.into_iter().collect();
        self.shared
            .acts
            .lock()
            .unwrap()
            .insert(path.to_owned(), acts);
        self.url(path)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// Returns all requests for a path.
    pub(crate) fn requests(&self, path: &str) -> Vec<Request> {
        let requests = self.shared.requests.lock().unwrap();
        requests
            .iter()
            .filter(|request| request.path == path)
            .cloned()
            .collect()
    }
}

impl Shared {
    fn serve(&self, connection: Box<dyn Connection>) -> io::Result<()> {
        let mut connection = BufReader::new(connection);
        while let Some(request) = read(&mut connection)? {
            self.requests.lock().unwrap().push(request.clone());
            let act = {
                let mut acts = self.acts.lock().unwrap();
                match acts.get_mut(&request.path) {
                    Some(acts) if acts.len() > 1 => acts.remove(0),
                    Some(acts) => Arc::clone(&acts[0]),
                    None => status(404, &[]),
                }
            };
            if request.method == "HEAD" {
                // What is done is the same, and the body is not sent.
                let mut head = Head(connection.get_mut(), Vec::new());
                act(&request, &mut head)?;
                let sent = String::from_utf8_lossy(&head.1).into_owned();
                let end = sent.find("\r\n\r\n").map_or(sent.len(), |end| end + 4);
                connection.get_mut().write_all(&sent.as_bytes()[..end])?;
                continue;
            }
            if !act(&request, connection.get_mut())? {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// A connection whose answers are collected.
struct Head<'a>(&'a mut dyn Connection, Vec<u8>);

impl Read for Head<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }
}

impl Write for Head<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn read(connection: &mut BufReader<Box<dyn Connection>>) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if connection.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let method = line.split(' ').next().unwrap_or_default().to_owned();
    let path = line.split(' ').nth(1).unwrap_or_default();
    // A proxy is asked for a whole URL.
    let path = path.split_once("://").map_or(path, |(_, rest)| {
        rest.find('/').map_or("/", |place| &rest[place..])
    });
    let path = path.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        connection.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            return Ok(Some(Request {
                method,
                path,
                headers,
            }));
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
}

fn act(
    work: impl Fn(&Request, &mut dyn Connection) -> io::Result<bool> + Send + Sync + 'static,
) -> Act {
    Arc::new(work)
}

fn head(code: u16, length: Option<usize>, headers: &[(&str, &str)]) -> String {
    let mut text = format!("HTTP/1.1 {code} Something\r\n");
    if let Some(length) = length {
        let _ = write!(text, "Content-Length: {length}\r\n");
    }
    for (name, value) in headers {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    text + "\r\n"
}

fn owned(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    headers.iter().map(own).collect()
}

fn borrowed(headers: &[(String, String)]) -> Vec<(&str, &str)> {
    headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

/// Waits until the client closes the connection.
fn wait(connection: &mut dyn Connection) -> io::Result<bool> {
    connection.read(&mut [0]).map(|_| false)
}

/// Sends a file as a good server does: a range of it where that is asked for with its validator.
pub(crate) fn file(body: &[u8], tag: &str) -> Act {
    let (body, tag) = (body.to_vec(), tag.to_owned());
    act(move |request, connection| {
        let is_same = request.header("if-range").is_none_or(|known| known == tag);
        let from = request.from().filter(|_| is_same && !tag.is_empty());
        let length = body.len();
        match from {
            Some(from) if from >= length => {
                connection.write_all(head(416, Some(0), &[]).as_bytes())?;
            }
            Some(from) => {
                let range = format!("bytes {from}-{}/{length}", length - 1);
                let headers = [("ETag", tag.as_str()), ("Content-Range", &range)];
                connection.write_all(head(206, Some(length - from), &headers).as_bytes())?;
                connection.write_all(&body[from..])?;
            }
            None if tag.is_empty() => {
                connection.write_all(head(200, Some(length), &[]).as_bytes())?;
                connection.write_all(&body)?;
            }
            None => {
                connection.write_all(head(200, Some(length), &[("ETag", &tag)]).as_bytes())?;
                connection.write_all(&body)?;
            }
        }
        connection.flush()?;
        Ok(true)
    })
}

/// Sends a body with a code and headers, whatever is asked for.
pub(crate) fn answer(code: u16, headers: &[(&str, &str)], body: &[u8]) -> Act {
    let (headers, body) = (owned(headers), body.to_vec());
    act(move |_, connection| {
        connection.write_all(head(code, Some(body.len()), &borrowed(&headers)).as_bytes())?;
        connection.write_all(&body)?;
        connection.flush()?;
        Ok(true)
    })
}

pub(crate) fn status(code: u16, headers: &[(&str, &str)]) -> Act {
    answer(code, headers, b"")
}

pub(crate) fn redirect(to: &str) -> Act {
    status(302, &[("Location", to)])
}

/// Says nothing.
pub(crate) fn hang() -> Act {
    act(|_, connection| wait(connection))
}

/// Sends the beginning of a file, and then nothing.
pub(crate) fn hang_after(body: &[u8], tag: &str, bytes: usize) -> Act {
    let (body, tag) = (body.to_vec(), tag.to_owned());
    act(move |_, connection| {
        connection.write_all(head(200, Some(body.len()), &[("ETag", &tag)]).as_bytes())?;
        connection.write_all(&body[..bytes])?;
        connection.flush()?;
        wait(connection)
    })
}

/// Sends the beginning of a file, and closes the connection.
pub(crate) fn end_after(body: &[u8], headers: &[(&str, &str)], bytes: usize) -> Act {
    let (body, headers) = (body.to_vec(), owned(headers));
    act(move |_, connection| {
        connection.write_all(head(200, Some(body.len()), &borrowed(&headers)).as_bytes())?;
        connection.write_all(&body[..bytes])?;
        connection.flush()?;
        Ok(false)
    })
}

/// Sends a file that is said to have another length.
pub(crate) fn of_length(body: &[u8], length: usize) -> Act {
    let body = body.to_vec();
    act(move |_, connection| {
        connection.write_all(head(200, Some(length), &[("Connection", "close")]).as_bytes())?;
        connection.write_all(&body)?;
        connection.flush()?;
        Ok(false)
    })
}

/// Sends a byte now and then, and never ends.
pub(crate) fn drip() -> Act {
    act(|_, connection| {
        connection.write_all(head(200, Some(1 << 20), &[]).as_bytes())?;
        let (pause, never) = (std::sync::Condvar::new(), Mutex::new(()));
        loop {
            connection.write_all(b"x")?;
            connection.flush()?;
            let guard = never.lock().unwrap();
            drop(pause.wait_timeout(guard, DRIP).unwrap());
        }
    })
}

/// Sends bytes without an end, and does not say how many.
pub(crate) fn endless() -> Act {
    act(|_, connection| {
        connection.write_all(head(200, None, &[]).as_bytes())?;
        loop {
            connection.write_all(&[0; 1 << 12])?;
        }
    })
}

/// Sends what is no HTTP.
pub(crate) fn garbage() -> Act {
    act(|_, connection| {
        connection.write_all(b"\x00\x01garbage\r\n\r\n")?;
        connection.flush()?;
        Ok(false)
    })
}

/// Makes a certificate for 127.0.0.1 that nobody has signed. Returns what a server needs, and it as PEM.
pub(crate) fn certificate() -> (rustls::ServerConfig, String) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (config, made.cert.pem())
}
