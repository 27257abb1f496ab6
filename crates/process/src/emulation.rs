//! The platforms whose programs this machine's kernel runs by an emulator, as it says itself. Knows no
//! engine: one that builds on this machine runs what the kernel does.

use std::fs;

use camino::Utf8Path;

/// Where the kernel lists what it starts by which interpreter.
const REGISTERED: &str = "/proc/sys/fs/binfmt_misc";

/// What QEMU calls an architecture, and the platform of that.
const ARCHITECTURES: [(&str, &str); 7] = [
    ("qemu-aarch64", "linux/arm64"),
    ("qemu-arm", "linux/arm/v7"),
    ("qemu-loongarch64", "linux/loong64"),
    ("qemu-mips64el", "linux/mips64le"),
    ("qemu-ppc64le", "linux/ppc64le"),
    ("qemu-riscv64", "linux/riscv64"),
    ("qemu-s390x", "linux/s390x"),
];

/// Returns the platforms whose programs the kernel of this machine runs by an emulator, wherever they
/// are: also where the emulator itself is not in sight.
pub fn emulated_platforms() -> Vec<String> {
    emulated_in(REGISTERED.into())
}

fn emulated_in(directory: &Utf8Path) -> Vec<String> {
    let is_there =
        |name: &str| fs::read_to_string(directory.join(name)).is_ok_and(|text| runs(&text));
    let mut platforms = Vec::new();
    for (name, platform) in ARCHITECTURES {
        if is_there(name) {
            platforms.push(platform.to_owned());
        }
    }
    platforms
}

/// Tells whether an entry is in force, and its emulator was opened when it was registered (flag F).
fn runs(entry: &str) -> bool {
    let mut lines = entry.lines();
    let flags = lines.clone().find_map(|line| line.strip_prefix("flags: "));
    lines.next() == Some("enabled") && flags.is_some_and(|flags| flags.contains('F'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emulator_counts_if_it_is_there_for_everybody() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Utf8Path::from_path(temporary.path()).unwrap();
        let write = |name: &str, state: &str, flags: &str| {
            let text = format!("{state}\ninterpreter /usr/bin/{name}\nflags: {flags}\noffset 0\n");
            fs::write(directory.join(name), text).unwrap();
        };
        write("qemu-aarch64", "enabled", "OCF");
        write("qemu-arm", "disabled", "OCF");
        write("qemu-riscv64", "enabled", "OC");
        write("python3", "enabled", "F");
        assert_eq!(emulated_in(directory), ["linux/arm64"]);
        assert_eq!(emulated_in("/nowhere".into()), [""; 0]);
    }
}
