//! What is counted while it is measured.

use std::time::Duration;

use units::Instant;

use crate::ears::Heard;
use crate::plan::{CLICKERS, Plan, Role};
use crate::spread::Spread;

/// Clicks, gaps and delays of all legs.
#[derive(Debug)]
pub(crate) struct Tally {
    /// By conference.
    clicks: Vec<Clicks>,
    clickers: u32,
    pub(crate) gaps: Spread,
    pub(crate) clicks_sent: u64,
    /// Of how many listeners they should be heard.
    pub(crate) clicks_due: u64,
    pub(crate) delays: Spread,
    /// Those that came back to who had sent them.
    pub(crate) echoes: Spread,
    /// Datagrams that were no RTP.
    pub(crate) no_media: u64,
    /// Datagrams that found a queue of ours full.
    pub(crate) dropped: u64,
    pub(crate) sent: u64,
    pub(crate) send_errors: u64,
    /// How long after its time a packet was sent.
    pub(crate) lateness: Spread,
}

/// The clicks of one conference.
#[derive(Clone, Copy, Debug, Default)]
struct Clicks {
    /// Of each clicker, when he clicks next.
    next: [Option<Instant>; CLICKERS],
    /// Who clicked last, and when.
    last: Option<(usize, Instant)>,
}

impl Tally {
    /// Counts from `now` on.
    pub(crate) fn new(now: Instant, plan: &Plan) -> Self {
        let clickers = CLICKERS.min(plan.talkers);
        let mut next = [None; CLICKERS];
        let turns = next.iter_mut().take(clickers);
        for (turn, next) in (1_u32..).zip(turns) {
            *next = Some(now + CLICK_EVERY * turn);
        }
        Self {
            clicks: vec![Clicks { next, last: None }; plan.conferences],
            clickers: u32::try_from(clickers).unwrap_or(1),
            gaps: Spread::new(),
            clicks_sent: 0,
            clicks_due: 0,
            delays: Spread::new(),
            echoes: Spread::new(),
            no_media: 0,
            dropped: 0,
            sent: 0,
            send_errors: 0,
            lateness: Spread::new(),
        }
    }

    /// Whether this leg clicks in the packet that is due. It does not when what it says could not be heard before `until`.
    pub(crate) fn clicks(
        &mut self,
        (due, until): (Instant, Instant),
        (leg, role): (usize, Role),
        plan: &Plan,
    ) -> bool {
        if role != Role::Clicker || until.since(due) < LAST_CLICK {
            return false;
        }
        let place = leg / plan.conferences;
        let clicks = self.clicks.get_mut(plan.conference_of(leg));
        let Some(next) = clicks.and_then(|clicks| clicks.next.get_mut(place)) else { return false };
        let is_due = next.is_some_and(|next| next <= due);
        if is_due {
            *next = next.map(|next| next + CLICK_EVERY * self.clickers);
        }
        is_due
    }

    /// A click was sent at `at`, in a conference with so many others.
    pub(crate) fn clicked(&mut self, at: Instant, leg: usize, conference: usize, others: u64) {
        if let Some(clicks) = self.clicks.get_mut(conference) {
            clicks.last = Some((leg, at));
        }
        self.clicks_sent += 1;
        self.clicks_due += others;
    }

    /// Takes what a leg heard.
    pub(crate) fn heard(&mut self, heard: Heard, leg: usize, conference: usize) {
        match heard {
            Heard::Media => {}
            Heard::NoMedia => self.no_media += 1,
            Heard::Click(at) => {
                let last = self.clicks.get(conference).and_then(|clicks| clicks.last);
                let Some((sender, sent)) = last else { return };
                let spread = if sender == leg { &mut self.echoes } else { &mut self.delays };
                spread.add(at.since(sent));
            }
        }
    }
}

/// In each conference. A click that takes longer to be heard is taken for the next one.
const CLICK_EVERY: Duration = Duration::from_secs(1);

/// Before the end.
const LAST_CLICK: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Reach, Rest};

    fn plan(talkers: usize) -> Plan {
        Plan {
            target: "sip:conference@127.0.0.1".parse().unwrap(),
            legs: 10,
            conferences: 2,
            talkers,
            rest: Rest::Silence,
            ptime_ms: 20,
            rate: 10,
            stay: Duration::from_secs(10),
            pid: None,
            reach: Reach::Loopback,
        }
    }

    /// Who clicks when, in seconds, if every leg is asked every 20 ms.
    fn clicking(plan: &Plan) -> Vec<(u64, usize)> {
        let start = Instant::from_millis(5_000);
        let end = start + Duration::from_secs(7);
        let mut tally = Tally::new(start, plan);
        let mut clicking = Vec::new();
        for n in 0..350 {
            let due = start + Duration::from_millis(20 * n);
            for leg in 0..plan.legs {
                if tally.clicks((due, end), (leg, plan.role_of(leg)), plan) {
                    clicking.push((due.since(start).as_secs(), leg));
                }
            }
        }
        clicking
    }

    #[test]
    fn clickers_take_turns_in_each_conference() {
        let three: Vec<(u64, usize)> =
            clicking(&plan(4)).into_iter().filter(|(_, leg)| leg % 2 == 0).collect();
        assert_eq!(three, [(1, 0), (2, 2), (3, 4), (4, 0), (5, 2), (6, 4)]);
        let one: Vec<(u64, usize)> =
            clicking(&plan(1)).into_iter().filter(|(_, leg)| leg % 2 == 1).collect();
        assert_eq!(one, [(1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 1)]);
        assert_eq!(clicking(&plan(0)), []);
    }

    #[test]
    fn a_click_is_heard_by_the_others_and_not_by_its_sender() {
        let plan = plan(1);
        let sent = Instant::from_millis(9_000);
        let mut tally = Tally::new(sent, &plan);
        tally.heard(Heard::Click(sent), 2, 0);
        assert_eq!(tally.delays.count(), 0, "nobody has clicked yet");
        tally.clicked(sent, 0, 0, 4);
        tally.heard(Heard::Click(sent + Duration::from_millis(16)), 2, 0);
        tally.heard(Heard::Click(sent + Duration::from_millis(40)), 0, 0);
        tally.heard(Heard::Click(sent), 3, 1);
        tally.heard(Heard::NoMedia, 3, 1);
        assert_eq!(tally.delays.percentile(50), Some(Duration::from_millis(16)));
        assert_eq!((tally.delays.count(), tally.echoes.count()), (1, 1));
        assert_eq!((tally.clicks_sent, tally.clicks_due, tally.no_media), (1, 4, 1));
    }
}
