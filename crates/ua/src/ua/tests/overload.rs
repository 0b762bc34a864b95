//! A server that has too much to do says so, and is left alone.

use sip::{HeaderName, Method};

use crate::CallOptions;
use crate::event::{CallFailure, Event};
use crate::testing::{Solo, media, reply, uri};

/// A37 · RFC 3261 §21.5.4: after a 503 nothing more goes there by itself; whoever called is told how long to wait.
#[test]
fn a_503_is_told_with_its_time_and_nothing_is_tried_again() {
    let mut solo = Solo::new();
    let (target, options) = (uri("sip:conference@192.0.2.2"), CallOptions::new(media(20_000)));
    solo.run(|ua, now| ua.call(now, &target, options)).expect("called");
    let invite = solo.next_request(&Method::Invite);
    let refusal = reply(&invite, 503, "server").with_header(HeaderName::RetryAfter, 30);
    solo.receive(refusal.to_bytes());
    solo.next_request(&Method::Ack);
    match solo.event() {
        Event::CallFailed { why: CallFailure::Refused(refusal), .. } => {
            assert_eq!((refusal.status.code(), refusal.retry_after_seconds), (503, Some(30)));
        }
        other => panic!("{other:?}"),
    }
    let sent = solo.sent.len();
    solo.run_until_ms(120_000);
    assert_eq!(solo.sent.len(), sent, "it is for a person to try again");
}
