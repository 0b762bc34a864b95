//! What becomes of delay and sound when packets do not come as they were sent: a network and a player
//! under virtual time.

use rtp::RtpPacket;
use units::{Instant, Rng};

use super::*;
use crate::ROUND_FRAMES;
use crate::rig::voice;

/// A phone, its way here, and who listens.
struct Net {
    receiver: Receiver,
    talker: Talker,
    /// How long its packets are, in turn.
    packets_ms: [u64; 2],
    /// Who listens takes so many frames at once.
    round_frames: usize,
    /// Sent and not yet here: when it comes, in nanoseconds, and the packet.
    under_way: Vec<(u64, Vec<u8>)>,
    sent: u64,
    /// What its clock shows when ours has passed a second, in nanoseconds.
    clock: u64,
    now: u64,
    next_sent: u64,
    heard: Vec<i16>,
}

/// When a packet comes, so many nanoseconds late; `None`: never.
type Way<'a> = &'a mut dyn FnMut(u64) -> Option<u64>;

const MS: u64 = 1_000_000;

/// A terminal takes one frame at a time, a conference a round.
const EITHER: [usize; 2] = [1, ROUND_FRAMES];

impl Net {
    /// Packets of 20 ms, each of which leaves `phase` before a tick; a terminal listens (a frame at once) or a conference.
    fn new(phase: u64, round_frames: usize) -> Self {
        let talker = Talker::saying(1, PCMU, voice(8_000));
        let receiver = Receiver::new(vec![PCMU, PCMA], Some(101), round_frames);
        Self {
            receiver,
            talker,
            packets_ms: [20, 20],
            round_frames,
            under_way: vec![],
            sent: 0,
            clock: 1_000 * MS,
            now: 1_000 * MS - phase,
            next_sent: 1_000 * MS - phase,
            heard: vec![],
        }
    }

    fn run(&mut self, seconds: u64, way: Way<'_>) {
        let end = self.now + seconds * 1_000 * MS;
        while self.now < end {
            let round = 10 * MS * self.round_frames as u64;
            let tick = (self.now / round + 1) * round;
            while self.next_sent <= tick {
                let packet_ms = self.packets_ms[usize::try_from(self.sent % 2).unwrap()];
                let bytes = self.talker.packet(usize::try_from(packet_ms * 8).unwrap());
                if let Some(late) = way(self.sent) {
                    self.under_way.push((self.next_sent + late, bytes));
                }
                self.sent += 1;
                self.next_sent += packet_ms * MS * 1_000 * MS / self.clock;
            }
            self.under_way.sort_by_key(|(at, _)| *at);
            while self.under_way.first().is_some_and(|(at, _)| *at <= tick) {
                let (at, bytes) = self.under_way.remove(0);
                let packet = RtpPacket::parse(&bytes).expect("RTP");
                self.receiver.insert(Instant::from_nanos(at), &packet);
            }
            for _ in 0..self.round_frames {
                let frame = self.receiver.pull(Instant::from_nanos(tick)).copied();
                self.heard.extend(frame.unwrap_or([0; FRAME_SAMPLES]));
            }
            if self.heard.len() > 16_000 {
                self.heard.drain(..8_000);
            }
            self.now = tick;
        }
    }

    fn report(&self) -> PortReport {
        let mut report = PortReport::default();
        self.receiver.report(&mut report);
        report
    }

    fn delay_ms(&self) -> u64 {
        self.report().delay_us / 1_000
    }

    /// How much longer than by a terminal a packet may be held, in microseconds: a round is longer than a tick.
    fn more_us(&self) -> u64 {
        (self.round_frames as u64 - 1) * 10_000
    }
}

/// Without jitter the delay is what is left of a tick, or a round, and nothing is made up after the first second: also of
/// packets that do not fit into a round, and of such that are now longer, now shorter.
#[test]
fn without_jitter_the_delay_is_less_than_a_tick() {
    let packets_ms = [10, 20, 30, 40, 50, 60].map(|ms| [ms, ms]).into_iter();
    let cases = packets_ms.chain([[20, 10], [20, 30], [60, 10]]).flat_map(|packets_ms| {
        EITHER
            .into_iter()
            .flat_map(move |frames| (0..20).map(move |phase| (packets_ms, frames, phase)))
    });
    for case @ (packets_ms, frames, phase) in cases {
        let mut net = Net { packets_ms, ..Net::new(phase * MS, frames) };
        net.run(5, &mut |_| Some(0));
        let begun = net.report();
        net.run(20, &mut |_| Some(0));
        let report = net.report();
        assert!(report.delay_us <= 13_000 + net.more_us(), "{case:?}: {report:?}");
        assert!(begun.lengthened_samples + begun.shortened_samples <= 400, "{case:?}: {begun:?}");
        assert_eq!((report.concealed_samples, report.lost, report.late), (0, 0, 0), "{case:?}");
        let made_up = |report: &PortReport| (report.lengthened_samples, report.shortened_samples);
        assert_eq!(made_up(&report), made_up(&begun), "{case:?}");
    }
}

