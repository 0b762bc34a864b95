//! The client's part: which challenges are answered, with what, and how often.
//!
//! A proof is worth something to whoever gets it: he may guess passwords against it at leisure, or
//! pass it on. So it goes only to those whom the account is for.

use std::collections::VecDeque;

use units::Rng;

use super::{Algorithm, Challenge, Credentials, Ha1, Password};
use crate::{HeaderName, Host, Method, Request, Response, Uri};

/// Challenges answered for one request, whatever comes: a proxy's and a server's, and each once more
/// for a stale nonce. RFC 3261 sets no number.
pub const CHALLENGES_MAX: u32 = 4;

/// Nonces that are remembered, so that none is used twice with the same count. The oldest goes when
/// there is one more.
pub const SESSIONS_MAX: usize = 64;

/// Call-IDs that one nonce serves, and those known to have gone to an account's host. The oldest goes:
/// its next request is challenged anew.
const CALLS_MAX: usize = 128;

/// Challenges that are looked at in one response; the others are ignored.
const FIELDS_MAX: usize = 16;

/// Characters of a cnonce, 5 bits each.
const CNONCE_CHARS: usize = 16;

/// A user's name and password, and who may have proof of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The name.
    pub user: String,
    /// The password.
    pub password: Password,
    /// The realm. `None`: the first realm that one of `hosts` names, and from then on no other.
    pub realm: Option<String>,
    /// Whose challenges are answered: those to requests that we sent to these hosts, and those that
    /// come further on in the same call. Empty: whoever names the realm, which then must be known.
    pub hosts: Vec<Host>,
}

/// How far the answering of challenges has come for one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    answered: u32,
    proofs: Vec<Proof>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Proof {
    gate: Gate,
    realm: String,
    nonce: String,
    origin: Origin,
}

/// Where a proof's nonce is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// A challenge to an earlier request: it may be too old by now.
    Before,
    /// A challenge to this very request.
    Now,
}

/// Who challenges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Proxy,
    Server,
}

impl Gate {
    const ALL: [Self; 2] = [Self::Proxy, Self::Server];

    const fn challenge(self) -> HeaderName {
        match self {
            Self::Proxy => HeaderName::ProxyAuthenticate,
            Self::Server => HeaderName::WwwAuthenticate,
        }
    }

    const fn proof(self) -> HeaderName {
        match self {
            Self::Proxy => HeaderName::ProxyAuthorization,
            Self::Server => HeaderName::Authorization,
        }
    }
}

/// The accounts of a user agent, and what it knows of nonces.
///
/// # Order
/// [`Self::dress`] before a request goes out; [`Self::answer`] when it was answered 401 or 407.
#[derive(Debug)]
pub struct Keyring {
    keys: Vec<Key>,
    sessions: VecDeque<Session>,
    /// Calls that began at a host of an account, with the account's index.
    reached: VecDeque<(String, usize)>,
    rng: Rng,
}

#[derive(Debug)]
struct Key {
    account: Account,
    /// The realm that was named first, where none was configured.
    learned: Option<String>,
    /// Whether this realm has offered better than MD5: then it is not taken back.
    is_strong: bool,
}

/// A nonce, and the calls that it is used in.
#[derive(Debug)]
struct Session {
    gate: Gate,
    key: usize,
    challenge: Challenge,
    uses: u32,
    calls: VecDeque<String>,
}

impl Keyring {
    /// Takes the accounts.
    pub fn new(accounts: Vec<Account>, rng: Rng) -> Self {
        let key = |account| Key { account, learned: None, is_strong: false };
        let keys = accounts.into_iter().map(key).collect();
        Self { keys, sessions: VecDeque::new(), reached: VecDeque::new(), rng }
    }

    /// Whether there is no account: then nothing is ever answered.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Adds proofs for the nonces that this call has been challenged with before (RFC 3261 §22.3),
    /// and remembers where it goes.
    pub fn dress(&mut self, request: &mut Request) -> Attempts {
        let Some(call) = call_of(request) else { return Attempts::default() };
        self.note_destination(request, &call);
        let proofs = self.prove(request, &call);
        Attempts { answered: 0, proofs }
    }

