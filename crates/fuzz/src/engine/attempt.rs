//! One input, and what can go wrong with it.

use std::cell::RefCell;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::{Target, Trail};

/// The most time of the processor that one input may take. The longest inputs are 64 KiB, and reading one takes some
/// milliseconds without optimisation: what takes longer than this does more than go through it once.
pub const CPU_MAX: Duration = Duration::from_secs(2);

/// How an input broke a promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The target panicked: an assertion of its own, or the code under it.
    Panic {
        /// What it said, and where.
        message: String,
    },
    /// It took longer than [`CPU_MAX`].
    Slow {
        /// How long.
        took: Duration,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panic { message } => f.write_str(message),
            Self::Slow { took } => write!(f, "{took:?} of the processor for one input"),
        }
    }
}

/// Feeds the target once.
///
/// # Errors
/// [`Failure`]: a promise is broken.
pub fn attempt(target: &Target, input: &[u8]) -> Result<Trail, Failure> {
    let mut trail = Trail::new();
    follow(target, input, &mut trail).map(|()| trail)
}

/// As [`attempt`], with a trail that is there afterwards whatever happened.
///
/// # Errors
/// [`Failure`]: a promise is broken.
pub fn follow(target: &Target, input: &[u8], trail: &mut Trail) -> Result<(), Failure> {
    let start = cpu_time();
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| (target.run)(input, trail)));
    let took = cpu_time().saturating_sub(start);
    match outcome {
        Ok(()) if took <= CPU_MAX => Ok(()),
        Ok(()) => Err(Failure::Slow { took }),
        Err(payload) => {
            let told = LAST_PANIC.take();
            let text = payload.downcast_ref::<String>().cloned();
            let text = text.or_else(|| payload.downcast_ref::<&str>().map(|it| (*it).to_owned()));
            let message = told.or(text).unwrap_or_else(|| "a panic without words".to_owned());
            Err(Failure::Panic { message })
        }
    }
}

/// What the processor has spent on this thread.
pub fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

thread_local! {
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// From now on a panic of this process says nothing by itself: [`attempt`] tells it, with its place.
pub fn quiet_panics() {
    panic::set_hook(Box::new(|info| LAST_PANIC.set(Some(info.to_string()))));
}
