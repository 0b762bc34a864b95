//! A file of entries for people to edit too: one a line, with empty lines and comments that stay as they are.

use std::fmt;
use std::io;
use std::path::Path;

/// The lines of a file, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LineFile<T>(Vec<Line<T>>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Line<T> {
    /// Empty, or a comment.
    Words(String),
    Entry(T),
}

/// The text of a file, or why there is none, in words.
pub(crate) fn read_text(path: &Path) -> Result<String, &'static str> {
    std::fs::read_to_string(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "there is no such file",
        io::ErrorKind::PermissionDenied => "this file may not be read by us",
        io::ErrorKind::InvalidData => "this is no text",
        _ => "this file cannot be read",
    })
}

impl<T> LineFile<T> {
    /// Reads each line that is neither empty nor a comment by `entry`.
    ///
    /// # Errors
    /// What `entry` says, with the number of the line, from 1.
    pub(crate) fn parse<E>(
        text: &str,
        mut entry: impl FnMut(&str) -> Result<T, E>,
    ) -> Result<Self, (usize, E)> {
        let lines = text.lines().zip(1..).map(|(line, number)| {
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with('#') {
                return Ok(Line::Words(line.to_owned()));
            }
            entry(trimmed).map(Line::Entry).map_err(|problem| (number, problem))
        });
        lines.collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &T> {
        self.0.iter().filter_map(|line| match line {
            Line::Entry(entry) => Some(entry),
            Line::Words(_) => None,
        })
    }

    pub(crate) fn entries_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut().filter_map(|line| match line {
            Line::Entry(entry) => Some(entry),
            Line::Words(_) => None,
        })
    }

    /// One more, at the end.
    pub(crate) fn push(&mut self, entry: T) {
        self.0.push(Line::Entry(entry));
    }

    /// Takes out those that are it. Whether there was one.
    pub(crate) fn remove(&mut self, is_it: impl Fn(&T) -> bool) -> bool {
        let before = self.0.len();
        self.0.retain(|line| match line {
            Line::Entry(entry) => !is_it(entry),
            Line::Words(_) => true,
        });
        self.0.len() < before
    }
}

impl<T> Default for LineFile<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: fmt::Display> fmt::Display for LineFile<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.0 {
            match line {
                Line::Words(words) => writeln!(f, "{words}")?,
                Line::Entry(entry) => writeln!(f, "{entry}")?,
            }
        }
        Ok(())
    }
}