/// What a kernel does: some 0.2 ms, now and then 3 ms.
#[test]
fn small_jitter_makes_up_next_to_nothing() {
    for (frames, phase) in EITHER.into_iter().flat_map(|it| (0..40).map(move |at| (it, at))) {
        let mut rng = Rng::from_number(phase);
        let mut net = Net::new(phase * MS / 2, frames);
        let mut way = |_: u64| {
            let rare = rng.below(200) == 0;
            Some(rng.below(if rare { 3_000 } else { 300 }) * 1_000)
        };
        net.run(120, &mut way);
        let report = net.report();
        assert!(report.concealed_samples <= 2_000 * frames as u64, "{frames}, {phase}: {report:?}");
        assert!(report.delay_us <= 16_000 + net.more_us(), "{frames}, {phase}: {report:?}");
    }
}

/// Jitter of 30 ms: at first some is made up, then less than 2 %; when it is over, the delay goes down again.
#[test]
fn jitter_is_met_by_delay_and_the_delay_goes_with_it() {
    for (frames, seed) in EITHER.into_iter().flat_map(|it| (0..10).map(move |seed| (it, seed))) {
        let mut rng = Rng::from_number(seed);
        let mut net = Net::new(3 * MS, frames);
        let mut jitter = |_: u64| Some(rng.below(30_000) * 1_000);
        net.run(10, &mut jitter);
        let before = net.report();
        assert!(before.concealed_samples <= 10 * 8_000 / 12, "{frames}, seed {seed}: {before:?}");
        net.run(60, &mut jitter);
        let after = net.report();
        let concealed = after.concealed_samples - before.concealed_samples;
        assert!(concealed <= 60 * 8_000 * 2 / 100, "{frames}, seed {seed}: {concealed} samples");
        assert!(
            (12_000..=35_000 + net.more_us()).contains(&after.delay_us),
            "{frames}, seed {seed}: {after:?}"
        );
        net.run(40, &mut |_| Some(0));
        assert!(
            net.delay_ms() <= 20 + net.more_us() / 1_000,
            "{frames}, seed {seed}: {:?}",
            net.report()
        );
    }
}

/// In noise no vibration can be left out; yet no delay stays because of it.
#[test]
fn who_sends_noise_gets_rid_of_delay_too() {
    for frames in EITHER {
        let mut rng = Rng::from_number(1);
        let noise = (0..8_000).map(|_| i16::try_from(rng.below(8_000)).unwrap() - 4_000).collect();
        let mut net = Net { talker: Talker::saying(1, PCMU, noise), ..Net::new(3 * MS, frames) };
        net.run(10, &mut |_| Some(rng.below(30_000) * 1_000));
        net.run(1, &mut |_| Some(0));
        let before = net.report();
        assert!(before.delay_us >= 25_000, "{frames}: {before:?}");
        net.run(40, &mut |_| Some(0));
        let after = net.report();
        assert!(after.delay_us <= 16_000 + net.more_us(), "{frames}: {after:?}");
        let shortened = after.shortened_samples - before.shortened_samples;
        assert!(shortened <= 1_000, "{frames}: {after:?}");
        assert_eq!(after.late, before.late);
    }
}

/// However much there is too much of: where nothing was found, the next search waits. A search is most of what a leg costs, and
/// those of a thousand legs in each tick once took the whole core.
#[test]
fn what_finds_nothing_does_not_search_in_each_tick() {
    for frames in EITHER {
        let mut rng = Rng::from_number(2);
        let noise = (0..8_000).map(|_| i16::try_from(rng.below(8_000)).unwrap() - 4_000).collect();
        let mut net = Net { talker: Talker::saying(1, PCMU, noise), ..Net::new(3 * MS, frames) };
        net.run(10, &mut |_| Some(rng.below(180_000) * 1_000));
        let mut most = 0;
        for _ in 0..40 {
            let before = net.receiver.searches();
            net.run(1, &mut |_| Some(0));
            most = most.max(net.receiver.searches() - before);
        }
        assert!(net.delay_ms() <= 70, "it got rid of more than 60 ms: {:?}", net.report());
        assert!((2..=20).contains(&most), "{frames}: {most} in 100 ticks");
    }
}

/// How long the delay may take to be as it was, after everything stood still for half a second.
const BACK_WITHIN_S: u64 = 2;

#[test]
fn half_a_second_of_stall_leaves_no_lasting_delay() {
    for (frames, phase) in EITHER.into_iter().flat_map(|it| (0..20).map(move |at| (it, at))) {
        let mut net = Net::new(phase * MS, frames);
        net.run(20, &mut |_| Some(0));
        let before = net.delay_ms();
        let first = net.sent;
        net.run(1, &mut |n| Some((500 * MS).saturating_sub((n - first) * 20 * MS)));
        net.run(BACK_WITHIN_S - 1, &mut |_| Some(0));
        let after = net.delay_ms();
        let most = before + 12 + net.more_us() / 1_000;
        assert!(after <= most, "{frames}, {phase}: {before} ms, then {after} ms");
        assert!(net.report().late == 0 && net.report().lost == 0, "{:?}", net.report());
    }
}

