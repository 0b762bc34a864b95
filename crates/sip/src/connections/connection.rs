//! One connection: what it waits for, and for how long.

use std::net::SocketAddr;

use units::{Instant, soonest};

use super::{
    CONNECT_MAX, FIRST_MESSAGE_MAX, IDLE_MAX, LINGER_MAX, PARTIAL_MAX, STALL_MAX,
    WRITE_OVERHEAD_BYTES,
};
use crate::{Frame, FrameError, StreamFramer};

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    /// The peer opened it.
    pub(super) accepted: bool,
    /// The deadline that stands in the table's schedule.
    pub(super) scheduled: Instant,
    state: State,
    framer: StreamFramer,
    /// Until when the message that has begun must be whole.
    whole_by: Option<Instant>,
    /// What the socket has not taken yet.
    queued_bytes: usize,
    /// How many writes that is.
    queued: usize,
    /// Until when the socket must take something.
    taken_by: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Ours, and not there yet.
    Connecting {
        until: Instant,
    },
    /// The peer's, and no whole message has come.
    Silent {
        until: Instant,
    },
    Open {
        idle_until: Instant,
    },
    /// After a framing error: the answer may still be written, at once.
    Failing {
        at: Instant,
    },
    /// It was; what still comes is not looked at.
    Lingering {
        until: Instant,
    },
}

/// What has taken too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    Connect,
    FirstMessage,
    Partial,
    Stall,
    Idle,
    /// Not the end yet: the answer is out, no more will be written.
    Finish,
    Linger,
}

impl Connection {
    pub(super) fn accepted(now: Instant, local: SocketAddr, remote: SocketAddr) -> Self {
        let until = now + FIRST_MESSAGE_MAX;
        Self::new(local, remote, true, State::Silent { until }, until)
    }

    pub(super) fn connecting(now: Instant, local: SocketAddr, remote: SocketAddr) -> Self {
        let until = now + CONNECT_MAX;
        Self::new(local, remote, false, State::Connecting { until }, until)
    }

    fn new(
        local: SocketAddr,
        remote: SocketAddr,
        accepted: bool,
        state: State,
        scheduled: Instant,
    ) -> Self {
        Self {
            local,
            remote,
            accepted,
            scheduled,
            state,
            framer: StreamFramer::new(),
            whole_by: None,
            queued_bytes: 0,
            queued: 0,
            taken_by: None,
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        let (State::Connecting { until: at }
        | State::Silent { until: at }
        | State::Open { idle_until: at }
        | State::Failing { at }
        | State::Lingering { until: at }) = self.state;
        [self.whole_by, self.stalled_at()].into_iter().fold(Some(at), soonest).unwrap_or(at)
    }

    /// What is due at `now`; something is.
    pub(super) fn overdue(&self, now: Instant) -> Overdue {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        match self.state {
            State::Failing { .. } => Overdue::Finish,
            State::Lingering { .. } => Overdue::Linger,
            State::Connecting { .. } => Overdue::Connect,
            State::Silent { .. } | State::Open { .. } if is_due(self.whole_by) => Overdue::Partial,
            State::Silent { .. } | State::Open { .. } if is_due(self.stalled_at()) => {
                Overdue::Stall
            }
            State::Silent { .. } => Overdue::FirstMessage,
            State::Open { .. } => Overdue::Idle,
        }
    }

    pub(super) fn connected(&mut self, now: Instant) {
        if let State::Connecting { .. } = self.state {
            self.state = State::Open { idle_until: now + IDLE_MAX };
            self.taken_by = (self.queued > 0).then(|| now + STALL_MAX);
        }
    }

    /// Takes bytes and gives what they complete.
    pub(super) fn received(
        &mut self,
        now: Instant,
        bytes: &[u8],
    ) -> Vec<Result<Frame, FrameError>> {
        match self.state {
            State::Failing { .. } | State::Lingering { .. } => return vec![],
            State::Connecting { .. } | State::Silent { .. } | State::Open { .. } => {}
        }
        self.framer.push(bytes);
        let frames: Vec<_> = self.framer.by_ref().collect();
        if frames.iter().any(|frame| matches!(frame, Ok(Frame::Message(_)))) {
            self.state = State::Open { idle_until: now + IDLE_MAX };
            self.whole_by = None;
        }
        self.touch(now);
        // The first byte counts: more of the same message wins no more time.
        self.whole_by =
            if self.framer.is_partial() { self.whole_by.or(Some(now + PARTIAL_MAX)) } else { None };
        frames
    }

    /// What has proved to speak SIP is kept open by any byte, as of a ping.
    fn touch(&mut self, now: Instant) {
        if let State::Open { idle_until } = &mut self.state {
            *idle_until = now + IDLE_MAX;
        }
    }

    /// The stream can be read no further.
    pub(super) fn fail(&mut self, now: Instant) {
        self.state = State::Failing { at: now };
        self.whole_by = None;
    }

    pub(super) fn linger(&mut self, now: Instant) {
        self.state = State::Lingering { until: now + LINGER_MAX };
    }

    pub(super) fn can_write(&self) -> bool {
        match self.state {
            State::Connecting { .. }
            | State::Silent { .. }
            | State::Open { .. }
            | State::Failing { .. } => true,
            State::Lingering { .. } => false,
        }
    }

    pub(super) fn is_connecting(&self) -> bool {
        matches!(self.state, State::Connecting { .. })
    }

    pub(super) fn is_silent(&self) -> bool {
        matches!(self.state, State::Silent { .. })
    }

    /// Counts something that is to be written, and says how much that is now.
    pub(super) fn queue(&mut self, now: Instant, bytes: usize) -> usize {
        self.queued_bytes += bytes;
        self.queued += 1;
        self.taken_by = self.taken_by.or(Some(now + STALL_MAX));
        self.touch(now);
        self.queued_bytes + self.queued * WRITE_OVERHEAD_BYTES
    }

    pub(super) fn written(&mut self, now: Instant, bytes: usize) {
        self.queued_bytes = self.queued_bytes.saturating_sub(bytes);
        if self.queued_bytes == 0 {
            self.queued = 0;
        }
        self.taken_by = (self.queued > 0).then(|| now + STALL_MAX);
    }

    /// While it is not connected, that is what is waited for; while it is closed, the end is.
    fn stalled_at(&self) -> Option<Instant> {
        match self.state {
            State::Silent { .. } | State::Open { .. } => self.taken_by,
            State::Connecting { .. } | State::Failing { .. } | State::Lingering { .. } => None,
        }
    }
}
