//! What a dialect cannot carry, and lowering has no way around: told by the instruction alone.
//!
//! It does not know how an instruction is written for an engine.

use super::mount_fields::{target, value};
use super::options::Dialect;
use crate::build::Step;
use crate::containerfile::Containerfile;
use crate::error::ErrorKind;
use crate::instruction::{
    Add, Copy, Heredoc, Instruction, Mount, NetworkMode, Run, Security, is_remote,
};

/// What a runtime does that should give another image.
const IGNORED: &str = ": it ignores it, or does something else";
const NO_RUNTIME: &str = "leave it out: no runtime is given more than any RUN may do";

/// Returns what a dialect lacks of a step.
pub(super) fn of_step(step: &Step, dialect: &Dialect) -> Vec<ErrorKind> {
    of_instruction(&step.instruction, &step.working_directory, dialect)
}

impl Containerfile {
    /// Tells whether some dialect may lack something of an instruction, whatever its target and its arguments are: so that
    /// most files need not be resolved to know that nothing of them is refused. That some RUNs are without a network does not count.
    pub fn may_be_refused(&self) -> bool {
        let statements = self.stages.iter().flat_map(|stage| &stage.statements);
        let mut instructions = statements.map(|statement| &statement.instruction);
        instructions.any(|instruction| {
            let is_special = match instruction {
                Instruction::Run(run) => {
                    let mut heredocs = run.heredocs.iter();
                    !run.mounts.is_empty()
                        || run.network == Some(NetworkMode::Host)
                        || heredocs.any(|heredoc| heredoc.body.contains("#!"))
                }
                Instruction::Copy(Copy { sources, .. }) | Instruction::Add(Add { sources, .. }) => {
                    !sources.heredocs.is_empty()
                        && (!sources.paths.is_empty() || !sources.heredocs.iter().all(is_plain))
                }
                _ => false,
            };
            is_special || !of_instruction(instruction, "/", &Dialect::NONE).is_empty()
        })
    }
}

/// Tells whether a heredoc may be a file of its name.
fn is_plain(heredoc: &Heredoc) -> bool {
    let mut bytes = heredoc.name.bytes();
    bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn of_instruction(
    instruction: &Instruction,
    working_directory: &str,
    dialect: &Dialect,
) -> Vec<ErrorKind> {
    match instruction {
        Instruction::Copy(copy) => {
            let files = Files {
                keyword: "COPY",
                paths: &copy.sources.paths,
                chown: copy.chown.as_deref(),
                chmod: copy.chmod.as_deref(),
                link: copy.link,
                exclude: &copy.exclude,
                is_of_context: copy.from.is_none(),
            };
            let parents = copy.parents && !dialect.copy_parents;
            let parents = parents.then(|| {
                let hint =
                    "copy each directory to its own place, or build it with --runtime native";
                unsupported("COPY --parents".to_owned(), IGNORED, hint)
            });
            parents.into_iter().chain(files.refused(dialect)).collect()
        }
        Instruction::Add(add) => {
            let files = Files {
                keyword: "ADD",
                paths: &add.sources.paths,
                chown: add.chown.as_deref(),
                chmod: add.chmod.as_deref(),
                link: add.link,
                exclude: &add.exclude,
                is_of_context: true,
            };
            let checksum = add.checksum.is_some() && !dialect.add_remote;
            let checksum = checksum.then(|| {
                let hint =
                    "declare the file as a source in package.toml, whose hash is always checked";
                unsupported("ADD --checksum".to_owned(), "", hint)
            });
            let remote = add.sources.paths.iter().find(|path| is_remote(path));
            let download = remote.filter(|_| !dialect.add_remote).map(|path| {
                let hint = "declare it as a source in package.toml (`stagex fetch` downloads it), and COPY it";
                unsupported(format!("ADD {path}"), ": it would be downloaded", hint)
            });
            let is_unpacked = remote.is_some() && add.unpack.is_some();
            let unpack = (is_unpacked && !dialect.add_unpack).then(|| {
                let hint = "leave out --unpack, or build it with a runtime that has it (see `stagex runtimes`)";
                unsupported("ADD --unpack".to_owned(), "", hint)
            });
            let of_add = checksum.into_iter().chain(download).chain(unpack);
            of_add.chain(files.refused(dialect)).collect()
        }
        Instruction::Run(run) => of_run(run, working_directory, dialect),
        _ => Vec::new(),
    }
}

/// What `COPY` and `ADD` have in common.
struct Files<'a> {
    keyword: &'static str,
    paths: &'a [String],
    chown: Option<&'a str>,
    chmod: Option<&'a str>,
    link: bool,
    exclude: &'a [String],
    is_of_context: bool,
}

