//! Who asked for a conference, and how he is known again.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use sip::{HeaderName, Incoming, Source, Transport, Uri};
use units::Instant;

use crate::roster::masked;
use crate::{Focus, LegId};

/// How the creator is known again when he joins: by his proof, or Call-ID and From tag, else by the very place that
/// he asked from (a terminal may follow the 302 with a new Call-ID, RFC 3261 §8.1.3.4 only recommends the old).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Creator {
    /// Call-ID of the request to the factory.
    pub call_id: String,
    /// Its From tag.
    pub from_tag: String,
    /// Its From URI.
    pub from_uri: Uri,
    /// Where it came from, if by no proxy: those behind one share its address and port.
    pub place: Option<Place>,
    /// The user that he proved to be, if he did.
    pub user: Option<String>,
}

/// Where a terminal sends from: nobody else behind its NAT does. Its address alone is shared by all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    transport: Transport,
    remote: SocketAddr,
}

impl Place {
    fn of(incoming: &Incoming) -> Option<Self> {
        let Source { transport, remote, .. } = incoming.source;
        // The top one has been read.
        let is_direct = incoming.request.headers.count(&HeaderName::Via) == 1;
        is_direct.then_some(Self { transport, remote })
    }
}

/// How surely a joiner is the creator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Likeness {
    No,
    /// Same From URI, from the same place.
    Likely,
    /// Same Call-ID and From tag.
    Same,
    /// Proved to be the same user.
    Proved,
}

impl Creator {
    /// The creator, from his request to the factory.
    pub fn of(incoming: &Incoming) -> Self {
        let essentials = &incoming.essentials;
        Self {
            call_id: essentials.call_id.clone(),
            from_tag: essentials.from.tag().unwrap_or_default().to_owned(),
            from_uri: essentials.from.uri.clone(),
            place: Place::of(incoming),
            user: None,
        }
    }

    /// The same, who has proved to be this user.
    #[must_use]
    pub fn with_user(mut self, user: Option<&str>) -> Self {
        self.user = user.map(str::to_owned);
        self
    }

    pub(crate) fn likeness(&self, joiner: &Incoming) -> Likeness {
        let joiner = Self::of(joiner);
        if (&joiner.call_id, &joiner.from_tag) == (&self.call_id, &self.from_tag) {
            Likeness::Same
        } else if self.place.is_some()
            && joiner.place == self.place
            && joiner.from_uri.equivalent(&self.from_uri)
        {
            Likeness::Likely
        } else {
            Likeness::No
        }
    }
}

impl Focus {
    /// The participant of this leg has proved to be a user: the roster shows it, and nothing says
    /// better whether he is the creator.
    pub fn identify(&mut self, now: Instant, leg: LegId, user: &str) {
        let Some(entry) = self.legs.get_mut(&leg) else { return };
        entry.user = Some(masked(user));
        let creator = self.config.creator.as_ref().and_then(|creator| creator.user.as_deref());
        if creator == Some(user) {
            self.take_for_creator(now, leg, Likeness::Proved);
        }
    }

    /// The same dialog identifiers are better than the same name and address: several people may
    /// share those. Among equals the first one is it.
    pub(crate) fn recognise_creator(&mut self, now: Instant, id: LegId, incoming: &Incoming) {
        let likeness =
            self.config.creator.as_ref().map_or(Likeness::No, |creator| creator.likeness(incoming));
        self.take_for_creator(now, id, likeness);
    }

    fn take_for_creator(&mut self, now: Instant, id: LegId, likeness: Likeness) {
        let known = self.creator_leg.map_or(Likeness::No, |(_, likeness)| likeness);
        if likeness > known {
            self.creator_leg = Some((id, likeness));
            for leg in self.legs.values_mut() {
                leg.is_creator = leg.id == id;
            }
            self.let_in(now, id);
        }
    }
}
