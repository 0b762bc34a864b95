//! What outlives the process, on the disk: an embedded database, written by a thread of its own.
//!
//! What waits when the thread looks is written in one transaction; each change is answered when that is on the disk. A
//! cut at any write leaves what was answered before, whole.

mod reopened;
mod sealing;

use std::fs::{OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use node::{StoreChange, StoredConference, StoredKey};
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

pub(crate) use self::reopened::Reopened;

/// A table of the store: JSON by identity.
type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// The rows of one.
type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// The conferences by identity, each as JSON.
const CONFERENCES: Table = TableDefinition::new("conferences");

/// What was made under idempotency keys, by the identity of asker and key, each as JSON.
const KEYS: Table = TableDefinition::new("keys");

const FILE: &str = "convoke.redb";

/// Who may do what with it: its owner reads and writes.
const OWNERS: u32 = 0o600;

/// Changes that wait for the disk. A disk takes hundreds of transactions a second, each with all that waits; when so
/// many wait it has stopped, and more are refused.
const WAITING_MAX: usize = 4_096;

/// Pages that the database keeps in memory: all of it, as a rule.
const CACHE_BYTES: usize = 4 << 20;

/// Why the store cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum StoreError {
    #[error("{path}: {why}; does another server use this folder?")]
    Open { path: String, why: String },
}

/// The number of a change, and whether it is on the disk.
pub(crate) type Answer = (u64, bool);

/// What is in the store: conferences, and what was made under keys.
pub(crate) type Kept = (Vec<StoredConference>, Vec<StoredKey>);

/// The store, as the loop sees it.
pub(crate) struct Store {
    changes: Option<SyncSender<(u64, StoreChange)>>,
    thread: Option<JoinHandle<()>>,
}

impl Store {
    /// Opens the store of a state folder, or makes it; gives what is in it, and where its answers come. `key` is that of
    /// the prints of PINs.
    pub(crate) fn open(
        folder: &Path,
        key: &[u8; 32],
    ) -> Result<(Self, Kept, mpsc::UnboundedReceiver<Answer>), StoreError> {
        let path = folder.join(FILE);
        let failed = |why: String| StoreError::Open { path: path.display().to_string(), why };
        let opened = database(&path).and_then(|database| sealing::sealed(&path, database, key));
        let database = opened.map_err(|error| failed(error.to_string()))?;
        let read_all = || Ok((read(&database, CONFERENCES)?, read(&database, KEYS)?));
        let kept = read_all().map_err(|error: redb::Error| failed(error.to_string()))?;
        let again = path.clone();
        let database = Reopened::new(database, move || self::database(&again));
        let (changes, receiver) = sync_channel(WAITING_MAX);
        // Bounded by the changes that wait.
        let (answers, answered) = mpsc::unbounded_channel();
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || write_all(database, &receiver, &answers))
            .map_err(|error| failed(error.to_string()))?;
        Ok((Self { changes: Some(changes), thread: Some(thread) }, kept, answered))
    }

    /// Hands a change over. Whether it was taken; then its answer comes.
    pub(crate) fn change(&self, ticket: u64, change: StoreChange) -> bool {
        let Some(changes) = &self.changes else { return false };
        match changes.try_send((ticket, change)) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }
}

impl Drop for Store {
    /// Waits until all that was handed over is on the disk.
    fn drop(&mut self) {
        self.changes = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The database in this file, which is made if there is none. Only its owner reads it: conference URIs are ways in.
pub(crate) fn database(path: &Path) -> Result<Database, redb::Error> {
    if path.exists() {
        // One of an earlier version may let others in, where they are let into the folder. A wish: it may be somebody else's.
        let _ = std::fs::set_permissions(path, Permissions::from_mode(OWNERS));
    } else {
        create(path, &[])?;
    }
    Ok(Database::builder().set_cache_size(CACHE_BYTES).open(path)?)
}

/// Makes a database with these rows, under another name first: one that was cut while it was made could never be opened
/// again. It takes the place of one that there is.
fn create(path: &Path, tables: &[(Table, Rows)]) -> Result<(), redb::Error> {
    let part = path.with_extension("part");
    match std::fs::remove_file(&part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        Ok(()) | Err(_) => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(OWNERS).open(&part)?;
    let database = Database::create(&part)?;
    let transaction = database.begin_write()?;
    for (table, rows) in tables {
        let mut table = transaction.open_table(*table)?;
        for (id, row) in rows {
            table.insert(id.as_slice(), row.as_slice())?;
        }
    }
    transaction.commit()?;
    drop(database);
    std::fs::rename(&part, path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    Ok(std::fs::File::open(folder)?.sync_all()?)
}

fn write_all(
    mut database: Reopened,
    changes: &Receiver<(u64, StoreChange)>,
    answers: &mpsc::UnboundedSender<Answer>,
) {
    while let Ok(first) = changes.recv() {
        let batch: Vec<(u64, StoreChange)> =
            std::iter::once(first).chain(changes.try_iter().take(WAITING_MAX)).collect();
        let changes = batch.iter().map(|(_, change)| change);
        let written = database.with(|database| write(database, changes));
        if let Err(error) = &written {
            tracing::error!(%error, "the store cannot be written");
        }
        for (ticket, _) in batch {
            // With the loop gone nobody waits.
            let _ = answers.send((ticket, written.is_ok()));
        }
    }
}

/// Writes changes in one transaction; when it returns they are on the disk.
fn write<'a>(
    database: &Database,
    changes: impl Iterator<Item = &'a StoreChange>,
) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(CONFERENCES)?;
        let mut keys = transaction.open_table(KEYS)?;
        for change in changes {
            match change {
                StoreChange::Put(stored) => put(&mut table, stored.id, stored)?,
                StoreChange::Remove(id) => {
                    table.remove(id.0.as_slice())?;
                }
                StoreChange::PutMade(stored, key) => {
                    put(&mut table, stored.id, stored)?;
                    put(&mut keys, key.id, key)?;
                }
                StoreChange::RemoveKey(id) => {
                    keys.remove(id.0.as_slice())?;
                }
            }
        }
    }
    transaction.commit()?;
    Ok(())
}

/// Puts a row, in the place of the one that has its identity.
fn put(
    table: &mut redb::Table<'_, &'static [u8], &'static [u8]>,
    id: pool::ConferenceId,
    row: &impl Serialize,
) -> Result<(), redb::Error> {
    let text = serde_json::to_vec(row).map_err(io::Error::other)?;
    table.insert(id.0.as_slice(), text.as_slice())?;
    Ok(())
}

/// All that a table keeps. What cannot be read, of a later version perhaps, is left where it is.
fn read<T: DeserializeOwned>(database: &Database, table: Table) -> Result<Vec<T>, redb::Error> {
    let mut kept = Vec::new();
    for (_, row) in rows(database, table)? {
        match serde_json::from_slice(&row) {
            Ok(stored) => kept.push(stored),
            Err(error) => tracing::warn!(%error, "a row of the store cannot be read"),
        }
    }
    Ok(kept)
}

/// A table as it is.
fn rows(database: &Database, table: Table) -> Result<Rows, redb::Error> {
    let transaction = database.begin_read()?;
    let table = match transaction.open_table(table) {
        Ok(table) => table,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut rows = Vec::new();
    for row in table.iter()? {
        let (id, value) = row?;
        rows.push((id.value().to_vec(), value.value().to_vec()));
    }
    Ok(rows)
}

#[cfg(test)]
pub(crate) mod cut;
#[cfg(test)]
mod old;
#[cfg(test)]
mod tests;
