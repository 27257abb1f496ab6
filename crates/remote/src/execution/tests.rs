//! A server of our own that loses what it was sent, and one that goes away.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use bazel_remote_apis::build::bazel::remote::execution::v2::{
    ActionResult, BatchReadBlobsRequest, BatchReadBlobsResponse, BatchUpdateBlobsRequest,
    BatchUpdateBlobsResponse, CacheCapabilities, ExecuteRequest, ExecuteResponse,
    ExecutionCapabilities, FindMissingBlobsRequest, FindMissingBlobsResponse,
    GetCapabilitiesRequest, GetChunkMappingRequest, GetChunkMappingResponse, GetTreeRequest,
    GetTreeResponse, RegisterChunkMappingRequest, RegisterChunkMappingResponse, ServerCapabilities,
    SpliceBlobRequest, SpliceBlobResponse, SplitBlobRequest, SplitBlobResponse,
    WaitExecutionRequest,
    capabilities_server::{Capabilities, CapabilitiesServer},
    content_addressable_storage_server::{
        ContentAddressableStorage, ContentAddressableStorageServer,
    },
    execution_server::{Execution as Executes, ExecutionServer},
};
use bazel_remote_apis::google::longrunning::{Operation, operation};
use bazel_remote_apis::google::protobuf::Any;
use camino::Utf8Path;
use prost::Message as _;
use state::Directories;
use tokio::net::TcpListener;
use tokio_stream::Stream;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server as Transport;
use tonic::{Request, Response};

use super::*;
use crate::begun::Begun;
use crate::blob::Blobs;
use crate::client::SHA256;
use crate::server::{Credentials, Server};

/// What a server has, and how often it has been asked to execute.
#[derive(Debug, Default)]
struct State {
    stored: BTreeMap<String, Vec<u8>>,
    asked: u32,
}

/// Loses all that it was sent, when it is asked to execute, and says so, so many times.
#[derive(Clone)]
struct Forgetful {
    state: Arc<Mutex<State>>,
    times: u32,
    code: Code,
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Capabilities for Forgetful {
    async fn get_capabilities(
        &self,
        _: Request<GetCapabilitiesRequest>,
    ) -> Result<Response<ServerCapabilities>, Status> {
        Ok(Response::new(ServerCapabilities {
            cache_capabilities: Some(CacheCapabilities {
                digest_functions: vec![SHA256],
                ..CacheCapabilities::default()
            }),
            execution_capabilities: Some(ExecutionCapabilities {
                exec_enabled: true,
                ..ExecutionCapabilities::default()
            }),
            ..ServerCapabilities::default()
        }))
    }
}

#[tonic::async_trait]
impl ContentAddressableStorage for Forgetful {
    type GetTreeStream = Answers<GetTreeResponse>;
    type GetChunkMappingStream = Answers<GetChunkMappingResponse>;

    async fn find_missing_blobs(
        &self,
        request: Request<FindMissingBlobsRequest>,
    ) -> Result<Response<FindMissingBlobsResponse>, Status> {
        let state = self.state.lock().unwrap();
        let asked = request.into_inner().blob_digests.into_iter();
        let missing = asked.filter(|digest| !state.stored.contains_key(&digest.hash));
        Ok(Response::new(FindMissingBlobsResponse {
            missing_blob_digests: missing.collect(),
        }))
    }

    async fn batch_update_blobs(
        &self,
        request: Request<BatchUpdateBlobsRequest>,
    ) -> Result<Response<BatchUpdateBlobsResponse>, Status> {
        let mut state = self.state.lock().unwrap();
        for blob in request.into_inner().requests {
            state.stored.insert(blob.digest.unwrap().hash, blob.data);
        }
        Ok(Response::new(BatchUpdateBlobsResponse::default()))
    }

    async fn batch_read_blobs(
        &self,
        _: Request<BatchReadBlobsRequest>,
    ) -> Result<Response<BatchReadBlobsResponse>, Status> {
        Err(Status::unimplemented("it is only written to"))
    }

    async fn get_tree(
        &self,
        _: Request<GetTreeRequest>,
    ) -> Result<Response<Self::GetTreeStream>, Status> {
        Err(Status::unimplemented("it is only written to"))
    }

    async fn split_blob(
        &self,
        _: Request<SplitBlobRequest>,
    ) -> Result<Response<SplitBlobResponse>, Status> {
        Err(Status::unimplemented("it is only written to"))
    }

    async fn get_chunk_mapping(
        &self,
        _: Request<GetChunkMappingRequest>,
    ) -> Result<Response<Self::GetChunkMappingStream>, Status> {
        Err(Status::unimplemented("it is only written to"))
    }

