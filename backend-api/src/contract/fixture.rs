//! What a case builds: a directory with a Containerfile, its contexts and its work directories.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};

use crate::{
    Availability, Backend, BuildKey, BuildRequest, BuiltImage, Cache, ContextSource, EngineImage,
    NamedContext, Network, OpenFiles, Stage, Step, StepId, StepKind, Variations,
};

/// A program that exits with its number of arguments, itself not counted: an ELF header, one
/// program header, and `mov edi, [rsp]; dec edi; mov eax, 60; syscall`.
#[rustfmt::skip]
const PROGRAM: [u8; 132] = [
    0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    2, 0, 62, 0, 1, 0, 0, 0, 0x78, 0, 0x40, 0, 0, 0, 0, 0,
    64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 0, 0, 0, 0, 0, 0,
    1, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0,
    132, 0, 0, 0, 0, 0, 0, 0, 132, 0, 0, 0, 0, 0, 0, 0,
    0, 0x10, 0, 0, 0, 0, 0, 0,
    0x8b, 0x3c, 0x24, 0xff, 0xcf, 0xb8, 60, 0, 0, 0, 0x0f, 0x05,
];

/// A temporary directory with all that a build needs. Its context has `program`, which exits with
/// its number of arguments, and `file`.
pub(super) struct Fixture {
    directory: Utf8PathBuf,
    _temporary: tempfile::TempDir,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let temporary = tempfile::Builder::new().prefix("stagex-").tempdir();
        let temporary = temporary.expect("a test may make directories");
        let directory = Utf8Path::from_path(temporary.path()).expect("TMPDIR is UTF-8 text");
        let fixture = Self {
            directory: directory.to_owned(),
            _temporary: temporary,
        };
        fixture.write("context/program", &PROGRAM, 0o755);
        fixture.write("context/file", b"text\n", 0o644);
        fixture
    }

    /// Writes a file below the fixture's directory, and returns its path.
    pub(super) fn write(&self, path: &str, contents: &[u8], mode: u32) -> Utf8PathBuf {
        let path = self.directory.join(path);
        let parent = path.parent().expect("it lies in a directory");
        fs::create_dir_all(parent).expect("a test may make directories");
        fs::write(&path, contents).expect("a test may write");
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(&path, permissions).expect("a test may set modes");
        path
    }

    /// Makes an empty directory below the fixture's directory, and returns its path.
    pub(super) fn empty(&self, path: &str) -> Utf8PathBuf {
        let path = self.directory.join(path);
        fs::create_dir_all(&path).expect("a test may make directories");
        path
    }

    /// Prepares a build named `name` of `containerfile`, whose image is made by `kinds` of stage
    /// 0 above `base_layers`.
    pub(super) fn request(
        &self,
        name: &str,
        containerfile: &str,
        base_layers: usize,
        kinds: &[StepKind],
    ) -> BuildRequest {
        let steps = kinds.iter().enumerate().map(|(index, &kind)| Step {
            id: StepId { stage: 0, index },
            kind,
        });
        let steps: Vec<Step> = steps.collect();
        let stage = Stage {
            name: None,
            begins_with_image: base_layers > 0,
            steps: steps.clone(),
        };
        let file = format!("{name}/Containerfile");
        BuildRequest {
            key: key(name),
            containerfile: self.write(&file, containerfile.as_bytes(), 0o644),
            context: self.directory.join("context"),
            contexts: Vec::new(),
            target: None,
            steps,
            stages: vec![stage],
            base_layers,
            platform: "linux/amd64".to_owned(),
            build_arguments: Vec::new(),
            network: Network::None,
            cache: Cache::Refuse,
            varied: Variations::default(),
            hard_links: false,
            open_files: OpenFiles {
                soft: 256,
                hard: 1024,
            },
            work: self.empty(&format!("{name}/work")),
        }
    }

    /// Returns the name of the context `context` in the build named `build`, such as the
    /// backend takes it: where it gives names in the engine's store, they are the build's own.
    pub(super) async fn context_name(
        &self,
        backend: &dyn Backend,
        build: &str,
        context: &str,
    ) -> String {
        match backend.probe().await {
            Availability::Ready(ready) if !ready.capabilities.dialect.named_contexts => {
                format!("{}/{context}", key(build).name())
            }
            _ => format!("stagex/{context}"),
        }
    }

    /// Builds a request, and exports the image into the directory that is returned with it.
    pub(super) async fn export(
        &self,
        backend: &dyn Backend,
        request: &BuildRequest,
    ) -> (BuiltImage, EngineImage) {
        let built = backend.build(request, &()).await;
        let built = built.unwrap_or_else(|error| panic!("{error}\n{:?}", error.output()));
        let directory = self.empty(&format!("export-{}", request.key));
        let exported = backend.export(&built, &directory).await;
        let exported = exported.unwrap_or_else(|error| panic!("{error}\n{:?}", error.output()));
        (built, exported)
    }

    /// Makes an OCI layout of one image of linux on `architecture` with one layer, which has the
    /// file `from-image` and the program, and returns it as a context.
    pub(super) fn image(&self, name: String, architecture: &str) -> NamedContext {
        let mut layer = tar::Builder::new(Vec::new());
        for (path, contents, mode) in [
            ("from-image", b"image\n".as_slice(), 0o640),
            ("program", &PROGRAM, 0o755),
        ] {
            let mut header = tar::Header::new_ustar();
            header.set_size(contents.len() as u64);
            header.set_mode(mode);
            header.set_uid(12);
            header.set_gid(34);
            header.set_mtime(1);
            header.set_cksum();
            let added = layer.append_data(&mut header, path, contents);
            added.expect("memory takes all that is written to it");
        }
        let layer = layer.into_inner().expect("memory takes all");
        let layout = self.layout(&layer, architecture);
        NamedContext {
            name,
            source: ContextSource::Image(layout),
        }
    }

    fn layout(&self, layer: &[u8], architecture: &str) -> Utf8PathBuf {
        use sha2::{Digest as _, Sha256};
        let directory = self.directory.join(format!("layout-{architecture}"));
        if directory.join("index.json").exists() {
            // Another build may be reading it.
            return directory;
        }
        let put = |bytes: &[u8], kind: &str| {
            let hex = Sha256::digest(bytes)
                .iter()
                .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
            self.write(
                &format!("layout-{architecture}/blobs/sha256/{hex}"),
                bytes,
                0o644,
            );
            serde_json::json!({
                "mediaType": format!("application/vnd.oci.image.{kind}"),
                "digest": format!("sha256:{hex}"),
                "size": bytes.len(),
            })
        };
        let layer = put(layer, "layer.v1.tar");
        let config = serde_json::json!({
            "architecture": architecture,
            "os": "linux",
            "config": {},
            "rootfs": { "type": "layers", "diff_ids": [layer["digest"]] },
            "history": [{ "created": "1970-01-01T00:00:01Z", "created_by": "a layer" }],
        });
        let config = put(config.to_string().as_bytes(), "config.v1+json");
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config,
            "layers": [layer],
        });
        let mut manifest = put(manifest.to_string().as_bytes(), "manifest.v1+json");
        manifest["platform"] = serde_json::json!({ "architecture": architecture, "os": "linux" });
        // As the canonical layouts have it: the index names an index, which names the image.
        let index = |inner| {
            serde_json::json!({
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.index.v1+json",
                "manifests": [inner],
            })
        };
        let inner = put(index(manifest).to_string().as_bytes(), "index.v1+json");
        let version = br#"{"imageLayoutVersion":"1.0.0"}"#;
        self.write(&format!("layout-{architecture}/oci-layout"), version, 0o644);
        let outer = index(inner).to_string();
        self.write(
            &format!("layout-{architecture}/index.json"),
            outer.as_bytes(),
            0o644,
        );
        directory
    }
}

