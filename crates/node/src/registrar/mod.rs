//! A small registrar, for trying things out: phones without a PBX find each other (RFC 3261 §10.3), and
//! what is for one of them is sent on to where he registered from (RFC 3261 §16.11, without state and
//! without Record-Route).
//!
//! - this file: the parts, and which requests are theirs
//! - `bindings`: who is registered, and where he is reached
//! - `register`: REGISTER
//! - `relay`: requests to phones, and the answers to them; `way_back`: our Via in them
//!
//! With authentication a phone has to prove to be the user whose name it registers, and whoever calls
//! one has to be known.
//!
//! **Invariant:** nothing is sent to an address that has not sent us a REGISTER or, for an answer, its
//! request. Without authentication a datagram's address may be forged: then it is one packet for one packet.

mod bindings;
mod register;
mod relay;
mod way_back;

use serde::{Deserialize, Serialize};
use sip::{Arrival, Host, Incoming, Method, SipUri, Source, StatusCode, Uri};
use units::{Instant, Rng, Tally, causes};

use self::bindings::{Binding, Bindings};
use self::way_back::WayBack;
use crate::Notice;
use crate::auth::Door;
use crate::node::{Node, tag_prefix};
use crate::requests::Addressee;

/// The registrar's half of a node.
#[derive(Debug)]
pub(crate) struct Registrar {
    bindings: Bindings,
    way_back: WayBack,
    counters: RelayCounters,
}

/// What the relay did since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayCounters {
    /// Requests sent on to phones.
    pub requests: u64,
    /// Answers sent back.
    pub answers: u64,
    /// Answers to nothing that we sent on: dropped.
    pub stray_answers: u64,
    /// ACKs that could not be sent on, which nobody can be told: dropped.
    pub lost_acks: u64,
}

causes! {
    /// Why a message for somebody else was not sent on.
    pub enum RelayDropped {
        /// An answer to nothing that we sent on.
        StrayAnswer => "stray_answer",
        /// An ACK that could not be sent on, which nobody can be told.
        LostAck => "lost_ack",
    }
}

impl RelayCounters {
    /// What was dropped, by cause. Naming every field makes a new one a compile error here.
    pub fn dropped(&self) -> Tally<RelayDropped> {
        let Self { requests: _, answers: _, stray_answers, lost_acks } = *self;
        let dropped =
            [(RelayDropped::StrayAnswer, stray_answers), (RelayDropped::LostAck, lost_acks)];
        dropped.into_iter().collect()
    }
}

/// The registrar, as the status shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistrarStatus {
    /// Where each user is reached, by name.
    pub phones: Vec<PhoneStatus>,
    /// What was sent on.
    pub relayed: RelayCounters,
}

/// A phone that is registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneStatus {
    /// The user's name.
    pub user: String,
    /// The Contact.
    pub contact: String,
    /// Where it registered from, as in `udp 192.0.2.7:5060`: requests go there.
    pub path: String,
    /// Seconds until it has to register again.
    pub seconds_left: u64,
}

impl Registrar {
    fn new(number: u16, rng: &mut Rng) -> Self {
        Self {
            bindings: Bindings::default(),
            way_back: WayBack::new(rng.bytes(), &tag_prefix(number)),
            counters: RelayCounters::default(),
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.bindings.deadline()
    }

    pub(crate) const fn counters(&self) -> RelayCounters {
        self.counters
    }

    /// Phones that are registered.
    pub(crate) fn phone_count(&self) -> usize {
        self.bindings.all().count()
    }

    pub(crate) fn status(&self, now: Instant) -> RegistrarStatus {
        let phones = self.bindings.all().map(|(user, binding)| PhoneStatus {
            user: user.to_owned(),
            contact: focus::masked(binding.contact.text()),
            path: format!(
                "{} {}",
                binding.path.transport.via_token().to_ascii_lowercase(),
                binding.path.remote
            ),
            seconds_left: binding.until.since(now).as_secs(),
        });
        RegistrarStatus { phones: phones.collect(), relayed: self.counters }
    }
}

impl Node {
    /// The same node, which is a registrar too. For trying things out.
    #[must_use]
    pub fn with_lab_registrar(mut self) -> Self {
        self.registrar = Some(Registrar::new(self.number, &mut self.rng));
        self
    }

    /// Takes a request that is the registrar's business; `false`: it is not.
    pub(crate) fn registrar_request(&mut self, now: Instant, incoming: &Incoming) -> bool {
        if self.registrar.is_none() {
            return false;
        }
        if incoming.request.method == Method::Register {
            self.register(now, incoming);
            return true;
        }
        // The ACK to a refusal of our own.
        let tag = incoming.essentials.to.tag();
        if incoming.request.method == Method::Ack && tag == Some(&self.tag_for(incoming)) {
            return false;
        }
        match self.phone(&incoming.request.uri) {
            Some(phone) => self.relay(now, incoming, &phone),
            None if self.names_a_user(incoming) => self.nobody_there(now, incoming),
            None => return false,
        }
        true
    }

