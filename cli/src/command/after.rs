//! What `stagex make` does with what was built, where a target asks for more than building.

use std::fmt::Write as _;

use documents::{ContentEntry, ContentKind, Contents, Make, PlatformImage};
use make::Import;
use package_tree::{After, Plan, PlannedPackage, Tree};
use state::{CompareOptions, Comparison};

use super::digests::Signers;
use crate::context::Context;
use crate::failure::Failure;
use crate::place;

/// Something that was done.
pub(super) enum Done {
    Digests(Vec<Comparison>),
    NewDigests(Vec<Comparison>),
    DigestsOf(Vec<PlatformImage>),
    ContentOf(Vec<Contents>),
    /// The names that images have now in the engine's store.
    Imported(Vec<String>),
}

/// Does it, in order. `plan` is that of everything that was built.
pub(super) fn run(
    context: &Context,
    tree: &Tree,
    plan: &Plan,
    after: &[After],
) -> Result<Vec<Done>, Failure> {
    let directories = &place::directories(context)?;
    let selected = |target: &str| plan.selected(tree, target).map_err(super::tree::of_targets);
    // Compared once: after the first time, what was built is what is recorded.
    let digests = [After::Digests, After::NewDigests];
    let compared = if after.iter().any(|what| digests.contains(what)) {
        let options = CompareOptions {
            record: true,
            verify: false,
        };
        super::digests::compare(context, tree, options)?
    } else {
        Vec::new()
    };
    let mut done = Vec::new();
    for what in after {
        done.push(match what {
            After::Digests => Done::Digests(compared.clone()),
            After::NewDigests => {
                let mut compared = compared.clone();
                compared.retain(Comparison::differs);
                Done::NewDigests(compared)
            }
            After::DigestsOf(target) => {
                let mut found = Vec::new();
                for package in selected(target)? {
                    let images = state::Digests::of_output(directories, &package.name);
                    for (platform, digest) in images? {
                        found.push(PlatformImage {
                            name: package.name.clone(),
                            digest: digest.into(),
                            platform,
                        });
                    }
                }
                Done::DigestsOf(found)
            }
            After::ContentOf(target) => {
                let packages = selected(target)?.into_iter();
                let contents = packages.map(|package| state::contents(directories, &package.name));
                Done::ContentOf(contents.collect::<Result<_, _>>()?)
            }
            After::Import(target) => {
                let name = |package: &&PlannedPackage| {
                    Import::of(package, format!("stagex/{}:local", package.name))
                };
                let wanted: Vec<Import> = selected(target)?.iter().map(name).collect();
                let imported = super::import::import(context, directories, &wanted)?;
                let names = imported.images.into_iter().map(|image| image.reference);
                Done::Imported(names.collect())
            }
        });
    }
    Ok(done)
}

impl Done {
    /// Adds it to make's document, behind what another target of the same kind has there.
    pub(super) fn add_to(self, document: &mut Make) {
        fn add<T>(field: &mut Option<Vec<T>>, more: impl IntoIterator<Item = T>) {
            field.get_or_insert_default().extend(more);
        }
        match self {
            Self::Digests(compared) => {
                add(&mut document.digests, compared.iter().map(Into::into));
            }
            Self::NewDigests(compared) => {
                add(&mut document.new_digests, compared.iter().map(Into::into));
            }
            Self::DigestsOf(images) => add(&mut document.images, images),
            Self::ContentOf(contents) => add(&mut document.contents, contents),
            Self::Imported(names) => add(&mut document.imported, names),
        }
    }

    /// Returns it for people.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        match self {
            Self::Digests(compared) => text = super::digests::human(compared, &Signers::new()),
            Self::NewDigests(compared) => {
                for each in compared {
                    let hex = each.built.map_or_else(String::new, |digest| digest.hex());
                    let _ = writeln!(text, "{hex} {}", each.image());
                }
            }
            Self::DigestsOf(images) => text = digests(images),
            Self::ContentOf(contents) => contents.iter().for_each(|each| list(each, &mut text)),
            Self::Imported(names) => text = names.join("\n"),
        }
        text
    }
}

