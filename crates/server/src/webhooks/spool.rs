//! What is not delivered yet, on the disk.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;

use redb::{
    Database, Durability, ReadableDatabase as _, ReadableTable as _, TableDefinition, TableError,
};
use serde::{Deserialize, Serialize};

use super::queue::Waiting;
use crate::store::{self, Reopened, StoreError};

/// By receiver and number: what is to be posted, as JSON.
const EVENTS: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("events");

const FILE: &str = "webhooks.redb";

/// An event as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    /// What the receiver knows it by.
    pub(super) id: String,
    /// When it happened, microseconds since 1970.
    pub(super) unix_micros: u64,
    /// What is posted.
    pub(super) body: String,
}

/// What is to be written in one go.
#[derive(Default)]
pub(super) struct Change {
    pub(super) put: Vec<(String, u64, Row)>,
    /// What was delivered. If a cut brings it back, it is posted once more, and known by its id: no disk is waited for.
    pub(super) delivered: Vec<(String, u64)>,
    /// What is given up and counted: that must not be done again after a cut.
    pub(super) given_up: Vec<(String, u64)>,
}

impl Change {
    pub(super) const fn is_nothing(&self) -> bool {
        self.put.is_empty() && self.delivered.is_empty() && self.given_up.is_empty()
    }

    const fn is_lasting(&self) -> bool {
        !self.put.is_empty() || !self.given_up.is_empty()
    }
}

/// What waits for each receiver, by its URL, in order.
pub(super) type AllWaiting = BTreeMap<String, VecDeque<Waiting>>;

pub(super) struct Spool {
    database: Reopened,
    /// Whether a cut would bring back what was delivered.
    is_unsettled: bool,
}

impl Spool {
    /// Opens the spool of a state folder, or makes it.
    pub(super) fn open(folder: &Path) -> Result<(Self, AllWaiting), StoreError> {
        let path = folder.join(FILE);
        let failed = |error: redb::Error| StoreError::Open {
            path: path.display().to_string(),
            why: error.to_string(),
        };
        let database = store::database(&path).map_err(failed)?;
        let open = path.clone();
        let mut spool = Self::with(Reopened::new(database, move || store::database(&open)));
        let waiting = spool.read_all().map_err(failed)?;
        Ok((spool, waiting))
    }

    /// On a disk that a test has.
    #[cfg(test)]
    pub(super) fn on(database: Database) -> Self {
        Self::with(Reopened::new(database, || Err(io::Error::other("a test has it").into())))
    }

    const fn with(database: Reopened) -> Self {
        Self { database, is_unsettled: false }
    }

    pub(super) fn read_all(&mut self) -> Result<AllWaiting, redb::Error> {
        self.database.with(read_all)
    }

    /// Writes all of it or nothing; when it returns, what was put is on the disk, and what was given up is gone from it.
    pub(super) fn write(&mut self, change: &Change) -> Result<(), redb::Error> {
        self.database.with(|database| write(database, change))?;
        // What is written to last takes with it what was written before.
        self.is_unsettled = !change.is_lasting();
        Ok(())
    }

    /// Whether there is something for [`Self::settle`].
    pub(super) const fn is_unsettled(&self) -> bool {
        self.is_unsettled
    }

    /// Has the disk forget what was delivered: no cut brings it back then, and its place is used again.
    pub(super) fn settle(&mut self) -> Result<(), redb::Error> {
        self.database.with(|database| Ok(database.begin_write()?.commit()?))?;
        self.is_unsettled = false;
        Ok(())
    }

    /// One event. `None`: it is not there, or says nothing that can be read.
    pub(super) fn read(&mut self, url: &str, number: u64) -> Result<Option<Row>, redb::Error> {
        self.database.with(|database| {
            let table = database.begin_read()?.open_table(EVENTS)?;
            let value = table.get((url, number))?;
            Ok(value.and_then(|it| serde_json::from_slice(it.value()).ok()))
        })
    }
}

