//! Provisional responses that are acknowledged (RFC 3262): the numbers that both sides keep.
//!
//! [`ReliableReceiver`] says which of them its UAC takes and acknowledges, [`ReliableSender`] when its
//! UAS sends one again, and which PRACK it was waiting for. Both are leaves without I/O.

use std::{fmt, str::FromStr, time::Duration};

use units::{Instant, Rng, soonest};

use crate::{
    CSeq, HeaderName, Headers, Response, StatusCode, T1, TRANSACTION_TIMEOUT, header::ValueError,
    scan,
};

/// The option tag.
pub const RELIABLE: &str = "100rel";

/// Whether the sender of a request takes provisional responses reliably (RFC 3262 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Only so: every one above 100 must be reliable.
    Required,
    /// So or otherwise.
    Supported,
    /// Not so.
    Unknown,
}

/// Reads the wish of an INVITE. What cannot be read wishes nothing.
pub fn wish(headers: &Headers) -> Wish {
    let has_tag = |tags: Vec<String>| tags.iter().any(|tag| tag.eq_ignore_ascii_case(RELIABLE));
    if headers.require().is_ok_and(has_tag) {
        Wish::Required
    } else if headers.supported().is_ok_and(has_tag) {
        Wish::Supported
    } else {
        Wish::Unknown
    }
}

/// A RAck: which response a PRACK acknowledges (RFC 3262 §7.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RAck {
    /// The response's RSeq.
    pub rseq: u32,
    /// The response's CSeq.
    pub cseq: CSeq,
}

impl fmt::Display for RAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.rseq, self.cseq)
    }
}

impl FromStr for RAck {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (rseq, cseq) = scan::trim(text).split_once([' ', '\t']).ok_or(ValueError)?;
        Ok(Self { rseq: number(rseq)?, cseq: cseq.parse()? })
    }
}

/// Reads the RAck of a PRACK.
///
/// # Errors
/// It is missing, repeated or cannot be read.
pub fn rack(headers: &Headers) -> Result<RAck, ValueError> {
    only(headers, &HeaderName::RAck)?.parse()
}

fn rseq(headers: &Headers) -> Result<u32, ValueError> {
    number(scan::trim(&only(headers, &HeaderName::RSeq)?))
}

fn only(headers: &Headers, name: &HeaderName) -> Result<String, ValueError> {
    let mut values = headers.all(name);
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value.text().into_owned()),
        (None | Some(_), _) => Err(ValueError),
    }
}

fn number(text: &str) -> Result<u32, ValueError> {
    scan::number(text).and_then(|number| u32::try_from(number).ok()).ok_or(ValueError)
}

/// What a UAC does with a provisional response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// Process it: it is not a reliable one.
    Unreliable,
    /// Process it, and send a PRACK with this RAck in its dialog.
    InOrder(RAck),
    /// Neither process nor acknowledge it: a copy, or one after a gap.
    Dropped,
}

/// The reliable provisional responses of one early dialog, as its UAC sees them. One is kept for each
/// dialog of an INVITE until the final response (RFC 3262 §4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReliableReceiver {
    last: Option<u32>,
}

impl ReliableReceiver {
    /// Takes the next 1xx that came for the INVITE in this dialog.
    pub fn receive(&mut self, response: &Response) -> Received {
        let headers = &response.headers;
        let is_reliable = response.status != StatusCode::TRYING && wish(headers) == Wish::Required;
        if !is_reliable {
            return Received::Unreliable;
        }
        let (Ok(rseq), Ok(cseq)) = (rseq(headers), headers.cseq()) else {
            return Received::Dropped;
        };
        // The first one's number is taken as it comes; 0 is none (RFC 3262 §7.1).
        let is_next = match self.last {
            None => rseq != 0,
            Some(last) => last.checked_add(1) == Some(rseq),
        };
        if !is_next {
            return Received::Dropped;
        }
        self.last = Some(rseq);
        Received::InOrder(RAck { rseq, cseq })
    }
}

