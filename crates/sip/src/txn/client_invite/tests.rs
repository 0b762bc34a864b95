//! RFC 6026 §8.4, Figure 5, arrow by arrow.

use super::super::End;
use super::super::rig::Rig;
use super::ClientOutput::{Ended, Send, SendAck, SendCancel, ToUser};
use super::*;

fn start(transport: Transport) -> Rig<ClientInvite> {
    Rig::start(|now, out| ClientInvite::start(now, transport, out))
}

fn udp() -> Rig<ClientInvite> {
    start(Transport::Udp)
}

/// A17 · RFC 3261 §17.1.1.2: resend after T1, 2·T1, 4·T1 …; give up at 64·T1.
#[test]
fn unanswered_invite_is_sent_seven_times_then_times_out() {
    let mut rig = udp();
    rig.run_until_idle();
    assert_eq!(rig.times(Send), [0, 500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    assert_eq!(rig.log.last(), Some(&(32_000, Ended(End::Timeout))));
}

/// A17 · RFC 3261 §17.1.1.2: no timer A over a reliable transport, timer B all the same.
#[test]
fn over_a_stream_the_invite_is_sent_once() {
    let mut rig = start(Transport::Tcp);
    rig.run_until_idle();
    assert_eq!(rig.log, [(0, Send), (32_000, Ended(End::Timeout))]);
}

/// A17 · RFC 3261 §17.1.1.2
#[test]
fn ringing_stops_the_copies_and_the_time_limit() {
    let mut rig = udp();
    rig.at_ms(1_600, Input::Provisional);
    rig.at_ms(90_000, Input::Provisional);
    assert_eq!(rig.times(Send), [0, 500, 1_500]);
    assert_eq!(rig.times(ToUser), [1_600, 90_000]);
    assert_eq!(rig.machine.deadline(), None);
}

/// A18 · RFC 6026 §8.4: every copy of a failure is acknowledged, the user hears of it once.
#[test]
fn failure_is_acknowledged_each_time_and_told_once() {
    let mut rig = udp();
    rig.at_ms(100, Input::Failure);
    rig.at_ms(600, Input::Failure);
    rig.at_ms(700, Input::Provisional); // overtaken
    rig.at_ms(800, Input::Success); // against all rules
    rig.run_until_idle();
    assert_eq!(rig.times(Send), [0]);
    assert_eq!(rig.times(SendAck), [100, 600]);
    assert_eq!(rig.times(ToUser), [100]);
    // Timer D: at least 32 s from the first copy.
    assert_eq!(rig.log.last(), Some(&(32_100, Ended(End::Done))));
}

/// A18 · RFC 3261 §17.1.1.2: an ACK even over a reliable transport; timer D is zero there.
#[test]
fn over_a_stream_a_failure_ends_the_transaction_at_once() {
    let mut rig = start(Transport::Tcp);
    rig.at_ms(100, Input::Provisional);
    rig.at_ms(200, Input::Failure);
    rig.run_until_idle();
    let end = [(200, SendAck), (200, ToUser), (200, Ended(End::Done))];
    assert_eq!(rig.log, [vec![(0, Send), (100, ToUser)], end.to_vec()].concat());
}

/// A16 · RFC 6026 §7.2: 64·T1 from the first 2xx, each copy and fork of it goes up, no ACK from here.
#[test]
fn every_success_reaches_the_user_until_timer_m() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut rig = start(transport);
        rig.at_ms(200, Input::Provisional);
        rig.at_ms(300, Input::Success);
        rig.at_ms(31_000, Input::Success);
        rig.at_ms(31_500, Input::Failure); // of another fork: too late
        rig.at_ms(31_600, Input::Provisional);
        rig.run_until_ms(32_299);
        assert_ne!(rig.log.last(), Some(&(32_300, Ended(End::Done))));
        rig.run_until_idle();
        assert_eq!(rig.times(ToUser), [200, 300, 31_000]);
        assert!(rig.times(SendAck).is_empty());
        assert_eq!(rig.log.last(), Some(&(32_300, Ended(End::Done))));
        rig.at_ms(33_000, Input::Success);
        assert_eq!(rig.times(ToUser), [200, 300, 31_000]);
    }
}

/// A26 · RFC 3261 §9.1: no CANCEL before a 1xx; copies of the INVITE go on until then.
#[test]
fn cancel_waits_for_a_provisional_answer() {
    let mut rig = udp();
    rig.at_ms(100, Input::Cancel);
    rig.run_until_ms(600);
    assert_eq!(rig.log, [(0, Send), (500, Send)]);
    rig.at_ms(700, Input::Provisional);
    assert_eq!(rig.log[2..], [(700, ToUser), (700, SendCancel)]);
    rig.at_ms(800, Input::Provisional);
    rig.at_ms(900, Input::Cancel);
    assert_eq!(rig.times(SendCancel), [700]);
    rig.at_ms(1_000, Input::Failure); // the 487
    rig.run_until_idle();
    assert_eq!(rig.log.last(), Some(&(33_000, Ended(End::Done))));
}

/// A26 · RFC 3261 §9.1: after a 1xx the CANCEL goes at once; 64·T1 later the INVITE is given up.
#[test]
fn cancel_that_nobody_heeds_ends_the_invite() {
    let mut rig = udp();
    rig.at_ms(100, Input::Provisional);
    rig.at_ms(5_000, Input::Cancel);
    assert_eq!(rig.times(SendCancel), [5_000]);
    rig.at_ms(6_000, Input::Provisional); // does not put it off
    rig.run_until_idle();
    assert_eq!(rig.log.last(), Some(&(37_000, Ended(End::Timeout))));
}

/// A26 · RFC 3261 §9.1: after a final answer a CANCEL has no use; nor may it follow one that came
/// before the 1xx it waited for.
#[test]
fn no_cancel_after_a_final_answer() {
    for answer in [Input::Success, Input::Failure] {
        let mut rig = udp();
        rig.at_ms(100, Input::Cancel);
        rig.at_ms(200, answer);
        rig.at_ms(300, Input::Provisional);
        rig.at_ms(400, Input::Cancel);
        rig.run_until_idle();
        assert!(rig.times(SendCancel).is_empty());
    }
}

/// A17 · RFC 3261 §17.1.4
#[test]
fn transport_error_ends_the_transaction_while_something_is_to_be_sent() {
    let mut rig = udp();
    rig.at_ms(100, Input::TransportError);
    rig.at_ms(200, Input::Success);
    rig.run_until_idle();
    assert_eq!(rig.log, [(0, Send), (100, Ended(End::Transport))]);

    let mut rig = udp();
    rig.at_ms(100, Input::Success);
    rig.at_ms(200, Input::TransportError);
    rig.run_until_idle();
    assert_eq!(rig.log.last(), Some(&(32_100, Ended(End::Done))));
}
