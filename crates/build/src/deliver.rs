//! An image as an archive: in one file, or into what is open.

use std::io::Write as _;

use camino::Utf8Path;
use delivery::Delivery;
use oci_image::{ImageSet, write_docker_tar, write_docker_tar_file, write_tar, write_tar_file};
use state::IoContext as _;

use crate::error::Error;

/// What an archive is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Archive {
    /// An OCI layout.
    Oci,
    /// An OCI layout of one image that `docker load` takes as well, with this name and tag.
    Docker(String),
}

/// Writes an image to where it is delivered; a layout is there already, where the build was told to write it.
///
/// # Errors
///
/// What the operating system refuses.
pub fn deliver(image: &ImageSet, archive: &Archive, to: Delivery) -> Result<(), Error> {
    match to {
        Delivery::Directory(_) => Ok(()),
        Delivery::File(path) => {
            let written = match archive {
                Archive::Oci => write_tar_file(image, &path),
                Archive::Docker(name) => write_docker_tar_file(image, name, &path),
            };
            Ok(written.at("write", &path)?)
        }
        Delivery::Stream(mut stream) => {
            let written = match archive {
                Archive::Oci => write_tar(image, &mut stream),
                Archive::Docker(name) => write_docker_tar(image, name, &mut stream),
            };
            let sent = written.and_then(|()| stream.flush());
            Ok(sent.at("write", Utf8Path::new("the image"))?)
        }
    }
}
