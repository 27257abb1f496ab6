//! What stands in for files that an ordinary user's kernel does not make is not seen by a RUN, by whatever
//! call it looks; or the step is refused. For root, whose kernel makes them, the same is tried, and prints
//! the same.

use libtest_mimic::Failed;

use crate::support::{Build, expect, put_call, refused};

/// What is before each script: busybox, and a program that makes calls.
const CALL: &str = "COPY call /call\n\
    RUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\nENV PATH=/bin\nWORKDIR /w\n";

/// Puts the program that makes calls into a context.
fn build(bits: u32) -> Result<Build, Failed> {
    let build = Build::new();
    put_call(&build, bits, "call")?;
    Ok(build)
}

/// Runs a script, and compares what it prints.
fn prints(bits: u32, script: &str, expected: &[&str]) -> Result<(), Failed> {
    let built = build(bits)?.run(&format!("{CALL}RUN {script}\n"))?;
    let lines = built.output.lines();
    let lines: Vec<_> = lines
        .filter(|line| !line.starts_with("it makes a device"))
        .collect();
    expect(
        lines == expected,
        &format!("expected {expected:?}, found {lines:?}"),
    )
}

/// Root's kernel does it; for an ordinary user the step is refused, and it is said why.
fn is_refused_to_users(bits: u32, script: &str, why: &str) -> Result<(), Failed> {
    let built = build(bits)?.run(&format!("{CALL}RUN {script}\n"));
    if rustix::process::geteuid().is_root() {
        return built.map(|_| ());
    }
    refused(built, why)
}

pub(crate) fn a_device_is_seen_as_one() -> Result<(), Failed> {
    prints(
        64,
        "mknod d b 8 1; chmod 640 d; stat -c '%F %a %t:%T %s %b' d; [ -b d ] && echo is; [ -f d ] || echo not; \
         ls -ln d | cut -c1-10; find . -type b; ln d e; mv e f; stat -c '%F %h' f; exec 2>&1; \
         cat d; (echo >d); chmod 777 d; ./d; truncate -s 5 d; rm d; ls",
        &[
            "block special file 640 8:1 0 0",
            "is",
            "not",
            "brw-r-----",
            "./d",
            "block special file 2",
            "cat: can't open 'd': Permission denied",
            "/bin/sh: can't create d: Permission denied",
            "/bin/sh: ./d: Permission denied",
            "truncate: d: open: Permission denied",
            "f",
        ],
    )
}

pub(crate) fn an_owner_beyond_the_ranges_is_seen() -> Result<(), Failed> {
    prints(
        64,
        "mkdir d; touch f; chown 70000:70001 f d; stat -c '%u:%g' f d; chgrp 5 f; stat -c '%u:%g' f; \
         chown 6 f; chgrp 65536 f; stat -c '%u:%g' f; cp -a d e; stat -c '%u:%g' e; chmod 4755 f; \
         chown 4000000000 f; stat -c '%a %u:%g' f; ls -ln f | cut -c17-37; tar c f | tar tv | cut -c12-31",
        &[
            "70000:70001",
            "70000:70001",
            "70000:5",
            "6:65536",
            "70000:70001",
            "755 4000000000:65536",
            "4000000000 65536     ",
            "4000000000/65536    ",
        ],
    )
}

/// The kernel makes a device as whoever asks, in a directory that may have a say in its mode and group.
pub(crate) fn a_device_is_made_as_its_maker_would() -> Result<(), Failed> {
    prints(
        64,
        "mkdir d; chgrp 7 d; chmod 2777 d; mknod d/a c 1 3; umask 27; /call 133 d/b 9727 259; mkdir -m 777 l; \
         /call 188 l system.posix_acl_default \
           x0200000001000700ffffffff02000600e803000004000500ffffffff10000600ffffffff20000000ffffffff 44 0; \
         umask 77; /call 133 l/c 8630 259; \
         /call 123 8 , 133 d/e 8612 259 , 133 l/e 8612 259; \
         /call 116 0 = , 123 8 , 133 d/f 9727 259; stat -c '%n %a %u:%g' d/* l/*",
        &[
            "0",
            "0",
            "0",
            "0",
            "0",
            "0",
            "0",
            "0",
            "0",
            "d/a 644 0:7",
            "d/b 2750 0:7",
            "d/e 600 0:7",
            "d/f 2700 0:7",
            "l/c 660 0:0",
            "l/e 640 0:8",
        ],
    )
}

