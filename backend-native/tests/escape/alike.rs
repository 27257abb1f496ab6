//! Trees of files that are legal for root, made at random: whoever builds them, the image is the same, or
//! the build is refused.
//!
//! `escape alike SEED COUNT FILE` writes a line for each tree to a file: what came of it. `escape alike
//! compare ROOTS USERS` compares what root has written with what an ordinary user has. `escape outlive COUNT`
//! has so many RUNs end while calls of theirs are done.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Seek as _, Write as _};
use std::process::ExitCode;

use libtest_mimic::Failed;

use crate::support::{Build, Built, expect, put_call};

/// What a line says where there is no image.
const REFUSED: &str = "refused";
/// GNU's programs, for which these stand here.
const PROGRAMS: &[&str] = &[
    "cp", "mv", "tar", "ls", "stat", "find", "chown", "chgrp", "chmod", "mknod", "ln", "install",
    "rm",
];
/// Where they are put.
const GNU: &str = "/gnu/bin";

/// A number that looks like any other, of those before it.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        // The algorithm `xorshift64*`.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap_or(0) % sides
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }

    /// Returns the path of something that may be there, or not.
    fn path(&mut self) -> String {
        let directory = self.pick(&["", "", "", "d/", "e/", "d/s/", "../t/e/", "l/"]);
        format!("{directory}{}", self.pick(&["a", "b", "c", "e", "s"]))
    }

    /// Returns a program's name: busybox's or GNU's.
    fn program(&mut self, name: &str) -> String {
        match self.roll(2) {
            0 => name.to_owned(),
            _ => format!("{GNU}/{name}"),
        }
    }

    fn id(&mut self) -> &'static str {
        self.pick(&[
            "0",
            "1",
            "1000",
            "65535",
            "65536",
            "65537",
            "70000",
            "70000",
            "4000000000",
        ])
    }

    fn mode(&mut self) -> &'static str {
        self.pick(&[
            "644", "4755", "6755", "2755", "2775", "1777", "600", "u+s", "g-x", "a+rX",
        ])
    }

    /// Returns a command that a builder might give.
    fn command(&mut self) -> String {
        let (one, other) = (self.path(), self.path());
        match self.roll(38) {
            0 | 1 => format!("mkdir -p {one}"),
            2 => format!("mkdir {one}; chmod 2775 {one}"),
            3 | 4 => format!("rm -f {one}; echo {other} >{one}"),
            5..=7 => {
                let (kind, number) = (
                    self.pick(&["c", "b"]),
                    self.pick(&["1 3", "8 0", "300 70000"]),
                );
                format!("{} {one} {kind} {number}", self.program("mknod"))
            }
            8 => {
                let (mode, program) = (self.pick(&["600", "4666", "2777"]), self.program("mknod"));
                format!("{program} -m {mode} {one} c 5 1")
            }
            9 => format!("mkfifo {one}"),
            10 => format!("{} -s {other} {one}", self.program("ln")),
            11 => format!("{} {one} {other}", self.program("ln")),
            12 | 13 => {
                let (user, group) = (self.id(), self.id());
                format!(
                    "[ -h {one} ] || {} {user}:{group} {one}",
                    self.program("chown")
                )
            }
            14 => format!(
                "[ -h {one} ] || {} {} {one}",
                self.program("chgrp"),
                self.id()
            ),
            15 => format!("{} {} {one}", self.program("chmod"), self.mode()),
            16 | 17 => format!("{} {one} {other}", self.program("mv")),
            // What a directory is given of itself depends on the order of its entries.
            18 | 19 => format!(
                "case $(realpath {other}) in $(realpath {one})/*) ;; *) {} -a {one} {other};; esac",
                self.program("cp")
            ),
            20 => {
                let (pack, unpack) = (self.program("tar"), self.program("tar"));
                format!(
                    "mkdir -p {other}; {pack} c {one} >/logs/tar; {unpack} xp -C {other} </logs/tar; rm /logs/tar"
                )
            }
            21 => format!("rm -rf {one}"),
            22 => format!("umask {}", self.pick(&["022", "027", "0", "77"])),
            23 | 24 => {
                let (user, group) = (self.id(), self.id());
                format!("[ -h {one} ] || chown -R {user}:{group} {one}")
            }
            25 => format!(
                "rm -f {one}; mknod {one} c 1 3; chown {}:{} {one}",
                self.id(),
                self.id()
            ),
            26 => format!("[ -p {one} ] || echo {other} >>{one}"),
            27 => format!("[ -p {one} ] || truncate -s 3 {one}"),
            28 => format!("[ -p {one} ] || [ -p {other} ] || cp {one} {other}"),
            29 => format!("[ -f {one} ] && {GNU}/install -m 4751 {one} {other}"),
            // Names of one file, in the next step too, where it is changed by one of them.
            34 => format!(
                "{} {one} {other}; [ -p {one} ] || echo {other} >>{one}",
                self.program("ln")
            ),
            35 => format!(
                "{} {one} {other}; chmod {} {one}",
                self.program("ln"),
                self.mode()
            ),
            30 => format!(
                "rm -rf {one}; cp -a {other} {one}; chmod {} {one}",
                self.mode()
            ),
            31 => format!("[ -f {one} ] && {{ chmod 6755 {one}; echo {other} >>{one}; }}"),
            32 => format!("[ -f {one} ] && {{ chmod u+s {one}; cat {one}; }}"),
            33 => format!(
                "[ -f {one} ] && {{ chmod 4711 {one}; echo {other} >{one}; chmod u+s {one}; }}"
            ),
            _ => match self.roll(4) {
                0 => format!("rm -f {other}; [ -p {one} ] || cp {one} {other}"),
                1 => {
                    format!("[ -d {one} ] && /call 188 {one} system.posix_acl_default {LIST} 44 0")
                }
                2 => format!(
                    "[ -c {one} ] && echo c; [ -b {one} ] && echo b; [ -f {one} ] && echo f"
                ),
                _ => format!("[ -f {one} ] && {GNU}/install -m 751 -o 7 -g 70001 {one} {other}"),
            },
        }
    }

    fn script(&mut self, count: usize) -> String {
        let mut script =
            "mkdir -p /t/d/s /t/e; cd /t; ln -s d l; rm -f a d/b; echo 1 >a; echo 2 >d/b; "
                .to_owned();
        for _ in 0..count {
            let _ = write!(script, "{}; echo $?; ", self.command());
        }
        script + SHOW
    }
}

