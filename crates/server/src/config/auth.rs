//! `[auth]`: who has to prove who he is, and where the users are.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, de};
use toml::Spanned;

use super::check::Origin;
use super::error::{ConfigError, Problem};
use crate::users;

/// Who has to prove who he is. Whatever is not named here needs a known user, and steering a
/// conference by REFER a role besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// The realm: what users and their secrets belong to, and what phones show.
    pub realm: String,
    /// The file of users; see [`crate::users`].
    pub users: PathBuf,
    /// Whether MD5 is offered.
    pub md5: Md5,
    /// Who may make conferences.
    pub factory: Entry,
    /// Who may join one whose URI he holds.
    pub join: Entry,
    /// Who may subscribe to one from outside its dialogs.
    pub subscribe: Entry,
}

/// Whether MD5 is offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Md5 {
    /// `false`: SHA-256 alone.
    #[default]
    No,
    /// `true`: SHA-256 first, then MD5 (RFC 8760 §2.3).
    Also,
    /// `"only"`: MD5 alone, for phones that give up at the sight of any other challenge.
    Only,
}

impl<'de> Deserialize<'de> for Md5 {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_any(Md5Visitor)
    }
}

struct Md5Visitor;

impl de::Visitor<'_> for Md5Visitor {
    type Value = Md5;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false or \"only\"")
    }

    fn visit_bool<E: de::Error>(self, is_offered: bool) -> Result<Md5, E> {
        Ok(if is_offered { Md5::Also } else { Md5::No })
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<Md5, E> {
        match word {
            "only" => Ok(Md5::Only),
            _ => Err(E::invalid_value(de::Unexpected::Str(word), &self)),
        }
    }
}

/// Who gets through a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// Everybody.
    Open,
    /// Known users.
    Required,
}

impl From<Entry> for node::Entry {
    fn from(entry: Entry) -> Self {
        match entry {
            Entry::Open => Self::Open,
            Entry::Required => Self::Required,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    realm: Spanned<String>,
    users: Spanned<String>,
    md5: Option<Md5>,
    factory: Option<Entry>,
    join: Option<Entry>,
    subscribe: Option<Entry>,
}

impl Auth {
    /// Whether strangers can make conferences, and so have us send media wherever they say.
    pub(super) fn guards(&self) -> bool {
        self.factory == Entry::Required
    }
}

/// Whoever holds a conference's URI was given it by somebody who made it: that is enough to join. To
/// look on without joining is not what it was given for.
pub(super) fn check(
    written: Option<Spanned<Written>>,
    origin: &Origin<'_>,
) -> Result<Option<Auth>, ConfigError> {
    let Some(written) = written.map(Spanned::into_inner) else { return Ok(None) };
    let blame = |span: Range<usize>, problem| Err(origin.error(&span, problem));
    if let Err(error) = users::check_realm(written.realm.get_ref()) {
        return blame(written.realm.span(), Problem::BadRealm(error));
    }
    if written.users.get_ref().is_empty() {
        return blame(written.users.span(), Problem::NoUsersFile);
    }
    // As other programs do it: a path is relative to the file that it stands in.
    let folder = Path::new(origin.path).parent().unwrap_or(Path::new(""));
    Ok(Some(Auth {
        realm: written.realm.into_inner(),
        users: folder.join(written.users.into_inner()),
        md5: written.md5.unwrap_or_default(),
        factory: written.factory.unwrap_or(Entry::Required),
        join: written.join.unwrap_or(Entry::Open),
        subscribe: written.subscribe.unwrap_or(Entry::Required),
    }))
}
