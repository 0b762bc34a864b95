use std::collections::VecDeque;
use std::time::Duration;

use rtp::RtpPacket;
use sdp::{Codec, Direction, RtcpWay};

use super::*;
use crate::testing::addr;

const ALICE: &str = "192.0.2.1:20000";
const BOB: &str = "192.0.2.2:30000";

fn agreed(remote: Option<&str>, codec: Codec, ptime_ms: u32) -> Negotiated {
    let payload_type = if codec == Codec::Pcmu { 0 } else { 8 };
    Negotiated {
        remote: remote.map(addr),
        rtcp: RtcpWay::Muxed,
        codec,
        send_payload_type: payload_type,
        receive_payload_types: vec![payload_type],
        direction: Direction::SendRecv,
        ptime_ms,
        keys_payload_type: None,
    }
}

fn voice(remote: Option<&str>, codec: Codec, seed: u64) -> Voice {
    let media = agreed(remote, codec, 20);
    Voice::new(Instant::ZERO, &media, addr(BOB), Rng::from_number(seed)).expect("a voice")
}

/// 10 ms of a sine.
fn tone(hz: f32, frame: usize) -> [i16; FRAME_SAMPLES] {
    std::array::from_fn(|index| {
        let time = (frame * FRAME_SAMPLES + index) as f32 / 8_000.0;
        #[expect(clippy::cast_possible_truncation, reason = "8,000 fits")]
        let sample = ((time * hz * std::f32::consts::TAU).sin() * 8_000.0) as i16;
        sample
    })
}

/// Runs a voice for some frames that say `hz`; what it sent.
fn sent(voice: &mut Voice, frames: usize) -> Vec<(u64, SocketAddr, Vec<u8>)> {
    let mut packets = Vec::new();
    let mut heard = [0; FRAME_SAMPLES];
    for frame in 0..frames {
        let now = Instant::from_millis(frame as u64 * 10);
        voice.tick(now, Some(&tone(440.0, frame)), &mut heard, &mut |_, to, bytes| {
            packets.push((now.as_millis(), to, bytes.to_vec()));
        });
    }
    packets
}

/// Packets of 20 ms, one SSRC, sequence and clock in step; PCMU and PCMA.
#[test]
fn packets_have_20_ms_and_a_steady_clock() {
    for codec in [Codec::Pcmu, Codec::Pcma] {
        let packets = sent(&mut voice(Some(BOB), codec, 1), 100);
        assert_eq!(packets.len(), 50);
        let parsed: Vec<RtpPacket<'_>> =
            packets.iter().map(|(_, _, bytes)| RtpPacket::parse(bytes).expect("RTP")).collect();
        for (pair, times) in parsed.windows(2).zip(packets.windows(2)) {
            assert_eq!(times[1].0 - times[0].0, 20);
            assert_eq!(pair[1].header.sequence, pair[0].header.sequence.wrapping_add(1));
            assert_eq!(pair[1].header.timestamp, pair[0].header.timestamp.wrapping_add(160));
            assert_eq!(pair[1].header.ssrc, pair[0].header.ssrc);
            assert_eq!(pair[0].payload.len(), 160);
        }
        assert!(packets.iter().all(|(_, to, _)| *to == addr(BOB)));
    }
    let ssrc = |seed| {
        let packets = sent(&mut voice(Some(BOB), Codec::Pcmu, seed), 2);
        RtpPacket::parse(&packets[0].2).expect("RTP").header.ssrc
    };
    assert_ne!(ssrc(1), ssrc(2), "each voice its own");
}

/// Silence is sent too: the clock goes on (and a NAT stays open).
#[test]
fn nothing_to_play_is_silence_and_not_a_gap() {
    let mut voice = voice(Some(BOB), Codec::Pcmu, 1);
    let (mut heard, mut count) = ([0; FRAME_SAMPLES], 0);
    for frame in 0..10 {
        voice.tick(Instant::from_millis(frame * 10), None, &mut heard, &mut |_, _, bytes| {
            count += 1;
            let packet = RtpPacket::parse(bytes).expect("RTP");
            assert!(packet.payload.iter().all(|sample| *sample == 0xff), "u-law silence");
        });
    }
    assert_eq!(count, 5);
}