/// A default access control list: the owner all, the user 1000 to read, the group to read and to execute,
/// the mask all, others nothing.
const LIST: &str = "x0200000001000700ffffffff02000400e803000004000500ffffffff\
                    10000700ffffffff20000000ffffffff";

/// Shows all that is there, to several programs: what they print is in the image, but for times and for
/// how much of a disk something takes.
const SHOW: &str = "find . /t | sort | while read f; do \
      stat -c '%n %F %a %u %g %t %T %h' $f; /gnu/bin/stat -c '%n %F %a %u %g %t %T %h' $f; done; \
    find . -exec touch -h -d @1000 {} +; \
    { ls -lnA . d e; /gnu/bin/ls -lnARU --time-style=+ . | sort; \
      for kind in c b p f l d; do /gnu/bin/find . -type $kind | sort; find . -type $kind | sort; done; \
      /gnu/bin/tar c --numeric-owner . | tar tv | sort; tar c . | /gnu/bin/tar tv --numeric-owner | sort; } | \
      sed 's/20[0-9-]* [0-9:]* //;s/[A-Z][a-z][a-z] [0-9 ]* [0-9:]* //;/^total /d'; \
    for f in * d/*; do [ -f $f ] && cat $f; true; done";

/// Returns a context in which GNU's programs are, each with its libraries.
fn context() -> Result<Build, Failed> {
    let build = Build::new();
    put_call(&build, 64, "call")?;
    let root = build.directory.join("context/gnu");
    fs::create_dir_all(format!("{root}{GNU}"))?;
    for name in PROGRAMS {
        let program = ["/bin", "/usr/bin"].map(|directory| format!("{directory}/{name}"));
        let program = program
            .iter()
            .find(|path| fs::exists(path).unwrap_or(false));
        let program = program.ok_or_else(|| format!("there is no `{name}` of GNU here"))?;
        fs::copy(program, format!("{root}{GNU}/{name}"))?;
        #[expect(clippy::disallowed_types, reason = "a test asks what a program needs")]
        let needs = std::process::Command::new("ldd").arg(program).output()?;
        let needs = String::from_utf8(needs.stdout)?;
        for library in needs
            .split_whitespace()
            .filter(|word| word.starts_with('/'))
        {
            let copy = format!("{root}{library}");
            let directory = camino::Utf8Path::new(&copy).parent();
            fs::create_dir_all(directory.ok_or("a library is in no directory")?)?;
            fs::copy(library, copy)?;
        }
    }
    Ok(build)
}

