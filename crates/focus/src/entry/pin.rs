//! PINs, and what is kept of them.
//!
//! A conference keeps no PIN but [`PinPrint`]s: HMACs under a key of the node. A slow hash would be no better. Of four to
//! eight digits there are so few that whoever has hash and salt tries them all within hours, however slow one try is; and
//! every honest one would hold up the thread that serves all calls. The key is in another file than the prints: whoever
//! has a copy of the store alone learns how many digits a PIN has and nothing more, whatever he computes. Whoever has the
//! key too can make conference URIs as he likes, and needs no PIN to do harm.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};
use subtle::{Choice, ConstantTimeEq as _};

use crate::factory::Labelled;

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

    /// What was pushed.
    fn pushed(&self) -> &[u8] {
        &self.digits[..self.count]
    }
}

impl PartialEq for Digits {
    fn eq(&self, other: &Self) -> bool {
        self.digits.ct_eq(&other.digits).into()
    }
}

impl Eq for Digits {}

impl fmt::Debug for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digits(..)")
    }
}

/// What a caller has to key to be let in: 4 to 12 digits, as it was asked for. It cannot be written down: see [`PinPrint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Pin(Digits);

/// What cannot be a PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a PIN is {PIN_DIGITS_MIN} to {PIN_DIGITS_MAX} digits")]
pub struct BadPin;

impl Pin {
    const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether one of the two begins with the other.
    pub(crate) fn begins_like(&self, other: &Self) -> bool {
        let least = self.len().min(other.len());
        self.0.digits[..least] == other.0.digits[..least]
    }

    /// What is kept of it, under this key. The same PIN with the same salt gives the same.
    pub fn print(&self, key: &[u8; 32], salt: PinSalt) -> PinPrint {
        let mut prints = [[0; PRINT_BYTES]; PRINTS_MAX];
        let count = self.len() + 1 - PIN_DIGITS_MIN;
        for (place, print) in prints[..count].iter_mut().enumerate() {
            *print = salt.print(key, &self.0.pushed()[..PIN_DIGITS_MIN + place]);
        }
        PinPrint { salt, prints, count }
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
    fn from(Pin(digits): Pin) -> Self {
        digits.pushed().iter().map(|digit| char::from(b'0' + digit - 1)).collect()
    }
}

/// Keeps the same PIN in two places from having the same prints: what names the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinSalt(pub [u8; SALT_BYTES]);

impl PinSalt {
    /// That of the PINs that a factory's conferences have by its rules.
    pub fn of_factory(key: &[u8; 32], canonical_uri: &str) -> Self {
        let mut mac = Labelled::new(key, "convoke factory pins 1");
        mac.field(canonical_uri.as_bytes());
        Self(mac.cut())
    }

    fn print(self, key: &[u8; 32], digits: &[u8]) -> [u8; PRINT_BYTES] {
        let mut mac = Labelled::new(key, "convoke pin 1");
        mac.field(&self.0);
        mac.field(digits);
        mac.cut()
    }
}

/// What is kept of a PIN: what shows that it was keyed, but not what it is. Each of its beginnings of at least
/// [`PIN_DIGITS_MIN`] digits has a print, the last one is that of the whole: so it can be seen whether another PIN, which is
/// asked for later, begins with this one or the other way round.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PinPrint {
    salt: PinSalt,
    prints: [[u8; PRINT_BYTES]; PRINTS_MAX],
    count: usize,
}

/// What is no print of a PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not what is kept of a PIN")]
pub struct BadPrint;

impl PinPrint {
    /// How many digits the PIN has.
    pub(crate) const fn len(&self) -> usize {
        PIN_DIGITS_MIN - 1 + self.count
    }

    /// Whether these digits are the PIN. How long that takes tells nothing of it.
    pub(crate) fn is(&self, key: &[u8; 32], keyed: &Digits) -> Choice {
        let print = self.salt.print(key, keyed.pushed());
        let is_as_long = Choice::from(u8::from(keyed.len() == self.len()));
        self.prints[self.count - 1].ct_eq(&print) & is_as_long
    }

    /// Whether this PIN or that one begins with the other.
    pub(crate) fn begins_like(&self, key: &[u8; 32], other: &Pin) -> bool {
        let least = self.len().min(other.len());
        let print = self.salt.print(key, &other.0.pushed()[..least]);
        self.prints[least - PIN_DIGITS_MIN].ct_eq(&print).into()
    }
}

impl fmt::Debug for PinPrint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PinPrint(..)")
    }
}

impl From<PinPrint> for String {
    /// `hmac1:SALT:PRINT:PRINT...`, each in base32. A reader that knows PINs only takes it for none, and so does not read
    /// what it stands in: better than a conference without its PIN.
    fn from(PinPrint { salt, prints, count }: PinPrint) -> Self {
        let parts = std::iter::once(&salt.0[..]).chain(prints[..count].iter().map(|it| &it[..]));
        parts.fold(PRINT_PREFIX.to_owned(), |text, part| {
            format!("{text}:{}", BASE32_NOPAD.encode(part))
        })
    }
}

