//! The header fields of a message: an ordered list, and typed readers over it.

mod error;
mod name;
mod typed;
mod value;

#[cfg(test)]
mod tests;

pub use error::HeaderError;
pub use name::{HeaderName, HeaderNameError};
pub use value::HeaderValue;

use crate::header::Via;

/// Holds the header fields of one message in their order. Fields we do not know are kept with their spelling and bytes.
///
/// Via, Route, Record-Route and Contact hold one value per field, whether they came as one comma-joined line or as
/// several lines (RFC 3261 §7.3.1 makes the two equal). Content-Length is not held: the body says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    fields: Vec<(HeaderName, HeaderValue)>,
}

impl Headers {
    /// Makes an empty list.
    pub const fn new() -> Self {
        Self { fields: Vec::new() }
    }

    pub(crate) fn with_capacity(fields: usize) -> Self {
        Self { fields: Vec::with_capacity(fields) }
    }

    /// Gives the first field of this name.
    pub fn get(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.fields.iter().find(|(found, _)| found == name).map(|(_, value)| value)
    }

    /// Gives the first field of this name, which is none that [`HeaderName`] has.
    pub(crate) fn get_other(&self, name: &str) -> Option<&HeaderValue> {
        let is_it = |found: &HeaderName| matches!(found, HeaderName::Other(found) if found.eq_ignore_ascii_case(name));
        self.fields.iter().find(|(found, _)| is_it(found)).map(|(_, value)| value)
    }

    /// Gives every field of this name, in order.
    pub fn all<'a, 'b>(
        &'a self,
        name: &'b HeaderName,
    ) -> impl Iterator<Item = &'a HeaderValue> + use<'a, 'b> {
        self.fields.iter().filter(move |(found, _)| found == name).map(|(_, value)| value)
    }

    /// Gives all fields in order.
    pub fn iter(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.fields.iter().map(|(name, value)| (name, value))
    }

    /// Counts the fields of this name.
    pub fn count(&self, name: &HeaderName) -> usize {
        self.all(name).count()
    }

    /// Counts all fields.
    pub const fn len(&self) -> usize {
        self.fields.len()
    }

    /// Says whether there is no field at all.
    pub const fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Adds a field at the end. Content-Length is ignored: the printer writes it.
    pub fn push(&mut self, name: HeaderName, value: impl Into<HeaderValue>) {
        if name != HeaderName::ContentLength {
            self.fields.push((name, value.into()));
        }
    }

    /// Adds a field before all others of its name (a new top Via, Route, Record-Route), else at the end.
    /// Our own Via goes to the very front.
    pub fn push_front(&mut self, name: HeaderName, value: impl Into<HeaderValue>) {
        let first = self.fields.iter().position(|(found, _)| *found == name);
        let at = first.unwrap_or(if name == HeaderName::Via { 0 } else { self.fields.len() });
        self.fields.insert(at, (name, value.into()));
    }

    /// Replaces all fields of this name by one, at the place of the first, else at the end.
    pub fn set(&mut self, name: HeaderName, value: impl Into<HeaderValue>) {
        match self.fields.iter().position(|(found, _)| *found == name) {
            Some(at) => {
                self.fields[at].1 = value.into();
                let mut index = 0;
                self.fields.retain(|(found, _)| {
                    index += 1;
                    index <= at + 1 || *found != name
                });
            }
            None => self.push(name, value),
        }
    }

    /// Replaces the first field of this name and leaves the others; adds it in front when there is none.
    pub fn set_first(&mut self, name: HeaderName, value: impl Into<HeaderValue>) {
        match self.fields.iter_mut().find(|(found, _)| *found == name) {
            Some(field) => field.1 = value.into(),
            None => self.push_front(name, value),
        }
    }

    /// Replaces the topmost Via, as one does who adds `received` and `rport` to it (RFC 3261 §18.2.1).
    pub fn set_top_via(&mut self, via: &Via) {
        self.set_first(HeaderName::Via, via.text());
    }

    /// Removes all fields of this name and says how many there were.
    pub fn remove(&mut self, name: &HeaderName) -> usize {
        let before = self.fields.len();
        self.fields.retain(|(found, _)| found != name);
        before - self.fields.len()
    }

    /// Removes and gives the first field of this name (the top Via or Route).
    pub fn remove_first(&mut self, name: &HeaderName) -> Option<HeaderValue> {
        let at = self.fields.iter().position(|(found, _)| found == name)?;
        Some(self.fields.remove(at).1)
    }

    /// Adds every field of this name in `other` at the end, in order.
    pub fn copy_all(&mut self, other: &Self, name: &HeaderName) {
        self.fields.extend(other.all(name).map(|value| (name.clone(), value.clone())));
    }
}
