//! A dialog as it is written down.

use serde::{Deserialize, Serialize};

use super::Dialog;

/// The version written now. It rises with every change of [`Dialog`] that an older reader would
/// misunderstand.
pub const DIALOG_SNAPSHOT_VERSION: u16 = 1;

/// A dialog with the version of its form: to move it to another node, or to survive a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DialogSnapshot {
    /// [`DIALOG_SNAPSHOT_VERSION`] when it was written.
    pub version: u16,
    /// The dialog.
    pub dialog: Dialog,
}

/// Why a snapshot makes no dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum SnapshotError {
    #[error("snapshot has version {got}, this program reads {expected}")]
    Version { got: u16, expected: u16 },
}

impl DialogSnapshot {
    /// Writes a dialog down.
    pub fn of(dialog: &Dialog) -> Self {
        Self { version: DIALOG_SNAPSHOT_VERSION, dialog: dialog.clone() }
    }

    /// Makes the dialog again.
    ///
    /// # Errors
    /// The snapshot is of another version.
    pub fn restore(self) -> Result<Dialog, SnapshotError> {
        if self.version == DIALOG_SNAPSHOT_VERSION {
            Ok(self.dialog)
        } else {
            Err(SnapshotError::Version { got: self.version, expected: DIALOG_SNAPSHOT_VERSION })
        }
    }
}
