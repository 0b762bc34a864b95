//! The file of users: one a line, with hashed secrets in place of passwords.
//!
//! ```text
//! # comment
//! alice:example.com:creator:SHA-256=3ba6cd94...
//! desk:example.com:moderator:SHA-256=94067d3e...:MD5=91fbe9cf...
//! ```
//!
//! Name, realm, role, then for each algorithm H(A1) of RFC 7616 §3.4.2. Within its realm that hash is worth
//! as much as the password, so nobody but the server's user should be able to read the file.

use std::collections::BTreeSet;
use std::fmt;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use node::{Role, User};
use sip::digest::{Algorithm, Ha1};

use crate::line_file::{self, LineFile};

/// Users in one file at most: 10 MB in memory. More are the business of a directory server, which
/// this is not; the file is refused.
pub const USERS_MAX: usize = 50_000;

/// Longest name of a user, in bytes: longer ones could not be told apart when they are locked.
pub const NAME_BYTES_MAX: usize = 64;

/// Longest realm, in bytes: it is in every challenge, and a challenge is to be no longer than what it
/// answers.
pub const REALM_BYTES_MAX: usize = 128;

/// A user and the realm that his secrets are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The realm.
    pub realm: String,
    /// Name, role and secrets.
    pub user: User,
}

/// A users file as it was read: what is not changed is written back as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserFile(LineFile<Entry>);

/// Why a users file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum UsersError {
    #[error("{path}: {why}: make it with `convoke user add NAME --users {path}`")]
    Unread { path: String, why: &'static str },
    #[error("{path}:{line}: {problem}")]
    Line { path: String, line: usize, problem: LineProblem },
    #[error(
        "{path} has no user of realm {realm:?}: add one with `convoke user add NAME --users {path} --realm {realm}`"
    )]
    NobodyInRealm { path: String, realm: String },
    #[error(
        "no user in {path} has a secret for an algorithm that is offered: add them anew with `convoke user add`, or set md5 = true"
    )]
    NoneOffered { path: String },
}

/// What is wrong with one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum LineProblem {
    #[error("this is no user: write NAME:REALM:ROLE:SHA-256=HASH, or use `convoke user add`")]
    Shape,
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("{0:?} is no role: write creator, moderator or admin")]
    Role(String),
    #[error("{0:?} is no secret: write SHA-256=HASH, SHA-512-256=HASH or MD5=HASH")]
    Secret(String),
    #[error("{name} stands twice in realm {realm}")]
    Twice { name: String, realm: String },
    #[error("more than {USERS_MAX} users")]
    TooMany,
}

/// A name or realm that cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A name.
    #[error(
        "a user's name has 1 to {NAME_BYTES_MAX} characters, none of them a space, `:`, `\"` or `\\`"
    )]
    User,
    /// A realm.
    #[error(
        "a realm has 1 to {REALM_BYTES_MAX} characters, none of them a space, `:`, `\"` or `\\`"
    )]
    Realm,
}

/// Whether a text can be a user's name.
///
/// # Errors
/// [`NameError::User`].
pub fn check_name(name: &str) -> Result<(), NameError> {
    is_plain(name, NAME_BYTES_MAX).then_some(()).ok_or(NameError::User)
}

/// Whether a text can be a realm.
///
/// # Errors
/// [`NameError::Realm`].
pub fn check_realm(realm: &str) -> Result<(), NameError> {
    is_plain(realm, REALM_BYTES_MAX).then_some(()).ok_or(NameError::Realm)
}

/// The colon parts the fields of H(A1) and of a line; what needs quoting on the wire is where phones
/// differ.
fn is_plain(text: &str, bytes_max: usize) -> bool {
    let is_odd = |c: char| c.is_control() || c.is_whitespace() || ":\"\\".contains(c);
    !text.is_empty() && text.len() <= bytes_max && !text.contains(is_odd) && !text.starts_with('#')
}

