//! One file on several cores: stretches of the input are parsed side by side.
//!
//! While one batch of stretches is filled, the ones before are parsed and encoded. What a parser and a
//! block are is known elsewhere.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::Duration;

use rayon::Yield;

use crate::company::{Company, Member};
use crate::gzip::Frame;
use crate::joiner::Joiner;
use crate::level::{Effort, Level};
use crate::stretch::{Runner, View};
use crate::window::HALF;

/// How long a stretch is, in bytes: a multiple of [`HALF`], since windows start at those.
const STRETCH: usize = 1 << 20;
/// How many stretches for each core are a batch; two batches are at work, and one is filled.
const STRETCHES: usize = 2;
/// How many there are at most, whatever the number of cores: they are kept in memory.
const MOST_STRETCHES: usize = 16;
/// How long a thread waits before it looks again for something else to do.
const SOON: Duration = Duration::from_millis(1);
/// How much of the input behind a stretch its parser is given, so that it moves its window to where
/// it can be compared with the parser of the next one.
const BEHIND: usize = 2 * HALF + 1;
/// How far a parser moves its window before it may have met the one before.
const MEETING: u64 = HALF as u64;

/// How the input is cut.
#[derive(Clone, Copy, Debug)]
struct Cut {
    /// How long a stretch is.
    stretch: usize,
    /// How many stretches are a batch.
    batch: usize,
}

impl Cut {
    /// Returns the cut for the cores that there are.
    fn for_cores() -> Self {
        let batch = match rayon::current_num_threads() {
            1 => 1,
            threads => (STRETCHES * threads).min(MOST_STRETCHES),
        };
        Self {
            stretch: STRETCH,
            batch,
        }
    }
}

/// Compresses what is written to it into the same gzip file as [`GzipEncoder`](crate::GzipEncoder),
/// on all cores of the `rayon` pool that it is used in.
///
/// Input of less than 2 MiB is compressed on one core, as is everything in a pool of one thread. It
/// keeps what it is given in memory in three batches, together up to about 6 MiB for each core that
/// takes part, and never more than 48 MiB; and what was found in them, which is about as much again.
/// [`ParallelGzipEncoder::finish`] must be called; a file that is dropped is cut off. After an error
/// of the writer below, every later call is an error too.
pub struct ParallelGzipEncoder<W: Write + Send> {
    output: W,
    compressor: ParallelCompressor,
    frame: Frame,
    failed: bool,
}

impl<W: Write + Send> ParallelGzipEncoder<W> {
    /// Returns an encoder at the default level that writes its file to `output`.
    pub fn new(output: W) -> Self {
        Self::with_level(output, Level::DEFAULT)
    }

    /// Returns an encoder at this level.
    pub fn with_level(output: W, level: Level) -> Self {
        Self::cut(output, level, Cut::for_cores(), None)
    }

    /// Returns an encoder at this level that shares the cores with others. It belongs to them from now
    /// on, until it is finished or dropped.
    pub fn in_company(output: W, level: Level, company: &Company) -> Self {
        let member = Some(company.join());
        Self::cut(output, level, Cut::for_cores(), member)
    }

    fn cut(output: W, level: Level, cut: Cut, member: Option<Member>) -> Self {
        Self {
            output,
            compressor: ParallelCompressor::new(level.effort(), cut, member),
            frame: Frame::new(level),
            failed: false,
        }
    }

    /// Notes that a program in Go which is to be imitated ended one of its writes here; see
    /// [`DeflateEncoder::end_write`](crate::DeflateEncoder::end_write).
    pub fn end_write(&mut self) {
        self.compressor.end_write();
    }

    /// Writes the end of the file and returns the writer below.
    ///
    /// # Errors
    ///
    /// Those of the writer below, or [`io::ErrorKind::BrokenPipe`] if it failed before.
    pub fn finish(mut self) -> io::Result<W> {
        self.attempt(|compressor, frame, output| {
            frame.write_header(output)?;
            compressor.finish(output)
        })?;
        self.frame.write_trailer(&mut self.output)?;
        Ok(self.output)
    }

    /// Does something with the parts, unless that would leave a gap in the file.
    fn attempt(
        &mut self,
        action: impl FnOnce(&mut ParallelCompressor, &mut Frame, &mut W) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.failed {
            let message = "a write of this compressed file failed before, so it has a gap";
            return Err(io::Error::new(io::ErrorKind::BrokenPipe, message));
        }
        let result = action(&mut self.compressor, &mut self.frame, &mut self.output);
        self.failed = result.is_err();
        result
    }
}

