//! A build of a few bytes that shows whether a sandbox works here.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use backend_api::{BuildKey, BuildRequest, BuiltImage, Cache, Network, OpenFiles};
use camino::{Utf8Path, Utf8PathBuf};

use crate::error::Error;

/// A program that exits with 0: an ELF header, one program header, and
/// `mov eax, 60; xor edi, edi; syscall`.
#[rustfmt::skip]
const PROGRAM: [u8; 129] = [
    0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    // Executable, x86-64, version 1, entry at 0x400078.
    2, 0, 62, 0, 1, 0, 0, 0, 0x78, 0, 0x40, 0, 0, 0, 0, 0,
    // Program headers at 64, no sections, no flags; the sizes and numbers of headers.
    64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 0, 0, 0, 0, 0, 0,
    // Load, readable and executable, offset 0, at 0x400000.
    1, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0,
    // 129 bytes in the file and in memory, aligned to 0x1000.
    129, 0, 0, 0, 0, 0, 0, 0, 129, 0, 0, 0, 0, 0, 0, 0,
    0, 0x10, 0, 0, 0, 0, 0, 0,
    0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05,
];

/// What the names of trials' directories begin with.
const PREFIX: &str = "stagex-trial-";
/// The file in a trial's directory that is locked as long as the trial goes on.
const LOCK: &str = "lock";
/// The work directory of a trial's build.
const WORK: &str = "work";

const CONTAINERFILE: &str = "FROM scratch\nCOPY program /\nRUN [\"/program\"]\n";

/// What can be tried.
pub(crate) trait Builds: Sync {
    /// Builds an image.
    fn build(
        &self,
        request: &BuildRequest,
    ) -> impl Future<Output = Result<BuiltImage, Error>> + Send;

    /// Removes it.
    fn remove(&self, image: BuiltImage) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Builds an image with a RUN without network, and removes it.
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
    driver.remove(image).await
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
        .and_then(|()| fs::write(&request.containerfile, CONTAINERFILE))
        .and_then(|()| fs::write(&program, PROGRAM))
        .and_then(|()| fs::set_permissions(&program, fs::Permissions::from_mode(0o755)));
    written.map_err(|source| Error::file(directory, source))?;
    Ok(request)
}

fn described(directory: &Utf8Path) -> BuildRequest {
    BuildRequest {
        // Where all builds share a store, no two trials have one name.
        key: BuildKey::new(directory.file_name().unwrap_or("trial")),
        containerfile: directory.join("Containerfile"),
        context: directory.join("context"),
        contexts: Vec::new(),
        target: None,
        steps: Vec::new(),
        stages: Vec::new(),
        base_layers: 0,
        platform: "linux/amd64".to_owned(),
        build_arguments: Vec::new(),
        network: Network::None,
        cache: Cache::Refuse,
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
    fn the_program_exits_with_0() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Utf8Path::from_path(temporary.path()).unwrap();
        let request = request(directory).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let run = Invocation::new(&request.context.join("program")).run();
        assert!(runtime.block_on(run).unwrap().succeeded());
    }
}
