//! Who hears whom, and what it sounds like.

use crate::message::{Action, Done, Event, PortId, Refused};
use crate::message::{ConferenceKey, Direction, Epoch, Format, TransportSpec};
use crate::rig::{CONFERENCE, PCMA, PCMU, Peer, Rig, Talker, peer, stream, transport};

/// A tone is heard above this, in dB below full scale; all tones here are 20 dB below.
const HEARD_MIN: f64 = -26.0;
/// Below this there is no tone, only what G.711 adds.
const ABSENT_MAX: f64 = -50.0;

fn hears(peer: &Peer, hz: f64) -> bool {
    let level = peer.level(hz, 1_000);
    assert!(!(ABSENT_MAX..HEARD_MIN).contains(&level), "{hz} Hz at {level} dB: half heard");
    level >= HEARD_MIN
}

/// F25 (RFC 7667 §3.6.1).
#[test]
fn everyone_hears_all_others_and_never_himself() {
    let mut rig = Rig::where_all_are_heard();
    let tones = [300.0, 500.0, 700.0, 900.0, 1_100.0];
    for hz in tones {
        rig.join_tone(hz);
    }
    rig.run_ms(3_000);
    for (index, peer) in rig.peers.iter().enumerate() {
        for (other, hz) in tones.into_iter().enumerate() {
            assert_eq!(hears(peer, hz), other != index, "{index} hears {other}");
        }
    }
}

#[test]
fn pcma_and_pcmu_and_every_packet_time_hear_each_other() {
    let mut rig = Rig::where_all_are_heard();
    let legs = [(PCMU, 10), (PCMA, 20), (PCMU, 30), (PCMA, 40), (PCMU, 60)];
    let tone = |n: u32| 300.0 + 200.0 * f64::from(n);
    for (n, (format, ptime_ms)) in (0..).zip(legs) {
        let talker = Talker::tone(n, format, tone(n), -20.0);
        rig.join(Some(talker), stream(Direction::SendRecv, Format { ptime_ms, ..format }));
    }
    rig.run_ms(3_000);
    for (index, peer) in (0..).zip(&rig.peers) {
        for other in 0..5 {
            assert_eq!(hears(peer, tone(other)), other != index, "{index} hears {other}");
        }
    }
}

#[test]
fn conferences_do_not_hear_each_other() {
    let mut rig = Rig::with_conference();
    let second = ConferenceKey { slot: 9, generation: 1 };
    rig.command_as(second, Epoch(1), Action::OpenConference).expect("opened");
    for (n, (key, hz)) in
        (0..).zip([(CONFERENCE, 300.0), (second, 500.0), (CONFERENCE, 700.0), (second, 900.0)])
    {
        let talker = Talker::tone(n, PCMU, hz, -20.0);
        rig.join_conference(key, Some(talker), stream(Direction::SendRecv, PCMU));
    }
    rig.run_ms(2_000);
    let heard = |index: usize| [300.0, 500.0, 700.0, 900.0].map(|hz| hears(&rig.peers[index], hz));
    assert_eq!(heard(0), [false, false, true, false]);
    assert_eq!(heard(1), [false, false, false, true]);
    assert_eq!(heard(2), [true, false, false, false]);
    assert_eq!(heard(3), [false, true, false, false]);
}

