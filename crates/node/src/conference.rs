//! What the node keeps about each conference that it made a URI for.

use std::collections::BTreeMap;

use focus::{Creator, Focus};
use mix::message::LentPort;
use pool::ConferenceId;
use sip::{Essentials, SipUri};
use units::{Instant, UnixTime};

use crate::media_link::MediaKey;

/// One conference, from the moment its URI is minted until its tombstone crumbles.
#[derive(Debug)]
pub(crate) struct Record {
    /// Minted once; whoever asks again gets the same.
    pub(crate) uri: SipUri,
    /// The factory that was asked.
    pub(crate) factory: usize,
    /// Until when the conference may be activated; also written into the token.
    pub(crate) activate_by: UnixTime,
    /// Who asked.
    pub(crate) creator: Creator,
    /// The request that made it.
    pub(crate) asked: Asked,
    /// When its state began.
    pub(crate) since: Instant,
    /// Where it stands.
    pub(crate) state: State,
}

/// Where a conference stands.
#[derive(Debug)]
pub(crate) enum State {
    /// Room is held; nobody has joined.
    Held,
    /// It runs.
    Active(Box<Active>),
    /// It is over; the record only keeps its URI dead and its identity used up.
    Ended,
}

/// A running conference.
#[derive(Debug)]
pub(crate) struct Active {
    /// Its signalling.
    pub(crate) focus: Focus,
    /// Where it is mixed.
    pub(crate) media: MediaKey,
    /// Ports taken for legs, by their lent number. At most one a leg.
    pub(crate) ports: BTreeMap<u32, LentPort>,
}

/// The request to the factory, as far as a copy of it must be known again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    branch: Option<String>,
    sent_by: (String, Option<u16>),
    cseq: u32,
    /// When it came.
    pub(crate) at: Instant,
}

impl Asked {
    pub(crate) fn of(essentials: &Essentials, at: Instant) -> Self {
        let via = &essentials.via;
        Self {
            branch: essentials.branch.clone(),
            sent_by: (via.host.as_str().to_ascii_lowercase(), via.port),
            cseq: essentials.cseq.number,
            at,
        }
    }

    /// Whether a request that came at `now` is a copy of this one from the wire, and not asked anew:
    /// the factory keeps no transaction, so it must know its copies by itself (RFC 3261 §8.2.7).
    pub(crate) fn is_copy(&self, essentials: &Essentials, now: Instant) -> bool {
        let other = Self::of(essentials, self.at);
        self.branch.is_some() && *self == other && now.since(self.at) <= COPIES_FOR
    }
}

/// All records, found by identity.
pub(crate) type Records = BTreeMap<ConferenceId, Record>;

/// How long copies of one request may arrive: 64*T1, as long as a client resends
/// (RFC 3261 §17.1.1.2), and as long again for the network (T4 is less).
const COPIES_FOR: std::time::Duration = std::time::Duration::from_secs(64);

impl Record {
    /// Whether its URI leads anywhere.
    pub(crate) const fn is_alive(&self) -> bool {
        match self.state {
            State::Held | State::Active(_) => true,
            State::Ended => false,
        }
    }

    /// The running conference, if it runs.
    pub(crate) fn active(&mut self) -> Option<&mut Active> {
        match &mut self.state {
            State::Active(active) => Some(active),
            State::Held | State::Ended => None,
        }
    }
}