    async fn register_chunk_mapping(
        &self,
        _: Request<tonic::Streaming<RegisterChunkMappingRequest>>,
    ) -> Result<Response<RegisterChunkMappingResponse>, Status> {
        Err(Status::unimplemented("it is only written to"))
    }

    async fn splice_blob(
        &self,
        _: Request<SpliceBlobRequest>,
    ) -> Result<Response<SpliceBlobResponse>, Status> {
        Err(Status::unimplemented("it is only written to"))
    }
}

#[tonic::async_trait]
impl Executes for Forgetful {
    type ExecuteStream = Answers<Operation>;
    type WaitExecutionStream = Answers<Operation>;

    async fn execute(
        &self,
        _: Request<ExecuteRequest>,
    ) -> Result<Response<Self::ExecuteStream>, Status> {
        let mut state = self.state.lock().unwrap();
        state.asked += 1;
        if state.asked <= self.times {
            state.stored.clear();
            return Err(Status::new(self.code, "not now"));
        }
        let response = ExecuteResponse {
            result: Some(ActionResult::default()),
            ..ExecuteResponse::default()
        };
        let operation = Operation {
            name: "done".to_owned(),
            done: true,
            result: Some(operation::Result::Response(Any {
                value: response.encode_to_vec(),
                ..Default::default()
            })),
            ..Operation::default()
        };
        let answers = tokio_stream::once(Ok(operation));
        Ok(Response::new(Box::pin(answers)))
    }

    async fn wait_execution(
        &self,
        _: Request<WaitExecutionRequest>,
    ) -> Result<Response<Self::WaitExecutionStream>, Status> {
        Err(Status::unimplemented("it is done at once"))
    }
}

/// Remembers what it hears.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Hears for Heard {
    fn stage(&self, _: Stage) {}

    fn again(&self, why: &str) {
        self.0.lock().unwrap().push(why.to_owned());
    }
}

/// Has an action executed by a server that forgets so many times what it was sent.
async fn forgotten(
    code: Code,
    times: u32,
) -> (Result<Done, Error>, Vec<String>, Arc<Mutex<State>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let state = Arc::default();
    let forgetful = Forgetful {
        state: Arc::clone(&state),
        times,
        code,
    };
    let serving = Transport::builder()
        .add_service(CapabilitiesServer::new(forgetful.clone()))
        .add_service(ContentAddressableStorageServer::new(forgetful.clone()))
        .add_service(ExecutionServer::new(forgetful));
    tokio::spawn(serving.serve_with_incoming(TcpListenerStream::new(listener)));
    let server = Server {
        address: format!("grpc://127.0.0.1:{port}").parse().unwrap(),
        properties: Vec::new(),
        time_limit: None,
        credentials: Credentials::default(),
    };
    let client = Client::connect(&server).await.unwrap();
    let mut blobs = Blobs::default();
    blobs.add(b"one".to_vec());
    let digest = blobs.add(b"and another".to_vec());
    let action = Action { digest, blobs };
    client.upload(&action.blobs).await.unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let directories = Directories::of_tree(Utf8Path::from_path(temporary.path()).unwrap());
    let begun = Begun::of(&directories, "package", &server.address, &action.digest);
    let (heard, name) = (Heard::default(), Name::of(begun));
    let execution = Execution::new(&client, &action, &heard, &name);
    let done = execution.run(false).await;
    (done, heard.0.into_inner().unwrap(), state)
}

#[tokio::test]
async fn what_a_server_has_lost_is_sent_again() {
    let (done, heard, state) = forgotten(Code::FailedPrecondition, 2).await;
    assert!(done.is_ok(), "{done:?}");
    let told = "inputs were lost, and 14 bytes were sent again";
    assert_eq!(heard, [told, told]);
    assert_eq!(state.lock().unwrap().stored.len(), 2);
}

#[tokio::test]
async fn what_a_server_always_loses_is_not_sent_for_ever() {
    let (done, heard, state) = forgotten(Code::FailedPrecondition, u32::MAX).await;
    let Err(Error::Call { status, .. }) = done else {
        panic!("{done:?}");
    };
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(heard.len(), MOST as usize);
    assert_eq!(state.lock().unwrap().asked, MOST + 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_with_too_much_to_do_is_asked_later_and_that_is_said_once() {
    let start = tokio::time::Instant::now();
    let (done, heard, state) = forgotten(Code::ResourceExhausted, 500).await;
    assert!(done.is_ok(), "{done:?}");
    assert_eq!(heard, ["not now (ResourceExhausted)"]);
    assert_eq!(state.lock().unwrap().asked, 501);
    assert!(start.elapsed() > Duration::from_secs(2000));
    let (done, ..) = forgotten(Code::ResourceExhausted, u32::MAX).await;
    let hint = build::Error::from(done.unwrap_err()).hint();
    assert!(hint.is_some_and(|hint| hint.contains("fewer --jobs")));
}
