//! What Docker's short answers mean. Pure functions over text; the long answer, a build's
//! progress, has a module of its own.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The beginning of a version number: `20.10.24+dfsg1` is release 20.10.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Release {
    pub(crate) major: u32,
    pub(crate) minor: u32,
}

impl Release {
    pub(crate) const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// Reads the beginning of a version number.
    pub(crate) fn parse(version: &str) -> Option<Self> {
        let mut numbers = version.split(|c: char| !c.is_ascii_digit());
        let major = numbers.next()?.parse().ok()?;
        let minor = numbers.next()?.parse().ok()?;
        Some(Self { major, minor })
    }
}

/// What `docker version` says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Versions {
    /// Docker's client, and its daemon if that answers.
    Docker {
        client: String,
        server: Option<String>,
    },
    /// Podman under Docker's name.
    Podman { version: String },
}

/// Reads `docker version --format '{{json .}}'`. `None` if it cannot be understood.
pub(crate) fn versions(json: &str) -> Option<Versions> {
    let answer: Value = serde_json::from_str(json).ok()?;
    let version = |side: &str| Some(answer.get(side)?.get("Version")?.as_str()?.to_owned());
    let client = version("Client")?;
    // Docker's own answer names the server even if there is none. Podman spells the other.
    if answer["Client"].get("APIVersion").is_some() {
        return Some(Versions::Podman { version: client });
    }
    let server = version("Server");
    Some(Versions::Docker { client, server })
}

/// How the daemon stores images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Store {
    /// The snapshotter's or graph driver's name.
    pub(crate) driver: String,
    /// Whether the images lie in containerd's store, where BuildKit can export layouts.
    pub(crate) containerd: bool,
    /// Whether every change to a file comes into a layer. Drivers that compare directories by sizes and
    /// times lose a file that keeps both.
    pub(crate) notices_all: bool,
}

/// The graph driver that knows what changed without comparing.
const OVERLAY: &str = "overlay2";

/// The template for `docker info` that [`store`] reads the answer of.
pub(crate) const STORE_TEMPLATE: &str =
    r#"{"driver":{{json .Driver}},"status":{{json .DriverStatus}}}"#;

/// Reads the answer of `docker info`. `None` if it cannot be understood.
pub(crate) fn store(json: &str) -> Option<Store> {
    #[derive(Deserialize)]
    struct Answer {
        driver: String,
        status: Option<Vec<(String, String)>>,
    }
    let answer: Answer = serde_json::from_str(json).ok()?;
    Some(Store::of(answer.driver, &answer.status.unwrap_or_default()))
}

/// Reads what the daemon itself says when it is asked for `/info`: its version, and how it stores
/// images. `None` if it cannot be understood.
pub(crate) fn info(json: &str) -> Option<(String, Store)> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        server_version: String,
        driver: String,
        driver_status: Option<Vec<(String, String)>>,
    }
    let answer: Answer = serde_json::from_str(json).ok()?;
    let store = Store::of(answer.driver, &answer.driver_status.unwrap_or_default());
    Some((answer.server_version, store))
}

impl Store {
    fn of(driver: String, status: &[(String, String)]) -> Self {
        let containerd = status.iter().any(|(name, value)| {
            name == "driver-type" && value.starts_with("io.containerd.snapshotter")
        });
        // It compares as well where the kernel's settings would lead it astray.
        let compares =
            |(name, value): &(String, String)| name == "Native Overlay Diff" && value == "false";
        let notices_all = containerd || (driver == OVERLAY && !status.iter().any(compares));
        Self {
            driver,
            containerd,
            notices_all,
        }
    }
}

/// Reads the version out of `docker buildx version`: `github.com/docker/buildx 0.13.1 ...`.
pub(crate) fn buildx_version(text: &str) -> Option<String> {
    let version = text.trim().strip_prefix("github.com/docker/buildx ")?;
    Some(version.split_whitespace().next()?.to_owned())
}

/// What buildx says of its current builder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Builder {
    pub(crate) name: String,
    /// How its BuildKit is reached: `docker` for the one inside of the daemon.
    pub(crate) driver: String,
    /// Whether it answers.
    pub(crate) is_running: bool,
    /// BuildKit's version, if it says one.
    pub(crate) release: Option<Release>,
    /// The platforms whose programs it runs, its own among them.
    pub(crate) platforms: Vec<String>,
}

/// What the names of an x86 machine's own platforms begin with.
const OWN: [&str; 2] = ["linux/amd64", "linux/386"];

impl Builder {
    /// Tells whether it is the one inside of the daemon.
    pub(crate) fn is_inside(&self) -> bool {
        self.driver == "docker"
    }

    /// Returns the platforms whose programs it runs by an emulator.
    pub(crate) fn emulated(self) -> Vec<String> {
        let is_own = |platform: &String| OWN.iter().any(|own| platform.starts_with(own));
        let platforms = self.platforms.into_iter();
        platforms.filter(|platform| !is_own(platform)).collect()
    }
}

