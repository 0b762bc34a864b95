//! Who is not in yet, and what he is told by tones.

use crate::message::{
    Action, Direction, Done, Event, Listeners, PortId, Prompt, Refused, StreamSpec,
};
use crate::rig::{PCMU, Rig, Talker, stream};

fn apart() -> StreamSpec {
    StreamSpec { apart: true, ..stream(Direction::SendRecv, PCMU) }
}

fn play(rig: &mut Rig, to: Listeners, prompt: Prompt) -> Result<Done, Refused> {
    rig.command(Action::Play { to, prompt })
}

fn port(rig: &Rig, index: usize) -> Listeners {
    Listeners::Port(PortId(rig.peers[index].lent))
}

/// What a peer heard of a tone in the last 200 ms.
fn hears(rig: &Rig, index: usize, hz: f64) -> bool {
    rig.peers[index].level(hz, 200) > -30.0
}

/// F25 · RFC 7667 §3.6.1: who waits to be let in is in no mix, and gets none.
#[test]
fn who_is_apart_hears_nobody_and_nobody_hears_him_until_he_is_in() {
    let mut rig = Rig::with_conference();
    let (alice, bob) = (rig.join_tone(300.0), rig.join_tone(500.0));
    let talker = Talker::tone(77, PCMU, 700.0, -20.0);
    let eve = rig.join(Some(talker), apart());
    rig.run_ms(2_000);
    assert!(hears(&rig, alice, 500.0) && hears(&rig, bob, 300.0));
    assert!(!hears(&rig, alice, 700.0) && !hears(&rig, bob, 700.0));
    assert!(rig.peers[eve].heard.len() > 14_000, "he is sent silence");
    assert!(rig.peers[eve].heard.iter().all(|sample| sample.abs() < 16));
    let is_his = |event: &&Event| matches!(event, Event::Talking { port, .. } if *port == PortId(rig.peers[eve].lent));
    assert_eq!(rig.events.iter().find(is_his), None, "of him nobody is told that he talks");

    rig.update(eve, stream(Direction::SendRecv, PCMU));
    rig.run_ms(2_000);
    assert!(hears(&rig, eve, 300.0) && hears(&rig, eve, 500.0));
    assert!(hears(&rig, alice, 700.0) && hears(&rig, bob, 700.0));
}

/// Neither learns of the other in RTCP, nor by the list of contributing sources.
#[test]
fn who_is_apart_is_not_told_who_is_in() {
    let mut rig = Rig::with_conference();
    let alice = rig.join_tone(300.0);
    let eve = rig.join(Some(Talker::tone(77, PCMU, 700.0, -20.0)), apart());
    rig.run_ms(1_000);
    rig.give_report(alice, (0, b"alice@home"), &[], |_| ());
    rig.give_report(eve, (77, b"eve@home"), &[], |_| ());
    rig.run_ms(30_000);
    let cited = |rig: &Rig, index: usize| {
        let peer = &rig.peers[index];
        assert!(!peer.reports.is_empty());
        let reports = peer.reports.iter().map(|(_, bytes)| bytes.as_slice());
        let is_named = |bytes: &[u8]| bytes.windows(5).any(|it| it == b"@home");
        (
            peer.csrcs.iter().any(|csrcs| !csrcs.is_empty()),
            reports.filter(|it| is_named(it)).count() > 0,
        )
    };
    assert_eq!((cited(&rig, alice), cited(&rig, eve)), ((false, false), (false, false)));
    // Once he is in, both are.
    rig.update(eve, stream(Direction::SendRecv, PCMU));
    rig.run_ms(30_000);
    assert_eq!((cited(&rig, alice), cited(&rig, eve)), ((true, true), (true, true)));
}

#[test]
fn a_prompt_for_one_is_heard_by_him_alone_in_and_apart() {
    let mut rig = Rig::with_conference();
    let alice = rig.join_tone(300.0);
    let bob = rig.join(None, stream(Direction::SendRecv, PCMU));
    let eve = rig.join(None, apart());
    rig.run_ms(1_000);
    let to_eve = port(&rig, eve);
    assert_eq!(play(&mut rig, to_eve, Prompt::AskPin), Ok(Done::Prompted));
    rig.run_ms(400);
    assert!(hears(&rig, eve, 880.0) && !hears(&rig, eve, 300.0));
    assert!(!hears(&rig, alice, 880.0) && !hears(&rig, bob, 880.0));
    rig.run_ms(600);
    assert!(!hears(&rig, eve, 880.0), "it ends");

    let to_bob = port(&rig, bob);
    assert_eq!(play(&mut rig, to_bob, Prompt::Waiting), Ok(Done::Prompted));
    rig.run_ms(220);
    assert!(hears(&rig, bob, 587.0) && hears(&rig, bob, 300.0), "over what he hears");
    assert!(!hears(&rig, alice, 587.0));
    assert_eq!(play(&mut rig, Listeners::Port(PortId(99)), Prompt::Bad), Err(Refused::NoSuchPort));
}

#[test]
fn a_prompt_for_all_is_in_the_mix_of_talkers_and_listeners_and_not_of_who_is_apart() {
    let mut rig = Rig::with_conference();
    let alice = rig.join_tone(300.0);
    let bob = rig.join(None, stream(Direction::SendRecv, PCMU));
    let eve = rig.join(None, apart());
    rig.run_ms(1_000);
    assert_eq!(play(&mut rig, Listeners::Everybody, Prompt::EndsSoon), Ok(Done::Prompted));
    rig.run_ms(700);
    assert!(hears(&rig, alice, 1_320.0) && !hears(&rig, alice, 300.0));
    assert!(hears(&rig, bob, 1_320.0) && hears(&rig, bob, 300.0));
    assert!(!hears(&rig, eve, 1_320.0));
    rig.run_ms(800);
    assert!(!hears(&rig, bob, 1_320.0), "it ends");
}

/// A key pressed by who is apart is told: that is how he gets in.
#[test]
fn keys_are_taken_of_who_is_apart() {
    let mut rig = Rig::with_conference();
    let spec = StreamSpec { keys: Some(101), ..apart() };
    let eve = rig.join(None, spec);
    let mut talker = Talker::tone(5, PCMU, 400.0, -20.0);
    for n in 0..6_u16 {
        let bytes = talker.packet(160);
        rig.give(eve, &bytes);
        rig.run_ms(20);
        let mut header = talker.header;
        header.payload_type = 101;
        header.sequence = talker.header.sequence;
        talker.header.sequence = talker.header.sequence.wrapping_add(1);
        // RFC 4733 §2.3: event 7, its end, volume, and its duration so far.
        let duration = (160 * (n + 1)).to_be_bytes();
        let event = [7, if n == 5 { 0x8A } else { 0x0A }, duration[0], duration[1]];
        let mut bytes = vec![0; 16];
        header.timestamp = 4_000;
        let len = rtp::write(&header, &event, &mut bytes).expect("fits");
        rig.give(eve, &bytes[..len]);
    }
    rig.run_ms(100);
    let keys = rig.events.iter().filter(|event| matches!(event, Event::KeyPressed { .. }));
    assert_eq!(keys.count(), 1);
}
