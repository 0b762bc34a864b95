//! Values of header fields.

use sip::header::{
    CSeq, EventHeader, MediaType, NameAddr, RetryAfter, SubscriptionState, Via, Warning,
};
use sip::{Contacts, HeaderName, Headers};

use super::{SIP_WORDS, fixpoint, texts};
use crate::{Target, Trail};

/// Each typed value, and each field that is a list. The first byte chooses.
pub const HEADERS: Target =
    Target { name: "headers", run: headers, seeds, words: SIP_WORDS, longest: 16_384 };

fn seeds() -> Vec<Vec<u8>> {
    texts(&[
        "0SIP/2.0/UDP [2001:db8::9:1]:5060;received=2001:db8::9:255;branch=z9hG4bKas3-111;rport",
        "0SIP / 2.0 / TCP  host.example : 5060 ; ttl = 16 ; maddr=192.0.2.1",
        "1\"J Rosenberg \\\\\\\"\" <sip:jdrosen@example.com;lr> ; tag = 98asjd8 ; x=\"y\\\"z\"",
        "1sip:caller@example.com;tag=1",
        "2 0009 INVITE",
        "3refer;id=93809823",
        "4active;expires=60;retry-after=9;reason=x",
        "518000 (I am (really) in a \\) meeting);duration=3600",
        "6307 isi.edu \"Session parameter 'foo' not understood\"",
        "7application/sdp;charset=\"UTF-8\"",
        "8SIP/2.0/UDP a;branch=1, SIP/2.0/UDP b;branch=2,SIP/2.0/TCP c",
        "9<sip:a@x>;q=0.1, \"b, c\" <sip:b@y,z>;expires=3, sip:d@e",
        ":*",
        ";1800;refresher=uac",
        "<timer, 100rel ,replaces",
        "=399 a \"b\", 399 c \"d,e\"",
    ])
}

fn headers(data: &[u8], trail: &mut Trail) {
    let Some((first, value)) = data.split_first() else { return };
    // A field ends where a line ends: no reader of a value ever sees a line break.
    let value: Vec<u8> =
        value.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    let value = value.as_slice();
    let text = String::from_utf8_lossy(value);
    match first % 14 {
        6 => drop(fixpoint::<Via>(&text, "via", trail)),
        7 => drop(fixpoint::<NameAddr>(&text, "name-addr", trail)),
        8 => drop(fixpoint::<CSeq>(&text, "cseq", trail)),
        9 => drop(fixpoint::<EventHeader>(&text, "event", trail)),
        10 => drop(fixpoint::<SubscriptionState>(&text, "subscription-state", trail)),
        11 => drop(fixpoint::<RetryAfter>(&text, "retry-after", trail)),
        12 => drop(fixpoint::<Warning>(&text, "warning", trail)),
        13 => drop(fixpoint::<MediaType>(&text, "media-type", trail)),
        0 => lists(HeaderName::Via, value, |it| it.vias().map(|list| printed(&list)), trail),
        1 => lists(HeaderName::Route, value, |it| it.routes().map(|list| printed(&list)), trail),
        2 => contacts(value, trail),
        3 => timer(value, trail),
        4 => {
            lists(HeaderName::Supported, value, |it| it.supported().map(|it| printed(&it)), trail);
        }
        _ => lists(HeaderName::Warning, value, |it| it.warnings().map(|it| printed(&it)), trail),
    }
}

fn printed<T: ToString>(list: &[T]) -> Vec<String> {
    list.iter().map(T::to_string).collect()
}

/// A list read from one line is the list read from a line for each of its values (RFC 3261 §7.3.1).
fn lists<E: std::fmt::Debug>(
    name: HeaderName,
    value: &[u8],
    read: fn(&Headers) -> Result<Vec<String>, E>,
    trail: &mut Trail,
) {
    let mut joined = Headers::new();
    joined.push(name.clone(), value.to_vec());
    let list = read(&joined);
    trail.outcome(name.as_str(), &list);
    let Ok(list) = list else { return };
    trail.count(name.as_str(), list.len());
    let mut apart = Headers::new();
    for one in &list {
        apart.push(name.clone(), one.as_str());
    }
    let again = read(&apart).expect("what was printed can be read");
    assert_eq!(again, list, "{name:?}: one line and many lines differ");
}

fn contacts(value: &[u8], trail: &mut Trail) {
    let mut headers = Headers::new();
    headers.push(HeaderName::Contact, value.to_vec());
    let contacts = headers.contacts();
    trail.outcome("contacts", &contacts);
    match contacts {
        Ok(Contacts::List(list)) => {
            trail.count("contacts", list.len());
            let text = printed(&list).join(", ");
            headers.set(HeaderName::Contact, text.as_str());
            assert_eq!(headers.contacts(), Ok(Contacts::List(list)), "{text}");
        }
        Ok(Contacts::Star) => trail.mark("contacts", "all"),
        Err(_) => {}
    }
}

fn timer(value: &[u8], trail: &mut Trail) {
    let mut headers = Headers::new();
    headers.push(HeaderName::SessionExpires, value.to_vec());
    headers.push(HeaderName::MinSe, value.to_vec());
    trail.outcome("session-expires", &sip::session_timer::session_expires(&headers));
    trail.outcome("min-se", &sip::session_timer::min_se(&headers));
}