/// Reads `docker buildx inspect`: the builder, and then its nodes, of which the first counts.
pub(crate) fn builder(text: &str) -> Option<Builder> {
    let field = |names: &[&str]| {
        let mut fields = text.lines().filter_map(|line| line.split_once(':'));
        let found = fields.find(|(name, _)| names.contains(&name.trim()));
        let value = found.map(|(_, value)| value.trim());
        value.filter(|value| !value.is_empty())
    };
    let release = field(&["BuildKit version", "BuildKit", "Buildkit"])
        .and_then(|version| Release::parse(version.trim_start_matches('v')))
        // What is built without a version says this one.
        .filter(|release| (release.major, release.minor) != (0, 0));
    let platforms = field(&["Platforms"]).unwrap_or_default().split(',');
    Some(Builder {
        name: field(&["Name"])?.to_owned(),
        driver: field(&["Driver"])?.to_owned(),
        is_running: field(&["Status"]) == Some("running"),
        release,
        platforms: platforms
            .map(|platform| platform.trim().trim_end_matches('*').to_owned())
            .filter(|platform| !platform.is_empty())
            .collect(),
    })
}

/// Returns why there is no current builder, if what buildx says of it means that.
pub(crate) fn no_builder(stderr: &str) -> Option<&str> {
    let mut lines = stderr
        .lines()
        .map(|line| line.trim_start_matches("ERROR: "));
    lines.find(|line| line.starts_with("no builder "))
}

/// Tells whether all that a failed `docker image rm` has to say is that there is no such image.
pub(crate) fn only_absent(stderr: &str) -> bool {
    let mut lines = stderr.lines().filter(|line| !line.trim().is_empty());
    lines.all(|line| line.contains("No such image"))
}

/// Tells whether a failed `docker image rm` met another one that removed the same image.
pub(crate) fn is_race(stderr: &str) -> bool {
    stderr.contains("unrecognized image ID")
}

/// What is known of a failure from what the client printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Complaint {
    DaemonUnreachable,
    PermissionDenied,
    StoreFull,
    BuildxMissing,
    DaemonEnded,
    Unknown,
}