    /// Whether a request outside any dialog is for a name that could be registered.
    fn names_a_user(&self, incoming: &Incoming) -> bool {
        incoming.essentials.to.tag().is_none()
            && incoming.request.method != Method::Ack
            && incoming.request.uri.as_sip().is_some_and(|uri| self.user_here(uri).is_some())
    }

    /// RFC 3261 §16.5: there is no target. Whoever is not known does not learn that.
    fn nobody_there(&mut self, now: Instant, incoming: &Incoming) {
        if self.admit(now, incoming, Door::Other).is_some() {
            self.reply_status(incoming, StatusCode::TEMPORARILY_UNAVAILABLE);
        }
    }

    /// What SIP's sockets have to tell, if it concerns the registrar: a connection that is gone takes
    /// its phones along, answers and CANCELs are sent on. `None`: it was for the registrar alone.
    pub(crate) fn registrar_arrival(&mut self, arrival: Arrival) -> Option<Arrival> {
        let Some(registrar) = &mut self.registrar else { return Some(arrival) };
        match arrival {
            Arrival::Packet(packet) => self.relay_at_once(packet).map(Arrival::Packet),
            Arrival::Failed(path) => {
                let gone = registrar.bindings.disconnected(&path);
                self.phones_gone(gone, "its connection is gone");
                Some(Arrival::Failed(path))
            }
            // No phone has come by a connection that never was.
            other @ (Arrival::Malformed { .. } | Arrival::Refused(_)) => Some(other),
        }
    }

    /// Does what is due in the registrar.
    pub(crate) fn registrar_deadline(&mut self, now: Instant) {
        let Some(registrar) = &mut self.registrar else { return };
        let gone = registrar.bindings.expire(now);
        self.phones_gone(gone, "it did not register again in time");
    }

    fn phones_gone(&mut self, gone: Vec<(String, SipUri)>, why: &str) {
        for (user, contact) in gone {
            let contact = focus::masked(contact.text());
            self.notice(Notice::PhoneGone { user, contact, cause: why.to_owned() });
        }
    }

    /// How a conference calls somebody who is registered here: by which Request-URI, and where (RFC 3261
    /// §16.5). Not through our own relay, which would want a password of it.
    pub(crate) fn registered(&self, target: &SipUri) -> Option<(SipUri, Source)> {
        let user = self.user_here(target)?;
        let phone = self.registrar.as_ref()?.bindings.newest(&user)?;
        Some((phone.contact.clone(), phone.path))
    }

    /// The phone that a Request-URI means: a user's by his name here, or one by its own Contact, as in a
    /// dialog. A phone writes there what it likes, so what means us or a user of ours is never found by it.
    fn phone(&self, uri: &Uri) -> Option<Binding> {
        let (Some(registrar), Uri::Sip(uri)) = (&self.registrar, uri) else { return None };
        let by_name = self.user_here(uri).and_then(|user| registrar.bindings.newest(&user));
        let by_contact =
            || (!self.is_ours(uri)).then(|| registrar.bindings.by_contact(uri)).flatten();
        by_name.or_else(by_contact).cloned()
    }

    /// Whether a URI is a factory's or a conference's, alive or not, or names a place where we are.
    fn is_ours(&self, uri: &SipUri) -> bool {
        let user = uri.user_unescaped().unwrap_or_default();
        let is_served = match self.addressee(uri) {
            Addressee::Factory { .. } | Addressee::Conference(_) => true,
            Addressee::Host | Addressee::Nobody => {
                pool::is_like_a_token(&String::from_utf8_lossy(&user))
            }
        };
        let at_our_port =
            uri.port.is_none_or(|port| self.listens.iter().any(|one| one.advertise.1 == port));
        is_served || (at_our_port && self.owns(&uri.host))
    }

    /// The name in an address-of-record of ours: one that is neither a factory's nor a conference's.
    fn user_here(&self, uri: &SipUri) -> Option<String> {
        let user = String::from_utf8(uri.user_unescaped()?.into_owned()).ok()?;
        let is_free = self.addressee(uri) == Addressee::Nobody && !pool::is_like_a_token(&user);
        (is_free && !user.is_empty() && self.owns(&uri.host)).then_some(user)
    }

    /// Whether requests to this host are for us.
    fn owns(&self, host: &Host) -> bool {
        let ours = |listen: &crate::SipListen| listen.advertise.0.equivalent(host);
        self.factories.iter().any(|factory| factory.owns(host)) || self.listens.iter().any(ours)
    }
}
