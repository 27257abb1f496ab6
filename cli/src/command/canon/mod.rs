//! `stagex canon` and `stagex explain`: images of any engine as canonical ones, and why they are none.

mod explain;
mod known;
mod scratch;
mod words;

use std::fs;
use std::io;

use camino::Utf8Path;
use canon::Canonical;
use delivery::Delivery;

use crate::arguments;
use crate::context::Context;
use crate::exit::{ErrorKind, Exit};
use crate::failure::Failure;
use crate::options::Format;
use crate::place;
use crate::render;

pub(super) use explain::run as explain;

use known::KnownImage;
use scratch::Scratch;

pub(super) fn run(context: &Context, arguments: &arguments::Canon) -> Result<Exit, Failure> {
    let output = arguments.output.as_deref();
    let is_stream = output.is_some_and(|output| output == "-");
    if is_stream && context.format == Format::Json {
        let message =
            "--format json and --output - cannot both write to standard output".to_owned();
        return Err(Failure::of(ErrorKind::Usage, [(message, None)]));
    }
    let delivery = output
        .map(|output| delivery(&context.directory, output))
        .transpose()?;
    let found = KnownImage::new(context, &arguments.image)?;
    let scratch = Scratch::new(delivery.as_ref())?;
    let to = output.map(Utf8Path::to_owned);
    let document = scratch.run(found, move |request, layout, work| {
        let mut canonical = canon::canon(request, layout, work)?;
        if let (Some(delivery), Some(to)) = (delivery, to) {
            deliver(delivery, &canonical, work)
                .map_err(|error| place::cannot("write", &to, &error))?;
            canonical.document.output = Some(to.into_string());
        }
        Ok::<_, Failure>(canonical.document)
    })?;
    match context.format {
        Format::Json => render::json(&document),
        Format::Human if is_stream => render::note(words::canon(&document).trim_end()),
        Format::Human => render::result(&words::canon(&document)),
    }
    Ok(Exit::Success)
}

/// Says where the image goes.
fn delivery(root: &Utf8Path, output: &Utf8Path) -> Result<Delivery, Failure> {
    use std::io::IsTerminal as _;
    use std::os::fd::AsFd as _;
    if output == "-" {
        let stdout = std::io::stdout();
        let is_terminal = stdout.is_terminal();
        return Ok(Delivery::to_output(stdout.as_fd(), is_terminal, true)?);
    }
    let is_archive = output.extension() == Some("tar");
    let trees = [root.to_owned()];
    Ok(Delivery::to_path(&trees, ".".into(), output, is_archive)?)
}

/// Puts the image where it goes. What is not whole yet lies in `work`, which goes away again.
fn deliver(delivery: Delivery, image: &Canonical, work: &Utf8Path) -> io::Result<()> {
    match delivery {
        Delivery::Directory(path) => image.move_to(&path),
        Delivery::File(path) => {
            let archive = work.join("image.tar");
            image.write_archive(&archive)?;
            fs::rename(archive, path)
        }
        Delivery::Stream(stream) => image.write_to(stream),
    }
}
