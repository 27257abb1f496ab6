//! Texts that show a cause, and texts that look as if they did.

use rstest::rstest;

use super::*;

fn causes(left: &str, right: &str) -> Vec<DiffCause> {
    let mut causes = Vec::new();
    find(left, right, &mut |cause, _, _| causes.push(cause));
    causes
}

#[rstest]
#[case::path("in /tmp/one/a.c:3", "in /tmp/two/a.c:3", DiffCause::BuildPath)]
#[case::iso("on 2026-11-30", "on 2026-12-01", DiffCause::DateTime)]
#[case::moment("2026-11-30T08:14:35Z", "2026-11-30T08:14:36Z", DiffCause::DateTime)]
#[case::of_c("Nov 30 2026", "Dec  1 2026", DiffCause::DateTime)]
#[case::time("08:14:35", "08:14:36", DiffCause::DateTime)]
#[case::mail(
    "Mon, 30 Nov 2026 08:14",
    "Tue, 01 Dec 2026 08:14",
    DiffCause::DateTime
)]
#[case::seconds("at 1790000000", "at 1790000009", DiffCause::DateTime)]
#[case::day("v-20261130", "v-20261201", DiffCause::DateTime)]
#[case::locale("LANG=C.UTF-8", "LANG=tr_TR.UTF-8", DiffCause::Locale)]
#[case::uid("uid=0", "uid=1000", DiffCause::User)]
#[case::user("USER=ann", "USER=bob", DiffCause::User)]
#[case::builder("Built by: ann", "Built by: bob", DiffCause::User)]
#[case::builds_host("BUILD_HOST=one", "BUILD_HOST=two", DiffCause::HostName)]
#[case::built_on("built on: one", "built on: two", DiffCause::HostName)]
#[case::jobs("make -j4", "make -j8", DiffCause::Jobs)]
#[case::workers("max_workers 4", "max_workers 8", DiffCause::Jobs)]
#[case::processors("processors: 4", "processors: 2", DiffCause::Jobs)]
#[case::kernel(
    "Linux version 6.1.0-18-amd64",
    "Linux version 5.10.0",
    DiffCause::Kernel
)]
#[case::host("root@one", "root@two", DiffCause::HostName)]
#[case::uname("Linux one 6.1", "Linux two 6.1", DiffCause::HostName)]
#[case::vendor("GenuineIntel", "AuthenticAMD", DiffCause::Processor)]
#[case::march("-march=znver3", "-march=skylake", DiffCause::Processor)]
#[case::temporary("/tmp/ccAbCdEf.o", "/tmp/ccGhIjKl.o", DiffCause::Random)]
fn a_cause_is_told_by_what_differs(
    #[case] left: &str,
    #[case] right: &str,
    #[case] cause: DiffCause,
) {
    assert_eq!(causes(left, right), [cause]);
}

#[rstest]
#[case("/usr/bin/one", "/usr/bin/two")]
#[case("version 1.2", "version 1.3")]
#[case("built by one", "built by two")]
#[case("built on one", "built on two")]
#[case("the user guide", "the user manual")]
#[case("a host which", "a host that")]
#[case("ghost: one", "ghost: two")]
#[case("scores: 4", "scores: 5")]
#[case("the same 2026-11-30 and one", "the same 2026-11-30 and two")]
#[case("", "")]
fn what_shows_no_cause_is_not_told(#[case] left: &str, #[case] right: &str) {
    assert_eq!(causes(left, right), []);
}

#[rstest]
#[case(0o644, 0o664, Some(DiffCause::Umask))]
#[case(0o755, 0o700, Some(DiffCause::Umask))]
#[case(0o644, 0o755, None)]
#[case(0o640, 0o604, None)]
#[case(0o4755, 0o755, None)]
fn a_umask_takes_permissions_of_others(
    #[case] left: u32,
    #[case] right: u32,
    #[case] cause: Option<DiffCause>,
) {
    assert_eq!(of_modes(left, right), cause);
}