fn read_all(database: &Database) -> Result<AllWaiting, redb::Error> {
    let mut all = AllWaiting::new();
    let transaction = database.begin_read()?;
    let table = match transaction.open_table(EVENTS) {
        Ok(table) => table,
        Err(TableError::TableDoesNotExist(_)) => return Ok(all),
        Err(error) => return Err(error.into()),
    };
    for row in table.iter()? {
        let (key, value) = row?;
        let (url, number) = key.value();
        match serde_json::from_slice::<Row>(value.value()) {
            Ok(Row { unix_micros, .. }) => {
                let waiting = all.entry(url.to_owned()).or_default();
                waiting.push_back(Waiting { number, unix_micros });
            }
            Err(error) => tracing::warn!(%error, "an event in the spool cannot be read"),
        }
    }
    Ok(all)
}

fn write(database: &Database, change: &Change) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    if !change.is_lasting() {
        transaction.set_durability(Durability::None)?;
    }
    {
        let mut table = transaction.open_table(EVENTS)?;
        for (url, number, row) in &change.put {
            let text = serde_json::to_vec(row).map_err(io::Error::other)?;
            table.insert((url.as_str(), *number), text.as_slice())?;
        }
        for (url, number) in change.delivered.iter().chain(&change.given_up) {
            table.remove((url.as_str(), *number))?;
        }
    }
    transaction.commit()?;
    Ok(())
}

