//! What a request's credentials are worth.

use std::net::IpAddr;

use focus::factory::Who;
use sip::digest::{Challenge, Credentials, DigestError, Print, Use};
use sip::{HeaderName, Incoming, Response, StatusCode, Uri, Warning};
use units::{Instant, UnixTime};

use super::locks::Wrong;
use super::{Auth, Door, Entry, Role};
use crate::Notice;
use crate::figures::Refusal;
use crate::node::Node;
use crate::requests::Addressee;

/// Authorization fields that are looked at in one request: one realm each, and nobody is in many.
const FIELDS_MAX: usize = 8;

/// Who sent a request, as far as he has proved it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Caller {
    user: Option<String>,
    role: Option<Role>,
}

impl Caller {
    /// Whether he may steer any conference.
    pub(crate) fn may_steer(&self) -> bool {
        self.role.is_some_and(|role| role >= Role::Moderator)
    }

    /// The user that he proved to be. His source address is proved as well: he received our nonce
    /// there.
    pub(crate) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Whom a conference that he asks for belongs to.
    pub(crate) fn who<'a>(&'a self, incoming: &Incoming) -> Who<'a> {
        match &self.user {
            Some(user) => Who::Authenticated(user),
            None => Who::Source(incoming.source.remote.ip()),
        }
    }
}

/// What the credentials in a request show.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Shown {
    /// None for our realm, or with a nonce that is not ours.
    Nothing,
    /// Who he is.
    User { name: String, role: Role },
    /// Who he is, with a nonce that is too old or was used before.
    Stale,
    /// That he does not know the password, or that nobody has this name.
    Wrong,
    /// He was wrong too often, so it was not looked at.
    Locked,
    /// They are improper, or prove something about a URI that is not ours.
    Improper(&'static str),
}

impl Node {
    /// Finds out who sent a request and whether he may have what he wants. `None`: he may not, and has
    /// his answer. An ACK or a CANCEL never comes here (RFC 3261 §22.1).
    ///
    /// At a door that is open to everybody credentials are looked at all the same: who shows who he is
    /// is known by it, and who shows nothing gets in too.
    pub(crate) fn admit(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        door: Door,
    ) -> Option<Caller> {
        let Some(mut auth) = self.auth.take() else { return Some(Caller::default()) };
        let times = (now, self.wall(now));
        let (shown, notice) = auth.look_at(times, incoming, |uri| self.serves(uri));
        let entry = door.entry(&auth.config);
        let challenge = |is_stale| auth.challenge(self.number, times.1, incoming, is_stale);
        let refusal = match (shown, entry) {
            (Shown::User { name, role }, _) if self.may(door, &name, role) => {
                Ok(Caller { user: Some(name), role: Some(role) })
            }
            (Shown::User { .. }, _) => Err((self.forbidden(incoming, NO_ROLE), Refusal::Forbidden)),
            (_, Entry::Open) => Ok(Caller::default()),
            (Shown::Nothing, Entry::Required) => Err((challenge(false), Refusal::Challenged)),
            (Shown::Wrong, Entry::Required) => Err((challenge(false), Refusal::WrongPassword)),
            // RFC 7616 §3.3: the proof was right, and a new nonce is all that is needed.
            (Shown::Stale, Entry::Required) => Err((challenge(true), Refusal::StaleNonce)),
            (Shown::Locked, Entry::Required) => {
                Err((self.forbidden(incoming, LOCKED), Refusal::LockedOut))
            }
            (Shown::Improper(what), Entry::Required) => {
                let response = self.warned(incoming, StatusCode::BAD_REQUEST, what);
                Err((response, Refusal::BadCredentials))
            }
        };
        self.auth = Some(auth);
        if let Some(notice) = notice {
            self.tallies.logins_failed += 1;
            self.notice_refusal(now, notice);
        }
        match refusal {
            Ok(caller) => Some(caller),
            Err((response, cause)) => {
                self.reply_because(incoming, response, cause);
                None
            }
        }
    }

    /// Whether a user may, once it is known who he is.
    fn may(&self, door: Door, name: &str, role: Role) -> bool {
        match door {
            Door::Make | Door::Join | Door::Subscribe | Door::Other => true,
            Door::Steer(id) => {
                let creator = self.records.get(&id).and_then(|record| record.creator.as_ref());
                role >= Role::Moderator
                    || creator.is_some_and(|creator| creator.user.as_deref() == Some(name))
            }
        }
    }

    /// Whether a URI is one that requests come to us for (RFC 8760 §2.6).
    fn serves(&self, uri: &Uri) -> bool {
        uri.as_sip().is_some_and(|uri| match self.addressee(uri) {
            Addressee::Factory { .. } | Addressee::Conference(_) | Addressee::Host => true,
            Addressee::Nobody => false,
        })
    }

    pub(crate) fn forbidden(&self, incoming: &Incoming, why: &str) -> Response {
        self.warned(incoming, StatusCode::FORBIDDEN, why)
    }

    fn warned(&self, incoming: &Incoming, status: StatusCode, why: &str) -> Response {
        let agent = self.listen_for(incoming).advertise.0.to_string();
        let warning = Warning::new(WARNING_MISCELLANEOUS, agent, why);
        Response::answering(&incoming.request, status)
            .with_header(HeaderName::Warning, warning.to_string())
    }
}

