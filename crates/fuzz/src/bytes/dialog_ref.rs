//! Replaces and Join: what names a dialog from outside it.

use sip::header::{DialogRef, dialog_ref};
use sip::{HeaderName, Headers, StatusCode};

use super::{SIP_WORDS, fixpoint, texts};
use crate::{Target, Trail};

/// [`dialog_ref`] over up to four fields, one a line: a line's first byte says which field it is.
pub const DIALOG_REF: Target =
    Target { name: "dialog-ref", run: names, seeds, words: SIP_WORDS, longest: 4_096 };

fn seeds() -> Vec<Vec<u8>> {
    texts(&[
        "R98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff;early-only",
        "Jc ; to-tag = 0 ; from-tag=1;x=\"y;z\"",
        "Ra;to-tag=1;from-tag=2\nJa;to-tag=1;from-tag=2",
        "Ra;to-tag=1;from-tag=2\nRb;to-tag=1;from-tag=2",
        "Ra;to-tag=1;to-tag=2;from-tag=3",
    ])
}

fn names(data: &[u8], trail: &mut Trail) {
    let mut headers = Headers::new();
    for line in data.split(|byte| matches!(byte, b'\r' | b'\n')).take(4) {
        let Some((first, value)) = line.split_first() else { continue };
        let name = if *first == b'J' { HeaderName::Join } else { HeaderName::Replaces };
        headers.push(name, value.to_vec());
    }
    let found = [HeaderName::Replaces, HeaderName::Join].map(|name| dialog_ref(&headers, &name));
    for read in &found {
        trail.outcome("read", read);
        match read {
            Err(status) => assert_eq!(*status, StatusCode::BAD_REQUEST),
            Ok(None) => trail.mark("read", "none"),
            Ok(Some(named)) => {
                assert_eq!(headers.len(), 1, "of several none is followed");
                fixpoint::<DialogRef>(&named.to_string(), "dialog-ref", trail);
                // Seen from the other side twice, it is where it was.
                let (there, early) = (DialogRef::for_peer(&named.id), named.early_only);
                let back = DialogRef::for_peer(&there.id);
                assert_eq!(back.id, named.id);
                trail.mark("read", if early { "early" } else { "confirmed" });
            }
        }
    }
    assert!(found.iter().flatten().flatten().count() <= 1, "Replaces or Join, never both");
}
