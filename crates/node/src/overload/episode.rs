//! When people are told that more comes than can be done, and that it is over: once each, however often it flaps.

use std::time::Duration;

use units::Instant;

/// How long nothing must have been limited before it is over. What begins again sooner is the same.
const OVER_AFTER: Duration = Duration::from_secs(60);

/// Requests that were turned away since the start: with 503, and without an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TurnedAway {
    pub(super) refused: u64,
    pub(super) unanswered: u64,
}

/// Whether it goes on.
#[derive(Debug, Default)]
pub(super) enum Episode {
    #[default]
    None,
    Since {
        began: Instant,
        /// When requests were limited last.
        limited: Instant,
        before: TurnedAway,
    },
}

/// What is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Begins,
    /// After so long, in which so many were turned away.
    Ends(Duration, TurnedAway),
}

impl Episode {
    /// Looks at how it is now; gives what people have to hear.
    pub(super) fn look(
        &mut self,
        now: Instant,
        is_limiting: bool,
        turned_away: TurnedAway,
    ) -> Option<Turn> {
        match (&mut *self, is_limiting) {
            (Self::None, false) => None,
            (Self::None, true) => {
                *self = Self::Since { began: now, limited: now, before: turned_away };
                Some(Turn::Begins)
            }
            (Self::Since { limited, .. }, true) => {
                *limited = now;
                None
            }
            (Self::Since { began, limited, before }, false) => {
                if now.since(*limited) < OVER_AFTER {
                    return None;
                }
                let during = TurnedAway {
                    refused: turned_away.refused - before.refused,
                    unanswered: turned_away.unanswered - before.unanswered,
                };
                let turn = Turn::Ends(limited.since(*began), during);
                *self = Self::None;
                Some(turn)
            }
        }
    }

    /// When to look again though nothing comes.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::None => None,
            Self::Since { limited, .. } => Some(*limited + OVER_AFTER),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_often_it_flaps_it_is_told_once() {
        let mut episode = Episode::default();
        let at = Instant::from_millis;
        let away = |refused, unanswered| TurnedAway { refused, unanswered };
        assert_eq!((episode.look(at(0), false, away(7, 1)), episode.deadline()), (None, None));
        assert_eq!(episode.look(at(1_000), true, away(7, 1)), Some(Turn::Begins));
        for n in 1..10 {
            let (ms, is_limiting) = (1_000 + n * 7_000, n % 2 == 0);
            assert_eq!(episode.look(at(ms), is_limiting, away(7 + n, 1)), None, "{ms}");
        }
        // Limited last after 57 s.
        assert_eq!(episode.deadline(), Some(at(117_000)));
        assert_eq!(episode.look(at(116_999), false, away(20, 3)), None);
        let ends = Turn::Ends(Duration::from_secs(56), away(13, 2));
        assert_eq!(episode.look(at(117_000), false, away(20, 3)), Some(ends));
        assert_eq!(
            (episode.look(at(118_000), false, away(20, 3)), episode.deadline()),
            (None, None)
        );
        assert_eq!(episode.look(at(119_000), true, away(20, 3)), Some(Turn::Begins), "another one");
    }
}