impl<W: Write + Send> Write for ParallelGzipEncoder<W> {
    /// Compresses all of `data`, now or later.
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.attempt(|compressor, frame, output| {
            frame.write_header(output)?;
            compressor.write(data, output)
        })?;
        self.frame.count(data);
        Ok(data.len())
    }

    /// Flushes the writer below. Input that waits stays where it is, because anything else would
    /// change the file.
    fn flush(&mut self) -> io::Result<()> {
        self.attempt(|_, _, output| output.flush())
    }
}

/// Input in, deflate out, on several cores.
struct ParallelCompressor {
    effort: Effort,
    cut: Cut,
    /// What it shares the cores with, if there is anything.
    member: Option<Member>,
    /// Where in the input `bytes` starts.
    start: u64,
    /// What is to be parsed next.
    bytes: Vec<u8>,
    /// Where Go's writes ended in `bytes`.
    ends: Vec<u64>,
    /// What is parsed and is to be encoded, in order.
    parsed: VecDeque<Batch>,
    joiner: Joiner,
    /// Memory of a batch that was encoded.
    spare: Vec<u8>,
}

impl ParallelCompressor {
    fn new(effort: Effort, cut: Cut, member: Option<Member>) -> Self {
        Self {
            effort,
            cut,
            member,
            start: 0,
            bytes: Vec::new(),
            ends: Vec::new(),
            parsed: VecDeque::new(),
            joiner: Joiner::new(effort),
            spare: Vec::new(),
        }
    }

    /// Takes `data`, and hands on the blocks that are finished.
    fn write(&mut self, mut data: &[u8], output: &mut (impl Write + Send)) -> io::Result<()> {
        while !data.is_empty() {
            let full = self.cut.stretch * self.batch() + BEHIND;
            if self.bytes.len() >= full {
                self.turn(false, output)?;
                continue;
            }
            let taken = data.len().min(full - self.bytes.len());
            self.bytes.extend_from_slice(&data[..taken]);
            data = &data[taken..];
        }
        Ok(())
    }

    /// Returns how many stretches are to be parsed at once as things are now.
    fn batch(&self) -> usize {
        match &self.member {
            Some(member) if member.has_one_core() => 1,
            _ => self.cut.batch,
        }
    }

    /// Notes that a write ends here.
    fn end_write(&mut self) {
        let end = self.start + self.bytes.len() as u64;
        if self.ends.last() != Some(&end) {
            self.ends.push(end);
        }
    }

    /// Compresses what is left, and hands on the end of the stream.
    fn finish(&mut self, output: &mut (impl Write + Send)) -> io::Result<()> {
        self.turn(true, output)?;
        self.joiner.finish(output)
    }

    /// Lets others parse what is there, and encodes what was parsed before.
    ///
    /// The last batch but one is left to be parsed too, while more input comes: so there is always
    /// something to do for every core.
    fn turn(&mut self, is_last: bool, output: &mut (impl Write + Send)) -> io::Result<()> {
        let batch = self.next_batch(is_last);
        self.parsed.push_back(batch);
        let waiting = usize::from(!is_last);
        while self.parsed.len() > waiting {
            let Some(first) = self.parsed.pop_front() else {
                break;
            };
            self.spare = first.join(&mut self.joiner, output)?;
        }
        Ok(())
    }

    /// Takes what is there as a batch, of which the parse begins.
    fn next_batch(&mut self, is_last: bool) -> Batch {
        let stretch = self.cut.stretch;
        let bytes = std::mem::take(&mut self.bytes);
        let ends = std::mem::take(&mut self.ends);
        let count = if is_last {
            (bytes.len() / stretch).clamp(1, self.cut.batch)
        } else {
            let count = (bytes.len() - BEHIND) / stretch;
            self.bytes = std::mem::take(&mut self.spare);
            self.bytes.clear();
            self.bytes.reserve_exact(bytes.len());
            self.bytes.extend_from_slice(&bytes[stretch * count..]);
            count
        };
        let start = self.start;
        let stretches = (stretch * count) as u64;
        self.start += stretches;
        let behind = ends.partition_point(|&end| end < self.start);
        self.ends.extend_from_slice(&ends[behind..]);
        let until = if is_last {
            u64::MAX
        } else {
            start + stretches + MEETING
        };
        let part = Part {
            start,
            bytes,
            ends,
            is_last,
            until,
        };
        // One stretch is better parsed by the parser that comes from the one before.
        let count = if count == 1 { 0 } else { count };
        Batch::parse(part, self.effort, stretch as u64, count, &mut self.joiner)
    }
}

/// Some input.
struct Part {
    start: u64,
    bytes: Vec<u8>,
    ends: Vec<u64>,
    is_last: bool,
    /// Where the window of the last parser is to be at the end.
    until: u64,
}

impl Part {
    fn view(&self) -> View<'_> {
        View {
            start: self.start,
            bytes: &self.bytes,
            ends: &self.ends,
            is_last: self.is_last,
        }
    }
}

