//! A server of the Remote Execution API that has built everything before it is asked: each result is the same image.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bazel_remote_apis::build::bazel::remote::execution::v2::{
    self, action_cache_server, capabilities_server, content_addressable_storage_server as cas,
    digest_function, execution_server,
};
use bazel_remote_apis::google::bytestream::{self, byte_stream_server};
use bazel_remote_apis::google::longrunning::{Operation, operation};
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

/// The layer of the image: 1,024 bytes of zero, which is an archive without entries.
const LAYER: [u8; 29] = [
    0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3, 0x63, 0x60, 0x18, 5, 0xa3, 0x60, 0x14, 0x8c, 0x54, 0, 0,
    0x2e, 0xaf, 0xb5, 0xef, 0, 4, 0, 0,
];

type Answers<T> = tokio_stream::Iter<std::vec::IntoIter<Result<T, Status>>>;
type Answer<T> = Result<Response<T>, Status>;

/// The server.
#[derive(Clone, Default)]
pub(crate) struct AtOnce(Arc<Known>);

#[derive(Default)]
struct Known {
    /// The blobs that were sent, by their hashes, and how many were streamed.
    sent: Mutex<BTreeSet<String>>,
    streamed: AtomicUsize,
    /// How many calls have read several at once.
    together: AtomicUsize,
    /// What it gives back.
    given: BTreeMap<String, Vec<u8>>,
    result: v2::ActionResult,
}

impl Known {
    fn give(&mut self, bytes: Vec<u8>) -> v2::Digest {
        let digest = digest(&bytes);
        self.given.insert(digest.hash.clone(), bytes);
        digest
    }
}

fn digest(bytes: &[u8]) -> v2::Digest {
    let hash = Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
    v2::Digest {
        hash,
        size_bytes: i64::try_from(bytes.len()).unwrap(),
    }
}

impl AtOnce {
    pub(crate) fn new() -> Self {
        let mut known = Known::default();
        let diff_id = digest(&[0; 1024]).hash;
        let config = format!(
            "{{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{{}},\
             \"rootfs\":{{\"type\":\"layers\",\"diff_ids\":[\"sha256:{diff_id}\"]}}}}"
        );
        let descriptor = |kind: &str, digest: &v2::Digest| {
            format!(
                "{{\"mediaType\":\"application/vnd.oci.image.{kind}\",\"digest\":\"sha256:{}\",\"size\":{}}}",
                digest.hash, digest.size_bytes
            )
        };
        let layer = known.give(LAYER.to_vec());
        let config = known.give(config.into_bytes());
        let manifest = known.give(
            format!(
                "{{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\
                 \"config\":{},\"layers\":[{}]}}",
                descriptor("config.v1+json", &config),
                descriptor("layer.v1.tar+gzip", &layer)
            )
            .into_bytes(),
        );
        let index = format!(
            "{{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[{}]}}",
            descriptor("manifest.v1+json", &manifest)
        );
        let index = known.give(index.into_bytes());
        let marker = known.give(b"{\"imageLayoutVersion\":\"1.0.0\"}".to_vec());
        let file = |name: &str, digest: &v2::Digest| v2::FileNode {
            name: name.to_owned(),
            digest: Some(digest.clone()),
            ..v2::FileNode::default()
        };
        let inside = |name: &str, child: &v2::Directory| {
            vec![v2::DirectoryNode {
                name: name.to_owned(),
                digest: Some(digest(&child.encode_to_vec())),
            }]
        };
        let mut blobs = [&layer, &config, &manifest].map(|digest| file(&digest.hash, digest));
        blobs.sort_by(|one, other| one.name.cmp(&other.name));
        let inner = v2::Directory {
            files: blobs.to_vec(),
            ..v2::Directory::default()
        };
        let outer = v2::Directory {
            directories: inside("sha256", &inner),
            ..v2::Directory::default()
        };
        let root = v2::Directory {
            files: vec![file("index.json", &index), file("oci-layout", &marker)],
            directories: inside("blobs", &outer),
            ..v2::Directory::default()
        };
        let tree = v2::Tree {
            root: Some(root),
            children: vec![outer, inner],
        };
        let log = known.give(b"nothing\n".to_vec());
        known.result = v2::ActionResult {
            output_directories: vec![v2::OutputDirectory {
                path: "image".to_owned(),
                tree_digest: Some(known.give(tree.encode_to_vec())),
                ..v2::OutputDirectory::default()
            }],
            output_files: vec![v2::OutputFile {
                path: "log".to_owned(),
                digest: Some(log),
                ..v2::OutputFile::default()
            }],
            ..v2::ActionResult::default()
        };
        Self(Arc::new(known))
    }

