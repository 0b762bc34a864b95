//! How well sound gets through, of all legs together.

use mix::message::{PortQuality, WayQuality};
use units::Histogram;

/// How often a figure was so good or bad, counted at each report of a leg, every five seconds or so. No leg has a
/// figure of its own here: that is in the status and in its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QualityFigures {
    /// To the peer and back, in microseconds.
    pub round_trip_us: Histogram<8>,
    /// From peers to us.
    pub from_peers: WayFigures,
    /// From us to peers, by their reports.
    pub to_peers: WayFigures,
}

/// The figures of one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WayFigures {
    /// Packets lost or late, in 1/10,000 of those expected.
    pub loss_e4: Histogram<7>,
    /// Mean deviation of the time between arrivals, in microseconds.
    pub jitter_us: Histogram<7>,
    /// Mean opinion score expected, in 1/100.
    pub mos_e2: Histogram<6>,
}

impl QualityFigures {
    /// Counts what a report says.
    pub(crate) fn count(&mut self, quality: &PortQuality) {
        if let Some(trip) = quality.round_trip_us {
            self.round_trip_us.count(trip);
        }
        self.from_peers.count(quality.from_peer.as_ref());
        self.to_peers.count(quality.to_peer.as_ref());
    }
}

impl WayFigures {
    const fn new() -> Self {
        Self {
            loss_e4: Histogram::new(&LOSS_E4),
            jitter_us: Histogram::new(&JITTER_US),
            mos_e2: Histogram::new(&MOS_E2),
        }
    }

    fn count(&mut self, way: Option<&WayQuality>) {
        if let Some(way) = way {
            self.loss_e4.count(way.loss_e4.into());
            self.jitter_us.count(way.jitter_us);
            self.mos_e2.count(way.mos_e2.into());
        }
    }
}

impl Default for QualityFigures {
    /// Nothing yet.
    fn default() -> Self {
        Self {
            round_trip_us: Histogram::new(&ROUND_TRIP_US),
            from_peers: WayFigures::new(),
            to_peers: WayFigures::new(),
        }
    }
}

/// From a room to a satellite; 400 ms one way is where talking begins to fail (ITU-T G.114).
const ROUND_TRIP_US: [u64; 8] =
    [1_000, 5_000, 20_000, 50_000, 100_000, 200_000, 400_000, 1_000_000];

/// None, what nobody hears, and what everybody does.
const LOSS_E4: [u64; 7] = [0, 50, 100, 200, 500, 1_000, 2_000];

/// Up to more than any jitter buffer takes.
const JITTER_US: [u64; 7] = [1_000, 2_500, 5_000, 10_000, 20_000, 40_000, 80_000];

/// The classes of ITU-T G.107 Annex B: nearly all dissatisfied, many, some, satisfied, very satisfied.
const MOS_E2: [u64; 6] = [200, 258, 310, 360, 403, 434];
