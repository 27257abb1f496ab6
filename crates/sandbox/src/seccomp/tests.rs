//! What a filter answers: it is carried out here as the kernel does it.

use rstest::rstest;

use super::*;
use crate::architecture::architecture;
use crate::bpf::ASK;

fn ask(architecture: u32, number: u32, first: u32) -> u32 {
    run(
        &Filter::default_profile(None),
        architecture,
        number,
        [first, 0, 0, 0],
    )
}

/// Does what the kernel does with a filter.
fn run(filter: &Filter, architecture: u32, number: u32, arguments: [u32; 4]) -> u32 {
    run_program(&filter.0, |place| match place {
        NUMBER => number,
        ARCHITECTURE => architecture,
        place => arguments[(place - FIRST_ARGUMENT) as usize / 8],
    })
}

/// Does so with any program; `data` gives what stands at a place.
pub(crate) fn run_program(program: &[sock_filter], data: impl Fn(u32) -> u32) -> u32 {
    let mut accumulator = 0;
    let mut at = 0;
    loop {
        let sock_filter { code, jt, jf, k } = program[at];
        let code = u32::from(code);
        at += 1;
        let holds = match code & 0xf0 {
            _ if code & 0x07 == libc::BPF_RET => return k,
            _ if code & 0x07 == libc::BPF_LD => {
                accumulator = data(k);
                continue;
            }
            libc::BPF_AND if code & 0x07 == libc::BPF_ALU => {
                accumulator &= k;
                continue;
            }
            libc::BPF_JA => {
                at += k as usize;
                continue;
            }
            libc::BPF_JEQ => accumulator == k,
            libc::BPF_JGT => accumulator > k,
            libc::BPF_JGE => accumulator >= k,
            libc::BPF_JSET => accumulator & k != 0,
            other => panic!("no filter has {other}"),
        };
        at += usize::from(if holds { jt } else { jf });
    }
}

#[rstest]
#[case("read", 0, ALLOW)]
#[case("execve", 0, ALLOW)]
#[case("mknod", 0, ALLOW)]
#[case("ptrace", 0, ALLOW)]
#[case("mount", 0, REFUSE)]
#[case("umount2", 0, REFUSE)]
#[case("unshare", 0, REFUSE)]
#[case("setns", 0, REFUSE)]
#[case("bpf", 0, REFUSE)]
#[case("keyctl", 0, REFUSE)]
#[case("add_key", 0, REFUSE)]
#[case("kexec_load", 0, REFUSE)]
#[case("init_module", 0, REFUSE)]
#[case("open_by_handle_at", 0, REFUSE)]
#[case("io_uring_setup", 0, REFUSE)]
#[case("userfaultfd", 0, REFUSE)]
#[case("perf_event_open", 0, REFUSE)]
#[case("clone3", 0, UNKNOWN)]
#[case("clone", libc::SIGCHLD.cast_unsigned(), ALLOW)]
#[case("clone", libc::CLONE_NEWUSER.cast_unsigned(), REFUSE)]
#[case("clone", libc::CLONE_NEWNS.cast_unsigned() | 0x11, REFUSE)]
#[case("socket", libc::AF_INET.cast_unsigned(), ALLOW)]
#[case("socket", libc::AF_VSOCK.cast_unsigned(), REFUSE)]
#[case("socket", libc::AF_ALG.cast_unsigned(), REFUSE)]
#[case("personality", 0x8, ALLOW)]
#[case("personality", 0x4_0000, REFUSE)]
fn calls(#[case] name: &str, #[case] first: u32, #[case] expected: u32) {
    for architecture in ARCHITECTURES {
        // Not every call is on every architecture.
        if let Some(number) = (architecture.number)(name) {
            let answer = ask(architecture.audit, number, first);
            assert_eq!(answer, expected, "{name} on {:#x}", architecture.audit);
        }
    }
}

