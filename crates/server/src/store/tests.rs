//! What was answered is on the disk, wherever the power goes.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use node::StoredState;
use pool::{Codec, ConferenceId};
use redb::StorageBackend;
use units::{Rng, UnixTime};

use super::*;

fn stored(number: u8) -> StoredConference {
    StoredConference {
        id: ConferenceId([number; 10]),
        uri: format!("sip:conf-{number}@127.0.0.1"),
        factory: "sip:conference@127.0.0.1".to_owned(),
        activate_by: UnixTime(1_800_000_000),
        creator: None,
        tenant: "acme".to_owned(),
        state: StoredState::Reserved {
            legs: 50,
            codec: Codec::Pcmu,
            ptime_ms: 20,
            from: UnixTime(1_795_500_000),
            until: UnixTime(1_795_503_600),
        },
        policy: None,
    }
}

fn put(number: u8) -> StoreChange {
    StoreChange::Put(Box::new(stored(number)))
}

/// A disk that loses power at one of its operations.
#[derive(Debug, Default)]
struct Disk {
    /// What was written, in order, since the last time that all was made safe.
    unsafe_writes: Vec<Write>,
    /// What no cut takes away.
    safe: Vec<u8>,
    /// What the database sees.
    seen: Vec<u8>,
    /// Operations that change something, so far.
    operations: usize,
    /// The operation that does not happen any more, nor any after it.
    cut_at: Option<usize>,
}

#[derive(Clone, Debug)]
enum Write {
    Bytes(usize, Vec<u8>),
    Len(usize),
}

impl Write {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Self::Len(len) => image.resize(*len, 0),
            Self::Bytes(at, bytes) => {
                if image.len() < at + bytes.len() {
                    image.resize(at + bytes.len(), 0);
                }
                image[*at..at + bytes.len()].copy_from_slice(bytes);
            }
        }
    }
}

impl Disk {
    fn of(image: Vec<u8>, cut_at: Option<usize>) -> Self {
        Self { safe: image.clone(), seen: image, cut_at, ..Self::default() }
    }

    fn operation(&mut self) -> io::Result<()> {
        if self.cut_at == Some(self.operations) {
            return Err(io::Error::other("the power is gone"));
        }
        self.operations += 1;
        Ok(())
    }

    fn write(&mut self, write: Write) -> io::Result<()> {
        self.operation()?;
        write.apply(&mut self.seen);
        self.unsafe_writes.push(write);
        Ok(())
    }

    /// What is found on the disk after the cut: all that was made safe, and of the rest what chance has let through,
    /// the last of it torn.
    fn after_the_cut(&self, rng: &mut Rng, survives: u64) -> Vec<u8> {
        let mut image = self.safe.clone();
        for write in &self.unsafe_writes {
            if rng.below(100) < survives {
                write.apply(&mut image);
            } else if let Write::Bytes(at, bytes) = write
                && survives > 0
            {
                let torn = usize::try_from(rng.below(bytes.len() as u64 + 1)).expect("small");
                Write::Bytes(*at, bytes[..torn].to_vec()).apply(&mut image);
            }
        }
        image
    }
}

#[derive(Clone, Debug)]
struct Backend(Arc<Mutex<Disk>>);

impl Backend {
    fn disk(&self) -> std::sync::MutexGuard<'_, Disk> {
        self.0.lock().expect("no test panics with it")
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let disk = self.disk();
        let at = usize::try_from(offset).expect("small");
        let bytes = disk.seen.get(at..at + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk().write(Write::Len(usize::try_from(len).expect("small")))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.disk();
        disk.operation()?;
        disk.safe = disk.seen.clone();
        disk.unsafe_writes.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.disk().write(Write::Bytes(usize::try_from(offset).expect("small"), data.to_vec()))
    }
}

fn open(disk: &Backend) -> Result<Database, redb::DatabaseError> {
    Database::builder().set_cache_size(1 << 20).create_with_backend(disk.clone())
}

/// What was done, as far as it was answered.
#[derive(Debug, Default)]
struct Answered {
    put: BTreeSet<u8>,
    removed: BTreeSet<u8>,
    /// What was under way when the power went: it may be there or not.
    doubtful: Option<u8>,
}

/// Makes ten reservations and gives up every third, until the power goes.
fn live(disk: &Backend) -> Answered {
    let mut answered = Answered::default();
    let Ok(database) = open(disk) else { return answered };
    for number in 0..10 {
        if write(&database, [put(number)].iter()).is_err() {
            answered.doubtful = Some(number);
            return answered;
        }
        answered.put.insert(number);
        if number % 3 == 2 {
            let remove = StoreChange::Remove(ConferenceId([number - 1; 10]));
            if write(&database, [remove].iter()).is_err() {
                answered.doubtful = Some(number - 1);
                return answered;
            }
            answered.put.remove(&(number - 1));
            answered.removed.insert(number - 1);
        }
    }
    answered
}

