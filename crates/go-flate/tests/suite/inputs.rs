//! The inputs of the golden vectors: bytes that follow from a shape, a seed and a size alone.
//!
//! `tests/go/inputs.go` makes the same bytes; the vectors would not agree otherwise.

/// A splitmix64 generator.
pub(crate) struct Numbers {
    state: u64,
}

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = self.state;
        let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Returns a number from 0 to `limit` - 1.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (((self.next() >> 32) * limit as u64) >> 32) as usize
    }

    /// Returns a number from 0 to `limit` - 1, the lower the likelier.
    pub(crate) fn low(&mut self, limit: usize) -> usize {
        let one = self.below(limit);
        one.min(self.below(limit))
    }
}

/// Returns the input of this shape.
pub(crate) fn make(shape: &str, seed: u64, size: usize) -> Vec<u8> {
    let mut numbers = Numbers::new(seed);
    let (name, argument) = shape.split_once(':').unwrap_or((shape, "0"));
    let value: usize = argument.parse().expect("a shape's argument is a number");
    let mut data = match name {
        "zeros" => vec![0; size],
        "random" => random(&mut numbers, size),
        "repeat" => random(&mut numbers, value)[..value].repeat(size.div_ceil(value)),
        "text" => text(&mut numbers, size),
        "program" => program(&mut numbers, size),
        "archive" => archive(&mut numbers, size),
        "echo" => echo(&mut numbers, size, value),
        other => panic!("no such shape: {other}"),
    };
    data.truncate(size);
    data
}

fn random(numbers: &mut Numbers, size: usize) -> Vec<u8> {
    let mut data = Vec::with_capacity(size + 8);
    while data.len() < size {
        data.extend(numbers.next().to_le_bytes());
    }
    data
}

fn words(numbers: &mut Numbers, count: usize) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for _ in 0..count {
        let length = 2 + numbers.below(8);
        all.push((0..length).map(|_| b'a' + numbers.low(26) as u8).collect());
    }
    all
}

fn text(numbers: &mut Numbers, size: usize) -> Vec<u8> {
    let all = words(numbers, 700);
    let mut data = Vec::new();
    while data.len() < size {
        data.extend_from_slice(&all[numbers.low(all.len())]);
        data.extend_from_slice(match numbers.below(16) {
            0 => b".\n",
            1 => b", ",
            _ => b" ",
        });
    }
    data
}

/// Imitates machine code: few operations, small or random operands.
fn program(numbers: &mut Numbers, size: usize) -> Vec<u8> {
    let mut operations = Vec::new();
    for _ in 0..96 {
        let length = 1 + numbers.below(4);
        operations.push(random(numbers, length)[..length].to_vec());
    }
    let mut data = Vec::new();
    while data.len() < size {
        data.extend_from_slice(&operations[numbers.low(operations.len())]);
        match numbers.below(8) {
            0 => data.extend((numbers.low(512) as u32).to_le_bytes()),
            1 => data.extend((numbers.next() as u32).to_le_bytes()),
            2..=4 => data.push(8 * numbers.low(32) as u8),
            5 if numbers.below(64) == 0 => data.resize(data.len() + numbers.below(400), 0),
            _ => {}
        }
    }
    data
}

/// Imitates a tar archive of programs and texts.
fn archive(numbers: &mut Numbers, size: usize) -> Vec<u8> {
    let all = words(numbers, 50);
    let mut data = Vec::new();
    for index in 0.. {
        if data.len() >= size {
            break;
        }
        let length = numbers.low(60000);
        let directory = String::from_utf8_lossy(&all[numbers.below(50)]);
        let name = String::from_utf8_lossy(&all[numbers.below(50)]);
        let mut header = [0; 512];
        let mut field = |at: usize, value: &str| {
            header[at..at + value.len()].copy_from_slice(value.as_bytes());
        };
        field(0, &format!("usr/share/{directory}/{name}-{index}"));
        field(100, "0000644\x000000000\x000000000\x00");
        field(124, &format!("{length:011o}\x0000000000000\x00"));
        field(156, "0");
        field(257, "ustar\x0000");
        data.extend_from_slice(&header);
        let content = match numbers.below(2) {
            0 => text(numbers, length),
            _ => program(numbers, length),
        };
        data.extend_from_slice(&content[..length]);
        data.resize(data.len().next_multiple_of(512), 0);
    }
    data
}

/// Copies from everywhere, on purpose often from where the window ends, between bytes of an
/// alphabet of 2^`bits`.
fn echo(numbers: &mut Numbers, size: usize, bits: usize) -> Vec<u8> {
    let mut data: Vec<u8> = Vec::new();
    while data.len() < size {
        if numbers.below(3) == 0 || data.is_empty() {
            for _ in 0..=numbers.below(24) {
                data.push((numbers.next() >> (64 - bits)) as u8);
            }
            continue;
        }
        let distance = match numbers.below(5) {
            0 => 1 + numbers.below(8),
            1 => 4080 + numbers.below(32),
            2 => 32490 + numbers.below(300),
            _ => 1 + numbers.low(70000),
        };
        let distance = distance.min(data.len());
        let mut length = 3 + numbers.low(40);
        if numbers.below(16) == 0 {
            length = 120 + numbers.below(500);
        }
        for _ in 0..length {
            data.push(data[data.len() - distance]);
        }
    }
    data
}
