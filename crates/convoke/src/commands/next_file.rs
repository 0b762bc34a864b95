//! A file of secrets that is changed as a whole.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The file that is about to take the place of another; goes away if it does not.
pub(super) struct NextFile<'a> {
    path: &'a Path,
    next: PathBuf,
    file: File,
    is_in_place: bool,
}

impl<'a> NextFile<'a> {
    pub(super) fn create(path: &'a Path) -> anyhow::Result<Self> {
        let mut next = path.as_os_str().to_owned();
        next.push(".new");
        let next = PathBuf::from(next);
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&next);
        let file = made.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => anyhow::anyhow!(
                "{0} is there: somebody else changes the file now, or was broken off: then remove {0}",
                next.display()
            ),
            _ => anyhow::anyhow!("cannot write {}: {error}", next.display()),
        })?;
        Ok(Self { path, next, file, is_in_place: false })
    }

    pub(super) fn replace(mut self, text: &str) -> anyhow::Result<()> {
        let failed = || format!("cannot write {}", self.next.display());
        if let Ok(before) = fs::metadata(self.path) {
            let mine = self.file.metadata().with_context(failed)?;
            // A server that could read the old one has to be able to read the new one.
            if (before.uid(), before.gid()) != (mine.uid(), mine.gid()) {
                fchown(&self.file, Some(before.uid()), Some(before.gid())).with_context(|| {
                    format!("{} belongs to somebody else: change it as he", self.path.display())
                })?;
            }
        }
        self.file
            .write_all(text.as_bytes())
            .and_then(|()| self.file.sync_all())
            .and_then(|()| fs::rename(&self.next, self.path))
            .with_context(|| format!("cannot write {}", self.path.display()))?;
        self.is_in_place = true;
        Ok(())
    }
}

impl Drop for NextFile<'_> {
    fn drop(&mut self) {
        if !self.is_in_place {
            // What cannot be removed is told by the next change.
            let _ = fs::remove_file(&self.next);
        }
    }
}