/// Two voices hear each other; the level is that of the sine at 1/4 of full scale.
#[test]
fn two_voices_hear_each_other_and_not_themselves() {
    let mut alice = voice(Some(BOB), Codec::Pcmu, 1);
    let media = agreed(Some(ALICE), Codec::Pcmu, 20);
    let mut bob = Voice::new(Instant::ZERO, &media, addr(ALICE), Rng::from_number(2)).expect("ok");
    let mut under_way: VecDeque<(Instant, bool, Vec<u8>)> = VecDeque::new();
    let (mut by_alice, mut by_bob) = (Vec::new(), Vec::new());
    for frame in 0..200 {
        let now = Instant::from_millis(frame as u64 * 10);
        while under_way.front().is_some_and(|(at, ..)| *at <= now) {
            match under_way.pop_front().expect("one") {
                (_, true, bytes) => bob.handle_packet(now, Channel::Rtp, addr(ALICE), &bytes),
                (_, false, bytes) => alice.handle_packet(now, Channel::Rtp, addr(BOB), &bytes),
            }
        }
        let arrival = now + Duration::from_millis(10);
        let mut heard = [0; FRAME_SAMPLES];
        alice.tick(now, Some(&tone(500.0, frame)), &mut heard, &mut |_, _, bytes| {
            under_way.push_back((arrival, true, bytes.to_vec()));
        });
        by_alice.extend_from_slice(&heard);
        bob.tick(now, Some(&tone(1_100.0, frame)), &mut heard, &mut |_, _, bytes| {
            under_way.push_back((arrival, false, bytes.to_vec()));
        });
        by_bob.extend_from_slice(&heard);
    }
    let level = |samples: &[i16], hz| audio::goertzel(&samples[8_000..], 8_000, hz);
    assert!(level(&by_alice, 1_100.0) > -20.0, "{}", level(&by_alice, 1_100.0));
    assert!(level(&by_bob, 500.0) > -20.0, "{}", level(&by_bob, 500.0));
    assert!(level(&by_alice, 500.0) < -50.0 && level(&by_bob, 1_100.0) < -50.0);
    let report = bob.report();
    assert!(report.received >= 95 && report.lost == 0 && report.sent == 100, "{report:?}");
}

/// Symmetric RTP: the description says one address, the packets come from another, and that is where
/// ours go once it has been heard often enough.
#[test]
fn media_goes_to_where_it_comes_from() {
    let mut alice = voice(Some("198.51.100.9:4000"), Codec::Pcmu, 1);
    let from_bob = sent(&mut voice(Some(ALICE), Codec::Pcmu, 2), 20);
    let mut heard = [0; FRAME_SAMPLES];
    let (mut first, mut last) = (None, None);
    for (frame, (_, _, bytes)) in from_bob.iter().enumerate() {
        for half in 0..2 {
            let now = Instant::from_millis((frame * 2 + half) as u64 * 10);
            if half == 0 {
                alice.handle_packet(now, Channel::Rtp, addr(BOB), bytes); // from the signalling's host
            }
            alice.tick(now, None, &mut heard, &mut |_, to, _| {
                first.get_or_insert(to);
                last = Some(to);
            });
        }
    }
    assert_eq!(last, Some(addr(BOB)));
    assert!(first.is_some());
}

/// RFC 3264 §8.4: no address, no packets; after a re-INVITE with one they flow, with the same SSRC.
#[test]
fn a_held_voice_sends_nothing_and_goes_on_with_its_ssrc() {
    let mut alice = voice(Some(BOB), Codec::Pcmu, 1);
    let before = sent(&mut alice, 4);
    let held = agreed(None, Codec::Pcmu, 20);
    alice.update(Instant::from_millis(40), &held).expect("held");
    assert!(sent(&mut alice, 10).is_empty());
    let again = agreed(Some(BOB), Codec::Pcmu, 20);
    alice.update(Instant::from_millis(140), &again).expect("again");
    let after = sent(&mut alice, 4);
    let ssrc = |packets: &[(u64, SocketAddr, Vec<u8>)]| {
        RtpPacket::parse(&packets[0].2).expect("RTP").header.ssrc
    };
    assert_eq!(ssrc(&before), ssrc(&after));
}

/// F08: the peer's packet time counts, cut to what ticks can make.
#[test]
fn the_peers_packet_time_is_kept() {
    for (wish_ms, packets) in [(10, 60), (20, 30), (25, 30), (30, 20), (60, 10)] {
        let media = agreed(Some(BOB), Codec::Pcmu, wish_ms);
        let mut voice = Voice::new(Instant::ZERO, &media, addr(BOB), Rng::from_number(1));
        let voice = voice.as_mut().expect("a voice");
        assert_eq!(sent(voice, 60).len(), packets, "{wish_ms} ms");
    }
}

#[test]
fn what_sdp_never_agrees_on_is_refused() {
    let mut media = agreed(Some(BOB), Codec::Pcmu, 20);
    media.receive_payload_types.clear();
    let refused = Voice::new(Instant::ZERO, &media, addr(BOB), Rng::from_number(1));
    assert!(matches!(refused, Err(Refused::BadFormatCount { got: 0, .. })));
}
