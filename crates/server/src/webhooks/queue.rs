//! What is sent to one receiver when: one event at a time, in order, again after a while.

use std::collections::VecDeque;
use std::time::Duration;

use units::{Instant, Rng, Tally};

use super::{HookFailure, HookLost};

/// Events that wait for one receiver, at some 500 bytes each on the disk. With so many it has been away for long; what
/// happens then is lost and counted, not what came first: the receiver can ask for the present, not for the past.
pub(super) const SPOOL_MAX: usize = 50_000;

/// The first pause after a failure; each that follows is twice as long.
const PAUSE: Duration = Duration::from_secs(1);

/// No pause is longer: whoever is back wants to know soon.
const PAUSE_MAX: Duration = Duration::from_secs(15 * 60);

/// Nor one that the receiver asks for by `Retry-After`.
const ASKED_MAX: Duration = Duration::from_secs(3_600);

/// How soon the disk is asked again what it could not say.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// How old an event may become. What is told a day late is of no use.
const AGE_MAX: Duration = Duration::from_secs(24 * 3_600);

/// An event in the spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    /// Its number: each greater than those before.
    pub(super) number: u64,
    /// When it happened, microseconds since 1970.
    pub(super) unix_micros: u64,
}

/// What came of posting one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// 2xx.
    Delivered,
    /// 410.
    Gone,
    /// Anything else.
    Failed {
        cause: HookFailure,
        /// In words.
        why: String,
        /// How long the receiver wants to be left alone.
        after: Option<Duration>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The next may go.
    Ready,
    /// The first is on its way.
    Sending,
    /// The first goes again then.
    Resting(Instant),
    /// The receiver wants nothing any more.
    Gone,
}

/// The events for one receiver.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: VecDeque<Waiting>,
    state: State,
    /// Failures of the first, and of those before it that were given up, in a row.
    failures: u32,
    why: Option<String>,
    delivered: u64,
    failed: Tally<HookFailure>,
    lost: Tally<HookLost>,
    rng: Rng,
}

impl Queue {
    /// With what waited before, in order.
    pub(super) fn new(waiting: VecDeque<Waiting>, rng: Rng) -> Self {
        Self {
            waiting,
            state: State::Ready,
            failures: 0,
            why: None,
            delivered: 0,
            failed: Tally::default(),
            lost: Tally::default(),
            rng,
        }
    }

    /// Whether there is place for so many more; if not, that one is lost is counted.
    pub(super) fn admits(&mut self, more: usize) -> bool {
        let cause = match self.state {
            State::Gone => HookLost::Gone,
            State::Ready | State::Sending | State::Resting(_)
                if self.waiting.len() + more > SPOOL_MAX =>
            {
                HookLost::SpoolFull
            }
            State::Ready | State::Sending | State::Resting(_) => return true,
        };
        self.lost.count(cause);
        false
    }

    /// One more is in the spool.
    pub(super) fn accept(&mut self, one: Waiting) {
        self.waiting.push_back(one);
    }

    /// One could not be put there.
    pub(super) fn lose(&mut self, cause: HookLost) {
        self.lost.count(cause);
    }

    /// The number of the event that is to be sent now.
    pub(super) fn next(&mut self, now: Instant) -> Option<u64> {
        let is_due = match self.state {
            State::Ready => true,
            State::Resting(until) => until <= now,
            State::Sending | State::Gone => false,
        };
        let first = self.waiting.front().filter(|_| is_due)?;
        self.state = State::Sending;
        Some(first.number)
    }

