//! Receiver and sender, each alone.

mod playout;

use audio::Decoder as _;
use rtp::{Header, RtpPacket};
use units::{Instant, Rng};

use super::*;
use crate::Csrcs;
use crate::message::{Codec, Format, PortReport};
use crate::rig::{PCMA, PCMU, Talker};
use crate::{FRAME_SAMPLES, TICK};

const FRAME: [i16; FRAME_SAMPLES] = [1_000; FRAME_SAMPLES];

fn header(packet: Option<&[u8]>) -> Header {
    RtpPacket::parse(packet.expect("a packet is due")).expect("RTP").header
}

/// Pushes a whole packet and gives its header.
fn packet(sender: &mut Sender, frames: u32) -> Header {
    for _ in 1..frames {
        assert_eq!(sender.push(&FRAME, &Csrcs::new()), None);
    }
    header(sender.push(&FRAME, &Csrcs::new()))
}

/// RFC 3550 §5.1.
#[test]
fn ssrc_sequence_and_timestamp_begin_at_random() {
    let mut rng = Rng::from_number(1);
    let mut first = || packet(&mut Sender::new(PCMU, &mut rng), 2);
    let (a, b) = (first(), first());
    assert!(a.ssrc != b.ssrc && a.sequence != b.sequence && a.timestamp != b.timestamp);
}

/// RFC 3551 §4.5.14: the clock runs at 8 kHz, so 20 ms are 160.
#[test]
fn each_packet_time_gives_steps_of_its_own_length() {
    for ptime_ms in [10, 20, 30, 40, 50, 60] {
        let mut sender = Sender::new(Format { ptime_ms, ..PCMU }, &mut Rng::from_number(3));
        let mut last = packet(&mut sender, ptime_ms / 10);
        assert!(last.marker, "the first packet begins a talkspurt: RFC 3551 §4.1");
        for _ in 0..100 {
            let next = packet(&mut sender, ptime_ms / 10);
            assert_eq!(next.sequence, last.sequence.wrapping_add(1));
            assert_eq!(next.timestamp, last.timestamp.wrapping_add(ptime_ms * 8));
            assert!(!next.marker && next.ssrc == last.ssrc);
            last = next;
        }
    }
}

#[test]
fn a_pause_shows_in_the_timestamp_and_not_in_the_sequence() {
    let mut sender = Sender::new(PCMU, &mut Rng::from_number(3));
    let before = packet(&mut sender, 2);
    sender.push(&FRAME, &Csrcs::new());
    sender.skip(1); // half a packet is no packet
    sender.skip(11);
    assert_eq!(
        sender.push(&FRAME, &Csrcs::new()),
        None,
        "begins in the middle of a packet: not gathered"
    );
    let after = packet(&mut sender, 2);
    assert_eq!(after.sequence, before.sequence.wrapping_add(1));
    assert_eq!(after.timestamp, before.timestamp.wrapping_add(80 * (2 + 1 + 12 + 1)));
    assert!(after.marker);
}

#[test]
fn another_codec_keeps_ssrc_sequence_and_clock() {
    let mut sender = Sender::new(PCMU, &mut Rng::from_number(3));
    let before = packet(&mut sender, 2);
    sender.set_format(PCMA);
    let after = packet(&mut sender, 2);
    assert_eq!((before.payload_type, after.payload_type), (0, 8));
    assert_eq!(after.ssrc, before.ssrc);
    assert_eq!(after.sequence, before.sequence.wrapping_add(1));
    assert_eq!(after.timestamp, before.timestamp.wrapping_add(160));
    sender.set_format(Format { ptime_ms: 30, ..PCMA });
    let longer = packet(&mut sender, 3);
    assert_eq!(longer.sequence, after.sequence.wrapping_add(1));
    assert_eq!(
        longer.timestamp,
        after.timestamp.wrapping_add(160),
        "a packet begins where it ends"
    );
}

