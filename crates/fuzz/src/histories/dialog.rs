//! What two user agents remember of each other.

use sip::{
    Dialog, DialogError, DialogSnapshot, Essentials, FlowId, Incoming, Message, Method, NameAddr,
    Request, Response, Source, StatusCode, Transport, Uri,
};

use crate::{Choices, Target, Trail};

/// [`Dialog`], made by a request or by an answer, and what comes in it.
pub const DIALOG: Target =
    Target { name: "dialog", run: dialog, seeds: || super::random(120), words: &[], longest: 400 };

const CONTACTS: &[&str] = &[
    "<sip:p@192.0.2.9>",
    "<sip:p@192.0.2.9:5070;transport=tcp>",
    "<sip:p@phone.example>",
    "<sips:p@192.0.2.9>",
    "<tel:+1>",
    "*",
    "<sip:a@x>, <sip:b@y>",
    "",
    "<sip:[2001:db8::1]:9>",
    "<sip:p@192.0.2.9;method=BYE?Route=x>",
    "sip:p@192.0.2.9;x=y",
];
const ROUTES: &[&str] = &[
    "",
    "",
    "<sip:192.0.2.50;lr>",
    "<sip:192.0.2.50;lr>, <sip:edge.example;lr>",
    "<sip:192.0.2.50>",
    "<sip:strict@192.0.2.50>,<sip:192.0.2.51;lr>",
    "<tel:+2>",
    "<sips:h;lr>",
    "x",
];
const TAGS: &[&str] = &["", ";tag=1", ";tag=1", ";tag=2"];

fn dialog(data: &[u8], trail: &mut Trail) {
    let mut choices = Choices::new(data);
    let made =
        if choices.percent(50) { answering(&mut choices) } else { established(&mut choices) };
    let Some(made) = made else { return };
    trail.outcome("made", &made);
    let Ok(mut dialog) = made else { return };
    while !choices.is_over() {
        match choices.below(5) {
            0 | 1 => peer_asks(&mut dialog, &mut choices, trail),
            2 => {
                let before = dialog.local_cseq;
                let request = dialog.request(Method::Bye);
                assert!(before.is_none_or(|before| before == u32::MAX || dialog.local_cseq > Some(before)));
                sound(&dialog, request);
            }
            3 => {
                let request = dialog.request(Method::Invite);
                let cseq = request.headers.cseq().expect("ours").number;
                sound(&dialog, request);
                sound(&dialog, dialog.ack(cseq));
            }
            _ => {
                let uri = choices.pick(CONTACTS).parse::<NameAddr>();
                if let Ok(contact) = uri {
                    let (before, is_sip) = (dialog.clone(), contact.uri.as_sip().is_some());
                    let moved = dialog.refresh_target(contact);
                    assert_eq!(moved.is_ok(), is_sip);
                    assert!(is_sip || dialog == before, "a refused target changes nothing");
                }
            }
        }
        let copy = DialogSnapshot::of(&dialog).restore();
        assert_eq!(copy.as_ref(), Ok(&dialog), "a snapshot is the dialog");
    }
}

fn path(choices: &mut Choices<'_>) -> Source {
    let transport = if choices.percent(50) { Transport::Tcp } else { Transport::Udp };
    let remote = choices.pick(&[([192, 0, 2, 9], 5060), ([198, 51, 100, 4], 40_000)]);
    let flow = FlowId(choices.below(2) as u64);
    Source { transport, local: ([192, 0, 2, 1], 5060).into(), remote: remote.into(), flow }
}

fn line(name: &str, value: &str) -> String {
    if value.is_empty() { String::new() } else { format!("{name}: {value}\r\n") }
}

/// `None`: it cannot be read, so it never gets as far as a dialog.
fn request(method: &str, choices: &mut Choices<'_>) -> Option<Request> {
    let (cseq, from, to) = (choices.pick(&CSEQS), choices.pick(TAGS), choices.pick(TAGS));
    let (contact, routes) = (choices.pick(CONTACTS), choices.pick(ROUTES));
    let text = format!(
        "{method} sip:us@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\n\
         From: <sip:p@192.0.2.9>{from}\r\nTo: <sip:us@192.0.2.1>{to}\r\nCall-ID: c\r\n\
         CSeq: {cseq} {method}\r\n{}{}Content-Length: 0\r\n\r\n",
        line("Contact", contact),
        line("Record-Route", routes),
    );
    match sip::parse_datagram(text.as_bytes()) {
        Ok(Message::Request(request)) => Some(request),
        Ok(Message::Response(_)) | Err(_) => None,
    }
}

