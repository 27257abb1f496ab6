//! A build of a few bytes that shows whether a sandbox works here, and whether the store behind it notices
//! all changes.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::time::{Duration, UNIX_EPOCH};

use backend_api::{
    BuildKey, BuildRequest, BuiltImage, Cache, EngineImage, Network, OpenFiles, Stage, Step,
    StepId, StepKind, Variations,
};
use camino::{Utf8Path, Utf8PathBuf};

use crate::error::Error;

/// A program that writes another byte into the file `file`, and gives it the time that it had: the size and the
/// time are as before, and only the contents are not. An ELF header, one program header, and
/// `utimensat(AT_FDCWD, "file", {1 s, 1 s}, 0)` after `write(open("file", O_WRONLY), "b", 1)`; then it exits
/// with what the last said.
#[rustfmt::skip]
const PROGRAM: [u8; 240] = [
    0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    // Executable, x86-64, version 1, entry at 0x400078.
    2, 0, 62, 0, 1, 0, 0, 0, 0x78, 0, 0x40, 0, 0, 0, 0, 0,
    // Program headers at 64, no sections, no flags; the sizes and numbers of headers.
    64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 0, 0, 0, 0, 0, 0,
    // Load, readable and executable, offset 0, at 0x400000.
    1, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0,
    // 240 bytes in the file and in memory, aligned to 0x1000.
    240, 0, 0, 0, 0, 0, 0, 0, 240, 0, 0, 0, 0, 0, 0, 0,
    0, 0x10, 0, 0, 0, 0, 0, 0,
    // open("file", O_WRONLY)
    0xb8, 2, 0, 0, 0, 0x48, 0x8d, 0x3d, 0x45, 0, 0, 0, 0xbe, 1, 0, 0,
    0, 0x0f, 5,
    // write(.., "b", 1)
    0x89, 0xc7, 0xb8, 1, 0, 0, 0, 0x48, 0x8d, 0x35, 0x2f, 0, 0, 0, 0xba, 1,
    0, 0, 0, 0x0f, 5,
    // utimensat(AT_FDCWD, "file", times, 0)
    0xb8, 0x18, 1, 0, 0, 0xbf, 0x9c, 0xff, 0xff, 0xff, 0x48, 0x8d, 0x35, 0x18, 0, 0,
    0, 0x48, 0x8d, 0x15, 0x18, 0, 0, 0, 0x45, 0x31, 0xd2, 0x0f, 5,
    // exit(-..)
    0x89, 0xc7, 0xf7, 0xdf, 0xb8, 0x3c, 0, 0, 0, 0x0f, 5,
    // "b", "file", times
    0x62, 0x66, 0x69, 0x6c, 0x65, 0, 0x90, 0x90, 1, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0,
];

/// The file that the program changes, and its time.
const FILE: &str = "file";
const TIME: Duration = Duration::from_secs(1);

/// What the names of trials' directories begin with.
const PREFIX: &str = "stagex-trial-";
/// The file in a trial's directory that is locked as long as the trial goes on.
const LOCK: &str = "lock";
/// The work directory of a trial's build.
const WORK: &str = "work";

const CONTAINERFILE: &str = "FROM scratch\nCOPY program file /\nRUN [\"/program\"]\n";
/// Its instructions that make a layer.
const STEPS: [(usize, StepKind); 2] = [(0, StepKind::Copy), (1, StepKind::Run)];
/// The directory of the layers that were made.
const LAYERS: &str = "layers";

/// What can be tried.
pub(crate) trait Builds: Sync {
    /// Builds an image.
    fn build(
        &self,
        request: &BuildRequest,
    ) -> impl Future<Output = Result<BuiltImage, Error>> + Send;

    /// Writes its layers into a directory.
    fn export(
        &self,
        image: &BuiltImage,
        directory: &Utf8Path,
    ) -> impl Future<Output = Result<EngineImage, Error>> + Send;

