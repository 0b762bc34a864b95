//! Watches how full the buffer is over a second, to follow the sender's clock.

/// What the last window says about the delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drift {
    /// Within bounds, or not known yet.
    None,
    /// Even the emptiest moment held so much more than the depth and the margin: drop it.
    TooFull {
        /// More than 0.
        excess_ticks: u64,
    },
    /// Even the fullest moment held no more than the depth less the margin: repeat one frame.
    TooEmpty,
}

/// The least and the most that waited over a window of frames.
///
/// Jitter moves single measurements but not both ends the same way: a lasting excess shows in the
/// minimum, a lasting want in the maximum.
#[derive(Clone, Copy, Debug)]
pub(super) struct DriftWatch {
    least_ticks: u64,
    most_ticks: u64,
    count: u32,
}

impl DriftWatch {
    pub(super) const fn new() -> Self {
        Self { least_ticks: u64::MAX, most_ticks: 0, count: 0 }
    }

    /// Takes what waits before a frame is played. When the window is full gives its verdict and
    /// begins the next.
    pub(super) fn measure(
        &mut self,
        fill_ticks: u64,
        depth_ticks: u64,
        margin_ticks: u64,
    ) -> Drift {
        self.least_ticks = self.least_ticks.min(fill_ticks);
        self.most_ticks = self.most_ticks.max(fill_ticks);
        self.count += 1;
        if self.count < WINDOW_FRAMES {
            return Drift::None;
        }
        let Self { least_ticks, most_ticks, .. } = std::mem::replace(self, Self::new());
        let excess_ticks = least_ticks.saturating_sub(depth_ticks + margin_ticks);
        if excess_ticks > 0 {
            Drift::TooFull { excess_ticks }
        } else if most_ticks + margin_ticks <= depth_ticks {
            Drift::TooEmpty
        } else {
            Drift::None
        }
    }
}

/// One second of 20 ms frames: longer than a burst of jitter, and at a clock error of 500 ppm (bad
/// quartz) a frame is gained only every 40 s.
const WINDOW_FRAMES: u32 = 50;

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdicts over windows in which the fill swings between two values; depth 40, margin 20.
    fn verdicts(least: u64, most: u64, frames: u32) -> Vec<Drift> {
        let mut watch = DriftWatch::new();
        (0..frames).map(|n| watch.measure(if n % 7 == 3 { least } else { most }, 40, 20)).collect()
    }

    #[test]
    fn verdict_comes_once_in_a_window() {
        let all = verdicts(90, 200, 2 * WINDOW_FRAMES);
        let excess = Drift::TooFull { excess_ticks: 30 };
        for (n, verdict) in (1..).zip(all) {
            assert_eq!(verdict, if n % WINDOW_FRAMES == 0 { excess } else { Drift::None }, "{n}");
        }
    }

    #[test]
    fn bounds_are_the_margin_away_from_the_depth() {
        let last = |least, most| verdicts(least, most, WINDOW_FRAMES).pop().unwrap();
        assert_eq!(last(60, 500), Drift::None);
        assert_eq!(last(61, 500), Drift::TooFull { excess_ticks: 1 });
        assert_eq!(last(0, 21), Drift::None);
        assert_eq!(last(0, 20), Drift::TooEmpty);
    }
}