/// Finds out what a failed client complains of.
pub(crate) fn complaint(stderr: &str) -> Complaint {
    let says = |text: &str| stderr.contains(text);
    if says("permission denied while trying to connect") {
        Complaint::PermissionDenied
    } else if says("Cannot connect to the Docker daemon")
        || says("error during connect")
        || says("failed to connect to the docker API")
    {
        Complaint::DaemonUnreachable
    } else if says("no space left on device") {
        Complaint::StoreFull
    } else if says("buildx component is missing or broken") {
        Complaint::BuildxMissing
    } else if stderr.lines().next_back().is_some_and(|last| {
        // The connection ended in the middle of an answer. What a RUN says has a number in front.
        let ends = ["unexpected EOF", "error reading from server: EOF"];
        !last.starts_with('#') && ends.iter().any(|end| last.ends_with(end))
    }) {
        Complaint::DaemonEnded
    } else {
        Complaint::Unknown
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    macro_rules! sample {
        ($name:literal) => {
            include_str!(concat!("../tests/samples/", $name))
        };
    }

    fn docker(client: &str, server: Option<&str>) -> Versions {
        Versions::Docker {
            client: client.to_owned(),
            server: server.map(str::to_owned),
        }
    }

    #[rstest]
    #[case::bookworm(
        sample!("docker-20.10.24/version.json"),
        docker("20.10.24+dfsg1", Some("20.10.24+dfsg1"))
    )]
    #[case::trixie(
        sample!("docker-26.1.5/version.json"),
        docker("26.1.5+dfsg1", Some("26.1.5+dfsg1"))
    )]
    #[case::sid(
        sample!("docker-28.5.2/version.json"),
        docker("28.5.2+dfsg4", Some("28.5.2+dfsg4"))
    )]
    #[case::no_daemon(
        sample!("docker-26.1.5/version-unreachable.json"),
        docker("26.1.5+dfsg1", None)
    )]
    #[case::podman(
        sample!("podman-4.3.1/version.json"),
        Versions::Podman { version: "4.3.1".to_owned() }
    )]
    fn versions_are_read(#[case] json: &str, #[case] expected: Versions) {
        assert_eq!(versions(json), Some(expected));
    }

    #[test]
    fn a_removal_that_met_another_is_told_from_one_that_is_refused() {
        let of_20_10 = "Error response from daemon: unrecognized image ID sha256:64574db11b58";
        assert!(is_race(of_20_10) && !only_absent(of_20_10));
        assert!(!is_race(
            "Error response from daemon: conflict: unable to remove"
        ));
    }

    #[test]
    fn nonsense_is_no_version() {
        assert_eq!(versions("json\n"), None);
        assert_eq!(versions("{}"), None);
    }

    #[rstest]
    #[case("20.10.24+dfsg1", 20, 10)]
    #[case("28.5.2+dfsg4", 28, 5)]
    #[case("19.03.15", 19, 3)]
    fn releases_are_read(#[case] version: &str, #[case] major: u32, #[case] minor: u32) {
        assert_eq!(Release::parse(version), Some(Release { major, minor }));
    }

    #[test]
    fn releases_are_ordered() {
        assert!(Release::parse("9.9.1") < Release::parse("20.10.0"));
        assert_eq!(Release::parse("unknown"), None);
    }

    #[rstest]
    #[case::graph_driver(sample!("docker-20.10.24/info.json"), "overlay2", false)]
    #[case::containerd(sample!("docker-26.1.5/info.json"), "overlayfs", true)]
    #[case::containerd(sample!("docker-28.5.2/info.json"), "overlayfs", true)]
    fn stores_are_read(#[case] json: &str, #[case] driver: &str, #[case] containerd: bool) {
        let expected = Store {
            driver: driver.to_owned(),
            containerd,
            notices_all: true,
        };
        assert_eq!(store(json), Some(expected));
    }

    #[rstest]
    #[case::copies(r#"{"driver":"vfs","status":[]}"#)]
    #[case::compares(r#"{"driver":"overlay2","status":[["Native Overlay Diff","false"]]}"#)]
    #[case::fuse(r#"{"driver":"fuse-overlayfs","status":null}"#)]
    fn stores_that_compare_sizes_and_times_are_known(#[case] json: &str) {
        assert!(!store(json).unwrap().notices_all);
    }

    #[rstest]
    #[case(sample!("docker-26.1.5/buildx-version.txt"), Some("0.13.1+ds1"))]
    #[case(sample!("docker-28.5.2/buildx-version.txt"), Some("0.29.1+ds1"))]
    #[case(sample!("docker-20.10.24/buildx-version.txt"), None)]
    #[case(sample!("docker-28.2.2/buildx-version.txt"), None)]
    fn versions_of_buildx_are_read(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(buildx_version(text).as_deref(), expected);
    }

    #[rstest]
    #[case(sample!("docker-26.1.5/buildx-inspect.txt"), Some("docker"))]
    #[case(sample!("docker-28.5.2/buildx-inspect.txt"), Some("docker"))]
    #[case::no_daemon(sample!("docker-28.5.2/buildx-inspect-unreachable.txt"), None)]
    fn drivers_are_read(#[case] text: &str, #[case] expected: Option<&str>) {
        let driver = builder(text).map(|builder| builder.driver);
        assert_eq!(driver.as_deref(), expected);
    }

    #[test]
    fn builders_of_other_drivers_are_read() {
        let nobody = builder(sample!("docker-26.1.5/buildx-inspect-nobody.txt")).unwrap();
        assert_eq!((nobody.name.as_str(), nobody.is_running), ("nobody", false));
        let there = builder(sample!("docker-26.1.5/buildx-inspect-remote.txt")).unwrap();
        assert!(there.is_running && !there.is_inside());
        assert_eq!((there.driver.as_str(), there.release), ("remote", None));
        assert_eq!(there.platforms[..2], ["linux/amd64", "linux/amd64/v2"]);
        assert_eq!(there.emulated(), [""; 0]);
        let versioned = sample!("docker-26.1.5/buildx-inspect-remote.txt");
        let versioned = versioned.replace("v0.0.0+unknown", "v0.11.6");
        let versioned = versioned.replace("amd64/v4", "amd64/v4, linux/arm64*");
        let versioned = builder(&versioned).unwrap();
        let release = versioned.release.unwrap();
        assert_eq!(versioned.emulated(), ["linux/arm64"]);
        assert_eq!((release.major, release.minor), (0, 11));
        let missing = "ERROR: no builder \"missing\" found\n";
        assert_eq!(no_builder(missing), Some("no builder \"missing\" found"));
        assert_eq!(
            no_builder("ERROR: Cannot connect to the Docker daemon"),
            None
        );
    }

    #[rstest]
    #[case(sample!("docker-20.10.24/remove-absent.txt"), true)]
    #[case(sample!("docker-28.5.2/remove-absent.txt"), true)]
    #[case(sample!("docker-20.10.24/unreachable.txt"), false)]
    fn absence_is_told_from_failure(#[case] stderr: &str, #[case] expected: bool) {
        assert_eq!(only_absent(stderr), expected);
    }

    #[rstest]
    #[case(sample!("docker-20.10.24/unreachable.txt"), Complaint::DaemonUnreachable)]
    #[case(sample!("docker-28.5.2/unreachable.txt"), Complaint::DaemonUnreachable)]
    #[case(sample!("docker-20.10.24/denied.txt"), Complaint::PermissionDenied)]
    #[case(sample!("docker-28.2.2/denied.txt"), Complaint::PermissionDenied)]
    #[case(sample!("docker-28.2.2/build-without-buildx.txt"), Complaint::BuildxMissing)]
    #[case(sample!("docker-20.10.24/instruction-failed.txt"), Complaint::Unknown)]
    #[case(sample!("docker-20.10.24/daemon-killed.txt"), Complaint::DaemonEnded)]
    #[case(
        "ERROR: failed to receive status: rpc error: code = Unavailable desc = error reading from server: EOF\n",
        Complaint::DaemonEnded
    )]
    #[case("#5 0.1 unexpected EOF\n", Complaint::Unknown)]
    fn complaints_are_told_apart(#[case] stderr: &str, #[case] expected: Complaint) {
        assert_eq!(complaint(stderr), expected);
    }
}