/// A parser that has come to its end, or how it panicked; and which of its batch it is.
type Parsed = (usize, thread::Result<Runner>);

/// Some stretches of which each is parsed by a parser of its own.
struct Batch {
    part: Arc<Part>,
    count: usize,
    parsed: Receiver<Parsed>,
}

impl Batch {
    /// Begins to parse so many stretches.
    fn parse(part: Part, effort: Effort, stretch: u64, count: usize, joiner: &mut Joiner) -> Self {
        let part = Arc::new(part);
        let (sender, parsed) = mpsc::channel();
        for place in 0..count {
            let start = part.start + stretch * place as u64;
            let until = if place + 1 == count {
                part.until
            } else {
                start + stretch + MEETING
            };
            let (part, sender, spare) = (Arc::clone(&part), sender.clone(), joiner.take_spare());
            rayon::spawn_fifo(move || {
                let runner = panic::catch_unwind(AssertUnwindSafe(|| {
                    let mut runner = spare.unwrap_or_else(|| Runner::new(effort, start));
                    runner.restart(start);
                    runner.run(&part.view(), until);
                    runner
                }));
                // Before the answer, so that whoever waits for it has the part alone.
                drop(part);
                // Nobody waits for it any more where a write of the output failed.
                let _ = sender.send((place, runner));
            });
        }
        Self {
            part,
            count,
            parsed,
        }
    }

    /// Hands on the tokens of each parser as soon as it has come to its end, in order, and returns
    /// memory that is not needed any more.
    fn join(self, joiner: &mut Joiner, output: &mut impl Write) -> io::Result<Vec<u8>> {
        let mut early: Vec<Option<Runner>> = Vec::new();
        early.resize_with(self.count, || None);
        let runners = (0..self.count).map(|wanted| {
            loop {
                if let Some(runner) = early[wanted].take() {
                    return runner;
                }
                let (place, runner) = self.next_parsed();
                early[place] = Some(runner.unwrap_or_else(|panic| panic::resume_unwind(panic)));
            }
        });
        joiner.join(runners, &self.part.view(), self.part.until, output)?;
        Ok(Arc::into_inner(self.part).map_or_else(Vec::new, |part| part.bytes))
    }

