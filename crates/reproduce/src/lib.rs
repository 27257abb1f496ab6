//! Builds packages again, by one runtime or several, compares what came out with what is recorded and with one
//! another, and keeps every attempt in the ledger.
//!
//! Each runtime has outputs of its own, in `out/.stagex/reproduced/`: nothing that a user has built is touched. It does
//! not know how one image is built, nor how things are printed.

mod adopt;
mod bootstrap;
mod error;
mod origin;
mod outcome;
mod plan;
mod recorder;
mod reproduce;
mod rounds;
mod session;

pub use adopt::{Adopted, adopt};
pub use bootstrap::{Proven, ProvenPackage, TO_PROVE, bootstrap_plan, bootstrap_stays};
pub use error::Error;
pub use origin::{Missing, Origin, RecordedImages, find_recorded, name_of_pulled, put_together};
pub use outcome::{Image, OfRuntime, Outcome, Report, assumed};
pub use plan::requested_only;
pub use reproduce::{Job, Runtime, reproduce};
pub use session::{Request, Session};
