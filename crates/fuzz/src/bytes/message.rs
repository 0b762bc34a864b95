//! A datagram.

use sip::{Frame, HeaderName, Headers, Message, Response, StatusCode, StreamFramer};

use super::{SIP_WORDS, torture};
use crate::{Target, Trail};

/// [`sip::parse_datagram`], the typed readers over what it read, and the answer to what it did not.
pub const MESSAGE: Target =
    Target { name: "message", run: message, seeds: torture, words: SIP_WORDS, longest: 65_535 };

/// The status line and Content-Length that an answer adds to what it repeats, and the four bytes by which each of at
/// most 70 `V:` grows to `Via: `.
const ANSWER_OVERHEAD: usize = 128 + 70 * 4;

fn message(data: &[u8], trail: &mut Trail) {
    match sip::parse_datagram(data) {
        Ok(message) => read(&message, trail),
        Err(failure) => {
            trail.outcome::<(), _>("parse", &Err(&failure.error));
            if let Some(answer) = failure.answer() {
                let bytes = answer.to_bytes().len();
                trail.mark("answer", answer.status.reason());
                // Whoever forges a source address must not gain by what we make of his bytes.
                assert!(bytes <= data.len() + ANSWER_OVERHEAD, "an answer of {bytes} bytes");
            }
        }
    }
}

fn read(message: &Message, trail: &mut Trail) {
    let printed = message.to_bytes();
    let again = sip::parse_datagram(&printed);
    assert_eq!(again.as_ref(), Ok(message), "{}", String::from_utf8_lossy(&printed));
    let mut framer = StreamFramer::new();
    framer.push(&printed);
    assert_eq!(framer.next(), Some(Ok(Frame::Message(printed))), "over a stream");
    assert_eq!(framer.next(), None, "over a stream one message is one message");
    fields(message.headers(), trail);
    match message {
        Message::Request(request) => {
            trail.mark("method", request.method.as_str());
            let answer = Response::answering(request, StatusCode::OK).with_to_tag("t");
            let bytes = answer.to_bytes();
            let read = sip::parse_datagram(&bytes);
            assert_eq!(read, Ok(Message::Response(answer)), "our answer cannot be read");
        }
        Message::Response(response) => trail.count("status", response.status.code().into()),
    }
}

/// Every typed reader.
fn fields(headers: &Headers, trail: &mut Trail) {
    trail.count("fields", headers.len());
    let vias = headers.vias();
    trail.outcome("vias", &vias);
    if let (Ok(vias), Ok(top)) = (&vias, headers.top_via()) {
        assert_eq!(vias.first(), Some(&top), "the top Via is the first");
    }
    trail.outcome("from", &headers.from_());
    trail.outcome("to", &headers.to());
    trail.outcome("call-id", &headers.call_id());
    trail.outcome("cseq", &headers.cseq());
    trail.outcome("max-forwards", &headers.max_forwards());
    trail.outcome("contacts", &headers.contacts());
    trail.outcome("contact", &headers.contact());
    trail.outcome("routes", &headers.routes());
    trail.outcome("record-routes", &headers.record_routes());
    trail.outcome("content-type", &headers.content_type());
    trail.outcome("require", &headers.require());
    trail.outcome("supported", &headers.supported());
    trail.outcome("allow", &headers.allow());
    trail.outcome("accept", &headers.accept());
    trail.outcome("refer-to", &headers.refer_to());
    trail.outcome("referred-by", &headers.referred_by());
    trail.outcome("event", &headers.event());
    trail.outcome("subscription-state", &headers.subscription_state());
    trail.outcome("retry-after", &headers.retry_after());
    trail.outcome("warnings", &headers.warnings());
    trail.outcome("expires", &headers.expires());
    trail.outcome("timer", &sip::session_timer::session_expires(headers));
    trail.outcome("min-se", &sip::session_timer::min_se(headers));
    trail.outcome("reason", &headers.tokens(&HeaderName::Unsupported));
}
