//! The calls of the API about actions, and the connection to a server. What is moved is [`crate::transfer`]'s matter.

use std::time::Duration;

use bazel_remote_apis::build::bazel::remote::execution::v2::{
    self, ActionResult, ExecuteRequest, ExecuteResponse, GetActionResultRequest,
    GetCapabilitiesRequest, WaitExecutionRequest, action_cache_client::ActionCacheClient,
    capabilities_client::CapabilitiesClient, digest_function, execution_client::ExecutionClient,
    execution_stage::Value as Stage,
};
use bazel_remote_apis::google::longrunning::{
    CancelOperationRequest, Operation, operation, operations_client::OperationsClient,
};
use camino::Utf8Path;
use prost::Message as _;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Status, Streaming};

use crate::address::Address;
use crate::bearer::Bearer;
use crate::error::{Error, NO_INSTANCE};
use crate::retry::{again, again_at_first};
use crate::server::{Credentials, Server, Token};
use crate::turns::Turns;

/// The function of all digests.
pub(crate) const SHA256: i32 = digest_function::Value::Sha256 as i32;
/// How much is sent at once, where the server does not say less.
const MOST_AT_ONCE: usize = 3 << 20;
/// How much of a batch is not what it is sent for.
const FRAME: usize = 64 << 10;
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(20);
/// How often a server is asked whether it is there, and how long it may take to say so.
const ALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(30));

/// What calls go through.
pub(crate) type Calls = InterceptedService<Channel, Bearer>;

/// A connection to a server.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) channel: Calls,
    pub(crate) address: Address,
    /// How many bytes of blobs go into one call.
    pub(crate) batch: usize,
    pub(crate) turns: Turns,
}

/// What became of an action.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) result: ActionResult,
    /// The server had the result already.
    pub(crate) is_cached: bool,
}

impl Client {
    /// Connects to a server, and finds out whether it can be used.
    pub(crate) async fn connect(server: &Server) -> Result<Self, Error> {
        Self::connect_with(server, None).await
    }

    /// Does the same, and trusts the authorities in the file `roots` beside those of the system.
    async fn connect_with(server: &Server, roots: Option<&Utf8Path>) -> Result<Self, Error> {
        let Server {
            address,
            credentials,
            ..
        } = server;
        let failed = |source| Error::Connect {
            server: address.to_string(),
            source,
        };
        let scheme = if address.is_encrypted {
            "https"
        } else {
            "http"
        };
        let endpoint = Endpoint::from_shared(format!("{scheme}://{}", address.authority));
        let mut endpoint = endpoint
            .map_err(failed)?
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(ALIVE.0)
            .keep_alive_timeout(ALIVE.1)
            .tcp_nodelay(true);
        let mut bearer = Bearer::default();
        if address.is_encrypted {
            let mut tls = ClientTlsConfig::new().with_native_roots();
            if let Some(roots) = roots {
                tls = tls.ca_certificate(Certificate::from_pem(read(roots)?));
            }
            if let Some((certificate, key)) = &credentials.certificate {
                tls = tls.identity(Identity::from_pem(read(certificate)?, read(key)?));
            }
            if let Some(token) = &credentials.token {
                let text = match token {
                    Token::File(path) => read(path)?,
                    Token::Text(text) => text.clone(),
                };
                let wrong = || Error::Unsupported(format!("{token:?} is not one line of text"));
                bearer = Bearer::of(&text).ok_or_else(wrong)?;
            }
            endpoint = endpoint.tls_config(tls).map_err(failed)?;
        } else if *credentials != Credentials::default() {
            return Err(Error::Unencrypted(address.to_string()));
        }
        let channel = endpoint.connect().await.map_err(failed)?;
        let channel = InterceptedService::new(channel, bearer);
        let mut client = Self {
            channel,
            address: address.clone(),
            batch: MOST_AT_ONCE,
            turns: Turns::default(),
        };
        client.learn().await?;
        Ok(client)
    }

    /// Asks the server what it can do.
    async fn learn(&mut self) -> Result<(), Error> {
        let found = again_at_first(|| async {
            let mut client = CapabilitiesClient::new(self.channel.clone());
            let request = GetCapabilitiesRequest {
                instance_name: self.address.instance.clone(),
            };
            client.get_capabilities(request).await
        });
        let unfit = |problem: &str| Error::Unfit {
            server: self.address.to_string(),
            problem: problem.to_owned(),
        };
        let found = found.await.map_err(|status| match status.code() {
            // There is nothing else in the question that it could not know.
            Code::InvalidArgument | Code::NotFound => {
                unfit(&format!("{NO_INSTANCE}: {}", status.message()))
            }
            _ => self.failed("say what it can do", status),
        })?;
        let found = found.into_inner();
        let is_recent = |version: &bazel_remote_apis::build::bazel::semver::SemVer| {
            (version.major, version.minor) >= (2, 1)
        };
        // A server that does not say which versions it speaks is taken to speak this one.
        if !found.high_api_version.as_ref().is_none_or(is_recent) {
            return Err(unfit("speaks a version of the API before 2.1"));
        }
        let execution = found.execution_capabilities;
        if !execution.is_some_and(|execution| execution.exec_enabled) {
            return Err(unfit("stores blobs, but executes nothing"));
        }
        let cache = found.cache_capabilities.unwrap_or_default();
        if !cache.digest_functions.contains(&SHA256) {
            return Err(unfit("does not know SHA-256"));
        }
        let most = usize::try_from(cache.max_batch_total_size_bytes).unwrap_or(0);
        if most > 0 {
            self.batch = most.saturating_sub(FRAME).clamp(1, MOST_AT_ONCE);
        }
        Ok(())
    }

