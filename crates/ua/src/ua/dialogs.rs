//! The dialogs of one user agent, and how many usages each has.
//!
//! A call and the subscription that a REFER inside it makes share one dialog (RFC 5057 §2), which
//! lasts until the last of them is gone: a phone may hang up right after its REFER was accepted, and
//! still wants the NOTIFY.

use std::collections::BTreeMap;

use sip::{Dialog, Essentials, Request};

/// Names a dialog in [`Dialogs`]; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DialogKey(u64);

/// All dialogs. Bounded by what uses them: calls, referrals, references and the requests that end
/// them, each of which has its own limit.
#[derive(Debug, Default)]
pub(super) struct Dialogs {
    next: u64,
    entries: BTreeMap<DialogKey, Entry>,
}

#[derive(Debug)]
struct Entry {
    dialog: Dialog,
    usages: u32,
    refers_sent: u32,
    refers_received: u32,
}

impl Dialogs {
    /// Keeps a dialog for one usage.
    pub(super) fn insert(&mut self, dialog: Dialog) -> DialogKey {
        let key = DialogKey(self.next);
        self.next += 1;
        let entry = Entry { dialog, usages: 1, refers_sent: 0, refers_received: 0 };
        self.entries.insert(key, entry);
        key
    }

    /// One more usage.
    pub(super) fn share(&mut self, key: DialogKey) -> DialogKey {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.usages += 1;
        }
        key
    }

    /// One usage less; the last takes the dialog with it.
    pub(super) fn release(&mut self, key: DialogKey) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.usages -= 1;
            if entry.usages == 0 {
                self.entries.remove(&key);
            }
        }
    }

    pub(super) fn get(&self, key: DialogKey) -> Option<&Dialog> {
        self.entries.get(&key).map(|entry| &entry.dialog)
    }

    pub(super) fn get_mut(&mut self, key: DialogKey) -> Option<&mut Dialog> {
        self.entries.get_mut(&key).map(|entry| &mut entry.dialog)
    }

    /// The dialog that a request of the peer's belongs to: our tag is in To, the peer's in From
    /// (RFC 3261 §12.2.2).
    pub(super) fn of_request(&self, essentials: &Essentials) -> Option<DialogKey> {
        let local_tag = essentials.to.tag()?;
        let remote_tag = essentials.from.tag().unwrap_or_default();
        let its = |entry: &Entry| {
            let id = &entry.dialog.id;
            id.call_id == essentials.call_id
                && id.local_tag == local_tag
                && id.remote_tag == remote_tag
        };
        self.entries.iter().find(|(_, entry)| its(entry)).map(|(key, _)| *key)
    }

    /// The dialog that a request of ours belongs to: our tag is in From, the peer's in To.
    pub(super) fn of_own(&self, request: &Request) -> Option<DialogKey> {
        let headers = &request.headers;
        let (call_id, from, to) =
            (headers.call_id().ok()?, headers.from_().ok()?, headers.to().ok()?);
        let remote_tag = to.tag()?;
        let its = |entry: &Entry| {
            let id = &entry.dialog.id;
            id.call_id == call_id
                && Some(id.local_tag.as_str()) == from.tag()
                && id.remote_tag == remote_tag
        };
        self.entries.iter().find(|(_, entry)| its(entry)).map(|(key, _)| *key)
    }

    /// Counts a REFER that we send in it; the number of those before.
    pub(super) fn count_sent_refer(&mut self, key: DialogKey) -> u32 {
        self.entries.get_mut(&key).map_or(0, |entry| {
            entry.refers_sent += 1;
            entry.refers_sent - 1
        })
    }

    /// Counts a REFER that came in it; the number of those before.
    pub(super) fn count_received_refer(&mut self, key: DialogKey) -> u32 {
        self.entries.get_mut(&key).map_or(0, |entry| {
            entry.refers_received += 1;
            entry.refers_received - 1
        })
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.entries.len()
    }
}
