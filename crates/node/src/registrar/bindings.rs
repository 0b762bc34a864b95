//! Who is registered, and where he is reached.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use sip::{SipUri, Source, source_key};
use units::Instant;

/// Bindings in all: 1 KB each. This is for trying things out; one more is answered 503.
pub(super) const BINDINGS_MAX: usize = 1_024;

/// Bindings that came from one address, or one IPv6 network of 64 bits, so that one machine cannot take all: a phone rack behind one
/// router has room. One more is answered 503.
pub(super) const SOURCE_BINDINGS_MAX: usize = 256;

/// Bindings of one user: his desk, his pocket, and two that were forgotten. One more takes the place of
/// the oldest: a phone that takes another port at each start must not keep itself out.
pub(super) const USER_BINDINGS_MAX: usize = 4;

/// Contacts in one REGISTER. More are answered 403.
pub(super) const CHANGES_MAX: usize = USER_BINDINGS_MAX;

/// One place where a user is reached.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Binding {
    /// The Request-URI for him.
    pub(super) contact: SipUri,
    /// Where the REGISTER came from: requests go back there, whatever host the Contact names. So nobody
    /// can have us send to a third party by what he writes.
    pub(super) path: Source,
    pub(super) until: Instant,
    call_id: String,
    cseq: u32,
    /// Rises with each REGISTER: the highest is the newest.
    order: u64,
}

/// What a REGISTER wants done for one Contact; no seconds: take it out.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) contact: SipUri,
    pub(super) time: Duration,
}

/// The REGISTER itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct From<'a> {
    pub(super) path: Source,
    pub(super) call_id: &'a str,
    pub(super) cseq: u32,
}

/// Why nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Older than what was done before.
    OutOfOrder,
    /// No room.
    Full,
}

/// What has changed, for people.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum News {
    Came(SipUri),
    Went(SipUri),
}

/// All bindings, by user.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    by_user: BTreeMap<String, Vec<Binding>>,
    /// When each runs out; as many as there are bindings.
    schedule: BTreeSet<(Instant, u64, String)>,
    by_source: BTreeMap<IpAddr, usize>,
    last_order: u64,
}

impl Bindings {
    /// The bindings of a user.
    pub(super) fn of(&self, user: &str) -> &[Binding] {
        self.by_user.get(user).map_or(&[], Vec::as_slice)
    }

