//! Bodies of NOTIFYs.

use sip::sipfrag;

use super::{SIP_WORDS, texts};
use crate::{Target, Trail};

/// [`sipfrag::parse`].
pub const SIPFRAG: Target =
    Target { name: "sipfrag", run: sipfrag, seeds, words: SIP_WORDS, longest: 4_096 };

fn seeds() -> Vec<Vec<u8>> {
    texts(&[
        "SIP/2.0 100 Trying\r\n",
        "SIP/2.0 603 Decline\r\nWarning: 399 a \"b\"\r\n",
        "SIP/2.0 200",
        "INVITE sip:a@b SIP/2.0\r\n",
    ])
}

fn sipfrag(data: &[u8], trail: &mut Trail) {
    let read = sipfrag::parse(data);
    trail.count("status", read.as_ref().map_or(0, |(status, _)| status.code().into()));
    let Some((status, reason)) = read else { return };
    assert!(!reason.contains(['\r', '\n']), "a reason is one line: {reason:?}");
    let ours = sipfrag::status_line(status);
    assert_eq!(sipfrag::parse(ours.as_bytes()), Some((status, status.reason().to_owned())));
    // Only the first line counts.
    let line = data.split(|byte| *byte == b'\n').next().unwrap_or_default();
    assert_eq!(sipfrag::parse(line), Some((status, reason)));
}