/// What came of a tree.
struct Made {
    digest: String,
    /// The steps that made it.
    steps: String,
    /// What it is the digest of, or why there is none.
    text: String,
}

/// Makes the tree of a number.
fn tree(build: &Build, seed: u64) -> Result<Made, Failed> {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut steps = String::new();
    for step in 0..=dice.roll(2) {
        let count = 3 + dice.roll(12);
        let script = format!("exec >>/logs/{step} 2>/dev/null; {}", dice.script(count));
        let words = serde_json::to_string(&["/bin/busybox", "sh", "-c", &script])?;
        let user = ["1000:1000", "0:0", "0:0", "0:0", "0:0"][dice.roll(5)];
        let _ = write!(steps, "USER {user}\nRUN {words}\n");
    }
    let built = build.run(&format!(
        "COPY gnu /\nCOPY call /call\n\
         RUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\nENV PATH=/bin\n\
         RUN [\"mkdir\", \"-m\", \"777\", \"/logs\", \"/t\"]\n{steps}"
    ));
    match built {
        Ok(built) => {
            let text = files(&built)?;
            let mut file = tempfile::tempfile()?;
            file.write_all(text.as_bytes())?;
            file.rewind()?;
            let digest = snapshot::sha256(file)?.to_string();
            Ok(Made {
                digest,
                steps,
                text,
            })
        }
        Err(error) => {
            let message = error.message().unwrap_or_default();
            expect(
                message.starts_with("Unsupported"),
                &format!("{seed}: {message}\n{steps}"),
            )?;
            let digest = REFUSED.to_owned();
            let text = message.to_owned();
            Ok(Made {
                digest,
                steps,
                text,
            })
        }
    }
}

/// Returns what is in the layers but for times, and what small files say.
fn files(built: &Built) -> Result<String, Failed> {
    let mut text = String::new();
    for layer in &built.layers {
        let mut archive = tar::Archive::new(fs::File::open(layer)?);
        for entry in archive.entries()? {
            let mut entry = entry?;
            let header = entry.header().clone();
            let mut contents = Vec::new();
            if header.size()? < 1 << 16 {
                entry.read_to_end(&mut contents)?;
            }
            let contents = String::from_utf8_lossy(&contents);
            let _ = writeln!(
                text,
                "{:?} {:?} {:o} {}:{} {:?} {:?} {:?} {}\n{contents}",
                String::from_utf8_lossy(&entry.path_bytes()),
                header.entry_type(),
                header.mode()?,
                header.uid()?,
                header.gid()?,
                entry
                    .link_name_bytes()
                    .map(|name| String::from_utf8_lossy(&name).into_owned()),
                header.device_major().ok(),
                header.device_minor().ok(),
                header.size()?,
            );
        }
    }
    Ok(text)
}

/// Whoever makes a tree twice has the same one.
pub(crate) fn a_tree_is_made_again_as_it_was() -> Result<(), Failed> {
    let build = context()?;
    for seed in [1, 2] {
        let [one, other] = [tree(&build, seed)?, tree(&build, seed)?];
        expect(
            one.digest == other.digest,
            &format!("{}\n{}", one.text, other.text),
        )?;
    }
    Ok(())
}

/// A call that is held up when its RUN ends is done before anybody reads what the RUN has made: a layer and
/// the next RUN see the same.
pub(crate) fn no_call_outlives_its_run() -> Result<(), Failed> {
    outlive(10)
}