    fn done(&self) -> Response<Answers<Operation>> {
        let response = v2::ExecuteResponse {
            result: Some(self.0.result.clone()),
            ..v2::ExecuteResponse::default()
        };
        let operation = Operation {
            name: "one".to_owned(),
            done: true,
            result: Some(operation::Result::Response(
                bazel_remote_apis::google::protobuf::Any {
                    type_url: "type.googleapis.com/build.bazel.remote.execution.v2.ExecuteResponse"
                        .to_owned(),
                    value: response.encode_to_vec(),
                },
            )),
            ..Operation::default()
        };
        Response::new(tokio_stream::iter(vec![Ok(operation)]))
    }
}

#[tonic::async_trait]
impl capabilities_server::Capabilities for AtOnce {
    async fn get_capabilities(
        &self,
        _: Request<v2::GetCapabilitiesRequest>,
    ) -> Answer<v2::ServerCapabilities> {
        Ok(Response::new(v2::ServerCapabilities {
            cache_capabilities: Some(v2::CacheCapabilities {
                digest_functions: vec![digest_function::Value::Sha256 as i32],
                max_batch_total_size_bytes: 4 << 20,
                ..v2::CacheCapabilities::default()
            }),
            execution_capabilities: Some(v2::ExecutionCapabilities {
                exec_enabled: true,
                ..v2::ExecutionCapabilities::default()
            }),
            ..v2::ServerCapabilities::default()
        }))
    }
}

#[tonic::async_trait]
impl action_cache_server::ActionCache for AtOnce {
    async fn get_action_result(
        &self,
        _: Request<v2::GetActionResultRequest>,
    ) -> Answer<v2::ActionResult> {
        Err(Status::not_found("no"))
    }

    async fn update_action_result(
        &self,
        _: Request<v2::UpdateActionResultRequest>,
    ) -> Answer<v2::ActionResult> {
        Err(Status::unimplemented("no"))
    }
}

#[tonic::async_trait]
impl cas::ContentAddressableStorage for AtOnce {
    async fn find_missing_blobs(
        &self,
        request: Request<v2::FindMissingBlobsRequest>,
    ) -> Answer<v2::FindMissingBlobsResponse> {
        let mut asked = request.into_inner().blob_digests;
        let sent = self.0.sent.lock().unwrap();
        asked.retain(|each| !sent.contains(&each.hash) && !self.0.given.contains_key(&each.hash));
        Ok(Response::new(v2::FindMissingBlobsResponse {
            missing_blob_digests: asked,
        }))
    }

    async fn batch_update_blobs(
        &self,
        request: Request<v2::BatchUpdateBlobsRequest>,
    ) -> Answer<v2::BatchUpdateBlobsResponse> {
        let requests = request.into_inner().requests;
        let digests = requests.into_iter().filter_map(|each| each.digest);
        self.0
            .sent
            .lock()
            .unwrap()
            .extend(digests.map(|digest| digest.hash));
        Ok(Response::new(v2::BatchUpdateBlobsResponse::default()))
    }

    async fn batch_read_blobs(
        &self,
        request: Request<v2::BatchReadBlobsRequest>,
    ) -> Answer<v2::BatchReadBlobsResponse> {
        self.0.together.fetch_add(1, Ordering::Relaxed);
        let digests = request.into_inner().digests.into_iter();
        let response = digests.map(|digest| v2::batch_read_blobs_response::Response {
            data: self.0.given[&digest.hash].clone(),
            digest: Some(digest),
            ..v2::batch_read_blobs_response::Response::default()
        });
        Ok(Response::new(v2::BatchReadBlobsResponse {
            responses: response.collect(),
        }))
    }

    type GetTreeStream = Answers<v2::GetTreeResponse>;

    async fn get_tree(&self, _: Request<v2::GetTreeRequest>) -> Answer<Self::GetTreeStream> {
        Err(Status::unimplemented("no"))
    }