#[test]
fn the_payload_is_what_was_said() {
    for format in [PCMU, PCMA] {
        let mut sender = Sender::new(format, &mut Rng::from_number(3));
        sender.push(&[1_000; FRAME_SAMPLES], &Csrcs::new());
        let bytes = sender.push(&[-8_000; FRAME_SAMPLES], &Csrcs::new()).expect("full").to_vec();
        let payload = RtpPacket::parse(&bytes).expect("RTP").payload;
        let mut samples = [0; 200];
        assert_eq!(codec(format.codec).decode(payload, &mut samples), 160);
        assert!(samples[..80].iter().all(|s| (950..1_050).contains(s)), "{:?}", &samples[..2]);
        assert!(samples[80..160].iter().all(|s| (-8_300..-7_700).contains(s)));
    }
}

/// A packet that is full, or half of it, when another codec is agreed on: it cannot go out under the new payload type.
#[test]
fn no_packet_has_the_sound_of_two_codecs() {
    for (ptime_ms, frames) in [(10, 1), (20, 1), (40, 2), (60, 5)] {
        let format = Format { ptime_ms, ..PCMU };
        let mut sender = Sender::new(format, &mut Rng::from_number(3));
        for _ in 0..frames {
            sender.gather(&encoded(Codec::Pcmu, &[1_000; FRAME_SAMPLES]), &Csrcs::new());
        }
        sender.set_format(Format { ptime_ms, ..PCMA });
        assert_eq!(sender.packet(), None, "{ptime_ms} ms");
        let mut packets = 0;
        for _ in 0..12 {
            let Some(bytes) = sender.push(&[1_000; FRAME_SAMPLES], &Csrcs::new()) else { continue };
            packets += 1;
            let packet = RtpPacket::parse(bytes).expect("RTP");
            let mut samples = vec![0; packet.payload.len()];
            codec(Codec::Pcma).decode(packet.payload, &mut samples);
            assert_eq!(packet.header.payload_type, 8);
            assert!(samples.iter().all(|sample| (950..1_050).contains(sample)), "{ptime_ms} ms");
        }
        assert!(packets >= 1, "{ptime_ms} ms");
    }
}

#[test]
fn a_moved_boundary_moves_the_packets_and_not_the_clock() {
    let (mut straight, mut moved) =
        (Sender::new(PCMU, &mut Rng::from_number(3)), Sender::new(PCMU, &mut Rng::from_number(3)));
    moved.align(1);
    assert_eq!(
        (straight.push(&FRAME, &Csrcs::new()), moved.push(&FRAME, &Csrcs::new())),
        (None, None)
    );
    let first = header(straight.push(&FRAME, &Csrcs::new()));
    assert_eq!(moved.push(&FRAME, &Csrcs::new()), None);
    assert_eq!(straight.push(&FRAME, &Csrcs::new()), None);
    assert_eq!(
        header(moved.push(&FRAME, &Csrcs::new())).timestamp,
        first.timestamp.wrapping_add(80)
    );
}

/// A receiver and the clock that it is asked by.
struct ReceiverRig {
    receiver: Receiver,
    talker: Talker,
    now: Instant,
    heard: Vec<i16>,
}

impl ReceiverRig {
    fn new() -> Self {
        Self {
            receiver: Receiver::new(vec![PCMU, PCMA], None, 1),
            talker: Talker::tone(1, PCMU, 400.0, -10.0),
            now: Instant::from_millis(5),
            heard: vec![],
        }
    }

    fn insert(&mut self, bytes: &[u8]) {
        let packet = RtpPacket::parse(bytes).expect("RTP");
        self.receiver.insert(self.now, &packet);
    }

    fn pull(&mut self) {
        self.now += TICK;
        let frame = self.receiver.pull(self.now).copied();
        self.heard.extend(frame.unwrap_or([0; FRAME_SAMPLES]));
    }

    /// Packets of `ms`, played for two seconds.
    fn run(&mut self, ms: usize) {
        for _ in 0..2_000 / ms {
            let bytes = self.talker.packet(ms * 8);
            self.insert(&bytes);
            for _ in 0..ms / 10 {
                self.pull();
            }
        }
    }

    fn report(&self) -> PortReport {
        let mut report = PortReport::default();
        self.receiver.report(&mut report);
        report
    }

    /// The tone in the last second, in dB below full scale.
    fn level(&self) -> f64 {
        audio::goertzel(&self.heard[self.heard.len() - 8_000..], 8_000, 400.0)
    }
}