    /// When there is something to do again; `None`: when something happens.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Resting(until) => Some(until),
            State::Ready | State::Sending | State::Gone => None,
        }
    }

    /// The first was sent, and this came of it. Gives those that are to leave the spool.
    pub(super) fn done(
        &mut self,
        now: Instant,
        unix_micros: u64,
        number: u64,
        outcome: Outcome,
    ) -> Vec<u64> {
        // It may have been sent for a receiver of this name that was taken out of the configuration meanwhile.
        let is_ours = self.waiting.front().is_some_and(|first| first.number == number);
        if self.state != State::Sending || !is_ours {
            return Vec::new();
        }
        match outcome {
            Outcome::Delivered => {
                self.delivered += 1;
                (self.failures, self.why, self.state) = (0, None, State::Ready);
                self.waiting.pop_front().map(|it| it.number).into_iter().collect()
            }
            Outcome::Gone => {
                self.why = Some("410: it wants nothing any more".to_owned());
                self.state = State::Gone;
                self.give_up(HookLost::Gone, |_| true)
            }
            Outcome::Failed { cause, why, after } => {
                self.failed.count(cause);
                self.failures = self.failures.saturating_add(1);
                self.why = Some(why);
                self.state = State::Resting(now + self.pause(after));
                let oldest = unix_micros.saturating_sub(micros(AGE_MAX));
                self.give_up(HookLost::Expired, |it| it.unix_micros < oldest)
            }
        }
    }

    /// The disk does not say what is to be sent: it is asked again.
    pub(super) fn put_off(&mut self, now: Instant) {
        self.state = State::Resting(now + READ_AGAIN);
    }

    /// What could not be read back is not there any more: as if it had been given up.
    pub(super) fn skip(&mut self) -> Option<u64> {
        self.state = State::Ready;
        self.lost.count(HookLost::SpoolWrite);
        self.waiting.pop_front().map(|it| it.number)
    }

    /// It is asked again at once: its configuration was read anew.
    pub(super) fn wake(&mut self) {
        self.state = match self.state {
            State::Sending => State::Sending,
            State::Ready | State::Resting(_) | State::Gone => State::Ready,
        };
    }

    /// The events that wait, in order.
    pub(super) fn waiting(&self) -> &VecDeque<Waiting> {
        &self.waiting
    }

    pub(super) fn figures(&self, url: &str) -> super::HookFigures {
        super::HookFigures {
            url: url.to_owned(),
            waiting: u64::try_from(self.waiting.len()).unwrap_or(u64::MAX),
            oldest: self.waiting.front().map_or(0, |it| it.unix_micros),
            delivered: self.delivered,
            failed: self.failed.clone(),
            lost: self.lost.clone(),
            failures: self.failures,
            why: self.why.clone(),
        }
    }

    fn give_up(&mut self, cause: HookLost, is_it: impl Fn(&Waiting) -> bool) -> Vec<u64> {
        let (lost, left): (Vec<Waiting>, Vec<Waiting>) =
            self.waiting.iter().partition(|it| is_it(it));
        self.waiting = left.into();
        lost.iter().for_each(|_| self.lost.count(cause));
        lost.iter().map(|it| it.number).collect()
    }

    /// Between half and the whole of what doubles: those whom one outage has stopped do not come back in step.
    fn pause(&mut self, asked: Option<Duration>) -> Duration {
        let doubled = PAUSE.saturating_mul(1 << self.failures.saturating_sub(1).min(16));
        let half = micros(doubled.min(PAUSE_MAX)) / 2;
        let pause = Duration::from_micros(half + self.rng.below(half + 1));
        asked.map_or(pause, |asked| pause.max(asked.min(ASKED_MAX)))
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000_000;

    fn queue(numbers: impl IntoIterator<Item = u64>) -> Queue {
        let waiting = numbers.into_iter().map(|number| Waiting { number, unix_micros: number });
        Queue::new(waiting.collect(), Rng::from_number(7))
    }

    fn done(queue: &mut Queue, now: Instant, unix_micros: u64, outcome: Outcome) -> Vec<u64> {
        let first = queue.waiting.front().expect("one waits").number;
        queue.done(now, unix_micros, first, outcome)
    }

    fn failed(after: Option<u64>) -> Outcome {
        let after = after.map(Duration::from_secs);
        Outcome::Failed { cause: HookFailure::Timeout, why: "late".to_owned(), after }
    }

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn one_goes_at_a_time_in_order_and_the_first_again_until_it_is_there() {
        let mut queue = queue([1, 2]);
        assert_eq!(queue.next(at(0)), Some(1));
        queue.accept(Waiting { number: 3, unix_micros: 3 });
        assert_eq!((queue.next(at(0)), queue.deadline()), (None, None), "it is on its way");
        assert_eq!(done(&mut queue, at(0), 0, failed(None)), [0; 0]);
        assert_eq!(queue.next(at(0)), None, "it rests");
        let again = queue.deadline().expect("it is tried again");
        assert!(at(500) <= again && again <= at(1_000), "{again:?}");
        assert_eq!(queue.next(again), Some(1), "the same, and not the next");
        assert_eq!(queue.done(again, 0, 2, Outcome::Delivered), [0; 0], "that was another");
        assert_eq!(done(&mut queue, again, 0, Outcome::Delivered), [1]);
        for number in [2, 3] {
            assert_eq!(queue.next(again), Some(number));
            assert_eq!(done(&mut queue, again, 0, Outcome::Delivered), [number]);
        }
        assert_eq!(queue.next(again), None);
        let figures = queue.figures("u");
        assert_eq!((figures.waiting, figures.delivered, figures.failures), (0, 3, 0));
        assert_eq!((figures.failed.of(HookFailure::Timeout), figures.why), (1, None));
    }

    /// Twice as long each time, a quarter of an hour at most, and never in step with others.
    #[test]
    fn pauses_grow_to_their_limit_and_differ() {
        let pauses = |seed| {
            let waiting = [Waiting { number: 1, unix_micros: 0 }];
            let mut queue = Queue::new(waiting.into(), Rng::from_number(seed));
            let mut now = at(0);
            let mut pause = || {
                assert_eq!(queue.next(now), Some(1));
                done(&mut queue, now, 0, failed(None));
                let until = queue.deadline().expect("a deadline");
                let pause = until.since(now);
                now = until;
                pause
            };
            (0..40).map(|_| pause()).collect::<Vec<_>>()
        };
        let (one, other) = (pauses(1), pauses(2));
        for (at, pause) in one.iter().enumerate() {
            let whole = PAUSE.saturating_mul(1 << at.min(16)).min(PAUSE_MAX);
            assert!(whole / 2 <= *pause && *pause <= whole, "{at}: {pause:?}");
        }
        assert_ne!(one, other);
        // It goes on for a day: a pause of a quarter of an hour is no end.
        assert!(one.iter().all(|pause| *pause <= PAUSE_MAX));
    }

    #[test]
    fn a_receiver_may_ask_for_time_within_bounds() {
        let mut queue = queue([1]);
        queue.next(at(0));
        done(&mut queue, at(0), 0, failed(Some(30)));
        assert_eq!(queue.deadline(), Some(at(30_000)));
        assert_eq!(queue.next(at(30_000)), Some(1));
        done(&mut queue, at(0), 0, failed(Some(1_000_000)));
        assert_eq!(queue.deadline(), Some(at(3_600_000)), "an hour at most");
    }

    /// After a day it is given up, with all that is as old; what is younger goes on.
    #[test]
    fn what_cannot_be_delivered_for_a_day_is_given_up_and_counted() {
        let mut queue = queue([1, 2, 2 * HOUR]);
        queue.next(at(0));
        assert_eq!(done(&mut queue, at(0), 24 * HOUR, failed(None)), [0; 0], "a day is not over");
        let now = queue.deadline().expect("again");
        assert_eq!(queue.next(now), Some(1));
        assert_eq!(done(&mut queue, now, 25 * HOUR, failed(None)), [1, 2]);
        let now = queue.deadline().expect("again");
        assert_eq!(queue.next(now), Some(2 * HOUR));
        assert_eq!(queue.figures("u").lost.of(HookLost::Expired), 2);
        // What is old but can be delivered is.
        assert_eq!(done(&mut queue, now, 99 * HOUR, Outcome::Delivered), [2 * HOUR]);
    }

    #[test]
    fn a_full_spool_loses_the_newest_and_counts_it() {
        let most = u64::try_from(SPOOL_MAX).expect("a number");
        let mut queue = queue(1..most);
        assert!(queue.admits(1) && !queue.admits(2));
        queue.accept(Waiting { number: most, unix_micros: 0 });
        assert!(!queue.admits(1));
        assert_eq!(queue.figures("u").lost.of(HookLost::SpoolFull), 2);
        assert_eq!(queue.next(at(0)), Some(1), "the first is still there");
    }

    #[test]
    fn who_says_410_gets_nothing_more_until_the_configuration_is_read_again() {
        let mut queue = queue([1, 2]);
        queue.next(at(0));
        assert_eq!(done(&mut queue, at(0), 0, Outcome::Gone), [1, 2]);
        assert!(!queue.admits(1));
        assert_eq!((queue.next(at(99)), queue.deadline()), (None, None));
        assert_eq!(queue.figures("u").lost.of(HookLost::Gone), 3);
        queue.wake();
        assert!(queue.admits(1));
        queue.accept(Waiting { number: 3, unix_micros: 0 });
        assert_eq!(queue.next(at(99)), Some(3));
        queue.wake();
        assert_eq!(queue.next(at(99)), None, "what is on its way is not sent twice");
    }
}
