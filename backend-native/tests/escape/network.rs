//! The network of a RUN: its own, from which the machine's is reached by a program in user mode, and
//! nobody on the machine reaches it, nor it what only the machine itself may reach.

use std::fs;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use backend_api::Network;
use libtest_mimic::Failed;

use crate::support::{self, Build, expect, refused};

/// Whoever connects to a RUN could hand it a descriptor of the machine's root.
pub(crate) fn nobody_else_can_connect_to_a_build() -> Result<(), Failed> {
    for (network, expected) in [
        (Network::None, false),
        (Network::Default, false),
        // What it gives away is what is tried here.
        (Network::Host, true),
    ] {
        let mut build = Build::new();
        build.network = network;
        build.watch = |line| {
            let Some(context) = line.strip_prefix("listening:") else {
                return;
            };
            let address = UnixAddress::from_abstract_name(NAME).expect("it is short");
            let connected = UnixStream::connect_addr(&address).is_ok();
            CONNECTED.fetch_add(1 + 100 * u32::from(connected), Relaxed);
            fs::write(format!("{context}/done"), "").expect("a test may write");
        };
        CONNECTED.store(0, Relaxed);
        support::put_call(&build, 64, "call")?;
        let (address, length) = (unix_address(), 3 + NAME.len());
        let context = build.directory.join("context");
        // It is bound and listens before the line is printed, and as long as nothing is accepted.
        let script = format!(
            "{{ /bound/call 41 1 1 0 , 49 % {address} {length} , 50 3 1 , 43 3 0 0 , 43 3 0 0; }} & \
             until grep -q {NAME} /proc/net/unix; do true; done; \
             echo listening:{context}; until [ -e /bound/done ]; do true; done"
        );
        build.shell_with("--mount=type=bind,target=/bound", &script)?;
        let connected = CONNECTED.load(Relaxed);
        expect(
            connected == 1 + 100 * u32::from(expected),
            &format!("with {network:?}: {connected}"),
        )?;
    }
    Ok(())
}

const NAME: &str = "stagex-escape-listens";

static CONNECTED: AtomicU32 = AtomicU32::new(0);

/// Returns the address of a socket without a file, as bytes of an argument.
fn unix_address() -> String {
    bytes([1, 0, 0].iter().chain(NAME.as_bytes()))
}

fn bytes<'a>(bytes: impl IntoIterator<Item = &'a u8>) -> String {
    bytes.into_iter().fold(String::from("x"), |text, byte| {
        text + &format!("{byte:02x}")
    })
}

/// Returns an address of a machine and a port, as bytes of an argument.
fn address(machine: Ipv4Addr, port: u16) -> String {
    let [high, low] = port.to_be_bytes();
    let machine = machine.octets();
    bytes([2, 0, high, low].iter().chain(&machine).chain(&[0; 8]))
}

/// Returns an address of this machine that others have for it.
fn own_address() -> Result<Ipv4Addr, Failed> {
    // Nothing is sent by that.
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect("192.0.2.1:9")?;
    match socket.local_addr()?.ip() {
        IpAddr::V4(address) if !address.is_loopback() => Ok(address),
        other => Err(format!("this machine has no address but {other}").into()),
    }
}

/// By whatever program a network is reached.
pub(crate) fn the_machines_own_services_are_out_of_reach() -> Result<(), Failed> {
    reach_for_loopback()?;
    if works("pasta") {
        again_without(&["pasta"], "the_machines_own_services_are_out_of_reach")?;
    }
    Ok(())
}

