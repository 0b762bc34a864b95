//! `[[webhook]]`: what happens is posted to whoever wants to know, signed, in order, again and again until he has it.
//!
//! - `queue`: what is sent when: order, repetition, when to give up; without I/O
//! - `spool`: what is not delivered yet, on the disk
//! - `sign`: the signature, after Standard Webhooks (<https://www.standardwebhooks.com>)
//! - `work`: the thread that has the spool; `post`: a thread for each receiver, which waits for it
//! - `hook`: one receiver, with its secret
//!
//! **Invariant:** no call waits for a disk or a receiver: the loop hands an event over, or it is counted as lost.
//! **Invariant:** what administrators change by HTTP is answered once its events are in the spool, or lost and counted.
//! **Invariant:** an event that is in the spool is posted at least once, also after a cut at any moment, unless it is given up
//! and counted. Its id is the same each time.
//! **Invariant:** a receiver gets events in the order in which they happened.

mod hook;
mod post;
mod queue;
mod sign;
mod spool;
mod work;

use std::path::Path;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use serde::{Deserialize, Serialize};
use transport::Clock;
use units::{Rng, Tally, causes};

pub(crate) use self::hook::Hook;
pub use self::hook::HookError;
use self::spool::Spool;
use self::work::{Wake, Worker};
use crate::admin::Happened;
use crate::keeping::Tell;
use crate::store::StoreError;

/// Events that wait for the disk: a busy server's of some seconds. One more is lost and counted.
const WAITING_MAX: usize = 4_096;

causes! {
    /// Why an event was not delivered, this time.
    pub enum HookFailure {
        /// The receiver answered, and not with 2xx.
        Status => "status",
        /// It did not answer in time.
        Timeout => "timeout",
        /// Nobody is there: no such name, or no connection.
        Unreachable => "unreachable",
        /// It did not prove who it is.
        Tls => "tls",
        /// What it said is no HTTP.
        Protocol => "protocol",
    }
}

causes! {
    /// Why an event is never delivered.
    pub enum HookLost {
        /// Too many waited for the disk.
        QueueFull => "queue_full",
        /// The disk did not take it.
        SpoolWrite => "spool_write",
        /// Too many waited for the receiver.
        SpoolFull => "spool_full",
        /// It could not be delivered for too long.
        Expired => "expired",
        /// The receiver said 410: it wants nothing any more.
        Gone => "gone",
    }
}

/// What became of the events for one receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HookFigures {
    pub(crate) url: String,
    /// Events in the spool.
    pub(crate) waiting: u64,
    /// When the first of them happened, microseconds since 1970; 0: none waits.
    pub(crate) oldest: u64,
    pub(crate) delivered: u64,
    pub(crate) failed: Tally<HookFailure>,
    pub(crate) lost: Tally<HookLost>,
    /// Attempts in a row that failed.
    pub(crate) failures: u32,
    /// What the last of these met, in words.
    pub(crate) why: Option<String>,
}

/// What became of all events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct WebhookFigures {
    /// By receiver, in the order of the configuration.
    pub(crate) hooks: Vec<HookFigures>,
    /// Events thrown away because their receiver is not in the configuration any more.
    pub(crate) removed: u64,
}

/// A receiver of events, as the status shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookStatus {
    /// Where events are posted; whoever may not see conference URIs sees only the host.
    pub url: String,
    /// Events that are not delivered yet.
    pub waiting: u64,
    /// How long the first of them has waited, seconds.
    pub waiting_seconds: u64,
    /// Events delivered since the server started.
    pub delivered: u64,
    /// Events that are given up since then.
    pub lost: u64,
    /// Attempts in a row that failed.
    pub failures: u32,
    /// What the last of these met.
    pub why: Option<String>,
}

impl WebhookStatus {
    /// The same for somebody who may not see what a path may hold.
    pub(crate) fn without_path(mut self) -> Self {
        self.url = hook::origin(&self.url).to_owned();
        self
    }
}

/// The loop's side of it.
#[derive(Default)]
pub(crate) struct Webhooks {
    wakes: Option<SyncSender<Wake>>,
    thread: Option<JoinHandle<()>>,
    figures: Arc<Mutex<WebhookFigures>>,
    queue_full: u64,
    /// Whether there is a receiver: else the thread is not woken for what nobody gets.
    has_hooks: bool,
}

impl Webhooks {
    /// Starts with what is in the spool of this state folder. Also without a receiver: one may come with another
    /// configuration, and what was for one that is gone is thrown away.
    pub(crate) fn start(
        folder: &Path,
        hooks: Vec<Hook>,
        clock: Clock,
        rng: &mut Rng,
    ) -> Result<Self, StoreError> {
        let (spool, waiting) = Spool::open(folder)?;
        let (wakes, receiver) = sync_channel(WAITING_MAX);
        let figures = Arc::<Mutex<WebhookFigures>>::default();
        let has_hooks = !hooks.is_empty();
        let worker = Worker::new(spool, clock, rng.fork(), wakes.clone(), Arc::clone(&figures));
        let thread = std::thread::Builder::new()
            .name("webhooks".to_owned())
            .spawn(move || worker.run(hooks, waiting, &receiver))
            .map_err(|error| StoreError::Open {
                path: folder.display().to_string(),
                why: error.to_string(),
            })?;
        Ok(Self { wakes: Some(wakes), thread: Some(thread), figures, queue_full: 0, has_hooks })
    }

