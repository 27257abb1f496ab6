//! Servers with signatures: one that is honest, and some that are not.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use documents::SignatureRefusal;
use rstest::rstest;
use transfer::Config;
use trust::{Lookaside, MOST, StoredSignatures, Stray, Wanted, judge};

use crate::material::{MATERIAL, NOW, TAG, place};

/// What a server answers to who asks for a number.
type Answer = fn(u32, &mut TcpStream) -> std::io::Result<()>;

/// Asks a server that answers like this for the signatures of a place.
fn ask(answer: Answer) -> StoredSignatures {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}/sigs/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        // It ends with the process: whoever asked it is gone then.
        for stream in listener.incoming() {
            std::thread::spawn(move || serve(stream.unwrap(), answer));
        }
    });
    let config = Config {
        tries: 1,
        stall: Duration::from_secs(2),
        ..Config::default()
    };
    let server = Lookaside::new(&base, config).unwrap();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    let mut found = runtime.block_on(server.read_all(vec![place()]));
    found.pop().unwrap()
}

fn serve(mut stream: TcpStream, answer: Answer) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|length| length > 0) {
        let path = line.split(' ').nth(1).unwrap().to_owned();
        loop {
            line.clear();
            reader.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                break;
            }
        }
        line.clear();
        let expected = format!("/sigs/{}/signature-", place());
        let number = path.strip_prefix(&expected).expect(&path).parse().unwrap();
        // Whoever has heard enough hangs up.
        if answer(number, &mut stream).is_err() {
            return;
        }
    }
}

fn send(stream: &mut TcpStream, status: &str, body: &[u8]) -> std::io::Result<()> {
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n"
    )?;
    stream.write_all(body)
}

fn none(stream: &mut TcpStream) -> std::io::Result<()> {
    send(stream, "404 Not Found", b"")
}

#[test]
fn a_server_has_signatures_until_it_has_none() {
    let found = ask(|number, stream| match number {
        1 => send(stream, "200 OK", &MATERIAL.ada.signature),
        2 => send(stream, "200 OK", &MATERIAL.bob.signature),
        _ => none(stream),
    });
    let signatures = vec![
        (1, MATERIAL.ada.signature.clone()),
        (2, MATERIAL.bob.signature.clone()),
    ];
    assert_eq!(
        found,
        StoredSignatures {
            signatures,
            strays: Vec::new()
        }
    );
}

fn circle(_: u32, stream: &mut TcpStream) -> std::io::Result<()> {
    let head = "HTTP/1.1 302 Found\r\nLocation: signature-1\r\nContent-Length: 0\r\n\r\n";
    stream.write_all(head.as_bytes())
}

fn fault(_: u32, stream: &mut TcpStream) -> std::io::Result<()> {
    send(stream, "500 Internal Server Error", b"")
}

fn hangs(_: u32, _: &mut TcpStream) -> std::io::Result<()> {
    loop {
        std::thread::park();
    }
}

fn says_it_has_gigabytes(_: u32, stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n")
}

fn sends_without_an_end(_: u32, stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    loop {
        write!(stream, "1000\r\n{:4096}\r\n", "")?;
    }
}

#[rstest]
#[case(circle, "leads back")]
#[case(fault, "500")]
#[case(hangs, "stalled")]
#[case(says_it_has_gigabytes, "the limit for one file")]
#[case(sends_without_an_end, "the limit for one file")]
fn a_server_that_never_ends_is_left(#[case] answer: Answer, #[case] expected: &str) {
    let found = ask(answer);
    assert_eq!(found.signatures, []);
    let [Stray::Unreadable { number: 1, why }] = &found.strays[..] else {
        panic!("{found:?}");
    };
    assert!(why.contains(expected), "{why}");
}

#[test]
fn a_server_without_a_last_number_is_left_after_many() {
    let found = ask(|_, stream| send(stream, "200 OK", &MATERIAL.ada.signature));
    assert_eq!(found.signatures.len(), MOST as usize);
    assert_eq!(found.strays, [Stray::TooMany { number: MOST + 1 }]);
}

#[test]
fn a_server_that_lies_gives_nothing_that_counts() {
    let found = ask(|number, stream| match number {
        1 => send(stream, "200 OK", b"<!doctype html><title>Not found</title>"),
        2 => send(stream, "200 OK", &MATERIAL.ada.certificate),
        3 => send(stream, "200 OK", &MATERIAL.of[0].1),
        4 => send(stream, "200 OK", b""),
        _ => none(stream),
    });
    let place = place();
    let wanted = Wanted {
        place: &place,
        tag: Some(TAG),
        signatures: &found.signatures,
        seen: &BTreeMap::new(),
    };
    let judgement = judge(&MATERIAL.policy(), &MATERIAL.keyring(), wanted, NOW);
    let kinds = judgement
        .signatures
        .iter()
        .map(|one| one.refusal.as_ref().unwrap().kind());
    let not_signed = SignatureRefusal::NotSigned;
    assert_eq!(
        kinds.collect::<Vec<_>>(),
        [not_signed, not_signed, SignatureRefusal::Moved, not_signed]
    );
    assert_eq!(judgement.missing, 2);
}

#[rstest]
#[case("ftp://example.org/")]
#[case("https://user:word@example.org/")]
#[case("https://example.org/?list")]
#[case("example.org")]
fn what_is_no_server_is_not_asked(#[case] base: &str) {
    assert!(Lookaside::new(base, Config::default()).is_err());
}
