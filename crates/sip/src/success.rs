//! The 2xx to an INVITE, sent again and again until its ACK comes.
//!
//! Neither the transaction nor the transport does this, because the ACK comes end to end: the user
//! that answered 2xx does, over every transport (RFC 3261 §13.3.1.4).

use units::{Instant, soonest};

use crate::{T1, T2, TRANSACTION_TIMEOUT};

/// Says when to send a 2xx again, and when to give up.
///
/// A leaf: make it when the 2xx has gone out for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuccessRetransmit {
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unacknowledged { again_at: Instant, interval: std::time::Duration, give_up_at: Instant },
    Over,
}

/// What to do about a 2xx now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SuccessAction {
    /// Not yet, or no more.
    Nothing,
    /// Send it again ([`Stack::resend_success`](crate::Stack::resend_success)).
    Again,
    /// No ACK in 64·T1: the dialog is confirmed all the same, the session ends with a BYE.
    GiveUp,
}

impl SuccessRetransmit {
    /// Starts to wait for the ACK to a 2xx that was sent at `now`.
    pub fn new(now: Instant) -> Self {
        Self {
            state: State::Unacknowledged {
                again_at: now + T1,
                interval: T1,
                give_up_at: now + TRANSACTION_TIMEOUT,
            },
        }
    }

    /// The ACK came, or the session is over: nothing is sent any more.
    pub fn acked(&mut self) {
        self.state = State::Over;
    }

    /// Whether the ACK is still awaited: until then the side that answered sends no BYE
    /// (RFC 3261 §15).
    pub fn is_waiting(&self) -> bool {
        match self.state {
            State::Unacknowledged { .. } => true,
            State::Over => false,
        }
    }

    /// When to call [`Self::handle_deadline`] next.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Unacknowledged { again_at, give_up_at, .. } => {
                soonest(Some(again_at), Some(give_up_at))
            }
            State::Over => None,
        }
    }

    /// Says what is due at `now`.
    pub fn handle_deadline(&mut self, now: Instant) -> SuccessAction {
        let State::Unacknowledged { again_at, interval, give_up_at } = self.state else {
            return SuccessAction::Nothing;
        };
        if now >= give_up_at {
            self.state = State::Over;
            return SuccessAction::GiveUp;
        }
        if now < again_at {
            return SuccessAction::Nothing;
        }
        // RFC 3261 §13.3.1.4: from T1, doubling up to T2.
        let interval = (interval * 2).min(T2);
        self.state = State::Unacknowledged { again_at: now + interval, interval, give_up_at };
        SuccessAction::Again
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs to the end; the times of the copies, then the time of giving up.
    fn run(mut retransmit: SuccessRetransmit) -> (Vec<u64>, Option<u64>) {
        let mut copies = vec![];
        while let Some(at) = retransmit.deadline() {
            match retransmit.handle_deadline(at) {
                SuccessAction::Again => copies.push(at.as_millis()),
                SuccessAction::GiveUp => return (copies, Some(at.as_millis())),
                SuccessAction::Nothing => panic!("a deadline with nothing due"),
            }
        }
        (copies, None)
    }

    /// A15 · RFC 3261 §13.3.1.4
    #[test]
    fn success_is_sent_again_from_t1_up_to_t2_and_given_up_after_64_t1() {
        let (copies, gave_up) = run(SuccessRetransmit::new(Instant::ZERO));
        assert_eq!(
            copies,
            [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]
        );
        assert_eq!(gave_up, Some(32_000));
    }

    /// A15 · RFC 3261 §13.3.1.4
    #[test]
    fn an_ack_ends_the_copies() {
        let mut retransmit = SuccessRetransmit::new(Instant::ZERO);
        let early = retransmit.handle_deadline(Instant::from_millis(499));
        assert_eq!(early, SuccessAction::Nothing);
        assert_eq!(retransmit.handle_deadline(Instant::from_millis(500)), SuccessAction::Again);
        assert!(retransmit.is_waiting());
        retransmit.acked();
        assert!(!retransmit.is_waiting());
        assert_eq!(retransmit.deadline(), None);
        let late = retransmit.handle_deadline(Instant::from_millis(40_000));
        assert_eq!(late, SuccessAction::Nothing);
    }
}
