//! A SIP message in short: as one line for programs, and as what a trace says of it.

use serde_json::{Value, json};
use sip::{HeaderName, Headers, Message, Method, Packet, parse_datagram, sipfrag};

use crate::output::harmless;

/// Longest text of a header field in a trace; a peer may put 60 kB into one.
const TOLD_CHARS_MAX: usize = 200;

/// What a reader wants to know of a message. Everything that a peer wrote is harmless to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) start_line: String,
    pub(crate) call_id: Option<String>,
    pub(crate) cseq: Option<String>,
    /// Beyond the start line: where a REFER or a 3xx leads, what a NOTIFY reports.
    pub(crate) detail: Option<String>,
    /// The peer's user part, from From or To.
    pub(crate) peer: Option<String>,
    /// Header fields that explain it, as they are read aloud.
    pub(crate) telling: Vec<String>,
}

impl Summary {
    /// Reads a message that we sent or received.
    pub(crate) fn of(sent: bool, packet: &Packet) -> Self {
        let start_line = start_line(&packet.bytes);
        let message = match parse_datagram(&packet.bytes) {
            Ok(message) => message,
            Err(failure) => {
                let telling = vec![format!("unreadable: {}", told(&failure.error.to_string()))];
                return Self { start_line, telling, ..Self::default() };
            }
        };
        let headers = message.headers();
        Self {
            start_line,
            call_id: headers.call_id().ok().map(str::to_owned),
            cseq: headers.cseq().ok().map(|cseq| cseq.to_string()),
            detail: detail(&message),
            peer: peer(sent, &message),
            telling: telling(&message),
        }
    }

    /// The method that the message belongs to.
    pub(crate) fn method(&self) -> &str {
        let method = self.cseq.as_ref().and_then(|cseq| cseq.split_whitespace().nth(1));
        method.unwrap_or_default()
    }
}

/// The fields of a message's line.
pub(crate) fn fields(sent: bool, packet: &Packet) -> Value {
    let (local, remote) = (packet.path.local.to_string(), packet.path.remote.to_string());
    let (dir, from, to) = if sent { ("sent", local, remote) } else { ("received", remote, local) };
    let Summary { start_line, call_id, cseq, detail, .. } = Summary::of(sent, packet);
    json!({
        "dir": dir,
        "from": from,
        "to": to,
        "start_line": start_line,
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
            Method::Refer => uri_of(&request.headers, &HeaderName::ReferTo),
            Method::Notify => sipfrag::parse(&request.body)
                .map(|(status, reason)| format!("{} {}", status.code(), harmless(&reason))),
            _ => None,
        },
        Message::Response(response) if response.status.is_redirect() => {
            uri_of(&response.headers, &HeaderName::Contact)
        }
        Message::Response(_) => None,
    }
}

/// A request that we send is to the peer, and so is what answers it; any other comes from him.
fn peer(sent: bool, message: &Message) -> Option<String> {
    let is_request = matches!(message, Message::Request(_));
    let headers = message.headers();
    let peer = if is_request == sent { headers.to() } else { headers.from_() };
    let user = peer.ok()?.uri.as_sip()?.user.clone()?;
    Some(told(&user))
}

fn telling(message: &Message) -> Vec<String> {
    use HeaderName as H;
    let headers = message.headers();
    let mut telling: Vec<String> =
        headers.cseq().ok().map(|cseq| cseq.to_string()).into_iter().collect();
    if matches!(message, Message::Response(response) if response.status.is_redirect()) {
        push(&mut telling, headers, &H::Contact);
    }
    let told_as_they_are = [
        H::ReferTo,
        H::ReferredBy,
        H::Replaces,
        H::Join,
        H::Event,
        H::SubscriptionState,
        H::Reason,
        H::Warning,
        H::RetryAfter,
        H::Require,
        H::Unsupported,
    ];
    for name in &told_as_they_are {
        push(&mut telling, headers, name);
    }
    // Never the field itself: what proves a password does not belong on a screen.
    for name in [H::WwwAuthenticate, H::ProxyAuthenticate] {
        telling
            .extend(parameter(headers, &name, "realm").map(|realm| format!("asks realm {realm}")));
    }
    for name in [H::Authorization, H::ProxyAuthorization] {
        telling.extend(parameter(headers, &name, "username").map(|user| format!("as user {user}")));
    }
    telling
}

fn push(telling: &mut Vec<String>, headers: &Headers, name: &HeaderName) {
    if let Some(value) = headers.get(name).and_then(|value| value.as_str()) {
        telling.push(format!("{name}: {}", told(value)));
    }
}

/// A quoted parameter of a challenge or of credentials.
fn parameter(headers: &Headers, name: &HeaderName, parameter: &str) -> Option<String> {
    let value = headers.get(name)?.as_str()?;
    let at = value.to_ascii_lowercase().find(&format!("{parameter}=\""))? + parameter.len() + 2;
    Some(told(value.get(at..)?.split('"').next()?))
}

fn told(text: &str) -> String {
    crate::ladder::cut(&harmless(text), TOLD_CHARS_MAX)
}

fn uri_of(headers: &Headers, name: &HeaderName) -> Option<String> {
    let address: sip::NameAddr = headers.get(name)?.as_str()?.parse().ok()?;
    Some(harmless(&address.uri.to_string()))
}
