//! What is made canonical, and what is known of it besides.

use containerfile::Build;
use images::{Form, Image};
use oci_image::{Destination, Layout, Leftover, Profile};

/// What is made canonical, and what is known of it.
pub struct Request<'a> {
    /// The image.
    pub image: &'a Image,
    /// The form that it has.
    pub form: Form,
    /// What it was called by, for people.
    pub input: &'a str,
    /// Whether it is known that StageX wrote it: then what is noted beside its layers is right.
    pub is_own: bool,
    /// The encoding.
    pub profile: &'static Profile,
    /// The repository and the tag, if they are not to be those that the image says.
    pub name: Option<(String, String)>,
    /// The image that the build began with, if that is known.
    pub base: Option<Base<'a>>,
    /// The Containerfile, if it is known. Then the base is known, too.
    pub known: Option<Known<'a>>,
}

/// What a build began with.
#[derive(Debug, Clone, Copy)]
pub enum Base<'a> {
    /// Nothing.
    Scratch,
    /// A canonical image.
    Image(&'a Layout),
}

/// What a Containerfile says of an image.
#[derive(Debug, Clone)]
pub struct Known<'a> {
    /// The Containerfile, resolved.
    pub build: &'a Build,
    /// Its steps that make layers, in order.
    pub steps: Vec<Step>,
}

/// A step that made a layer.
#[derive(Debug, Clone)]
pub struct Step {
    /// Whether programs ran in it.
    pub runs: bool,
    /// What an engine may have left in its layer.
    pub leftovers: Vec<Leftover>,
    /// Where it copied to.
    pub destination: Option<Destination>,
}
