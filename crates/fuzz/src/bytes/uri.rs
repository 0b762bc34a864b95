//! URIs, and their comparison.

use sip::Uri;
use sip::uri::{escape_user, unescape};

use super::{fixpoint, texts};
use crate::{Target, Trail};

/// [`Uri`]: up to three, a line each.
pub const URI: Target = Target { name: "uri", run: uri, seeds, words: WORDS, longest: 16_384 };

const WORDS: &[&str] = &[
    "sip:",
    "sips:",
    "tel:",
    "SIP:",
    "@",
    ":",
    ";",
    "?",
    "&",
    "=",
    "%",
    "%41",
    "%3b",
    "%00",
    "%ff",
    "%2G",
    "[",
    "]",
    "[::1]",
    "[2001:db8::192.0.2.1]",
    "[v1.x]",
    ".",
    "..",
    "-",
    "5060",
    "0",
    "65536",
    ";lr",
    ";transport=tcp",
    ";transport=UDP",
    ";maddr=",
    ";ttl=1",
    ";user=phone",
    ";method=INVITE",
    "?Subject=a",
    "&Route=%3Csip:z%3E",
    ";isfocus",
    "\n",
    "a=b&",
    ";x",
    "alice",
    "example.com",
    "EXAMPLE.com.",
    "1.2.3.4",
    "1.2.3.04",
    "0x7f.1",
];

fn seeds() -> Vec<Vec<u8>> {
    texts(&[
        "sip:%61lice@atlanta.com;transport=TCP\nsip:alice@AtLanTa.CoM;Transport=tcp",
        "sip:carol@chicago.com\nsip:carol@chicago.com;newparam=5\nsip:carol@chicago.com;security=on",
        "sip:alice@atlanta.com?subject=project%20x&priority=urgent\nsip:alice@atlanta.com?priority=urgent&subject=project%20x",
        "sips:bob:secret@[2001:db8::1]:5061;lr;maddr=239.255.255.1;ttl=15",
        "tel:+358-555-1234567;postd=pp22\nhttp://example.com/a?b",
        "sip:conf-k7abcdefghijklmnopqrstuvwxyz234567abcdefgh@host;isfocus",
    ])
}

fn uri(data: &[u8], trail: &mut Trail) {
    let text = String::from_utf8_lossy(data);
    let mut uris = Vec::new();
    for line in text.split('\n').take(3) {
        if let Some(uri) = fixpoint::<Uri>(line, "uri", trail) {
            assert_eq!(uri.to_string(), line, "a URI prints as it was read");
            parts(&uri, trail);
            uris.push(uri);
        }
        assert_eq!(unescape(&escape_user(line.as_bytes())).as_ref(), line.as_bytes());
    }
    for a in &uris {
        assert!(a.equivalent(a), "{a} is itself");
        for b in &uris {
            let same = a.equivalent(b);
            assert_eq!(same, b.equivalent(a), "{a} and {b}: it depends on who asks");
            trail.mark("equivalent", if same { "yes" } else { "no" });
        }
    }
}

fn parts(uri: &Uri, trail: &mut Trail) {
    let Some(uri) = uri.as_sip() else { return trail.mark("scheme", "other") };
    trail.count("params", uri.params.len());
    trail.count("headers", uri.headers_unescaped().count());
    trail.mark("user", if uri.user_unescaped().is_some() { "some" } else { "none" });
    trail.mark("ip", if uri.host.ip().is_some() { "some" } else { "none" });
    let asked = uri.as_request_uri();
    assert_eq!(asked.as_request_uri(), asked, "made fit for a Request-URI once is enough");
    assert!(asked.headers.is_empty(), "RFC 3261 \u{a7}19.1.1: no headers in a Request-URI");
    let read: Result<Uri, _> = asked.to_string().parse();
    assert_eq!(read, Ok(Uri::Sip(asked)), "a Request-URI reads as what it was");
}
