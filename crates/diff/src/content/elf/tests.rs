//! Files whose headers share what is there once.

use documents::DiffContentKind;
use rstest::rstest;

use super::*;
use crate::limits::Limits;

const STRINGS: u32 = 3;
const SYMBOLS: u32 = 2;
const BITS: u32 = 1;

/// A header of a section: where its name is, what it is, and the part of the data that it has.
type Header = (u32, u32, usize, usize);

/// Returns a file with these headers, of which the first is that of all names.
fn elf(data: &[u8], headers: &[Header]) -> Vec<u8> {
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    file.extend(3_u16.to_le_bytes());
    file.extend(62_u16.to_le_bytes());
    file.extend(1_u32.to_le_bytes());
    file.extend([0; 16]);
    file.extend((64 + data.len() as u64).to_le_bytes());
    file.extend(0_u32.to_le_bytes());
    let count = u16::try_from(headers.len() + 1).unwrap();
    for number in [64_u16, 0, 0, 64, count, 1] {
        file.extend(number.to_le_bytes());
    }
    file.extend(data);
    file.extend([0; 64]);
    for (name, kind, start, size) in headers {
        file.extend(name.to_le_bytes());
        file.extend(kind.to_le_bytes());
        file.extend([0; 16]);
        file.extend((64 + *start as u64).to_le_bytes());
        file.extend((*size as u64).to_le_bytes());
        // It is linked to the first, which has the names, and a symbol has 24 bytes.
        file.extend(1_u64.to_le_bytes());
        file.extend(1_u64.to_le_bytes());
        file.extend(24_u64.to_le_bytes());
    }
    file
}

/// Returns `length` letters between two NULs.
fn name(length: usize) -> Vec<u8> {
    [b"\0", vec![b'a'; length].as_slice(), b"\0"].concat()
}

fn sections_of_one_name(count: usize) -> Vec<u8> {
    let names = name(20_000);
    let mut headers = vec![(0, STRINGS, 0, names.len())];
    headers.resize(count + 1, (1, BITS, 0, 0));
    elf(&names, &headers)
}

fn symbols_of_one_name(count: usize) -> Vec<u8> {
    symbols(name(20_000), count)
}

fn symbols_of_a_name_without_an_end(count: usize) -> Vec<u8> {
    let mut names = name(20_000);
    names.pop();
    symbols(names, count)
}

/// Returns a file whose symbols all have the first name.
fn symbols(mut data: Vec<u8>, count: usize) -> Vec<u8> {
    let names = data.len();
    let mut symbol = [0; 24];
    symbol[0] = 1;
    data.extend([0; 24]);
    (0..count).for_each(|_| data.extend(symbol));
    let size = data.len() - names;
    elf(&data, &[(0, STRINGS, 0, names), (0, SYMBOLS, names, size)])
}

fn sections_of_one_content(count: usize) -> Vec<u8> {
    let data = [b"\0".as_slice(), &[b'a'; 9_999]].concat();
    let mut headers = vec![(0, STRINGS, 0, 1)];
    headers.resize(count + 1, (0, BITS, 0, data.len()));
    elf(&data, &headers)
}

fn sections(count: usize) -> Vec<u8> {
    let mut headers = vec![(0, STRINGS, 0, 1)];
    headers.resize(count + 1, (0, BITS, 0, 0));
    elf(b"\0", &headers)
}

/// A small file may have as many headers as it likes that point to the same: it is compared as bytes.
#[rstest]
#[case::names_of_sections(sections_of_one_name, 4, 20)]
#[case::names_of_symbols(symbols_of_one_name, 4, 20)]
#[case::names_without_an_end(symbols_of_a_name_without_an_end, 0, 1)]
#[case::contents(sections_of_one_content, 1, 2)]
#[case::sections(sections, 9_000, 10_001)]
fn what_is_there_once_is_not_read_many_times(
    #[case] with: fn(usize) -> Vec<u8>,
    #[case] few: usize,
    #[case] many: usize,
) {
    for (count, is_looked_into) in [(few, true), (many, false)] {
        let file = with(count);
        let task = Task {
            name: "a",
            left: &file,
            right: &file,
            depth: 0,
            limits: &Limits::DEFAULT,
            run: |_, _| DiffContentKind::Binary,
        };
        let mut out = Out::new(Limits::DEFAULT.content);
        assert_eq!(compare(task, &mut out), is_looked_into, "{count}");
    }
}