    /// Waits for a parser. Meanwhile the thread does what others wait for.
    fn next_parsed(&self) -> Parsed {
        let never = "a parser answers, even if it panics";
        loop {
            match self.parsed.try_recv() {
                Ok(parsed) => return parsed,
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => panic!("{never}"),
            }
            match rayon::yield_now() {
                Some(Yield::Executed) => {}
                // There is nothing to do here, so that all parsers are at work.
                Some(Yield::Idle) => match self.parsed.recv_timeout(SOON) {
                    Ok(parsed) => return parsed,
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => panic!("{never}"),
                },
                None => return self.parsed.recv().expect(never),
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "any byte will do")]
mod tests {
    use super::*;
    use crate::GzipEncoder;

    /// Stretches that are as short as they can be, so that parsers meet often.
    const SHORT: Cut = Cut {
        stretch: HALF,
        batch: 3,
    };

    /// A generator of numbers that look like chance.
    struct Numbers(u64);

    impl Numbers {
        fn next(&mut self) -> u64 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            self.0 >> 33
        }

        fn below(&mut self, limit: u64) -> usize {
            usize::try_from(self.next() % limit).unwrap()
        }
    }

    /// Returns input of which parts are chance, parts are repeated, and parts are of one byte.
    fn input(seed: u64, size: usize) -> Vec<u8> {
        let mut numbers = Numbers(seed);
        let mut data: Vec<u8> = Vec::with_capacity(size + (1 << 16));
        while data.len() < size {
            match numbers.next() % 8 {
                0 => {
                    let length = numbers.below(3000);
                    data.extend((0..length).map(|_| numbers.next() as u8));
                }
                1 => data.resize(data.len() + numbers.below(120_000), 7),
                2 | 3 if data.len() > 60_000 => {
                    let from = data.len() - 1 - numbers.below(50_000);
                    let length = numbers.below(9000).min(data.len() - from);
                    data.extend_from_within(from..from + length);
                }
                _ => {
                    let length = numbers.below(5000);
                    data.extend((0..length).map(|_| b'a' + (numbers.next() % 5) as u8));
                }
            }
        }
        data.truncate(size);
        data
    }

    /// Compresses in both ways, with writes that end at `ends`, and compares. Returns the file.
    fn compare(data: &[u8], ends: &[usize], level: Level, cut: Cut) -> Vec<u8> {
        let mut one = GzipEncoder::with_level(Vec::new(), level);
        let mut several = ParallelGzipEncoder::cut(Vec::new(), level, cut, None);
        let mut from = 0;
        for &end in ends.iter().chain([&data.len()]) {
            one.write_all(&data[from..end]).unwrap();
            several.write_all(&data[from..end]).unwrap();
            one.end_write();
            several.end_write();
            from = end;
        }
        let (one, several) = (one.finish().unwrap(), several.finish().unwrap());
        let first = one.iter().zip(&several).position(|(a, b)| a != b);
        assert!(
            one == several,
            "{} bytes, {} ends: {} and {} bytes, the first difference at {first:?}",
            data.len(),
            ends.len(),
            one.len(),
            several.len()
        );
        one
    }

    #[test]
    fn several_cores_give_what_one_gives() {
        for seed in 0..60 {
            let size = Numbers(seed + 1000).below(700_000);
            compare(&input(seed, size), &[], Level::DEFAULT, SHORT);
        }
    }

    #[test]
    fn sizes_around_every_border_do_too() {
        let data = input(3, 8 * HALF);
        let lengths = [SHORT.stretch, 2 * SHORT.stretch, 3 * SHORT.stretch];
        let lengths = lengths.iter().flat_map(|length| [*length, length + BEHIND]);
        for length in lengths.flat_map(|length| length - 2..length + 3) {
            compare(&data[..length], &[], Level::DEFAULT, SHORT);
        }
        for length in [0, 1, 2, 262, 263] {
            compare(&data[..length], &[], Level::DEFAULT, SHORT);
        }
    }

    #[test]
    fn ends_of_writes_count_wherever_they_are() {
        for seed in 0..40 {
            let data = input(seed, 500_000);
            let mut numbers = Numbers(seed);
            let mut ends: Vec<usize> = (0..numbers.below(60))
                .map(|_| numbers.below(500_000))
                .collect();
            // Where the window moves: there they can matter.
            ends.extend((2..15).map(|half| half * HALF - numbers.below(264)));
            ends.sort_unstable();
            compare(&data, &ends, Level::DEFAULT, SHORT);
        }
    }

    #[test]
    fn an_end_of_a_write_that_moves_the_window_sooner_does_so_on_several_cores() {
        let mut differing = 0;
        // With these prefixes matches of 258 bytes end where the window may just move.
        for prefix in 60..76 {
            let mut numbers = Numbers(7);
            let mut data: Vec<u8> = (0..prefix).map(|_| numbers.below(256) as u8).collect();
            let period: Vec<u8> = (0..32_700).map(|_| numbers.below(256) as u8).collect();
            data.extend(period.repeat(6));
            let whole = compare(&data, &[], Level::DEFAULT, SHORT);
            for half in 2..6 {
                for before in [0, 1, 2, 100, 200] {
                    let end = half * HALF - before;
                    let file = compare(&data, &[end], Level::DEFAULT, SHORT);
                    differing += usize::from(file != whole);
                }
            }
        }
        assert!(differing > 0, "no end changed anything");
    }

    #[test]
    fn parsers_that_never_meet_give_the_same() {
        let period: Vec<u8> = (0..=250).cycle().take(257).collect();
        for data in [vec![0; 600_000], period.repeat(2500)] {
            compare(&data, &[], Level::DEFAULT, SHORT);
        }
    }

    #[test]
    fn every_level_does() {
        for level in (4..=9).filter_map(Level::new) {
            compare(&input(5, 300_000), &[], level, SHORT);
        }
    }

    #[test]
    fn stretches_of_their_usual_length_do() {
        let data = input(9, 5 * STRETCH + 12_345);
        let cut = Cut {
            stretch: STRETCH,
            batch: 2,
        };
        compare(&data, &[70_000, STRETCH], Level::DEFAULT, cut);
    }

    #[test]
    fn encoders_that_get_and_lose_cores_on_the_way_do() {
        for seed in 0..40 {
            let data = input(seed, 500_000);
            let mut numbers = Numbers(seed);
            let company = Company::of(1);
            let member = Some(company.join());
            let mut encoder = ParallelGzipEncoder::cut(Vec::new(), Level::DEFAULT, SHORT, member);
            let mut rest = data.as_slice();
            while !rest.is_empty() {
                company.set([0, usize::MAX][numbers.below(2)]);
                let (part, later) = rest.split_at(rest.len().min(1 + numbers.below(90_000)));
                encoder.write_all(part).unwrap();
                rest = later;
            }
            assert!(encoder.finish().unwrap() == crate::gzip(&data), "{seed}");
        }
    }

    #[test]
    fn nothing_can_be_written_after_a_failure() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut encoder = ParallelGzipEncoder::new(Full);
        let error = encoder.write_all(b"few").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        let error = encoder.write_all(b"more").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert!(encoder.finish().is_err());
    }
}
