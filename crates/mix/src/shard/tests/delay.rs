//! How long the mixer holds a voice.

use std::time::Duration;

use crate::TICK;
use crate::message::{Channel, Direction};
use crate::rig::{PCMU, Rig, Talker, stream};

/// From the packet that brings a sudden loud sound to the packet that takes it on, in microseconds; what
/// stands before it within its packet counts as time, as it does for the ear. The phone's packets of 20 ms come `after` a tick.
fn delay_us(after: Duration) -> u64 {
    const LOUD_FROM: usize = 150;
    let mut rig = Rig::with_conference();
    let talker = rig.join(None, stream(Direction::SendRecv, PCMU));
    let listener = rig.join(None, stream(Direction::SendRecv, PCMU));
    let mut voice = Talker::saying(9, PCMU, audio::tone(100.0, 8_000, -30.0, 8_000));
    let begin = rig.now;
    let mut sent_at = begin;
    for number in 0..2 * LOUD_FROM {
        let (whole, rest) = if after < TICK { (0, after) } else { (10, after - TICK) };
        rig.run_ms(whole);
        let at = rig.now + rest;
        if number == LOUD_FROM {
            voice.say(1_000.0, 0.0);
            sent_at = at;
        }
        let (lent, from) = (rig.peers[talker].lent, rig.peers[talker].address);
        rig.shard.handle_packet(at, (lent, Channel::Rtp), from, &voice.packet(160));
        rig.run_ms(20 - whole);
    }
    let peer = &rig.peers[listener];
    let loud = |sample: &i16| sample.unsigned_abs() > 8_000;
    let first = peer.heard.iter().position(loud).expect("heard");
    let packet_at = begin + TICK * u32::try_from(peer.ticks[first / 160]).expect("small");
    let heard_us = packet_at.as_nanos() / 1_000 + (first % 160) as u64 * 125;
    heard_us - sent_at.as_nanos() / 1_000
}

/// A busy thread reads every fifth packet after the round before which it came. That is waited for, as jitter of the network is;
/// taken for punctual, it would be missed each time.
#[test]
fn what_is_read_after_a_round_came_after_it() {
    let mut rig = Rig::with_conference();
    let talker = rig.join(None, stream(Direction::SendRecv, PCMU));
    let mut voice = Talker::saying(9, PCMU, audio::tone(100.0, 8_000, -30.0, 8_000));
    let (lent, from) = (rig.peers[talker].lent, rig.peers[talker].address);
    let mut read_until = |rig: &mut Rig, count: u32| {
        for number in 0..count {
            let (came, packet) = (rig.now + Duration::from_millis(8), voice.packet(160));
            let is_read_late = number.is_multiple_of(5);
            if !is_read_late {
                rig.shard.handle_packet(came, (lent, Channel::Rtp), from, &packet);
            }
            rig.run_ms(10);
            if is_read_late {
                rig.shard.handle_packet(came, (lent, Channel::Rtp), from, &packet);
            }
            rig.run_ms(10);
        }
        rig.measured_now(talker)
    };
    let before = read_until(&mut rig, 500);
    let after = read_until(&mut rig, 500);
    assert!(before.concealed_samples > 0, "else nothing was missed at first: {before:?}");
    assert_eq!(after.concealed_samples, before.concealed_samples, "{after:?}");
    assert!(after.delay_us <= 25_000, "{after:?}");
}

/// Without jitter, over all phases that a phone's clock may have to ours: what is left of a round, and nothing more.
#[test]
fn a_voice_is_held_for_11_ms_at_the_median_and_21_ms_at_most() {
    let phases = (0..80).map(|n| Duration::from_micros(n * 250));
    let mut delays: Vec<u64> = phases.map(delay_us).collect();
    delays.sort_unstable();
    let (median, most) = (delays[40], delays[79]);
    assert!((9_000..=11_000).contains(&median), "{delays:?}");
    assert!((18_000..=21_000).contains(&most), "{delays:?}");
}
