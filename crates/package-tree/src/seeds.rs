//! The seeds of one `package.toml`: the root file systems that the package is built from, once from each.
//!
//! Knows the sources of that file, not what is in them.

use crate::manifest::Manifest;
use crate::name;
use crate::near::did_you_mean;
use crate::reader::Reader;
use crate::source::Description;

/// The stage whose packages everything else stands on, and where seeds belong.
pub const BOOTSTRAP: &str = "bootstrap";
/// The most seeds of a package, which is built once from each.
const MOST_SEEDS: usize = 16;
const SEED_KEYS: [&str; 1] = ["source"];

impl Manifest {
    /// Reads the seeds, after the sources that they name.
    pub(crate) fn read_seeds<'a>(&mut self, reader: &Reader<'a>, seeds: &toml::de::DeTable<'a>) {
        let mut keys: Vec<_> = seeds.keys().collect();
        keys.sort_by_key(|key| key.span().start);
        if keys.len() > MOST_SEEDS {
            let message = format!("more than {MOST_SEEDS} seeds");
            return reader.problem(&keys[MOST_SEEDS].span(), message, None);
        }
        let mut used: Vec<(String, &Description)> = Vec::new();
        for key in keys {
            let name = key.get_ref().as_ref();
            self.seeds_at
                .get_or_insert_with(|| reader.position(&key.span()));
            if !name::is_key(name) {
                let message = format!(
                    "`{name}` is not a valid name of a seed: expected {}",
                    name::KEY
                );
                reader.problem(&key.span(), message, None);
            }
            let Some(table) = reader.table(seeds, name) else {
                continue;
            };
            reader.only(table.value, &SEED_KEYS);
            let Some(source) = reader.required(&table, "source") else {
                continue;
            };
            let known = self.sources.iter().map(|(source, _)| source);
            let Some(found) = known.clone().find(|known| known.key == source.value) else {
                let hint = did_you_mean(&source.value, known.map(|known| known.key.as_str()));
                let hint = hint.unwrap_or_else(|| {
                    let key = &source.value;
                    format!("declare it as [sources.{key}] with its hash and mirrors")
                });
                let message = format!("there is no source `{}`", source.value);
                reader.problem(&source.place, message, Some(hint));
                continue;
            };
            // What is built twice from the same file proves nothing.
            let same = |(_, other): &&(String, &Description)| other.hash == found.hash;
            if let Some((other, _)) = used.iter().find(same) {
                let message = format!("the seeds `{other}` and `{name}` are the same file");
                let hint = "two seeds prove something only if they are two root file systems";
                reader.problem(&source.place, message, Some(hint.to_owned()));
            }
            used.push((name.to_owned(), found));
        }
        self.seeds = used
            .into_iter()
            .map(|(name, source)| (name, source.key.clone()))
            .collect();
    }
}
