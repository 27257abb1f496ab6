//! Paths: links, `..`, archives and what is bound, each of which might lead out of the build's own
//! files.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};

use camino::Utf8PathBuf;
use libtest_mimic::Failed;

use crate::support::{Build, expect, refused};

pub(crate) fn a_source_leads_nowhere_outside() -> Result<(), Failed> {
    for (name, target) in [("absolute", true), ("relative", false)] {
        let build = Build::new();
        let link = build.directory.join("context").join(name);
        let outside = build.outside();
        let target = if target {
            outside.clone()
        } else {
            Utf8PathBuf::from("../outside")
        };
        symlink(target, link)?;
        for path in [format!("{name}/secret"), format!("{name}/s*")] {
            let built = build.run(&format!("COPY {path} /copy/"));
            refused(built, "not found")?;
        }
    }
    for path in [
        "../outside/secret",
        "/../outside/secret",
        "a/../../outside/secret",
    ] {
        refused(Build::new().run(&format!("COPY {path} /copy")), "not found")?;
    }
    Ok(())
}

pub(crate) fn a_destination_leads_nowhere_outside() -> Result<(), Failed> {
    let build = Build::new();
    let outside = build.outside();
    let built = build.run(&format!(
        "RUN [\"/bin/busybox\", \"ln\", \"-s\", \"{outside}\", \"/out\"]\n\
         RUN [\"/bin/busybox\", \"ln\", \"-s\", \"../../../../../../..{outside}/new\", \"/new\"]\n\
         COPY file /out/file\n\
         COPY file /new\n\
         COPY file /../../{outside}/third"
    ))?;
    let names = built.names();
    let path = outside.as_str().trim_start_matches('/');
    for name in ["file", "new", "third"] {
        let expected = format!("{path}/{name}");
        expect(
            names.contains(&expected),
            &format!("no {expected}: {names:?}"),
        )?;
    }
    build.is_untouched()
}

pub(crate) fn a_working_directory_leads_nowhere_outside() -> Result<(), Failed> {
    let build = Build::new();
    let outside = build.outside();
    build.run(&format!(
        "RUN [\"/bin/busybox\", \"ln\", \"-s\", \"{outside}\", \"/out\"]\n\
         WORKDIR /out/made\n\
         RUN [\"/bin/busybox\", \"touch\", \"here\"]"
    ))?;
    build.is_untouched()
}

pub(crate) fn an_archive_unpacks_nothing_outside() -> Result<(), Failed> {
    let build = Build::new();
    let outside = build.outside();
    for (name, path) in [
        ("up", "../../../../escaped"),
        ("hidden", "a/../../../escaped"),
    ] {
        build.archive(name, |archive| archive.file(path));
        refused(build.run(&format!("ADD {name} /to/")), "leads out")?;
    }
    build.archive("nowhere", |archive| {
        archive.link(tar::EntryType::Symlink, "out", outside.as_str());
        archive.file("out/escaped");
    });
    refused(build.run("ADD nowhere /to/"), "was not found")?;
    build.archive("through", |archive| {
        archive.directory(outside.as_str().trim_start_matches('/'), 0o755);
        archive.link(tar::EntryType::Symlink, "out", outside.as_str());
        archive.file("out/escaped");
    });
    let built = build.run("ADD through /to/")?;
    let expected = format!("to{outside}/escaped");
    expect(
        built.names().contains(&expected),
        &format!("{:?}", built.names()),
    )?;
    // A link in the way of a directory's mode, owner and time is not followed either.
    build.archive("mode", |archive| {
        archive.link(tar::EntryType::Symlink, "out", outside.as_str());
        archive.directory("out", 0o777);
    });
    build.run("ADD mode /to/")?;
    build.is_untouched()
}

