//! What a plugin is told: the requests, in the protocol's own shapes, so that a change of a type
//! in Rust does not change the protocol. Runs nothing.

use backend_api::{
    BuildArgument, BuildRequest, BuiltImage, Cache, ContextSource, Network, Stage, Step,
};
use camino::Utf8Path;
use process::Invocation;
use serde::Serialize;
use serde_json::{Value, json};

/// The version of the protocol that is spoken.
pub(crate) const PROTOCOL: u64 = 1;

/// A request; the one line that a plugin finds on its standard input.
#[derive(Debug, Serialize)]
#[serde(tag = "operation", rename_all = "lowercase")]
pub(crate) enum Request {
    Probe,
    Build {
        request: Value,
    },
    Export {
        image: Value,
        #[serde(rename = "folder")]
        directory: String,
    },
    Remove {
        image: Value,
    },
}

impl Request {
    pub(crate) fn build(request: &BuildRequest) -> Self {
        let contexts = request
            .contexts
            .iter()
            .map(|context| match &context.source {
                ContextSource::Image(path) => json!({ "name": context.name, "image": path }),
                ContextSource::Directory(path) => json!({ "name": context.name, "folder": path }),
            });
        let arguments = request.build_arguments.iter();
        let arguments =
            arguments.map(|BuildArgument { name, value }| json!({ "name": name, "value": value }));
        let value = json!({
            "key": request.key,
            "name": request.key.name(),
            "containerfile": request.containerfile,
            "context": request.context,
            "contexts": contexts.collect::<Vec<_>>(),
            "target": request.target,
            "steps": steps(&request.steps),
            "stages": request.stages.iter().map(stage).collect::<Vec<_>>(),
            "base_layers": request.base_layers,
            "platform": request.platform,
            "build_arguments": arguments.collect::<Vec<_>>(),
            "network": match request.network {
                Network::Default => "default",
                Network::None => "none",
                Network::Host => "host",
            },
            "cache": match request.cache {
                // A plugin keeps what it likes in places of its own.
                Cache::Use { .. } if !request.hard_links => "use",
                // Whether the cache of its engine tells hard links from separate files is not known.
                Cache::Use { .. } | Cache::Refuse => "refuse",
            },
            "open_files": { "soft": request.open_files.soft, "hard": request.open_files.hard },
            "work": request.work,
        });
        Self::Build { request: value }
    }

    pub(crate) fn export(built: &BuiltImage, directory: &Utf8Path) -> Self {
        Self::Export {
            image: image(built),
            directory: directory.to_string(),
        }
    }

    pub(crate) fn remove(built: &BuiltImage) -> Self {
        Self::Remove {
            image: image(built),
        }
    }

    /// Returns the request as one line.
    pub(crate) fn line(&self) -> String {
        let mut value = serde_json::to_value(self).expect("a request is JSON");
        value["protocol"] = PROTOCOL.into();
        format!("{value}\n")
    }

    /// Prepares to ask it of `program`.
    pub(crate) fn invocation(&self, program: &Utf8Path) -> Invocation {
        Invocation::new(program).input(self.line())
    }
}

fn image(image: &BuiltImage) -> Value {
    json!({
        "key": image.key,
        "name": image.key.name(),
        "reference": image.reference,
        "also_made": image.also_made,
        "steps": steps(&image.steps),
        "base_layers": image.base_layers,
        "work": image.work,
    })
}

fn stage(stage: &Stage) -> Value {
    json!({
        "name": stage.name,
        "begins_with_image": stage.begins_with_image,
        "steps": steps(&stage.steps),
    })
}

fn steps(steps: &[Step]) -> Vec<Value> {
    let step =
        |step: &Step| json!({ "stage": step.id.stage, "index": step.id.index, "kind": step.kind });
    steps.iter().map(step).collect()
}
