//! A datagram.

use sip::{
    Frame, HeaderName, Headers, MESSAGE_BYTES_MAX, Message, ParseError, Response, StatusCode,
    StreamFramer,
};

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
    printed_reads_the_same(message);
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

/// What we print is what was read. A compact or a missing header makes the printed message a little longer than what came:
/// of one that came at the very limit, the printed one may be refused, and only as too long.
fn printed_reads_the_same(message: &Message) {
    let printed = message.to_bytes();
    let again = sip::parse_datagram(&printed);
    if printed.len() > MESSAGE_BYTES_MAX {
        let refused = again.map_err(|failure| failure.error);
        assert!(matches!(refused, Err(ParseError::TooLong { .. })), "{} bytes", printed.len());
        return;
    }
    assert_eq!(again.as_ref(), Ok(message), "{}", String::from_utf8_lossy(&printed));
    let mut framer = StreamFramer::new();
    framer.push(&printed);
    assert_eq!(framer.next(), Some(Ok(Frame::Message(printed))), "over a stream");
    assert_eq!(framer.next(), None, "over a stream one message is one message");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_at_the_limit_that_grows_when_printed_is_no_fault() {
        let head = "OPTIONS sip:a@h SIP/2.0\r\nv: SIP/2.0/UDP h;branch=z9hG4bK1\r\nf: <sip:a@h>;tag=1\r\n\
            t: <sip:b@h>\r\ni: 1@h\r\nCSeq: 1 OPTIONS\r\n\r\n";
        let mut data = head.as_bytes().to_vec();
        data.resize(MESSAGE_BYTES_MAX, b'x');
        assert!(sip::parse_datagram(&data).is_ok(), "it must be read to be printed");
        message(&data, &mut Trail::default());
    }
}
