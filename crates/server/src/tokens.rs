//! The file of tokens for the HTTP interface: one a line, with a hash in place of the token.
//!
//! ```text
//! # comment
//! dashboard:reader:SHA-256=3ba6cd94...
//! booking:operator:SHA-256=94067d3e...
//! ```
//!
//! A token is 256 random bits, so one plain hash of it is enough: nothing can be tried out against it.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::Path;

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::line_file::{self, LineFile};

/// Tokens in one file at most: each request looks at all of them. More is refused.
pub const TOKENS_MAX: usize = 1_000;

/// Longest name of a token, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// What a token lets one do; each more than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TokenRole {
    /// Look, but not at conference URIs: whoever has one can join.
    Reader,
    /// Make, change and end conferences; call, mute and remove participants; see URIs.
    Operator,
    /// Everything: also what concerns the whole server.
    Admin,
}

impl TokenRole {
    const ALL: [Self; 3] = [Self::Reader, Self::Operator, Self::Admin];

    /// As it is written in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// A line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenEntry {
    /// Whose it is: for logs and for taking it away.
    pub name: String,
    /// What it is for.
    pub role: TokenRole,
    hash: [u8; 32],
}

/// A tokens file as it was read: what is not changed is written back as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenFile(LineFile<TokenEntry>);

/// Why a tokens file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum TokensError {
    #[error("{path}: {why}: make it with `convoke token add NAME --role admin --tokens {path}`")]
    Unread { path: String, why: &'static str },
    #[error("{path}:{line}: {problem}")]
    Line { path: String, line: usize, problem: TokenProblem },
}

/// What is wrong with one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum TokenProblem {
    #[error("this is no token: write NAME:ROLE:SHA-256=HASH, or use `convoke token add`")]
    Shape,
    #[error("a token's name has 1 to {NAME_BYTES_MAX} letters, digits, `-`, `_` or `.`")]
    Name,
    #[error("{0:?} is no role: write reader, operator or admin")]
    Role(String),
    #[error("{name} stands twice")]
    Twice { name: String },
    #[error("more than {TOKENS_MAX} tokens")]
    TooMany,
}

/// Whether a text can be a token's name.
///
/// # Errors
/// [`TokenProblem::Name`].
pub fn check_token_name(name: &str) -> Result<(), TokenProblem> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let fits = !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.chars().all(is_plain);
    fits.then_some(()).ok_or(TokenProblem::Name)
}

/// A new token, from 32 random bytes: what the file keeps, and what its holder is told, once.
pub fn new_token(name: &str, role: TokenRole, secret: [u8; 32]) -> (TokenEntry, String) {
    let token = format!("{PREFIX}{}", BASE32_NOPAD.encode(&secret).to_ascii_lowercase());
    (TokenEntry { name: name.to_owned(), role, hash: hash(&token) }, token)
}

/// A new token from the system's source of randomness.
///
/// # Errors
/// The system gives none.
pub fn random_token(name: &str, role: TokenRole) -> io::Result<(TokenEntry, String)> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(io::Error::other)?;
    Ok(new_token(name, role, secret))
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

impl TokenFile {
    /// Reads the file.
    ///
    /// # Errors
    /// It cannot be read, or a line of it is none.
    pub fn read(path: &Path) -> Result<Self, TokensError> {
        let name = path.display().to_string();
        let unread = |why| TokensError::Unread { path: name.clone(), why };
        let text = line_file::read_text(path).map_err(unread)?;
        Self::parse(&name, &text)
    }

    /// Reads `text`, the content of the file named `path`.
    ///
    /// # Errors
    /// [`TokensError::Line`].
    pub fn parse(path: &str, text: &str) -> Result<Self, TokensError> {
        let mut known = BTreeSet::new();
        let lines = LineFile::parse(text, |line| {
            let entry = TokenEntry::parse(line)?;
            if !known.insert(entry.name.clone()) {
                return Err(TokenProblem::Twice { name: entry.name });
            }
            if known.len() > TOKENS_MAX {
                return Err(TokenProblem::TooMany);
            }
            Ok(entry)
        });
        let wrong = |(line, problem)| TokensError::Line { path: path.to_owned(), line, problem };
        lines.map(Self).map_err(wrong)
    }

