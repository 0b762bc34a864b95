//! Who asks, and whether he may (RFC 3261 §22, RFC 7616, RFC 8760).
//!
//! - this file: what is configured, and the doors
//! - `users`: the table of users, asked in the same time for known and unknown names
//! - `locks`: who has been wrong too often
//! - `admission`: what a request's credentials are worth, and the answer to those that are worth too
//!   little
//!
//! A challenge keeps nothing (RFC 3261 §8.2.7): its nonce carries all that is needed to know it again.
//! Only a right proof makes an entry among the used nonces, and only a wrong one, from an address that
//! received our challenge, one among the locks.

mod admission;
mod locks;
mod users;

use sip::Method;
use sip::digest::{Algorithm, Ha1, NonceKey, UsedNonces};

use pool::ConferenceId;

pub(crate) use self::admission::Caller;
use self::locks::Locks;
use self::users::Users;
use crate::requests::Addressee;

/// Who the users are, and what needs one.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    /// The realm that users and their secrets belong to.
    pub realm: String,
    /// The users.
    pub users: Vec<User>,
    /// Shared by all nodes of a pool, so that one knows the nonces of another.
    pub nonce_key: NonceKey,
    /// What is offered, most preferred first.
    pub algorithms: Vec<Algorithm>,
    /// Who may make conferences.
    pub factory: Entry,
    /// Who may join one whose URI he holds.
    pub join: Entry,
    /// Who may subscribe to one from outside its dialogs.
    pub subscribe: Entry,
}

/// Who gets through a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Everybody.
    Open,
    /// Known users.
    Required,
}

/// Somebody who can prove who he is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// His name in the realm.
    pub name: String,
    /// What he may do.
    pub role: Role,
    /// His secret under each algorithm. With an algorithm that is not here he cannot prove anything,
    /// whatever the server offers: so he cannot be talked down to MD5 (RFC 8760 §3).
    pub secrets: Vec<Ha1>,
}

/// What a user may do; each more than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Make conferences, and steer those that he made.
    Creator,
    /// Steer any conference.
    Moderator,
    /// Everything.
    Admin,
}

impl Role {
    const ALL: [Self; 3] = [Self::Creator, Self::Moderator, Self::Admin];

    /// The role in one word, as it stands in files and on command lines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Creator => "creator",
            Self::Moderator => "moderator",
            Self::Admin => "admin",
        }
    }

    /// Reads that word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// The node's half of authentication.
#[derive(Debug)]
pub(crate) struct Auth {
    config: AuthConfig,
    users: Users,
    locks: Locks,
    used: UsedNonces,
}

impl Auth {
    pub(crate) fn new(mut config: AuthConfig) -> Self {
        let users = Users::new(&config.realm, std::mem::take(&mut config.users));
        Self { users, locks: Locks::default(), used: UsedNonces::new(), config }
    }

    /// The same with other users and doors. Who is locked out stays so, and nonces that are out are good.
    pub(crate) fn renewed(self, config: AuthConfig) -> Self {
        let nonce_key = self.config.nonce_key;
        let renewed = Self::new(AuthConfig { nonce_key, ..config });
        Self { locks: self.locks, used: self.used, ..renewed }
    }

    pub(crate) fn realm(&self) -> &str {
        &self.config.realm
    }
}

/// What a request wants, as far as that decides who may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// A new conference, or to know whether there would be one.
    Make,
    /// Into a conference, or to know whether it would be let in.
    Join,
    /// To be told about a conference.
    Subscribe,
    /// To bring others in, or to remove them.
    Steer(ConferenceId),
    /// Anything else: users only, whatever the method.
    Other,
}

impl Door {
    /// The door of a request outside any dialog.
    pub(crate) fn outside(method: &Method, addressee: Addressee) -> Self {
        match (method, addressee) {
            (Method::Invite | Method::Options, Addressee::Factory { .. }) => Self::Make,
            // Who tries URIs must not learn by the answer's kind which of them there are.
            (Method::Invite | Method::Options, Addressee::Conference(_) | Addressee::Nobody) => {
                Self::Join
            }
            (Method::Subscribe, Addressee::Conference(_) | Addressee::Nobody) => Self::Subscribe,
            (Method::Refer, Addressee::Conference(id)) => Self::Steer(id),
            (_, _) => Self::Other,
        }
    }

    /// Who gets through.
    fn entry(self, config: &AuthConfig) -> Entry {
        match self {
            Self::Make => config.factory,
            Self::Join => config.join,
            Self::Subscribe => config.subscribe,
            Self::Steer(_) | Self::Other => Entry::Required,
        }
    }
}