impl UserFile {
    /// Reads the file.
    ///
    /// # Errors
    /// It cannot be read, or a line of it is none.
    pub fn read(path: &Path) -> Result<Self, UsersError> {
        let name = path.display().to_string();
        let unread = |why| UsersError::Unread { path: name.clone(), why };
        let text = line_file::read_text(path).map_err(unread)?;
        Self::parse(&name, &text)
    }

    /// Reads `text`, the content of the file named `path`.
    ///
    /// # Errors
    /// [`UsersError::Line`].
    pub fn parse(path: &str, text: &str) -> Result<Self, UsersError> {
        let mut known = BTreeSet::new();
        let lines = LineFile::parse(text, |line| {
            let entry = Entry::parse(line)?;
            let (name, realm) = (entry.user.name.clone(), entry.realm.clone());
            if !known.insert((realm.clone(), name.clone())) {
                return Err(LineProblem::Twice { name, realm });
            }
            if known.len() > USERS_MAX {
                return Err(LineProblem::TooMany);
            }
            Ok(entry)
        });
        let wrong = |(line, problem)| UsersError::Line { path: path.to_owned(), line, problem };
        lines.map(Self).map_err(wrong)
    }

    /// Everybody, in the order of the file.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.0.entries()
    }

    /// The realms, each once.
    pub fn realms(&self) -> BTreeSet<&str> {
        self.entries().map(|entry| entry.realm.as_str()).collect()
    }

    /// The users of one realm.
    pub fn users_of(&self, realm: &str) -> Vec<User> {
        let here = self.entries().filter(|entry| entry.realm == realm);
        here.map(|entry| entry.user.clone()).collect()
    }

    /// Puts a user in, in the place of one of the same name and realm. Whether there was one.
    pub fn set(&mut self, entry: Entry) -> bool {
        let is_same = |line: &&mut Entry| line.is(&entry.user.name, &entry.realm);
        let same = self.0.entries_mut().find(is_same);
        match same {
            Some(line) => {
                *line = entry;
                true
            }
            None => {
                self.0.push(entry);
                false
            }
        }
    }

    /// Takes a user out. Whether there was one.
    pub fn remove(&mut self, name: &str, realm: &str) -> bool {
        self.0.remove(|entry| entry.is(name, realm))
    }
}

impl fmt::Display for UserFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Entry {
    fn is(&self, name: &str, realm: &str) -> bool {
        self.user.name == name && self.realm == realm
    }

    fn parse(line: &str) -> Result<Self, LineProblem> {
        let mut fields = line.split(':');
        let mut field = || fields.next().ok_or(LineProblem::Shape);
        let (name, realm, role) = (field()?, field()?, field()?);
        check_name(name)?;
        check_realm(realm)?;
        let role = Role::from_name(role).ok_or_else(|| LineProblem::Role(role.to_owned()))?;
        let secrets = fields.map(secret).collect::<Result<Vec<_>, _>>()?;
        if secrets.is_empty() {
            return Err(LineProblem::Shape);
        }
        let user = User { name: name.to_owned(), role, secrets };
        Ok(Self { realm: realm.to_owned(), user })
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { realm, user: User { name, role, secrets } } = self;
        write!(f, "{name}:{realm}:{}", role.name())?;
        for secret in secrets {
            write!(f, ":{}={}", secret.algorithm(), secret.as_hex())?;
        }
        Ok(())
    }
}

/// What is wrong names the algorithm and no more: the rest may be a secret with a letter missing.
fn secret(field: &str) -> Result<Ha1, LineProblem> {
    let (name, hex) = field.split_once('=').unwrap_or(("", field));
    let read = Algorithm::from_name(name).and_then(|algorithm| Ha1::from_hex(algorithm, hex));
    read.ok_or_else(|| LineProblem::Secret(name.to_owned()))
}

