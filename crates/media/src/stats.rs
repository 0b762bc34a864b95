//! What a shard's thread lets others see while it runs.

use std::sync::atomic::{AtomicU64, Ordering};

use mix::{LATENESS_BOUNDS_US, Lateness};

use crate::ShardReport;

/// A [`ShardReport`] that one thread writes and others read.
#[derive(Debug, Default)]
pub(crate) struct Stats([AtomicU64; FIELDS]);

impl Stats {
    /// Publishes a report. The numbers are each true, not all of the same moment.
    pub(crate) fn publish(&self, report: &ShardReport) {
        for (cell, value) in self.0.iter().zip(to_array(report)) {
            cell.store(value, Ordering::Relaxed);
        }
    }

    pub(crate) fn report(&self) -> ShardReport {
        let values = self.0.each_ref().map(|cell| cell.load(Ordering::Relaxed));
        from_array(values)
    }
}

const PLAIN: usize = 18;
const RANGES: usize = LATENESS_BOUNDS_US.len();
/// The plain numbers, then the histogram: its ranges, what is above, the sum.
const FIELDS: usize = PLAIN + RANGES + 2;

/// Naming every field makes a new one a compile error here.
fn to_array(report: &ShardReport) -> [u64; FIELDS] {
    let ShardReport {
        wakeups,
        ticks,
        ticks_late,
        ticks_skipped,
        received,
        stray,
        late,
        pauses,
        sent,
        send_errors,
        receive_errors,
        sockets,
        resting,
        bind_failures,
        pin_failures,
        conferences,
        legs,
        conferences_failed,
        lateness_us,
    } = *report;
    let plain = [
        wakeups,
        ticks,
        ticks_late,
        ticks_skipped,
        received,
        stray,
        late,
        pauses,
        sent,
        send_errors,
        receive_errors,
        sockets,
        resting,
        bind_failures,
        pin_failures,
        conferences,
        legs,
        conferences_failed,
    ];
    let mut all = [0; FIELDS];
    all[..PLAIN].copy_from_slice(&plain);
    all[PLAIN..PLAIN + RANGES].copy_from_slice(&lateness_us.counts());
    all[PLAIN + RANGES..].copy_from_slice(&[lateness_us.above(), lateness_us.sum()]);
    all
}

fn from_array(values: [u64; FIELDS]) -> ShardReport {
    let mut plain = [0; PLAIN];
    plain.copy_from_slice(&values[..PLAIN]);
    let [
        wakeups,
        ticks,
        ticks_late,
        ticks_skipped,
        received,
        stray,
        late,
        pauses,
        sent,
        send_errors,
        receive_errors,
        sockets,
        resting,
        bind_failures,
        pin_failures,
        conferences,
        legs,
        conferences_failed,
    ] = plain;
    let mut ranges = [0; RANGES];
    ranges.copy_from_slice(&values[PLAIN..PLAIN + RANGES]);
    let (above, sum) = (values[FIELDS - 2], values[FIELDS - 1]);
    ShardReport {
        wakeups,
        ticks,
        ticks_late,
        ticks_skipped,
        received,
        stray,
        late,
        pauses,
        sent,
        send_errors,
        receive_errors,
        sockets,
        resting,
        bind_failures,
        pin_failures,
        conferences,
        legs,
        conferences_failed,
        lateness_us: Lateness::of(&LATENESS_BOUNDS_US, ranges, above, sum),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_is_read() {
        let mut report =
            ShardReport { wakeups: 1, conferences_failed: 18, late: 7, ..ShardReport::default() };
        [50, 700, 1_000_000].into_iter().for_each(|late| report.lateness_us.count(late));
        let stats = Stats::default();
        stats.publish(&report);
        assert_eq!(stats.report(), report);
    }
}
