//! Session-ID: the same two numbers for one session in every element that it passes (RFC 7989).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{header::ValueError, scan};

/// One end of a session: a UUID, or nil where it is not known (RFC 7989 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionUuid(u128);

/// The value of a Session-ID header field: who sends the message, and to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SessionId {
    /// The UUID of who sends.
    pub local: SessionUuid,
    /// The UUID of who receives; `None` in a message of an implementation of RFC 7329, which knows one
    /// number for both ends (RFC 7989 §11).
    pub remote: Option<SessionUuid>,
}

impl SessionUuid {
    /// Nobody that is known.
    pub const NIL: Self = Self(0);

    /// Makes a UUID of random bytes: version 4, so that it tells nothing of anybody (RFC 7989 §4.1).
    pub const fn random(bytes: [u8; 16]) -> Self {
        let number = u128::from_be_bytes(bytes);
        // RFC 9562 §5.4: the version in four bits, the variant in two.
        let version = 0xf << 76;
        let variant = 0b11 << 62;
        Self((number & !version & !variant) | (0x4 << 76) | (0b10 << 62))
    }

    /// Whether it names nobody.
    pub const fn is_nil(self) -> bool {
        self.0 == 0
    }
}

impl SessionId {
    /// What we say to who sent `heard`, or to somebody who has said nothing (RFC 7989 §6).
    pub const fn answering(own: SessionUuid, heard: Option<&Self>) -> Self {
        match heard {
            None => Self { local: own, remote: Some(SessionUuid::NIL) },
            Some(Self { local, remote: Some(_) }) => Self { local: own, remote: Some(*local) },
            // RFC 7989 §11: then one UUID identifies the dialog, and it is the peer's.
            Some(Self { local, remote: None }) => Self { local: *local, remote: None },
        }
    }

    /// What we say from now on, after this was sent in a request and `heard` in its answer. Whoever repeats our own
    /// number is an implementation of RFC 7329 (RFC 7989 §11).
    #[must_use]
    pub fn answered(self, heard: Option<&Self>) -> Self {
        match heard {
            Some(heard) if heard.local == self.local => Self { remote: heard.remote, ..self },
            Some(_) | None => self.hearing(heard),
        }
    }

    /// The same session, whose peer now is who sent `heard`. A nil or missing UUID changes nothing
    /// (RFC 7989 §6).
    #[must_use]
    pub const fn hearing(self, heard: Option<&Self>) -> Self {
        match (self.remote, heard) {
            (Some(_), Some(heard)) if !heard.local.is_nil() => {
                Self { local: self.local, remote: Some(heard.local) }
            }
            (Some(_) | None, _) => self,
        }
    }
}

impl fmt::Display for SessionUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.local)?;
        match self.remote {
            Some(remote) => write!(f, ";remote={remote}"),
            None => Ok(()),
        }
    }
}

impl FromStr for SessionUuid {
    type Err = ValueError;

    /// 32 digits, lower-case as RFC 7989 §5 has them, or not.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = is_hex.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        number.map(Self).ok_or(ValueError)
    }
}

impl TryFrom<String> for SessionUuid {
    type Error = ValueError;

    fn try_from(text: String) -> Result<Self, ValueError> {
        text.parse()
    }
}

impl From<SessionUuid> for String {
    fn from(uuid: SessionUuid) -> Self {
        uuid.to_string()
    }
}

impl FromStr for SessionId {
    type Err = ValueError;

    /// Other parameters are allowed and mean nothing here; a second `remote` is not (RFC 7989 §5).
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let mut parts = text.split(';').map(scan::trim);
        let local = parts.next().unwrap_or_default().parse()?;
        let mut remote = None;
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            if scan::trim(name).eq_ignore_ascii_case("remote")
                && remote.replace(scan::trim(value).parse()?).is_some()
            {
                return Err(ValueError);
            }
        }
        Ok(Self { local, remote })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "ab30317f1a784dc48ff824d0d3715d86";
    const B: &str = "47755a9de7794ba387653f2099600ef2";

    fn id(text: &str) -> SessionId {
        text.parse().expect("a Session-ID")
    }

    /// RFC 7989 §5
    #[test]
    fn the_rfcs_example_is_read_and_written_as_it_is() {
        let text = format!("{A};remote={B}");
        assert_eq!(id(&text).to_string(), text);
        assert_eq!(id(&format!("{A} ;  Remote = {B};x=y;z")), id(&text));
        assert_eq!(id(&A.to_uppercase()), id(A), "as some write it");
        assert_eq!(id(A).remote, None, "RFC 7329");
        let nil = id(&format!("{A};remote={}", "0".repeat(32)));
        assert_eq!(nil.remote, Some(SessionUuid::NIL));
    }

    /// RFC 7989 §5, §6: 32 digits, one `remote`.
    #[test]
    fn anything_else_is_none() {
        let wrong = [
            String::new(),
            A[1..].to_owned(),
            format!("{A}0"),
            format!("+{}", &A[1..]),
            format!("{A};remote"),
            format!("{A};remote=1"),
            format!("{A};remote={B};remote={B}"),
            A.replace('a', "g"),
        ];
        for text in wrong {
            assert!(text.parse::<SessionId>().is_err(), "{text}");
        }
    }

    /// RFC 7989 §4.1
    #[test]
    fn ours_are_random_uuids_of_version_4() {
        for bytes in [[0; 16], [0xff; 16]] {
            let text = SessionUuid::random(bytes).to_string();
            assert_eq!(&text[12..13], "4", "{text}");
            assert!("89ab".contains(&text[16..17]), "{text}");
        }
        assert!(!SessionUuid::random([0; 16]).is_nil());
    }

    /// RFC 7989 §6, §11
    #[test]
    fn the_peers_uuid_is_kept_and_nil_or_nothing_changes_it_not() {
        let own = SessionUuid::random([7; 16]);
        let (a, b): (SessionUuid, SessionUuid) =
            (A.parse().expect("a UUID"), B.parse().expect("a UUID"));
        assert_eq!(SessionId::answering(own, None).remote, Some(SessionUuid::NIL));
        let heard = id(&format!("{A};remote={}", SessionUuid::NIL));
        let session = SessionId::answering(own, Some(&heard));
        assert_eq!(session, SessionId { local: own, remote: Some(a) });
        assert_eq!(session.hearing(None), session);
        let nil = SessionId { local: SessionUuid::NIL, remote: Some(own) };
        assert_eq!(session.hearing(Some(&nil)), session);
        let other = SessionId { local: b, remote: Some(own) };
        assert_eq!(session.hearing(Some(&other)).remote, Some(b));

        let sent = SessionId::answering(own, None);
        assert_eq!(sent.answered(Some(&other)).remote, Some(b));
        assert_eq!(sent.answered(Some(&id(&own.to_string()))), id(&own.to_string()));
        assert_eq!(sent.answered(Some(&sent)), sent, "in the same order");

        let old = SessionId::answering(own, Some(&id(A)));
        assert_eq!(old, id(A), "one number for both ends");
        assert_eq!(old.hearing(Some(&other)), old);
    }
}
