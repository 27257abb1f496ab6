//! What a mutant is, and when it is caught as it should be.

use std::collections::BTreeMap;

use backend_api::{Capabilities, LayerRecord};
use conformance::Difference;
use libtest_mimic::Failed;
use oci_image::first_difference;

use crate::image::Image;
use crate::recording::RecordedLayer;
use crate::world::{Case, Engine, World, path, scratch};

/// A backend or an encoder with one thing wrong.
pub(crate) struct Mutant {
    /// What is wrong.
    pub(crate) name: &'static str,
    /// The case that names the property, and must catch it.
    pub(crate) case: &'static str,
    /// A part of what must be said of that case.
    pub(crate) shows: &'static str,
    /// Which other cases may catch it: those that have the property as well.
    pub(crate) related: fn(&Case) -> bool,
    /// What is changed.
    pub(crate) change: Change,
}

/// A backend that hands over the same in another way.
pub(crate) struct Harmless {
    /// What is other.
    pub(crate) name: &'static str,
    /// What is changed.
    pub(crate) change: Change,
}

/// What a mutant changes.
#[derive(Clone, Copy)]
pub(crate) enum Change {
    /// What an engine hands over.
    Layers(fn(&mut Vec<RecordedLayer>)),
    /// What an engine hands over, where that is all that was touched.
    Touched(fn(&mut Vec<RecordedLayer>)),
    /// What an engine hands over, and what its backend says of it.
    Backend(fn(&mut Vec<RecordedLayer>), fn(&mut Capabilities)),
    /// How an image is written.
    Encoder(fn(&mut Image)),
    /// How an image is written, knowing what the engine handed over as touched.
    EncoderOfTouched(fn(&mut Image, &[RecordedLayer])),
}

impl Harmless {
    /// Fails if any case notices.
    pub(crate) fn judge(&self, world: &World) -> Result<(), Failed> {
        let caught = self.change.caught(world);
        let lines = caught
            .iter()
            .map(|(name, said)| format!("\n  {name}: {said}"));
        if caught.is_empty() {
            return Ok(());
        }
        Err(format!("cases noticed it:{}", lines.collect::<String>()).into())
    }
}

impl Mutant {
    /// Returns why an engine cannot show it, if so: it makes the case that must catch it in another way
    /// already, or not at all.
    pub(crate) fn absence(&self, engine: &Engine) -> Option<String> {
        let listed = engine.listed(self.case);
        let differs = |listed: &Difference| format!("{} differs: {}", self.case, listed.why);
        let capabilities = &engine.ready.capabilities;
        listed
            .map(differs)
            .or_else(|| self.change.absence(capabilities))
    }

    /// Fails unless the named case catches the mutant, for the right reason, and every other case
    /// that does so is related.
    pub(crate) fn judge(&self, world: &World) -> Result<(), Failed> {
        let named = self.case;
        if !world.cases.contains_key(named) {
            let message = format!("{named} is no case that holds on the recorded engine");
            return Err(message.into());
        }
        let caught = self.change.caught(world);
        let Some(said) = caught.get(named) else {
            let others: Vec<_> = caught.keys().collect();
            return Err(format!("{named} did not catch it; these did: {others:?}").into());
        };
        if !said.contains(self.shows) {
            let shows = self.shows;
            return Err(format!("{named}: expected to read `{shows}`, found: {said}").into());
        }
        let unrelated = caught
            .iter()
            .filter(|(name, _)| **name != named && !(self.related)(&world.cases[**name]));
        let unrelated: Vec<_> = unrelated
            .map(|(name, said)| format!("\n  {name}: {said}"))
            .collect();
        if unrelated.is_empty() {
            return Ok(());
        }
        Err(format!("unrelated cases caught it as well:{}", unrelated.concat()).into())
    }
}

impl Change {
    /// Returns why an engine cannot show it, if so.
    pub(crate) fn absence(self, capabilities: &Capabilities) -> Option<String> {
        let needs_touched = matches!(self, Self::Touched(_) | Self::EncoderOfTouched(_));
        let lacks = needs_touched && capabilities.layers != LayerRecord::Touched;
        lacks.then(|| "needs an engine whose layers are all that was touched".to_owned())
    }

    /// Returns the cases that notice it, each with what is said of it.
    fn caught(self, world: &World) -> BTreeMap<&str, String> {
        match self {
            Self::Layers(change) | Self::Touched(change) => world.replay(change, |_| {}),
            Self::Backend(change, capabilities) => world.replay(change, capabilities),
            Self::Encoder(change) => encode(world, |_, image| change(image)),
            Self::EncoderOfTouched(change) => {
                encode(world, |case, image| change(image, &case.layers))
            }
        }
    }
}

/// Writes the image of every case in another way.
fn encode(world: &World, change: impl Fn(&Case, &mut Image)) -> BTreeMap<&str, String> {
    let mut caught = BTreeMap::new();
    for case in world.cases.values() {
        let mut image = case.image.clone();
        change(case, &mut image);
        // Of a config, equal is not the same: its fields may have another order.
        let order = |image: &Image| image.config.to_string();
        if image == case.image && order(&image) == order(&case.image) {
            continue;
        }
        let encoded = image.encode();
        if encoded.digest != case.digest {
            let directory = scratch();
            let layout = encoded.write(&path(&directory));
            let difference = first_difference(&case.layout, &layout);
            let said = match difference {
                Ok(difference) => difference.map(|difference| difference.to_string()),
                Err(error) => Some(format!("{error:?}")),
            };
            caught.insert(case.name.as_str(), said.unwrap_or_default());
        }
    }
    caught
}