impl TryFrom<String> for PinPrint {
    type Error = BadPrint;

    fn try_from(text: String) -> Result<Self, BadPrint> {
        let mut parts = text.split(':');
        if parts.next() != Some(PRINT_PREFIX) {
            return Err(BadPrint);
        }
        let mut part = || {
            let bytes = parts.next().map(|part| BASE32_NOPAD.decode(part.as_bytes()));
            bytes.transpose().map_err(|_| BadPrint)
        };
        let salt = part()?.and_then(|bytes| bytes.try_into().ok()).ok_or(BadPrint)?;
        let (mut prints, mut count) = ([[0; PRINT_BYTES]; PRINTS_MAX], 0);
        while let Some(bytes) = part()? {
            let print = prints.get_mut(count).ok_or(BadPrint)?;
            *print = bytes.try_into().map_err(|_| BadPrint)?;
            count += 1;
        }
        if count == 0 { Err(BadPrint) } else { Ok(Self { salt: PinSalt(salt), prints, count }) }
    }
}

/// As long as what names a conference.
const SALT_BYTES: usize = 10;

/// 80 bits: without the key nobody can try digits on it, and chance opens nothing.
const PRINT_BYTES: usize = 10;

/// One for each length that a PIN may have.
const PRINTS_MAX: usize = PIN_DIGITS_MAX - PIN_DIGITS_MIN + 1;

const PRINT_PREFIX: &str = "hmac1";

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];
    const SALT: PinSalt = PinSalt([3; 10]);

    fn keyed(text: &str) -> Digits {
        let mut digits = Digits::default();
        assert!(text.bytes().all(|byte| digits.push(byte - b'0')));
        digits
    }

    fn print(text: &str) -> PinPrint {
        text.parse::<Pin>().unwrap().print(&KEY, SALT)
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
        let kept = print("0001");
        assert!(bool::from(kept.is(&KEY, &keyed("0001"))));
        for other in ["", "0", "000", "0000", "00010", "1000"] {
            assert!(!bool::from(kept.is(&KEY, &keyed(other))), "{other}");
        }
        assert!(!bool::from(kept.is(&[8; 32], &keyed("0001"))), "another node's");
        // A beginning of it has a print as well, and is not it.
        assert!(!bool::from(print("471100").is(&KEY, &keyed("4711"))));
    }

    #[test]
    fn of_two_that_begin_alike_either_may_be_the_longer() {
        for (kept, asked, alike) in [
            ("4711", "471100", true),
            ("471100", "4711", true),
            ("471100", "471100", true),
            ("471100", "471101", false),
            ("4711", "4712", false),
            ("123456789012", "12345678901", true),
        ] {
            assert_eq!(
                print(kept).begins_like(&KEY, &asked.parse().unwrap()),
                alike,
                "{kept} {asked}"
            );
        }
    }

    #[test]
    fn the_same_pin_elsewhere_has_other_prints() {
        let pin: Pin = "4711".parse().unwrap();
        let all = [
            pin.print(&KEY, SALT),
            pin.print(&KEY, PinSalt([4; 10])),
            pin.print(&[8; 32], SALT),
            pin.print(&KEY, PinSalt::of_factory(&KEY, "sip:a@example.com")),
            pin.print(&KEY, PinSalt::of_factory(&KEY, "sip:b@example.com")),
        ];
        let texts: std::collections::BTreeSet<String> = all.map(String::from).into();
        assert_eq!(texts.len(), 5);
        assert_eq!(pin.print(&KEY, SALT), pin.print(&KEY, SALT));
    }

    #[test]
    fn a_pin_is_shown_by_nothing() {
        let pin: Pin = "4711".parse().unwrap();
        let shown = format!("{pin:?} {:?} {:?}", keyed("4711"), print("4711"));
        assert_eq!(shown, "Pin(Digits(..)) Digits(..) PinPrint(..)");
        assert!(!String::from(print("471147114711")).contains("4711"));
    }

    #[test]
    fn what_is_kept_is_read_again_and_nothing_else_is() {
        for digits in ["0000", "12345", "123456789012"] {
            let text = serde_json::to_string(&print(digits)).unwrap();
            assert_eq!(serde_json::from_str::<PinPrint>(&text).unwrap(), print(digits));
            // Nor does who knows PINs only take it for one.
            assert!(serde_json::from_str::<Pin>(&text).is_err());
        }
        let (good, salt) = (String::from(print("4711")), "AAAAAAAAAAAAAAAA");
        let many = format!("hmac1:{salt}{}", format!(":{salt}").repeat(10));
        let none = format!("hmac1:{salt}");
        let other = good.replace("hmac1", "hmac2");
        for bad in ["", "4711", "hmac1", "hmac1:", "hmac1:AA:AA", &none, &many, &other] {
            assert_eq!(PinPrint::try_from(bad.to_owned()), Err(BadPrint), "{bad}");
        }
    }
}
