//! Each class of differences, and each cause, planted in an image: it is named, and nothing else is. The table in
//! docs/diff.md says the same.

use crate::scene::{Draft, Item, draft, file, files, other, strictly};
use documents::{Diff, DiffCause, DiffClass};
use tar::EntryType;

const PAGE: &str = include_str!("../../../../docs/diff.md");

/// How a class is planted, and the two images.
type Plant<T> = (T, &'static str, fn() -> Diff);

fn base() -> Draft {
    draft(&[
        file("etc/motd", "hello\n"),
        file("etc/os-release", "ID=x\n"),
    ])
}

fn changed(change: fn(&mut Draft)) -> Diff {
    let mut other = base();
    change(&mut other);
    strictly(&base(), &other)
}

fn entry(left: Item, change: fn(&mut Item)) -> Diff {
    let mut right = left.clone();
    change(&mut right);
    strictly(&draft(&[left]), &draft(&[right]))
}

const CLASSES: [Plant<DiffClass>; 18] = [
    (
        DiffClass::Index,
        "another annotation in an index above the manifest",
        || {
            let with = |annotation| Draft {
                index: Some(annotation),
                ..base()
            };
            strictly(&with("one"), &with("two"))
        },
    ),
    (DiffClass::Manifest, "an annotation in the manifest", || {
        changed(|draft| draft.manifest = r#","annotations":{"note":"one"}"#.into())
    }),
    (DiffClass::Config, "a variable in the config", || {
        changed(|draft| draft.config = r#","config":{"Env":["A=1"]}"#.into())
    }),
    (
        DiffClass::History,
        "another instruction in the history",
        || changed(|draft| draft.created_by = "ADD . /".into()),
    ),
    (DiffClass::Layers, "one more layer", || {
        changed(|draft| draft.layers.push(crate::scene::tar(&[file("new", "")])))
    }),
    (DiffClass::Encoder, "another level of compression", || {
        changed(|draft| draft.level = 9)
    }),
    (DiffClass::Order, "two entries the other way round", || {
        changed(|draft| {
            draft.layers = vec![crate::scene::tar(&[
                file("etc/os-release", "ID=x\n"),
                file("etc/motd", "hello\n"),
            ])];
        })
    }),
    (DiffClass::Added, "one more file", || {
        changed(|draft| {
            draft.layers = vec![crate::scene::tar(&[
                file("etc/motd", "hello\n"),
                file("etc/new", "new\n"),
                file("etc/os-release", "ID=x\n"),
            ])];
        })
    }),
    (DiffClass::Removed, "one file less", || {
        changed(|draft| draft.layers = vec![crate::scene::tar(&[file("etc/motd", "hello\n")])])
    }),
    (DiffClass::Types, "a directory instead of a file", || {
        entry(file("etc/motd", ""), |item| {
            item.kind = EntryType::Directory;
        })
    }),
    (DiffClass::Contents, "another word in a text", || {
        files("etc/motd", "hello\n", "hullo\n")
    }),
    (
        DiffClass::Links,
        "a symbolic link with another target",
        || {
            entry(other("bin", EntryType::Symlink, "usr/bin"), |item| {
                item.link = "bin".into();
            })
        },
    ),
    (DiffClass::Owners, "a file of another user", || {
        entry(file("etc/motd", ""), |item| item.owner = 1000)
    }),
    (DiffClass::Modes, "a file that can be executed", || {
        entry(file("etc/motd", ""), |item| item.mode = 0o755)
    }),
    (DiffClass::Times, "a file of another time", || {
        entry(file("etc/motd", ""), |item| item.time = 1_790_000_000)
    }),
    (DiffClass::Attributes, "a capability", || {
        let with = |capability| {
            draft(&[Item {
                capability: Some(capability),
                ..file("bin/ping", "")
            }])
        };
        strictly(&with("one"), &with("two"))
    }),
    (DiffClass::Devices, "another device", || {
        entry(other("dev/null", EntryType::Char, ""), |item| {
            item.device = (1, 3);
        })
    }),
    (
        DiffClass::TarFormat,
        "an entry in the format of GNU tar",
        || entry(file("etc/motd", ""), |item| item.gnu = true),
    ),
];

fn line(left: &str, right: &str) -> Diff {
    files(
        "etc/note",
        format!("a\n{left}\nz\n"),
        format!("a\n{right}\nz\n"),
    )
}

const CAUSES: [Plant<DiffCause>; 11] = [
    (
        DiffCause::BuildPath,
        "the path of a source in a text",
        || line("in /tmp/one/src/a.c:3", "in /tmp/two/src/a.c:3"),
    ),
    (
        DiffCause::DateTime,
        "`__DATE__` and `__TIME__` of C",
        || line("built Nov 30 2026 08:14:35", "built Dec  1 2026 09:15:36"),
    ),
    (
        DiffCause::Locale,
        "a list sorted by bytes, and by a locale",
        || files("etc/list", "B\n_c\na\n", "a\nB\n_c\n"),
    ),
    (
        DiffCause::UnstableOrder,
        "a list in two orders, none of which is sorted",
        || files("etc/list", "c\na\nb\n", "b\nc\na\n"),
    ),
    (DiffCause::User, "the number of a user", || {
        line("uid=0", "uid=1000")
    }),
    (
        DiffCause::Umask,
        "a file that the group can write, and one that it cannot",
        || entry(file("etc/motd", ""), |item| item.mode = 0o664),
    ),
    (DiffCause::Jobs, "`-j` of make", || {
        line("MAKEFLAGS=-j4", "MAKEFLAGS=-j8")
    }),
    (DiffCause::Kernel, "what `uname -r` says", || {
        line("Linux version 6.1.0-18-amd64", "Linux version 6.12.9-amd64")
    }),
    (
        DiffCause::HostName,
        "a user's name at that of a host",
        || line("by root@one", "by root@two"),
    ),
    (DiffCause::Processor, "`-march` of a compiler", || {
        line("-O2 -march=znver3", "-O2 -march=skylake")
    }),
    (
        DiffCause::Random,
        "the name of a compiler's temporary file",
        || line("/tmp/ccAbCdEf.o", "/tmp/ccGhIjKl.o"),
    ),
];

/// Returns how the first difference is told.
fn told(diff: &Diff) -> String {
    let first = diff.first.as_ref().unwrap();
    format!(
        "{}: {}",
        diff::words::place(first),
        diff::words::what(first)
    )
}

#[test]
fn each_class_is_named() {
    let planted: Vec<DiffClass> = CLASSES.iter().map(|(class, ..)| *class).collect();
    assert_eq!(planted, DiffClass::ALL);
    for (class, how, plant) in CLASSES {
        let found = plant();
        let classes: Vec<DiffClass> = found.classes.iter().map(|count| count.class).collect();
        assert_eq!(classes, [class], "{how}: {found:#?}");
        assert!(!found.equal);
        assert_eq!(found.first.as_ref().unwrap().class, class, "{how}");
    }
}

#[test]
fn each_cause_is_named() {
    let planted: Vec<DiffCause> = CAUSES.iter().map(|(cause, ..)| *cause).collect();
    assert_eq!(planted, DiffCause::ALL);
    for (cause, how, plant) in CAUSES {
        let found = plant();
        let causes: Vec<DiffCause> = found.causes.iter().map(|likely| likely.cause).collect();
        assert_eq!(causes, [cause], "{how}: {found:#?}");
        let evidence = &found.causes[0].evidence[0];
        assert!(evidence.place.starts_with("layer 1: etc/"), "{evidence:?}");
        assert_ne!(evidence.left, evidence.right);
    }
}

#[test]
fn the_page_has_every_class_and_every_cause() {
    let row = |name: String, word: &str, how: &str, told: String| {
        format!(
            "| `{}` | {word} | {how} | {} |",
            name.trim_matches('"'),
            told.replace('|', "\\|")
        )
    };
    let classes = CLASSES.iter().map(|(class, how, plant)| {
        let name = serde_json::to_string(class).unwrap();
        row(name, class.word(), how, told(&plant()))
    });
    let causes = CAUSES.iter().map(|(cause, how, plant)| {
        let found = plant();
        let evidence = &found.causes[0].evidence[0];
        let sides = diff::words::sides(Some(&evidence.left), Some(&evidence.right));
        let name = serde_json::to_string(cause).unwrap();
        row(name, cause.word(), how, sides)
    });
    let rows: Vec<String> = classes.chain(causes).collect();
    let page: Vec<&str> = PAGE
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    assert_eq!(
        page,
        rows,
        "docs/diff.md has other rows than:\n{}",
        rows.join("\n")
    );
}
