//! What the node keeps about each conference that it made a URI for.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::IpAddr;

use focus::{Creator, Focus, LegId, Numbers};
use mix::message::{LentPort, PortReport};
use pool::{ConferenceId, Cost};
use sip::{ClientTxnId, Essentials, SipUri};
use units::{Instant, UnixTime};

use crate::explaining::Told;
use crate::guessing::StoredWrongPins;
use crate::inside::Inside;
use crate::keeping::StoredState;
use crate::media_link::MediaKey;
use crate::steering::Policy;

/// One conference, from the moment its URI is minted until its tombstone crumbles.
#[derive(Debug)]
pub(crate) struct Record {
    /// Minted once; whoever asks again gets the same.
    pub(crate) uri: SipUri,
    /// The factory that was asked.
    pub(crate) factory: usize,
    /// Until when the conference may be activated; also written into the token.
    pub(crate) activate_by: UnixTime,
    /// Why it got its room; goes elsewhere once it is over.
    pub(crate) told: Option<Box<Told>>,
    /// How its reservation is kept, if it has one.
    pub(crate) reserved: Option<StoredState>,
    /// What may be set of it.
    pub(crate) policy: Policy,
    /// When it began, while it runs; also if that was before a restart, and nobody has come back.
    pub(crate) began: Option<UnixTime>,
    /// Wrong PINs that counted when the last one was keyed.
    pub(crate) wrong_pins: Vec<StoredWrongPins>,
    /// What its next focus goes on counting from.
    pub(crate) numbers: Numbers,
    /// Who asked; nobody once it is over, because this may be long.
    pub(crate) creator: Option<Creator>,
    /// It ran when the process before this one died: until then those who were in it may come back.
    pub(crate) rejoin_until: Option<Instant>,
    /// It was locked and ran when the process before this one died.
    pub(crate) inside: Option<Box<Inside>>,
    /// The requests that asked for it.
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
    /// What each leg is charged for. At most one entry a leg.
    pub(crate) charges: BTreeMap<LegId, Cost>,
    /// INVITEs of ours that may be cancelled, by the leg to be.
    pub(crate) calling: BTreeMap<LegId, ClientTxnId>,
    /// Legs that have not acknowledged our answer, and the address that it went to. At most one a
    /// leg.
    pub(crate) unproved: BTreeMap<LegId, IpAddr>,
    /// What has gone through each leg's port, as it was told last. At most one entry a leg.
    pub(crate) measured: BTreeMap<LegId, PortReport>,
    /// Seats that count as soft until one leg of this conference has acknowledged our answer.
    pub(crate) unproved_seats: u32,
}

impl Active {
    /// Takes note of how it goes at a leg's port.
    pub(crate) fn measure(&mut self, leg: LegId, report: PortReport) {
        if self.focus.has_leg(leg) {
            self.measured.insert(leg, report);
        }
    }
}

/// The requests to the factory that this conference answered, as far as copies of them from the wire
/// must be told from its being asked anew: the factory keeps no transaction, so it must know its copies
/// by itself (RFC 3261 §8.2.7). Fingerprints only: a tombstone must not be as long as a caller likes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// What tells each from others, and when it came.
    known: VecDeque<(u64, Instant)>,
    /// Some came before a restart: until then whoever asks by that identity may be a copy of one.
    of_before: Option<Instant>,
}

impl Asked {
    pub(crate) fn of(essentials: &Essentials, now: Instant) -> Self {
        let known = VecDeque::from([(fingerprint(essentials), now)]);
        Self { known, of_before: None }
    }

    /// The process that answered is no more, this one began at `now`. What it knew of copies went with it; a telephone
    /// takes a new Call-ID for a new call, so that what comes with the old one so soon is a copy.
    pub(crate) fn before(now: Instant) -> Self {
        Self { known: VecDeque::new(), of_before: Some(now + COPIES_FOR) }
    }

    /// The same conference was asked for by one more request.
    pub(crate) fn again(&mut self, essentials: &Essentials, now: Instant) {
        if self.is_copy(essentials, now) {
            return;
        }
        if self.known.len() == ASKED_MAX {
            self.known.pop_front();
        }
        self.known.push_back((fingerprint(essentials), now));
    }

    /// Whether a request that came at `now` is a copy of one of these.
    pub(crate) fn is_copy(&self, essentials: &Essentials, now: Instant) -> bool {
        let request = fingerprint(essentials);
        self.of_before.is_some_and(|until| now <= until)
            || self.known.iter().any(|&(known, at)| known == request && now.since(at) <= COPIES_FOR)
    }
}

/// What tells a request from the next one of the same caller: he alone could make two look alike, so
/// 64 bits do.
fn fingerprint(essentials: &Essentials) -> u64 {
    let Essentials { via, cseq, .. } = essentials;
    let branch = via.branch();
    let host = via.host.as_str().to_ascii_lowercase();
    let mut hasher = DefaultHasher::new();
    (branch, host, via.port, cseq.number).hash(&mut hasher);
    hasher.finish()
}

/// Requests for one conference that are remembered: the first one, one after a 401, and some for a
/// person who presses the button again. A copy of an older one asks anew.
const ASKED_MAX: usize = 4;

/// All records, found by identity.
pub(crate) type Records = BTreeMap<ConferenceId, Box<Record>>;

/// How long copies of one request may arrive: 64*T1, as long as a client resends
/// (RFC 3261 §17.1.1.2), and as long again for the network (T4 is less).
const COPIES_FOR: std::time::Duration = std::time::Duration::from_secs(64);

impl Record {
    /// A conference with a URI that nobody asked for by a request that we know.
    pub(crate) fn unasked(
        now: Instant,
        uri: SipUri,
        (factory, policy): (usize, Policy),
        activate_by: UnixTime,
    ) -> Self {
        Self {
            uri,
            factory,
            activate_by,
            told: None,
            reserved: None,
            policy,
            began: None,
            wrong_pins: Vec::new(),
            numbers: Numbers::default(),
            creator: None,
            rejoin_until: None,
            inside: None,
            asked: Asked::default(),
            since: now,
            state: State::Held,
        }
    }

    /// Whether its URI leads anywhere.
    pub(crate) const fn is_alive(&self) -> bool {
        match self.state {
            State::Held | State::Active(_) => true,
            State::Ended => false,
        }
    }

    /// The running conference, to look at.
    pub(crate) const fn running(&self) -> Option<&Active> {
        match &self.state {
            State::Active(active) => Some(active),
            State::Held | State::Ended => None,
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