impl Files<'_> {
    fn refused(&self, dialect: &Dialect) -> Vec<ErrorKind> {
        let keyword = self.keyword;
        let mut refused = Vec::new();
        if !self.exclude.is_empty() && !dialect.copy_exclude {
            let hint = "name what is copied, remove the rest in the stage before, list what a context should not have in \
                        .dockerignore, or build it with --runtime native";
            refused.push(unsupported(format!("{keyword} --exclude"), IGNORED, hint));
        }
        if self.link && !dialect.copy_link {
            let hint =
                "leave out --link, or build it with a runtime that has it (see `stagex runtimes`)";
            refused.push(unsupported(format!("{keyword} --link"), IGNORED, hint));
        }
        let mut owners = self.chown.into_iter().flat_map(|owner| owner.split(':'));
        if let Some(number) = owners.find(|owner| is_unusual_number(owner)) {
            let why = ": some engines take it for a name";
            let hint = "give a number up to 2147483647, without a sign";
            refused.push(unsupported(
                format!("{keyword} --chown={number}"),
                why,
                hint,
            ));
        }
        let in_letters = |mode: &&str| mode.contains(|digit: char| !digit.is_ascii_digit());
        if let Some(mode) = self.chmod.filter(in_letters)
            && !dialect.symbolic_modes
        {
            let hint = "give the mode in digits, such as --chmod=755, use chmod in a RUN, or build it with --runtime native";
            refused.push(unsupported(format!("{keyword} --chmod={mode}"), "", hint));
        }
        let unusual = self
            .paths
            .iter()
            .find(|path| is_unusual(path, self.is_of_context));
        if let Some(path) = unusual.filter(|_| !dialect.copy_patterns) {
            let hint = "use only `*` and `?`, and only behind the last `/`, copy the directory, or build it with \
                        --runtime native";
            let why = ": it reads `**`, brackets and backslashes in its own way, and patterns of directories of a stage";
            refused.push(unsupported(format!("{keyword} {path}"), why, hint));
        }
        refused
    }
}

/// Tells whether engines may disagree on what a source stands for. Of a context it is known what lies there, and that
/// classes and patterns of directories mean the same; in a stage, links may lie on the way.
fn is_unusual(path: &str, is_of_context: bool) -> bool {
    let path = path.trim_end_matches('/');
    let (directory, _) = path.rsplit_once('/').unwrap_or(("", path));
    let is_open = directory.contains(['*', '?', '[']) || path.contains('[');
    path.contains("**")
        || path.contains('\\')
        || !has_plain_classes(path)
        || (is_open && !is_of_context)
}

/// Tells whether an owner is a number that not every engine takes for one.
fn is_unusual_number(owner: &str) -> bool {
    let digits = owner.strip_prefix(['+', '-']).unwrap_or(owner);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number && (digits.len() < owner.len() || digits.parse::<i32>().is_err())
}

/// Tells whether each class of a pattern lists letters and digits, or ranges of them, and nothing else.
fn has_plain_classes(path: &str) -> bool {
    let plain = |character: char| character.is_ascii_alphanumeric() || character == '-';
    path.split('[').skip(1).all(|rest| {
        let class = rest.split_once(']').map_or("", |(class, _)| class);
        !class.is_empty()
            && !class.starts_with('-')
            && !class.ends_with('-')
            && class.chars().all(plain)
    })
}

fn of_run(run: &Run, working_directory: &str, dialect: &Dialect) -> Vec<ErrorKind> {
    let mut refused = Vec::new();
    if run.security == Some(Security::Insecure) {
        let what = "RUN --security=insecure".to_owned();
        refused.push(unsupported(what, "", NO_RUNTIME));
    }
    if let Some(device) = run.devices.first() {
        let what = format!("RUN --device={device}");
        refused.push(unsupported(what, "", NO_RUNTIME));
    }
    let mut places: Vec<String> = Vec::new();
    for mount in &run.mounts {
        refused.extend(of_mount(mount, dialect));
        let Some(place) = target(mount, working_directory) else {
            continue;
        };
        if !dialect.stacked_mounts {
            if places.contains(&place) {
                let what = format!("two mounts at {place}");
                let hint = "mount one thing at one place, or build it with --runtime native";
                refused.push(unsupported(what, "", hint));
            }
            if is_of_engine(&place) {
                let what = format!("a mount at {place}");
                let why = ": what the engine has there itself stays in its way";
                let hint = "mount it elsewhere, or build it with --runtime native";
                refused.push(unsupported(what, why, hint));
            }
        }
        places.push(place);
    }
    refused
}

fn of_mount(mount: &Mount, dialect: &Dialect) -> Option<ErrorKind> {
    let is = |name: &str, expected: &str| {
        let said = value(mount, name).unwrap_or_default();
        said.eq_ignore_ascii_case(expected)
    };
    if is("type", "tmpfs") && value(mount, "size").is_some() && !dialect.tmpfs_size {
        let hint = "leave out the size, or build it with --runtime native";
        return Some(unsupported(
            "RUN --mount=type=tmpfs,size=".to_owned(),
            "",
            hint,
        ));
    }
    if is("type", "cache") && is("sharing", "private") && !dialect.private_caches {
        let hint = "leave out sharing=private, or build it with --runtime native";
        let what = "RUN --mount=type=cache,sharing=private".to_owned();
        return Some(unsupported(what, "", hint));
    }
    None
}

/// Tells whether engines mount something there themselves.
fn is_of_engine(place: &str) -> bool {
    let own = ["/dev", "/proc", "/sys"];
    own.iter().any(|directory| {
        let rest = place.strip_prefix(directory);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

fn unsupported(what: String, why: &'static str, hint: &'static str) -> ErrorKind {
    ErrorKind::Unsupported { what, why, hint }
}
