//! Differences between two builds of a package, each planted in it: whichever runtime has built it, `stagex diff` names
//! their classes, their places and their causes, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use libtest_mimic::Failed;
use serde_json::Value;

use crate::engines::expect;
use crate::{Scene, put_busybox};

/// What makes a file in the one build, and in the other: the class of the difference, or the cause of one of contents.
struct Plant {
    name: &'static str,
    shell: [&'static str; 2],
}

const fn plant(name: &'static str, one: &'static str, two: &'static str) -> Plant {
    Plant {
        name,
        shell: [one, two],
    }
}

/// The file that a plant makes is called as the class is.
const CLASSES: [Plant; 6] = [
    plant("added", ":", "touch added"),
    plant("removed", "touch removed", ":"),
    plant("types", "ln -s /x types", "touch types"),
    plant("contents", "echo one > contents", "echo two > contents"),
    plant("links", "ln -s a links", "ln -s b links"),
    plant(
        "modes",
        "touch modes; chmod 4755 modes",
        "touch modes; chmod 755 modes",
    ),
];

/// What an ordinary user's engine cannot make.
const OF_ROOT: [Plant; 1] = [plant(
    "devices",
    "mknod devices c 1 3",
    "mknod devices c 1 5",
)];

/// The file that a plant makes is called as the cause is.
const CAUSES: [Plant; 11] = [
    plant(
        "build-path",
        "echo in /tmp/one/src/a.c:3 > build-path",
        "echo in /tmp/two/src/a.c:3 > build-path",
    ),
    plant(
        "date-time",
        "touch -d @0 date-time",
        "touch -d @1 date-time",
    ),
    plant(
        "locale",
        "printf 'B\\n_c\\na\\n' > locale",
        "printf 'a\\nB\\n_c\\n' > locale",
    ),
    plant(
        "unstable-order",
        "printf 'c\\na\\nb\\n' > unstable-order",
        "printf 'b\\nc\\na\\n' > unstable-order",
    ),
    plant("user", "touch user", "touch user; chown 1:1 user"),
    plant(
        "umask",
        "umask 022; touch umask",
        "umask 002; touch umask; umask 022",
    ),
    plant(
        "jobs",
        "echo MAKEFLAGS=-j4 > jobs",
        "echo MAKEFLAGS=-j8 > jobs",
    ),
    plant(
        "kernel",
        "echo Linux version 6.1.0-18-amd64 > kernel",
        "echo Linux version 6.12.9-amd64 > kernel",
    ),
    plant(
        "host-name",
        "echo by root@one > host-name",
        "echo by root@two > host-name",
    ),
    plant(
        "processor",
        "echo -O2 -march=znver3 > processor",
        "echo -O2 -march=skylake > processor",
    ),
    plant(
        "random",
        "echo /tmp/ccAbCdEf.o > random",
        "echo /tmp/ccGhIjKl.o > random",
    ),
];

/// Builds a package twice, with something else in it, and compares the two.
pub(crate) fn each_is_named(scene: &Scene) -> Result<(), Failed> {
    put_busybox(scene);
    let is_root = rustix::process::geteuid().is_root();
    let classes: Vec<&Plant> = CLASSES
        .iter()
        .chain(OF_ROOT.iter().filter(|_| is_root))
        .collect();
    let builds = [0, 1].map(|which| {
        let plants = classes.iter().copied().chain(&CAUSES);
        let lines = plants.map(|plant| plant.shell[which]);
        let shell = lines.collect::<Vec<_>>().join("\n");
        // One more layer, and another variable.
        let more = ["ENV A=1", "ENV A=2\nRUN [\"/bin/busybox\", \"touch\", \"/more\"]"][which];
        let attributes = if is_root { "ADD capable.tar /\n" } else { "" };
        let containerfile = format!(
            "FROM stagex/core-box\nRUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\n{attributes}\
             RUN <<END\nset -e\nmkdir /p\ncd /p\n{shell}\nEND\n{more}\n"
        );
        scene.package("planted", &containerfile);
        let package = scene.path().join("packages/core/planted");
        capable(&package.join("capable.tar"), which);
        let version = format!("[package]\nname = \"planted\"\nversion = \"{which}\"\n");
        fs::write(package.join("package.toml"), version).unwrap();
        let ran = scene.stagex(&["--runtime", &scene.runtime, "make", "core-planted"]);
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        expect(ran.status.success(), &said)?;
        let kept = scene.path().join(format!("planted-{which}"));
        fs::rename(scene.path().join("out/core-planted"), &kept).unwrap();
        Ok::<_, Failed>(kept)
    });
    let [one, two] = builds;
    let (one, two) = (one?, two?);
    let (one, two) = (one.to_str().unwrap(), two.to_str().unwrap());
    let words = ["diff", one, two, "--format", "json", "--limit", "100"];
    let ran = scene.stagex(&words);
    let found: Value = serde_json::from_slice(&ran.stdout)
        .map_err(|_| String::from_utf8_lossy(&ran.stderr).into_owned())?;
    fs::remove_dir_all(one).and_then(|()| fs::remove_dir_all(two))?;
    named(&found, &classes, is_root)
}

/// Compares what was named with what was planted.
fn named(found: &Value, classes: &[&Plant], is_root: bool) -> Result<(), Failed> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let differences = found["differences"].as_array().unwrap();
    let mut of_path: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut elsewhere = BTreeSet::new();
    for each in differences {
        let class = text(&each["class"]);
        match each["path"]
            .as_str()
            .and_then(|path| path.strip_prefix("p/"))
        {
            Some(path) => {
                of_path.entry(path.to_owned()).or_default().insert(class);
            }
            None => {
                elsewhere.insert(class);
            }
        }
    }
    // What is not in files of its own: the version, the variable, the instructions, the layer, the capability.
    let mut expected: BTreeSet<&str> = ["index", "manifest", "config", "history", "layers"].into();
    if is_root {
        expected.insert("attributes");
    }
    let is_same = elsewhere.iter().map(String::as_str).eq(expected);
    expect(is_same, &format!("{elsewhere:?}: {found}"))?;
    for plant in classes {
        let told = of_path.remove(plant.name).unwrap_or_default();
        // A link has a mode of its own.
        let is_told = told.contains(plant.name)
            && (told.len() == 1 || (plant.name == "types" && told.contains("modes")));
        expect(is_told, &format!("{}: {told:?}", plant.name))?;
    }
    for plant in &CAUSES {
        let told = of_path.remove(plant.name).unwrap_or_default();
        let class = match plant.name {
            "date-time" => "times",
            "user" => "owners",
            "umask" => "modes",
            _ => "contents",
        };
        expect(
            told.iter().eq([class]),
            &format!("{}: {told:?}", plant.name),
        )?;
        let causes = found["causes"].as_array().unwrap();
        let cause = causes.iter().find(|cause| cause["cause"] == plant.name);
        let evidence = cause.map(|cause| cause["evidence"].to_string());
        let place = format!("p/{}", plant.name);
        let is_shown = evidence
            .as_ref()
            .is_some_and(|shown| shown.contains(&place));
        expect(is_shown, &format!("{}: {evidence:?}", plant.name))?;
    }
    expect(of_path.is_empty(), &format!("{of_path:?}: {found}"))?;
    let causes = found["causes"].as_array().unwrap().len();
    expect(causes == CAUSES.len(), &found["causes"].to_string())
}

/// Writes a tar of one file, which has a capability.
fn capable(path: &Path, which: usize) {
    let mut tar = tar::Builder::new(fs::File::create(path).unwrap());
    let mut value = vec![1, 0, 0, 2, 0, [32, 4][which]];
    value.resize(20, 0);
    let attribute = ("SCHILY.xattr.security.capability", value.as_slice());
    tar.append_pax_extensions([attribute]).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_size(0);
    header.set_mode(0o755);
    tar.append_data(&mut header, "capable", &[][..]).unwrap();
    tar.finish().unwrap();
}