pub(crate) fn an_archive_links_nothing_outside() -> Result<(), Failed> {
    let build = Build::new();
    let secret = build.outside().join("secret");
    let up = format!("../../../../../../../..{secret}");
    build.archive("up", |archive| {
        archive.link(tar::EntryType::Link, "copy", &up);
    });
    refused(build.run("ADD up /to/"), "leads out")?;
    build.archive("absolute", |archive| {
        archive.link(tar::EntryType::Link, "copy", secret.as_str());
    });
    refused(build.run("ADD absolute /to/"), "cannot")?;
    build.archive("through", |archive| {
        archive.link(tar::EntryType::Symlink, "out", build.outside().as_str());
        archive.link(tar::EntryType::Link, "copy", "out/secret");
    });
    refused(build.run("ADD through /to/"), "cannot")?;
    // A further name of a link is a link, whose mode is nobody's.
    build.archive("mode", |archive| {
        archive.link(tar::EntryType::Symlink, "out", secret.as_str());
        archive.link(tar::EntryType::Link, "again", "out");
    });
    build.run("ADD mode /to/")?;
    build.is_untouched()
}

pub(crate) fn mount_points_lead_nowhere_outside() -> Result<(), Failed> {
    for (point, name) in [
        ("etc", ""),
        ("etc/hosts", "/secret"),
        ("etc/resolv.conf", "/new"),
    ] {
        let build = Build::new();
        let link = build.directory.join("context/tree").join(point);
        fs::create_dir_all(link.parent().unwrap_or(&link))?;
        symlink(format!("{}{name}", build.outside()), link)?;
        build.run("COPY tree/ /\nRUN [\"/bin/busybox\", \"true\"]")?;
        build.is_untouched()?;
    }
    Ok(())
}

pub(crate) fn links_in_the_way_of_mount_points_change_nothing_outside() -> Result<(), Failed> {
    let build = Build::new();
    let outside = build.outside();
    fs::write(outside.join("hosts"), "")?;
    build.run(&format!(
        "RUN [\"/bin/busybox\", \"sh\", \"-c\", \"/bin/busybox mv /etc /moved && /bin/busybox ln -s {outside} /etc\"]"
    ))?;
    expect(outside.join("hosts").exists(), "an empty file is gone")?;
    fs::remove_file(outside.join("hosts"))?;
    build.is_untouched()
}

pub(crate) fn names_in_any_bytes_come_back() -> Result<(), Failed> {
    let build = Build::new();
    let built = build.shell(
        "cd /; touch \"$(printf 'a\\377b')\" \"$(printf 'c\\nd')\"; echo \"$(printf 'e\\377f')\"",
    )?;
    let names = built.raw_names();
    for expected in [&b"a\xffb"[..], b"c\nd"] {
        let found = names.iter().any(|name| name == expected);
        expect(found, &format!("no {expected:?} in {names:?}"))?;
    }
    expect(built.output.contains("e\u{fffd}f"), &built.output)
}

pub(crate) fn what_overwrites_a_line_is_another() -> Result<(), Failed> {
    let built = Build::new().shell("printf '10 percent\\r90 percent\\r\\ndone'")?;
    expect(
        built.output.ends_with("10 percent\n90 percent\ndone\n"),
        &built.output,
    )
}

pub(crate) fn links_where_the_machine_is_shown_are_refused() -> Result<(), Failed> {
    for (point, target) in [
        ("proc", "/"),
        ("sys", "/"),
        ("dev", "/proc"),
        ("proc", "/moved"),
        ("sys", "../outside"),
    ] {
        let build = Build::new();
        let tree = build.directory.join("context/tree");
        fs::create_dir_all(tree.join("moved"))?;
        symlink(target, tree.join(point))?;
        let steps = "COPY tree/ /\nRUN [\"/bin/busybox\", \"true\"]";
        refused(build.run(steps), "is a symbolic link")?;
        build.is_untouched()?;
    }
    Ok(())
}

pub(crate) fn what_is_bound_can_only_be_read() -> Result<(), Failed> {
    let build = Build::new();
    let file = build.directory.join("context/file");
    let before = fs::metadata(&file)?;
    let built = build.shell_with(
        "--mount=type=bind,target=/bound",
        "cd /bound; for way in 'ln file /other' 'ln file other' 'touch file' 'chmod 777 file' \
           'chown 1:1 file' 'rm file' 'mv file moved' 'mknod pipe p' 'truncate -s 0 file' \
           'mkdir new' 'ln -s a b' 'mount -o remount,rw /bound'; do \
           $way 2>/dev/null && echo done: $way; done; true",
    )?;
    expect(!built.output.contains("done"), &built.output)?;
    let after = fs::metadata(&file)?;
    let facts = |status: &fs::Metadata| (status.mode(), status.ctime_nsec(), status.nlink());
    expect(
        facts(&before) == facts(&after),
        "a build has changed its context",
    )
}

