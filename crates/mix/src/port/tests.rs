//! One leg: what it takes, drops and counts.

use std::time::Duration;

use proptest::prelude::{any, prop};
use proptest::{prop_assert_eq, proptest};

use super::*;
use crate::message::Direction;
use crate::rig::{PCMA, PCMU, Talker, peer, stream, transport};

fn port(direction: Direction) -> Port {
    let mut rng = Rng::from_number(1);
    Port::new(Instant::ZERO, transport(1, peer(1)), stream(direction, PCMU), 1, &mut rng)
        .expect("good specs")
}

fn talker() -> Talker {
    Talker::tone(1, PCMU, 400.0, -10.0)
}

/// Every counter of arriving packets.
fn arrived(report: &PortReport) -> u64 {
    let PortReport {
        received,
        rtcp,
        dropped_malformed,
        dropped_foreign,
        dropped_payload_type,
        dropped_held,
        dropped_unproved,
        dropped_flood,
        dropped_looped,
        ..
    } = *report;
    received
        + rtcp
        + dropped_malformed
        + dropped_foreign
        + dropped_payload_type
        + dropped_held
        + dropped_unproved
        + dropped_flood
        + dropped_looped
}

#[test]
fn each_bad_packet_is_counted_by_its_cause_and_changes_nothing() {
    let (mut port, mut talker) = (port(Direction::SendRecv), talker());
    let mut give =
        |from, bytes: &[u8]| port.handle_packet(Instant::ZERO, Channel::Rtp, from, bytes);
    for _ in 0..5 {
        give(peer(1), &talker.packet(160));
    }
    assert_eq!(give(peer(1), &[]), Verdict::Dropped);
    assert_eq!(give(peer(1), &[0x80; 11]), Verdict::Dropped);
    assert_eq!(give(peer(1), b"INVITE sip:a@b SIP/2.0\r\n\r\n"), Verdict::Dropped);
    assert_eq!(give(peer(1), &talker.packet(1_601)), Verdict::Dropped, "longer than 200 ms");
    let mut other = talker.clone();
    other.header.payload_type = 101;
    assert_eq!(give(peer(1), &other.packet(160)), Verdict::Dropped);
    other.header.payload_type = 0;
    assert_eq!(give(peer(2), &other.packet(160)), Verdict::Dropped);
    let rtcp = [0x80, 201, 0, 1, 0, 0, 0, 1];
    assert_eq!(give(peer(1), &rtcp), Verdict::Rtcp);
    assert_eq!(give(peer(2), &rtcp), Verdict::Dropped);
    assert_eq!(give(peer(1), &rtcp[..4]), Verdict::Dropped);
    let report = port.report();
    let expected = PortReport {
        received: 3,
        received_bytes: 3 * 172,
        rtcp: 1,
        dropped_malformed: 5,
        dropped_foreign: 2,
        dropped_payload_type: 1,
        dropped_unproved: 2,
        ..PortReport::default()
    };
    assert_eq!(report, expected);
    assert_eq!(port.latched(), Some(peer(1)));
}

#[test]
fn a_held_leg_adds_no_sound_and_its_packets_are_a_sign_of_life() {
    for direction in [Direction::SendOnly, Direction::Inactive] {
        let (mut port, mut talker) = (port(direction), talker());
        let mut now = Instant::ZERO;
        for _ in 0..2_000 {
            now += Duration::from_millis(20);
            port.handle_packet(now, Channel::Rtp, peer(1), &talker.packet(160));
            assert_eq!(port.hear(now), None);
            assert_eq!(port.silent_for_ms(now), None);
        }
        assert_eq!(port.report().dropped_held, 1_998);
        assert_eq!(port.report().received, 0);
    }
}

#[test]
fn nothing_is_sent_where_we_only_listen() {
    for direction in [Direction::RecvOnly, Direction::Inactive] {
        let mut port = port(direction);
        assert!((0..100).all(|_| port.say(&[0; FRAME_SAMPLES]).is_none()));
        assert_eq!(port.report().sent, 0);
    }
    assert!((0..2).any(|_| port(Direction::SendOnly).say(&[0; FRAME_SAMPLES]).is_none()));
    let mut sends = port(Direction::SendOnly);
    sends.say(&[0; FRAME_SAMPLES]);
    assert_eq!(sends.say(&[0; FRAME_SAMPLES]).map(|packet| packet.to), Some(peer(1)));
}