    /// Says that a call has failed.
    pub(crate) fn failed(&self, what: &'static str, status: Status) -> Error {
        Error::Call {
            server: self.address.to_string(),
            what,
            status: Box::new(status),
        }
    }

    /// Says that an answer is not what it has to be.
    pub(crate) fn wrong(&self, problem: impl Into<String>) -> Error {
        Error::Wrong {
            server: self.address.to_string(),
            problem: problem.into(),
        }
    }

    /// Returns the result of an action, if the server has one of an action that succeeded.
    pub(crate) async fn cached(&self, action: &v2::Digest) -> Result<Option<ActionResult>, Error> {
        let found = again(|| async {
            let mut client = ActionCacheClient::new(self.channel.clone());
            let request = GetActionResultRequest {
                instance_name: self.address.instance.clone(),
                action_digest: Some(action.clone()),
                digest_function: SHA256,
                ..GetActionResultRequest::default()
            };
            client.get_action_result(request).await
        });
        match found.await {
            Ok(found) => Ok(Some(found.into_inner()).filter(|result| result.exit_code == 0)),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(self.failed("look for a result", status)),
        }
    }

    /// Has an action executed. `named` hears what the server calls the execution, and `heard` of each stage that it comes
    /// to.
    pub(crate) async fn execute(
        &self,
        action: &v2::Digest,
        skip_cache: bool,
        named: &(dyn Fn(&str) + Sync),
        heard: &(dyn Fn(Stage) + Sync),
    ) -> Result<Done, Status> {
        let mut client = ExecutionClient::new(self.channel.clone());
        let request = ExecuteRequest {
            instance_name: self.address.instance.clone(),
            skip_cache_lookup: skip_cache,
            action_digest: Some(action.clone()),
            digest_function: SHA256,
            inline_stderr: true,
            ..ExecuteRequest::default()
        };
        let operations = client.execute(request).await?.into_inner();
        follow(operations, (action, false), named, heard).await
    }

    /// Waits for an execution that has begun.
    pub(crate) async fn wait(
        &self,
        name: &str,
        action: &v2::Digest,
        heard: &(dyn Fn(Stage) + Sync),
    ) -> Result<Done, Status> {
        let mut client = ExecutionClient::new(self.channel.clone());
        let name = name.to_owned();
        let operations = client.wait_execution(WaitExecutionRequest { name }).await?;
        follow(operations.into_inner(), (action, true), &|_| {}, heard).await
    }

    /// Ends an execution that nobody wants any more.
    pub(crate) async fn cancel(&self, name: &str) -> Result<(), Status> {
        let mut client = OperationsClient::new(self.channel.clone());
        let name = name.to_owned();
        let cancelled = client.cancel_operation(CancelOperationRequest { name });
        cancelled.await.map(drop)
    }
}

/// Follows the execution of an action to its end. With `is_told`, the server has to say which action it is of.
async fn follow(
    mut operations: Streaming<Operation>,
    (action, is_told): (&v2::Digest, bool),
    named: &(dyn Fn(&str) + Sync),
    heard: &(dyn Fn(Stage) + Sync),
) -> Result<Done, Status> {
    let (mut last, mut told) = (None, !is_told);
    while let Some(operation) = operations.message().await? {
        if !operation.name.is_empty() {
            named(&operation.name);
        }
        let metadata = metadata(&operation);
        let of = metadata
            .as_ref()
            .and_then(|metadata| metadata.action_digest.as_ref());
        if of.is_some_and(|of| of.hash != action.hash) {
            return Err(Status::not_found("it is the execution of another action"));
        }
        told |= of.is_some();
        let stage = metadata.and_then(|metadata| Stage::try_from(metadata.stage).ok());
        if let Some(stage) = stage.filter(|stage| last.replace(*stage) != Some(*stage)) {
            heard(stage);
        }
        if operation.done {
            if !told {
                return Err(Status::not_found("nobody says of which action it is"));
            }
            return done(operation);
        }
    }
    Err(Status::unavailable(
        "the server ended its answer before the action was done",
    ))
}

/// Reads a file with what a server knows the user by.
fn read(path: &Utf8Path) -> Result<String, Error> {
    beneath::read_text(path, beneath::TEXT).map_err(|source| Error::Io {
        action: "read",
        path: path.to_owned(),
        source,
    })
}

/// Returns what is said of an execution, if something is.
fn metadata(operation: &Operation) -> Option<v2::ExecuteOperationMetadata> {
    let metadata = operation.metadata.as_ref()?;
    v2::ExecuteOperationMetadata::decode(metadata.value.as_slice()).ok()
}

/// Reads what became of an action that is done.
fn done(operation: Operation) -> Result<Done, Status> {
    let of_rpc = |status: bazel_remote_apis::google::rpc::Status| {
        let details = status.encode_to_vec().into();
        Status::with_details(Code::from_i32(status.code), status.message, details)
    };
    match operation.result {
        Some(operation::Result::Error(status)) => Err(of_rpc(status)),
        Some(operation::Result::Response(response)) => {
            let response = ExecuteResponse::decode(response.value.as_slice())
                .map_err(|_| Status::data_loss("the result of an action cannot be understood"))?;
            if let Some(status) = response.status.filter(|status| status.code != 0) {
                return Err(of_rpc(status));
            }
            let result = response
                .result
                .ok_or_else(|| Status::data_loss("an action has no result"))?;
            Ok(Done {
                result,
                is_cached: response.cached_result,
            })
        }
        None => Err(Status::data_loss("an action has no result")),
    }
}

#[cfg(test)]
mod tests;
