//! The loop's side of the store, and of those who wait until something is on the disk.

use std::collections::{BTreeMap, BTreeSet};

use node::{ReservationStatus, ReserveError, StoreChange};
use tokio::sync::{mpsc, oneshot};

use crate::store::{Answer, Store};

/// What comes of a reservation.
pub(crate) type Reserved = Result<ReservationStatus, ReserveError>;

/// What is to be told to somebody when it is known whether what he wanted is on the disk.
pub(crate) type Tell = Box<dyn FnOnce(bool) + Send>;

/// Somebody who waits for all that the store had been told before him.
struct Behind {
    /// The last change that he waits for.
    last: u64,
    /// Whether the disk has taken all of it so far.
    is_kept: bool,
    tell: Tell,
}

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
    /// Changes that the store has not answered yet. Bounded by those that it lets wait, and what the node tells in one turn.
    open: BTreeSet<u64>,
    /// Who waits for these, in their order. Bounded by the connections of the admin interface.
    behind: Vec<Behind>,
    kept: u64,
    failed: u64,
}

impl Keeping {
    pub(crate) fn new(store: Store, answers: mpsc::UnboundedReceiver<Answer>) -> Self {
        Self { store: Some(store), answers: Some(answers), ..Self::default() }
    }

    /// Hands a change to the store.
    pub(crate) fn change(&mut self, ticket: u64, change: StoreChange) {
        self.open.insert(ticket);
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

    /// Who waits under this ticket, if he does.
    pub(crate) fn asker(&mut self, ticket: u64) -> Option<oneshot::Sender<Reserved>> {
        self.waiting.remove(&ticket)
    }

    /// Changes that are on the disk, and those that it did not take.
    pub(crate) const fn counts(&self) -> (u64, u64) {
        (self.kept, self.failed)
    }

    /// Tells whether all is on the disk that the store has been told so far, once that is known.
    pub(crate) fn when_kept(&mut self, tell: Tell) {
        match self.open.last() {
            None => tell(true),
            Some(last) => self.behind.push(Behind { last: *last, is_kept: true, tell }),
        }
    }

    /// It is known whether a change is on the disk.
    pub(crate) fn known(&mut self, ticket: u64, is_kept: bool) {
        if is_kept {
            self.kept += 1;
        } else {
            self.failed += 1;
        }
        self.open.remove(&ticket);
        for behind in self.behind.iter_mut().filter(|it| ticket <= it.last) {
            behind.is_kept &= is_kept;
        }
        let first_open = self.open.first().copied().unwrap_or(u64::MAX);
        let (done, left): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.behind).into_iter().partition(|it| it.last < first_open);
        self.behind = left;
        done.into_iter().for_each(|Behind { is_kept, tell, .. }| tell(is_kept));
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, TryRecvError, channel};

    use super::*;

    /// A store that is told, and answers when the test says so.
    fn told(tickets: impl IntoIterator<Item = u64>) -> Keeping {
        Keeping { open: tickets.into_iter().collect(), ..Keeping::default() }
    }

    fn wait(keeping: &mut Keeping) -> Receiver<bool> {
        let (tell, told) = channel();
        keeping.when_kept(Box::new(move |is_kept| tell.send(is_kept).expect("the test waits")));
        told
    }

    #[test]
    fn nobody_is_answered_before_all_that_was_told_before_him_is_on_the_disk() {
        let mut keeping = told([1, 2]);
        let first = wait(&mut keeping);
        keeping.open.insert(3);
        let second = wait(&mut keeping);
        keeping.known(2, true);
        assert_eq!(first.try_recv(), Err(TryRecvError::Empty), "1 is not there yet");
        keeping.known(1, true);
        assert_eq!((first.try_recv(), second.try_recv()), (Ok(true), Err(TryRecvError::Empty)));
        keeping.known(3, true);
        assert_eq!(second.try_recv(), Ok(true));
        assert_eq!(wait(&mut keeping).try_recv(), Ok(true), "nothing is open");
        assert!(keeping.behind.is_empty() && keeping.open.is_empty());
    }

    #[test]
    fn what_the_disk_did_not_take_is_told_to_those_who_waited_for_it_and_to_no_other() {
        let mut keeping = told([1, 2]);
        let first = wait(&mut keeping);
        keeping.open.insert(3);
        let second = wait(&mut keeping);
        keeping.known(1, true);
        keeping.known(2, false);
        assert_eq!(first.try_recv(), Ok(false));
        keeping.open.insert(4);
        let third = wait(&mut keeping);
        keeping.known(3, true);
        keeping.known(4, true);
        assert_eq!((second.try_recv(), third.try_recv()), (Ok(false), Ok(true)));
        assert_eq!(keeping.counts(), (3, 1));
    }

    /// Without a store, or when it takes no more, nothing is promised.
    #[test]
    fn a_change_that_no_store_takes_is_not_kept() {
        let mut keeping = Keeping::default();
        keeping.change(7, StoreChange::RemoveKey(pool::ConferenceId([0; 10])));
        let told = wait(&mut keeping);
        assert_eq!(keeping.refused, [7]);
        keeping.known(7, false);
        assert_eq!(told.try_recv(), Ok(false));
    }
}
