//! What was asked, and what was refused.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use units::Tally;

use super::problem::Problem;

/// Counts, shared by all connections. Whoever holds it does nothing else meanwhile.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts(Arc<Mutex<HttpFigures>>);

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HttpFigures {
    /// Requests by operation of the interface: as many as there are, and one more for what is none.
    pub(crate) requests: BTreeMap<&'static str, u64>,
    /// Of these, those that were refused.
    pub(crate) refused: Tally<Problem>,
    /// Who reads events just now.
    pub(crate) readers: u64,
    /// Readers of events who were too slow, and were let go.
    pub(crate) readers_dropped: u64,
}

impl Counts {
    pub(crate) fn read(&self) -> HttpFigures {
        self.with(|figures| figures.clone())
    }

    pub(crate) fn request(&self, operation: &'static str, refused: Option<Problem>) {
        self.with(|figures| {
            *figures.requests.entry(operation).or_default() += 1;
            if let Some(problem) = refused {
                figures.refused.count(problem);
            }
        });
    }

    /// One more reader of events, if there may be one.
    pub(crate) fn reader(&self, most: u64) -> Option<Reader> {
        self.with(|figures| {
            let fits = figures.readers < most;
            figures.readers += u64::from(fits);
            fits.then(|| Reader(self.clone()))
        })
    }

    pub(crate) fn reader_dropped(&self) {
        self.with(|figures| figures.readers_dropped += 1);
    }

    fn with<T>(&self, what: impl FnOnce(&mut HttpFigures) -> T) -> T {
        // Plain numbers are whole whatever struck.
        what(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A reader of events; gone when dropped.
#[derive(Debug)]
pub(crate) struct Reader(Counts);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.with(|figures| figures.readers -= 1);
    }
}
