//! Whose turn it is to send.

use std::time::Duration;

use units::Instant;

/// The legs that send, in the order of their places in the packet time, round after round.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// (place in the packet time, leg), ascending.
    places: Vec<(Duration, usize)>,
    ptime: Duration,
    /// When the current round began.
    round: Instant,
    next: usize,
}

impl Schedule {
    /// The first round begins at `start`.
    pub(crate) fn new(start: Instant, ptime: Duration, mut places: Vec<(Duration, usize)>) -> Self {
        places.sort_unstable();
        Self { places, ptime, round: start, next: 0 }
    }

    /// The next leg whose time has come by `now`, and when that was.
    pub(crate) fn take(&mut self, now: Instant) -> Option<(Instant, usize)> {
        let (place, leg) = *self.places.get(self.next)?;
        let due = self.round + place;
        if due > now {
            return None;
        }
        self.next += 1;
        if self.next == self.places.len() {
            self.next = 0;
            self.round += self.ptime;
        }
        Some((due, leg))
    }

    /// Leaves out the rounds that are overdue by more than `most`; says how many packets they were.
    pub(crate) fn leave_out(&mut self, now: Instant, most: Duration) -> u64 {
        let mut rounds = 0;
        while now.since(self.round) > most {
            self.round += self.ptime;
            rounds += 1;
        }
        rounds * u64::try_from(self.places.len()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn each_has_its_turn_in_each_round() {
        let start = Instant::from_millis(100);
        let mut schedule = Schedule::new(start, ms(20), vec![(ms(15), 1), (ms(5), 0)]);
        assert_eq!(schedule.take(start), None);
        assert_eq!(schedule.take(start + ms(5)), Some((start + ms(5), 0)));
        assert_eq!(schedule.take(start + ms(14)), None);
        assert_eq!(schedule.take(start + ms(26)), Some((start + ms(15), 1)));
        assert_eq!(schedule.take(start + ms(26)), Some((start + ms(25), 0)));
        assert_eq!(schedule.take(start + ms(26)), None);
    }

    #[test]
    fn who_is_too_late_leaves_rounds_out_and_says_so() {
        let start = Instant::from_millis(100);
        let mut schedule = Schedule::new(start, ms(20), vec![(ms(0), 0), (ms(1), 1)]);
        assert_eq!(schedule.leave_out(start + ms(100), ms(100)), 0);
        assert_eq!(schedule.leave_out(start + ms(150), ms(100)), 6);
        assert_eq!(schedule.take(start + ms(150)), Some((start + ms(60), 0)));
    }

    #[test]
    fn nobody_has_no_turn() {
        assert_eq!(
            Schedule::new(Instant::ZERO, ms(20), vec![]).take(Instant::from_millis(9)),
            None
        );
    }
}
