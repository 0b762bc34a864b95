//! PINs, and how often they may be guessed.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use subtle::{Choice, ConstantTimeEq as _};
use units::Instant;

/// Fewest digits of a PIN: fewer are guessed within the hour.
pub const PIN_DIGITS_MIN: usize = 4;

/// Most digits of a PIN: nobody keys more without a mistake.
pub const PIN_DIGITS_MAX: usize = 12;

/// Some digits. What they are is shown nowhere, and how long a comparison takes does not tell either.
#[derive(Clone, Copy, Default)]
pub(crate) struct Digits {
    digits: [u8; PIN_DIGITS_MAX],
    count: usize,
}

impl Digits {
    /// One more. False: there is no room.
    pub(crate) fn push(&mut self, digit: u8) -> bool {
        let Some(place) = self.digits.get_mut(self.count) else { return false };
        *place = digit + 1; // 0 is none
        self.count += 1;
        true
    }

    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    fn is_same(&self, other: &Self) -> Choice {
        self.digits.ct_eq(&other.digits)
    }
}

impl PartialEq for Digits {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other).into()
    }
}

impl Eq for Digits {}

impl fmt::Debug for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digits(..)")
    }
}

/// What a caller has to key to be let in: 4 to 12 digits. It is written down only where conferences are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pin(Digits);

/// What cannot be a PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a PIN is {PIN_DIGITS_MIN} to {PIN_DIGITS_MAX} digits")]
pub struct BadPin;

impl Pin {
    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether one of the two begins with the other.
    pub(crate) fn begins_like(&self, other: &Self) -> bool {
        let least = self.len().min(other.len());
        self.0.digits[..least] == other.0.digits[..least]
    }

    pub(crate) fn is(&self, keyed: &Digits) -> Choice {
        self.0.is_same(keyed)
    }
}

impl FromStr for Pin {
    type Err = BadPin;

    fn from_str(text: &str) -> Result<Self, BadPin> {
        let mut digits = Digits::default();
        for byte in text.bytes() {
            if !byte.is_ascii_digit() || !digits.push(byte - b'0') {
                return Err(BadPin);
            }
        }
        if digits.len() < PIN_DIGITS_MIN { Err(BadPin) } else { Ok(Self(digits)) }
    }
}

impl TryFrom<String> for Pin {
    type Error = BadPin;

    fn try_from(text: String) -> Result<Self, BadPin> {
        text.parse()
    }
}

impl From<Pin> for String {
    fn from(Pin(Digits { digits, count }): Pin) -> Self {
        digits[..count].iter().map(|digit| char::from(b'0' + digit - 1)).collect()
    }
}

/// Wrong PINs of a conference, of late.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Guesses {
    /// Of all callers. At least as many as of all sources together.
    all: Window,
    /// By where the calls come from: at most [`GUESSES_MAX`], since each has made one of those.
    by_source: BTreeMap<IpAddr, Window>,
}

/// So many since then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Window {
    since: Option<Instant>,
    count: u32,
}

impl Window {
    fn count(&self, now: Instant) -> u32 {
        let is_fresh = self.since.is_some_and(|since| now.since(since) < GUESSES_WITHIN);
        if is_fresh { self.count } else { 0 }
    }

    fn note(&mut self, now: Instant) {
        match self.count(now) {
            0 => *self = Self { since: Some(now), count: 1 },
            count => self.count = count + 1,
        }
    }

    fn over(&self, now: Instant, most: u32) -> Option<Duration> {
        let since = self.since.filter(|_| self.count(now) >= most)?;
        Some((since + GUESSES_WITHIN).since(now))
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

    fn keyed(text: &str) -> Digits {
        let mut digits = Digits::default();
        assert!(text.bytes().all(|byte| digits.push(byte - b'0')));
        digits
    }

    #[test]
    fn a_pin_is_4_to_12_digits() {
        for good in ["0000", "1234", "123456789012"] {
            assert_eq!(String::from(good.parse::<Pin>().unwrap()), good);
        }
        for bad in ["", "123", "1234567890123", "12a4", "12 4", "١٢٣٤", "-123"] {
            assert_eq!(bad.parse::<Pin>(), Err(BadPin), "{bad}");
        }
    }

    #[test]
    fn only_the_same_digits_are_the_same() {
        let pin: Pin = "0001".parse().unwrap();
        assert!(bool::from(pin.is(&keyed("0001"))));
        for other in ["", "0", "000", "0000", "00010", "1000"] {
            assert!(!bool::from(pin.is(&keyed(other))), "{other}");
        }
    }

    #[test]
    fn a_pin_is_shown_by_nothing() {
        let pin: Pin = "4711".parse().unwrap();
        assert_eq!(format!("{pin:?} {:?}", keyed("4711")), "Pin(Digits(..)) Digits(..)");
    }

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
}