/// Muted is not heard and not told of as talking, and hears all the same; asked again nothing changes.
#[test]
fn who_is_muted_is_not_heard_until_he_is_unmuted() {
    let mut rig = Rig::with_conference();
    let (loud, other) = (rig.join_tone(300.0), rig.join_tone(500.0));
    let port = PortId(rig.peers[loud].lent);
    let mute = |is_muted| Action::MutePort { port, is_muted };
    rig.run_ms(2_000);
    assert!(hears(&rig.peers[other], 300.0));
    for _ in 0..2 {
        assert_eq!(rig.command(mute(true)), Ok(Done::PortMuted));
        rig.run_ms(2_000);
        assert!(!hears(&rig.peers[other], 300.0) && hears(&rig.peers[loud], 500.0));
    }
    let told = |rig: &Rig| {
        let talking = rig.events.iter().filter_map(|event| match event {
            Event::Talking { port: of, is_talking, .. } if *of == port => Some(*is_talking),
            _ => None,
        });
        talking.collect::<Vec<_>>()
    };
    assert_eq!(told(&rig), [true, false]);
    let report = rig.shard.counters().stray_packets;
    assert_eq!(report, 0, "his packets are taken as before");
    assert_eq!(rig.command(mute(false)), Ok(Done::PortMuted));
    rig.run_ms(2_000);
    assert!(hears(&rig.peers[other], 300.0));
    assert_eq!(told(&rig), [true, false, true]);
    let unknown = Action::MutePort { port: PortId(77), is_muted: true };
    assert_eq!(rig.command(unknown), Err(Refused::NoSuchPort));
}

/// RFC 3264 §8.4: a held leg gets no mix and adds no sound.
#[test]
fn directions_decide_who_is_heard_and_who_hears() {
    let mut rig = Rig::with_conference();
    let directions =
        [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];
    for (n, (direction, hz)) in (0..).zip(directions.into_iter().zip([300.0, 500.0, 700.0, 900.0]))
    {
        rig.join(Some(Talker::tone(n, PCMU, hz, -20.0)), stream(direction, PCMU));
    }
    rig.run_ms(2_000);
    let heard = |index: usize| [300.0, 500.0, 700.0, 900.0].map(|hz| hears(&rig.peers[index], hz));
    assert_eq!(heard(0), [false, false, true, false], "both ways");
    assert_eq!(heard(1), [true, false, true, false], "we only send: it hears and is not heard");
    assert!(rig.peers[2].heard.is_empty(), "we only listen");
    assert!(rig.peers[3].heard.is_empty(), "held");
    rig.update(3, stream(Direction::SendRecv, PCMU));
    rig.run_ms(2_000);
    assert!(hears(&rig.peers[0], 900.0) && hears(&rig.peers[3], 300.0), "resumed");
}

/// F26: sixteen full-scale sines in phase are as loud as fits, and still sines: nothing wraps, nothing is cut.
#[test]
fn sixteen_full_scale_sines_are_limited_and_stay_sines() {
    let mut rig = Rig::where_all_are_heard();
    for n in 0..16 {
        let talker = Talker::tone(n, PCMA, 250.0, 0.0);
        rig.join(Some(talker), stream(Direction::SendRecv, PCMA));
    }
    rig.run_ms(2_000);
    for peer in &rig.peers {
        let heard = &peer.heard[peer.heard.len() - 8_000..];
        let (base, third) = (peer.level(250.0, 1_000), peer.level(750.0, 1_000));
        assert!((-1.0..0.5).contains(&base), "as loud as fits: {base} dB");
        assert!(third < base - 30.0, "the third harmonic is at {third} dB");
        // 250 Hz at 8 kHz: 32 samples in a period, so two changes of sign in each.
        let changes = heard.windows(2).filter(|pair| (pair[0] < 0) != (pair[1] < 0)).count();
        assert!((498..=502).contains(&changes), "{changes} changes of sign in a second");
    }
}

/// The three loudest of five: everyone hears those, and they each other.
#[test]
fn at_most_three_are_heard_at_a_time_and_they_are_the_loudest() {
    let mut rig = Rig::with_conference();
    let tones = [(300.0, -20.0), (500.0, -30.0), (700.0, -22.0), (900.0, -40.0), (1_100.0, -24.0)];
    for (n, (hz, dbfs)) in (0..).zip(tones) {
        rig.join(Some(Talker::tone(n, PCMU, hz, dbfs)), stream(Direction::SendRecv, PCMU));
    }
    rig.run_ms(3_000);
    for (index, peer) in rig.peers.iter().enumerate() {
        for (other, (hz, _)) in tones.into_iter().enumerate() {
            let expected = other != index && [0, 2, 4].contains(&other);
            assert_eq!(hears(peer, hz), expected, "{index} hears {other}");
        }
    }
}

