//! How well a voice gets through, as a number that people know.

use std::time::Duration;

/// What happens to a voice on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Path {
    /// From mouth to ear.
    pub delay: Duration,
    /// Frames that were not there when they were to be played, 0..=1.
    pub loss: f64,
}

impl Path {
    /// The transmission rating R, 0..=93.2: ITU-T G.107 with its default values, for G.711 with concealment
    /// (ITU-T G.113 Appendix I: Ie = 0, Bpl = 25.1), and losses taken for random.
    pub fn rating(&self) -> f64 {
        let delay_ms = self.delay.as_secs_f64() * 1_000.0;
        // ITU-T G.107 §7.4 in the approximation of Cole and Rosenbluth: slow at first, steep from 177 ms.
        let delayed = 0.024 * delay_ms + 0.11 * (delay_ms - 177.3).max(0.0);
        let loss_percent = self.loss.clamp(0.0, 1.0) * 100.0;
        let damaged = 95.0 * loss_percent / (loss_percent + ROBUSTNESS);
        (RATING_MAX - delayed - damaged).clamp(0.0, RATING_MAX)
    }

    /// The mean opinion score that is expected, 1 to 4.41: ITU-T G.107 Annex B.
    pub fn mos(&self) -> f64 {
        let rating = self.rating();
        let score = 1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6;
        score.max(1.0)
    }
}

/// R without any impairment, with the default values of ITU-T G.107.
const RATING_MAX: f64 = 93.2;

/// Packet-loss robustness Bpl of G.711 with concealment: ITU-T G.113 Appendix I.
const ROBUSTNESS: f64 = 25.1;

#[cfg(test)]
mod tests {
    use super::*;

    fn mos(delay_ms: u64, loss_percent: f64) -> f64 {
        Path { delay: Duration::from_millis(delay_ms), loss: loss_percent / 100.0 }.mos()
    }

    /// ITU-T G.107 Annex B: R of 93.2 is 4.41, of 80 is 4.03, of 50 is 2.58.
    #[test]
    fn scores_are_those_of_the_recommendation() {
        assert!((mos(0, 0.0) - 4.41).abs() < 0.005, "{}", mos(0, 0.0));
        let path = |loss| Path { loss, ..Path::default() };
        let loss_for = |rating: f64| {
            let damaged = RATING_MAX - rating;
            damaged * ROBUSTNESS / (95.0 - damaged) / 100.0
        };
        for (rating, score) in [(80.0, 4.03), (50.0, 2.58)] {
            let path = path(loss_for(rating));
            assert!((path.rating() - rating).abs() < 1e-9);
            assert!((path.mos() - score).abs() < 0.01, "{rating}: {}", path.mos());
        }
    }

    #[test]
    fn more_delay_and_more_loss_are_never_better() {
        let mut before = 5.0;
        for delay_ms in (0..2_000).step_by(10) {
            let now = mos(delay_ms, 1.0);
            assert!(now <= before && now >= 1.0);
            before = now;
        }
        let mut before = 5.0;
        for loss in 0..=100 {
            let now = mos(50, f64::from(loss));
            assert!(now <= before && now >= 1.0);
            before = now;
        }
        assert!(mos(400, 0.0) < mos(150, 0.0) - 0.5, "beyond 177 ms it is heard");
    }
}
