//! Replaces and Join: a dialog named in a request that is not part of it.

use std::fmt;
use std::str::FromStr;

use crate::{
    DialogId, HeaderName, Headers, StatusCode,
    header::{Params, ValueError},
    scan,
};

/// Names a dialog of the one who gets it (RFC 3891 §6.1, RFC 3911 §7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialogRef {
    /// The dialog as its receiver knows it: `to-tag` is the receiver's own tag. 0 stands for none
    /// (RFC 3891 §3).
    pub id: DialogId,
    /// Replaces only a dialog that is not confirmed (RFC 3891 §6.1).
    pub early_only: bool,
}

impl DialogRef {
    /// The dialog of ours with `id`, named for its other side.
    pub fn for_peer(id: &DialogId) -> Self {
        Self { id: id.for_peer(), early_only: false }
    }
}

impl fmt::Display for DialogRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DialogId { call_id, local_tag, remote_tag } = &self.id;
        let tag = |tag: &str| if tag.is_empty() { "0".to_owned() } else { tag.to_owned() };
        write!(f, "{call_id};to-tag={};from-tag={}", tag(local_tag), tag(remote_tag))?;
        if self.early_only { f.write_str(";early-only") } else { Ok(()) }
    }
}

impl FromStr for DialogRef {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let text = scan::trim(text);
        let (call_id, params) = text.split_at(text.find(';').ok_or(ValueError)?);
        let call_id = scan::trim(call_id);
        if call_id.is_empty() || call_id.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return Err(ValueError);
        }
        let params = Params::parse_header(params)?;
        let tag = |name: &str| {
            let given = params.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name));
            match (given.count(), params.value(name)) {
                (1, Some("0")) => Ok(String::new()),
                (1, Some(tag)) if scan::is_token(tag) => Ok(tag.to_owned()),
                (_, _) => Err(ValueError),
            }
        };
        let (local_tag, remote_tag) = (tag("to-tag")?, tag("from-tag")?);
        let id = DialogId { call_id: call_id.to_owned(), local_tag, remote_tag };
        Ok(Self { id, early_only: params.has("early-only") })
    }
}

/// Reads Replaces or Join: `name` says which.
///
/// # Errors
/// 400: twice, both of the two, or not to be read (RFC 3891 §3, RFC 3911 §4).
pub fn dialog_ref(headers: &Headers, name: &HeaderName) -> Result<Option<DialogRef>, StatusCode> {
    let both = headers.count(&HeaderName::Replaces) > 0 && headers.count(&HeaderName::Join) > 0;
    match (headers.get(name), headers.count(name)) {
        (Some(value), 1) if !both => {
            value.text().parse().map(Some).map_err(|_| StatusCode::BAD_REQUEST)
        }
        (None, _) if !both => Ok(None),
        (Some(_) | None, _) => Err(StatusCode::BAD_REQUEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[(HeaderName, &str)]) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in values {
            headers.push(name.clone(), *value);
        }
        headers
    }

    /// B28 · RFC 3891 §6.1
    #[test]
    fn a_dialog_is_named_as_its_receiver_knows_it() {
        let text = "98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff;early-only";
        let read: DialogRef = text.parse().unwrap();
        assert_eq!(read.id.call_id, "98732@sip.example.com");
        assert_eq!(
            (read.id.local_tag.as_str(), read.id.remote_tag.as_str()),
            ("ff87ff", "r33th4x0r")
        );
        assert!(read.early_only);
        assert_eq!(read.to_string().parse(), Ok(read.clone()));
        let ours = DialogRef::for_peer(&read.id);
        let text = "98732@sip.example.com;to-tag=r33th4x0r;from-tag=ff87ff";
        assert_eq!(ours.to_string(), text);
        let old: DialogRef = "a;to-tag=0;from-tag=1".parse().unwrap();
        assert_eq!(
            (old.id.local_tag.as_str(), old.to_string().as_str()),
            ("", "a;to-tag=0;from-tag=1")
        );
        for bad in [
            "",
            "a",
            "a;to-tag=1",
            "a;to-tag=1;to-tag=2;from-tag=3",
            ";to-tag=1;from-tag=2",
            "a b;to-tag=1;from-tag=2",
            "a;to-tag=;from-tag=1",
            "a;to-tag;from-tag=1",
        ] {
            assert!(bad.parse::<DialogRef>().is_err(), "{bad}");
        }
    }

    /// B28 · RFC 3891 §3: two of them, or with a Join.
    #[test]
    fn one_replaces_or_one_join() {
        let value = "a;to-tag=1;from-tag=2";
        let read = |values: &[_]| dialog_ref(&headers(values), &HeaderName::Replaces);
        assert!(read(&[(HeaderName::Replaces, value)]).unwrap().is_some());
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[(HeaderName::Join, value)]), Ok(None));
        let bad = Err(StatusCode::BAD_REQUEST);
        assert_eq!(read(&[(HeaderName::Replaces, value), (HeaderName::Replaces, value)]), bad);
        assert_eq!(read(&[(HeaderName::Replaces, value), (HeaderName::Join, value)]), bad);
        assert_eq!(read(&[(HeaderName::Replaces, "x")]), bad);
    }
}
