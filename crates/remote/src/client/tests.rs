//! A server of our own, which says what it can do and nothing else: who is let in.

use bazel_remote_apis::build::bazel::remote::execution::v2::capabilities_server::{
    Capabilities, CapabilitiesServer,
};
use bazel_remote_apis::build::bazel::remote::execution::v2::{
    CacheCapabilities, ExecutionCapabilities, ServerCapabilities,
};
use camino::Utf8PathBuf;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Certificate, Server as Transport, ServerTlsConfig};
use tonic::{Request, Response};

use super::*;

const TOKEN: &str = "let-me-in";

/// Says what it was made to say, to whoever has the token.
struct Fake(ServerCapabilities);

#[tonic::async_trait]
impl Capabilities for Fake {
    async fn get_capabilities(
        &self,
        request: Request<GetCapabilitiesRequest>,
    ) -> Result<Response<ServerCapabilities>, Status> {
        let token = request.metadata().get("authorization");
        let is_known = token.is_none_or(|token| token == &format!("Bearer {TOKEN}"));
        if is_known {
            Ok(Response::new(self.0.clone()))
        } else {
            Err(Status::unauthenticated("who are you?"))
        }
    }
}

fn fit() -> ServerCapabilities {
    ServerCapabilities {
        cache_capabilities: Some(CacheCapabilities {
            digest_functions: vec![SHA256],
            max_batch_total_size_bytes: 1 << 20,
            ..CacheCapabilities::default()
        }),
        execution_capabilities: Some(ExecutionCapabilities {
            exec_enabled: true,
            ..ExecutionCapabilities::default()
        }),
        ..ServerCapabilities::default()
    }
}

/// Starts a server that ends with the test.
async fn serve(capabilities: ServerCapabilities, tls: Option<ServerTlsConfig>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut transport = Transport::builder();
    if let Some(tls) = tls {
        transport = transport.tls_config(tls).unwrap();
    }
    let service = CapabilitiesServer::new(Fake(capabilities));
    let serving = transport.add_service(service);
    tokio::spawn(serving.serve_with_incoming(TcpListenerStream::new(listener)));
    port
}

fn server(scheme: &str, port: u16, credentials: Credentials) -> Server {
    Server {
        address: format!("{scheme}://localhost:{port}").parse().unwrap(),
        time_limit: None,
        properties: Vec::new(),
        credentials,
    }
}

#[tokio::test]
async fn what_cannot_be_used_is_refused() {
    let old = bazel_remote_apis::build::bazel::semver::SemVer {
        major: 2,
        ..Default::default()
    };
    let with = |change: &dyn Fn(&mut ServerCapabilities)| {
        let mut capabilities = fit();
        change(&mut capabilities);
        capabilities
    };
    for (capabilities, expected) in [
        (with(&|_| {}), None),
        (
            with(&|it| it.execution_capabilities = None),
            Some("executes nothing"),
        ),
        (with(&|it| it.cache_capabilities = None), Some("SHA-256")),
        (
            with(&|it| it.high_api_version = Some(old.clone())),
            Some("before 2.1"),
        ),
    ] {
        let port = serve(capabilities, None).await;
        let connected = Client::connect(&server("grpc", port, Credentials::default())).await;
        match (connected, expected) {
            (Ok(client), None) => assert_eq!(client.batch, (1 << 20) - FRAME),
            (Err(error), Some(expected)) => {
                assert!(error.to_string().contains(expected), "{error}");
            }
            (connected, expected) => panic!("{connected:?}, and not {expected:?}"),
        }
    }
}

#[tokio::test]
async fn what_there_is_no_room_for_is_not_asked_for() {
    let port = serve(fit(), None).await;
    let client = Client::connect(&server("grpc", port, Credentials::default())).await;
    let directory = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(directory.path().join("blob")).unwrap();
    let digest = v2::Digest {
        hash: "0".repeat(64),
        // No disk that tests run on has so much room.
        size_bytes: 1 << 60,
    };
    let Err(Error::Io { source, .. }) = client.unwrap().download(&digest, &path).await else {
        panic!("it was asked for");
    };
    assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
}

/// Files with what somebody is known by, and a server that lets only those in whom its authority knows.
struct Secrets {
    directory: tempfile::TempDir,
}

