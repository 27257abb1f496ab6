//! What `stagex make` does with what was built, where a target asks for more than building.

use std::fmt::Write as _;

use package_tree::{After, PlannedPackage, Tree};
use serde_json::{Value, json};
use state::{Comparison, Contents, ListedEntry, ListedKind};

use super::interruption;
use crate::context::Context;
use crate::failure::Failure;
use crate::place;
use crate::render::{self, Show};

/// Something that was done.
pub(super) enum Done {
    Digests(Vec<Comparison>),
    NewDigests(Vec<Comparison>),
    /// (name, digest, platform) of each image.
    DigestsOf(Vec<(String, String, String)>),
    ContentOf(Vec<Contents>),
    /// The names that images have now in the engine's store.
    Imported(Vec<String>),
}

/// Does it, in order.
pub(super) fn run(
    context: &Context,
    tree: &Tree,
    after: &[After],
    platform: &str,
) -> Result<Vec<Done>, Failure> {
    let folders = &place::folders(context)?;
    let selected = |target: &String| -> Result<Vec<PlannedPackage>, Failure> {
        let plan = super::tree::plan_for(context, tree, std::slice::from_ref(target), platform)?;
        let packages = plan.packages.into_iter();
        Ok(packages.filter(|package| package.requested).collect())
    };
    // Compared once: after the first time, what was built is what is recorded.
    let digests = [After::Digests, After::NewDigests];
    let compared = if after.iter().any(|what| digests.contains(what)) {
        super::digests::compare(context, tree, super::digests::RECORD)?
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
                let mut lines = Vec::new();
                for package in selected(target)? {
                    let images = state::Digests::of_output(folders, &package.name);
                    for (platform, digest) in images? {
                        lines.push((package.name.clone(), digest.hex(), platform));
                    }
                }
                Done::DigestsOf(lines)
            }
            After::ContentOf(target) => {
                let packages = selected(target)?;
                let contents = packages
                    .iter()
                    .map(|package| Contents::of_output(folders, &package.name));
                Done::ContentOf(contents.collect::<Result<_, _>>()?)
            }
            After::Import(target) => Done::Imported(import(context, &selected(target)?)?),
        });
    }
    Ok(done)
}

/// Puts images into the store of the engine that was asked for. Returns their names there.
fn import(context: &Context, packages: &[PlannedPackage]) -> Result<Vec<String>, Failure> {
    let folders = place::folders(context)?;
    let listener = render::listener(context, Show::default());
    super::block_on(async {
        let mut interrupted = interruption::watch();
        let backend = context.select(&mut interrupted).await?.backend;
        let mut names = Vec::new();
        for package in packages {
            let platform = package.platforms.first().map_or("", String::as_str);
            let loading = build::load(
                &folders,
                &package.name,
                platform,
                backend.as_ref(),
                &listener,
                interrupted.clone(),
            );
            names.push(loading.await?);
        }
        Ok(names)
    })
}

impl Done {
    /// Returns the name that it has in make's JSON document.
    fn field(&self) -> &'static str {
        match self {
            Self::Digests(_) => "digests",
            Self::NewDigests(_) => "new_digests",
            Self::DigestsOf(_) => "images",
            Self::ContentOf(_) => "contents",
            Self::Imported(_) => "imported",
        }
    }

    /// Adds it to make's JSON document, behind what another target of the same kind has there.
    pub(super) fn add_to(&self, document: &mut Value) {
        let field = &mut document[self.field()];
        if field.is_null() {
            *field = json!([]);
        }
        if let Some(list) = field.as_array_mut() {
            list.extend(self.values());
        }
    }

    /// Returns it for programs.
    fn values(&self) -> Vec<Value> {
        match self {
            Self::Digests(compared) | Self::NewDigests(compared) => {
                super::digests::document(compared)
            }
            Self::DigestsOf(images) => {
                let image = |(name, hex, platform): &(String, String, String)| json!({ "name": name, "digest": format!("sha256:{hex}"), "platform": platform });
                images.iter().map(image).collect()
            }
            Self::ContentOf(contents) => contents.iter().map(|each| json!(each)).collect(),
            Self::Imported(names) => names.iter().map(|name| json!(name)).collect(),
        }
    }

    /// Returns it for people.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        match self {
            Self::Digests(compared) => text = super::digests::human(compared),
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
fn digests(images: &[(String, String, String)]) -> String {
    let several = images.windows(2).any(|two| two[0].0 != two[1].0);
    let line = |(name, hex, platform): &(String, String, String)| {
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

fn line(entry: &ListedEntry) -> String {
    let kind = match entry.kind {
        ListedKind::Folder => 'd',
        ListedKind::Symlink => 'l',
        ListedKind::HardLink => 'h',
        ListedKind::CharacterDevice => 'c',
        ListedKind::BlockDevice => 'b',
        ListedKind::Pipe => 'p',
        ListedKind::Whiteout => 'w',
        _ => '-',
    };
    let owner = format!("{}/{}", entry.user, entry.group);
    let target = match (&entry.target, entry.kind) {
        (Some(target), ListedKind::HardLink) => format!(" link to {target}"),
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
    use serde_json::json;

    use super::{Done, digests, permissions};

    #[test]
    fn targets_of_one_kind_do_not_hide_each_other() {
        let image = |name: &str| {
            let platform = "linux/amd64".to_owned();
            Done::DigestsOf(vec![(name.to_owned(), "0".repeat(64), platform)])
        };
        let mut document = json!({ "version": 1 });
        for done in [image("core-a"), image("core-b")] {
            done.add_to(&mut document);
        }
        let name = |place: usize| &document["images"][place]["name"];
        assert_eq!((name(0), name(1)), (&"core-a".into(), &"core-b".into()));
    }

    #[test]
    fn digests_of_several_packages_say_whose_they_are() {
        let image =
            |name: &str, platform: &str| (name.to_owned(), "0f".to_owned(), platform.to_owned());
        let one = [image("core-a", "linux/amd64"), image("core-a", "linux/386")];
        assert_eq!(digests(&one), "0f linux/amd64\n0f linux/386\n");
        let two = [image("core-a", "linux/386"), image("user-a", "linux/386")];
        assert_eq!(digests(&two), "0f core-a linux/386\n0f user-a linux/386\n");
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