#[test]
fn every_packet_time_is_heard_without_a_gap() {
    for ms in [10, 20, 30, 40, 50, 60, 80, 100, 200] {
        let mut rig = ReceiverRig::new();
        rig.run(ms);
        assert!((rig.level() + 10.0).abs() < 0.3, "{ms} ms: {}", rig.level());
        let counters = rig.receiver.counters();
        assert_eq!((counters.lost, counters.late, counters.dropped), (0, 0, 0), "{ms} ms");
    }
}

#[test]
fn what_has_come_is_heard_in_the_next_tick() {
    let mut rig = ReceiverRig::new();
    rig.pull();
    let bytes = rig.talker.packet(160);
    rig.insert(&bytes);
    rig.now += TICK;
    assert!(rig.receiver.pull(rig.now).is_some());
}

#[test]
fn packets_out_of_order_are_put_in_order() {
    let mut rig = ReceiverRig::new();
    for n in 0..50 {
        if n == 10 {
            rig.heard.clear(); // by now it knows how long to wait
        }
        let (first, second) = (rig.talker.packet(160), rig.talker.packet(160));
        rig.insert(&second);
        rig.insert(&first);
        (0..4).for_each(|_| rig.pull());
    }
    assert!((rig.level() + 10.0).abs() < 0.3, "{}", rig.level());
    let counters = rig.receiver.counters();
    assert_eq!((counters.lost, counters.late, counters.reordered), (0, 0, 50));
}

#[test]
fn a_lost_packet_is_concealed_and_counted() {
    let mut rig = ReceiverRig::new();
    for n in 0..100 {
        let bytes = rig.talker.packet(160);
        if n != 50 {
            rig.insert(&bytes);
        }
        rig.pull();
        rig.pull();
    }
    assert_eq!(rig.receiver.counters().lost, 1);
    assert_eq!(rig.report().concealed_samples, 160, "20 ms");
    assert!((rig.level() + 10.0).abs() < 1.0, "{}", rig.level());
}

#[test]
fn a_change_of_codec_in_the_stream_is_followed_packet_by_packet() {
    let mut rig = ReceiverRig::new();
    rig.run(20);
    let mut other = Talker::tone(1, PCMA, 400.0, -10.0);
    other.header = Header { payload_type: 8, ..rig.talker.header };
    rig.talker = other;
    rig.run(20);
    assert!((rig.level() + 10.0).abs() < 0.3, "{}", rig.level());
    assert_eq!(rig.receiver.counters().lost, 0);
}

#[test]
fn a_payload_type_that_is_gone_when_played_is_silence() {
    let mut rig = ReceiverRig::new();
    rig.run(20);
    let bytes = rig.talker.packet(160);
    rig.insert(&bytes);
    rig.receiver.set_formats(vec![PCMA], None);
    assert!(!rig.receiver.takes(0) && rig.receiver.takes(8));
    rig.heard.clear();
    (0..2).for_each(|_| rig.pull());
    assert_eq!(rig.heard, [0; 160]);
}

#[test]
fn after_a_reset_nothing_old_is_heard() {
    let mut rig = ReceiverRig::new();
    rig.run(20);
    rig.receiver.reset();
    rig.now += TICK;
    assert_eq!(rig.receiver.pull(rig.now), None);
}

#[test]
fn a_peer_that_stops_fades_to_silence() {
    let mut rig = ReceiverRig::new();
    rig.run(20);
    rig.heard.clear();
    (0..200).for_each(|_| rig.pull());
    assert!(rig.heard[8 * 200..].iter().all(|&sample| sample == 0), "silent after 200 ms");
    rig.now += TICK;
    assert_eq!(rig.receiver.pull(rig.now), None, "and adds nothing to a mix");
}

#[test]
fn packets_shorter_than_a_frame_are_heard() {
    let mut rig = ReceiverRig::new();
    for _ in 0..200 {
        for _ in 0..2 {
            let bytes = rig.talker.packet(40);
            rig.insert(&bytes);
        }
        rig.pull();
    }
    assert!((rig.level() + 10.0).abs() < 0.3, "{}", rig.level());
}
