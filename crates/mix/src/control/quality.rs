//! Figures of a leg from reports.

use std::time::Duration;

use rtp::Path;
use rtp::rtcp::{NtpTime, Reception, ReportBlock, round_trip};

use crate::message::{PortQuality, WayQuality};

/// The peer reports on what we send.
pub(super) fn reported(
    quality: &mut PortQuality,
    now: NtpTime,
    block: &ReportBlock,
    buffered: Duration,
) {
    if let Some(trip) = round_trip(now, block).filter(|trip| *trip <= ROUND_TRIP_MAX) {
        quality.round_trip_us = Some(micros(trip));
    }
    let jitter_us = u64::from(block.jitter_ticks) * 1_000_000 / u64::from(super::CLOCK_HZ);
    let loss = f64::from(block.fraction_lost) / 256.0;
    let one_way = Duration::from_micros(quality.round_trip_us.unwrap_or(0) / 2);
    way(&mut quality.to_peer, i64::from(block.lost), loss, jitter_us, one_way + buffered);
}

/// We report on what the peer sends; of `fresh` packets since the last time so many came too `late` to be played.
pub(super) fn measured(
    quality: &mut PortQuality,
    reception: &Reception,
    block: &ReportBlock,
    (late, fresh): (u64, u64),
    buffered: Duration,
) {
    let lost = f64::from(block.fraction_lost) / 256.0;
    // Counts of five seconds: exact.
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let late = (late.min(fresh) as f64) / (fresh.max(1) as f64);
    let loss = lost + (1.0 - lost) * late;
    let one_way = Duration::from_micros(quality.round_trip_us.unwrap_or(0) / 2);
    let jitter_us = micros(reception.jitter());
    way(&mut quality.from_peer, reception.lost(), loss, jitter_us, one_way + buffered);
}

fn way(way: &mut Option<WayQuality>, lost: i64, loss: f64, jitter_us: u64, delay: Duration) {
    let mos_e2 = rounded(Path { delay, loss }.mos() * 100.0);
    let mos_e2_min = way.map_or(mos_e2, |before| before.mos_e2_min.min(mos_e2));
    *way =
        Some(WayQuality { lost, loss_e4: rounded(loss * 10_000.0), jitter_us, mos_e2, mos_e2_min });
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 10,000")]
fn rounded(number: f64) -> u32 {
    number.round() as u32
}

/// A peer that claims more has a broken clock, or lies.
const ROUND_TRIP_MAX: Duration = Duration::from_secs(10);
