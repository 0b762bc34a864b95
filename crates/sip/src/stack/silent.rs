//! Next hops that say nothing: the client's half of RFC 7339 §5.9.
//!
//! A place of which several requests in a row had no answer at all gets no new ones. From time to time one is let through, to
//! see whether it is there again, after pauses that double. Any answer from there, and it gets everything as before.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use units::Instant;

use crate::txn::{T1, T2, TRANSACTION_TIMEOUT};

/// The most places that are remembered, as many as a large site has phones. When full, the one that failed longest ago may have
/// everything again.
const PLACES_MAX: usize = 1_024;

/// So many requests in a row without any answer, and the place gets no new ones. One gets lost, and the next may fall into the
/// same restart of the peer.
const FAILURES_MAX: u8 = 3;

/// What fails within this time has one cause: a connection that breaks takes with it all that was on it.
const ONE_CAUSE: Duration = T1;

/// How long nothing new goes there, at first and at most (§5.9: an exponential back-off). At most: as long as a person tries
/// again; a request each minute overloads nobody.
const PAUSE_MIN: Duration = T2;
const PAUSE_MAX: Duration = Duration::from_secs(64);

/// After so long without another failure, it is as if there had been none.
const REMEMBERED_FOR: Duration = Duration::from_secs(600);

/// Places that have not answered (told apart by RFC 7339 §5.4).
#[derive(Debug, Default)]
pub(super) struct Silent(BTreeMap<SocketAddr, Silence>);

#[derive(Debug)]
struct Silence {
    state: State,
    failed_at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// So many in a row had no answer.
    Doubted { failures: u8 },
    /// Nothing new goes there before `probe_at`.
    Stopped { pause: Duration, probe_at: Instant },
    /// One request is under way to see if somebody is there. By `until` it has failed, or its owner has lost it.
    Probing { pause: Duration, until: Instant },
}

impl Silent {
    /// Something has come from there in answer to a request.
    pub(super) fn answered(&mut self, place: SocketAddr) {
        self.0.remove(&place);
    }

    /// A request to this place had no answer at all, or could not be sent.
    pub(super) fn failed(&mut self, now: Instant, place: SocketAddr) {
        let known = self.0.get(&place).filter(|it| now.since(it.failed_at) < REMEMBERED_FOR);
        let (state, failed_at) = match known {
            None => (State::Doubted { failures: 1 }, now),
            Some(Silence { state, failed_at }) => match *state {
                State::Doubted { .. } if now.since(*failed_at) < ONE_CAUSE => return,
                State::Doubted { failures } if failures + 1 < FAILURES_MAX => {
                    (State::Doubted { failures: failures + 1 }, now)
                }
                State::Doubted { .. } => (State::stopped(now, PAUSE_MIN), now),
                // Sent before; or in a dialog.
                state @ State::Stopped { .. } => (state, now),
                State::Probing { pause, .. } => {
                    (State::stopped(now, (2 * pause).min(PAUSE_MAX)), now)
                }
            },
        };
        self.0.insert(place, Silence { state, failed_at });
        if self.0.len() > PLACES_MAX
            && let Some(first) = self.0.iter().min_by_key(|(_, it)| it.failed_at)
        {
            let first = *first.0;
            self.0.remove(&first);
        }
    }

    /// Whether one more new request goes there; maybe as the one that shows if somebody is there again.
    pub(super) fn lets_go(&mut self, now: Instant, place: SocketAddr) -> bool {
        let Some(Silence { state, failed_at }) = self.0.get_mut(&place) else { return true };
        if now.since(*failed_at) >= REMEMBERED_FOR {
            self.0.remove(&place);
            return true;
        }
        match *state {
            State::Doubted { .. } => true,
            State::Stopped { pause, probe_at: at } | State::Probing { pause, until: at } => {
                let goes = at <= now;
                if goes {
                    *state = State::Probing { pause, until: now + TRANSACTION_TIMEOUT + T1 };
                }
                goes
            }
        }
    }
}

impl State {
    fn stopped(now: Instant, pause: Duration) -> Self {
        Self::Stopped { pause, probe_at: now + pause }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn the_table_is_bounded_and_whoever_failed_longest_ago_makes_room() {
        let mut silent = Silent::default();
        let place = |n: u16| SocketAddr::new(Ipv4Addr::LOCALHOST.into(), n);
        for n in 0..1_030 {
            silent.failed(Instant::from_millis(n.into()), place(n));
        }
        assert_eq!(silent.0.len(), PLACES_MAX);
        assert!(silent.0.keys().eq((6..1_030).map(place).collect::<Vec<_>>().iter()));
    }
}