    /// All tokens, in the order of the file.
    pub fn entries(&self) -> impl Iterator<Item = &TokenEntry> {
        self.0.entries()
    }

    /// Puts a token in, in the place of one of the same name. Whether there was one.
    pub fn set(&mut self, entry: TokenEntry) -> bool {
        let was_there = self.remove(&entry.name);
        self.0.push(entry);
        was_there
    }

    /// Takes a token out. Whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        self.0.remove(|entry| entry.name == name)
    }
}

impl fmt::Display for TokenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for TokenEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, role, hash } = self;
        write!(f, "{name}:{}:{KIND}{}", role.name(), HEXLOWER.encode(hash))
    }
}

impl TokenEntry {
    /// Whether this is the token that was made with it. In the same time for each.
    pub(crate) fn is(&self, token: &str) -> bool {
        bool::from(self.hash.ct_eq(&hash(token)))
    }

    fn parse(line: &str) -> Result<Self, TokenProblem> {
        let mut fields = line.splitn(3, ':');
        let mut field = || fields.next().ok_or(TokenProblem::Shape);
        let (name, role, secret) = (field()?, field()?, field()?);
        check_token_name(name)?;
        let role = TokenRole::from_name(role).ok_or_else(|| TokenProblem::Role(role.to_owned()))?;
        let hash = secret.strip_prefix(KIND).and_then(|hex| HEXLOWER.decode(hex.as_bytes()).ok());
        let hash = hash.and_then(|hash| hash.try_into().ok()).ok_or(TokenProblem::Shape)?;
        Ok(Self { name: name.to_owned(), role, hash })
    }
}

/// What a token begins with: so that programs that look for secrets in public places know one.
const PREFIX: &str = "convoke_";
const KIND: &str = "SHA-256=";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_knows_a_token_again_and_does_not_hold_it() {
        let (entry, token) = new_token("booking", TokenRole::Operator, [7; 32]);
        assert!(token.starts_with("convoke_") && token.len() == 8 + 52);
        let mut file = TokenFile::parse("tokens", "# ours\n\n").expect("good");
        assert!(!file.set(entry));
        let text = file.to_string();
        assert!(text.starts_with("# ours\n\nbooking:operator:SHA-256=") && !text.contains(&token));
        let read = TokenFile::parse("tokens", &text).expect("good");
        assert_eq!(read, file);
        let entry = read.entries().next().expect("one");
        assert!(entry.is(&token) && !entry.is("convoke_") && !entry.is(""));
        let (other, _) = new_token("booking", TokenRole::Reader, [8; 32]);
        assert!(file.set(other) && !file.to_string().contains("operator"));
        assert!(file.remove("booking") && !file.remove("booking"));
        assert_eq!(file.to_string(), "# ours\n\n");
    }

    #[test]
    fn a_wrong_line_is_told_with_its_number_and_without_its_secret() {
        let (_, good) = {
            let (entry, _) = new_token("a", TokenRole::Reader, [1; 32]);
            let mut file = TokenFile::default();
            file.set(entry);
            ((), file.to_string())
        };
        for (line, told) in [
            ("b", "this is no token"),
            ("b:king:x", "\"king\" is no role: write reader, operator or admin"),
            ("b b:reader:x", "a token's name has 1 to 64 letters"),
            ("b:reader:convoke_plain", "this is no token"),
            ("b:reader:SHA-256=beef", "this is no token"),
            (good.trim_end(), "a stands twice"),
        ] {
            let error = TokenFile::parse("tokens", &format!("{good}{line}\n")).expect_err(line);
            let error = error.to_string();
            assert!(error.starts_with("tokens:2: ") && error.contains(told), "{error}");
            assert!(!error.contains("plain") && !error.contains("beef"));
        }
    }
}
