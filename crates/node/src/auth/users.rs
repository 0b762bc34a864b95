//! The table of users.

use std::collections::BTreeMap;

use sip::digest::{Algorithm, Credentials, Ha1, Password, Username};

use super::User;

/// The users of one realm, by name and by hashed name.
#[derive(Debug)]
pub(super) struct Users {
    realm: String,
    by_name: BTreeMap<String, User>,
    by_hash: BTreeMap<String, String>,
}

/// Whom credentials name, before anything is proved.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    /// The user, if there is one of that name.
    pub(super) user: Option<&'a User>,
    /// What counts as his name when he is wrong: the user's, whichever way it was written.
    pub(super) name: &'a str,
}

impl Users {
    pub(super) fn new(realm: &str, users: Vec<User>) -> Self {
        let mut by_hash = BTreeMap::new();
        for user in &users {
            for algorithm in Algorithm::ALL {
                by_hash.insert(Username::hash(algorithm, &user.name, realm), user.name.clone());
            }
        }
        let by_name = users.into_iter().map(|user| (user.name.clone(), user)).collect();
        Self { realm: realm.to_owned(), by_name, by_hash }
    }

    /// Finds whom credentials name.
    pub(super) fn claim<'a>(&'a self, credentials: &'a Credentials) -> Claim<'a> {
        let name = match &credentials.username {
            Username::Plain(name) => name,
            Username::Hashed(hash) => self.by_hash.get(hash).unwrap_or(hash),
        };
        Claim { user: self.by_name.get(name), name }
    }

    /// The user, if the credentials prove that he sent a request of this method. For a name that
    /// nobody has the same is computed, with a secret that nobody knows: the time does not tell which
    /// names there are.
    pub(super) fn prove<'a>(
        &self,
        claim: &Claim<'a>,
        credentials: &Credentials,
        method: &str,
    ) -> Option<&'a User> {
        let nobodys = Password::new("");
        let stand_in = Ha1::of(credentials.algorithm, claim.name, &self.realm, &nobodys);
        let secret = claim.user.and_then(|user| {
            user.secrets.iter().find(|secret| secret.algorithm() == credentials.algorithm)
        });
        let is_right = credentials.prove(secret.unwrap_or(&stand_in), method);
        claim.user.filter(|_| is_right && secret.is_some())
    }
}
