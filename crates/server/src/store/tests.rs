//! What was answered is on the disk, wherever the power goes.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;

use focus::{EndPolicy, Pin, PinSalt};
use node::{ConferenceView, NewConference, Stage, StoredState};
use pool::{Codec, ConferenceId};
use serde_json::{Value, json};
use units::UnixTime;

use super::cut::{Backend, cut_everywhere, made, open};
use super::*;

const KEY: [u8; 32] = [7; 32];

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
        began: None,
        wrong_pins: Vec::new(),
        inside: Vec::new(),
    }
}

fn put(number: u8) -> StoreChange {
    StoreChange::Put(Box::new(stored(number)))
}

/// What an idempotency key has made.
fn key(number: u8) -> StoredKey {
    let id = ConferenceId([number; 10]);
    let made = ConferenceView {
        id,
        uri: format!("sip:conf-{number}@127.0.0.1"),
        title: None,
        stage: Stage::Held,
        factory: "conference".to_owned(),
        tenant: Some("acme".to_owned()),
        seats: 4,
        max: None,
        max_time: None,
        ends_at: None,
        end: EndPolicy::LastLeaves,
        locked: false,
        pin: false,
        moderator_pin: false,
        lobby: false,
        participants: 0,
        since: UnixTime(1_795_500_000),
        hold_until: Some(UnixTime(1_795_500_060)),
    };
    StoredKey { id, at: UnixTime(1_795_500_000), asked: NewConference::default(), made }
}

/// What was done, as far as it was answered.
#[derive(Debug, Default)]
struct Answered {
    put: BTreeSet<u8>,
    removed: BTreeSet<u8>,
    /// What was under way when the power went: it may be there or not.
    doubtful: Option<u8>,
}

