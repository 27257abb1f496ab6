//! Makes an input small, by delta debugging: takes out instructions, lines, words, characters, files and members of
//! archives, as long as what it shows is still shown.

use std::collections::BTreeSet;

use crate::files::Kind;
use crate::input::Input;

/// Makes an input small. `shows` tells whether an input still shows it; it is asked at most `budget` times, and never
/// twice about the same. Returns the smallest input that showed it.
pub fn reduce(input: &Input, budget: usize, shows: &mut dyn FnMut(&Input) -> bool) -> Input {
    let mut reducer = Reducer {
        best: input.clone(),
        budget,
        seen: BTreeSet::new(),
        shows,
    };
    loop {
        let before = reducer.best.clone();
        reducer.round();
        if reducer.best == before || reducer.budget == 0 {
            return reducer.best;
        }
    }
}

struct Reducer<'a> {
    best: Input,
    budget: usize,
    /// What was asked about already.
    seen: BTreeSet<String>,
    shows: &'a mut dyn FnMut(&Input) -> bool,
}

impl Reducer<'_> {
    fn round(&mut self) {
        let instructions = self.best.instructions.clone();
        self.without_parts(&instructions, &mut |input, kept| {
            input.instructions = kept.to_vec();
        });
        let files = self.best.files.clone();
        self.without_parts(&files, &mut |input, kept| input.files = kept.to_vec());
        let other = self.best.other.clone();
        self.without_parts(&other, &mut |input, kept| input.other = kept.to_vec());
        let arguments = self.best.arguments.clone();
        self.without_parts(&arguments, &mut |input, kept| {
            input.arguments = kept.to_vec();
        });
        if self.best.target.is_some() {
            let mut smaller = self.best.clone();
            smaller.target = None;
            self.try_out(smaller);
        }
        for place in 0..self.best.files.len() {
            self.archive(place);
        }
        for split in [lines, words, characters] {
            let mut place = 0;
            while place < self.best.instructions.len() {
                let parts = split(&self.best.instructions[place]);
                if parts.len() > 1 {
                    self.without_parts(&parts, &mut |input, kept| {
                        input.instructions[place] = kept.concat();
                    });
                }
                place += 1;
            }
        }
    }

    /// Takes out members of the archive at this place in the context, if it is one.
    fn archive(&mut self, place: usize) {
        let Kind::Archive { members, .. } = self.best.files[place].kind.clone() else {
            return;
        };
        self.without_parts(&members, &mut |input, kept| {
            if let Kind::Archive { members, .. } = &mut input.files[place].kind {
                *members = kept.to_vec();
            }
        });
    }

    /// Takes out as many of `parts` as it can: first halves, then quarters, and so on.
    fn without_parts<T: Clone>(&mut self, parts: &[T], put: &mut dyn FnMut(&mut Input, &[T])) {
        let mut kept = parts.to_vec();
        let mut size = kept.len();
        while size > 0 && self.budget > 0 {
            let mut start = 0;
            while start < kept.len() {
                let end = (start + size).min(kept.len());
                let mut fewer = kept.clone();
                fewer.drain(start..end);
                let mut smaller = self.best.clone();
                put(&mut smaller, &fewer);
                if self.try_out(smaller) {
                    kept = fewer;
                } else {
                    start = end;
                }
            }
            size /= 2;
        }
    }

    /// Takes an input for the best one, if it still shows what it must show.
    fn try_out(&mut self, smaller: Input) -> bool {
        let is_input = smaller.has_stage() || !self.best.has_stage();
        if smaller == self.best
            || !is_input
            || self.budget == 0
            || !self.seen.insert(format!("{smaller:?}"))
        {
            return false;
        }
        self.budget -= 1;
        let shown = (self.shows)(&smaller);
        if shown {
            self.best = smaller;
        }
        shown
    }
}

fn lines(text: &str) -> Vec<String> {
    text.split_inclusive('\n').map(str::to_owned).collect()
}

/// Splits a text into words, each with the blanks before it.
fn words(text: &str) -> Vec<String> {
    split(text, |before, here| {
        let blank = |c: char| c == ' ' || c == '\t';
        blank(here) && !blank(before)
    })
}

/// Splits a text into names and numbers, and the signs between them.
fn characters(text: &str) -> Vec<String> {
    split(text, |before, here| {
        !(before.is_alphanumeric() && here.is_alphanumeric())
    })
}

fn split(text: &str, is_border: impl Fn(char, char) -> bool) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    for here in text.chars() {
        if part
            .chars()
            .last()
            .is_some_and(|before| is_border(before, here))
        {
            parts.push(std::mem::take(&mut part));
        }
        part.push(here);
    }
    parts.push(part);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::generate;

    #[test]
    fn what_is_left_is_what_it_takes() {
        let input = (0..5000)
            .map(generate)
            .find(|input| {
                let text = input.containerfile();
                text.contains("--chmod=4755 ") && input.instructions.len() > 6
            })
            .unwrap();
        let mut asked = 0;
        let small = reduce(&input, 10_000, &mut |input| {
            asked += 1;
            let has = |part: &str| input.instructions.iter().any(|line| line.contains(part));
            has("COPY") && has("4755") || has("ADD") && has("4755")
        });
        assert!(small.files.is_empty() && small.arguments.is_empty());
        assert!(small.has_stage(), "{:?}", small.instructions);
        assert!(small.instructions.len() <= 3, "{:?}", small.instructions);
        assert!(small.containerfile().len() < 26, "{:?}", small.instructions);
        assert!(asked < 1000, "{asked}");
    }

    #[test]
    fn the_budget_is_kept() {
        let mut asked = 0;
        let input = generate(3);
        let small = reduce(&input, 5, &mut |_| {
            asked += 1;
            false
        });
        assert_eq!((small, asked), (input, 5));
    }
}
