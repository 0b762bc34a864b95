//! From `[auth]` to what the node asks for.

use node::{AuthConfig, User};
use sip::digest::{Algorithm, NonceKey};
use units::Rng;

use crate::config::{Auth, Md5};
use crate::users::{UserFile, UsersError, is_readable_by_others};

/// Reads the users. The key of the nonces is drawn anew at each start: a nonce lives for minutes, and
/// whoever comes with one from before is challenged once more, which his phone does by itself. Kept in
/// a file it would be one more secret to guard, for nothing.
pub(crate) fn load(auth: &Auth, rng: &mut Rng) -> Result<AuthConfig, UsersError> {
    let users = users(auth)?;
    let path = auth.users.display();
    if is_readable_by_others(&auth.users) {
        tracing::warn!("{path} may be read by others on this machine: chmod 600 {path}");
    }
    Ok(AuthConfig {
        realm: auth.realm.clone(),
        users,
        nonce_key: NonceKey::new(rng.bytes()),
        algorithms: algorithms(auth.md5),
        factory: auth.factory.into(),
        join: auth.join.into(),
        subscribe: auth.subscribe.into(),
    })
}

/// The users of the realm: at least one, who can prove who he is.
pub(crate) fn users(auth: &Auth) -> Result<Vec<User>, UsersError> {
    let users = UserFile::read(&auth.users)?.users_of(&auth.realm);
    let path = auth.users.display().to_string();
    if users.is_empty() {
        return Err(UsersError::NobodyInRealm { path, realm: auth.realm.clone() });
    }
    let algorithms = algorithms(auth.md5);
    if !users.iter().any(|user| user.secrets.iter().any(|s| algorithms.contains(&s.algorithm()))) {
        return Err(UsersError::NoneOffered { path });
    }
    Ok(users)
}

fn algorithms(md5: Md5) -> Vec<Algorithm> {
    match md5 {
        Md5::No => vec![Algorithm::Sha256],
        Md5::Also => vec![Algorithm::Sha256, Algorithm::Md5],
        Md5::Only => vec![Algorithm::Md5],
    }
}
