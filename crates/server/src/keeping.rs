//! The loop's side of the store, and of those who wait for a reservation.

use std::collections::BTreeMap;

use node::{ReservationStatus, ReserveError, StoreChange};
use tokio::sync::{mpsc, oneshot};

use crate::store::{Answer, Store};

/// What comes of a reservation.
pub(crate) type Reserved = Result<ReservationStatus, ReserveError>;

/// The store, if there is one, and who waits for it.
#[derive(Default)]
pub(crate) struct Keeping {
    store: Option<Store>,
    answers: Option<mpsc::UnboundedReceiver<Answer>>,
    /// Changes that the store did not take; each is answered at once. Bounded by what the node tells in one turn.
    refused: Vec<u64>,
    /// Who waits, by ticket. Bounded by the questions that the admin interface lets through.
    waiting: BTreeMap<u64, oneshot::Sender<Reserved>>,
    last_ticket: u64,
    kept: u64,
    failed: u64,
}

impl Keeping {
    pub(crate) fn new(store: Store, answers: mpsc::UnboundedReceiver<Answer>) -> Self {
        Self { store: Some(store), answers: Some(answers), ..Self::default() }
    }

    /// Hands a change to the store.
    pub(crate) fn change(&mut self, ticket: u64, change: StoreChange) {
        let is_taken = self.store.as_ref().is_some_and(|store| store.change(ticket, change));
        if !is_taken {
            self.refused.push(ticket);
        }
    }

    /// Notes who waits; gives his ticket.
    pub(crate) fn wait(&mut self, asker: oneshot::Sender<Reserved>) -> u64 {
        self.waiting.retain(|_, asker| !asker.is_closed());
        self.last_ticket += 1;
        self.waiting.insert(self.last_ticket, asker);
        self.last_ticket
    }

    /// Answers who waits.
    pub(crate) fn answer(&mut self, ticket: u64, answer: Reserved) {
        if let Some(asker) = self.waiting.remove(&ticket) {
            // He may have gone away.
            drop(asker.send(answer));
        }
    }

    /// Changes that are on the disk, and those that it did not take.
    pub(crate) const fn counts(&self) -> (u64, u64) {
        (self.kept, self.failed)
    }

    /// Whether a change is on the disk is counted when it is known.
    pub(crate) const fn count(&mut self, is_kept: bool) {
        if is_kept { self.kept += 1 } else { self.failed += 1 }
    }

    /// The next answer of the store.
    pub(crate) async fn next(&mut self) -> Answer {
        if let Some(ticket) = self.refused.pop() {
            return (ticket, false);
        }
        if let Some(answers) = &mut self.answers
            && let Some(answer) = answers.recv().await
        {
            return answer;
        }
        std::future::pending().await
    }
}
