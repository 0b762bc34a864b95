//! What is known of one source.

use std::time::Duration;

use units::Instant;

use super::{NtpTime, ReportBlock, ntp};
use crate::Header;
use crate::sequence::{self, Extender};

/// Counts what comes from one source: RFC 3550 §6.4.1, Appendices A.3 and A.8.
///
/// Give it every packet of the source that was accepted, copies and late ones included: what the network did
/// is reported, not what the jitter buffer made of it.
#[derive(Clone, Debug)]
pub struct Reception {
    clock_hz: u32,
    ssrc: u32,
    sequence: Extender,
    /// The extended number of the first packet.
    base: u64,
    received: u64,
    /// As they were when the last block was made.
    prior: (u64, u64),
    /// Arrival less timestamp of the last packet, in ticks; wraps.
    transit: Option<u32>,
    /// Sixteen times the jitter, in ticks.
    jitter_16: u32,
    /// The middle of the last sender report's time, and when it came.
    report: Option<(u32, Instant)>,
}

impl Reception {
    /// Nothing has come yet from `ssrc`, whose media clock runs at `clock_hz`.
    pub const fn new(ssrc: u32, clock_hz: u32) -> Self {
        Self {
            clock_hz,
            ssrc,
            sequence: Extender::new(),
            base: 0,
            received: 0,
            prior: (0, 0),
            transit: None,
            jitter_16: 0,
            report: None,
        }
    }

    /// The source.
    pub const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Packets that have come, copies included.
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// Takes note of a packet that came at `now`.
    pub fn packet(&mut self, now: Instant, header: &Header) {
        let before = self.sequence.highest();
        let number = self.sequence.extend(header.sequence);
        let is_far = before.is_some_and(|before| number > before + RESTART_STEPS);
        if before.is_none() || is_far {
            // RFC 3550 Appendix A.1: the source has begun anew.
            (self.base, self.received, self.prior) = (number, 0, (0, 0));
            self.transit = None;
        }
        self.received += 1;
        let arrival = ticks(now, self.clock_hz);
        let transit = arrival.wrapping_sub(header.timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let deviation = sequence::timestamp_distance(before, transit).unsigned_abs();
            // A timestamp set anew says nothing of the network.
            if deviation < self.clock_hz {
                // RFC 3550 Appendix A.8: J += (|D| - J) / 16, in sixteenths.
                self.jitter_16 = self.jitter_16 + deviation - ((self.jitter_16 + 8) >> 4);
            }
        }
    }

    /// Takes note of a sender report of this source that came at `now`.
    pub const fn sender_report(&mut self, now: Instant, ntp: NtpTime) {
        self.report = Some((ntp.middle(), now));
    }

    /// Mean deviation of the time between arrivals: RFC 3550 Appendix A.8.
    pub fn jitter(&self) -> Duration {
        let nanos =
            u64::from(self.jitter_16 >> 4) * 1_000_000_000 / u64::from(self.clock_hz.max(1));
        Duration::from_nanos(nanos)
    }

    /// Packets that were expected and have not come; copies make it less, down to below zero.
    pub fn lost(&self) -> i64 {
        let signed = |count| i64::try_from(count).unwrap_or(i64::MAX);
        signed(self.expected()) - signed(self.received)
    }

    /// What to report at `now`; the next block counts from here.
    pub fn block(&mut self, now: Instant) -> ReportBlock {
        let (expected, received) = (self.expected(), self.received);
        let (prior_expected, prior_received) =
            std::mem::replace(&mut self.prior, (expected, received));
        let interval = expected.saturating_sub(prior_expected);
        let lost = interval.saturating_sub(received.saturating_sub(prior_received));
        // RFC 3550 Appendix A.3; 256/256 does not fit, and is as good as 255.
        let fraction = (lost << 8).checked_div(interval).unwrap_or(0);
        let (last_report, delay) =
            self.report.map_or((0, 0), |(middle, came)| (middle, ntp::short(now.since(came))));
        ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            lost: i32::try_from(self.lost()).unwrap_or(i32::MAX),
            highest_sequence: low_32_bits(
                self.sequence.highest().unwrap_or(0).wrapping_sub(CIRCLE),
            ),
            jitter_ticks: self.jitter_16 >> 4,
            last_report,
            delay,
        }
    }

    fn expected(&self) -> u64 {
        self.sequence.highest().map_or(0, |highest| highest + 1 - self.base.min(highest + 1))
    }
}

/// The time to the peer and back, from a block in which it reports on us and that came at `now`: RFC 3550
/// §6.4.1. `None` if it has had no sender report of ours, or claims to have kept it longer than it is old.
pub fn round_trip(now: NtpTime, block: &ReportBlock) -> Option<Duration> {
    if block.last_report == 0 {
        return None;
    }
    let trip = now.middle().wrapping_sub(block.last_report).wrapping_sub(block.delay);
    // More than half the circle is less than zero: clocks are not as fine as the network is fast.
    (trip.cast_signed() >= 0).then(|| ntp::long(trip))
}

/// `now` on a media clock; wraps.
fn ticks(now: Instant, clock_hz: u32) -> u32 {
    let ticks = u128::from(now.as_nanos()) * u128::from(clock_hz) / 1_000_000_000;
    low_32_bits(u64::try_from(ticks).unwrap_or(u64::MAX))
}