    /// Answers the challenges in a 401 or 407 to `sent`: gives the request once more, with proofs,
    /// and with the CSeq as it was. `None`: they cannot be answered, or must not, and the response
    /// counts as it stands.
    pub fn answer(
        &mut self,
        sent: &Request,
        response: &Response,
        attempts: &mut Attempts,
    ) -> Option<Request> {
        if attempts.answered >= CHALLENGES_MAX
            || matches!(sent.method, Method::Ack | Method::Cancel)
        {
            return None;
        }
        let call = call_of(sent)?;
        let picked = self.pick(sent, &call, response);
        if picked.is_empty() || picked.iter().any(|picked| is_rejected(picked, attempts)) {
            return None;
        }
        attempts.answered += 1;
        let asked: Vec<(Gate, String)> =
            picked.iter().map(|(gate, _, challenge)| (*gate, challenge.realm.clone())).collect();
        for (gate, key, challenge) in picked {
            self.open(gate, key, challenge, &call);
        }
        let mut request = sent.clone();
        for gate in Gate::ALL {
            request.headers.remove(&gate.proof());
        }
        let before = std::mem::take(&mut attempts.proofs);
        attempts.proofs = self.prove(&mut request, &call);
        for proof in &mut attempts.proofs {
            let mut earlier = before
                .iter()
                .filter(|earlier| (earlier.gate, &earlier.realm) == (proof.gate, &proof.realm));
            let is_asked =
                asked.iter().any(|(gate, realm)| (*gate, realm) == (proof.gate, &proof.realm));
            if is_asked || earlier.any(|earlier| earlier.origin == Origin::Now) {
                proof.origin = Origin::Now;
            }
        }
        Some(request)
    }

    /// Of each realm the topmost challenge that fits (RFC 8760 §2.4); what is not understood is
    /// ignored.
    fn pick(
        &self,
        sent: &Request,
        call: &str,
        response: &Response,
    ) -> Vec<(Gate, usize, Challenge)> {
        let mut picked: Vec<(Gate, usize, Challenge)> = Vec::new();
        for gate in Gate::ALL {
            for value in response.headers.all(&gate.challenge()).take(FIELDS_MAX) {
                let Ok(challenge) = value.text().parse::<Challenge>() else { continue };
                let is_same = |(other, _, taken): &(Gate, usize, Challenge)| {
                    *other == gate && taken.realm == challenge.realm
                };
                if picked.iter().any(is_same) {
                    continue;
                }
                if let Some(key) = self.key_for(&challenge, sent, call) {
                    picked.push((gate, key, challenge));
                }
            }
        }
        picked
    }

    fn key_for(&self, challenge: &Challenge, sent: &Request, call: &str) -> Option<usize> {
        (0..self.keys.len()).find(|&index| {
            let key = &self.keys[index];
            let realm = key.account.realm.as_ref().or(key.learned.as_ref());
            let is_weaker = key.is_strong && challenge.algorithm == Algorithm::Md5;
            let is_meant = if key.account.hosts.is_empty() {
                key.account.realm.is_some()
            } else {
                self.has_reached(call, index) || key.is_for(sent)
            };
            is_meant && !is_weaker && realm.is_none_or(|realm| *realm == challenge.realm)
        })
    }

    fn has_reached(&self, call: &str, key: usize) -> bool {
        self.reached.iter().any(|(reached, index)| reached == call && *index == key)
    }

    fn note_destination(&mut self, request: &Request, call: &str) {
        for index in 0..self.keys.len() {
            if self.keys[index].is_for(request) && !self.has_reached(call, index) {
                if self.reached.len() == CALLS_MAX {
                    self.reached.pop_front();
                }
                self.reached.push_back((call.to_owned(), index));
            }
        }
    }