/// Numbers near each other, and at both ends; ours begin far from the upper one.
const CSEQS: [u32; 6] = [1, 2, 3, 0, 2_147_483_000, 7];

fn answering(choices: &mut Choices<'_>) -> Option<Result<Dialog, DialogError>> {
    let (source, request) = (path(choices), request("INVITE", choices)?);
    let essentials = Essentials::of(&request.headers).expect("read");
    let incoming = Incoming { request, essentials, source };
    let contact = NameAddr::new("sip:us@192.0.2.1".parse::<Uri>().expect("a URI"));
    let dialog = Dialog::answering(&incoming, "ours", contact);
    if let Ok(dialog) = &dialog {
        let response = dialog.response(&incoming, StatusCode::OK);
        assert!(sip::parse_datagram(&response.to_bytes()).is_ok(), "our answer can be read");
    }
    Some(dialog)
}

fn established(choices: &mut Choices<'_>) -> Option<Result<Dialog, DialogError>> {
    let source = path(choices);
    let mut ours = request("INVITE", choices)?;
    ours.headers.set(sip::HeaderName::Contact, "<sip:us@192.0.2.1>");
    let theirs = request("INVITE", choices)?;
    let mut response = Response::answering(&ours, StatusCode::OK);
    response.headers.remove(&sip::HeaderName::Contact);
    response.headers.remove(&sip::HeaderName::RecordRoute);
    response.headers.copy_all(&theirs.headers, &sip::HeaderName::Contact);
    response.headers.copy_all(&theirs.headers, &sip::HeaderName::RecordRoute);
    Some(Dialog::established(&ours, &response, source))
}

fn peer_asks(dialog: &mut Dialog, choices: &mut Choices<'_>, trail: &mut Trail) {
    let method = choices.pick(&["BYE", "INVITE", "ACK", "CANCEL", "INFO"]);
    let Some(mut request) = request(method, choices) else { return };
    if choices.percent(70) {
        // Of this dialog, after all.
        let tagged = |uri: &Uri, tag: &str| {
            let value = NameAddr::new(uri.clone());
            if tag.is_empty() { value.to_string() } else { value.with_tag(tag).to_string() }
        };
        let from = tagged(&dialog.remote_uri, &dialog.id.remote_tag);
        let to = tagged(&dialog.local_uri, &dialog.id.local_tag);
        request.headers.set(sip::HeaderName::From, from);
        request.headers.set(sip::HeaderName::To, to);
        request.headers.set(sip::HeaderName::CallId, dialog.id.call_id.as_str());
    }
    let essentials = Essentials::of(&request.headers).expect("read");
    let before = dialog.clone();
    let checked = dialog.check(&essentials);
    trail.outcome("check", &checked);
    match checked {
        Err(_) => assert_eq!(*dialog, before, "a refusal changes nothing"),
        Ok(()) if matches!(method, "ACK" | "CANCEL") => assert_eq!(*dialog, before),
        Ok(()) => {
            assert!(before.remote_cseq < dialog.remote_cseq, "T12: numbers only rise");
            assert!(dialog.check(&essentials).is_err(), "the same request twice");
        }
    }
}

/// What we send can be read, and goes where the dialog says.
fn sound(dialog: &Dialog, request: Request) {
    let destination = dialog.destination();
    assert_eq!(destination.local, dialog.path.local, "it leaves by the socket of the dialog");
    let request =
        request.with_header(sip::HeaderName::Via, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK2");
    let bytes = request.to_bytes();
    let read = sip::parse_datagram(&bytes);
    assert!(read.is_ok(), "{read:?}: {}", String::from_utf8_lossy(&bytes));
    let text = String::from_utf8_lossy(&bytes);
    let start = text.lines().next().unwrap_or_default();
    assert!(!start.contains('?') && !start.contains("method="), "T31: {start}");
}
