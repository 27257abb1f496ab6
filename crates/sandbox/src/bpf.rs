//! The instructions of a filter that the kernel runs, for system calls or packets; and where one of system calls
//! finds what it is asked about. It does not know what a filter is for.

use libc::sock_filter;

/// Where a filter finds the number of a call, its architecture, and its first argument.
pub(crate) const NUMBER: u32 = 0;
pub(crate) const ARCHITECTURE: u32 = 4;
pub(crate) const FIRST_ARGUMENT: u32 = 16;

/// Lets a call through.
pub(crate) const ALLOW: u32 = 0x7fff_0000;
/// Held up until the builder has answered.
pub(crate) const ASK: u32 = libc::SECCOMP_RET_USER_NOTIF;

/// Returns where a filter finds the lower half of an argument.
pub(crate) fn argument(place: usize) -> u32 {
    // There are six.
    FIRST_ARGUMENT + 8 * u32::try_from(place).unwrap_or(0)
}

pub(crate) fn load(place: u32) -> sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, place, (0, 0))
}

pub(crate) fn give(answer: u32) -> sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, answer, (0, 0))
}

pub(crate) fn skip(count: usize) -> sock_filter {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    instruction(libc::BPF_JMP | libc::BPF_JA, count, (0, 0))
}

pub(crate) fn if_equal(value: u32, then: u8, otherwise: u8) -> sock_filter {
    let code = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    instruction(code, value, (then, otherwise))
}

pub(crate) fn if_any_bit(bits: u32, then: u8, otherwise: u8) -> sock_filter {
    let code = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
    instruction(code, bits, (then, otherwise))
}

pub(crate) fn if_greater(value: u32, then: u8, otherwise: u8) -> sock_filter {
    let code = libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K;
    instruction(code, value, (then, otherwise))
}

pub(crate) fn if_at_least(value: u32, then: u8, otherwise: u8) -> sock_filter {
    let code = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
    instruction(code, value, (then, otherwise))
}

pub(crate) fn instruction(code: u32, k: u32, (jt, jf): (u8, u8)) -> sock_filter {
    // A code is one byte of a kind and its modes.
    let code = u16::try_from(code).unwrap_or_default();
    sock_filter { code, jt, jf, k }
}
