//! Bytes are counted, at once and piece by piece.

use super::*;
use crate::findings::Findings;

#[test]
fn bytes_are_counted() {
    assert_eq!(count(b"abcd", b"abxd"), (2, 1));
    assert_eq!(count(b"ab", b"abcd"), (2, 2));
    assert_eq!(count(b"", b""), (0, 0));
}

#[test]
fn a_stream_is_counted_as_a_whole_is() {
    let left = vec![b'a'; 1_000];
    let mut right = left.clone();
    right[500] = b'b';
    right[999] = b'c';
    let mut stream = Stream::new();
    for (a, b) in left.chunks(300).zip(right.chunks(300)) {
        stream.take(a, b);
    }
    assert_eq!((stream.first, stream.different), (Some(500), 2));
}

#[test]
fn places_of_a_stream_that_are_not_looked_at_are_said() {
    let notes = |count| {
        let mut stream = Stream::new();
        (0..count).for_each(|_| stream.take(b"a", b"b"));
        let mut findings = Findings::new(1);
        stream.finish().finish("layer 1: a", &mut findings);
        findings.finish().notes
    };
    assert_eq!(notes(PLACES), [""; 0]);
    let said = "layer 1: a: not all of it was looked into";
    assert_eq!(notes(PLACES + 1), [said]);
}
