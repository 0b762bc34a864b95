//! RFC 3261 §17.2.2, Figure 8, arrow by arrow.

use super::super::End;
use super::super::rig::Rig;
use super::ServerOutput::{Discard, Ended, SendAgain, SendAnswer};
use super::*;

fn start(transport: Transport) -> Rig<ServerNonInvite> {
    Rig::start(|now, _| ServerNonInvite::start(now, transport))
}

/// A19 · RFC 3261 §17.2.2: nothing goes out by itself, and copies are thrown away.
#[test]
fn slow_user_makes_no_answer() {
    let mut rig = start(Transport::Udp);
    rig.at_ms(500, Input::Request);
    rig.at_ms(60_000, Input::Request);
    assert_eq!(rig.log, []);
    assert_eq!(rig.machine.deadline(), None);
}

/// A11 · RFC 3261 §17.2.2: each copy of the request gets the final answer again; timer J is 64·T1.
#[test]
fn copies_get_the_final_answer_until_timer_j() {
    let mut rig = start(Transport::Udp);
    rig.at_ms(100, Input::Final);
    rig.at_ms(500, Input::Request);
    rig.at_ms(600, Input::Final); // the first one stands
    rig.at_ms(32_099, Input::Request);
    rig.run_until_idle();
    assert_eq!(
        rig.log,
        [
            (100, SendAnswer),
            (500, SendAgain),
            (600, Discard),
            (32_099, SendAgain),
            (32_100, Ended(End::Done))
        ]
    );
    rig.at_ms(33_000, Input::Request);
    rig.at_ms(33_000, Input::Provisional);
    assert_eq!(rig.log.last(), Some(&(33_000, Discard)));
}

/// A11 · RFC 3261 §17.2.2: timer J is zero over a reliable transport.
#[test]
fn over_a_stream_the_final_answer_ends_the_transaction() {
    let mut rig = start(Transport::Tcp);
    rig.at_ms(100, Input::Final);
    rig.run_until_idle();
    assert_eq!(rig.log, [(100, SendAnswer), (100, Ended(End::Done))]);
}

/// A25 · RFC 3261 §17.2.2
#[test]
fn copies_get_the_last_provisional_answer() {
    let mut rig = start(Transport::Udp);
    rig.at_ms(4_000, Input::Provisional);
    rig.at_ms(4_100, Input::Provisional);
    rig.at_ms(5_000, Input::Request);
    rig.at_ms(6_000, Input::Final);
    assert_eq!(
        rig.log,
        [(4_000, SendAnswer), (4_100, SendAnswer), (5_000, SendAgain), (6_000, SendAnswer)]
    );
}
