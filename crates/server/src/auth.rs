//! From `[auth]` to what the node asks for.

use node::AuthConfig;
use sip::digest::{Algorithm, NonceKey};
use units::Rng;

use crate::config::{Auth, Md5};
use crate::users::{UserFile, UsersError, is_readable_by_others};

/// Reads the users. The key of the nonces is drawn anew at each start: a nonce lives for minutes, and
/// whoever comes with one from before is challenged once more, which his phone does by itself. Kept in
/// a file it would be one more secret to guard, for nothing.
pub(crate) fn load(auth: &Auth, rng: &mut Rng) -> Result<AuthConfig, UsersError> {
    let users = UserFile::read(&auth.users)?.users_of(&auth.realm);
    let path = auth.users.display().to_string();
    if users.is_empty() {
        return Err(UsersError::NobodyInRealm { path, realm: auth.realm.clone() });
    }
    if is_readable_by_others(&auth.users) {
        tracing::warn!("{path} may be read by others on this machine: chmod 600 {path}");
    }
    let algorithms = match auth.md5 {
        Md5::No => vec![Algorithm::Sha256],
        Md5::Also => vec![Algorithm::Sha256, Algorithm::Md5],
        Md5::Only => vec![Algorithm::Md5],
    };
    if !users.iter().any(|user| user.secrets.iter().any(|s| algorithms.contains(&s.algorithm()))) {
        return Err(UsersError::NoneOffered { path });
    }
    Ok(AuthConfig {
        realm: auth.realm.clone(),
        users,
        nonce_key: NonceKey::new(rng.bytes()),
        algorithms,
        factory: auth.factory.into(),
        join: auth.join.into(),
        subscribe: auth.subscribe.into(),
    })
}