/// Talking is told within 150 ms of the first sound, the jitter buffer included.
#[test]
fn who_talks_is_told_soon() {
    let mut rig = Rig::with_conference();
    rig.join(None, stream(Direction::SendRecv, PCMU));
    rig.join(Some(Talker::tone(1, PCMU, 300.0, -200.0)), stream(Direction::SendRecv, PCMU));
    rig.run_ms(1_000);
    rig.events.clear();
    rig.peers[1].talker.as_mut().expect("sends silence").say(300.0, -20.0);
    rig.run_ms(150);
    let talking =
        |is_talking| Event::Talking { conference: CONFERENCE, port: PortId(2), is_talking };
    assert_eq!(rig.events.iter().filter(|event| **event == talking(true)).count(), 1);
    rig.peers[1].talker = None;
    rig.run_ms(1_000);
    assert_eq!(rig.events.last(), Some(&talking(false)));
    let told = rig.events.iter().filter(|event| matches!(event, Event::Talking { .. }));
    assert_eq!(told.count(), 2);
}

/// F26: as long as the sum fits, it is clean.
#[test]
fn a_sum_that_fits_is_not_distorted() {
    let mut rig = Rig::where_all_are_heard();
    for n in 0..5 {
        let talker = Talker::tone(n, PCMA, 250.0, -14.0);
        rig.join(Some(talker), stream(Direction::SendRecv, PCMA));
    }
    rig.run_ms(2_000);
    for peer in &rig.peers {
        let base = peer.level(250.0, 1_000);
        assert!((-2.6..-1.5).contains(&base), "four times -14 dB are -2 dB: {base}");
        for harmonic in [500.0, 750.0, 1_250.0, 1_750.0] {
            let level = peer.level(harmonic, 1_000);
            assert!(level < base - 30.0, "{harmonic} Hz at {level} dB");
        }
    }
}

/// F11 (RFC 3550 §7.1): one SSRC, no gap in the sequence, steps of one packet, whatever the others do.
#[test]
fn what_a_leg_is_sent_is_steady_whoever_joins_leaves_or_is_lost() {
    let mut rig = Rig::with_conference();
    rig.lossy = |index, tick| index == 0 || !tick.is_multiple_of(6);
    let stays = rig.join_tone(300.0);
    rig.run_ms(500);
    for round in 0_u32..10 {
        let joins = rig.join_tone(500.0 + 100.0 * f64::from(round));
        rig.run_ms(330);
        if round % 2 == 0 {
            rig.leave(joins);
        } else {
            rig.peers[joins].talker = None; // pulls the cable
        }
        rig.run_ms(170);
    }
    let peer = &rig.peers[stays];
    assert_eq!(peer.headers.len(), 275, "5.5 s");
    for pair in peer.headers.windows(2) {
        assert_eq!(pair[1].ssrc, pair[0].ssrc);
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
        assert_eq!(pair[1].timestamp, pair[0].timestamp.wrapping_add(160));
    }
    assert!(peer.ticks.windows(2).all(|pair| pair[1] - pair[0] == 2), "every 20 ms");
    let mut ssrcs: Vec<u32> = rig.peers.iter().map(|peer| peer.headers[0].ssrc).collect();
    ssrcs.sort_unstable();
    ssrcs.dedup();
    assert_eq!(ssrcs.len(), rig.peers.len(), "each leg has its own");
    assert!(peer.headers.iter().all(|header| header.ssrc != 0), "and not a peer's");
}