/// Crystals that are 200 ppm apart, for three hours either way: the delay stays, nothing is missing, and what
/// was too much or too little is made up bit by bit.
#[test]
fn clocks_apart_by_200_ppm_stay_together_for_hours() {
    for (frames, ppm) in [(1, -200_i64), (1, 200), (ROUND_FRAMES, -200), (ROUND_FRAMES, 200)] {
        let mut net = Net::new(5 * MS, frames);
        net.clock = (1_000 * MS).saturating_add_signed(ppm * 1_000);
        let mut rng = Rng::from_number(7);
        for _ in 0..18 {
            net.run(600, &mut |_| Some(rng.below(2_000) * 1_000));
            let most = 20 + net.more_us() / 1_000;
            assert!(net.delay_ms() <= most, "{frames}, {ppm}: {:?}", net.report());
        }
        let report = net.report();
        let drift = 3 * 3_600 * 8_000 * 200 / 1_000_000;
        let longer = report.lengthened_samples + report.concealed_samples;
        let made_up = longer.abs_diff(report.shortened_samples);
        assert!(made_up.abs_diff(drift) < drift / 10, "{frames}, {ppm}: {report:?}");
        assert_eq!((report.lost, report.skipped), (0, 0), "{frames}, {ppm}");
        assert!(longer.min(report.shortened_samples) < drift / 4, "{frames}, {ppm}: {report:?}");
    }
}

/// One packet of twenty lost: what is made up is what is missing, and the delay stays.
#[test]
fn loss_is_concealed_and_adds_no_delay() {
    for frames in EITHER {
        let mut rng = Rng::from_number(3);
        let mut net = Net::new(5 * MS, frames);
        net.run(120, &mut |_| (rng.below(20) > 0).then_some(0));
        let report = net.report();
        assert!((200..=400).contains(&report.lost), "{frames}: {report:?}");
        let missing = report.lost * 160;
        assert!(
            report.concealed_samples.abs_diff(missing) <= report.lost * 40,
            "{frames}: {report:?}"
        );
        assert!(report.delay_us <= 16_000 + net.more_us(), "{frames}: {report:?}");
    }
}

/// RFC 3389: silence sounds as told, and is not loss.
#[test]
fn after_comfort_noise_there_is_noise_and_no_loss() {
    let mut net = Net::new(5 * MS, 1);
    net.run(2, &mut |_| Some(0));
    let mut header = net.talker.header;
    header.payload_type = 13;
    let mut bytes = [0; 14];
    let len = rtp::write(&header, &[50, 127], &mut bytes).expect("fits");
    net.receiver
        .insert(Instant::from_nanos(net.now), &RtpPacket::parse(&bytes[..len]).expect("RTP"));
    net.talker.header.sequence = header.sequence.wrapping_add(1);
    let before = net.report();
    net.heard.clear();
    net.run(1, &mut |_| None);
    net.talker.header.sequence = header.sequence.wrapping_add(1);
    let noise = audio::level::dbov(&net.heard[1_600..]);
    assert!((-51.5..=-48.5).contains(&noise), "{noise} dBov");
    net.run(2, &mut |_| Some(0));
    let after = net.report();
    assert_eq!((after.lost, after.late), (0, 0));
    assert!(after.concealed_samples - before.concealed_samples <= 80, "{after:?}");
    assert!(audio::level::dbov(&net.heard[8_000..]) > -30.0, "heard again");
}

/// F10 · RFC 4733 §2.5.2: a key makes one press and no sound.
#[test]
fn a_key_is_told_and_not_heard() {
    let mut net = Net::new(5 * MS, 1);
    net.run(2, &mut |_| Some(0));
    let mut header = net.talker.header;
    header.payload_type = 101;
    net.heard.clear();
    for n in 1..=8_u16 {
        let ticks = (n * 160).min(800).to_be_bytes();
        let payload = [11, if n > 5 { 0x8a } else { 0x0a }, ticks[0], ticks[1]];
        let mut bytes = [0; 16];
        let len = rtp::write(&header, &payload, &mut bytes).expect("fits");
        let packet = RtpPacket::parse(&bytes[..len]).expect("RTP");
        net.receiver.insert(Instant::from_nanos(net.now), &packet);
        header.sequence = header.sequence.wrapping_add(1);
        for _ in 0..2 {
            net.now += 10 * MS;
            let frame = net.receiver.pull(Instant::from_nanos(net.now)).copied();
            net.heard.extend(frame.unwrap_or([0; FRAME_SAMPLES]));
        }
    }
    let key = net.receiver.key().expect("pressed");
    assert_eq!((key.key, key.for_ms), (crate::message::Key::Hash, 100));
    net.receiver.key_told();
    assert_eq!(net.receiver.key(), None);
    assert!(net.heard[320..].iter().all(|sample| *sample == 0), "nothing but the end of the voice");
    assert_eq!((net.report().lost, net.report().concealed_samples), (0, 0));
}