/// The reliable provisional responses to one INVITE, as its UAS sends them: one at a time, each again
/// until its PRACK comes (RFC 3262 §3).
#[derive(Clone, Debug)]
pub struct ReliableSender {
    next: u32,
    unacknowledged: Option<Unacknowledged>,
}

#[derive(Clone, Debug)]
struct Unacknowledged {
    rack: RAck,
    again_at: Instant,
    interval: Duration,
    /// `None`: the INVITE has its final answer, nothing is sent again, and the PRACK may still come.
    give_up_at: Option<Instant>,
    has_description: bool,
}

/// What to do about an unacknowledged response now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReliableAction {
    /// Not yet, or no more.
    Nothing,
    /// Send it again.
    Again,
    /// No PRACK in 64·T1: refuse the INVITE with 5xx.
    GiveUp,
}

/// The response before has no PRACK yet: nothing new may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the provisional response before is not acknowledged")]
pub struct Waiting;

impl ReliableSender {
    /// Nothing was sent yet. The first number is chosen so that none can be guessed, and all fit
    /// (RFC 3262 §3: 1 to 2^31 - 1).
    pub fn new(rng: &mut Rng) -> Self {
        let first = 1 + rng.below((1 << 31) - 1);
        Self { next: u32::try_from(first).unwrap_or(1), unacknowledged: None }
    }

    /// Makes a 101-199 response reliable; it goes out at `now` for the first time.
    ///
    /// # Errors
    /// [`Waiting`]; the response is as it was.
    pub fn send(&mut self, now: Instant, response: &mut Response) -> Result<(), Waiting> {
        let cseq = response.headers.cseq().map_err(|_| Waiting)?;
        if self.unacknowledged.is_some() {
            return Err(Waiting);
        }
        let rseq = self.next;
        self.next = rseq.checked_add(1).ok_or(Waiting)?;
        response.headers.push(HeaderName::Require, RELIABLE);
        response.headers.set(HeaderName::RSeq, rseq);
        self.unacknowledged = Some(Unacknowledged {
            rack: RAck { rseq, cseq },
            again_at: now + T1,
            interval: T1,
            give_up_at: Some(now + TRANSACTION_TIMEOUT),
            has_description: !response.body.is_empty(),
        });
        Ok(())
    }

    /// Takes a PRACK; whether it is the one awaited. If not it is answered 481, else 2xx.
    pub fn acknowledge(&mut self, rack: &RAck) -> bool {
        self.unacknowledged.take_if(|waiting| waiting.rack == *rack).is_some()
    }

    /// Whether a PRACK is awaited.
    pub fn is_waiting(&self) -> bool {
        self.unacknowledged.is_some()
    }

    /// Whether a 2xx has to wait for a PRACK: what is unacknowledged carried a session description.
    pub fn holds_success(&self) -> bool {
        self.unacknowledged.as_ref().is_some_and(|waiting| waiting.has_description)
    }

    /// The INVITE has its final answer: nothing is sent again, and the PRACK may still come.
    #[must_use]
    pub fn finished(mut self) -> Self {
        if let Some(waiting) = &mut self.unacknowledged {
            waiting.give_up_at = None;
        }
        self
    }

    /// When to call [`Self::handle_deadline`] next.
    pub fn deadline(&self) -> Option<Instant> {
        let waiting = self.unacknowledged.as_ref()?;
        let give_up_at = waiting.give_up_at?;
        soonest(Some(waiting.again_at), Some(give_up_at))
    }

    /// Says what is due at `now`.
    pub fn handle_deadline(&mut self, now: Instant) -> ReliableAction {
        let Some(waiting) = &mut self.unacknowledged else { return ReliableAction::Nothing };
        let Some(give_up_at) = waiting.give_up_at else { return ReliableAction::Nothing };
        if now >= give_up_at {
            self.unacknowledged = None;
            return ReliableAction::GiveUp;
        }
        if now < waiting.again_at {
            return ReliableAction::Nothing;
        }
        // RFC 3262 §3: from T1, doubling; unlike those of a 2xx, not only up to T2.
        waiting.interval *= 2;
        waiting.again_at = now + waiting.interval;
        ReliableAction::Again
    }
}

#[cfg(test)]
mod tests;
