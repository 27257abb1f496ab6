//! This machine, as an attempt says where it was made; and its clock.

use std::time::SystemTime;

use documents::AttemptMachine;

/// The kernel's description of the processors.
const PROCESSORS: &str = "/proc/cpuinfo";

/// Returns this machine.
pub fn machine() -> AttemptMachine {
    let kernel = rustix::system::uname();
    let described = beneath::read_text(PROCESSORS, beneath::LIST).unwrap_or_default();
    let field = |names: &[&str]| {
        let mut fields = described.lines().filter_map(|line| line.split_once(':'));
        let found = fields.find(|(name, _)| names.contains(&name.trim()));
        found.map_or_else(String::new, |(_, value)| value.trim().to_owned())
    };
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    AttemptMachine {
        whose: None,
        worker: None,
        kernel: kernel.release().to_string_lossy().into_owned(),
        architecture: kernel.machine().to_string_lossy().into_owned(),
        // What Arm calls an implementer is a number.
        cpu_vendor: field(&["vendor_id", "CPU implementer"]),
        cpu_model: field(&["model name", "CPU part"]),
        processors: u32::try_from(processors).unwrap_or(u32::MAX),
    }
}

/// Returns the machines of a server, of which nothing is known here.
pub fn machine_of_server(server: &str) -> AttemptMachine {
    AttemptMachine {
        whose: Some(server.to_owned()),
        worker: None,
        kernel: String::new(),
        architecture: String::new(),
        cpu_vendor: String::new(),
        cpu_model: String::new(),
        processors: 0,
    }
}

/// Returns the time now: RFC 3339, UTC, whole seconds.
#[expect(
    clippy::disallowed_methods,
    reason = "an attempt says when it was made, and no image is made from it"
)]
pub fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}
