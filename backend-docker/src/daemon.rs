//! What Docker's daemon says of itself, over its own socket: an answer within a millisecond, where
//! starting the client to ask takes fifty.
//!
//! It knows only a socket of this machine. For every other way to a daemon, and whenever anything
//! here is not as usual, the client has to ask.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use probe_cache::Circumstances;
use process::Environment;

use crate::parse::{self, Store};

/// The daemon's socket, where nobody says otherwise.
const SOCKET: &str = "/var/run/docker.sock";
/// How long an answer may take before the client is asked, which has more patience.
const LIMIT: Duration = Duration::from_secs(2);
/// The most bytes that an answer may have.
const LARGEST: u64 = 4 << 20;

/// Where plugins are, besides the user's own.
const PLUGINS: [&str; 4] = [
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
];
const BUILDX: &str = "docker-buildx";
/// What buildx writes when another builder becomes the current one.
const BUILDERS: [&str; 3] = ["current", "defaults", "instances"];

/// Variables that a child sees, and that have no part in what the client says of itself.
const INDIFFERENT: [&str; 1] = ["SSH_AUTH_SOCK"];

/// What a daemon says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Daemon {
    pub(crate) version: String,
    pub(crate) store: Store,
    /// Whether it has the network that a RUN is in by default.
    pub(crate) has_bridge: bool,
}

/// What the client's environment and configuration say, as far as it is understood here.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    environment: Environment,
    /// The directory with the client's configuration.
    configuration: Utf8PathBuf,
}

impl Surroundings {
    /// Takes those of this process, as the client would see them.
    pub(crate) fn of_process() -> Option<Self> {
        Self::of(Environment::pinned())
    }

    fn of(environment: Environment) -> Option<Self> {
        let named = value(&environment, "DOCKER_CONFIG").map(Utf8PathBuf::from);
        let home = || Some(Utf8Path::new(value(&environment, "HOME")?).join(".docker"));
        let configuration = named.or_else(home)?;
        let surroundings = Self {
            environment,
            configuration,
        };
        surroundings.is_usual().then_some(surroundings)
    }

    /// Tells whether the client's configuration names neither another daemon nor more plugins.
    fn is_usual(&self) -> bool {
        let file = self.configuration.join("config.json");
        let text = match beneath::read(file, beneath::TEXT) {
            Ok(text) => text,
            // The client has its own opinion of a file that is no regular one.
            Err(error) => return error.kind() == std::io::ErrorKind::NotFound,
        };
        let parsed = serde_json::from_slice::<serde_json::Value>(&text);
        let unusual = ["currentContext", "cliPluginsExtraDirs"];
        parsed.is_ok_and(|file| unusual.iter().all(|name| file.get(name).is_none()))
    }

    /// Returns the socket of the daemon that the client would ask, if it is one of this machine.
    fn socket(&self) -> Option<&Utf8Path> {
        let elsewhere = ["DOCKER_CONTEXT", "DOCKER_TLS", "DOCKER_TLS_VERIFY"];
        let set = |name: &&str| value(&self.environment, name).is_some();
        if elsewhere.iter().any(set) {
            return None;
        }
        match value(&self.environment, "DOCKER_HOST") {
            None => Some(SOCKET.into()),
            Some(host) => host.strip_prefix("unix://").map(Utf8Path::new),
        }
    }

    /// Returns the circumstances under which the client in `program` says of itself and of buildx
    /// what it says.
    pub(crate) fn circumstances(&self, program: &Utf8Path) -> Option<Circumstances> {
        let mut all = Circumstances::of(program)?;
        let variables = self.environment.iter();
        for (name, value) in variables.filter(|(name, _)| !INDIFFERENT.contains(name)) {
            all = all.fact(name, value);
        }
        let builders = match value(&self.environment, "BUILDX_CONFIG") {
            Some(directory) => Utf8PathBuf::from(directory),
            None => self.configuration.join("buildx"),
        };
        let own = self.configuration.join("cli-plugins");
        let plugins = PLUGINS.map(Utf8PathBuf::from).into_iter().chain([own]);
        let files = plugins.map(|directory| directory.join(BUILDX));
        let files = files.chain(BUILDERS.map(|name| builders.join(name)));
        let configuration = self.configuration.join("config.json");
        Some(
            files
                .chain([configuration])
                .fold(all, |all, path| all.file(&path)),
        )
    }