impl Auth {
    /// Says what the credentials show, and what people should be told.
    fn look_at(
        &mut self,
        (now, wall): (Instant, UnixTime),
        incoming: &Incoming,
        serves: impl Fn(&Uri) -> bool,
    ) -> (Shown, Option<Notice>) {
        let credentials = match self.find(incoming) {
            Ok(Some(credentials)) => credentials,
            Ok(None) => return (Shown::Nothing, None),
            Err(improper) => return (improper, None),
        };
        let source = incoming.source.remote.ip();
        // With a nonce that we did not make for this address nothing is computed: neither can somebody
        // try passwords on nonces of his own, nor have another's address locked.
        let Some(nonce) = self.config.nonce_key.read(&credentials.nonce, source) else {
            return (Shown::Nothing, None);
        };
        let claim = self.users.claim(&credentials);
        if self.locks.is_locked(now, claim.name, source) {
            return (Shown::Locked, None);
        }
        let method = incoming.request.method.as_str();
        let Some(user) = self.users.prove(&claim, &credentials, method) else {
            let wrong = self.locks.wrong(now, claim.name, source, &credentials.response);
            let known = claim.user.map(|user| user.name.clone());
            return (Shown::Wrong, wrong_notice(wrong, known, source));
        };
        self.locks.right(&user.name, source);
        let is_ours = credentials
            .uri
            .parse::<Uri>()
            .is_ok_and(|uri| uri.equivalent(&incoming.request.uri) || serves(&uri));
        if !is_ours {
            return (Shown::Improper(FOREIGN_URI), None);
        }
        if !nonce.is_fresh(wall) {
            return (Shown::Stale, None);
        }
        let number = credentials.count.as_ref().map_or(0, |count| count.number);
        let print = Print::of(&incoming.essentials, source);
        let shown = match self.used.note((now, wall), nonce, number, print) {
            Use::First | Use::Copy => Shown::User { name: user.name.clone(), role: user.role },
            Use::Replayed => Shown::Stale,
        };
        (shown, None)
    }

    /// The first credentials of our realm, with an algorithm that we offer. Basic and whatever else
    /// there is are not taken (RFC 8760 §2.6).
    fn find(&self, incoming: &Incoming) -> Result<Option<Credentials>, Shown> {
        let mut improper = None;
        for value in incoming.request.headers.all(&HeaderName::Authorization).take(FIELDS_MAX) {
            match value.text().parse::<Credentials>() {
                Ok(credentials) => {
                    let is_offered = self.config.algorithms.contains(&credentials.algorithm);
                    // RFC 8760 §2.7: before the first challenge some phones send empty ones.
                    let is_empty = credentials.nonce.is_empty();
                    if credentials.realm == self.config.realm && is_offered && !is_empty {
                        return Ok(Some(credentials));
                    }
                }
                Err(error) if is_improper(&error) => improper = Some(Shown::Improper(IMPROPER)),
                Err(_) => {}
            }
        }
        improper.map_or(Ok(None), Err)
    }

    /// 401 with a challenge for each algorithm, best first (RFC 8760 §2.3).
    fn challenge(
        &self,
        node: u16,
        wall: UnixTime,
        incoming: &Incoming,
        is_stale: bool,
    ) -> Response {
        let essentials = &incoming.essentials;
        let seed = [
            essentials.call_id.as_bytes(),
            essentials.from.tag().unwrap_or_default().as_bytes(),
            &essentials.cseq.number.to_be_bytes(),
        ];
        let source = incoming.source.remote.ip();
        let nonce = self.config.nonce_key.mint(node, wall, source, &seed);
        let refusal = Response::answering(&incoming.request, StatusCode::UNAUTHORIZED);
        self.config.algorithms.iter().fold(refusal, |response, algorithm| {
            let challenge = Challenge::new(&self.config.realm, &nonce, *algorithm, is_stale);
            response.with_header(HeaderName::WwwAuthenticate, challenge.to_string())
        })
    }
}

fn is_improper(error: &DigestError) -> bool {
    error.status() == StatusCode::BAD_REQUEST
}

/// RFC 7616 §3.4: a failed login should be logged, but not what stood in place of the name: it may be
/// a password.
fn wrong_notice(wrong: Wrong, user: Option<String>, source: IpAddr) -> Option<Notice> {
    let is_locked = match wrong {
        Wrong::Copy => return None,
        Wrong::Counted => false,
        Wrong::Locks => true,
    };
    Some(Notice::LoginFailed { user, source: source.to_string(), locked: is_locked })
}

/// RFC 3261 §20.43: 399 carries any text for a person.
const WARNING_MISCELLANEOUS: u16 = 399;

const NO_ROLE: &str = "This user may not do that here. A moderator may, or whoever asked for it";
const LOCKED: &str =
    "Too many wrong passwords for this user from this address. Try again in a quarter of an hour";
const IMPROPER: &str = "The Authorization header cannot be read";
const FOREIGN_URI: &str = "The uri in the credentials is none of ours";
