//! `--records`: one line of JSON for each leg and each conference that is over.
//!
//! - `line`: what stands in it ([docs/RECORDS.md](../../../../docs/RECORDS.md))
//! - `writer`: a thread that appends
//!
//! **Invariant:** no call waits for the disk, and no record is lost without being counted.

mod line;
mod rfc3339;
mod writer;

pub(crate) use self::line::{Moment, line};
pub use self::rfc3339::rfc3339;
pub use self::writer::RecordsTo;
pub(crate) use self::writer::{RecordLost, Writer};
