//! The history of a tree: which commits of a range touch its packages, who has signed each of them, and who has merged it.
//!
//! Nothing that git says of commits is believed: their bytes are compared with their names, and parents are followed from
//! one to the other here. It does not know what is in a package, nor how anything is printed.

mod changes;
mod commit;
mod error;
mod graph;
mod judged;
mod last;
mod merge;
mod range;

pub use error::Error;
pub use judged::{Change, History, Merged, judge};
pub use last::{last, parents};
pub use range::Range;
