//! An image that a user named, and what is known of it besides: from the command line or from the tree.

use std::collections::BTreeMap;
use std::sync::Arc;

use build::{Context as Named, Profile, Recipe, Resolved, Sources};
use camino::{Utf8Path, Utf8PathBuf};
use canon::{Base, Known, Layout, Request, Step};
use images::{Form, Image, Limits};

use crate::arguments;
use crate::command::image;
use crate::context::Context;
use crate::exit::ErrorKind;
use crate::failure::{Failure, usage};
use crate::place;

/// An image that was found.
pub(super) struct KnownImage {
    image: Image,
    form: Form,
    input: String,
    is_own: bool,
    profile: &'static Profile,
    name: Option<(String, String)>,
    base: Option<Origin>,
    resolved: Option<(Resolved, Vec<Step>)>,
}

enum Origin {
    Scratch,
    Image(Box<Layout>),
}

impl KnownImage {
    /// Finds the image and all that is said of it.
    pub(super) fn new(context: &Context, arguments: &arguments::Known) -> Result<Self, Failure> {
        Self::of(context, &arguments.input, arguments)
    }

    /// Finds the image `input`, and all that is said of it.
    pub(super) fn of(
        context: &Context,
        input: &Utf8Path,
        arguments: &arguments::Known,
    ) -> Result<Self, Failure> {
        let platform = arguments.platform.as_deref();
        let source = image::open(context, input.as_str(), platform, &Limits::DEFAULT)?;
        let form = source.form();
        let image = source.only(platform)?;
        let recipe = recipe(context, arguments, &image)?;
        let of_package = recipe.as_ref().filter(|_| arguments.package.is_some());
        let of_package = of_package.map(|recipe| (recipe.repository.clone(), recipe.tag.clone()));
        let name = arguments.name.as_ref();
        let name = name.map(|name| (name.repository.clone(), name.tag.clone()));
        let name = name.or(of_package);
        let resolved = recipe.map(|recipe| resolve(&recipe)).transpose()?;
        let base = match (&resolved, &arguments.base) {
            (Some((resolved, _)), _) => Some(base_of(resolved)?),
            (None, Some(base)) if base == "scratch" => Some(Origin::Scratch),
            (None, Some(base)) => {
                let directory = image::open_layout(context, base.as_str())?;
                let layout = canon::open_base(directory.path())?;
                Some(Origin::Image(Box::new(layout)))
            }
            (None, None) => None,
        };
        let manifest = image
            .manifest
            .iter()
            .chain(image.indexes.iter().map(Arc::as_ref));
        let digests: Vec<_> = manifest.map(|document| document.digest).collect();
        let is_own = base.is_none() && image::is_recorded(context, input, &digests)?;
        Ok(Self {
            image,
            form,
            input: input.to_string(),
            is_own,
            profile: context.settings.profile.value,
            name,
            base,
            resolved,
        })
    }

    /// Returns what is to be made canonical.
    pub(super) fn request(&self) -> Request<'_> {
        Request {
            image: &self.image,
            form: self.form,
            input: &self.input,
            is_own: self.is_own,
            profile: self.profile,
            name: self.name.clone(),
            base: self.base.as_ref().map(|base| match base {
                Origin::Scratch => Base::Scratch,
                Origin::Image(layout) => Base::Image(layout),
            }),
            known: self.resolved.as_ref().map(|(resolved, steps)| Known {
                build: &resolved.build,
                steps: steps.clone(),
            }),
        }
    }
}

/// Returns the recipe that the image was built from, if it was named.
fn recipe(
    context: &Context,
    arguments: &arguments::Known,
    image: &Image,
) -> Result<Option<Recipe>, Failure> {
    let profile = context.settings.profile.value;
    if let Some(package) = &arguments.package {
        let tree = crate::command::tree::open(context)?;
        let targets = [package.clone()];
        let plan = crate::command::tree::plan_for(context, &tree, &targets, &image.platform)?;
        let mut requested = plan.packages.iter().filter(|package| package.requested);
        let (Some(only), None) = (requested.next(), requested.next()) else {
            let message = format!("`{package}` is not the name of one package");
            return Err(usage(message, Some("name it as <stage>-<name>")));
        };
        let mut recipe = Recipe::of_package(profile, &place::directories(context)?, only);
        recipe.platforms = vec![image.platform.clone()];
        return Ok(Some(recipe));
    }
    let Some(containerfile) = &arguments.containerfile else {
        return Ok(None);
    };
    let own = profile.build_arguments.iter();
    let own = own.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let contexts: BTreeMap<String, Named> = arguments.contexts.iter().cloned().collect();
    let directory = containerfile.parent().filter(|parent| *parent != "");
    Ok(Some(Recipe {
        profile,
        root: Utf8PathBuf::from("."),
        name: containerfile.to_string(),
        repository: String::new(),
        tag: String::new(),
        platforms: vec![image.platform.clone()],
        containerfile: containerfile.clone(),
        target: arguments.target.clone(),
        context: directory.unwrap_or(Utf8Path::new(".")).to_owned(),
        sources: Sources::Present,
        build_arguments: own.chain(arguments.arguments.iter().cloned()).collect(),
        contexts,
        keep_network: None,
        open_files: build::OPEN_FILES,
        home: crate::environment::home(),
    }))
}

fn resolve(recipe: &Recipe) -> Result<(Resolved, Vec<Step>), Failure> {
    // Which files lie beside the Containerfile does not matter: nothing is built.
    let mut resolved = build::resolve(recipe, Vec::new())?;
    let resolved = resolved.pop().expect("there is one for each platform");
    let steps = build::layer_steps(&resolved.build).into_iter();
    let steps = steps.map(|step| Step {
        runs: step.runs,
        leftovers: step.leftovers,
        destination: step.destination,
    });
    let steps = steps.collect();
    Ok((resolved, steps))
}

/// Returns the image that a build begins with.
fn base_of(resolved: &Resolved) -> Result<Origin, Failure> {
    let Some(name) = resolved.build.base_image() else {
        return Ok(Origin::Scratch);
    };
    let Some(layout) = resolved.base() else {
        let message =
            format!("the Containerfile begins with `{name}`, and it is not known where that is");
        let hint = format!("name its layout with --build-context {name}=oci-layout://DIR");
        return Err(Failure::of(ErrorKind::Usage, [(message, Some(hint))]));
    };
    Ok(Origin::Image(Box::new(layout.clone())))
}