    /// Uses this challenge in this call from now on.
    fn open(&mut self, gate: Gate, index: usize, challenge: Challenge, call: &str) {
        let key = &mut self.keys[index];
        if key.account.realm.is_none() {
            key.learned = Some(challenge.realm.clone());
        }
        key.is_strong |= challenge.algorithm != Algorithm::Md5;
        for session in &mut self.sessions {
            if session.gate == gate && session.challenge.realm == challenge.realm {
                session.calls.retain(|other| other != call);
            }
        }
        let known = self.sessions.iter_mut().find(|session| {
            session.gate == gate
                && session.key == index
                && session.challenge.realm == challenge.realm
                && session.challenge.nonce == challenge.nonce
        });
        let session = match known {
            Some(session) => {
                session.challenge = challenge;
                session
            }
            None => {
                if self.sessions.len() == SESSIONS_MAX {
                    self.sessions.pop_front();
                }
                let calls = VecDeque::new();
                self.sessions.push_back(Session { gate, key: index, challenge, uses: 0, calls });
                self.sessions.back_mut().expect("invariant: just put in")
            }
        };
        if session.calls.len() == CALLS_MAX {
            session.calls.pop_front();
        }
        session.calls.push_back(call.to_owned());
    }

    /// Adds a proof for each nonce of the call.
    fn prove(&mut self, request: &mut Request, call: &str) -> Vec<Proof> {
        let (method, uri) = (request.method.as_str().to_owned(), request.uri.to_string());
        let mut proofs = Vec::new();
        for session in &mut self.sessions {
            if !session.calls.iter().any(|other| other == call) {
                continue;
            }
            // RFC 7616 §3.4: the count rises with each request, the same number never comes again.
            let Some(uses) = session.uses.checked_add(1) else { continue };
            session.uses = uses;
            let (challenge, account) = (&session.challenge, &self.keys[session.key].account);
            let ha1 =
                Ha1::of(challenge.algorithm, &account.user, &challenge.realm, &account.password);
            let cnonce = self.rng.token(CNONCE_CHARS);
            let who = (account.user.as_str(), &ha1);
            let credentials =
                Credentials::answering(challenge, who, (&method, &uri), (uses, &cnonce));
            request.headers.push(session.gate.proof(), credentials.to_string());
            proofs.push(Proof {
                gate: session.gate,
                realm: challenge.realm.clone(),
                nonce: challenge.nonce.clone(),
                origin: Origin::Before,
            });
        }
        proofs
    }
}

impl Key {
    /// Whether a request outside any dialog goes to a host of this account. Inside a dialog the peer
    /// has named the target, so that says nothing.
    fn is_for(&self, request: &Request) -> bool {
        let is_inside = request.headers.to().is_ok_and(|to| to.tag().is_some());
        let Some(destination) = destination(request).filter(|_| !is_inside) else { return false };
        self.account.hosts.iter().any(|host| host.equivalent(&destination))
    }
}

/// The host that a request is sent to: of the first Route, else of the Request-URI; its `maddr` if it
/// has one (RFC 3261 §8.1.2, §19.1.1).
fn destination(request: &Request) -> Option<Host> {
    let routes = request.headers.routes().ok()?;
    let uri = routes.first().map_or(&request.uri, |route| &route.uri);
    let Uri::Sip(uri) = uri else { return None };
    match uri.param("maddr") {
        Some(maddr) => maddr?.parse().ok(),
        None => Some(uri.host.clone()),
    }
}

fn call_of(request: &Request) -> Option<String> {
    request.headers.call_id().ok().map(str::to_owned)
}

/// RFC 3261 §22.1: credentials that were just rejected are not tried again. The same nonce once more
/// says so; a new one does if the last proof was made for this very request and not called stale.
fn is_rejected((gate, _, challenge): &(Gate, usize, Challenge), attempts: &Attempts) -> bool {
    let used =
        attempts.proofs.iter().find(|proof| proof.gate == *gate && proof.realm == challenge.realm);
    used.is_some_and(|proof| {
        let is_new = match proof.origin {
            Origin::Before => true,
            Origin::Now => challenge.stale,
        };
        proof.nonce == challenge.nonce || !is_new
    })
}
