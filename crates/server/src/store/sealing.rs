//! Stores of earlier versions had PINs in them as they are keyed. Such a store is written anew, with their prints, into
//! another file, which then takes its place: what is only overwritten stays in a database's file for long.

use std::path::Path;

use focus::{Pin, PinSalt};
use redb::Database;
use serde_json::Value;

use super::{CONFERENCES, KEYS, Table, create, database, rows};

/// Where a PIN may stand in a row of the conferences, and of the keys.
const PLACES: [(Table, [&str; 2]); 2] = [
    (CONFERENCES, ["/policy/entry/pin", "/policy/entry/moderator_pin"]),
    (KEYS, ["/asked/pin", "/asked/moderator_pin"]),
];

/// The same store without readable PINs. A cut at any point leaves the one or the other.
pub(super) fn sealed(
    path: &Path,
    found: Database,
    key: &[u8; 32],
) -> Result<Database, redb::Error> {
    let mut all = Vec::new();
    let mut count = 0;
    for (table, places) in PLACES {
        let mut found_rows = rows(&found, table)?;
        for (id, row) in &mut found_rows {
            if let Some(sealed) = seal(key, id, row, places) {
                *row = sealed;
                count += 1;
            }
        }
        all.push((table, found_rows));
    }
    if count == 0 {
        return Ok(found);
    }
    // It is locked while it is open.
    drop(found);
    create(path, &all)?;
    tracing::info!(
        count,
        "the store kept PINs as they are keyed: it was written anew without them"
    );
    database(path)
}

/// The same row with prints in the place of PINs; `None`: it has none. What cannot be read is left as it is.
fn seal(key: &[u8; 32], id: &[u8], row: &[u8], places: [&str; 2]) -> Option<Vec<u8>> {
    let mut value: Value = serde_json::from_slice(row).ok()?;
    let salt = PinSalt(id.try_into().ok()?);
    let mut is_changed = false;
    for place in places {
        let Some(found) = value.pointer_mut(place) else { continue };
        if let Some(pin) = found.as_str().and_then(|text| text.parse::<Pin>().ok()) {
            *found = Value::String(pin.print(key, salt).into());
            is_changed = true;
        }
    }
    if is_changed { serde_json::to_vec(&value).ok() } else { None }
}
