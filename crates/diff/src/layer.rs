//! Two layers of the same place: whether they are the same, or how they differ. It does not know which layers belong
//! together.

use documents::{DiffClass, DiffMode, DiffPart};
use images::Layer;
use sha2::{Digest as _, Sha256};

use crate::content::{self, Looked, Stream};
use crate::cursor::Cursor;
use crate::diffoscope::Diffoscope;
use crate::entries::{self, Where};
use crate::error::Error;
use crate::findings::Findings;
use crate::limits::{Limits, Options};
use crate::record::{self, BUFFER, Budget, Record};

/// How often a layer is read from its beginning again, to look into files that are in another order.
const RETURNS: usize = 4;
/// Of how many files of a layer another program is asked.
const OUTSIDE: usize = 3;

/// Compares two layers, byte for byte.
pub(crate) fn compare(
    number: usize,
    left: &Layer,
    right: &Layer,
    options: &Options,
    findings: &mut Findings,
) -> Result<(), Error> {
    let limits = &options.limits;
    let is_same = left.diff_id == right.diff_id;
    if is_same && left.digest.is_some() && left.digest == right.digest {
        let (left, right) = rayon::join(|| left.verify(), || right.verify());
        left?;
        right?;
        return Ok(());
    }
    let place = Where {
        part: DiffPart::Layer,
        layer: Some(number),
    };
    if is_same {
        let whole = |layer: &Layer| layer.open_tar()?.finish();
        let (first, second) = rayon::join(|| whole(left), || whole(right));
        first?;
        second?;
        return match options.mode {
            DiffMode::Strict => stored(place, left, right, findings),
            DiffMode::Semantic => Ok(()),
        };
    }
    let (first, second) = rayon::join(
        || record::read(left, &Budget::of_layer(limits)),
        || record::read(right, &Budget::of_layer(limits)),
    );
    let (first, second) = (first?, second?);
    let mut found = findings.beside();
    let (pairs, count) = entries::compare(place, &first, &second, limits.files, &mut found);
    if found.is_empty() {
        // They are two tars of the same entries, and nothing that is known of them says why.
        let id = |layer: &Layer| Some(layer.diff_id.to_string());
        let what = "bytes between the entries";
        found.add(place.difference(None, DiffClass::TarFormat, what, id(left), id(right)));
    }
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(here, there)| {
            let files = (&first.entries[*here], &second.entries[*there]);
            Pair {
                places: (*here, *there),
                files,
                paths: vec![&files.0.path],
            }
        })
        .collect();
    look_into((left, right), &pairs, place, options, &mut found)?;
    if count > pairs.len() {
        found.note(format!(
            "layer {number}: {count} files differ, and {} were looked into",
            pairs.len()
        ));
    }
    findings.extend(found);
    let (first, second) = (left.format()?, right.format()?);
    if first != second && left.digest.is_some() && right.digest.is_some() {
        stored(place, left, right, findings)?;
    }
    Ok(())
}

/// Says how two layers are compressed.
fn stored(place: Where, left: &Layer, right: &Layer, findings: &mut Findings) -> Result<(), Error> {
    if left.digest.is_none() || right.digest.is_none() {
        // It was said already that nothing in a docker-archive is compressed.
        return Ok(());
    }
    let (first, second) = (content::stored(left)?, content::stored(right)?);
    let what = "compression";
    findings.add(place.difference(None, DiffClass::Encoder, what, Some(first), Some(second)));
    Ok(())
}

/// Two files with other contents, and where they are in their layers.
pub(crate) struct Pair<'a> {
    pub(crate) places: (usize, usize),
    pub(crate) files: (&'a Record, &'a Record),
    /// Where both are seen, which for hard links need not be what the entries say.
    pub(crate) paths: Vec<&'a [u8]>,
}

/// Looks into files that differ, which are in the order of the first layer.
pub(crate) fn look_into(
    (left, right): (&Layer, &Layer),
    pairs: &[Pair],
    place: Where,
    options: &Options,
    findings: &mut Findings,
) -> Result<(), Error> {
    if pairs.is_empty() {
        return Ok(());
    }
    let limits = &options.limits;
    let mut here = Cursor::open(left, limits)?;
    let mut there = Cursor::open(right, limits)?;
    for (number, pair) in pairs.iter().enumerate() {
        if here.returns + there.returns > RETURNS {
            findings.note(format!(
                "{}: not all files that differ were looked into, since their order differs too",
                left.name()
            ));
            return Ok(());
        }
        let diffoscope = options.diffoscope.filter(|_| number < OUTSIDE);
        let looked = look((&mut here, &mut there), pair, limits, diffoscope)?;
        let path = pair.paths.first().copied().unwrap_or_default();
        let content = looked.finish(&place.name(path), findings);
        for path in &pair.paths {
            findings.look_into(&record::shown(path), &content);
        }
    }
    Ok(())
}

fn look(
    (here, there): (&mut Cursor, &mut Cursor),
    pair: &Pair,
    limits: &Limits,
    diffoscope: Option<&Diffoscope>,
) -> Result<Looked, Error> {
    let (first, second) = pair.files;
    here.go_to(pair.places.0)?;
    there.go_to(pair.places.1)?;
    if first.size.max(second.size) <= limits.content {
        let (left, right) = (here.read(first)?, there.read(second)?);
        let name = record::shown(pair.paths.first().copied().unwrap_or_default());
        let mut looked = content::compare(&name, &left, &right, limits);
        if let Some(diffoscope) = diffoscope {
            looked.said(diffoscope.compare(&name, &left, &right));
        }
        return Ok(looked);
    }
    let mut stream = Stream::new();
    let (mut a, mut b) = (vec![0; BUFFER], vec![0; BUFFER]);
    let (mut left, mut right) = (Sha256::new(), Sha256::new());
    loop {
        let (count, other) = (here.part(&mut a)?, there.part(&mut b)?);
        left.update(&a[..count]);
        right.update(&b[..other]);
        stream.take(&a[..count], &b[..other]);
        if count == 0 && other == 0 {
            break;
        }
    }
    here.check(first, left)?;
    there.check(second, right)?;
    Ok(stream.finish())
}
