//! Asks every cell of a matrix, several at once.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use crate::matrix::{Cell, Matrix};
use crate::results::{Answer, Results};

/// What happens while cells are asked.
#[derive(Debug, Clone, Copy)]
pub enum Progress<'a> {
    /// A cell is being asked.
    Asked(&'a Cell),
    /// A cell has been answered.
    Answered(&'a Answer),
}

/// Asks every cell, `jobs` at once, until all are answered or the matrix is interrupted; cells
/// that are being asked then have no answer.
pub fn run(matrix: &Matrix, jobs: NonZeroUsize, hear: &(dyn Fn(Progress<'_>) + Sync)) -> Results {
    let began = Instant::now();
    let cells: Vec<(usize, Cell)> = matrix.cells().into_iter().enumerate().collect();
    let queue = Mutex::new(cells.into_iter());
    let answers = Mutex::new(Vec::new());
    let next = || {
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.next().filter(|_| !matrix.is_interrupted())
    };
    let work = || {
        while let Some((place, cell)) = next() {
            hear(Progress::Asked(&cell));
            let asked = Instant::now();
            let answer = Answer {
                verdict: matrix.ask(&cell),
                cell,
                seconds: asked.elapsed().as_secs_f64(),
            };
            if matrix.is_interrupted() {
                break;
            }
            hear(Progress::Answered(&answer));
            let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
            answers.push((place, answer));
        }
    };
    thread::scope(|scope| {
        for _ in 0..jobs.get() {
            scope.spawn(work);
        }
    });
    let mut answers = answers.into_inner().unwrap_or_else(PoisonError::into_inner);
    answers.sort_by_key(|(place, _)| *place);
    let answers = answers.into_iter().map(|(_, answer)| answer).collect();
    Results::of(matrix, answers, began.elapsed().as_secs_f64())
}