fn reach_for_loopback() -> Result<(), Failed> {
    let (loopback, own) = (Ipv4Addr::LOCALHOST, own_address()?);
    // The first of two is what may be reached: so what is tried works.
    let packets = [UdpSocket::bind((own, 0))?, UdpSocket::bind((loopback, 0))?];
    let [open, port] = [
        packets[0].local_addr()?.port(),
        packets[1].local_addr()?.port(),
    ];
    let connections = [
        TcpListener::bind((own, open))?,
        TcpListener::bind((loopback, port))?,
    ];
    let mut build = Build::new();
    build.network = Network::Default;
    support::put_call(&build, 64, "call")?;
    let mut calls = Vec::new();
    let mut send = |is_packet: bool, is_bound: bool, to: Ipv4Addr, port: u16| {
        let socket = 3 + calls.len();
        let to = address(to, port);
        let bind = if is_bound {
            format!("54 {socket} 1 25 tap0 5")
        } else {
            "39".to_owned()
        };
        calls.push(if is_packet {
            format!("41 2 2 0 , {bind} , 44 {socket} text 4 0 {to} 16")
        } else {
            // It does not wait for an answer.
            format!("41 2 2049 0 , {bind} , 42 {socket} {to} 16")
        });
    };
    for (is_packet, is_bound) in [(false, false), (false, true), (true, false), (true, true)] {
        for to in [
            loopback,
            Ipv4Addr::new(127, 9, 9, 9),
            Ipv4Addr::new(10, 0, 2, 2),
            Ipv4Addr::UNSPECIFIED,
        ] {
            send(is_packet, is_bound, to, port);
        }
    }
    send(true, true, own, open);
    // What was sent last has come, so whatever was sent before has come as well, or never does.
    let script = format!(
        "/bound/call {}; until [ -e /bound/done ]; do true; done; echo text | nc {own} {open}; \
         cat /etc/resolv.conf",
        calls.join(" , ")
    );
    let context = build.directory.join("context");
    let (came, built) = std::thread::scope(|scope| {
        let control = scope.spawn(|| {
            let mut bytes = [0; 8];
            packets[0].set_read_timeout(Some(std::time::Duration::from_secs(60)))?;
            let packet = packets[0].recv(&mut bytes).is_ok();
            fs::write(context.join("done"), "")?;
            let (mut connection, _) = connections[0].accept()?;
            let count = connection.read(&mut bytes)?;
            std::io::Result::Ok((packet, bytes[..count].to_vec()))
        });
        let built = build.shell_with("--mount=type=bind,target=/bound", &script);
        // Where nobody has connected somebody does now.
        drop(TcpStream::connect((own, open)));
        (control.join(), built)
    });
    let built = built?;
    let came = came.map_err(|_| "a thread panicked")??;
    expect(
        came == (true, b"text\n".to_vec()),
        &format!("{came:?}: {}", built.output),
    )?;
    expect(built.output.contains("nameserver 10.0.2.3"), &built.output)?;
    packets[1].set_nonblocking(true)?;
    connections[1].set_nonblocking(true)?;
    let came = (
        packets[1].recv(&mut [0; 8]).is_ok(),
        connections[1].accept().is_ok(),
    );
    expect(
        came == (false, false),
        &format!("{came:?}: {}", built.output),
    )
}

/// A machine that has neither of the programs that lead outside.
pub(crate) fn what_fails_for_want_of_a_network_says_so() -> Result<(), Failed> {
    if works("pasta") || works("slirp4netns") {
        let names = ["pasta", "slirp4netns"];
        return again_without(&names, "what_fails_for_want_of_a_network_says_so");
    }
    let mut build = Build::new();
    build.network = Network::Default;
    let built = build.shell("grep -c : /proc/net/dev; cat /etc/resolv.conf")?;
    expect(built.output == "1\n", &built.output)?;
    refused(build.shell("exit 3"), "exited with 3 (it had no network)")?;
    let built = build.shell_with("--network=none", "exit 3");
    let said = built.map_or_else(
        |error| error.message().unwrap_or_default().to_owned(),
        |_| String::new(),
    );
    expect(
        said.contains("exited with 3") && !said.contains("no network"),
        &said,
    )
}

