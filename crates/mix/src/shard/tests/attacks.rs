//! Media of strangers, and of peers who mean harm.

use std::net::SocketAddr;
use std::time::Duration;

use rtp::rtcp::ReportBlock;

use crate::message::{Channel, Direction, PortReport};
use crate::rig::{PCMU, Rig, Talker, peer, stream};

/// Two that talk to each other: tones of 300 Hz and 500 Hz.
fn two() -> Rig {
    let mut rig = Rig::with_conference();
    rig.join_tone(300.0);
    rig.join_tone(500.0);
    rig.run_ms(1_000);
    rig
}

/// The second still hears the first as he should, and nothing was sent to anybody else.
fn is_unharmed(rig: &mut Rig) {
    rig.run_ms(2_000);
    assert!((rig.peers[1].level(300.0, 1_000) + 20.0).abs() < 1.0);
    assert_eq!(rig.elsewhere, Vec::<SocketAddr>::new());
}

/// Every counter of packets that came.
fn came(report: &PortReport) -> u64 {
    report.received + report.rtcp + report.dropped().iter().map(|(_, count)| count).sum::<u64>()
}

/// T42: RTP Bleed. Whoever sprays all ports neither hears nor is heard, before the latch or after it.
#[test]
fn who_sprays_all_ports_hears_nothing_and_is_not_heard() {
    let mut rig = two();
    let stranger = peer(200);
    let mut spray = Talker::tone(9, PCMU, 900.0, -10.0);
    for _ in 0..100 {
        let bytes = spray.packet(160);
        for lent in 1..100 {
            rig.shard.handle_packet(rig.now, (lent, Channel::Rtp), stranger, &bytes);
            rig.shard.handle_packet(rig.now, (lent, Channel::Rtcp), stranger, &bytes);
        }
        rig.run_ms(20);
        // The next leg comes in the middle of it: he is there first, and the phone a moment later.
        if rig.peers.len() == 2 {
            rig.join(None, stream(Direction::SendRecv, PCMU));
        }
    }
    rig.peers[2].talker = Some(Talker::tone(77, PCMU, 700.0, -20.0));
    rig.run_ms(500);
    rig.elsewhere.clear();
    is_unharmed(&mut rig);
    assert!(rig.peers[1].level(900.0, 1_000) < -50.0);
    assert!(rig.peers[1].level(700.0, 1_000) > -23.0, "the phone has its leg");
    let report = rig.leave(0);
    assert!(report.dropped_foreign >= 100, "{report:?}");
}

/// T47: whatever length, whatever first bytes, to either port.
#[test]
fn short_datagrams_of_every_kind_are_counted_and_do_no_harm() {
    let mut rig = two();
    let before = came(&rig.leave(1));
    assert!(before > 0);
    let mut rig = two();
    let mut given = 0;
    for first in 0..=255_u8 {
        for second in [0, 8, 13, 72, 96, 101, 127, 128, 136, 192, 200, 201, 202, 203, 206, 223, 255]
        {
            for len in (0..=64).step_by(if second == 200 { 1 } else { 7 }) {
                let mut bytes = vec![first; len];
                if let Some(byte) = bytes.get_mut(1) {
                    *byte = second;
                }
                for channel in [Channel::Rtp, Channel::Rtcp] {
                    rig.shard.handle_packet(rig.now, (1, channel), peer(1), &bytes);
                    given += 1;
                }
            }
            rig.now += Duration::from_millis(500);
            rig.tick_now();
        }
    }
    rig.peers[0].talker = None;
    let report = rig.leave(0);
    assert!(came(&report) >= given, "each is counted: {given} {report:?}");
}

