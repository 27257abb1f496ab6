//! Runs the program on a pseudo terminal: somebody reads there, types lines and presses Ctrl-C.

#![expect(
    clippy::disallowed_types,
    reason = "the program itself is what is tested"
)]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command};

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};

/// What Ctrl-C sends.
pub(crate) const CTRL_C: &str = "\x03";

/// A terminal that a program runs on.
pub(crate) struct Terminal {
    /// The end of whoever sits there.
    end: File,
    child: Child,
    /// All that was on it.
    text: String,
}

impl Terminal {
    /// Starts a program, whose streams and whose session are those of a new terminal.
    pub(crate) fn run(program: &Command) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let end = openpt(flags).unwrap();
        grantpt(&end).unwrap();
        unlockpt(&end).unwrap();
        let terminal = || ioctl_tiocgptpeer(&end, flags).unwrap();
        // Without a session of its own, Ctrl-C would reach nobody.
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(program.get_program());
        command.args(program.get_args()).env("TERM", "xterm");
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.stdin(terminal()).stdout(terminal());
        let child = command.stderr(terminal()).spawn();
        Self {
            end: end.into(),
            child: child.expect("setsid is part of util-linux"),
            text: String::new(),
        }
    }

    /// Waits for a text.
    pub(crate) fn wait_for(&mut self, text: &str) {
        while !self.text.contains(text) {
            assert!(self.read(), "{text:?} is missing: {}", self.text);
        }
    }

    pub(crate) fn type_in(&mut self, text: &str) {
        self.end.write_all(text.as_bytes()).unwrap();
    }

    /// Waits for the end of the program. Returns how it ended, and all that was on the terminal.
    pub(crate) fn end(mut self) -> (i32, String) {
        while self.read() {}
        let status = self.child.wait().unwrap();
        (status.code().expect("no signal ended it"), self.text)
    }

    /// Reads what is there, or waits for it. Nothing comes once nobody has the terminal open.
    fn read(&mut self) -> bool {
        let mut bytes = [0; 4096];
        let count = match self.end.read(&mut bytes) {
            Ok(count) => count,
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => 0,
            Err(error) => panic!("{error}"),
        };
        self.text
            .push_str(&String::from_utf8_lossy(&bytes[..count]));
        count > 0
    }
}
