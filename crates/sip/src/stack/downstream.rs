//! What the next hops of our requests ask for: the client's half of RFC 7339.
//!
//! A place that is overloaded says so in the Via of its answers, and for how long. From then on that share of what would go
//! there is kept back, and all of it is taken from requests outside dialogs (RFC 7339 §5.10.1): a BYE that is not sent
//! frees nothing, neither there nor here.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use units::{Instant, Rng};

use super::via::{LOSS, OC_VALIDITY_MS};
use crate::Via;
use crate::txn::T4;

/// The most places that are remembered, as many as a large site has phones. When full, the one whose time is over first may
/// have everything again.
const PLACES_MAX: usize = 1_024;

/// The longest that one answer is believed. Usual are 500 ms (RFC 7339 §4.3); whoever can put something into an answer on its
/// way would else keep us from a place for as long as he likes (§11).
const VALIDITY_MAX: Duration = Duration::from_secs(60);

/// Percent of one request: what must have come together for one to be kept back.
const ONE: u32 = 100;

/// What may come together for what cannot be kept back, because it is in a dialog: ten requests.
const OWED_MAX: u32 = 10 * ONE;

/// Places that ask for less. Addresses with ports are what RFC 7339 §5.4 tells them apart by.
#[derive(Debug, Default)]
pub(super) struct Downstream(BTreeMap<SocketAddr, Asked>);

/// What one of them asks for.
#[derive(Debug)]
struct Asked {
    /// Percent by which we send less.
    loss: u8,
    seq: Option<Seq>,
    /// Then all of it is forgotten.
    until: Instant,
    /// Percent of a request that is still to be kept back. It begins anywhere: else the first requests would always get
    /// through, and who sends but few would send no fewer.
    owed: u32,
}

/// `oc-seq`: seconds and hundred-thousandths, if it is a time (RFC 7339 §4.4, §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Seq(u64, u32);

/// What an answer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Feedback {
    /// So many percent less, for so long.
    Less(u8, Duration),
    /// Nothing any more.
    Stop,
}

impl Downstream {
    /// A place has answered, with this Via of ours on top. What is not newer than what is known changes nothing
    /// (RFC 7339 §5.4). An overflow of the numbers is not looked for: what is known ends by itself soon.
    pub(super) fn answered(&mut self, now: Instant, place: SocketAddr, via: &Via, rng: &mut Rng) {
        let Some(feedback) = Feedback::of(via) else { return };
        let seq = via.params.value("oc-seq").and_then(Seq::of);
        self.forget(now, place);
        let known = self.0.get_mut(&place);
        let is_old = |it: &Asked| it.seq.is_some_and(|last| seq.is_none_or(|seq| seq <= last));
        match (known, feedback) {
            (Some(known), _) if is_old(known) => {}
            // What comes late must not begin it anew.
            (Some(known), Feedback::Stop) => {
                (known.loss, known.seq, known.until) = (0, seq, now + T4);
            }
            (Some(known), Feedback::Less(loss, validity)) => {
                (known.loss, known.seq, known.until) = (loss, seq, now + validity);
            }
            (None, Feedback::Stop) => {}
            (None, Feedback::Less(loss, validity)) => {
                let owed = u32::try_from(rng.below(u64::from(ONE))).unwrap_or_default();
                self.0.insert(place, Asked { loss, seq, until: now + validity, owed });
                self.make_room();
            }
        }
    }

    /// Whether one more request goes there, or is kept back: `is_new`, outside any dialog. With what is in dialogs the same number of requests is sent
    /// as by the default algorithm of RFC 7339 §7.2, as long as there is anything else that can be kept back.
    pub(super) fn lets_go(&mut self, now: Instant, place: SocketAddr, is_new: bool) -> bool {
        self.forget(now, place);
        let Some(asked) = self.0.get_mut(&place) else { return true };
        asked.owed = (asked.owed + u32::from(asked.loss)).min(OWED_MAX);
        if asked.loss == 0 || !is_new || asked.owed < ONE {
            return true;
        }
        asked.owed -= ONE;
        false
    }

    /// RFC 7339 §5.4: when its time is over, it is as if it had never been.
    fn forget(&mut self, now: Instant, place: SocketAddr) {
        if self.0.get(&place).is_some_and(|asked| asked.until <= now) {
            self.0.remove(&place);
        }
    }

    fn make_room(&mut self) {
        if self.0.len() > PLACES_MAX
            && let Some(first) = self.0.iter().min_by_key(|(_, asked)| asked.until)
        {
            let first = *first.0;
            self.0.remove(&first);
        }
    }
}

impl Feedback {
    /// Reads it; `None`: there is none, or none that we have offered to do. A server that knows nothing of it repeats our
    /// own parameter, without a value.
    fn of(via: &Via) -> Option<Self> {
        let validity = match via.params.value("oc-validity") {
            None => u64::from(OC_VALIDITY_MS),
            Some(ms) => ms.parse().ok()?,
        };
        if validity == 0 {
            return Some(Self::Stop);
        }
        let loss = via.params.value("oc")?.parse().ok().filter(|loss| *loss <= 100)?;
        let is_loss = via.params.unquoted("oc-algo")?.eq_ignore_ascii_case(LOSS);
        is_loss.then(|| Self::Less(loss, Duration::from_millis(validity).min(VALIDITY_MAX)))
    }
}

impl Seq {
    fn of(text: &str) -> Option<Self> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.len() > 12 || part.len() > 5 || !is_number(whole) || !is_number(part) {
            return None;
        }
        Some(Self(whole.parse().ok()?, format!("{part:0<5}").parse().ok()?))
    }
}

/// Asks a next hop to tell us how much it can take (RFC 7339 §4.1, §4.2).
pub(super) fn ask(via: &mut Via) {
    via.params.set("oc", None);
    via.params.set("oc-algo", Some("\"loss\""));
}