#[test]
fn what_was_buffered_before_a_hold_is_not_heard_after_it() {
    let (mut port, mut talker) = (port(Direction::SendRecv), talker());
    let mut now = Instant::ZERO;
    for _ in 0..50 {
        now += Duration::from_millis(20);
        port.handle_packet(now, Channel::Rtp, peer(1), &talker.packet(160));
        port.hear(now);
    }
    assert!(port.hear(now).is_some());
    for direction in [Direction::Inactive, Direction::SendRecv] {
        port.update(now, transport(1, peer(1)), stream(direction, PCMA)).expect("good specs");
    }
    assert_eq!(port.hear(now), None);
    assert_eq!(port.latched(), Some(peer(1)), "the address did not change");
}

#[test]
fn specs_that_make_no_sense_are_refused() {
    let good = stream(Direction::SendRecv, PCMU);
    let new = |stream: StreamSpec| {
        Port::new(Instant::ZERO, transport(1, peer(1)), stream, 1, &mut Rng::from_number(1))
            .map(|_| ())
    };
    assert_eq!(new(good.clone()), Ok(()));
    for ptime_ms in [0, 5, 15, 70, u32::MAX] {
        let stream = StreamSpec { send: Format { ptime_ms, ..PCMU }, ..good.clone() };
        assert_eq!(new(stream), Err(Refused::BadPacketTime { got: ptime_ms }));
    }
    for got in [0, RECEIVE_FORMATS_MAX + 1] {
        let stream = StreamSpec { receive: vec![PCMU; got], ..good.clone() };
        assert_eq!(new(stream), Err(Refused::BadFormatCount { got, max: RECEIVE_FORMATS_MAX }));
    }
    let odd = Format { payload_type: 128, ..PCMU };
    let stream = StreamSpec { receive: vec![odd], ..good.clone() };
    assert_eq!(new(stream), Err(Refused::BadPayloadType { got: 128 }));
    let stream = StreamSpec { label: "x".repeat(256), ..good };
    assert_eq!(new(stream), Err(Refused::LabelTooLong { got: 256, max: LABEL_BYTES_MAX }));
}

/// A peer that starts anew (another SSRC, far-off numbers) is heard again.
#[test]
fn a_restarted_peer_is_heard_again_and_counted() {
    let (mut port, mut first) = (port(Direction::SendRecv), talker());
    let mut second = Talker::tone(2, PCMU, 400.0, -10.0);
    second.header.sequence = 30_000;
    let mut now = Instant::ZERO;
    for n in 0..100 {
        now += Duration::from_millis(20);
        let talker = if n < 50 { &mut first } else { &mut second };
        // 200 ms pass between the two.
        if !(50..60).contains(&n) {
            port.handle_packet(now, Channel::Rtp, peer(1), &talker.packet(160));
        }
        port.hear(now);
        port.hear(now);
    }
    assert!(port.hear(now).is_some());
    assert_eq!(port.report().restarts, 1);
    assert_eq!(port.report().dropped_unproved, 4);
}

/// Every length to 64 bytes with every first byte: nothing panics, everything is counted once.
#[test]
fn no_short_datagram_panics() {
    let mut port = port(Direction::SendRecv);
    let mut given = 0;
    for len in 0..=64 {
        for first in 0..=255 {
            for second in [0, 8, 72, 200, 255] {
                let mut bytes = vec![0x5a; len];
                bytes.iter_mut().zip([first, second]).for_each(|(byte, value)| *byte = value);
                port.handle_packet(Instant::ZERO, Channel::Rtp, peer(1), &bytes);
                given += 1;
            }
        }
        port.hear(Instant::from_millis(len as u64 * 10));
    }
    assert_eq!(arrived(&port.report()), given);
}

proptest! {
    /// Whatever comes, in whatever order, with whatever time between: no panic, each counted once.
    #[test]
    fn anything_is_counted_once_and_hurts_nobody(
        packets in prop::collection::vec(
            (0u8..3, 0u64..200, any::<u16>(), any::<u32>(), 0u32..3, prop::sample::select(vec![0u8, 8, 9]),
             0usize..700, any::<bool>()),
            0..200,
        )
    ) {
        let mut port = port(Direction::SendRecv);
        let mut now = Instant::ZERO;
        let mut talker = talker();
        let count = packets.len();
        for (host, ms, sequence, timestamp, ssrc, payload_type, len, jump) in packets {
            now += Duration::from_millis(ms);
            if jump {
                talker.header.sequence = sequence;
                talker.header.timestamp = timestamp;
            }
            talker.header.ssrc = ssrc;
            talker.header.payload_type = payload_type;
            port.handle_packet(now, Channel::Rtp, peer(host), &talker.packet(len));
            port.hear(now);
            port.say(&[0; FRAME_SAMPLES]);
        }
        prop_assert_eq!(arrived(&port.report()), count as u64);
    }
}