/// F11: codec, hold and resume change neither SSRC nor sequence, and the clock goes on meanwhile.
#[test]
fn an_update_keeps_the_identity_of_what_is_sent() {
    let mut rig = Rig::with_conference();
    let leg = rig.join_tone(300.0);
    rig.run_ms(1_000);
    let before = *rig.peers[leg].headers.last().expect("sent");
    rig.update(leg, stream(Direction::Inactive, PCMU));
    rig.run_ms(2_000);
    assert_eq!(rig.peers[leg].headers.last(), Some(&before), "nothing is sent to a held leg");
    rig.update(leg, stream(Direction::SendRecv, PCMA));
    rig.run_ms(20);
    let after = rig.peers[leg].headers.last().expect("sent");
    assert_eq!((after.ssrc, after.payload_type), (before.ssrc, 8));
    assert_eq!(after.sequence, before.sequence.wrapping_add(1));
    assert_eq!(after.timestamp, before.timestamp.wrapping_add(8 * 2_020));
    assert!(after.marker, "RFC 3551 §4.1");
}

#[test]
fn a_leg_alone_hears_silence_and_not_itself() {
    let mut rig = Rig::with_conference();
    let leg = rig.join_tone(300.0);
    rig.run_ms(2_000);
    assert_eq!(rig.peers[leg].headers.len(), 100);
    assert!(rig.peers[leg].heard.iter().all(|sample| sample.unsigned_abs() < 16));
}

#[test]
fn whoever_left_is_not_heard_and_not_sent_to() {
    let mut rig = Rig::with_conference();
    let (stays, leaves) = (rig.join_tone(300.0), rig.join_tone(500.0));
    rig.run_ms(2_000);
    assert!(hears(&rig.peers[stays], 500.0));
    let report = rig.leave(leaves);
    assert_eq!((report.received, report.dropped_unproved, report.lost), (98, 2, 0));
    assert_eq!(report.sent, 100, "2 s");
    let sent = rig.peers[leaves].headers.len();
    rig.run_ms(2_000);
    assert!(!hears(&rig.peers[stays], 500.0));
    assert_eq!(rig.peers[leaves].headers.len(), sent);
}

#[test]
fn five_percent_of_loss_is_heard_through_and_counted() {
    let mut rig = Rig::with_conference();
    rig.lossy = |index, tick| index != 1 || !(tick / 2).is_multiple_of(20);
    let (hears_it, lossy) = (rig.join_tone(300.0), rig.join_tone(500.0));
    rig.run_ms(4_000);
    assert!(hears(&rig.peers[hears_it], 500.0));
    let report = rig.leave(lossy);
    assert!((9..=10).contains(&report.lost), "{report:?}");
    assert!((1_440..=1_700).contains(&report.concealed_samples), "{report:?}");
}

/// What is sent blindly is counted by its time, whatever the packets: five seconds, and not one packet more.
#[test]
fn blind_media_ends_after_five_seconds_in_packets_of_any_length() {
    for ptime_ms in [10, 20, 30, 40, 50, 60] {
        let mut rig = Rig::with_conference();
        let spec = stream(Direction::SendRecv, Format { ptime_ms, ..PCMU });
        let elsewhere = TransportSpec { signalling: peer(9).ip(), ..transport(1, peer(1)) };
        let leg = rig.join_at(CONFERENCE, None, elsewhere, spec);
        rig.run_ms(10_000);
        let sent_ms = u32::try_from(rig.peers[leg].headers.len()).expect("few") * ptime_ms;
        assert!((4_940..=5_000).contains(&sent_ms), "{ptime_ms} ms: {sent_ms} ms");
        let withheld = rig.measured_now(leg).withheld_frames;
        assert!((499..=501).contains(&withheld), "{ptime_ms} ms: {withheld}");
    }
}

/// The media of a caller behind a NAT comes from another address than its SDP says.
#[test]
fn a_leg_behind_a_nat_gets_its_media_where_it_sends_from() {
    let mut rig = Rig::with_conference();
    let leg = rig.join_tone(300.0);
    rig.peers[leg].address = peer(77);
    rig.run_ms(1_000);
    let latched = Event::Latched { conference: CONFERENCE, port: PortId(1), remote: peer(77) };
    assert_eq!(rig.events_but_talking(), [latched]);
    assert!(rig.peers[leg].headers.len() > 40);
    assert!(rig.elsewhere.iter().all(|to| *to == peer(1)));
    assert!((1..=4).contains(&rig.elsewhere.len()), "before the latch, to the address in the SDP");
}
