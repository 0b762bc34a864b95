//! When the next report is due.

use std::time::Duration;

use units::{Instant, Rng};

/// The transmission timer of one member of a session of two: RFC 3550 §6.3.
///
/// A mixer's leg has one peer, so there are two members and none to reconsider (§6.3.3 never fires): what is
/// left is the minimum interval, halved for the first report, and its randomisation.
#[derive(Debug)]
pub struct Schedule {
    /// RTCP's share of the session, in bytes a second.
    bytes_per_second: f64,
    /// Mean size of the compound packets, lower layers included.
    mean_bytes: f64,
    /// Nothing was sent yet.
    is_initial: bool,
    due: Instant,
}

impl Schedule {
    /// Begins at `now`, in a session of `bits_per_second` of media.
    pub fn new(now: Instant, bits_per_second: u32, rng: &mut Rng) -> Self {
        let mut schedule = Self {
            bytes_per_second: f64::from(bits_per_second.max(1)) / 8.0 * RTCP_SHARE,
            mean_bytes: FIRST_BYTES,
            is_initial: true,
            due: now,
        };
        schedule.due = now + schedule.interval(rng);
        schedule
    }

    /// When the next report is due.
    pub const fn deadline(&self) -> Instant {
        self.due
    }

    /// Whether any report was sent.
    pub const fn has_sent(&self) -> bool {
        !self.is_initial
    }

    /// A report of `bytes`, without the headers of UDP and IP, was sent at `now`.
    pub fn sent(&mut self, now: Instant, bytes: usize, rng: &mut Rng) {
        self.measure(bytes);
        self.is_initial = false;
        self.due = now + self.interval(rng);
    }

    /// A compound packet of `bytes` came: it counts for the mean size (RFC 3550 §6.3.3).
    pub fn measure(&mut self, bytes: usize) {
        let bytes = u16::try_from(bytes.saturating_add(LOWER_LAYERS_BYTES)).unwrap_or(u16::MAX);
        self.mean_bytes += (f64::from(bytes) - self.mean_bytes) / 16.0;
    }

    /// RFC 3550 §6.3.1; among two members the senders are more than a quarter, so all share alike.
    fn interval(&self, rng: &mut Rng) -> Duration {
        let least = if self.is_initial { FIRST_INTERVAL } else { INTERVAL };
        let fair = MEMBERS * self.mean_bytes / self.bytes_per_second;
        let fixed = least.as_secs_f64().max(fair.min(INTERVAL_MAX.as_secs_f64()));
        let random = 0.5 + f64::from(rng.u32()) / 4_294_967_296.0;
        Duration::from_secs_f64(fixed * random / RECONSIDERATION)
    }
}

/// We and the peer.
const MEMBERS: f64 = 2.0;

/// RFC 3550 §6.2.
const RTCP_SHARE: f64 = 0.05;
const INTERVAL: Duration = Duration::from_secs(5);
const FIRST_INTERVAL: Duration = Duration::from_millis(2_500);

/// A session so slow that its share is nothing is still told of every minute.
const INTERVAL_MAX: Duration = Duration::from_secs(60);

/// e - 3/2: makes up for timer reconsideration (RFC 3550 §6.3.1).
const RECONSIDERATION: f64 = 1.218_28;

/// UDP and IPv4; RFC 3550 §6.2 counts them.
const LOWER_LAYERS_BYTES: usize = 28;

/// A sender report with one block and a name of 24 characters, lower layers included.
const FIRST_BYTES: f64 = 28.0 + 52.0 + 36.0;

#[cfg(test)]
mod tests {
    use super::*;

    /// F16 · RFC 3550 §6.3.1: 2.5 s at first, then 5 s, each times 0.5 to 1.5 and divided by 1.21828.
    #[test]
    fn intervals_are_random_within_their_bounds() {
        let mut rng = Rng::from_number(1);
        let (mut first, mut later) = (vec![], vec![]);
        for _ in 0..1_000 {
            let start = Instant::from_millis(1_000);
            let mut schedule = Schedule::new(start, 64_000, &mut rng);
            let at = schedule.deadline();
            first.push(at.since(start).as_secs_f64());
            schedule.sent(at, 88, &mut rng);
            later.push(schedule.deadline().since(at).as_secs_f64());
        }
        for (intervals, mean) in [(first, 2.5 / 1.218_28), (later, 5.0 / 1.218_28)] {
            assert!(intervals.iter().all(|t| (mean * 0.499..mean * 1.501).contains(t)));
            let measured = intervals.iter().sum::<f64>() / 1_000.0;
            assert!((measured - mean).abs() < mean * 0.05, "{measured} against {mean}");
            let low = intervals.iter().filter(|t| **t < mean).count();
            assert!((400..600).contains(&low), "spread evenly: {low}");
        }
    }

    #[test]
    fn a_slow_session_is_told_of_less_often() {
        let mut rng = Rng::from_number(1);
        let start = Instant::ZERO;
        let mut schedule = Schedule::new(start, 640, &mut rng);
        schedule.sent(start, 100, &mut rng);
        // 4 bytes a second for two members of some 117 bytes: 58 s.
        let interval = schedule.deadline().since(start);
        assert!(interval > Duration::from_secs(20), "{interval:?}");
    }
}
