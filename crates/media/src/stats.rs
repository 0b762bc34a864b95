//! What a shard's thread lets others see while it runs.

use std::sync::atomic::{AtomicU64, Ordering};

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

const FIELDS: usize = 15;

/// Naming every field makes a new one a compile error here.
fn to_array(report: &ShardReport) -> [u64; FIELDS] {
    let ShardReport {
        wakeups,
        ticks,
        ticks_late,
        ticks_skipped,
        received,
        stray,
        sent,
        send_errors,
        receive_errors,
        sockets,
        bind_failures,
        pin_failures,
        conferences,
        legs,
        conferences_failed,
    } = *report;
    [
        wakeups,
        ticks,
        ticks_late,
        ticks_skipped,
        received,
        stray,
        sent,
        send_errors,
        receive_errors,
        sockets,
        bind_failures,
        pin_failures,
        conferences,
        legs,
        conferences_failed,
    ]
}

fn from_array(values: [u64; FIELDS]) -> ShardReport {
    let [
        wakeups,
        ticks,
        ticks_late,
        ticks_skipped,
        received,
        stray,
        sent,
        send_errors,
        receive_errors,
        sockets,
        bind_failures,
        pin_failures,
        conferences,
        legs,
        conferences_failed,
    ] = values;
    ShardReport {
        wakeups,
        ticks,
        ticks_late,
        ticks_skipped,
        received,
        stray,
        sent,
        send_errors,
        receive_errors,
        sockets,
        bind_failures,
        pin_failures,
        conferences,
        legs,
        conferences_failed,
    }
}