/// Makes ten conferences under keys and gives up every third, until the power goes.
fn live(disk: &Backend) -> Answered {
    let mut answered = Answered::default();
    let Ok(database) = open(disk) else { return answered };
    for number in 0..10 {
        let both = StoreChange::PutMade(Box::new(stored(number)), Box::new(key(number)));
        if write(&database, [both].iter()).is_err() {
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
    let keys = read::<StoredKey>(&database, KEYS);
    let keys = keys.unwrap_or_else(|error| panic!("{what}: keys cannot be read: {error}"));
    assert!(keys.iter().all(|it| *it == key(it.id.0[0])), "{what}: a key is not as it was put");
    let keys: BTreeSet<u8> = keys.iter().map(|it| it.id.0[0]).collect();
    let mut answered_keys = answered.put.union(&answered.removed);
    assert!(answered_keys.all(|number| keys.contains(number)), "{what}: {keys:?} {answered:?}");
    assert!(found.is_subset(&keys), "{what}: a conference without the key that made it: {keys:?}");
    let mut expected = answered.put.clone();
    if let Some(doubtful) = answered.doubtful {
        found.remove(&doubtful);
        expected.remove(&doubtful);
    }
    assert_eq!(found, expected, "{what}: {answered:?}");
    assert!(answered.removed.is_disjoint(&found), "{what}");
}

fn empty() -> Vec<u8> {
    made(|database| write(database, std::iter::empty()).expect("written"))
}

/// draft-ietf-httpapi-idempotency-key-header-07 §2.6: what was answered, a key with its conference too, is there after kill -9 and
/// after the power has gone, at whichever write.
#[test]
fn a_cut_at_every_write_loses_nothing_that_was_answered() {
    let whole = live(&Backend::of(empty(), None));
    assert_eq!((whole.put.len(), whole.removed.len()), (7, 3));
    cut_everywhere(&empty(), live, check);
}

/// The checker must see a store that answers before it is on the disk.
#[test]
fn canary_store_that_answers_too_early_is_caught() {
    let whole = Backend::of(empty(), None);
    live(&whole);
    let lost = (0..whole.operations()).any(|cut| {
        let disk = Backend::of(empty(), Some(cut));
        let mut answered = live(&disk);
        if let Some(doubtful) = answered.doubtful.take() {
            answered.put.insert(doubtful); // it was said to be kept
        }
        let left = Backend::of(disk.safe(), None);
        std::panic::catch_unwind(|| check(&left, &answered, "answered too early")).is_err()
    });
    assert!(lost);
}

#[test]
fn what_was_kept_is_there_when_it_is_opened_again() {
    let folder = tempfile::tempdir().expect("a folder");
    // A process before this one was killed while it made the database.
    std::fs::write(folder.path().join("convoke.part"), "half of it").expect("written");
    let (store, kept, mut answers) = Store::open(folder.path(), &KEY).expect("opened");
    assert_eq!(kept, (vec![], vec![]));
    for number in 0..4_u8 {
        assert!(store.change(number.into(), put(number)));
    }
    assert!(store.change(9, StoreChange::Remove(ConferenceId([2; 10]))));
    drop(store);
    let answered: Vec<Answer> = std::iter::from_fn(|| answers.try_recv().ok()).collect();
    assert_eq!(answered, [(0, true), (1, true), (2, true), (3, true), (9, true)]);
    let (_store, kept, _answers) = Store::open(folder.path(), &KEY).expect("opened again");
    assert_eq!(kept, ([0, 1, 3].map(stored).into(), vec![]));
    assert!(Store::open(folder.path(), &KEY).is_err(), "two servers would write over each other");
}

/// Whoever may look into the folder, which somebody else may have made.
#[test]
fn nobody_but_its_owner_reads_a_store_new_or_old() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(FILE);
    let mode = || std::fs::metadata(&path).expect("there").permissions().mode() & 0o777;
    drop(Store::open(folder.path(), &KEY).expect("made"));
    assert_eq!(mode(), 0o600);
    std::fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("changed");
    drop(Store::open(folder.path(), &KEY).expect("opened"));
    assert_eq!(mode(), 0o600);
}

/// A row as earlier versions wrote it, with its PINs in clear.
fn old_row(number: u8) -> Vec<u8> {
    let mut row = serde_json::to_value(stored(number)).expect("JSON");
    let fields = row.as_object_mut().expect("an object");
    fields.remove("began").expect("a new field");
    fields.remove("wrong_pins").expect("a new field");
    row["policy"] = json!({
        "title": "Board", "end": "last-leaves", "legs_max": null, "max_time": null,
        "entry": { "pin": GUESTS, "moderator_pin": MODERATORS, "lobby": true }, "is_locked": false,
    });
    serde_json::to_vec(&row).expect("text")
}

const GUESTS: &str = "471147114711";
const MODERATORS: &str = "800480048004";

/// What was asked for under a key, likewise; the rest of the row is not looked at here.
fn old_key() -> Vec<u8> {
    json!({ "asked": { "pin": GUESTS, "moderator_pin": null }, "made": {} }).to_string().into()
}

fn raw(folder: &Path, table: Table, number: u8) -> Value {
    let database = database(&folder.join(FILE)).expect("opened");
    let transaction = database.begin_read().expect("a view");
    let table = transaction.open_table(table).expect("there");
    let row = table.get([number; 10].as_slice()).expect("read").expect("a row");
    serde_json::from_slice(row.value()).expect("JSON")
}

/// What is kept in clear is sealed when an earlier version's store is opened, and nothing of it is left in the file.
#[test]
fn the_pins_of_an_old_store_are_sealed_and_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(FILE);
    let unreadable = (vec![3; 10], b"of a later version".to_vec());
    let conferences = vec![(vec![1; 10], old_row(1)), (vec![2; 10], old_row(2)), unreadable];
    create(&path, &[(CONFERENCES, conferences), (KEYS, vec![(vec![4; 10], old_key())])])
        .expect("made");
    let holds = |text: &str| {
        let bytes = std::fs::read(&path).expect("the file");
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    assert!(holds(GUESTS) && holds(MODERATORS));
    let (store, (kept, _), _answers) = Store::open(folder.path(), &KEY).expect("opened");
    drop(store);
    let print = |text: &str, number| {
        let pin: Pin = text.parse().expect("a PIN");
        serde_json::to_value(pin.print(&KEY, PinSalt([number; 10]))).expect("text")
    };
    assert_eq!(kept.len(), 2);
    for it in &kept {
        let entry = &serde_json::to_value(&it.policy).expect("JSON")["entry"];
        let number = it.id.0[0];
        assert_eq!(entry["pin"], print(GUESTS, number));
        assert_eq!(entry["moderator_pin"], print(MODERATORS, number));
        assert_eq!((&entry["lobby"], it.began, it.wrong_pins.len()), (&json!(true), None, 0));
    }
    assert_eq!(raw(folder.path(), KEYS, 4)["asked"]["pin"], print(GUESTS, 4));
    assert!(!holds(GUESTS) && !holds(MODERATORS), "not even where it was overwritten");
    assert!(holds("of a later version") && holds("hmac1:"));
    // Once is enough.
    let before = std::fs::metadata(&path).expect("the file").ino();
    let (_store, (again, _), _answers) = Store::open(folder.path(), &KEY).expect("opened again");
    assert_eq!(again, kept);
    assert_eq!(std::fs::metadata(&path).expect("the file").ino(), before);
}

/// A server that was killed between writing the new file and putting it in place begins again with the old one.
#[test]
fn a_cut_while_pins_are_sealed_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(FILE);
    create(&path, &[(CONFERENCES, vec![(vec![1; 10], old_row(1))])]).expect("made");
    std::fs::write(path.with_extension("part"), "half of it").expect("written");
    let (_store, (kept, _), _answers) = Store::open(folder.path(), &KEY).expect("opened");
    assert_eq!(kept.len(), 1);
}