/// Has so many RUNs end while they give a file away that is large, and so is copied first.
fn outlive(count: usize) -> Result<(), Failed> {
    const AT_ONCE: usize = 10;
    let build = Build::new();
    for done in (0..count).step_by(AT_ONCE) {
        let mut steps = "RUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\nENV PATH=/bin\n\
             RUN head -c 30000000 /dev/zero >/large; chown 70000 /large\n"
            .to_owned();
        for step in 0..AT_ONCE {
            // Nothing after the first is a call that is held up: it would wait for the others.
            let _ = writeln!(
                steps,
                "RUN stat -c 'owner %u' /large; for n in 1 2 3 4; do mknod /made$n.{step} c 1 $n & done; \
                 chown {} /large & n=0; while [ $n -lt {} ]; do n=$((n+1)); done",
                80_000 + step,
                1000 + 700 * step
            );
        }
        let built = build.run(&format!("{steps}RUN stat -c 'owner %u' /large\n"))?;
        let seen = built
            .output
            .lines()
            .filter_map(|line| line.strip_prefix("owner "));
        let seen: Vec<u64> = seen.map(str::parse).collect::<Result<_, _>>()?;
        let mut owner = 70_000;
        // The first two have no such file.
        for (number, layer) in built.layers.iter().skip(3).take(AT_ONCE).enumerate() {
            expect(
                seen[number] == owner,
                &format!("{done}, {number}: {owner}, seen {seen:?}"),
            )?;
            let mut archive = tar::Archive::new(fs::File::open(layer)?);
            for entry in archive.entries()? {
                let entry = entry?;
                let kind = entry.header().entry_type();
                let path = entry.path_bytes().into_owned();
                if path == b"large" {
                    owner = entry.header().uid()?;
                }
                let is_whole = !path.starts_with(b"made") || kind.is_character_special();
                let path = String::from_utf8_lossy(&path);
                expect(is_whole, &format!("{done}, {number}: {path} is {kind:?}"))?;
            }
        }
        expect(
            seen.last() == Some(&owner),
            &format!("{done}: {owner}, seen {seen:?}"),
        )?;
        for directory in ["work", "layers"] {
            let path = build
                .directory
                .join(format!("{directory}-{}", done / AT_ONCE + 1));
            fs::remove_dir_all(path)?;
        }
    }
    Ok(())
}

/// Does what the arguments say, if they are not those of a test.
pub(crate) fn command() -> Option<ExitCode> {
    let arguments: Vec<String> = std::env::args().collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[1..] {
        ["alike", "compare", roots, users] => compare(roots, users),
        ["outlive", count] => count.parse().map_err(Failed::from).and_then(outlive),
        ["alike", seed, count, file] => record(seed, count, file),
        _ => return None,
    };
    Some(match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let message = error.message().unwrap_or_default();
            // Who calls this reads it.
            let _ = writeln!(std::io::stderr(), "error: {message}");
            ExitCode::FAILURE
        }
    })
}

/// Writes what comes of trees to a file, and of each what it has to a file beside it.
fn record(seed: &str, count: &str, file: &str) -> Result<(), Failed> {
    let (seed, count): (u64, u64) = (seed.parse()?, count.parse()?);
    let build = context()?;
    let mut lines = String::new();
    for seed in seed..seed + count {
        let made = tree(&build, seed)?;
        let _ = writeln!(lines, "{seed} {}", made.digest);
        let text = format!("{}\n{}", made.steps, made.text);
        fs::write(format!("{file}.{seed}"), text)?;
    }
    Ok(fs::write(file, lines)?)
}

fn compare(roots: &str, users: &str) -> Result<(), Failed> {
    let [of_root, of_user] = [fs::read_to_string(roots)?, fs::read_to_string(users)?];
    let (mut equal, mut refused) = (0, 0);
    for (one, other) in of_root.lines().zip(of_user.lines()) {
        match one {
            _ if one == other => equal += 1,
            _ if other.ends_with(REFUSED) => refused += 1,
            _ => return Err(format!("root's is {one}, a user's {other}").into()),
        }
    }
    expect(
        of_root.lines().count() == equal + refused,
        "some are missing",
    )?;
    expect(!of_root.contains(REFUSED), "root was refused")?;
    expect(
        equal > refused,
        &format!("{equal} are alike, {refused} were refused"),
    )?;
    let _ =
        std::io::stdout().write_fmt(format_args!("{equal} are alike, {refused} were refused\n"));
    Ok(())
}