pub(crate) fn errors_are_the_kernels() -> Result<(), Failed> {
    prints(
        64,
        "touch f; mkdir gone n; mknod n/d c 1 3; \
         /call 133 f 8612 259 , 133 none/f 8612 259 , 133 f/f 8612 259 , 133 new/ 8612 259 , 133 . 8612 259; \
         /call 133 '' 8612 259 , 133 1 8612 259 , 259 77 rel 8612 259 , 259 -100 /w/at 8612 259; \
         /call 260 -100 f 70000 0 1 , 260 -100 '' 70000 0 0 , 260 -100 '' 70000 0 4096; \
         stat -c %u .; chown 0 .; \
         /call 257 -100 f 2097152 0 , 93 % 70000 0 , 260 3 '' 70000 0 4096 , 93 88 70000 0; stat -c %u f; \
         (cd gone; rmdir ../gone; /call 133 x 8612 259 , 92 . 70000 0; mknod ../y c 1 3 2>&1); \
         cp /call \"$(printf '/\\377 Uid: 5')\"; \"$(printf '/\\377 Uid: 5')\" 133 named 8612 259; \
         /call 191 n/d user.a = 10 , 188 n/d user.a = 1 0 , 197 n/d user.a , 194 n/d = 100 , 76 n/d 7; \
         /call 265 -100 n/d -100 n/e 0 , 257 -100 n/d 0 0 , 257 -100 n/d 2097152 0 , 257 -100 n/d 192 0; ls n",
        &[
            "-17", "-2", "-20", "-2", "-17", "-2", "-14", "-9", "0", "-22", "-2", "0", "70000",
            "3", "-9", "0", "-9", "70000", "-2", "0", "0", "-61", "-1", "-1", "0", "-22", "0",
            "-13", "3", "-17", "d", "e",
        ],
    )
}

/// Whoever has another root, stands deeper than a path is long, or asks by a descriptor.
pub(crate) fn wherever_a_maker_stands() -> Result<(), Failed> {
    prints(
        64,
        "mkdir -p r/bin; cp /bin/busybox r/bin; chroot r /bin/busybox mknod /d c 1 3; stat -c %F r/d; \
         chroot r /bin/busybox stat -c %F /d; \
         n=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; \
         for i in 1 2 3 4 5; do for j in 1 2 3 4 5 6 7 8 9; do mkdir $n; cd -P $n 2>/dev/null; done; done; \
         mknod d c 1 3; stat -c %F d; chown 70000 d; stat -c %u d; mv d /w/; \
         for i in 1 2 3 4 5; do for j in 1 2 3 4 5 6 7 8 9; do cd -P .. 2>/dev/null; rmdir $n; done; done; \
         cd /w; stat -c '%F %u' d; exec 5<.; stat -c %F /proc/self/fd/5/d /proc/self/cwd/d /dev/fd/5/d; \
         mknod /proc/self/fd/5/e c 1 3; stat -c %F e; ls",
        &[
            "character special file",
            "character special file",
            "character special file",
            "70000",
            "character special file 70000",
            "character special file",
            "character special file",
            "character special file",
            "character special file",
            "d",
            "e",
            "r",
        ],
    )
}

pub(crate) fn programs_of_32_bits_are_served() -> Result<(), Failed> {
    prints(
        32,
        "touch f g h; /call 14 d 8612 259 , 182 f 65535 7 , 212 g 70000 5 , 198 h 4000000000 -1; \
         stat -c '%F %u:%g' d f g h",
        &[
            "0",
            "0",
            "0",
            "0",
            "character special file 0:0",
            "regular empty file 0:7",
            "regular empty file 70000:5",
            "regular empty file 4000000000:0",
        ],
    )
}