    async fn split_blob(&self, _: Request<v2::SplitBlobRequest>) -> Answer<v2::SplitBlobResponse> {
        Err(Status::unimplemented("no"))
    }

    async fn splice_blob(
        &self,
        _: Request<v2::SpliceBlobRequest>,
    ) -> Answer<v2::SpliceBlobResponse> {
        Err(Status::unimplemented("no"))
    }

    type GetChunkMappingStream = Answers<v2::GetChunkMappingResponse>;

    async fn get_chunk_mapping(
        &self,
        _: Request<v2::GetChunkMappingRequest>,
    ) -> Answer<Self::GetChunkMappingStream> {
        Err(Status::unimplemented("no"))
    }

    async fn register_chunk_mapping(
        &self,
        _: Request<Streaming<v2::RegisterChunkMappingRequest>>,
    ) -> Answer<v2::RegisterChunkMappingResponse> {
        Err(Status::unimplemented("no"))
    }
}

#[tonic::async_trait]
impl byte_stream_server::ByteStream for AtOnce {
    type ReadStream = Answers<bytestream::ReadResponse>;

    async fn read(&self, request: Request<bytestream::ReadRequest>) -> Answer<Self::ReadStream> {
        let name = request.into_inner().resource_name;
        let hash = name.split('/').nth_back(1).unwrap();
        let data = self.0.given[hash].clone();
        let answer = bytestream::ReadResponse { data };
        Ok(Response::new(tokio_stream::iter(vec![Ok(answer)])))
    }

    async fn write(
        &self,
        request: Request<Streaming<bytestream::WriteRequest>>,
    ) -> Answer<bytestream::WriteResponse> {
        let mut parts = request.into_inner();
        let (mut committed_size, mut sent) = (0, String::new());
        while let Some(part) = parts.message().await? {
            if let Some(hash) = part.resource_name.split('/').nth_back(1) {
                hash.clone_into(&mut sent);
            }
            committed_size += i64::try_from(part.data.len()).unwrap();
        }
        // It has no part of a blob.
        self.0.sent.lock().unwrap().insert(sent);
        self.0.streamed.fetch_add(1, Ordering::Relaxed);
        Ok(Response::new(bytestream::WriteResponse { committed_size }))
    }

    async fn query_write_status(
        &self,
        _: Request<bytestream::QueryWriteStatusRequest>,
    ) -> Answer<bytestream::QueryWriteStatusResponse> {
        Err(Status::unimplemented("no"))
    }
}

#[tonic::async_trait]
impl execution_server::Execution for AtOnce {
    type ExecuteStream = Answers<Operation>;
    type WaitExecutionStream = Answers<Operation>;

    async fn execute(&self, _: Request<v2::ExecuteRequest>) -> Answer<Self::ExecuteStream> {
        Ok(self.done())
    }

    async fn wait_execution(
        &self,
        _: Request<v2::WaitExecutionRequest>,
    ) -> Answer<Self::WaitExecutionStream> {
        Ok(self.done())
    }
}

impl AtOnce {
    /// Starts it, and returns its port.
    pub(crate) async fn serve(&self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = self.clone();
        let serving = Server::builder()
            .tcp_nodelay(true)
            .add_service(capabilities_server::CapabilitiesServer::new(server.clone()))
            .add_service(action_cache_server::ActionCacheServer::new(server.clone()))
            .add_service(
                cas::ContentAddressableStorageServer::new(server.clone())
                    .max_decoding_message_size(16 << 20),
            )
            .add_service(byte_stream_server::ByteStreamServer::new(server.clone()))
            .add_service(execution_server::ExecutionServer::new(server));
        tokio::spawn(serving.serve_with_incoming(TcpListenerStream::new(listener)));
        port
    }

    /// Has it give these bytes where `asked` is asked for, before it is started.
    pub(crate) fn give(&mut self, bytes: Vec<u8>, asked: &[u8]) -> v2::Digest {
        let digest = digest(asked);
        let known = Arc::get_mut(&mut self.0).unwrap();
        known.given.insert(digest.hash.clone(), bytes);
        digest
    }

    /// Returns how many calls have read several blobs.
    pub(crate) fn together(&self) -> usize {
        self.0.together.load(Ordering::Relaxed)
    }

    /// Returns how many blobs were streamed to it.
    pub(crate) fn streamed(&self) -> usize {
        self.0.streamed.load(Ordering::Relaxed)
    }
}