impl Secrets {
    fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8PathBuf::from_path_buf(self.directory.path().join(name)).unwrap()
    }

    fn write(&self, name: &str, text: &str) -> Utf8PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Writes a certificate that an authority has signed.
    fn signed(
        &self,
        name: &str,
        authority: &CertifiedIssuer<'_, KeyPair>,
    ) -> (Utf8PathBuf, Utf8PathBuf) {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = parameters.signed_by(&key, authority).unwrap();
        (
            self.write(&format!("{name}.pem"), &certificate.pem()),
            self.write(&format!("{name}.key"), &key.serialize_pem()),
        )
    }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

#[tokio::test]
async fn only_who_is_known_is_let_in() {
    let secrets = Secrets {
        directory: tempfile::tempdir().unwrap(),
    };
    let (known, unknown) = (authority(), authority());
    let own = secrets.signed("server", &known);
    let text = |path: &Utf8PathBuf| std::fs::read_to_string(path).unwrap();
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(text(&own.0), text(&own.1)))
        .client_ca_root(Certificate::from_pem(known.pem()));
    let port = serve(fit(), Some(tls)).await;
    let roots = secrets.write("roots.pem", &known.pem());
    let (good, bad) = (
        secrets.signed("good", &known),
        secrets.signed("bad", &unknown),
    );
    let (right, wrong) = (
        secrets.write("right", TOKEN),
        secrets.write("wrong", "other"),
    );
    let credentials =
        |certificate: Option<&(Utf8PathBuf, Utf8PathBuf)>, token: &Utf8PathBuf| Credentials {
            certificate: certificate.cloned(),
            token: Some(Token::File(token.clone())),
        };
    for (number, (credentials, is_let_in, told)) in [
        (credentials(Some(&good), &right), true, ("", "")),
        (
            credentials(Some(&good), &wrong),
            false,
            ("who are you?", "`token`"),
        ),
        (
            credentials(Some(&bad), &right),
            false,
            ("DecryptError", "`certificate` and `key`"),
        ),
        (
            credentials(None, &right),
            false,
            ("CertificateRequired", "`certificate` and `key`"),
        ),
        (
            credentials(Some(&good), &secrets.path("absent")),
            false,
            ("absent", ""),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let server = server("grpcs", port, credentials);
        let connected = Client::connect_with(&server, Some(&roots)).await;
        assert_eq!(connected.is_ok(), is_let_in, "{number}: {connected:?}");
        let Err(error) = connected else { continue };
        let error = build::Error::from(error);
        let causes =
            std::iter::successors(Some(&error as &dyn std::error::Error), |it| it.source());
        let said = causes.map(ToString::to_string).collect::<String>();
        let hint = error.hint().unwrap_or_default();
        assert!(said.contains(told.0), "{number}: {said}");
        assert!(hint.contains(told.1), "{number}: {hint}");
    }
    // Whose authority is not known here is not asked anything.
    let server = server("grpcs", port, credentials(Some(&good), &right));
    let error = Client::connect(&server).await.unwrap_err();
    let Error::Connect { ref source, .. } = error else {
        panic!("{error:?}");
    };
    let causes = std::iter::successors(Some(source as &dyn std::error::Error), |it| it.source());
    let cause = causes.last().map(ToString::to_string);
    let unknown = "invalid peer certificate: UnknownIssuer";
    assert_eq!(cause.as_deref(), Some(unknown));
    let hint = build::Error::from(error).hint();
    assert!(hint.is_some_and(|hint| hint.contains("SSL_CERT_FILE")));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_not_waited_for_for_ever() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // It takes connections, and says nothing.
    let taken = tokio::spawn(async move {
        let mut taken = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            taken.push(connection);
        }
    });
    let start = tokio::time::Instant::now();
    let connected = Client::connect(&server("grpc", port, Credentials::default())).await;
    let told = connected.unwrap_err().to_string();
    let time = start.elapsed();
    assert!(time < Duration::from_secs(120), "{time:?}: {told}");
    assert!(told.contains("it did not answer in time"), "{told}");
    taken.abort();
}

#[tokio::test]
async fn no_secret_is_sent_without_encryption() {
    let port = serve(fit(), None).await;
    let credentials = Credentials {
        certificate: None,
        token: Some(Token::Text(TOKEN.to_owned())),
    };
    let connected = Client::connect(&server("grpc", port, credentials)).await;
    assert!(
        matches!(connected, Err(Error::Unencrypted(_))),
        "{connected:?}"
    );
}