pub(crate) fn what_cannot_be_answered_is_refused() -> Result<(), Failed> {
    for (bits, script, why) in [
        (
            32,
            "mknod d c 1 3; /call 195 d =",
            "a 32-bit program looks at a device file",
        ),
        (
            64,
            "touch f; /call 188 f user.stagex.device x632032 3 0",
            "user.stagex.device",
        ),
        (
            64,
            "touch f; /call 197 f user.stagex.owner; true",
            "user.stagex.owner",
        ),
        (
            64,
            "ln -s a b; chown -h 70000 b",
            "neither a regular file nor a directory",
        ),
        (
            64,
            "mkfifo p; chown 1:70000 p",
            "neither a regular file nor a directory",
        ),
        (
            64,
            "/call 105 70000",
            "becomes a user or a group beyond the ranges",
        ),
        (
            64,
            "/call 116 2 x0500000070110100",
            "enters a group beyond the ranges",
        ),
        (
            64,
            "touch f; /call 188 f system.posix_acl_access \
             x0200000001000700ffffffff020006007011010004000500ffffffff10000600ffffffff20000000ffffffff 44 0",
            "names a user or a group beyond the ranges",
        ),
        (
            64,
            "mkdir d; chgrp 70000 d; chmod 2755 d; touch d/f",
            "cannot tell the group of",
        ),
        (
            64,
            "mkdir d; chgrp 70000 d; chmod 2755 d; touch d/f; stat d/f",
            "nobody can tell whose it is",
        ),
    ] {
        is_refused_to_users(bits, script, why)?;
    }
    Ok(())
}

/// A file of an earlier step that is given another name is one file to whoever looks, also while it is in use.
pub(crate) fn names_of_one_file_are_of_one_file() -> Result<(), Failed> {
    let built = Build::new().run(
        "RUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\nENV PATH=/bin\nWORKDIR /w\n\
         RUN mkdir d e; echo 1 >d/f; cp /bin/busybox d/busybox; touch -d @5 d\n\
         RUN cat d/f >f; ln d/f e/f; d/busybox ln d/busybox e/busybox; stat -c '%n %h' d/* e/*; stat -c %Y d; \
           [ d/f -ef e/f ] && [ d/busybox -ef e/busybox ] && echo same; tar c d e | tar tv | grep -c ' -> '; \
           ln d/f g; [ d/f -ef g ] && echo same; echo 2 >>g; cat d/f; ls -A d\n",
    )?;
    let lines: Vec<_> = built.output.lines().collect();
    let expected = [
        "d/busybox 2",
        "d/f 2",
        "e/busybox 2",
        "e/f 2",
        "5",
        "same",
        "2",
        "same",
        "1",
        "2",
        "busybox",
        "f",
    ];
    expect(
        lines == expected,
        &format!("expected {expected:?}, found {lines:?}"),
    )
}

/// What cannot be linked stays as it was, and so does the directory that it is in.
pub(crate) fn a_link_that_fails_changes_nothing() -> Result<(), Failed> {
    const TRY: &str = "a=$(stat -c %h d); ln d/f $1 2>/dev/null || echo failed; [ $a = $(stat -c %h d) ] && echo same";
    let built = Build::new().run(&format!(
        "RUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\nENV PATH=/bin\nWORKDIR /w\n\
         RUN mkdir -p d/d; echo 1 >d/f\nRUN set d/f; {TRY}\nUSER 7:7\nRUN set d/g; {TRY}\n"
    ))?;
    let lines: Vec<_> = built.output.lines().collect();
    let expected = ["failed", "same", "failed", "same"];
    expect(
        lines == expected,
        &format!("expected {expected:?}, found {lines:?}"),
    )
}

/// A call that is done already is not done again for a signal: it would be told that the file is there.
pub(crate) fn a_signal_begins_no_call_again() -> Result<(), Failed> {
    prints(
        64,
        "mknod before c 1 3; calls=; for n in $(seq 300); do calls=\"$calls , 133 d$n 8612 259\"; done; \
         /call 39 $calls >out & while kill -STOP $! && kill -CONT $!; do :; done 2>/dev/null; \
         sed 1d out | sort | uniq -c; ls | grep -c ^d",
        &["    300 0", "300"],
    )
}