fn check(disk: &Backend, answered: &Answered, what: &str) {
    let database = open(disk).unwrap_or_else(|error| panic!("{what}: cannot be opened: {error}"));
    let kept = read::<StoredConference>(&database, CONFERENCES);
    let kept = kept.unwrap_or_else(|error| panic!("{what}: cannot be read: {error}"));
    let mut found: BTreeSet<u8> = kept.iter().map(|it| it.id.0[0]).collect();
    assert!(kept.iter().all(|it| *it == stored(it.id.0[0])), "{what}: not as it was put");
    let mut expected = answered.put.clone();
    if let Some(doubtful) = answered.doubtful {
        found.remove(&doubtful);
        expected.remove(&doubtful);
    }
    assert_eq!(found, expected, "{what}: {answered:?}");
    assert!(answered.removed.is_disjoint(&found), "{what}");
}

/// A database that nothing is in yet: it is made under another name, so that no cut finds it half made.
fn made() -> Vec<u8> {
    let disk = Backend(Arc::new(Mutex::new(Disk::default())));
    let database = open(&disk).expect("made");
    write(&database, std::iter::empty()).expect("written");
    drop(database);
    disk.disk().seen.clone()
}

/// Operations of a life without a cut.
fn operations() -> usize {
    let disk = Backend(Arc::new(Mutex::new(Disk::of(made(), None))));
    let answered = live(&disk);
    assert_eq!((answered.put.len(), answered.removed.len()), (7, 3));
    disk.disk().operations
}

/// kill -9 at every write: what the process had written is there, what it had not is not.
#[test]
fn kill_at_every_write_loses_nothing_that_was_answered() {
    for cut in 0..operations() {
        let disk = Backend(Arc::new(Mutex::new(Disk::of(made(), Some(cut)))));
        let answered = live(&disk);
        let image = disk.disk().seen.clone();
        let again = Backend(Arc::new(Mutex::new(Disk::of(image, None))));
        check(&again, &answered, &format!("killed at operation {cut}"));
    }
}

/// The power goes at every write: of what was not made safe any part may be there, torn.
#[test]
fn power_cut_at_every_write_loses_nothing_that_was_answered() {
    let mut rng = Rng::from_number(5);
    for cut in 0..operations() {
        for survives in [0, 50] {
            let disk = Backend(Arc::new(Mutex::new(Disk::of(made(), Some(cut)))));
            let answered = live(&disk);
            let image = disk.disk().after_the_cut(&mut rng, survives);
            let again = Backend(Arc::new(Mutex::new(Disk::of(image, None))));
            check(&again, &answered, &format!("power cut at operation {cut}, {survives} %"));
        }
    }
}

/// The checker must see a store that answers before it is on the disk.
#[test]
fn canary_store_that_answers_too_early_is_caught() {
    let total = operations();
    let lost = (0..total).any(|cut| {
        let disk = Backend(Arc::new(Mutex::new(Disk::of(made(), Some(cut)))));
        let mut answered = live(&disk);
        if let Some(doubtful) = answered.doubtful.take() {
            answered.put.insert(doubtful); // it was said to be kept
        }
        let image = disk.disk().safe.clone();
        let again = Backend(Arc::new(Mutex::new(Disk::of(image, None))));
        let Ok(database) = open(&again) else { return false };
        let kept: Vec<StoredConference> = read(&database, CONFERENCES).unwrap_or_default();
        let found: BTreeSet<u8> = kept.iter().map(|it| it.id.0[0]).collect();
        answered.put.iter().any(|number| !found.contains(number))
    });
    assert!(lost);
}

#[test]
fn what_was_kept_is_there_when_it_is_opened_again() {
    let folder = tempfile::tempdir().expect("a folder");
    // A process before this one was killed while it made the database.
    std::fs::write(folder.path().join("convoke.part"), "half of it").expect("written");
    let (store, kept, mut answers) = Store::open(folder.path()).expect("opened");
    assert_eq!(kept, (vec![], vec![]));
    for number in 0..4_u8 {
        assert!(store.change(number.into(), put(number)));
    }
    assert!(store.change(9, StoreChange::Remove(ConferenceId([2; 10]))));
    drop(store);
    let answered: Vec<Answer> = std::iter::from_fn(|| answers.try_recv().ok()).collect();
    assert_eq!(answered, [(0, true), (1, true), (2, true), (3, true), (9, true)]);
    let (_store, kept, _answers) = Store::open(folder.path()).expect("opened again");
    assert_eq!(kept, ([0, 1, 3].map(stored).into(), vec![]));
    assert!(Store::open(folder.path()).is_err(), "two servers would write over each other");
}
