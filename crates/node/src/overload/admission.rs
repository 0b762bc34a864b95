//! How many new requests are admitted: a token bucket whose rate follows how long what was served had waited.
//!
//! What counts is the least wait within a while, as in CoDel: a burst empties the queue again and is left alone, a queue
//! that stands above the target for a whole window is one that more is asked of than can be done. It waits in the system's
//! sockets as well, where the process does not come to read them. Then no more are admitted
//! than were served, less a tenth; from then on the rate falls by a tenth or grows by a
//! thirtieth each window; and whoever comes when nobody waits is admitted anyway.
//!
//! Refusals cost time as well, a tenth of what an acceptance costs. So they have a rate of their own, which is cut first:
//! what comes on top gets no answer, and comes again by itself (RFC 3261 §17.1.1.2).

use std::time::Duration;

use units::Instant;

use super::OverloadConfig;
use super::lanes::Lane;
use super::proved::Standing;
use crate::allowance::take;

/// How long a queue must have stood above the target, and how often the rate changes.
const WINDOW: Duration = Duration::from_millis(100);

/// Requests served within a window, with fewer of which nothing can be said: one may have waited for the machine, not for us.
const SERVED_MIN: u32 = 10;

/// A window without so many served ends by then.
const WINDOW_MAX: Duration = Duration::from_secs(1);

/// Requests a second that are admitted whatever comes, and refusals that are sent: so that the way back is seen.
const RATE_MIN: u32 = 10;

/// How long nothing must have been refused before nothing is limited any more.
const LIFTED_AFTER: Duration = Duration::from_secs(5);

/// Refusals a second, by what is admitted: with one in four they cost 2 % of what is done.
const REFUSALS_SHARE: u32 = 4;

/// How many requests those who come again may be ahead of the rate, and those who are proved twice as many, where strangers may
/// not: they wait until that is paid back. So the others come first whatever comes of strangers.
const AHEAD: u32 = 4;

/// A token bucket, and what it learns from.
#[derive(Debug)]
pub(crate) struct Admission {
    config: OverloadConfig,
    /// Requests a second; `None`: as many as come, up to the configured limit.
    rate: Option<u32>,
    whole_at: Instant,
    /// Refusals a second that are answered, while the rate is limited.
    refusals: u32,
    refusals_whole_at: Instant,
    window: Window,
    last: LastWindow,
    /// When something was refused last.
    refused_at: Option<Instant>,
    /// When something was served or given up last.
    served_at: Instant,
    /// By how much clients that speak RFC 7339 are to reduce what they send: a ten-thousandth.
    loss_e4: u32,
}

/// What happened since the rate was looked at.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    since: Instant,
    fresh: Waits,
    proved: Waits,
    known: Waits,
    /// Whether something found nobody before it.
    was_empty: bool,
    refused: u32,
    answered: u32,
    /// What came from clients that speak RFC 7339, and what of it was refused.
    helping: u32,
    helping_refused: u32,
}

/// How long requests of one kind had waited.
#[derive(Clone, Copy, Debug, Default)]
struct Waits {
    /// Those that were served.
    count: u32,
    /// Those that were given up, because they had waited too long.
    given_up: u32,
    /// Of both.
    least: Option<Duration>,
    /// Of those that were served.
    sum: Duration,
}

/// What a window showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LastWindow {
    /// How long new requests had waited, on average.
    pub(crate) wait: Duration,
    /// Whether the queue stood above the target all the time.
    pub(crate) is_congested: bool,
}

impl Waits {
    fn add(&mut self, waited: Duration) {
        self.count += 1;
        self.sum += waited;
        self.see(waited);
    }

    fn see(&mut self, waited: Duration) {
        self.least = Some(self.least.map_or(waited, |least| least.min(waited)));
    }

    const fn all(&self) -> u32 {
        self.count + self.given_up
    }

    fn stand_above(&self, target: Duration) -> bool {
        self.all() >= SERVED_MIN && self.least.is_some_and(|least| least > target)
    }
}

