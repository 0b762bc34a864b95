//! Who waits for the spool is told when his events are there, wherever the power goes.

use std::collections::BTreeSet;
use std::sync::mpsc::channel;

use node::Notice;
use units::UnixTime;

use super::*;
use crate::admin::Feed;
use crate::store::cut::{Backend, cut_everywhere, open};
use crate::webhooks::spool::empty;

/// A worker with one receiver, whom nothing is sent to.
fn worker(spool: Spool) -> Worker {
    let (wakes, _) = sync_channel(1);
    let (clock, rng) = (Clock::start(), Rng::from_number(3));
    let mut worker = Worker::new(spool, clock, rng, wakes, Arc::default());
    let hook = Arc::new(Hook::for_tests(&[]));
    let queue = Queue::new(VecDeque::new(), Rng::from_number(4));
    worker.live.push(Live { hook, queue, jobs: sync_channel(1).0, pending: 0 });
    worker
}

/// The conferences whose making was answered, and the one that was under way when the power went.
#[derive(Debug, Default)]
struct Answered {
    made: BTreeSet<u32>,
    doubtful: Option<u32>,
}

/// Makes ten conferences, each of which is answered when the spool has its event; two more events come with it.
fn live(disk: &Backend) -> Answered {
    let mut answered = Answered::default();
    let Ok(database) = open(disk) else { return answered };
    let (mut worker, mut feed) = (worker(Spool::on(database)), Feed::new(0));
    for number in 0..10 {
        let ((tell, told), power) = (channel(), disk.clone());
        let held = |asker: String| Notice::Held {
            conference: "sip:conf-a@127.0.0.1".to_owned(),
            asker,
            seats: 4,
            until: UnixTime(2),
        };
        let mut happens = |asker| {
            let happened = feed.push(Arc::new(held(asker)), 1).expect("it is told");
            Wake::Happened(happened)
        };
        let turn = [
            happens("before".to_owned()),
            happens(format!("asker {number}")),
            Wake::Behind(Box::new(move || tell.send(!power.is_cut()).expect("the test waits"))),
            happens("after".to_owned()),
        ];
        worker.turn(turn.into_iter());
        if !told.try_recv().expect("told in the same turn") {
            answered.doubtful = Some(number);
            return answered;
        }
        answered.made.insert(number);
    }
    answered
}

fn check(disk: &Backend, answered: &Answered, what: &str) {
    let database = open(disk).unwrap_or_else(|error| panic!("{what}: not opened: {error}"));
    let mut spool = Spool::on(database);
    let waiting = spool.read_all().unwrap_or_else(|error| panic!("{what}: {error}"));
    let numbers = waiting.iter().flat_map(|(url, all)| all.iter().map(move |it| (url, it.number)));
    let bodies: Vec<String> = numbers
        .map(|(url, number)| {
            spool.read(url, number).expect("read").expect("it was just there").body
        })
        .collect();
    for number in &answered.made {
        let asker = format!("\"asker {number}\"");
        let found = bodies.iter().filter(|body| body.contains(&asker)).count();
        assert_eq!(found, 1, "{what}: {number} of {answered:?}");
    }
}

#[test]
fn a_cut_at_every_write_loses_no_event_of_what_was_answered() {
    assert_eq!(live(&Backend::of(empty(), None)).made.len(), 10);
    cut_everywhere(&empty(), live, check);
}

/// The checker must see an answer that does not wait for the spool.
#[test]
fn canary_answer_that_does_not_wait_for_its_event_is_caught() {
    let whole = Backend::of(empty(), None);
    live(&whole);
    let is_lost = (0..whole.operations()).any(|cut| {
        let disk = Backend::of(empty(), Some(cut));
        let mut answered = live(&disk);
        let early = answered.doubtful.take();
        answered.made.extend(early);
        let left = Backend::of(disk.safe(), None);
        std::panic::catch_unwind(|| check(&left, &answered, "answered too early")).is_err()
    });
    assert!(is_lost);
}

/// What waits on this disk after a cut.
fn left(disk: &Backend) -> AllWaiting {
    let after = Backend::of(disk.safe(), None);
    Spool::on(open(&after).expect("opened")).read_all().expect("read")
}

fn happens(worker: &mut Worker, feed: &mut Feed, count: usize) {
    let happened = (0..count).map(|_| {
        let notice = Notice::ShuttingDown;
        Wake::Happened(feed.push(Arc::new(notice), 1).expect("it is told"))
    });
    worker.turn(happened);
}

/// Else they are thrown away and counted again at each start, for as long as nothing else is written.
#[test]
fn events_of_a_receiver_that_was_taken_out_are_thrown_away_once_whatever_is_cut() {
    let disk = Backend::of(empty(), None);
    let mut worker = worker(Spool::on(open(&disk).expect("opened")));
    happens(&mut worker, &mut Feed::new(0), 3);
    assert_eq!(left(&disk).values().flatten().count(), 3);
    worker.turn(std::iter::once(Wake::Hooks(Vec::new())));
    assert_eq!((worker.removed, left(&disk)), (3, AllWaiting::new()));
}

#[test]
fn what_was_delivered_is_not_posted_again_after_a_cut_a_second_later() {
    let disk = Backend::of(empty(), None);
    let mut worker = worker(Spool::on(open(&disk).expect("opened")));
    happens(&mut worker, &mut Feed::new(0), 2);
    let url = worker.live[0].hook.url.clone();
    let number = worker.live[0].queue.next(worker.clock.now()).expect("the first");
    worker.turn(std::iter::once(Wake::Posted(url, number, Outcome::Delivered)));
    let at = worker.settles_at.expect("it is settled soon");
    worker.settle(at - Duration::from_millis(1));
    assert_eq!(left(&disk).values().flatten().count(), 2, "not yet");
    worker.settle(at);
    assert_eq!(left(&disk).values().flatten().count(), 1);
    assert_eq!(worker.settles_at, None);
}
