//! RFC 6026 §8.6, Figure 7, arrow by arrow.

use super::super::End;
use super::super::rig::Rig;
use super::ServerOutput::{AckToUser, Discard, Ended, SendAgain, SendAnswer, SendTrying};
use super::*;

fn start(transport: Transport) -> Rig<ServerInvite> {
    Rig::start(|now, _| ServerInvite::start(now, transport))
}

/// A12 · RFC 3261 §17.2.1: a 100 after 200 ms, once, and then at each copy of the INVITE.
#[test]
fn slow_user_makes_a_100_after_200_ms() {
    let mut rig = start(Transport::Udp);
    rig.at_ms(100, Input::Invite);
    rig.run_until_ms(199);
    assert_eq!(rig.log, []);
    rig.at_ms(500, Input::Invite);
    rig.run_until_ms(60_000);
    assert_eq!(rig.log, [(200, SendTrying), (500, SendAgain)]);
    assert!(rig.machine.is_pending());
}

/// A12 · RFC 3261 §17.2.1
#[test]
fn quick_user_makes_no_100() {
    for answer in [Input::Provisional, Input::Success, Input::Failure] {
        let mut rig = start(Transport::Udp);
        rig.at_ms(199, answer);
        rig.run_until_idle();
        assert!(rig.times(SendTrying).is_empty());
    }
}

/// A13 · RFC 3261 §17.2.1: T1, doubling up to T2, until 64·T1.
#[test]
fn failure_is_sent_again_until_the_ack_is_given_up() {
    let mut rig = start(Transport::Udp);
    rig.at_ms(0, Input::Failure);
    rig.run_until_idle();
    assert_eq!(rig.times(SendAnswer), [0]);
    assert_eq!(
        rig.times(SendAgain),
        [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]
    );
    assert_eq!(rig.log.last(), Some(&(32_000, Ended(End::AckMissing))));
}

/// A13 · RFC 3261 §17.2.1: no timer G over a reliable transport, but timer H.
#[test]
fn over_a_stream_a_failure_is_sent_once_and_its_ack_awaited() {
    let mut rig = start(Transport::Tcp);
    rig.at_ms(0, Input::Failure);
    rig.run_until_idle();
    assert_eq!(rig.log, [(0, SendAnswer), (32_000, Ended(End::AckMissing))]);
}

/// A13 · RFC 3261 §17.2.1: the ACK and its copies are absorbed; timer I is T4.
#[test]
fn ack_ends_the_copies_of_a_failure() {
    let mut rig = start(Transport::Udp);
    rig.at_ms(10, Input::Failure);
    rig.at_ms(100, Input::Invite);
    rig.at_ms(600, Input::Ack);
    rig.at_ms(700, Input::Ack);
    rig.at_ms(800, Input::Invite);
    rig.run_until_idle();
    assert_eq!(
        rig.log,
        [(10, SendAnswer), (100, SendAgain), (510, SendAgain), (5_600, Ended(End::Done))]
    );
}

/// A13 · RFC 3261 §17.2.1: timer I is zero over a reliable transport.
#[test]
fn over_a_stream_the_ack_of_a_failure_ends_the_transaction() {
    let mut rig = start(Transport::Tcp);
    rig.at_ms(10, Input::Failure);
    rig.at_ms(600, Input::Ack);
    rig.run_until_idle();
    assert_eq!(rig.log, [(10, SendAnswer), (600, Ended(End::Done))]);
}

/// A14 · RFC 6026 §7.1: copies of the INVITE are absorbed, ACKs pass up, nothing is sent again but what
/// the user sends; timer L is 64·T1 for all transports.
#[test]
fn accepted_absorbs_invites_and_passes_acks_up() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut rig = start(transport);
        rig.at_ms(10, Input::Success);
        rig.at_ms(500, Input::Invite);
        rig.at_ms(510, Input::Success);
        rig.at_ms(600, Input::Ack);
        rig.at_ms(700, Input::Ack);
        rig.run_until_idle();
        let sent = [(10, SendAnswer), (510, SendAnswer)];
        let acks = [(600, AckToUser), (700, AckToUser)];
        assert_eq!(rig.log, [&sent[..], &acks, &[(32_010, Ended(End::Done))]].concat());
    }
}

/// A25 · RFC 3261 §17.2.1: any number of 1xx goes out; a copy of the INVITE gets the last one.
#[test]
fn every_provisional_answer_is_sent() {
    let mut rig = start(Transport::Udp);
    rig.at_ms(10, Input::Provisional);
    rig.at_ms(300, Input::Provisional);
    rig.at_ms(500, Input::Invite);
    rig.at_ms(600, Input::Ack); // of nothing
    rig.run_until_idle();
    assert_eq!(rig.log, [(10, SendAnswer), (300, SendAnswer), (500, SendAgain)]);
}

/// A26 · RFC 3261 §9.2, §17.2.1: the first final answer stands, whatever the user says after it.
#[test]
fn answers_after_the_final_one_are_thrown_away() {
    let late = [Input::Provisional, Input::Success, Input::Failure];
    for (last, sent_again) in [(Input::Failure, 0), (Input::Success, 1)] {
        let mut rig = start(Transport::Udp);
        assert!(rig.machine.is_pending());
        rig.at_ms(10, last);
        assert!(!rig.machine.is_pending());
        for input in late {
            rig.at_ms(20, input);
        }
        // A second 2xx is a copy of the first (RFC 6026 §7.1).
        assert_eq!(rig.times(SendAnswer).len(), 1 + sent_again);
        assert_eq!(rig.times(Discard).len(), 3 - sent_again);
        rig.run_until_idle();
        for input in late {
            rig.at_ms(40_000, input);
        }
        rig.at_ms(40_000, Input::Invite);
        rig.at_ms(40_000, Input::Ack);
        assert_eq!(rig.times(SendAnswer).len(), 1 + sent_again);
        assert!(rig.times(AckToUser).is_empty());
    }
}
