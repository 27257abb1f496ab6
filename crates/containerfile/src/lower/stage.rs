//! Writing one stage: its `FROM`, and each of its steps, as it stands or changed.
//!
//! It does not know what the engine makes of it.

use super::environment::Environment;
use super::literal;
use super::made;
use super::options::{LowerOptions, Lowered, LoweredStep, Notice, SideDirectory, SideFile};
use super::refused;
use super::text;
use crate::build::{Build, Origin, ResolvedStage, Step};
use crate::containerfile::Containerfile;
use crate::error::{ErrorKind, Fault};
use crate::instruction::{Add, Copy, Heredoc, Instruction, Sources, is_remote};
use crate::reference::{Base, StageId};
use crate::state::{absolute, clean};
use crate::statement::{self, Statement};

/// The directory of the side context that stays empty.
const EMPTY_DIRECTORY: &str = "empty";

pub(super) struct Writer<'a> {
    pub(super) file: &'a Containerfile,
    pub(super) build: &'a Build,
    pub(super) options: &'a LowerOptions,
    pub(super) stage: &'a ResolvedStage,
    pub(super) lowered: &'a mut Lowered,
    /// What the dialect cannot express.
    pub(super) faults: &'a mut Vec<Fault>,
    /// Stages that this one needs, which stand before it.
    pub(super) before: String,
    /// What the engine has been told of the environment.
    pub(super) environment: Environment,
}

