//! An engine that makes empty images, and counts them.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use std::collections::BTreeSet;

use backend_api::{
    Availability, Backend, BuildRequest, BuiltImage, Capabilities, Dialect, EngineImage, Error,
    Events, LayerRecord, Ready,
};
use camino::Utf8Path;

/// An engine that makes empty images.
#[derive(Debug, Default)]
pub(crate) struct Nothing {
    built: AtomicUsize,
}

impl Nothing {
    /// Returns how many images it has built.
    pub(crate) fn built(&self) -> usize {
        self.built.load(Ordering::SeqCst)
    }
}

/// Returns what it says of itself.
pub(crate) fn ready() -> Ready {
    Ready {
        program: "/nonexistent".into(),
        version: "1".to_owned(),
        details: Vec::new(),
        capabilities: Capabilities {
            dialect: Dialect {
                heredocs: true,
                run_network: true,
                named_contexts: true,
                workdir_layers: true,
                add_zstd: true,
                confined_mounts: true,
                any_destination: false,
                copy_exclude: true,
                mounts_below_dev: true,
                copy_parents: true,
                copy_link: true,
                symbolic_modes: true,
                copy_patterns: true,
                add_unpack: true,
                add_remote: true,
                tmpfs_size: true,
                private_caches: true,
                stacked_mounts: true,
            },
            offline_builds: true,
            host_network: true,
            layers: LayerRecord::Changes,
            platforms: Vec::new(),
            leaves_mount_points: false,
            varies: BTreeSet::new(),
        },
    }
}

#[async_trait]
impl Backend for Nothing {
    fn id(&self) -> &'static str {
        "nothing"
    }

    async fn probe(&self) -> Availability {
        Availability::Ready(ready())
    }

    async fn build(
        &self,
        request: &BuildRequest,
        _events: &dyn Events,
    ) -> Result<BuiltImage, Error> {
        self.built.fetch_add(1, Ordering::SeqCst);
        Ok(BuiltImage::of(request, request.key.name()))
    }

    async fn export(&self, _: &BuiltImage, _: &Utf8Path) -> Result<EngineImage, Error> {
        Ok(EngineImage { layers: Vec::new() })
    }

    async fn remove(&self, _: BuiltImage) -> Result<(), Error> {
        Ok(())
    }
}
