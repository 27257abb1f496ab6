//! `stagex runtimes`: which engines were found, and what they can do.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use backend_api::{Availability, Capabilities, Dialect, LayerRecord, Ready, Reason, Unavailable};
use camino::Utf8PathBuf;
use documents::{ReadyRuntime, Runtime, UnavailableReason, UnavailableRuntime, Version};

use crate::context::Context;
use crate::exit::{ErrorKind, Exit};
use crate::failure::Failure;
use crate::options::Format;
use crate::render;
use crate::wait;

pub(super) fn run(context: &Context) -> Result<Exit, Failure> {
    let programs = context.programs();
    // Whoever looks wants to know what is so now.
    let probe_cache = context.probe_cache.clone().afresh();
    let known = runtimes::NAMES.into_iter().map(str::to_owned);
    let names: Vec<String> = known.chain(runtimes::plugins(&programs)).collect();
    let found = wait::block_on(async {
        let mut interrupted = wait::watch();
        let mut found = BTreeMap::new();
        for name in &names {
            if let Some(backend) = runtimes::backend(name, &programs, &probe_cache) {
                let availability = wait::unless(&mut interrupted, backend.probe()).await?;
                found.insert(name.as_str(), availability);
            }
        }
        Ok(found)
    })?;
    match context.format {
        Format::Json => {
            let document = |(name, availability): (&&str, &Availability)| {
                ((*name).to_owned(), document(availability))
            };
            render::json(&documents::Runtimes {
                version: Version,
                runtimes: found.iter().map(document).collect(),
            });
        }
        Format::Human => render::result(&table(&names, &found)),
    }
    let any = found
        .values()
        .any(|availability| availability.ready().is_ok());
    Ok(if any {
        Exit::Success
    } else {
        ErrorKind::NoRuntime.into()
    })
}

/// Returns what a program reads.
fn document(availability: &Availability) -> Runtime {
    match availability {
        Availability::Ready(ready) => {
            let Ready {
                program,
                version,
                details,
                capabilities,
            } = ready.clone();
            Runtime::Ready(ReadyRuntime {
                program: program.into_string(),
                version,
                details,
                capabilities: of_capabilities(capabilities),
            })
        }
        Availability::Unavailable(why) => {
            let Unavailable {
                reason,
                program,
                version,
                message,
                hint,
            } = why.clone();
            Runtime::Unavailable(UnavailableRuntime {
                reason: of_reason(reason),
                program: program.map(Utf8PathBuf::into_string),
                version,
                message,
                hint,
            })
        }
    }
}

fn of_capabilities(capabilities: Capabilities) -> documents::Capabilities {
    let Capabilities {
        dialect,
        offline_builds,
        host_network,
        layers,
        platforms,
        leaves_mount_points,
        varies,
    } = capabilities;
    let Dialect {
        heredocs,
        run_network,
        named_contexts,
        workdir_layers,
        add_zstd,
        confined_mounts,
        any_destination,
        mounts_below_dev,
        copy_exclude,
        copy_parents,
        copy_link,
        symbolic_modes,
        copy_patterns,
        add_unpack,
        add_remote,
        tmpfs_size,
        private_caches,
        stacked_mounts,
    } = dialect;
    documents::Capabilities {
        dialect: documents::Dialect {
            heredocs,
            run_network,
            named_contexts,
            workdir_layers,
            add_zstd,
            confined_mounts,
            mounts_below_dev,
            any_destination,
            copy_exclude,
            copy_parents,
            copy_link,
            symbolic_modes,
            copy_patterns,
            add_unpack,
            add_remote,
            tmpfs_size,
            private_caches,
            stacked_mounts,
        },
        offline_builds,
        host_network,
        layers: match layers {
            LayerRecord::Changes => documents::LayerRecord::Changes,
            LayerRecord::Touched => documents::LayerRecord::Touched,
        },
        platforms,
        leaves_mount_points,
        varies: varies.iter().map(ToString::to_string).collect(),
    }
}

fn of_reason(reason: Reason) -> UnavailableReason {
    match reason {
        Reason::NotFound => UnavailableReason::NotFound,
        Reason::WillNotRun => UnavailableReason::WillNotRun,
        Reason::TooOld => UnavailableReason::TooOld,
        Reason::DaemonUnreachable => UnavailableReason::DaemonUnreachable,
        Reason::PermissionDenied => UnavailableReason::PermissionDenied,
        Reason::Incomplete => UnavailableReason::Incomplete,
    }
}

/// Returns what a person reads, in the order of `names`.
fn table<'a>(names: &'a [String], found: &BTreeMap<&str, Availability>) -> String {
    let mut text = String::new();
    let of = |name: &'a String| Some((name, found.get(name.as_str())?));
    for (name, availability) in names.iter().filter_map(of) {
        match availability {
            Availability::Ready(ready) => {
                let _ = writeln!(text, "{name:8} ready  {} {}", ready.version, ready.program);
                for (name, value) in &ready.details {
                    let _ = writeln!(text, "                {name}: {value}");
                }
                let dialect = &ready.capabilities.dialect;
                let features = [
                    ("heredocs", dialect.heredocs),
                    ("RUN --network", dialect.run_network),
                    ("named contexts", dialect.named_contexts),
                    ("WORKDIR layers", dialect.workdir_layers),
                    ("ADD of zstd archives", dialect.add_zstd),
                    ("confined mounts", dialect.confined_mounts),
                ];
                let (can, lowered): (Vec<_>, Vec<_>) = features.iter().partition(|(_, has)| *has);
                let names = |list: Vec<&(&str, bool)>| {
                    list.into_iter()
                        .map(|(name, _)| *name)
                        .collect::<Vec<_>>()
                        .join(", ")
                };
                let _ = writeln!(text, "                supports: {}", names(can));
                if !lowered.is_empty() {
                    let _ = writeln!(
                        text,
                        "                emulated by stagex: {}",
                        names(lowered)
                    );
                }
                let refused = refused(dialect);
                if !refused.is_empty() {
                    let _ = writeln!(text, "                refuses: {}", refused.join(", "));
                }
                if !ready.capabilities.offline_builds {
                    let _ = writeln!(text, "                cannot: deny the network to a build");
                }
            }
            Availability::Unavailable(why) => {
                let version = why.version.as_deref().unwrap_or("-");
                let program = why.program.as_ref().map_or("", |program| program.as_str());
                let _ = writeln!(text, "{name:8} no     {version} {program}");
                let _ = writeln!(text, "                {}", why.message);
                let _ = writeln!(text, "                hint: {}", why.hint);
            }
        }
    }
    text
}

/// Returns what a runtime refuses, as a person writes it.
fn refused(dialect: &Dialect) -> Vec<&'static str> {
    let features = [
        (
            "scripts in heredocs",
            dialect.heredocs || dialect.mounts_below_dev,
        ),
        ("several sources without a slash", dialect.any_destination),
        ("--exclude", dialect.copy_exclude),
        ("COPY --parents", dialect.copy_parents),
        ("COPY --link", dialect.copy_link),
        ("--chmod in letters", dialect.symbolic_modes),
        ("unusual patterns", dialect.copy_patterns),
        ("ADD from the network", dialect.add_remote),
        ("sizes of mounts in memory", dialect.tmpfs_size),
        ("private caches", dialect.private_caches),
        ("mounts over mounts", dialect.stacked_mounts),
    ];
    let lacking = features.into_iter().filter(|(_, has)| !has);
    lacking.map(|(name, _)| name).collect()
}