/// Returns a line for each image, with its package where there are several.
fn digests(images: &[PlatformImage]) -> String {
    let several = images.windows(2).any(|two| two[0].name != two[1].name);
    let line = |image: &PlatformImage| {
        let PlatformImage { name, platform, .. } = image;
        let hex = image.digest.hex();
        if several {
            format!("{hex} {name} {platform}\n")
        } else {
            format!("{hex} {platform}\n")
        }
    };
    images.iter().map(line).collect()
}

/// Lists what is in an image: the files of its layout, and the entries of each layer as `tar -tv`
/// does. What is deleted has a `w` for its type.
fn list(contents: &Contents, text: &mut String) {
    for file in &contents.files {
        let _ = writeln!(
            text,
            "{:>12} out/{}/{}",
            file.size,
            contents.name,
            printable::line(&file.path)
        );
    }
    for (place, layer) in (1..).zip(&contents.layers) {
        let count = contents.layers.len();
        let platform = layer.platform.as_deref().unwrap_or_default();
        let title = format!("layer {place} of {count}: {} {platform}", layer.digest);
        let _ = writeln!(text, "\n{}", title.trim_end());
        for entry in &layer.entries {
            let _ = writeln!(text, "{}", line(entry));
        }
    }
}

fn line(entry: &ContentEntry) -> String {
    let kind = match entry.kind {
        ContentKind::Directory => 'd',
        ContentKind::Symlink => 'l',
        ContentKind::HardLink => 'h',
        ContentKind::CharacterDevice => 'c',
        ContentKind::BlockDevice => 'b',
        ContentKind::Pipe => 'p',
        ContentKind::Whiteout => 'w',
        ContentKind::File => '-',
    };
    let owner = format!("{}/{}", entry.user, entry.group);
    let target = match (&entry.target, entry.kind) {
        (Some(target), ContentKind::HardLink) => format!(" link to {target}"),
        (Some(target), _) => format!(" -> {target}"),
        (None, _) => String::new(),
    };
    format!(
        "{kind}{} {owner:>9} {:>12} {:>10} {}{}",
        permissions(entry.mode),
        entry.size,
        entry.modified,
        printable::line(&entry.path),
        printable::line(&target),
    )
}

/// Returns a mode as `ls` shows it.
fn permissions(mode: u32) -> String {
    let mut text = String::new();
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 == 0 { '-' } else { 'r' });
        text.push(if bits & 2 == 0 { '-' } else { 'w' });
        text.push(match (mode & special != 0, bits & 1 != 0) {
            (true, true) => letter,
            (true, false) => letter.to_ascii_uppercase(),
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use documents::{Digest, Make, PlatformImage, Version};

    use super::{Done, digests, permissions};

    fn image(name: &str, platform: &str) -> PlatformImage {
        PlatformImage {
            name: name.to_owned(),
            digest: Digest::sha256(&[0x0f; 32]),
            platform: platform.to_owned(),
        }
    }

    #[test]
    fn targets_of_one_kind_do_not_hide_each_other() {
        let mut document = Make {
            version: Version,
            runtime: "docker".to_owned(),
            interrupted: false,
            remote: None,
            packages: Vec::new(),
            digests: None,
            new_digests: None,
            images: None,
            contents: None,
            imported: None,
        };
        let images = ["core-a", "core-b"].map(|name| image(name, "linux/amd64"));
        for image in images.clone() {
            Done::DigestsOf(vec![image]).add_to(&mut document);
        }
        assert_eq!(document.images, Some(images.to_vec()));
        assert_eq!(document.contents, None);
    }

    #[test]
    fn digests_of_several_packages_say_whose_they_are() {
        let hex = "0f".repeat(32);
        let one = [image("core-a", "linux/amd64"), image("core-a", "linux/386")];
        let lines = format!("{hex} linux/amd64\n{hex} linux/386\n");
        assert_eq!(digests(&one), lines);
        let two = [image("core-a", "linux/386"), image("user-a", "linux/386")];
        let lines = format!("{hex} core-a linux/386\n{hex} user-a linux/386\n");
        assert_eq!(digests(&two), lines);
    }

    #[test]
    fn modes_are_shown_as_ls_does() {
        for (mode, shown) in [
            (0o755, "rwxr-xr-x"),
            (0o4755, "rwsr-xr-x"),
            (0o2644, "rw-r-Sr--"),
            (0o1777, "rwxrwxrwt"),
        ] {
            assert_eq!(permissions(mode), shown);
        }
    }
}
