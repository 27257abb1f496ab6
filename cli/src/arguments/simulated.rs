//! The workers of `stagex graph --simulate`.

/// The most workers that are simulated.
const MOST: usize = 1024;
/// The slowest and the fastest worker.
const SPEEDS: std::ops::RangeInclusive<f64> = 0.001..=1000.0;

/// Which workers are simulated.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Simulated {
    /// These, by their speeds.
    Workers(Vec<f64>),
    /// Each of these numbers of workers.
    Numbers(Vec<usize>),
}

impl Simulated {
    /// Reads `WORKERS[,SPEED...]` or `A..B`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Some((first, last)) = text.split_once("..") {
            let (first, last) = (workers(first)?, workers(last)?);
            if first > last {
                return Err(format!("{first} is more than {last}"));
            }
            let twice = |each: &usize| Some(each * 2);
            let mut numbers: Vec<usize> = std::iter::successors(Some(first), twice)
                .take_while(|&each| each < last)
                .collect();
            numbers.push(last);
            return Ok(Self::Numbers(numbers));
        }
        let (count, given) = match text.split_once(',') {
            Some((count, given)) => (count, given.split(',').map(speed).collect()),
            None => (text, Ok(Vec::new())),
        };
        let (count, mut speeds) = (workers(count)?, given?);
        if speeds.len() > count {
            return Err(format!("{} speeds for {count} workers", speeds.len()));
        }
        speeds.resize(count, 1.0);
        Ok(Self::Workers(speeds))
    }
}

fn workers(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|each| (1..=MOST).contains(each));
    number.ok_or_else(|| format!("`{text}` is not a number of workers from 1 to {MOST}"))
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|each| SPEEDS.contains(each));
    let (least, most) = (SPEEDS.start(), SPEEDS.end());
    speed.ok_or_else(|| format!("`{text}` is not a speed from {least} to {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_those_of_the_first_workers_and_numbers_are_doubled() {
        let parse = |text| Simulated::parse(text).unwrap();
        assert_eq!(parse("3"), Simulated::Workers(vec![1.0; 3]));
        assert_eq!(parse("3,2,0.5"), Simulated::Workers(vec![2.0, 0.5, 1.0]));
        assert_eq!(parse("1..6"), Simulated::Numbers(vec![1, 2, 4, 6]));
        assert_eq!(parse("4..4"), Simulated::Numbers(vec![4]));
        for text in [
            "", "0", "1025", "2,", "2,0", "2,NaN", "1,2,3", "2..1", "1..", "1..9999",
        ] {
            assert!(Simulated::parse(text).is_err(), "{text}");
        }
    }
}