    /// Tells whether the daemon is on this machine, as far as that is understood.
    pub(crate) fn is_here(&self) -> bool {
        self.socket().is_some()
    }

    /// Asks the daemon. `None` if only the client can do that, or if there is no usual answer.
    pub(crate) fn ask(&self) -> Option<Daemon> {
        let socket = self.socket()?;
        let (status, body) = get(socket, "/info")?;
        let (version, store) = parse::info(&body).filter(|_| status == 200)?;
        let has_bridge = match get(socket, "/networks/bridge")?.0 {
            200 => true,
            404 => false,
            _ => return None,
        };
        Some(Daemon {
            version,
            store,
            has_bridge,
        })
    }
}

/// Returns the value of a variable; an empty one is none.
fn value<'a>(environment: &'a Environment, name: &str) -> Option<&'a str> {
    let (_, value) = environment.iter().find(|(known, _)| *known == name)?;
    Some(value).filter(|value| !value.is_empty())
}

/// Asks for what is at `path`; returns the status and the body.
fn get(socket: &Utf8Path, path: &str) -> Option<(u16, String)> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(LIMIT)).ok()?;
    stream.set_write_timeout(Some(LIMIT)).ok()?;
    // In version 1.0 the answer ends with the connection, and comes in one piece.
    let question = format!("GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n");
    stream.write_all(question.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.take(LARGEST).read_to_string(&mut answer).ok()?;
    response(&answer)
}