    /// Everybody, by name.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &Binding)> {
        self.by_user
            .iter()
            .flat_map(|(user, bindings)| bindings.iter().map(move |one| (user.as_str(), one)))
    }

    /// Where a user is reached: where he registered last.
    pub(super) fn newest(&self, user: &str) -> Option<&Binding> {
        self.of(user).iter().max_by_key(|binding| binding.order)
    }

    /// The binding of this Contact: for requests inside a dialog.
    pub(super) fn by_contact(&self, uri: &SipUri) -> Option<&Binding> {
        let is_it = |binding: &&Binding| {
            let contact = &binding.contact;
            (contact.port, &contact.user) == (uri.port, &uri.user)
                && contact.host.equivalent(&uri.host)
        };
        self.by_user.values().flatten().find(is_it)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.schedule.first().map(|(at, _, _)| *at)
    }

    /// Takes out what has run out; who that was.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<(String, SipUri)> {
        let mut gone = Vec::new();
        while let Some((at, order, user)) = self.schedule.first().cloned()
            && at <= now
        {
            gone.extend(self.take(&user, |binding| binding.order == order));
        }
        gone
    }

    /// Takes out what was reached by a connection that is gone. Over UDP there is none: what the network
    /// says there anybody can have said.
    pub(super) fn disconnected(&mut self, path: &Source) -> Vec<(String, SipUri)> {
        if !path.transport.is_reliable() {
            return Vec::new();
        }
        let is_there = |binding: &Binding| {
            binding.path.transport == path.transport && binding.path.remote == path.remote
        };
        let users: Vec<String> = self.by_user.keys().cloned().collect();
        users.iter().flat_map(|user| self.take(user, is_there)).collect()
    }

    /// RFC 3261 §10.3, step 7: all changes, or none. A copy of a REGISTER changes nothing and is no
    /// mistake.
    pub(super) fn update(
        &mut self,
        now: Instant,
        user: &str,
        changes: &[Change],
        from: From<'_>,
    ) -> Result<Vec<News>, Refused> {
        let is_older =
            |binding: &Binding| binding.call_id == from.call_id && from.cseq < binding.cseq;
        let meant = |binding: &&Binding| changes.iter().any(|change| is_same(binding, change));
        if self.of(user).iter().filter(meant).any(is_older) {
            return Err(Refused::OutOfOrder);
        }
        let is_new = |change: &&Change| {
            !change.time.is_zero() && !self.of(user).iter().any(|one| is_same(one, change))
        };
        let new = changes.iter().filter(is_new).count();
        let here = self.by_source.get(&source_key(from.path.remote.ip())).copied().unwrap_or(0);
        if self.schedule.len() + new > BINDINGS_MAX || here + new > SOURCE_BINDINGS_MAX {
            return Err(Refused::Full);
        }
        Ok(changes.iter().flat_map(|change| self.change(now, user, change, from)).collect())
    }

    /// Takes out all of a user's (RFC 3261 §10.2.2, `Contact: *`).
    pub(super) fn clear(&mut self, user: &str, from: From<'_>) -> Result<Vec<News>, Refused> {
        let is_older = |one: &Binding| one.call_id == from.call_id && from.cseq < one.cseq;
        if self.of(user).iter().any(is_older) {
            return Err(Refused::OutOfOrder);
        }
        Ok(self.take(user, |_| true).into_iter().map(|(_, contact)| News::Went(contact)).collect())
    }

    fn change(&mut self, now: Instant, user: &str, change: &Change, from: From<'_>) -> Vec<News> {
        let before = self.of(user).iter().find(|binding| is_same(binding, change));
        let is_copy =
            before.is_some_and(|one| (one.call_id.as_str(), one.cseq) == (from.call_id, from.cseq));
        if is_copy {
            return Vec::new();
        }
        let was_there = !self.take(user, |binding| is_same(binding, change)).is_empty();
        if change.time.is_zero() {
            let went = was_there.then(|| News::Went(change.contact.clone()));
            return went.into_iter().collect();
        }
        let mut news = Vec::new();
        if self.of(user).len() >= USER_BINDINGS_MAX
            && let Some(oldest) = self.of(user).iter().map(|binding| binding.order).min()
        {
            let gone = self.take(user, |binding| binding.order == oldest);
            news.extend(gone.into_iter().map(|(_, contact)| News::Went(contact)));
        }
        self.put(user, now + change.time, change, from);
        if !was_there {
            news.push(News::Came(change.contact.clone()));
        }
        news
    }

    fn put(&mut self, user: &str, until: Instant, change: &Change, from: From<'_>) {
        self.last_order += 1;
        let order = self.last_order;
        self.schedule.insert((until, order, user.to_owned()));
        *self.by_source.entry(source_key(from.path.remote.ip())).or_default() += 1;
        let (contact, path, cseq) = (change.contact.clone(), from.path, from.cseq);
        let binding =
            Binding { contact, path, until, call_id: from.call_id.to_owned(), cseq, order };
        self.by_user.entry(user.to_owned()).or_default().push(binding);
    }

    fn take(&mut self, user: &str, which: impl Fn(&Binding) -> bool) -> Vec<(String, SipUri)> {
        let Some(bindings) = self.by_user.get_mut(user) else { return Vec::new() };
        let taken: Vec<Binding> = bindings.extract_if(.., |binding| which(binding)).collect();
        if bindings.is_empty() {
            self.by_user.remove(user);
        }
        for binding in &taken {
            self.schedule.remove(&(binding.until, binding.order, user.to_owned()));
            let source = source_key(binding.path.remote.ip());
            if let Some(count) = self.by_source.get_mut(&source) {
                *count -= 1;
                if *count == 0 {
                    self.by_source.remove(&source);
                }
            }
        }
        taken.into_iter().map(|binding| (user.to_owned(), binding.contact)).collect()
    }
}

/// RFC 3261 §10.3, step 7: bindings are the same whose Contacts are by the rules for URIs.
fn is_same(binding: &Binding, change: &Change) -> bool {
    binding.contact.equivalent(&change.contact)
}
