//! The monotonic clock, and a timer on it.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use units::Instant;

/// Reads the clock that [`Timer`] goes by: nanoseconds since the machine was started.
pub(crate) fn now() -> Instant {
    // It fails only for a clock that does not exist.
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC);
    time.map_or(Instant::ZERO, |time| Instant::ZERO + Duration::from(time))
}

/// Becomes readable at a moment, or never.
pub(crate) struct Timer {
    fd: TimerFd,
    armed: Option<Instant>,
}

impl Timer {
    pub(crate) fn new() -> Result<Self, Errno> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        Ok(Self { fd: TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?, armed: None })
    }

    /// Sets the moment. An absolute one: what the work before it took does not shift it.
    pub(crate) fn set(&mut self, at: Option<Instant>) -> Result<(), Errno> {
        if at == self.armed {
            return Ok(());
        }
        match at {
            Some(at) => {
                // Zero would disarm it; the moment is long past anyway.
                let since_zero = at.since(Instant::ZERO).max(Duration::from_nanos(1));
                let expiration = Expiration::OneShot(TimeSpec::from_duration(since_zero));
                self.fd.set(expiration, TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
            }
            None => self.fd.unset()?,
        }
        self.armed = at;
        Ok(())
    }

    /// Takes note that it went off: it is not readable any more, and must be set anew.
    pub(crate) fn went_off(&mut self) -> Result<(), Errno> {
        self.fd.unset()?;
        self.armed = None;
        Ok(())
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