/// T48: fields that lie, and streams that jump. What cannot be read is dropped, the rest is followed.
#[test]
fn odd_packets_and_jumping_streams_are_followed_or_dropped() {
    let mut rig = two();
    let header = rig.peers[0].talker.as_ref().unwrap().header;
    let mut bytes = vec![0; 12 + 160];
    rtp::write(&header, &[0xFF; 160], &mut bytes).expect("room");
    let with = |change: fn(&mut Vec<u8>)| {
        let mut odd = bytes.clone();
        change(&mut odd);
        odd
    };
    for (odd, what) in [
        (
            with(|it| {
                it[0] |= 0x0F;
                it.truncate(40)
            }),
            "CSRC = 15 in 28 bytes",
        ),
        (
            with(|it| {
                it[0] |= 0x10;
                it[14] = 0xFF;
                it[15] = 0xFF
            }),
            "an extension that lies",
        ),
        (
            with(|it| {
                it[0] |= 0x20;
                it[171] = 200
            }),
            "padding above the payload",
        ),
        (with(|it| it[0] = 0x40), "version 1"),
    ] {
        let before = rig.measured_now(0).dropped_malformed;
        rig.give(0, &odd);
        assert_eq!(rig.measured_now(0).dropped_malformed, before + 1, "{what}");
    }
    let unagreed = with(|it| it[1] = 111);
    rig.give(0, &unagreed);
    assert_eq!(rig.measured_now(0).dropped_payload_type, 1);
    is_unharmed(&mut rig);

    let jump = |rig: &mut Rig, by: fn(&mut rtp::Header)| {
        by(&mut rig.peers[0].talker.as_mut().unwrap().header);
        rig.run_ms(500);
        is_unharmed(rig);
    };
    jump(&mut rig, |header| header.ssrc = 0xDEAD);
    jump(&mut rig, |header| header.sequence = header.sequence.wrapping_add(30_000));
    jump(&mut rig, |header| header.timestamp = header.timestamp.wrapping_add(1 << 30));
    jump(&mut rig, |header| header.timestamp = header.timestamp.wrapping_sub(1 << 30));
}

/// T49: RTCP that says more than it may.
#[test]
fn rtcp_of_strangers_and_about_strangers_changes_nothing() {
    let mut rig = two();
    // BYE of a source that is not his; feedback that nobody asked for; reports on nobody, by the dozen.
    let blocks = [ReportBlock { ssrc: 4_711, fraction_lost: 255, ..ReportBlock::default() }; 31];
    rig.give_report(0, (0, b"x"), &blocks, |writer| writer.bye(&[1, 4_711]).expect("room"));
    let rembs = [0x8F, 206, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, b'R', b'E', b'M', b'B', 255, 0, 0, 0];
    let rr = [0x80, 201, 0, 1, 0, 0, 0, 0];
    rig.give(0, &[&rr[..], &rembs].concat());
    assert_eq!(rig.measured_now(0).rtcp, 2);
    // His own BYE, from elsewhere.
    let bye = [&rr[..], &[0x81, 203, 0, 1, 0, 0, 0, 0]].concat();
    rig.shard.handle_packet(rig.now, (1, Channel::Rtp), peer(200), &bye);
    let other_port = SocketAddr::new(peer(1).ip(), 9);
    rig.shard.handle_packet(rig.now, (1, Channel::Rtp), other_port, &bye);
    rig.shard.handle_packet(rig.now, (1, Channel::Rtcp), peer(1), &bye);
    let report = rig.measured_now(0);
    assert_eq!((report.rtcp, report.dropped_foreign), (2, 3));
    rig.run_ms(10_000);
    assert_eq!(rig.measured(0).quality.to_peer, None, "nothing was said of our stream");
    is_unharmed(&mut rig);
}

/// T49, T55: a thousand reports or events in a tick. What is too much is dropped unread, and the others hear nothing
/// of it.
#[test]
fn whoever_floods_is_cut_to_what_a_phone_may_send() {
    for kind in [[0x80, 201], [0x80, 101]] {
        let mut rig = two();
        let bytes = [&kind[..], &[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 10, 0, 80]].concat();
        let bytes = if kind[1] == 201 { &bytes[..8] } else { &bytes };
        for _ in 0..100 {
            (0..1_000).for_each(|_| rig.give(0, bytes));
            rig.run_ms(10);
        }
        let report = rig.measured_now(0);
        assert!(report.dropped_flood > 99_000, "{report:?}");
        rig.run_ms(2_000);
        assert!(
            (rig.peers[0].level(500.0, 1_000) + 20.0).abs() < 1.0,
            "the flooder hears the other"
        );
        is_unharmed(&mut rig);
    }
}
