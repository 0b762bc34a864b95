//! A SIP message as one line for programs: what `--messages` prints.

use serde_json::{Value, json};
use sip::{HeaderName, Headers, Message, Packet, parse_datagram, sipfrag};

use crate::output::harmless;

/// The fields of a message's line. `detail` is what a reader wants to know beyond the start line:
/// where a REFER or a 3xx leads, what a NOTIFY reports.
pub(crate) fn fields(sent: bool, packet: &Packet) -> Value {
    let (local, remote) = (packet.path.local.to_string(), packet.path.remote.to_string());
    let (dir, from, to) = if sent { ("sent", local, remote) } else { ("received", remote, local) };
    let (call_id, cseq, detail) = match parse_datagram(&packet.bytes) {
        Ok(message) => {
            let headers = message.headers();
            let call_id = headers.call_id().ok().map(str::to_owned);
            let cseq = headers.cseq().ok().map(|cseq| cseq.to_string());
            (call_id, cseq, detail(&message))
        }
        Err(_) => (None, None, None),
    };
    json!({
        "dir": dir,
        "from": from,
        "to": to,
        "start_line": start_line(&packet.bytes),
        "call_id": call_id,
        "cseq": cseq,
        "detail": detail,
    })
}

fn start_line(bytes: &[u8]) -> String {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    harmless(String::from_utf8_lossy(line).trim_end_matches('\r'))
}

fn detail(message: &Message) -> Option<String> {
    match message {
        Message::Request(request) => match request.method {
            sip::Method::Refer => uri_of(&request.headers, &HeaderName::ReferTo),
            sip::Method::Notify => sipfrag::parse(&request.body)
                .map(|(status, reason)| format!("{} {}", status.code(), harmless(&reason))),
            _ => None,
        },
        Message::Response(response) if response.status.is_redirect() => {
            uri_of(&response.headers, &HeaderName::Contact)
        }
        Message::Response(_) => None,
    }
}

fn uri_of(headers: &Headers, name: &HeaderName) -> Option<String> {
    let address: sip::NameAddr = headers.get(name)?.as_str()?.parse().ok()?;
    Some(harmless(&address.uri.to_string()))
}
