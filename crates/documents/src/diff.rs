//! How two images differ: `stagex diff`.

use serde::{Deserialize, Serialize};

use crate::{Digest, Version};

/// How two images differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Diff {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// What was compared.
    pub mode: DiffMode,
    /// Whether nothing differs of what was compared.
    pub equal: bool,
    /// The first image, or the images of one name.
    pub left: DiffSide,
    /// The second.
    pub right: DiffSide,
    /// The first difference, from the index to the last entry of the last layer; null if there is none.
    pub first: Option<Difference>,
    /// How many differences there are of each class, in the order of the classes. A class without any is left
    /// out.
    pub classes: Vec<DiffCount>,
    /// What probably made the images differ, with the evidence for it.
    pub causes: Vec<LikelyCause>,
    /// The differences in their order: of each class, the first ones up to the limit.
    pub differences: Vec<Difference>,
    /// What was not compared, and why.
    pub notes: Vec<String>,
}

/// What is compared of two images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum DiffMode {
    /// Every byte: documents, compressed layers, tars, entries.
    #[default]
    Strict,
    /// What a container is given: the file system that the layers make, and the config without its history.
    Semantic,
}

/// One of the two things that are compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DiffSide {
    /// How it was named.
    pub name: String,
    /// In what form it lies there: `OCI layout`, `oci-archive`, `docker-archive` or `registry`.
    pub form: String,
    /// The images that were compared.
    pub images: Vec<DiffImage>,
}

/// An image that was compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DiffImage {
    /// Its platform, `os/architecture[/variant]`.
    pub platform: String,
    /// The digest of its manifest; of its config in a docker-archive, which has no manifest.
    pub digest: Digest,
}

/// How many differences there are of a class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DiffCount {
    /// The class.
    pub class: DiffClass,
    /// How many.
    pub count: u64,
}

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Difference {
    /// The platform of the image; absent unless several are compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// Of which part of the image it is.
    pub part: DiffPart,
    /// The number of the layer, from 1, the lowest; absent where it is of no layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<usize>,
    /// The path of the entry; absent where it is of no entry. Bytes that are not UTF-8 are replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The class.
    pub class: DiffClass,
    /// What differs: the name of a property, or the place in a JSON document.
    pub what: String,
    /// What the first has; absent if it has nothing there, or nothing that could be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<String>,
    /// What the second has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub right: Option<String>,
    /// How the contents of a file differ; absent where they do not, or were not looked into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<DiffContent>,
}

/// A part of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum DiffPart {
    /// An index above it, or the list of images beside it.
    Index,
    /// Its manifest.
    Manifest,
    /// Its config.
    Config,
    /// One of its layers.
    Layer,
    /// The file system that its layers make.
    Tree,
}

/// A class of differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum DiffClass {
    /// An index differs, or an image is in one of the two only.
    Index,
    /// The manifest differs in more than what it points to.
    Manifest,
    /// The config differs.
    Config,
    /// The history in the config differs.
    History,
    /// There are more layers in one of the two.
    Layers,
    /// A layer is the same tar, compressed in another way.
    Encoder,
    /// The same entries are in another order.
    Order,
    /// An entry is in the second only.
    Added,
    /// An entry is in the first only.
    Removed,
    /// One is a file and the other a directory, for example.
    Types,
    /// The contents of a file differ.
    Contents,
    /// A symbolic or a hard link leads elsewhere.
    Links,
    /// The numbers or the names of an entry's user or group differ.
    Owners,
    /// The permissions differ.
    Modes,
    /// The times differ.
    Times,
    /// The extended attributes differ.
    Attributes,
    /// The number of a device differs.
    Devices,
    /// The same entry is written in another way.
    TarFormat,
}

impl DiffClass {
    /// All classes, in the order in which they are counted.
    pub const ALL: [Self; 18] = [
        Self::Index,
        Self::Manifest,
        Self::Config,
        Self::History,
        Self::Layers,
        Self::Encoder,
        Self::Order,
        Self::Added,
        Self::Removed,
        Self::Types,
        Self::Contents,
        Self::Links,
        Self::Owners,
        Self::Modes,
        Self::Times,
        Self::Attributes,
        Self::Devices,
        Self::TarFormat,
    ];

