//! The loop's side of the store, and of those who wait until something is on the disk.

use std::collections::BTreeMap;

use node::{ReservationStatus, ReserveError, StoreChange};
use pool::ConferenceId;
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
    /// The conference that he has changed.
    about: ConferenceId,
    /// Whether the disk has taken all of that one so far. What it does not take of others is not his.
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
    open: BTreeMap<u64, ConferenceId>,
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
        self.open.insert(ticket, change.about());
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

    /// Tells whether all is on the disk that the store has been told so far of this conference, once that is known of all.
    pub(crate) fn when_kept(&mut self, about: ConferenceId, tell: Tell) {
        match self.open.last_key_value() {
            None => tell(true),
            Some((last, _)) => {
                self.behind.push(Behind { last: *last, about, is_kept: true, tell });
            }
        }
    }

    /// It is known whether a change is on the disk.
    pub(crate) fn known(&mut self, ticket: u64, is_kept: bool) {
        if is_kept {
            self.kept += 1;
        } else {
            self.failed += 1;
        }
        let about = self.open.remove(&ticket);
        let of_it = |it: &&mut Behind| ticket <= it.last && about == Some(it.about);
        for behind in self.behind.iter_mut().filter(of_it) {
            behind.is_kept &= is_kept;
        }
        let first_open = self.open.first_key_value().map_or(u64::MAX, |(ticket, _)| *ticket);
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
        let open = tickets.into_iter().map(|ticket| (ticket, ONE)).collect();
        Keeping { open, ..Keeping::default() }
    }

    const ONE: ConferenceId = ConferenceId([1; 10]);
    const OTHER: ConferenceId = ConferenceId([2; 10]);

    fn wait(keeping: &mut Keeping) -> Receiver<bool> {
        wait_for(keeping, ONE)
    }

    fn wait_for(keeping: &mut Keeping, about: ConferenceId) -> Receiver<bool> {
        let (tell, told) = channel();
        let tell = Box::new(move |is_kept| tell.send(is_kept).expect("the test waits"));
        keeping.when_kept(about, tell);
        told
    }

    /// Else somebody's conference is there, and he is told that nothing was made.
    #[test]
    fn what_the_disk_did_not_take_of_others_is_not_his() {
        let mut keeping = told([1]);
        keeping.open.insert(2, OTHER);
        let other = wait_for(&mut keeping, OTHER);
        keeping.known(1, false);
        assert_eq!(other.try_recv(), Err(TryRecvError::Empty), "2 is not there yet");
        keeping.open.insert(3, ONE);
        let again = wait_for(&mut keeping, OTHER);
        keeping.known(2, true);
        assert_eq!(other.try_recv(), Ok(true));
        keeping.known(3, false);
        assert_eq!(again.try_recv(), Ok(true));
    }

    #[test]
    fn nobody_is_answered_before_all_that_was_told_before_him_is_on_the_disk() {
        let mut keeping = told([1, 2]);
        let first = wait(&mut keeping);
        keeping.open.insert(3, ONE);
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
        keeping.open.insert(3, ONE);
        let second = wait(&mut keeping);
        keeping.known(1, true);
        keeping.known(2, false);
        assert_eq!(first.try_recv(), Ok(false));
        keeping.open.insert(4, ONE);
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
        keeping.change(7, StoreChange::RemoveKey(ONE));
        let told = wait(&mut keeping);
        assert_eq!(keeping.refused, [7]);
        keeping.known(7, false);
        assert_eq!(told.try_recv(), Ok(false));
    }
}
