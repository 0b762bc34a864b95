//! How often PINs may be guessed.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use units::Instant;

/// Wrong PINs of a conference, of late.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Guesses {
    /// Of all callers. At least as many as of all sources together.
    all: Window,
    /// By where the calls come from: at most [`GUESSES_MAX`], since each has made one of those.
    by_source: BTreeMap<IpAddr, Window>,
}

/// So many, which count until then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Window {
    until: Option<Instant>,
    count: u32,
}

/// Wrong PINs of late, as they are kept: a new process, or another node, does not forget them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrongPins {
    /// From there; `None`: in all.
    pub source: Option<IpAddr>,
    /// So many.
    pub count: u32,
    /// For so long they count.
    pub left: Duration,
}

impl Window {
    fn count(&self, now: Instant) -> u32 {
        if self.until.is_some_and(|until| now < until) { self.count } else { 0 }
    }

    fn note(&mut self, now: Instant) {
        match self.count(now) {
            0 => *self = Self { until: Some(now + GUESSES_WITHIN), count: 1 },
            count => self.count = count.saturating_add(1),
        }
    }

    fn over(&self, now: Instant, most: u32) -> Option<Duration> {
        let until = self.until.filter(|_| self.count(now) >= most)?;
        Some(until.since(now))
    }

    fn kept(&self, now: Instant, source: Option<IpAddr>) -> Option<WrongPins> {
        let until = self.until.filter(|until| now < *until)?;
        Some(WrongPins { source, count: self.count, left: until.since(now) })
    }

    fn restored(now: Instant, kept: &WrongPins) -> Self {
        Self { until: Some(now + kept.left.min(GUESSES_WITHIN)), count: kept.count }
    }
}

impl Guesses {
    /// Until when nobody there may try, if there were too many: there, or of all.
    pub(crate) fn are_over(&self, now: Instant, source: IpAddr) -> Option<Duration> {
        let there = self.by_source.get(&source.to_canonical());
        let there = there.and_then(|window| window.over(now, GUESSES_OF_SOURCE_MAX));
        there.or_else(|| self.all.over(now, GUESSES_MAX))
    }

    pub(crate) fn note(&mut self, now: Instant, source: IpAddr) {
        self.all.note(now);
        self.by_source.retain(|_, window| window.count(now) > 0);
        if self.by_source.len() < GUESSES_MAX as usize {
            self.by_source.entry(source.to_canonical()).or_default().note(now);
        }
    }

    /// What of it still counts: first those of all sources.
    pub(crate) fn kept(&self, now: Instant) -> Vec<WrongPins> {
        let by_source = self.by_source.iter();
        let by_source = by_source.filter_map(|(source, window)| window.kept(now, Some(*source)));
        self.all.kept(now, None).into_iter().chain(by_source).collect()
    }

    /// The same elsewhere. What is too much of it is left out.
    pub(crate) fn restored(now: Instant, kept: &[WrongPins]) -> Self {
        let mut guesses = Self::default();
        for it in kept {
            let window = Window::restored(now, it);
            match it.source {
                None => guesses.all = window,
                Some(source) if guesses.by_source.len() < GUESSES_MAX as usize => {
                    guesses.by_source.insert(source.to_canonical(), window);
                }
                Some(_) => {}
            }
        }
        guesses
    }
}

/// How long a wrong PIN counts.
const GUESSES_WITHIN: Duration = Duration::from_secs(600);

/// Wrong PINs from one address within that: three calls. Who is in an office with somebody who mistypes waits with him.
const GUESSES_OF_SOURCE_MAX: u32 = 9;

/// Wrong PINs of one conference within that: a PIN of six digits stands for months.
const GUESSES_MAX: u32 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_pins_are_counted_by_source_and_in_all_and_forgotten() {
        let at = |seconds: u64| Instant::from_millis(1_000 * seconds);
        let source = |n: u8| IpAddr::from([192, 0, 2, n]);
        let mut guesses = Guesses::default();
        for n in 0..GUESSES_OF_SOURCE_MAX {
            assert_eq!(guesses.are_over(at(1), source(1)), None, "{n}");
            guesses.note(at(1), source(1));
        }
        assert_eq!(guesses.are_over(at(2), source(1)), Some(Duration::from_secs(599)));
        assert!(guesses.are_over(at(2), "::ffff:192.0.2.1".parse().unwrap()).is_some());
        assert_eq!(guesses.are_over(at(2), source(2)), None, "others may");
        for n in 0..GUESSES_MAX {
            guesses.note(at(3), source(u8::try_from(n).unwrap()));
        }
        assert!(guesses.are_over(at(4), source(200)).is_some(), "nobody may any more");
        assert!(guesses.by_source.len() <= GUESSES_MAX as usize);
        assert_eq!(guesses.are_over(at(604), source(1)), None);
        guesses.note(at(604), source(9));
        assert_eq!(guesses.by_source.len(), 1);
    }

    /// On a clock that has just begun, too.
    #[test]
    fn what_was_guessed_counts_elsewhere_for_as_long_as_it_would_have_here() {
        let at = |seconds: u64| Instant::from_millis(1_000 * seconds);
        let eve = IpAddr::from([192, 0, 2, 1]);
        let mut guesses = Guesses::default();
        assert_eq!(guesses.kept(at(1)), []);
        (0..8).for_each(|_| guesses.note(at(5_000), eve));
        let kept = guesses.kept(at(5_400));
        let left = Duration::from_secs(200);
        assert_eq!(kept, [None, Some(eve)].map(|source| WrongPins { source, count: 8, left }));
        let mut there = Guesses::restored(at(1), &kept);
        assert_eq!(there.are_over(at(1), eve), None, "one more");
        there.note(at(1), eve);
        assert_eq!(there.are_over(at(1), eve), Some(left));
        assert_eq!(there.are_over(at(201), eve), None);
        assert_eq!(guesses.kept(at(5_600)), []);
    }

    #[test]
    fn no_more_is_taken_over_than_is_kept() {
        let many = |n: u8| WrongPins {
            source: Some(IpAddr::from([192, 0, 2, n])),
            count: u32::MAX,
            left: Duration::MAX,
        };
        let now = Instant::from_millis(1_000);
        let guesses = Guesses::restored(now, &(0..200).map(many).collect::<Vec<_>>());
        assert_eq!(guesses.by_source.len(), GUESSES_MAX as usize);
        assert_eq!(guesses.are_over(now, [192, 0, 2, 1].into()), Some(GUESSES_WITHIN));
    }
}