impl Window {
    const fn of(&mut self, lane: Lane) -> &mut Waits {
        match lane {
            Lane::Ending | Lane::Known | Lane::Conference | Lane::Loose => &mut self.known,
            Lane::Proved => &mut self.proved,
            Lane::Fresh => &mut self.fresh,
        }
    }
}

impl Admission {
    pub(crate) fn new(config: OverloadConfig) -> Self {
        Self {
            config,
            rate: None,
            whole_at: Instant::ZERO,
            refusals: RATE_MIN,
            refusals_whole_at: Instant::ZERO,
            window: Window::default(),
            last: LastWindow::default(),
            refused_at: None,
            served_at: Instant::ZERO,
            loss_e4: 0,
        }
    }

    /// Another target or limit from now on.
    pub(crate) const fn configure(&mut self, config: OverloadConfig) {
        self.config = config;
    }

    pub(crate) const fn config(&self) -> OverloadConfig {
        self.config
    }

    /// Requests a second that are admitted; `None`: as many as come.
    pub(crate) fn per_second(&self) -> Option<u32> {
        match (self.rate, self.config.per_second) {
            (Some(rate), Some(max)) => Some(rate.min(max)),
            (rate, max) => rate.or(max),
        }
    }

    /// Whether more came lately than is admitted.
    pub(crate) const fn is_limiting(&self) -> bool {
        self.rate.is_some()
    }

    /// When something was refused last.
    pub(crate) const fn refused_at(&self) -> Option<Instant> {
        self.refused_at
    }

    pub(crate) const fn last_window(&self) -> LastWindow {
        self.last
    }

    /// Percent of their requests that clients which speak RFC 7339 are to keep back.
    pub(crate) fn loss(&self) -> u8 {
        u8::try_from(self.loss_e4 / 100).unwrap_or(100).min(100)
    }

    /// Whether one more new request is admitted. Where nobody waits, it is whatever was learned: there is time for it.
    pub(crate) fn admit(&mut self, now: Instant, standing: Standing, nobody_waits: bool) -> bool {
        self.look(now);
        let Some(per_second) = self.per_second() else { return true };
        let each = Duration::from_secs(1) / per_second.max(1);
        let burst = self.config.target;
        let ahead = match standing {
            Standing::Proved => burst + 2 * burst.max(each * AHEAD),
            Standing::Returning => burst + burst.max(each * AHEAD),
            Standing::Stranger => burst,
        };
        let is_idle = nobody_waits && self.config.per_second.is_none();
        take(now, &mut self.whole_at, (each, each + ahead)) || is_idle
    }

    /// Something has come at `arrived`, and finds nobody waiting or somebody. If nobody, and after what came before it was
    /// served, there was no queue, neither here nor in the sockets.
    pub(crate) fn came(&mut self, now: Instant, arrived: Instant, nobody_waits: bool) {
        if nobody_waits && arrived > self.served_at {
            self.window.was_empty = true;
        }
        self.look(now);
    }

    /// Whether limits held lately: something was refused, or less is admitted than comes.
    pub(crate) fn has_limited(&self, now: Instant) -> bool {
        let is_late = |at| now.since(at) >= LIFTED_AFTER;
        self.is_limiting() || !self.refused_at.is_none_or(is_late)
    }

    /// A request came from a client that speaks RFC 7339.
    pub(crate) const fn count_helping(&mut self) {
        self.window.helping += 1;
    }

    /// Whether one that was not admitted is told so. If not, it is not answered.
    pub(crate) fn refuse(&mut self, now: Instant, (is_helping, must): (bool, bool)) -> bool {
        self.look(now);
        self.refused_at = Some(now);
        self.window.refused += 1;
        self.window.helping_refused += u32::from(is_helping);
        let each = Duration::from_secs(1) / self.refusals.max(1);
        // Without a queue there is time for all of them.
        let is_told = must
            || self.rate.is_none()
            || take(now, &mut self.refusals_whole_at, (each, each + self.config.target));
        self.window.answered += u32::from(is_told);
        is_told
    }

    /// Something is served that has waited so long in this lane.
    pub(crate) fn served(&mut self, now: Instant, lane: Lane, waited: Duration) {
        self.served_at = now;
        self.window.of(lane).add(waited);
        self.look(now);
    }