    /// Removes it.
    fn remove(&self, image: BuiltImage) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Builds an image with a RUN without network, and removes it. What the RUN changed has to be in its layer: a store
/// that finds changes by sizes and times loses some of them.
///
/// Only x86-64 has a program to run; elsewhere the best sandbox is taken to work.
pub(crate) async fn run(driver: &impl Builds) -> Result<(), Error> {
    if !cfg!(target_arch = "x86_64") {
        return Ok(());
    }
    let parent = std::env::temp_dir();
    let parent = Utf8PathBuf::from_path_buf(parent)
        .map_err(|path| Error::file(Utf8Path::new(&path.to_string_lossy()), not_text()))?;
    remove_abandoned(driver, &parent).await;
    let temporary = tempfile::Builder::new().prefix(PREFIX).tempdir_in(&parent);
    let temporary = temporary.map_err(|source| Error::file(&parent, source))?;
    let directory = parent.join(
        temporary
            .path()
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .as_ref(),
    );
    let lock = directory.join(LOCK);
    let held = File::create(&lock).and_then(|file| file.lock().map(|()| file));
    let _held = held.map_err(|source| Error::file(&lock, source))?;
    let request = request(&directory)?;
    let image = driver.build(&request).await?;
    let exported = driver.export(&image, &directory.join(LAYERS)).await;
    driver.remove(image).await?;
    if is_recorded(&exported?)? {
        Ok(())
    } else {
        Err(Error::Unsupported {
            message:
                "its store does not notice all changes to files: what keeps its size and its time \
                      would be missing from images"
                    .to_owned(),
            hint: "let the engine's storage driver be `overlay`, with the kernel's overlayfs (unset \
                   STORAGE_DRIVER; `vfs` and `fuse-overlayfs` compare sizes and times)",
        })
    }
}

/// Tells whether the file that the program has changed is in the layer of its RUN.
fn is_recorded(image: &EngineImage) -> Result<bool, Error> {
    let Some(layer) = image
        .layers
        .last()
        .filter(|_| image.layers.len() == STEPS.len())
    else {
        return Ok(false);
    };
    let look = || {
        let mut archive = tar::Archive::new(beneath::open(&layer.tar)?);
        for entry in archive.entries()? {
            if entry?.path()?.file_name() == Some(OsStr::new(FILE)) {
                return Ok(true);
            }
        }
        Ok(false)
    };
    look().map_err(|source| Error::file(&layer.tar, source))
}

/// Removes what trials that were killed have left: their directories, whose locks nobody holds. That
/// one cannot be removed keeps nobody from trying anew.
async fn remove_abandoned(driver: &impl Builds, parent: &Utf8Path) {
    let entries = parent.read_dir_utf8().into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().starts_with(PREFIX)) {
        let directory = entry.path();
        // Whatever somebody else has put there must not be followed to where it leads.
        let ours = fs::symlink_metadata(directory).is_ok_and(|metadata| {
            metadata.is_dir() && metadata.uid() == rustix::process::geteuid().as_raw()
        });
        if !ours {
            continue;
        }
        let lock = File::open(directory.join(LOCK));
        if lock.is_ok_and(|file| file.try_lock().is_ok()) {
            let request = described(directory);
            let image = BuiltImage::of(&request, request.key.name());
            let removed = driver.remove(image).await;
            let removed = removed.is_ok() && fs::remove_dir_all(directory).is_ok();
            tracing::debug!(%directory, removed, "was left by a trial");
        }
    }
}

/// Lays out what is built, and describes it.
fn request(directory: &Utf8Path) -> Result<BuildRequest, Error> {
    let request = described(directory);
    let program = request.context.join("program");
    let written = fs::create_dir(&request.context)
        .and_then(|()| fs::create_dir(&request.work))
        .and_then(|()| fs::create_dir(directory.join(LAYERS)))
        .and_then(|()| fs::write(&request.containerfile, CONTAINERFILE))
        .and_then(|()| fs::write(&program, PROGRAM))
        .and_then(|()| fs::set_permissions(&program, fs::Permissions::from_mode(0o755)))
        .and_then(|()| File::create(request.context.join(FILE)))
        .and_then(|mut file| {
            file.write_all(b"a")?;
            file.set_modified(UNIX_EPOCH + TIME)
        });
    written.map_err(|source| Error::file(directory, source))?;
    Ok(request)
}

fn described(directory: &Utf8Path) -> BuildRequest {
    let steps = STEPS.map(|(index, kind)| Step {
        id: StepId { stage: 0, index },
        kind,
    });
    BuildRequest {
        // Where all builds share a store, no two trials have one name.
        key: BuildKey::new(directory.file_name().unwrap_or("trial")),
        containerfile: directory.join("Containerfile"),
        context: directory.join("context"),
        contexts: Vec::new(),
        target: None,
        stages: vec![Stage {
            name: None,
            begins_with_image: false,
            steps: steps.to_vec(),
        }],
        steps: steps.to_vec(),
        base_layers: 0,
        platform: "linux/amd64".to_owned(),
        build_arguments: Vec::new(),
        network: Network::None,
        cache: Cache::Refuse,
        varied: Variations::default(),
        hard_links: false,
        open_files: OpenFiles {
            soft: 256,
            hard: 256,
        },
        work: directory.join(WORK),
    }
}

fn not_text() -> std::io::Error {
    std::io::Error::other("the path is not UTF-8")
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use process::Invocation;

    use super::*;

    #[test]
    fn the_program_changes_contents_alone() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Utf8Path::from_path(temporary.path()).unwrap();
        let request = request(directory).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let run = Invocation::new(&request.context.join("program")).directory(&request.context);
        assert!(runtime.block_on(run.run()).unwrap().succeeded());
        let file = request.context.join(FILE);
        assert_eq!(fs::read_to_string(&file).unwrap(), "b");
        let time = fs::metadata(&file).unwrap().modified().unwrap();
        assert_eq!(time, UNIX_EPOCH + TIME);
    }
}