#[expect(clippy::cast_possible_truncation, reason = "the low 32 bits are what is meant")]
const fn low_32_bits(number: u64) -> u32 {
    number as u32
}

/// [`Extender`] begins one circle above zero.
const CIRCLE: u64 = 0x1_0000;

/// A greater step ahead is a new beginning, not a loss: RFC 3550 Appendix A.1, `MAX_DROPOUT`.
const RESTART_STEPS: u64 = 3_000;

#[cfg(test)]
mod tests {
    use super::*;

    const HZ: u32 = 8_000;

    /// A source that sends 20 ms packets; each is taken when it says.
    struct Source {
        reception: Reception,
        first: u16,
    }

    impl Source {
        fn new(first: u16) -> Self {
            Self { reception: Reception::new(9, HZ), first }
        }

        /// Packet `index` comes `late_ms` after its time.
        fn came(&mut self, index: u32, late_ms: u64) {
            #[expect(clippy::cast_possible_truncation, reason = "wraps as on the wire")]
            let sequence = self.first.wrapping_add(index as u16);
            let header = Header { sequence, timestamp: 160 * index, ssrc: 9, ..Header::default() };
            let now = Instant::from_millis(1_000 + 20 * u64::from(index) + late_ms);
            self.reception.packet(now, &header);
        }

        fn block(&mut self) -> ReportBlock {
            self.reception.block(Instant::from_millis(100_000))
        }
    }

    /// RFC 3550 Appendix A.3.
    #[test]
    fn losses_are_counted_since_the_beginning_and_since_the_last_report() {
        let mut source = Source::new(65_500);
        (0..100).filter(|index| index % 4 != 3).for_each(|index| source.came(index, 0));
        let block = source.block();
        // The last one, number 99, is missing as well, and nobody can know yet.
        assert_eq!((block.lost, block.fraction_lost), (24, u8::try_from(24 * 256 / 99).unwrap()));
        assert_eq!(block.highest_sequence, 0x1_0000 + 98 + 65_500 - 65_536, "one wrap");
        (100..200).for_each(|index| source.came(index, 0));
        let block = source.block();
        assert_eq!((block.lost, block.fraction_lost), (25, 2), "one of 101");
        let block = source.block();
        assert_eq!((block.lost, block.fraction_lost), (25, 0), "nothing was expected");
    }

    #[test]
    fn copies_make_the_loss_negative_and_the_fraction_zero() {
        let mut source = Source::new(1);
        (0..10).for_each(|index| source.came(index, 0));
        (0..3).for_each(|index| source.came(index, 200));
        let block = source.block();
        assert_eq!((block.lost, block.fraction_lost), (-3, 0));
        assert_eq!(source.reception.lost(), -3);
    }

    /// RFC 3550 Appendix A.8.
    #[test]
    fn jitter_is_the_smoothed_deviation() {
        let mut steady = Source::new(1);
        (0..100).for_each(|index| steady.came(index, 7));
        assert_eq!(steady.block().jitter_ticks, 0, "a constant delay is no jitter");
        let mut uneven = Source::new(1);
        (0..1_000).for_each(|index| uneven.came(index, u64::from(index % 2) * 10));
        let block = uneven.block();
        assert!((78..=80).contains(&block.jitter_ticks), "10 ms each time: {}", block.jitter_ticks);
        let ms = uneven.reception.jitter().as_millis();
        assert!((9..=10).contains(&ms), "{ms}");
    }

    #[test]
    fn a_clock_set_anew_is_no_jitter_and_a_far_jump_no_loss() {
        let mut source = Source::new(1);
        (0..10).for_each(|index| source.came(index, 0));
        source.first = 30_000;
        let header = Header { sequence: 30_000, timestamp: 5_000_000, ..Header::default() };
        source.reception.packet(Instant::from_millis(1_200), &header);
        let block = source.block();
        assert_eq!((block.lost, block.jitter_ticks, source.reception.received()), (0, 0, 1));
    }

    /// RFC 3550 §6.4.1: the example with 6.125 s of round trip.
    #[test]
    fn the_round_trip_is_that_of_the_example() {
        let block =
            ReportBlock { last_report: 0xB705_2000, delay: 0x0005_4000, ..ReportBlock::default() };
        let now = NtpTime(0xB710_8000 << 16);
        assert_eq!(round_trip(now, &block), Some(Duration::from_millis(6_125)));
        assert_eq!(round_trip(now, &ReportBlock { last_report: 0, ..block }), None);
        let boastful = ReportBlock { delay: 0x000C_0000, ..block };
        assert_eq!(round_trip(now, &boastful), None, "kept longer than it is old");
    }

    #[test]
    fn a_block_repeats_the_last_sender_report_and_its_age() {
        let mut source = Source::new(1);
        assert_eq!((source.block().last_report, source.block().delay), (0, 0));
        let ntp = NtpTime(0xB44D_B705_2000_0000);
        source.reception.sender_report(Instant::from_millis(94_750), ntp);
        let block = source.block();
        assert_eq!((block.last_report, block.delay), (0xB705_2000, 0x0005_4000));
    }

    #[test]
    fn nothing_came_nothing_is_said() {
        let block = Reception::new(9, HZ).block(Instant::ZERO);
        assert_eq!((block.lost, block.fraction_lost, block.jitter_ticks), (0, 0, 0));
    }
}
