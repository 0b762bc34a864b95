//! The state folder: what outlives the process. Only its owner reads it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use node::Keys;
use pool::{Key, TokenKeys};
use serde::{Deserialize, Serialize};
use units::Rng;

/// Why the state folder cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum StateError {
    #[error("{path}: {kind}; name a folder that this user may write with --state-dir")]
    Files { path: String, kind: io::ErrorKind },
    #[error(
        "{path} holds no keys: put back the file there was, or remove it; then every conference URI that was given \
         out is dead"
    )]
    BadKeys { path: String },
}

/// Makes the folder, if there is none.
pub(crate) fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Puts a file in the place of another, or of none: after a cut at any moment there is the old one or the new one,
/// whole.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_extension("part");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// The keys as they are kept.
#[derive(Serialize, Deserialize)]
struct KeysFile {
    identity: String,
    stateless: String,
    token: Vec<TokenKeyFile>,
}

#[derive(Serialize, Deserialize)]
struct TokenKeyFile {
    id: u8,
    secret: String,
}

/// Makes keys that nobody knows.
pub(crate) fn new_keys(rng: &mut Rng) -> Keys {
    Keys {
        identity: rng.bytes(),
        stateless: rng.bytes(),
        token: TokenKeys { current: Key::new(0, rng.bytes()), previous: Vec::new() },
    }
}

/// The keys of a state folder; made at the first time. With the same keys the same request means the same
/// conference, and a URI that was given out is still known, after a restart.
pub(crate) fn keys(folder: &Path, rng: &mut Rng) -> Result<Keys, StateError> {
    let path = folder.join("keys.json");
    let failed = |error: io::Error| StateError::Files {
        path: path.display().to_string(),
        kind: error.kind(),
    };
    make(folder).map_err(failed)?;
    match fs::read_to_string(&path) {
        Ok(text) => {
            let bad = || StateError::BadKeys { path: path.display().to_string() };
            serde_json::from_str(&text).ok().and_then(|file| read(&file)).ok_or_else(bad)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let keys = new_keys(rng);
            let text = serde_json::to_string_pretty(&written(&keys)).unwrap_or_default();
            replace(&path, text.as_bytes()).map_err(failed)?;
            Ok(keys)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Whether the folder can be used, or made. Nothing is made.
pub(crate) fn look(folder: &Path) -> Result<(), StateError> {
    let path = folder.join("keys.json");
    let failed = |at: &Path| {
        let path = at.display().to_string();
        move |error: io::Error| StateError::Files { path, kind: error.kind() }
    };
    // What is not there yet is made in the first folder above that is.
    let there = folder.ancestors().find(|it| it.exists()).unwrap_or(Path::new("."));
    try_out(there).map_err(failed(folder))?;
    match fs::read_to_string(&path) {
        Ok(text) => {
            let keys = serde_json::from_str(&text).ok().and_then(|file| read(&file));
            let bad = || StateError::BadKeys { path: path.display().to_string() };
            keys.map(drop).ok_or_else(bad)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(&path)(error)),
    }
}

/// Whether files can be made in a folder that is there: one is, and is taken away.
pub(crate) fn try_out(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!(".convoke-{}", std::process::id()));
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(&path)
}

fn written(keys: &Keys) -> KeysFile {
    let all = std::iter::once(&keys.token.current).chain(&keys.token.previous);
    let token = all.map(|key| TokenKeyFile { id: key.id(), secret: hex(key.secret()) });
    KeysFile {
        identity: hex(&keys.identity),
        stateless: hex(&keys.stateless),
        token: token.collect(),
    }
}

/// The first token key signs; the others are only read.
fn read(file: &KeysFile) -> Option<Keys> {
    let tokens = file.token.iter().map(|key| Some(Key::new(key.id, unhex(&key.secret)?)));
    let mut tokens: Vec<Key> = tokens.collect::<Option<_>>()?;
    if tokens.is_empty() {
        return None;
    }
    let current = tokens.remove(0);
    Some(Keys {
        identity: unhex(&file.identity)?,
        stateless: unhex(&file.stateless)?,
        token: TokenKeys { current, previous: tokens },
    })
}

fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn keys_are_made_once_and_found_again_and_nobody_else_reads_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = folder.path().join("state");
        let mut rng = Rng::from_number(1);
        let made = keys(&state, &mut rng).expect("made");
        let found = keys(&state, &mut rng).expect("found");
        assert_eq!((made.identity, made.stateless), (found.identity, found.stateless));
        assert_eq!(made.token, found.token);
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&state), mode(&state.join("keys.json"))), (0o700, 0o600));
    }

    /// New keys would silently kill every URI that was given out.
    #[test]
    fn keys_that_cannot_be_read_stop_the_server() {
        let folder = tempfile::tempdir().expect("a folder");
        for bad in ["", "{}", "{\"identity\":\"00\",\"stateless\":\"00\",\"token\":[]}"] {
            fs::write(folder.path().join("keys.json"), bad).expect("written");
            let error = keys(folder.path(), &mut Rng::from_number(1)).expect_err("no keys");
            assert!(matches!(error, StateError::BadKeys { .. }), "{error}");
        }
    }
}
