//! What an ordinary user's kernel does not do for a RUN, done as for a COPY: something stands in.

use std::ffi::OsStr;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use rustix::fs::{FileType, Mode};

/// Makes stand-ins.
#[derive(Debug)]
struct StandIns;

/// Returns from which user on something stands in, and who makes it; nothing where nothing has to.
pub(super) fn deputy() -> Option<(u32, Arc<dyn sandbox::Deputy>)> {
    let beyond = snapshot::stand_in()?;
    Some((beyond, Arc::new(StandIns)))
}

impl sandbox::Deputy for StandIns {
    fn make_device(
        &self,
        folder: BorrowedFd<'_>,
        name: &OsStr,
        kind: (FileType, Mode),
        number: u64,
    ) -> io::Result<()> {
        Ok(snapshot::make_device(folder, name, kind, number)?)
    }

    fn give(&self, file: BorrowedFd<'_>, user: Option<u32>, group: Option<u32>) -> io::Result<()> {
        Ok(snapshot::give(file, user, group)?)
    }
}
