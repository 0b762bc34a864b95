//! Whose sound is in a packet, and what RTCP says of them: RFC 3550 §7.

use std::time::Duration;

use rtp::CSRCS_MAX;
use units::Instant;

/// Contributing sources of one packet, each once, at most fifteen; more are not named (RFC 3550 §5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Csrcs {
    list: [u32; CSRCS_MAX],
    count: usize,
}

impl Csrcs {
    /// Nobody.
    pub const fn new() -> Self {
        Self { list: [0; CSRCS_MAX], count: 0 }
    }

    /// One more, if there is place and he is not in it.
    pub fn add(&mut self, ssrc: u32) {
        if self.count < CSRCS_MAX && !self.contains(ssrc) {
            self.list[self.count] = ssrc;
            self.count += 1;
        }
    }

    /// In the order in which they came.
    pub fn as_slice(&self) -> &[u32] {
        &self.list[..self.count]
    }

    /// Whether this one is among them.
    pub fn contains(&self, ssrc: u32) -> bool {
        self.as_slice().contains(&ssrc)
    }
}

impl FromIterator<u32> for Csrcs {
    fn from_iter<T: IntoIterator<Item = u32>>(sources: T) -> Self {
        let mut csrcs = Self::new();
        sources.into_iter().for_each(|ssrc| csrcs.add(ssrc));
        csrcs
    }
}

/// Whose sound is in the mix of one tick, and which leg has brought it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contributors {
    list: [(u32, usize); CONTRIBUTORS_MAX],
    count: usize,
}

impl Contributors {
    pub(crate) const fn new() -> Self {
        Self { list: [(0, 0); CONTRIBUTORS_MAX], count: 0 }
    }

    /// One more; who finds no place is heard and not named.
    pub(crate) fn add(&mut self, ssrc: u32, place: usize) {
        if let Some(entry) = self.list.get_mut(self.count) {
            *entry = (ssrc, place);
            self.count += 1;
        }
    }

    /// Whether another leg has brought this one.
    pub(crate) fn is_of_other(&self, ssrc: u32, place: usize) -> bool {
        self.list[..self.count].iter().any(|&(of, at)| of == ssrc && at != place)
    }

    /// Whose sound is in what the leg at `place` hears. Another one with the SSRC of its own source is not named: it
    /// would take that for its own sound, come back (RFC 3550 §8.2).
    pub(crate) fn to(&self, place: usize, own: Option<u32>) -> Csrcs {
        let others = self.list[..self.count].iter();
        others
            .filter(|(ssrc, at)| *at != place && Some(*ssrc) != own)
            .map(|(ssrc, _)| *ssrc)
            .collect()
    }
}

/// Those who may be heard at a time, and some who come mixed.
const CONTRIBUTORS_MAX: usize = 2 * CSRCS_MAX;

/// A canonical name (RFC 3550 §6.5.1), of at most [`NAME_BYTES_MAX`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    bytes: [u8; NAME_BYTES_MAX],
    len: u8,
}

impl Name {
    /// `None`: too long.
    pub(crate) fn new(name: &[u8]) -> Option<Self> {
        let mut bytes = [0; NAME_BYTES_MAX];
        bytes.get_mut(..name.len())?.copy_from_slice(name);
        Some(Self { bytes, len: u8::try_from(name.len()).ok()? })
    }

    /// One that is as long as RFC 7022 §4.2 recommends.
    pub(crate) fn of_16(name: &[u8; 16]) -> Self {
        let mut bytes = [0; NAME_BYTES_MAX];
        bytes[..16].copy_from_slice(name);
        Self { bytes, len: 16 }
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// The sources that a conference has cited of late, for the reports to its legs.
///
/// A report names those cited since the one before (RFC 3550 §7.3: the CNAMEs of contributing sources must be
/// forwarded) and says BYE for those that have gone since then.
#[derive(Debug)]
pub(crate) struct Cited {
    /// At most [`CITED_MAX`]; allocated once.
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    ssrc: u32,
    /// The place of the leg that brought him.
    place: usize,
    name: Name,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// He was in a packet last at this time.
    Cited(Instant),
    /// He went at this time.
    Gone(Instant),
}

impl State {
    const fn at(self) -> Instant {
        match self {
            Self::Cited(at) | Self::Gone(at) => at,
        }
    }
}

impl Cited {
    pub(crate) fn new() -> Self {
        Self { entries: Vec::with_capacity(CITED_MAX) }
    }

    /// A source is in the mix just now; `name` is what he is called. Whoever was cited longest ago makes room.
    pub(crate) fn cite(&mut self, now: Instant, (ssrc, place): (u32, usize), name: &Name) {
        let state = State::Cited(now);
        let fresh = Entry { ssrc, place, name: *name, state };
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.ssrc == ssrc) {
            entry.state = state;
            // His name may have become known since.
            (entry.place, entry.name) = (place, *name);
        } else if self.entries.len() < CITED_MAX {
            self.entries.push(fresh);
        } else if let Some(oldest) = self.entries.iter_mut().min_by_key(|entry| entry.state.at()) {
            *oldest = fresh;
        }
    }

    /// What was brought by this leg is gone.
    pub(crate) fn gone(&mut self, now: Instant, place: usize) {
        for entry in self.entries.iter_mut().filter(|entry| entry.place == place) {
            if let State::Cited(_) = entry.state {
                entry.state = State::Gone(now);
            }
        }
    }

    /// Forgets who went so long ago that every leg has been told.
    pub(crate) fn tidy(&mut self, now: Instant) {
        self.entries.retain(|entry| match entry.state {
            State::Cited(_) => true,
            State::Gone(at) => now.since(at) < GONE_FOR,
        });
    }

    /// Who was cited to the leg at `place` since then, and what he is called.
    pub(crate) fn since(&self, then: Instant, place: usize) -> impl Iterator<Item = (u32, &[u8])> {
        let fresh = move |entry: &&Entry| match entry.state {
            State::Cited(at) => at >= then && entry.place != place,
            State::Gone(_) => false,
        };
        self.entries.iter().filter(fresh).map(|entry| (entry.ssrc, entry.name.as_slice()))
    }

    /// Who has gone since then.
    pub(crate) fn gone_since(&self, then: Instant, place: usize) -> impl Iterator<Item = u32> {
        let gone = move |entry: &&Entry| match entry.state {
            State::Cited(_) => false,
            State::Gone(at) => at >= then && entry.place != place,
        };
        self.entries.iter().filter(gone).map(|entry| entry.ssrc)
    }
}

/// Longest name that is passed on. RFC 3550 allows 255 bytes; RFC 7022 recommends 16, and names of phones are their
/// addresses. A longer one is replaced by one of ours.
pub(crate) const NAME_BYTES_MAX: usize = 63;

/// Sources remembered in a conference: twice as many as one packet can cite. The one cited longest ago makes room.
const CITED_MAX: usize = 2 * CSRCS_MAX;

/// The longest time between two reports to a leg (RFC 3550 §6.3.1: 5 s times 1.5 / 1.218), and some more.
const GONE_FOR: Duration = Duration::from_secs(10);