#[rstest]
#[case("mknod", [0, 0o020_644, 5, 0], ASK)]
#[case("mknod", [0, 0o060_644, 5, 0], ASK)]
#[case("mknod", [0, 0o010_644, 0, 0], ALLOW)]
#[case("mknod", [0, 0o100_644, 0, 0], ALLOW)]
#[case("mknod", [0, 0o104_755, 0, 0], ASK)]
#[case("mknod", [0, 0o2755, 0, 0], ASK)]
#[case("mknodat", [0, 0, 0o020_644, 5], ASK)]
#[case("mknodat", [0, 0, 0o010_644, 0], ALLOW)]
#[case("fchownat", [0, 0, 1000, 1000], ALLOW)]
#[case("fchownat", [0, 0, 65_536, 0], ASK)]
#[case("fchownat", [0, 0, 0, 65_536], ASK)]
#[case("fchownat", [0, 0, u32::MAX, 4_000_000_000], ASK)]
#[case("fchownat", [0, 0, 4_000_000_000, u32::MAX], ASK)]
#[case("fchownat", [0, 0, u32::MAX, u32::MAX], ALLOW)]
#[case("fchownat", [0, 0, 65_535, u32::MAX], ALLOW)]
#[case("setuid", [65_537, 0, 0, 0], ASK)]
#[case("setuid", [65_535, 70_000, 0, 0], ALLOW)]
#[case("setresgid", [u32::MAX, u32::MAX, 70_000, 0], ASK)]
#[case("setresgid", [1, u32::MAX, 65_535, 0], ALLOW)]
#[case("setgroups", [0, 0, 0, 0], ASK)]
#[case("lsetxattr", [0, 0, 0, 0], ASK)]
#[case("stat", [0, 0, 0, 0], ALLOW)]
#[case("chmod", [0, 0o1777, 0, 0], ALLOW)]
#[case("chmod", [0, 0o4755, 0, 0], ASK)]
#[case("fchmod", [0, 0o2755, 0, 0], ASK)]
#[case("fchmodat", [0, 0, 0o4755, 0], ASK)]
#[case("fchmodat2", [0, 0, 0o4755, 0], ASK)]
#[case("open", [0, 0, 0o4755, 0], ALLOW)]
#[case("open", [0, 0o101, 0o644, 0], ALLOW)]
#[case("open", [0, 0o101, 0o4755, 0], ASK)]
#[case("openat", [0, 0, 0, 0], ALLOW)]
#[case("openat", [0, 0, 0o101, 0o2755], ASK)]
#[case("openat", [0, 0, 0o20_200_002, 0o2755], ASK)]
#[case("openat", [0, 0, 0o200_000, 0o2755], ALLOW)]
#[case("openat2", [0, 0, 0, 0], ASK)]
#[case("link", [0, 0, 0, 0], ASK)]
#[case("linkat", [0, 0, 0, 0], ASK)]
#[case("io_submit", [0, 0, 0, 0], ASK)]
#[case("creat", [0, 0o644, 0, 0], ALLOW)]
#[case("creat", [0, 0o6755, 0, 0], ASK)]
#[case("getdents64", [0, 0, 0, 0], ALLOW)]
fn what_an_ordinary_users_kernel_does_not_do_is_held_up(
    #[case] name: &str,
    #[case] arguments: [u32; 4],
    #[case] expected: u32,
) {
    let filter = Filter::default_profile(Some((65_536, Watch::Changes)));
    for architecture in ARCHITECTURES {
        // Of two, the one whose numbers are of 32 bits.
        let wide = architecture.number(&format!("{name}32"));
        let Some(number) = wide.or(architecture.number(name)) else {
            continue;
        };
        let answer = run(&filter, architecture.audit, number, arguments);
        assert_eq!(answer, expected, "{name} on {:#x}", architecture.audit);
        let roots = run(
            &Filter::default_profile(None),
            architecture.audit,
            number,
            arguments,
        );
        assert_eq!(roots, ALLOW);
    }
}

