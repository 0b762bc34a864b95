//! The thread that has the spool: takes what has happened, keeps it, and gives each receiver's thread its next event.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use transport::{Clock, unix_micros};
use units::{Instant, Rng, soonest};

use super::hook::Hook;
use super::post::{self, Job};
use super::queue::{Outcome, Queue, Waiting};
use super::spool::{AllWaiting, Change, Row, Spool};
use super::{HookLost, WAITING_MAX, WebhookFigures};
use crate::admin::Happened;

/// What the thread was woken by.
pub(super) enum Wake {
    /// Something has happened.
    Happened(Arc<Happened>),
    /// This came of the event of this number, which was posted to this receiver.
    Posted(String, u64, Outcome),
    /// These are the receivers from now on.
    Hooks(Vec<Hook>),
    /// Somebody is to be told once all that came before him is on the disk, or lost.
    Behind(Tell),
    /// Write down what there is, and end.
    Stop,
}

/// How long a cut may bring back what was delivered. So often at most the disk is written to for it alone.
const SETTLED_WITHIN: Duration = Duration::from_secs(1);

/// How long it sleeps when nothing is due.
const LONG: Duration = Duration::from_secs(3_600);

/// A receiver, with what waits for it.
struct Live {
    hook: Arc<Hook>,
    queue: Queue,
    jobs: SyncSender<Job>,
    /// Events for it that are about to be written.
    pending: usize,
}

/// Tells somebody who waits.
type Tell = Box<dyn FnOnce() + Send>;

/// What comes of the wakes that are handled together.
#[derive(Default)]
struct Turn {
    change: Change,
    behind: Vec<Tell>,
    is_over: bool,
}

pub(super) struct Worker {
    spool: Spool,
    clock: Clock,
    rng: Rng,
    live: Vec<Live>,
    /// The number of the last event.
    last: u64,
    /// What ids of this life begin with: no two lives have the same.
    prefix: String,
    wakes: SyncSender<Wake>,
    /// Events thrown away because their receiver is not in the configuration any more.
    removed: u64,
    /// When the spool is settled.
    settles_at: Option<Instant>,
    figures: Arc<Mutex<WebhookFigures>>,
}

impl Worker {
    pub(super) fn new(
        spool: Spool,
        clock: Clock,
        mut rng: Rng,
        wakes: SyncSender<Wake>,
        figures: Arc<Mutex<WebhookFigures>>,
    ) -> Self {
        let prefix = format!("msg_{}", rng.token(16));
        let (live, last, removed, settles_at) = (Vec::new(), 0, 0, None);
        Self { spool, clock, rng, live, last, prefix, wakes, removed, settles_at, figures }
    }

