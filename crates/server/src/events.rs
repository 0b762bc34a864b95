//! What the loop tells its owner.
//!
//! Not a channel: its reader would be woken for each event, and a busy server tells thousands a second. Here he is woken once
//! a turn of the loop, and finds all that the turn told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::run::Event;

/// Events that wait for their reader; what does not fit is counted and lost. A conference of three
/// makes ten, with every SIP message some fifty.
const EVENTS_MAX: usize = 4_096;

/// A queue of events, and both its ends.
pub(crate) fn events() -> (Teller, Events) {
    let shared = Arc::new(Shared { queue: Mutex::default(), told: Notify::new() });
    (Teller { shared: Arc::clone(&shared), has_told: false }, Events { shared })
}

/// Puts events in.
#[derive(Debug)]
pub(crate) struct Teller {
    shared: Arc<Shared>,
    /// Whether there is something that the reader was not woken for.
    has_told: bool,
}

/// Takes events out.
#[derive(Debug)]
pub(crate) struct Events {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    told: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<Event>,
    /// Nothing more comes, or nobody takes it.
    is_closed: bool,
}

/// An event found no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Teller {
    /// Puts an event in. Its reader sees it after [`Self::wake`], or before.
    ///
    /// # Errors
    /// [`Full`]: it is lost.
    pub(crate) fn tell(&mut self, event: Event) -> Result<(), Full> {
        let mut queue = self.shared.queue();
        if queue.is_closed {
            // Nobody wants to know any more.
            return Ok(());
        }
        if queue.events.len() >= EVENTS_MAX {
            return Err(Full);
        }
        queue.events.push_back(event);
        self.has_told = true;
        Ok(())
    }

    /// Wakes the reader if there is something new.
    pub(crate) fn wake(&mut self) {
        if std::mem::take(&mut self.has_told) {
            self.shared.told.notify_one();
        }
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.shared.queue().is_closed = true;
        self.shared.told.notify_one();
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.shared.queue().is_closed = true;
    }
}

impl Events {
    /// Waits for the next event; `None` when no more come. May be dropped at any time.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            {
                let mut queue = self.shared.queue();
                match queue.events.pop_front() {
                    Some(event) => return Some(event),
                    None if queue.is_closed => return None,
                    None => {}
                }
            }
            // Told between the look and here, it is at once.
            self.shared.told.notified().await;
        }
    }

    /// Whether [`Self::next`] would not wait.
    pub(crate) fn has_more(&self) -> bool {
        !self.shared.queue().events.is_empty()
    }
}

impl Shared {
    /// A panic of the other side leaves the queue whole: each access is one operation.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn event() -> Event {
        Event::MixersDied
    }

    /// Looks at the next event once.
    fn look(events: &mut Events) -> Poll<Option<Event>> {
        let next = std::pin::pin!(events.next());
        next.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn what_was_told_comes_in_order_and_then_the_end() {
        let (mut teller, mut events) = events();
        assert!(look(&mut events).is_pending() && !events.has_more());
        for _ in 0..3 {
            teller.tell(event()).expect("a place");
        }
        teller.wake();
        for left in [true, true, false] {
            assert!(matches!(look(&mut events), Poll::Ready(Some(Event::MixersDied))));
            assert_eq!(events.has_more(), left);
        }
        assert!(look(&mut events).is_pending());
        teller.tell(event()).expect("a place");
        drop(teller);
        assert!(matches!(look(&mut events), Poll::Ready(Some(Event::MixersDied))));
        assert!(matches!(look(&mut events), Poll::Ready(None)));
    }

    #[test]
    fn who_waits_is_woken_once_a_turn() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let (mut teller, mut events) = events();
        let reader = std::thread::spawn(move || {
            runtime.block_on(async {
                let mut count = 0;
                while events.next().await.is_some() {
                    count += 1;
                }
                count
            })
        });
        for _ in 0..10 {
            for _ in 0..100 {
                teller.tell(event()).expect("a place");
            }
            teller.wake();
        }
        drop(teller);
        assert_eq!(reader.join().expect("the reader ends"), 1_000);
    }

    #[test]
    fn what_finds_no_place_is_refused() {
        let (mut teller, mut events) = events();
        let told = (0..EVENTS_MAX + 10).filter(|_| teller.tell(event()).is_ok()).count();
        assert_eq!(told, EVENTS_MAX);
        assert!(look(&mut events).is_ready());
        assert_eq!(teller.tell(event()), Ok(()));
    }
}