impl Writer<'_> {
    pub(super) fn write(mut self) -> Environment {
        let (from, start) = (self.from(), self.lowered.text.len());
        self.line("");
        self.line(&from);
        for step in &self.stage.steps {
            let refused = refused::of_step(step, &self.options.dialect);
            if refused.is_empty() {
                if let Err(fault) = self.step(step) {
                    self.faults.push(fault);
                }
            } else {
                let faults = refused.into_iter().map(|kind| Self::fault(step, kind));
                self.faults.extend(faults);
            }
        }
        self.lowered.text.insert_str(start, &self.before);
        self.environment
    }

    fn from(&self) -> String {
        let base = match &self.stage.base {
            Base::Scratch => "scratch".to_owned(),
            // A base that is a stage was found by its name.
            Base::Stage(id) => self.called(*id).unwrap_or_default(),
            Base::Image(name) => self.renamed(name),
        };
        let mut words = vec!["FROM".to_owned()];
        if let Some(platform) = &self.stage.platform_flag
            && self.options.dialect.image_platforms
        {
            words.push(format!("--platform={platform}"));
        }
        words.push(base);
        if let Some(name) = self.called(self.stage.id) {
            words.extend(["AS".to_owned(), name]);
        }
        words.join(" ")
    }

    /// Returns the name of a stage in the lowered file, where no two have the same: engines do not agree on which one a
    /// name means.
    fn called(&self, id: StageId) -> Option<String> {
        let name = self.build.stage(id)?.name.as_ref()?;
        let same = |stage: &&ResolvedStage| stage.name.as_ref() == Some(name);
        if self.build.stages.iter().filter(same).count() < 2 {
            return Some(name.clone());
        }
        Some(self.free_name(&format!("{name}-{}", id.0)))
    }

    /// Returns a name that no stage has.
    pub(super) fn free_name(&self, name: &str) -> String {
        let mut free = name.to_owned();
        while self.file.stage_named(&free).is_some() {
            free.push('0');
        }
        free
    }

    fn renamed(&self, name: &str) -> String {
        self.options
            .references
            .get(name)
            .map_or(name, String::as_str)
            .to_owned()
    }

    fn step(&mut self, step: &Step) -> Result<(), Fault> {
        let makes_layer = step.makes_layer() && !self.is_made_by_run(step);
        let statement = self.statement(step)?;
        let text = match (&statement.instruction, &step.instruction) {
            // The image's own triggers are written into its config; those of its base are written out.
            (Instruction::Onbuild(_), _) => return Ok(()),
            // What only the config shows is not the engine's matter. Some make the directory of a
            // VOLUME in the next layer.
            (_, instruction) if instruction.is_only_in_config() => return Ok(()),
            // They are written before the next RUN.
            (Instruction::Arg(_) | Instruction::Env(_), _) => return Ok(()),
            (Instruction::Copy(written), Instruction::Copy(copy)) => {
                self.copy(step, written, copy)?
            }
            (Instruction::Add(written), Instruction::Add(add)) => self.add(step, written, add)?,
            (Instruction::Run(written), Instruction::Run(_)) => {
                let before = self.environment.before(step, &self.options.given);
                for line in before.map_err(|kind| Self::fault(step, kind))? {
                    self.line(&line);
                }
                self.run(step, written)?
            }
            (Instruction::Workdir(_), Instruction::Workdir(path))
                if makes_layer && !self.options.dialect.workdir_layers =>
            {
                let copy = self.copy_of_directory(path, &step.user);
                self.line(&copy);
                self.placed(step, true);
                let text = self.as_it_stands(step)?;
                self.line(&text);
                self.placed(step, false);
                return Ok(());
            }
            (Instruction::Shell(words), _) => format!("SHELL {}", text::arguments(words, true)),
            _ => self.as_it_stands(step)?,
        };
        self.line(&text);
        self.placed(step, makes_layer);
        Ok(())
    }

    /// Returns the text of a step, with its variables written out.
    fn as_it_stands(&self, step: &Step) -> Result<String, Fault> {
        let mut instruction = step.instruction.clone();
        if let Instruction::Copy(Copy { sources, .. }) | Instruction::Add(Add { sources, .. }) =
            &mut instruction
        {
            self.say_directory(step, sources)?;
        }
        if let Instruction::Copy(copy) = &mut instruction {
            copy.from = copy.from.as_ref().map(|name| self.source(name));
        }
        if let Instruction::Add(add) = &instruction
            && !self.options.dialect.add_unpack
        {
            instruction = without_unpack(add);
        }
        match literal::written_out(&instruction, text::ESCAPE) {
            Some(text) => Ok(text),
            None => Err(Self::fault(step, ErrorKind::TextOfLines)),
        }
    }

    fn line(&mut self, text: &str) {
        self.lowered.text.push_str(text);
        self.lowered.text.push('\n');
    }

    fn placed(&mut self, step: &Step, makes_layer: bool) {
        self.lowered.steps.push(LoweredStep {
            step: step.id,
            makes_layer,
        });
    }

    /// Returns the instruction of a step as it was written, with its variables.
    fn statement(&self, step: &Step) -> Result<Statement, Fault> {
        if step.origin == Origin::Written {
            let triggers = self
                .stage
                .steps
                .iter()
                .take_while(|step| step.origin != Origin::Written)
                .count();
            let statements = &self.file.stages[self.stage.id.0].statements;
            return Ok(statements[step.id.index - triggers].clone());
        }
        statement::read_trigger(&step.source, step.span)
    }

    pub(super) fn fault(step: &Step, kind: ErrorKind) -> Fault {
        Fault::new(kind, step.span)
    }

    /// Returns `--from` with the name that it has in the lowered file.
    pub(super) fn source(&self, name: &str) -> String {
        if let Ok(number) = name.parse::<usize>() {
            let replaced = self.file.stages.get(number);
            let replaced = replaced.and_then(|stage| stage.replaced.as_ref());
            if let Some(replaced) = replaced {
                return self.renamed(&replaced.context);
            }
            // Stages that are left out make the numbers smaller, and stages of copies larger.
            let mut stages = self.build.stages.iter();
            let place = stages.position(|stage| stage.id.0 == number);
            let copied = self.lowered.copied.iter();
            let copied = copied.filter(|copied| copied.before.0 <= number).count();
            return (place.unwrap_or(number) + copied).to_string();
        }
        if let Some(id) = self.file.stage_named(name) {
            // Where the target does not need it, it is not there at all.
            return self.called(id).unwrap_or_else(|| name.to_lowercase());
        }
        if let Some(context) = self.file.context_named(name) {
            return self.renamed(context);
        }
        self.renamed(name)
    }

    pub(super) fn flag(name: &str, value: &str) -> String {
        text::flag(name, value, text::ESCAPE)
    }

    fn copy(&mut self, step: &Step, written: &Copy, copy: &Copy) -> Result<String, Fault> {
        let sources = &copy.sources;
        if sources.heredocs.is_empty() {
            return self.as_it_stands(step);
        }
        if !sources.paths.is_empty() {
            return self.copy_of_both(step);
        }
        let mut words = vec!["COPY".to_owned()];
        words.extend(Self::ownership("chown", copy.chown.as_ref()));
        words.extend(Self::ownership("chmod", copy.chmod.as_ref()));
        if written.link {
            words.push("--link".to_owned());
        }
        self.copy_of_heredocs(step, words, &written.sources, sources)
    }

    fn add(&mut self, step: &Step, written: &Add, add: &Add) -> Result<String, Fault> {
        let sources = &add.sources;
        if !self.options.dialect.add_zstd && written.unpack != Some(false) {
            let archives = sources
                .paths
                .iter()
                .filter(|path| [".zst", ".tzst"].iter().any(|end| path.ends_with(end)));
            for path in archives {
                self.lowered.notices.push(Notice::ZstdArchive {
                    step: step.id,
                    path: path.clone(),
                });
            }
        }
        if sources.heredocs.is_empty() {
            return self.as_it_stands(step);
        }
        if !sources.paths.is_empty() {
            return self.copy_of_both(step);
        }
        // `ADD` has no `--from`, and does not unpack a heredoc.
        let mut words = vec!["COPY".to_owned()];
        words.extend(Self::ownership("chown", add.chown.as_ref()));
        words.extend(Self::ownership("chmod", add.chmod.as_ref()));
        if written.link {
            words.push("--link".to_owned());
        }
        self.copy_of_heredocs(step, words, &written.sources, sources)
    }

    fn ownership(name: &str, value: Option<&String>) -> Option<String> {
        let value = value?;
        let value = if name == "chown" {
            text::owner(value)
        } else {
            value.clone()
        };
        Some(Self::flag(name, &text::literal(&value, text::ESCAPE)))
    }

    /// Says that several sources go to a directory, if they do. Engines but `BuildKit` want to be told, and would make a
    /// directory where `BuildKit` makes a file of the last one.
    fn say_directory(&self, step: &Step, sources: &mut Sources) -> Result<(), Fault> {
        let is_open = sources.are_several() && !sources.go_to_a_directory();
        if !is_open || self.options.dialect.any_destination {
            return Ok(());
        }
        let place = clean(&absolute(&step.working_directory, &sources.destination));
        if !made::is_directory(self.build, self.stage, step.id.index, &place) {
            let kind = ErrorKind::DirectoryWithoutSlash(sources.destination.clone());
            return Err(Self::fault(step, kind));
        }
        sources.destination.push('/');
        Ok(())
    }

    /// Puts the bodies of heredocs into the side context, and copies them from there.
    fn copy_of_heredocs(
        &mut self,
        step: &Step,
        mut words: Vec<String>,
        written: &Sources,
        sources: &Sources,
    ) -> Result<String, Fault> {
        words.insert(1, Self::flag("from", &self.options.side_context));
        let mut sources = sources.clone();
        self.say_directory(step, &mut sources)?;
        let mut arguments = Vec::new();
        for heredoc in &sources.heredocs {
            arguments.push(format!("/{}", self.side_file(step, heredoc, 0o644)?));
        }
        arguments.push(text::source(
            text::destination(&sources.destination),
            text::ESCAPE,
        ));
        words.push(text::arguments(&arguments, written.json));
        Ok(words.join(" "))
    }

    /// Writes a copy of heredocs and of other sources with its heredocs: it is one step, of which only a part could be in
    /// the side context.
    fn copy_of_both(&self, step: &Step) -> Result<String, Fault> {
        let mut others = step.clone();
        let (Instruction::Copy(Copy { sources, .. }) | Instruction::Add(Add { sources, .. })) =
            &mut others.instruction
        else {
            unreachable!("only copies have sources");
        };
        let heredocs = std::mem::take(&mut sources.heredocs);
        let words = sources.paths.iter().chain([&sources.destination]);
        let names = heredocs.iter().map(|heredoc| &heredoc.name);
        let is_a_word = |word: &String| !word.is_empty() && !word.contains(char::is_whitespace);
        // Variables in a body may have made a line of it that ends it.
        let ends_early =
            |heredoc: &Heredoc| heredoc.contents().lines().any(|line| line == heredoc.name);
        if !self.options.dialect.heredocs
            || sources.json
            || !words.chain(names).all(is_a_word)
            || heredocs.iter().any(ends_early)
        {
            return Err(Self::fault(step, ErrorKind::MixedSources));
        }
        let mut text = self.as_it_stands(&others)?;
        let destination = text.rfind(' ').map_or(text.len(), |blank| blank + 1);
        for heredoc in heredocs.iter().rev() {
            text.insert_str(destination, &format!("<<\"{}\" ", heredoc.name));
        }
        for heredoc in &heredocs {
            text.push('\n');
            text.push_str(&heredoc.contents());
            text.push_str(&heredoc.name);
        }
        Ok(text)
    }

    fn side_file(&mut self, step: &Step, heredoc: &Heredoc, mode: u32) -> Result<String, Fault> {
        self.side_contents(step, &heredoc.name, heredoc.contents(), mode)
    }

    pub(super) fn side_contents(
        &mut self,
        step: &Step,
        name: &str,
        contents: String,
        mode: u32,
    ) -> Result<String, Fault> {
        // The name is that of a file, and a word of an instruction.
        let usual =
            |character: char| character.is_ascii_alphanumeric() || "._-+".contains(character);
        if !name.chars().all(usual) || [".", "..", ""].contains(&name) {
            return Err(Self::fault(
                step,
                ErrorKind::UnusualHeredocName(name.to_owned()),
            ));
        }
        let path = format!("{}-{}/{name}", step.id.stage.0, step.id.index);
        self.lowered.files.retain(|file| file.path != path);
        self.lowered.files.push(SideFile {
            path: path.clone(),
            mode,
            contents,
        });
        Ok(path)
    }

    /// Tells whether the directory of a `WORKDIR` needs no layer: the image has none of this stage's, and the next thing
    /// to happen in it is a `RUN` of root, which makes the directory that it begins in. Each layer has its price.
    fn is_made_by_run(&self, step: &Step) -> bool {
        let Instruction::Workdir(path) = &step.instruction else {
            return false;
        };
        let chain = self.build.chain();
        let mut later = self.stage.steps.iter().skip(step.id.index + 1);
        !self.options.dialect.workdir_layers
            && chain.iter().all(|stage| stage.id != self.stage.id)
            && later.find(|step| step.makes_layer()).is_some_and(|next| {
                matches!(&next.instruction, Instruction::Run(run) if run.mounts.is_empty())
                    && next.working_directory == *path
                    && [step, next].iter().all(|step| step.user.is_empty())
            })
    }

    /// Copies nothing into a directory, which makes it, with its parents, in a layer.
    fn copy_of_directory(&mut self, path: &str, user: &str) -> String {
        if self.lowered.directories.is_empty() {
            self.lowered.directories.push(SideDirectory {
                path: EMPTY_DIRECTORY.to_owned(),
            });
        }
        let mut words = vec![
            "COPY".to_owned(),
            Self::flag("from", &self.options.side_context),
        ];
        if !user.is_empty() {
            let user = text::literal(&text::owner(user), text::ESCAPE);
            words.push(Self::flag("chown", &user));
        }
        let directory = format!("{}/", path.trim_end_matches('/'));
        let destination = text::source(&directory, text::ESCAPE);
        words.push(text::arguments(
            &[format!("/{EMPTY_DIRECTORY}/"), destination],
            false,
        ));
        words.join(" ")
    }
}

/// Writes an `ADD` without `--unpack`: what is not unpacked is copied, and any other file of a context is unpacked if
/// it can be. Nor does it matter there whether the directory of git is kept.
fn without_unpack(add: &Add) -> Instruction {
    let mut add = add.clone();
    let is_local = !add.sources.paths.iter().any(|path| is_remote(path));
    if is_local && add.unpack == Some(false) {
        return Instruction::Copy(Copy {
            sources: add.sources,
            from: None,
            chown: add.chown,
            chmod: add.chmod,
            link: add.link,
            parents: false,
            exclude: add.exclude,
        });
    }
    if is_local {
        (add.unpack, add.keep_git_dir) = (None, None);
    }
    Instruction::Add(add)
}

/// Puts the bodies of heredocs behind a line.
pub(super) fn with_bodies(mut text: String, heredocs: &[Heredoc]) -> String {
    for heredoc in heredocs {
        text.push('\n');
        text.push_str(&heredoc.body);
        text.push_str(&heredoc.name);
    }
    text
}
