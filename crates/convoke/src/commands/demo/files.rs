//! What the three say and hear, as files.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::Who;
use super::heard::Heard;

/// The folder asked for, or a new one that nobody else has.
pub(super) fn folder(asked: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(folder) = asked {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        return Ok(folder.to_owned());
    }
    const TRIES_MAX: u32 = 100;
    let base = std::env::temp_dir();
    let mut last = None;
    for number in 0..TRIES_MAX {
        let folder = base.join(format!("convoke-demo-{}-{number}", std::process::id()));
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) => last = Some(error),
        }
    }
    let why = last.map(|error| error.to_string()).unwrap_or_default();
    bail!("cannot make a folder in {}: {why}; name one with --out", base.display())
}

pub(super) fn says(folder: &Path, who: Who) -> PathBuf {
    folder.join(format!("{}-says.wav", who.name()))
}

pub(super) fn hears(folder: &Path, who: Who) -> PathBuf {
    folder.join(format!("{}-hears.wav", who.name()))
}

/// Writes down what each shall say.
pub(super) fn write_speeches(folder: &Path) -> anyhow::Result<()> {
    for who in Who::SPEAKERS {
        let path = says(folder, who);
        fs::write(&path, who.speech())
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// What each has heard so far.
pub(super) fn listen(folder: &Path) -> anyhow::Result<Vec<Heard>> {
    let listen = |listener| Heard::listen(listener, &hears(folder, listener));
    Who::SPEAKERS.into_iter().map(listen).collect()
}