    /// A new request is given up that has waited so long in this lane: it shows as well as one that is served that more is
    /// admitted than can be done.
    pub(crate) fn given_up(&mut self, now: Instant, lane: Lane, waited: Duration) {
        self.served_at = now;
        let waits = self.window.of(lane);
        waits.given_up += 1;
        waits.see(waited);
        self.look(now);
    }

    /// Ends the window, if it is time.
    pub(crate) fn look(&mut self, now: Instant) {
        let span = now.since(self.window.since);
        let waits = [self.window.fresh, self.window.proved, self.window.known];
        let count = waits.iter().map(Waits::all).sum::<u32>();
        // One without anything begins with the first: while nothing came, or the process stood still, nobody was slow.
        let is_over = count == 0 || count >= SERVED_MIN || span >= WINDOW_MAX;
        if span < WINDOW || !is_over {
            return;
        }
        let window =
            std::mem::replace(&mut self.window, Window { since: now, ..Window::default() });
        let target = self.config.target;
        let is_congested = !window.was_empty && waits.iter().any(|waits| waits.stand_above(target));
        let served = window.fresh.count + window.proved.count;
        let wait = (window.fresh.sum + window.proved.sum) / served.max(1);
        self.last = LastWindow { wait, is_congested };
        let per_second = |count: u32| {
            let per_second = u128::from(count) * 1_000_000_000 / span.as_nanos().max(1);
            u32::try_from(per_second).unwrap_or(u32::MAX)
        };
        if is_congested {
            self.slower(now, per_second(served), per_second(window.answered));
        } else {
            self.faster(now, &window);
        }
        self.ask_for_help(&window);
    }

    fn slower(&mut self, now: Instant, served: u32, answered: u32) {
        let served = served.max(RATE_MIN);
        let Some(rate) = self.rate else {
            self.rate = Some(less(served));
            self.refusals = (served / REFUSALS_SHARE).max(RATE_MIN);
            self.refused_at = Some(now);
            return;
        };
        let refusals = (rate / REFUSALS_SHARE).max(RATE_MIN);
        self.refusals = self.refusals.min(refusals);
        // What can be saved at the refusals is not taken from those who are served.
        if answered <= refusals + refusals / 4 {
            self.rate = Some(less(rate));
        }
    }

    fn faster(&mut self, now: Instant, window: &Window) {
        let Some(rate) = self.rate else { return };
        if self.refused_at.is_none_or(|at| now.since(at) >= LIFTED_AFTER) {
            self.rate = None;
            return;
        }
        // Who was not held up shows nothing of what could be done.
        if window.refused > 0 {
            self.rate = Some(rate.saturating_add(rate / 32 + 1));
        }
        if window.refused > window.answered {
            self.refusals = self.refusals.saturating_add(self.refusals / 32 + 1);
        }
    }

    /// What is kept back already does not come, so that what is refused of the rest is put on top (RFC 7339 §5.3).
    fn ask_for_help(&mut self, window: &Window) {
        if self.rate.is_none() {
            self.loss_e4 = 0;
        } else if window.helping_refused == 0 {
            self.loss_e4 -= self.loss_e4.div_ceil(16);
        } else {
            self.loss_e4 = self.loss_with(window.helping_refused, window.helping);
        }
    }

    fn loss_with(&self, refused: u32, of: u32) -> u32 {
        let refused = 10_000 * u64::from(refused) / u64::from(of.max(1));
        let let_through =
            u64::from(10_000 - self.loss_e4) * (10_000 - refused.min(10_000)) / 10_000;
        u32::try_from(10_000 - let_through).unwrap_or(LOSS_E4_MAX).min(LOSS_E4_MAX)
    }
}

/// Something always comes through, or nobody would see that it could be more.
const LOSS_E4_MAX: u32 = 9_500;

/// A tenth less, and never nothing.
const fn less(rate: u32) -> u32 {
    let less = rate - rate / 10;
    if less > RATE_MIN { less } else { RATE_MIN }
}