pub(crate) fn what_is_written_over_a_bound_directory_is_forgotten() -> Result<(), Failed> {
    let build = Build::new();
    let built = build.shell_with(
        "--mount=type=bind,target=/bound,rw --mount=type=bind,source=file,target=/one,rw",
        "cd /bound; echo other >file; chmod 777 file; touch new; rm busybox; cat file; \
           echo more >>/one; cat /one",
    )?;
    expect(built.output == "other\ntext\nmore\n", &built.output)?;
    let context = build.directory.join("context");
    expect(
        fs::read(context.join("file"))? == b"text\n",
        "a build has changed its context",
    )?;
    expect(
        !context.join("new").exists(),
        "a build has written into its context",
    )?;
    expect(
        context.join("busybox").exists(),
        "a build has removed a file of its context",
    )
}

/// The kernel takes the directories of a stack as one text, in which a colon ends a directory's path and a comma
/// ends them all.
pub(crate) fn what_is_written_over_has_no_way_out_in_its_name() -> Result<(), Failed> {
    let build = Build::new();
    let (context, outside) = (build.directory.join("context"), build.outside());
    let names = [format!("way:{outside}"), format!("way,lowerdir={outside}")];
    fs::create_dir(context.join("way"))?;
    for name in &names {
        fs::create_dir_all(context.join(name))?;
        fs::write(context.join(name).join("file"), "text\n")?;
        let built = build.shell_with(
            &format!("--mount=type=bind,\\\"source={name}\\\",target=/bound,rw"),
            "cat /bound/*; echo other >/bound/file; cat /bound/file",
        )?;
        expect(built.output == "text\nother\n", &built.output)?;
        build.is_untouched()?;
    }
    Ok(())
}

/// What an ordinary user's kernel does not make, the builder makes in its place: by a path of the build's.
pub(crate) fn devices_and_owners_lead_nowhere_outside() -> Result<(), Failed> {
    let build = Build::new();
    let outside = build.outside();
    let script = format!(
        "mkdir -p {outside} /directory; ln -s {outside} /out; ln -s ../../../..{outside} /directory/out; cd /directory; \
         for path in /out/one out/two ../../../..{outside}/three /proc/self/cwd/four; do \
           mknod $path c 1 5 && chown 4000000000:4000000000 $path && echo made $path; done; \
         for path in /bound/file /bound /etc/hosts /proc/self/exe /proc/self/fd/0 /dev/stdout; do \
           chown 4000000000:0 $path && echo given $path; done; \
         mknod /bound/device c 1 5 && echo made /bound; \
         chroot / mknod /made c 1 5"
    );
    let flags = "--mount=type=bind,target=/bound";
    let built = build.shell_with(flags, &format!("({script}) 2>/dev/null; true"))?;
    for path in ["/out/one", "out/two", "/three"] {
        let made = built.output.lines().any(|line| line.ends_with(path));
        expect(made, &format!("no {path}: {}", built.output))?;
    }
    let is_shut = ["given /bound", "made /bound", "given /etc"]
        .iter()
        .all(|line| !built.output.contains(line));
    expect(is_shut, &built.output)?;
    build.is_untouched()?;
    let names = fs::read_dir(build.directory.join("context"))?.count();
    expect(names == 2, "a build has written into its context")?;
    // Who has no right to it is not served either.
    let built = build.run(
        "RUN [\"/bin/busybox\", \"mkdir\", \"-m\", \"777\", \"/open\"]\n\
         USER 1000:1000\n\
         RUN [\"/bin/busybox\", \"mknod\", \"/open/device\", \"c\", \"1\", \"5\"]",
    );
    refused(built, "Operation not permitted")
}