    pub(super) fn run(mut self, hooks: Vec<Hook>, waiting: AllWaiting, wakes: &Receiver<Wake>) {
        self.last = waiting.values().flatten().map(|it| it.number).max().unwrap_or(0);
        let mut change = Change::default();
        self.take(hooks, waiting, &mut change);
        self.keep(change);
        loop {
            self.give_out();
            self.settle(self.clock.now());
            self.show();
            let queues = self.live.iter().map(|it| it.queue.deadline());
            let deadline = queues.fold(self.settles_at, soonest);
            let wait = deadline.map_or(LONG, |at| at.since(self.clock.now()));
            let first = match wakes.recv_timeout(wait) {
                Ok(wake) => Some(wake),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let all = first.into_iter().chain(wakes.try_iter().take(WAITING_MAX));
            if self.turn(all) {
                return;
            }
        }
    }

    /// Handles these together, with one look at the disk; whether it is to end.
    fn turn(&mut self, wakes: impl Iterator<Item = Wake>) -> bool {
        let mut turn = Turn::default();
        for wake in wakes {
            self.handle(wake, &mut turn);
        }
        self.keep(turn.change);
        turn.behind.into_iter().for_each(|tell| tell());
        turn.is_over
    }

    fn handle(&mut self, wake: Wake, turn: &mut Turn) {
        let change = &mut turn.change;
        match wake {
            Wake::Happened(happened) => self.happened(&happened, change),
            Wake::Posted(url, number, outcome) => {
                let now = self.clock.now();
                if let Some(live) = self.live.iter_mut().find(|it| it.hook.url == url) {
                    let over = match outcome {
                        Outcome::Delivered => &mut change.delivered,
                        Outcome::Gone | Outcome::Failed { .. } => &mut change.given_up,
                    };
                    let done = live.queue.done(now, unix_micros(), number, outcome);
                    over.extend(done.into_iter().map(|number| (url.clone(), number)));
                }
            }
            Wake::Hooks(hooks) => {
                // What is not on the disk yet belongs to those who were there when it happened.
                self.keep(std::mem::take(change));
                self.take(hooks, AllWaiting::new(), change);
            }
            Wake::Behind(tell) => turn.behind.push(tell),
            Wake::Stop => turn.is_over = true,
        }
    }

    fn happened(&mut self, happened: &Happened, change: &mut Change) {
        for live in &mut self.live {
            let url = &live.hook.url;
            if !live.hook.wants(happened.kind()) {
                continue;
            }
            if !live.queue.admits(live.pending + 1) {
                continue;
            }
            live.pending += 1;
            self.last += 1;
            let row = Row {
                id: format!("{}_{}", self.prefix, happened.number()),
                unix_micros: happened.unix_micros(),
                // It is told what it may do with it: whoever wrote the configuration trusts it.
                body: happened.shown(true),
            };
            change.put.push((url.clone(), self.last, row));
        }
    }

    /// Writes it down, and only then counts on it.
    fn keep(&mut self, change: Change) {
        if change.is_nothing() {
            return;
        }
        let written = self.spool.write(&change);
        if let Err(error) = &written {
            tracing::error!(%error, "the spool of webhooks cannot be written");
        }
        if self.spool.is_unsettled() {
            self.settles_at.get_or_insert_with(|| self.clock.now() + SETTLED_WITHIN);
        }
        self.live.iter_mut().for_each(|live| live.pending = 0);
        for (url, number, row) in change.put {
            let live = self.live.iter_mut().find(|it| it.hook.url == url);
            match (live, &written) {
                (Some(live), Ok(())) => {
                    live.queue.accept(Waiting { number, unix_micros: row.unix_micros });
                }
                (Some(live), Err(_)) => live.queue.lose(HookLost::SpoolWrite),
                (None, _) => {}
            }
        }
    }

    /// Has the disk forget what was delivered, when it is time.
    fn settle(&mut self, now: Instant) {
        if self.settles_at.is_none_or(|at| at > now) {
            return;
        }
        self.settles_at = None;
        if self.spool.is_unsettled()
            && let Err(error) = self.spool.settle()
        {
            tracing::error!(%error, "the spool of webhooks cannot be written");
            self.settles_at = Some(now + SETTLED_WITHIN);
        }
    }

    /// Goes by these receivers; `waiting` is what the spool has for each that is not there yet.
    fn take(&mut self, hooks: Vec<Hook>, mut waiting: AllWaiting, change: &mut Change) {
        let mut before = std::mem::take(&mut self.live);
        for hook in hooks {
            let hook = Arc::new(hook);
            let at = before.iter().position(|it| it.hook.url == hook.url);
            let live = match at.map(|at| before.swap_remove(at)) {
                Some(mut live) => {
                    live.queue.wake();
                    Some(Live { hook, ..live })
                }
                None => {
                    let waiting = waiting.remove(&hook.url).unwrap_or_default();
                    self.start(hook, waiting)
                }
            };
            self.live.extend(live);
        }
        let left = before.into_iter().map(|it| (it.hook.url.clone(), it.queue.waiting().clone()));
        for (url, waiting) in left.chain(waiting) {
            let count = waiting.len();
            if count > 0 {
                tracing::warn!(
                    "{count} events of a webhook that is not in the configuration are thrown away"
                );
            }
            self.removed += u64::try_from(count).unwrap_or(u64::MAX);
            change.given_up.extend(waiting.into_iter().map(|it| (url.clone(), it.number)));
        }
    }

    /// A thread of its own for a receiver.
    fn start(&mut self, hook: Arc<Hook>, waiting: VecDeque<Waiting>) -> Option<Live> {
        // One is on its way at a time.
        let (jobs, receiver) = sync_channel(1);
        let wakes = self.wakes.clone();
        let thread = std::thread::Builder::new().name("webhook".to_owned());
        match thread.spawn(move || post::run(&receiver, &wakes)) {
            Ok(_) => {
                let queue = Queue::new(waiting, self.rng.fork());
                Some(Live { hook, queue, jobs, pending: 0 })
            }
            Err(error) => {
                tracing::error!(%error, "the system gives no thread for a webhook");
                None
            }
        }
    }

    /// Gives each receiver's thread what is due.
    fn give_out(&mut self) {
        let mut change = Change::default();
        let now = self.clock.now();
        for live in &mut self.live {
            while let Some(number) = live.queue.next(now) {
                let url = &live.hook.url;
                match self.spool.read(url, number) {
                    // There is place for it: the one before has come back.
                    Ok(Some(row)) => {
                        let _ =
                            live.jobs.try_send(Job { hook: Arc::clone(&live.hook), number, row });
                    }
                    Ok(None) => {
                        let skipped = live.queue.skip();
                        change.given_up.extend(skipped.map(|number| (url.clone(), number)));
                    }
                    // What waits is there still.
                    Err(error) => {
                        tracing::error!(%error, "the spool of webhooks cannot be read");
                        live.queue.put_off(now);
                    }
                }
            }
        }
        self.keep(change);
    }

    fn show(&self) {
        let hooks = self.live.iter().map(|it| it.queue.figures(&it.hook.url)).collect();
        let shown = WebhookFigures { hooks, removed: self.removed };
        *self.figures.lock().unwrap_or_else(PoisonError::into_inner) = shown;
    }
}

#[cfg(test)]
mod tests;