    /// Returns it for people.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Manifest => "manifest",
            Self::Config => "config",
            Self::History => "history",
            Self::Layers => "layers",
            Self::Encoder => "encoder only",
            Self::Order => "order",
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Types => "types",
            Self::Contents => "contents",
            Self::Links => "links",
            Self::Owners => "owners",
            Self::Modes => "modes",
            Self::Times => "times",
            Self::Attributes => "extended attributes",
            Self::Devices => "devices",
            Self::TarFormat => "tar format",
        }
    }
}

/// How the contents of a file differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DiffContent {
    /// As what they were read.
    pub kind: DiffContentKind,
    /// At which byte they begin to differ, from 0.
    pub first_byte: u64,
    /// How many bytes differ, each compared with the one at the same place, and how many one has more.
    pub differing_bytes: u64,
    /// Which parts differ, such as a section, a symbol, or a file in an archive.
    pub parts: Vec<DiffContentPart>,
    /// Lines that differ, with `-` before those of the first, and `+` before those of the second.
    pub lines: Vec<String>,
    /// What `diffoscope` says, where it was asked for; otherwise absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diffoscope: Option<String>,
}

/// A part of a file that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DiffContentPart {
    /// Which part it is.
    pub place: String,
    /// What the first has; absent if it has no such part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<String>,
    /// What the second has; absent if it has no such part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub right: Option<String>,
}

/// As what the contents of a file were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum DiffContentKind {
    /// Lines of text.
    Text,
    /// A program, a library or an object file.
    Elf,
    /// An archive of `ar`: a static library, a Debian package.
    Ar,
    /// A tar.
    Tar,
    /// An archive of `zip`.
    Zip,
    /// Compressed by gzip.
    Gzip,
    /// Compressed in another way.
    Compressed,
    /// Python bytecode.
    Python,
    /// Any bytes.
    Binary,
}

/// What probably made images differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LikelyCause {
    /// The cause.
    pub cause: DiffCause,
    /// How often it was found.
    pub count: u64,
    /// The first places at which it was found.
    pub evidence: Vec<DiffEvidence>,
}

/// A place at which a cause shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DiffEvidence {
    /// Where it is: the layer, the path, and the part of the file.
    pub place: String,
    /// What the first has.
    pub left: String,
    /// What the second has.
    pub right: String,
}

/// A cause of differences that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum DiffCause {
    /// The path of the directory that it was built in.
    BuildPath,
    /// The date or the time of the build.
    DateTime,
    /// The locale by which a list was sorted, or which is noted.
    Locale,
    /// The order in which a directory was read, or in which a hash table has its elements.
    UnstableOrder,
    /// The number or the name of the user who built it.
    User,
    /// The umask of whoever built it.
    Umask,
    /// How many jobs ran at the same time, or how many processors there were.
    Jobs,
    /// The version of the kernel.
    Kernel,
    /// The name of the host.
    HostName,
    /// The model of the processor.
    Processor,
    /// A name or a number that was made up at random, such as that of a temporary file.
    Random,
}

impl DiffCause {
    /// All causes, in the order in which they are told.
    pub const ALL: [Self; 11] = [
        Self::BuildPath,
        Self::DateTime,
        Self::Locale,
        Self::UnstableOrder,
        Self::User,
        Self::Umask,
        Self::Jobs,
        Self::Kernel,
        Self::HostName,
        Self::Processor,
        Self::Random,
    ];

    /// Returns it for people.
    pub const fn word(self) -> &'static str {
        match self {
            Self::BuildPath => "build path",
            Self::DateTime => "date or time",
            Self::Locale => "locale",
            Self::UnstableOrder => "order of a directory or of a hash table",
            Self::User => "user",
            Self::Umask => "umask",
            Self::Jobs => "number of jobs or processors",
            Self::Kernel => "kernel version",
            Self::HostName => "host name",
            Self::Processor => "processor model",
            Self::Random => "random name",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DiffCause, DiffClass};

    #[test]
    fn the_lists_are_whole_and_in_order() {
        assert!(DiffClass::ALL.is_sorted_by(|one, next| one < next));
        assert!(DiffCause::ALL.is_sorted_by(|one, next| one < next));
        assert_eq!(DiffClass::ALL.last(), Some(&DiffClass::TarFormat));
        assert_eq!(DiffCause::ALL.last(), Some(&DiffCause::Random));
    }
}
