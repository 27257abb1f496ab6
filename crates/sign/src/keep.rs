//! Puts a signature into its place: whole or not at all, under the next number, also when two do it at once.

use std::io::{self, Write as _};

use beneath::Directory;
use camino::Utf8PathBuf;
use rustix::fs::{AtFlags, FlockOperation, flock, linkat};
use trust::{MOST, Place, file_name, first_free, numbers};

use crate::error::Error;

/// Writes `bytes` as the next signature in `place`, below the directory `signatures`. Returns its number.
///
/// # Errors
///
/// It cannot be written, or there are as many as anybody looks at.
pub fn keep(signatures: &Directory, place: &Place, bytes: &[u8]) -> Result<u32, Error> {
    let kept = keep_in(signatures, place, bytes);
    let path = || signatures.path().join(place.path());
    match kept {
        Ok(Some(number)) => Ok(number),
        Ok(None) => Err(Error::Full { place: path() }),
        Err(source) => Err(Error::Place {
            place: path(),
            source,
        }),
    }
}

fn keep_in(signatures: &Directory, place: &Place, bytes: &[u8]) -> io::Result<Option<u32>> {
    let directory = signatures.make_directory(&place.path())?;
    // Others of this program wait until it is closed. Whoever does not is noticed below.
    flock(&directory, FlockOperation::LockExclusive)?;
    // Not in the directory itself: StageX's scripts take every file there for a signature.
    let random = printable::hex(&state::random()[..8]);
    let temporary = Utf8PathBuf::from(format!(".signature-{random}"));
    let mut file = signatures.new_file(&temporary)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    let kept = written.and_then(|()| {
        loop {
            let number = first_free(&numbers(signatures, place)?);
            if number > MOST {
                break Ok(None);
            }
            let name = file_name(number);
            let (from, flags) = (temporary.as_str(), AtFlags::empty());
            let linked = linkat(signatures, from, &directory, &name, flags);
            match linked {
                Ok(()) => break Ok(Some(number)),
                // Somebody else was faster.
                Err(rustix::io::Errno::EXIST) => {}
                Err(error) => break Err(error.into()),
            }
        }
    });
    signatures.remove(&temporary)?;
    let kept = kept?;
    rustix::fs::fsync(&directory)?;
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::thread;

    use camino::Utf8Path;
    use documents::Digest;

    use super::*;

    #[test]
    fn many_at_once_leave_no_gap_and_lose_nothing() {
        let temporary = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(temporary.path()).unwrap();
        let place = Place::new(
            &"stagex".parse().unwrap(),
            "core-a",
            Digest::sha256(&[7; 32]),
        );
        let place = place.unwrap();
        let mut numbers: Vec<u32> = thread::scope(|scope| {
            let sign = |byte: u8| {
                let place = &place;
                scope.spawn(move || {
                    keep(&Directory::open(path).unwrap(), place, &[byte; 9]).unwrap()
                })
            };
            let all: Vec<_> = (0..16).map(sign).collect();
            all.into_iter().map(|each| each.join().unwrap()).collect()
        });
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=16).collect::<Vec<_>>());
        let directory = path.join(place.path());
        let mut contents: Vec<_> = (1..=16)
            .map(|number| fs::read(directory.join(file_name(number))).unwrap())
            .collect();
        contents.sort();
        assert_eq!(
            contents,
            (0..16).map(|byte| vec![byte; 9]).collect::<Vec<_>>()
        );
        // Nothing else is there: StageX's scripts take every file for a signature.
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 16);
        assert_eq!(fs::read_dir(path).unwrap().count(), 1);
    }

    #[test]
    fn a_gap_is_filled_and_what_nobody_would_look_at_is_not_written() {
        let temporary = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(temporary.path()).unwrap();
        let signatures = Directory::open(path).unwrap();
        let place = Place::new(
            &"stagex".parse().unwrap(),
            "core-a",
            Digest::sha256(&[7; 32]),
        );
        let place = place.unwrap();
        signatures
            .write(&place.path().join("signature-2"), b"")
            .unwrap();
        assert_eq!(keep(&signatures, &place, b"x").unwrap(), 1);
        assert_eq!(keep(&signatures, &place, b"x").unwrap(), 3);
        for number in 4..=MOST {
            signatures
                .write(&place.path().join(file_name(number)), b"")
                .unwrap();
        }
        let error = keep(&signatures, &place, b"x").unwrap_err();
        assert!(matches!(error, Error::Full { .. }), "{error}");
        assert_eq!(fs::read_dir(path).unwrap().count(), 1);
    }
}