/// A spool that nothing is in yet.
#[cfg(test)]
pub(super) fn empty() -> Vec<u8> {
    store::cut::made(|database| {
        let transaction = database.begin_write().expect("begun");
        transaction.open_table(EVENTS).expect("made");
        transaction.commit().expect("written");
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::store::cut::{Backend, cut_everywhere, open};

    /// Events that were written, those that were delivered, and what was under way when the power went.
    #[derive(Debug, Default)]
    struct Told {
        kept: BTreeSet<u64>,
        /// Whether that is on the disk nobody waits for: they may come once more.
        delivered: BTreeSet<u64>,
        doubtful: BTreeSet<u64>,
    }

    fn event(number: u64) -> (String, u64, Row) {
        let url = format!("https://{}.example.com/", number % 2);
        let id = format!("msg_{number}");
        (url, number, Row { id, unix_micros: number, body: "x".repeat(40) })
    }

    /// Keeps twelve events, some together, and delivers every third.
    fn live(disk: &Backend) -> Told {
        let mut told = Told::default();
        let Ok(database) = open(disk) else { return told };
        let mut spool = Spool::on(database);
        for numbers in [0..1, 1..4, 4..5, 5..9, 9..12] {
            let put = numbers.clone().map(event).collect();
            if spool.write(&Change { put, ..Change::default() }).is_err() {
                told.doubtful.extend(numbers);
                return told;
            }
            told.kept.extend(numbers.clone());
            let over: Vec<u64> = numbers.filter(|number| number % 3 == 0).collect();
            told.delivered.extend(&over);
            let delivered = over.into_iter().map(|number| (event(number).0, number)).collect();
            if spool.write(&Change { delivered, ..Change::default() }).is_err() {
                return told;
            }
        }
        told
    }

    fn check(disk: &Backend, told: &Told, what: &str) {
        let database = open(disk).unwrap_or_else(|error| panic!("{what}: not opened: {error}"));
        let mut spool = Spool::on(database);
        let waiting = spool.read_all().unwrap_or_else(|error| panic!("{what}: {error}"));
        let mut found = BTreeSet::new();
        for (url, waiting) in &waiting {
            assert!(waiting.iter().is_sorted_by_key(|it| it.number), "{what}: out of order");
            for number in waiting.iter().map(|it| it.number) {
                let (its, _, row) = event(number);
                let read = spool.read(url, number).expect("read");
                assert_eq!((url, read), (&its, Some(row)), "{what}: {number}");
                found.insert(number);
            }
        }
        let must = told.kept.difference(&told.delivered);
        assert!(must.clone().all(|it| found.contains(it)), "{what}: {found:?} of {told:?}");
        let may = |it: &u64| told.kept.contains(it) || told.doubtful.contains(it);
        assert!(found.iter().all(may), "{what}: {found:?} of {told:?}");
        // What was handed over together is there together.
        let doubtful = told.doubtful.iter().filter(|it| found.contains(*it)).count();
        assert!(doubtful == 0 || doubtful == told.doubtful.len(), "{what}: {found:?}");
    }

    /// What is in the spool is posted at least once: a cut at any write takes nothing away that was kept and not delivered.
    #[test]
    fn a_cut_at_every_write_loses_no_event_that_was_kept() {
        let whole = live(&Backend::of(empty(), None));
        assert_eq!((whole.kept.len(), whole.delivered.len()), (12, 4));
        cut_everywhere(&empty(), live, check);
    }

    /// The checker must see an event that is counted on before it is on the disk.
    #[test]
    fn canary_spool_that_counts_on_what_is_not_written_is_caught() {
        let whole = Backend::of(empty(), None);
        live(&whole);
        let is_lost = (0..whole.operations()).any(|cut| {
            let disk = Backend::of(empty(), Some(cut));
            let mut told = live(&disk);
            let early = std::mem::take(&mut told.doubtful);
            told.kept.extend(early);
            let left = Backend::of(disk.safe(), None);
            std::panic::catch_unwind(|| check(&left, &told, "counted on too early")).is_err()
        });
        assert!(is_lost);
    }

    /// What was given up is not given up and counted again after each cut; what was delivered comes once more at most until the
    /// disk has settled.
    #[test]
    fn what_was_given_up_does_not_come_back_nor_what_was_delivered_and_settled() {
        let disk = Backend::of(empty(), None);
        let mut spool = Spool::on(open(&disk).expect("opened"));
        let left = || {
            let after = Backend::of(disk.safe(), None);
            let waiting = Spool::on(open(&after).expect("opened")).read_all().expect("read");
            let mut numbers: Vec<u64> = waiting.values().flatten().map(|it| it.number).collect();
            numbers.sort_unstable();
            numbers
        };
        let key = |number| (event(number).0, number);
        let put = (0..4).map(event).collect();
        spool.write(&Change { put, ..Change::default() }).expect("written");
        let given_up = vec![key(0)];
        spool.write(&Change { given_up, ..Change::default() }).expect("written");
        assert_eq!((left(), spool.is_unsettled()), (vec![1, 2, 3], false));
        let delivered = vec![key(1)];
        spool.write(&Change { delivered, ..Change::default() }).expect("written");
        assert_eq!((left(), spool.is_unsettled()), (vec![1, 2, 3], true), "nobody waits for it");
        spool.settle().expect("written");
        assert_eq!((left(), spool.is_unsettled()), (vec![2, 3], false));
    }

    #[test]
    fn what_was_put_is_there_in_order_after_the_next_start_and_what_was_removed_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut spool, none) = Spool::open(folder.path()).expect("made");
        assert!(none.is_empty());
        let row = |body: &str| Row { id: "i".to_owned(), unix_micros: 7, body: body.to_owned() };
        let put = |url: &str, number, body| (url.to_owned(), number, row(body));
        let put = vec![
            put("a", 300, "third"),
            put("a", 2, "first"),
            put("b", 1, "b"),
            put("a", 3, "second"),
        ];
        spool.write(&Change { put, ..Change::default() }).expect("written");
        let delivered = vec![("a".to_owned(), 2)];
        spool.write(&Change { delivered, ..Change::default() }).expect("written");
        let mut read = |number| spool.read("a", number).expect("read");
        assert_eq!((read(2), read(3)), (None, Some(row("second"))));
        drop(spool);
        let (mut spool, waiting) = Spool::open(folder.path()).expect("opened");
        let numbers = |url: &str| waiting[url].iter().map(|it| it.number).collect::<Vec<_>>();
        assert_eq!((numbers("a"), numbers("b")), (vec![3, 300], vec![1]));
        assert_eq!(spool.read("b", 1).expect("read"), Some(row("b")));
    }
}