fn response(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?;
    let in_pieces = head.to_ascii_lowercase().contains("\r\ntransfer-encoding:");
    let status = status.parse().ok().filter(|_| !in_pieces)?;
    Some((status, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::net::UnixListener;
    use std::thread;

    use probe_cache::ProbeCache;

    use super::*;
    use crate::probe::{Said, probe_in};

    const INFO: &str = r#"{"ServerVersion":"26.1.5","Driver":"overlayfs",
        "DriverStatus":[["driver-type","io.containerd.snapshotter.v1"]],"Name":"x"}"#;

    struct Scene {
        _temporary: tempfile::TempDir,
        root: Utf8PathBuf,
    }

    impl Scene {
        fn new() -> Self {
            let temporary = tempfile::tempdir().unwrap();
            let root = Utf8PathBuf::from_path_buf(temporary.path().to_owned()).unwrap();
            Self {
                _temporary: temporary,
                root,
            }
        }

        fn surroundings(&self, variables: &[(&str, &str)]) -> Option<Surroundings> {
            let mut environment = Environment::pinned();
            let docker = [
                "DOCKER_CONTEXT",
                "DOCKER_TLS",
                "DOCKER_TLS_VERIFY",
                "BUILDX_CONFIG",
            ];
            for name in docker {
                environment.set(name, "");
            }
            environment.set("DOCKER_HOST", &format!("unix://{}/socket", self.root));
            environment.set("DOCKER_CONFIG", self.root.as_str());
            for (name, value) in variables {
                environment.set(name, value);
            }
            Surroundings::of(environment)
        }

        /// Answers two questions as a daemon does.
        fn daemon(&self, info: &'static str, bridge: &'static str) -> thread::JoinHandle<()> {
            let listener = UnixListener::bind(self.root.join("socket")).unwrap();
            thread::spawn(move || {
                for answer in [info, bridge] {
                    let (mut stream, _) = listener.accept().unwrap();
                    let mut question = [0; 256];
                    let length = stream.read(&mut question).unwrap();
                    let question = String::from_utf8_lossy(&question[..length]);
                    assert!(question.starts_with("GET /"), "{question}");
                    assert!(question.ends_with("\r\n\r\n"), "{question}");
                    stream.write_all(answer.as_bytes()).unwrap();
                }
            })
        }
    }

    #[test]
    fn a_daemon_of_this_machine_answers_for_itself() {
        for (bridge, expected) in [("200 OK", true), ("404 Not Found", false)] {
            let scene = Scene::new();
            let info = format!("HTTP/1.0 200 OK\r\nApi-Version: 1.45\r\n\r\n{INFO}").leak();
            let bridge = format!("HTTP/1.0 {bridge}\r\n\r\n{{}}").leak();
            let answering = scene.daemon(info, bridge);
            let daemon = scene.surroundings(&[]).unwrap().ask().unwrap();
            answering.join().unwrap();
            assert_eq!(daemon.version, "26.1.5");
            assert!(daemon.store.containerd);
            assert_eq!(daemon.has_bridge, expected);
        }
    }

    #[test]
    fn where_no_daemon_answers_the_client_has_to_ask() {
        let scene = Scene::new();
        assert_eq!(scene.surroundings(&[]).unwrap().ask(), None);
    }

    #[test]
    fn of_another_daemon_only_the_client_knows() {
        let scene = Scene::new();
        for (name, value) in [
            ("DOCKER_HOST", "ssh://elsewhere"),
            ("DOCKER_HOST", "tcp://127.0.0.1:2376"),
            ("DOCKER_CONTEXT", "elsewhere"),
            ("DOCKER_TLS_VERIFY", "1"),
        ] {
            let surroundings = scene.surroundings(&[(name, value)]).unwrap();
            assert_eq!(surroundings.socket(), None, "{name}={value}");
        }
        let usual = scene.surroundings(&[("DOCKER_HOST", "")]).unwrap();
        assert_eq!(usual.socket(), Some(SOCKET.into()));
        for text in [
            r#"{"currentContext":"x"}"#,
            r#"{"cliPluginsExtraDirs":[]}"#,
            "{",
        ] {
            fs::write(scene.root.join("config.json"), text).unwrap();
            assert!(scene.surroundings(&[]).is_none(), "{text}");
        }
        fs::write(scene.root.join("config.json"), r#"{"auths":{}}"#).unwrap();
        assert!(scene.surroundings(&[]).is_some());
    }

    #[test]
    fn another_plugin_or_builder_is_another_circumstance() {
        let scene = Scene::new();
        let program = scene.root.join("docker");
        fs::write(&program, "ELF").unwrap();
        let now = || {
            scene
                .surroundings(&[])
                .unwrap()
                .circumstances(&program)
                .unwrap()
        };
        for file in ["cli-plugins/docker-buildx", "buildx/current", "config.json"] {
            let before = now();
            let path = scene.root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "{}").unwrap();
            assert_ne!(now(), before, "{file}");
        }
        let other = scene.surroundings(&[("BUILDX_BUILDER", "x")]).unwrap();
        assert_ne!(other.circumstances(&program).unwrap(), now());
    }

    #[tokio::test]
    async fn the_daemon_is_asked_and_the_client_is_not_asked_again() {
        let scene = Scene::new();
        let surroundings = scene.surroundings(&[]).unwrap();
        // A program that fails whatever it is asked: this one.
        let program = std::env::current_exe().unwrap();
        let program = Utf8Path::from_path(&program).unwrap();
        let probe_cache = ProbeCache::in_directory(scene.root.join("findings"));
        probe_cache
            .entry(surroundings.circumstances(program))
            .keep(&Said {
                version: "26.1.5".to_owned(),
                buildx: Some("0.13.1".to_owned()),
                builder: None,
            });
        let info = format!("HTTP/1.0 200 OK\r\n\r\n{INFO}").leak();
        let answering = scene.daemon(info, "HTTP/1.0 404 Not Found\r\n\r\n");
        let probe = || probe_in(Some(surroundings.clone()), Some(program), &probe_cache);
        let engine = probe().await.unwrap();
        answering.join().unwrap();
        assert_eq!(engine.ready.version, "26.1.5");
        assert!(!engine.has_bridge);
        // Nobody answers any more, and what the client said is not enough.
        assert!(probe().await.is_err());
    }

    #[test]
    fn an_answer_in_pieces_is_none() {
        let whole = "HTTP/1.0 200 OK\r\nContent-Type: x\r\n\r\nbody";
        assert_eq!(response(whole), Some((200, "body".to_owned())));
        let pieces = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody";
        assert_eq!(response(pieces), None);
        assert_eq!(response("other"), None);
    }
}