    /// Hands over what has happened.
    pub(crate) fn push(&mut self, happened: Arc<Happened>) {
        let Some(wakes) = self.wakes.as_ref().filter(|_| self.has_hooks) else { return };
        match wakes.try_send(Wake::Happened(happened)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.queue_full += 1,
        }
    }

    /// The same, but later: when it is called, it waits until all that was handed over is in the spool, or lost and counted. Where
    /// so much waits for the disk that events are lost, it does not wait.
    pub(crate) fn after_these(&self, tell: Tell) -> Tell {
        let Some(wakes) = self.wakes.clone().filter(|_| self.has_hooks) else { return tell };
        Box::new(move |is_kept| {
            let behind = Wake::Behind(Box::new(move || tell(is_kept)));
            match wakes.try_send(behind) {
                Ok(()) => {}
                Err(
                    TrySendError::Full(Wake::Behind(tell))
                    | TrySendError::Disconnected(Wake::Behind(tell)),
                ) => tell(),
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
            }
        })
    }

    /// Goes by other receivers from now on. Whether that was taken.
    pub(crate) fn reload(&mut self, hooks: Vec<Hook>) -> bool {
        let Some(wakes) = &self.wakes else { return true };
        let has_hooks = !hooks.is_empty();
        let is_taken = wakes.try_send(Wake::Hooks(hooks)).is_ok();
        if is_taken {
            self.has_hooks = has_hooks;
        }
        is_taken
    }

    pub(crate) fn figures(&self) -> WebhookFigures {
        let mut figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for it in &mut figures.hooks {
            // It was lost before anybody looked for whom it was.
            it.lost = it.lost.clone().with(HookLost::QueueFull, self.queue_full);
        }
        figures
    }

    pub(crate) fn status(&self, unix_micros: u64) -> Vec<WebhookStatus> {
        let status = |it: HookFigures| WebhookStatus {
            waiting_seconds: match it.oldest {
                0 => 0,
                oldest => unix_micros.saturating_sub(oldest) / 1_000_000,
            },
            lost: it.lost.iter().map(|(_, count)| count).sum(),
            url: it.url,
            waiting: it.waiting,
            delivered: it.delivered,
            failures: it.failures,
            why: it.why,
        };
        self.figures().hooks.into_iter().map(status).collect()
    }
}

impl Drop for Webhooks {
    /// Waits until all that was handed over is on the disk; whoever is to get it gets it after the next start.
    fn drop(&mut self) {
        if let Some(wakes) = self.wakes.take() {
            // It always takes what waits, so there is a place soon.
            let _ = wakes.send(Wake::Stop);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
impl Webhooks {
    /// Without a thread and a spool, but with a receiver; and what takes the next thing that was handed over, and says whether that
    /// was somebody who waits, who is told then.
    pub(crate) fn by_hand() -> (Self, impl FnMut() -> Option<bool>) {
        let (wakes, handed) = sync_channel(4);
        let take = move || match handed.try_recv() {
            Ok(Wake::Behind(tell)) => {
                tell();
                Some(true)
            }
            Ok(_) => Some(false),
            Err(_) => None,
        };
        let mut webhooks = Self::default();
        (webhooks.wakes, webhooks.has_hooks) = (Some(wakes), true);
        (webhooks, take)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use node::Notice;

    use super::*;
    use crate::admin::Feed;

    fn happened() -> Arc<Happened> {
        Feed::new(0).push(Arc::new(Notice::NotKept), 1).expect("it is told")
    }

    fn tell() -> (Tell, std::sync::mpsc::Receiver<bool>) {
        let (tell, told) = channel();
        (Box::new(move |is_kept| tell.send(is_kept).expect("the test waits")), told)
    }

    #[test]
    fn who_waits_is_told_after_what_was_handed_over_before_him() {
        let (mut webhooks, mut take) = Webhooks::by_hand();
        webhooks.push(happened());
        let (tell, told) = tell();
        let tell = webhooks.after_these(tell);
        tell(true);
        assert!(told.try_recv().is_err());
        assert_eq!(take(), Some(false), "first what has happened");
        assert!(told.try_recv().is_err());
        assert_eq!((take(), told.try_recv()), (Some(true), Ok(true)));
    }

    /// A disk that has stopped stops no answer, and what says no stays no.
    #[test]
    fn nobody_waits_where_there_is_no_receiver_or_no_place() {
        let (mut webhooks, mut take) = Webhooks::by_hand();
        (0..5).for_each(|_| webhooks.push(happened()));
        assert_eq!(webhooks.queue_full, 1);
        let (full, told) = tell();
        webhooks.after_these(full)(false);
        assert_eq!(told.try_recv(), Ok(false));
        while take().is_some() {}
        webhooks.has_hooks = false;
        let (unheard, told) = tell();
        webhooks.after_these(unheard)(true);
        assert_eq!((told.try_recv(), take()), (Ok(true), None));
    }
}