/// Returns the key of the build named `name`.
fn key(name: &str) -> BuildKey {
    BuildKey::new(&format!("contract {} {name}", std::process::id()))
}

/// An entry of a layer, as far as cases look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) path: String,
    pub(super) mode: u32,
    pub(super) owner: (u64, u64),
    pub(super) contents: String,
}

/// Reads the entries of a layer's tar.
pub(super) fn entries(tar: &Utf8Path) -> Vec<Entry> {
    let file = fs::File::open(tar).unwrap_or_else(|error| panic!("{tar}: {error}"));
    let mut archive = tar::Archive::new(file);
    let entries = archive.entries().expect("a layer is a tar");
    let entry = |mut entry: tar::Entry<'_, fs::File>| {
        let mut contents = Vec::new();
        entry.read_to_end(&mut contents)?;
        Ok(Entry {
            path: entry
                .path()?
                .to_string_lossy()
                .trim_end_matches('/')
                .to_owned(),
            mode: entry.header().mode()? & 0o7777,
            owner: (entry.header().uid()?, entry.header().gid()?),
            contents: String::from_utf8_lossy(&contents).into_owned(),
        })
    };
    let read: std::io::Result<Vec<Entry>> = entries.map(|each| each.and_then(entry)).collect();
    read.unwrap_or_else(|error| panic!("{tar}: {error}"))
}
