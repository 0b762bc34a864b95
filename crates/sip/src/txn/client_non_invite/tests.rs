//! RFC 3261 §17.1.2.2, Figure 6, arrow by arrow.

use super::super::End;
use super::super::rig::Rig;
use super::ClientOutput::{Ended, Send, ToUser};
use super::*;

fn start(transport: Transport) -> Rig<ClientNonInvite> {
    Rig::start(|now, out| ClientNonInvite::start(now, transport, out))
}

/// A17 · RFC 3261 §17.1.2.2: T1, 2·T1, 4·T1, then every T2; give up at 64·T1.
#[test]
fn unanswered_request_is_sent_eleven_times_then_times_out() {
    let mut rig = start(Transport::Udp);
    rig.run_until_idle();
    assert_eq!(
        rig.times(Send),
        [0, 500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]
    );
    assert_eq!(rig.log.last(), Some(&(32_000, Ended(End::Timeout))));
}

/// A17 · RFC 3261 §17.1.2.2
#[test]
fn over_a_stream_the_request_is_sent_once() {
    let mut rig = start(Transport::Tcp);
    rig.run_until_idle();
    assert_eq!(rig.log, [(0, Send), (32_000, Ended(End::Timeout))]);
}

/// A17 · RFC 3261 §17.1.2.2: a 1xx slows the copies down to T2, and does not stop the time limit.
#[test]
fn provisional_answer_slows_the_copies_to_t2() {
    let mut rig = start(Transport::Udp);
    rig.at_ms(600, Input::Provisional);
    rig.at_ms(700, Input::Provisional);
    rig.run_until_idle();
    // The timer that runs is not restarted: next at 1,500, then every 4 s.
    assert_eq!(
        rig.times(Send),
        [0, 500, 1_500, 5_500, 9_500, 13_500, 17_500, 21_500, 25_500, 29_500]
    );
    assert_eq!(rig.times(ToUser), [600, 700]);
    assert_eq!(rig.log.last(), Some(&(32_000, Ended(End::Timeout))));
}

/// A17 · RFC 3261 §17.1.2.2: only one final answer is ever delivered; timer K is T4.
#[test]
fn final_answer_is_told_once_and_its_copies_absorbed_for_t4() {
    for before in [None, Some(Input::Provisional)] {
        let mut rig = start(Transport::Udp);
        if let Some(input) = before {
            rig.at_ms(50, input);
        }
        rig.at_ms(100, Input::Final);
        rig.at_ms(600, Input::Final);
        rig.at_ms(700, Input::Provisional);
        rig.at_ms(800, Input::TransportError);
        rig.run_until_idle();
        assert_eq!(rig.times(Send), [0]);
        assert_eq!(rig.times(ToUser).last(), Some(&100));
        assert_eq!(rig.log.last(), Some(&(5_100, Ended(End::Done))));
    }
}

/// A17 · RFC 3261 §17.1.2.2: timer K is zero over a reliable transport.
#[test]
fn over_a_stream_a_final_answer_ends_the_transaction_at_once() {
    let mut rig = start(Transport::Tcp);
    rig.at_ms(100, Input::Final);
    rig.run_until_idle();
    assert_eq!(rig.log, [(0, Send), (100, ToUser), (100, Ended(End::Done))]);
}

/// A17 · RFC 3261 §17.1.4
#[test]
fn transport_error_ends_the_transaction() {
    let mut rig = start(Transport::Udp);
    rig.at_ms(100, Input::TransportError);
    rig.at_ms(200, Input::Final);
    rig.run_until_idle();
    assert_eq!(rig.log, [(0, Send), (100, Ended(End::Transport))]);
}