/// Whether others on this machine may read the file; `false` too where nobody can know.
pub(crate) fn is_readable_by_others(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

#[cfg(test)]
mod tests {
    use sip::digest::Password;

    use super::*;

    const SHA: &str = "3ba6cd94661c5ef34598040c868f13b8775df29109986be50ad35ab537dd3aa9";
    const MD5: &str = "91fbe9cf0f3a44f9d1f7e56c1d8c5b1c";

    fn error(text: &str) -> String {
        UserFile::parse("users", text).expect_err("a wrong file").to_string()
    }

    #[test]
    fn what_is_not_changed_is_written_back_as_it_was() {
        let text = format!(
            "# ours\n\nalice:example.com:creator:SHA-256={SHA}\n\
             desk:example.com:moderator:SHA-256={SHA}:MD5={MD5}\n# end\n"
        );
        let mut file = UserFile::parse("users", &text).expect("good");
        assert_eq!(file.to_string(), text);
        let users = file.users_of("example.com");
        assert_eq!(
            users.iter().map(|user| user.role).collect::<Vec<_>>(),
            [Role::Creator, Role::Moderator]
        );
        assert_eq!(users[1].secrets[1].algorithm(), Algorithm::Md5);
        assert!(file.users_of("elsewhere").is_empty());
        assert_eq!(file.realms().into_iter().collect::<Vec<_>>(), ["example.com"]);

        let password = Password::new("secret");
        let ha1 = Ha1::of(Algorithm::Sha256, "alice", "example.com", &password);
        let alice = User { name: "alice".to_owned(), role: Role::Admin, secrets: vec![ha1] };
        let alice = Entry { realm: "example.com".to_owned(), user: alice };
        assert!(file.set(alice.clone()), "in her own place");
        assert!(file.to_string().starts_with("# ours\n\nalice:example.com:admin:SHA-256="));
        assert!(file.remove("desk", "example.com") && !file.remove("desk", "example.com"));
        assert!(!file.set(Entry { realm: "other".to_owned(), ..alice }), "another realm");
        assert_eq!(file.to_string().lines().count(), 5);
        assert!(!file.to_string().contains("secret"));
    }

    #[test]
    fn a_wrong_line_is_told_with_its_number_and_without_its_secret() {
        let good = format!("alice:example.com:creator:SHA-256={SHA}");
        let cases = [
            (
                "alice",
                "users:2: this is no user: write NAME:REALM:ROLE:SHA-256=HASH, or use `convoke user add`",
            ),
            (
                "bob:r:creator",
                "users:2: this is no user: write NAME:REALM:ROLE:SHA-256=HASH, or use `convoke user add`",
            ),
            (
                "b b:r:creator:x",
                "users:2: a user's name has 1 to 64 characters, none of them a space, `:`, `\"` or `\\`",
            ),
            (
                "bob::creator:x",
                "users:2: a realm has 1 to 128 characters, none of them a space, `:`, `\"` or `\\`",
            ),
            ("bob:r:king:x", "users:2: \"king\" is no role: write creator, moderator or admin"),
            (
                "bob:r:creator:SHA-256=beef",
                "users:2: \"SHA-256\" is no secret: write SHA-256=HASH, SHA-512-256=HASH or MD5=HASH",
            ),
            (
                "bob:r:creator:password",
                "users:2: \"\" is no secret: write SHA-256=HASH, SHA-512-256=HASH or MD5=HASH",
            ),
            (&good, "users:2: alice stands twice in realm example.com"),
        ];
        for (line, told) in cases {
            assert_eq!(error(&format!("{good}\n{line}\n")), told);
        }
    }

    #[test]
    fn a_file_that_is_not_there_says_how_to_make_one() {
        let error = UserFile::read(Path::new("/nowhere/users")).expect_err("none");
        assert_eq!(
            error.to_string(),
            "/nowhere/users: there is no such file: make it with `convoke user add NAME --users \
             /nowhere/users`"
        );
    }

    #[test]
    fn names_are_what_every_phone_can_send() {
        for good in ["alice", "1001", "alice@example.com", "köln", &"a".repeat(64)] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in ["", "a b", "a:b", "a\"b", "a\\b", "a\n", "#a", &"a".repeat(65)] {
            assert_eq!(check_name(bad), Err(NameError::User), "{bad}");
        }
        assert_eq!(check_realm(&"r".repeat(129)), Err(NameError::Realm));
    }
}