/// Of 16 bits the last number is none, whatever stands before them in the register.
#[rstest]
#[case("chown", [0, 5_000, 0, 0], ASK)]
#[case("chown", [0, 0x1_03e7, 0xffff, 0], ALLOW)]
#[case("chown", [0, 0xffff, u32::MAX, 0], ALLOW)]
#[case("setgid", [5_000, 0, 0, 0], ASK)]
fn numbers_of_16_bits_go_beyond_small_ranges(
    #[case] name: &str,
    #[case] arguments: [u32; 4],
    #[case] expected: u32,
) {
    let filter = Filter::default_profile(Some((1_000, Watch::Changes)));
    let [_, short] = ARCHITECTURES;
    let number = short.number(name).unwrap();
    assert_eq!(run(&filter, short.audit, number, arguments), expected);
}

#[rstest]
#[case("stat")]
#[case("statx")]
#[case("open")]
#[case("openat2")]
#[case("execve")]
#[case("getxattr")]
#[case("getdents64")]
fn where_something_stands_in_each_look_is_held_up(#[case] name: &str) {
    let filter = Filter::default_profile(Some((65_536, Watch::Everything)));
    let Filter(program) = &filter;
    // As many as the kernel takes.
    assert!(program.len() < 4096, "{}", program.len());
    for architecture in ARCHITECTURES {
        if let Some(number) = architecture.number(name) {
            assert_eq!(run(&filter, architecture.audit, number, [0; 4]), ASK);
        }
    }
}

#[test]
fn calls_that_are_newer_than_the_list_are_unknown() {
    for architecture in ARCHITECTURES {
        assert_eq!(ask(architecture.audit, 100_000, 0), UNKNOWN);
    }
}

#[test]
fn other_architectures_have_no_calls() {
    assert_eq!(ask(0x8000_0016, 1, 0), KILL);
}

const ARM: Architecture = architecture!(0x4000_0028, arm);
const EVERY: [Architecture; 4] = [
    architecture!(0xc000_003e, x86_64),
    architecture!(0x4000_0003, x86),
    architecture!(0xc000_00b7, aarch64),
    ARM,
];

/// What a program of 32-bit ARM calls before it begins, and what only it has.
#[rstest]
#[case(0x000f_0002, ALLOW)]
#[case(0x000f_0005, ALLOW)]
#[case(0x000f_0001, ALLOW)]
#[case(0x000f_0003, UNKNOWN)]
#[case(0x000f_0006, UNKNOWN)]
#[case(270, ALLOW)]
#[case(341, ALLOW)]
#[case(289, ALLOW)]
#[case(291, ALLOW)]
#[case(21, REFUSE)]
#[case(1000, UNKNOWN)]
fn programs_of_32_bit_arm_can_begin(#[case] number: u32, #[case] expected: u32) {
    let answer = run_program(&ARM.list(None), |place| match place {
        NUMBER => number,
        _ => 0,
    });
    assert_eq!(answer, expected);
}

#[rstest]
#[case(1, UNKNOWN)]
#[case(2, ALLOW)]
#[case(8, ALLOW)]
fn a_socket_is_made_by_its_own_call(#[case] what: u32, #[case] expected: u32) {
    let x86 = architecture!(0x4000_0003, x86);
    let answer = run_program(&x86.list(None), |place| match place {
        NUMBER => 102,
        _ => what,
    });
    assert_eq!(answer, expected);
}

#[test]
fn every_name_is_known_on_some_architecture() {
    // As its library knows them: names that are not known are not allowed either.
    let unknown: Vec<_> = ALLOWED
        .split_whitespace()
        .filter(|name| {
            let knows = |architecture: &Architecture| (architecture.number)(name).is_some();
            !EVERY.iter().any(knows)
        })
        .collect();
    assert_eq!(unknown, Vec::<&str>::new());
}
