//! Target-Dialog: a dialog that its sender knows of, named in a request outside it (RFC 4538).

use std::fmt;
use std::str::FromStr;

use crate::{
    DialogId, HeaderName, Headers,
    header::{Params, ValueError},
    scan,
};

/// The option tag of those who understand it (RFC 4538 §3).
pub const TDIALOG: &str = "tdialog";

/// Names a dialog of the one who gets it: both tags are as he sees them (RFC 4538 §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetDialog(pub DialogId);

impl fmt::Display for TargetDialog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DialogId { call_id, local_tag, remote_tag } = &self.0;
        write!(f, "{call_id};local-tag={local_tag};remote-tag={remote_tag}")
    }
}

impl FromStr for TargetDialog {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let text = scan::trim(text);
        let (call_id, params) = text.split_at(text.find(';').ok_or(ValueError)?);
        let params = Params::parse_header(params)?;
        let tag = |name| params.value(name).filter(|tag| scan::is_token(tag)).ok_or(ValueError);
        let (local_tag, remote_tag) = (tag("local-tag")?.to_owned(), tag("remote-tag")?.to_owned());
        Ok(Self(DialogId { call_id: scan::trim(call_id).to_owned(), local_tag, remote_tag }))
    }
}

impl Headers {
    /// Reads Target-Dialog. RFC 4538 §4: one without both tags is ignored, and so is what cannot be read.
    pub fn target_dialog(&self) -> Option<DialogId> {
        let value = self.get(&HeaderName::TargetDialog)?;
        value.text().parse().ok().map(|TargetDialog(id)| id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C03 · RFC 4538 §3, and the example of §10: `kkaz-` is the tag of who gets it.
    #[test]
    fn both_tags_are_as_their_receiver_sees_them() {
        let text = "fa77as7dad8-sd98ajzz@host.example.com ;local-tag=kkaz- ;remote-tag=6544";
        let read = |text: &str| {
            let mut headers = Headers::new();
            headers.push(HeaderName::TargetDialog, text);
            headers.target_dialog()
        };
        let ours = DialogId {
            call_id: "fa77as7dad8-sd98ajzz@host.example.com".to_owned(),
            local_tag: "kkaz-".to_owned(),
            remote_tag: "6544".to_owned(),
        };
        assert_eq!(read(text), Some(ours.clone()));
        let theirs = ours.for_peer();
        assert_eq!((theirs.local_tag.as_str(), theirs.remote_tag.as_str()), ("6544", "kkaz-"));
        assert_eq!(read(&TargetDialog(theirs.clone()).to_string()), Some(theirs));
        for bad in ["", "a", "a;local-tag=1", "a;remote-tag=1", "a;local-tag=;remote-tag=2"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(Headers::new().target_dialog(), None);
    }
}