/// What is in a tree gives nothing of the machine away.
pub(crate) fn the_machines_network_is_not_a_containerfiles_to_give() -> Result<(), Failed> {
    let mut build = Build::new();
    for network in [Network::None, Network::Default] {
        build.network = network;
        refused(build.shell_with("--network=host", "true"), "--network=host")?;
    }
    build.network = Network::Host;
    let built = build.shell_with("--network=host", "grep -c : /proc/net/dev")?;
    let machine = fs::read_to_string("/proc/net/dev")?;
    let count = machine.lines().filter(|line| line.contains(':')).count();
    expect(built.output.trim() == count.to_string(), &built.output)?;
    // What is denied stays so.
    let built = build.shell_with("--network=none", "grep -c : /proc/net/dev")?;
    expect(built.output == "1\n", &built.output)
}

/// Whatever ends a build: here its worker is killed.
pub(crate) fn what_leads_outside_ends_with_its_build() -> Result<(), Failed> {
    if !std::env::args().any(|argument| argument == "--exact") {
        // Again, where no other test has processes.
        return again_without(&[], "what_leads_outside_ends_with_its_build");
    }
    let mut build = Build::new();
    build.network = Network::Default;
    build.watch = |line| {
        if line == "up" {
            let ours = descendants();
            let worker = ours.first().expect("there is a worker").0;
            *PROGRAMS.lock().expect("no test panicked") = ours;
            let worker = rustix::process::Pid::from_raw(worker).expect("it is a number");
            let signal = rustix::process::Signal::KILL;
            rustix::process::kill_process(worker, signal).expect("it is ours");
        }
    };
    refused(build.shell("echo up; while true; do true; done"), "")?;
    let programs = PROGRAMS.lock().map_err(|_| "a test panicked")?.clone();
    let leads = |name: &str| {
        ["pasta", "passt", "slirp4netns"]
            .iter()
            .any(|known| name.starts_with(known))
    };
    expect(
        programs.iter().any(|(_, name)| leads(name)),
        &format!("{programs:?}"),
    )?;
    let left = descendants();
    expect(left.is_empty(), &format!("there is left: {left:?}"))
}

static PROGRAMS: Mutex<Vec<(i32, String)>> = Mutex::new(Vec::new());

/// Returns the processes that this one has started, and those that they have, each with its name; the
/// oldest is first.
fn descendants() -> Vec<(i32, String)> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(text) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        let (Some(begins), Some(ends)) = (text.find('('), text.rfind(')')) else {
            continue;
        };
        let mut fields = text[ends + 1..].split_whitespace();
        let state = fields.next().unwrap_or_default();
        let parent = fields
            .next()
            .and_then(|field| field.parse().ok())
            .unwrap_or(0);
        if let (Ok(id), false) = (text[..begins].trim().parse::<i32>(), state == "Z") {
            all.push((id, parent, text[begins + 1..ends].to_owned()));
        }
    }
    let mut found = Vec::new();
    let mut parents = vec![std::process::id().cast_signed()];
    while let Some(of) = parents.pop() {
        for (id, parent, name) in &all {
            if *parent == of {
                found.push((*id, name.clone()));
                parents.insert(0, *id);
            }
        }
    }
    found
}

fn works(program: &str) -> bool {
    #[expect(
        clippy::disallowed_types,
        reason = "a test looks whether a program is there"
    )]
    let mut command = std::process::Command::new(program);
    command
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Does a test again where these programs only fail.
fn again_without(programs: &[&str], test: &str) -> Result<(), Failed> {
    let directory = tempfile::tempdir_in("/var/tmp")?;
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))?;
    for program in programs {
        let path = directory.path().join(program);
        fs::write(&path, "#!/bin/sh\nexit 1\n")?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "a test passes its own variables on"
    )]
    let usual = std::env::var("PATH")?;
    #[expect(clippy::disallowed_types, reason = "a test runs itself")]
    let output = std::process::Command::new(std::env::current_exe()?)
        .args(["--exact", test])
        .env("PATH", format!("{}:{usual}", directory.path().display()))
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    expect(output.status.success() && said.contains("1 passed"), &said)
}
