//! A document into the roster: the procedure of RFC 4575 §4.6.

use super::element::{DocumentError, ENDPOINTS_MAX, Element, MEDIA_MAX, State, USERS_MAX};
use super::{Endpoint, Media, Roster, User};

/// What a document did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The roster says what the document says.
    Taken,
    /// It is not newer than what is known: nothing has changed.
    Stale,
    /// One before it is missing: nothing has changed, and all of the state must be asked for.
    Gap,
    /// The conference is no more.
    Deleted,
}

impl Roster {
    /// Takes a document.
    ///
    /// # Errors
    /// [`DocumentError`]: it cannot be read. Nothing has changed.
    pub fn apply(&mut self, body: &[u8]) -> Result<Applied, DocumentError> {
        let root = Element::read(body)?;
        if root.name != "conference-info" {
            return Err(DocumentError::OtherDocument);
        }
        let version = root.version.as_deref().and_then(|text| text.trim().parse::<u32>().ok());
        let version = version.ok_or(DocumentError::NoVersion)?;
        if self.version.is_some_and(|known| version <= known) {
            return Ok(Applied::Stale);
        }
        match root.state() {
            State::Full => *self = Self::default(),
            State::Deleted => {
                *self = Self { version: Some(version), ..Self::default() };
                return Ok(Applied::Deleted);
            }
            State::Partial => match self.version {
                Some(known) if version == known + 1 => {}
                Some(_) | None => return Ok(Applied::Gap),
            },
        }
        self.version = Some(version);
        self.take(&root);
        Ok(Applied::Taken)
    }

    fn take(&mut self, root: &Element) {
        if let Some(entity) = root.key() {
            entity.clone_into(&mut self.entity);
        }
        // Of these two the schema has no state: each comes as a whole.
        if let Some(description) = root.child("conference-description") {
            self.users_max = number(description, "maximum-user-count");
        }
        if let Some(state) = root.child("conference-state") {
            self.user_count = number(state, "user-count");
            self.is_active = truth(state, "active");
            self.is_locked = truth(state, "locked");
        }
        let Some(users) = root.child("users") else { return };
        match users.state() {
            State::Full => self.users.clear(),
            State::Deleted => return self.users.clear(),
            State::Partial => {}
        }
        for user in users.all("user") {
            let Some(entity) = user.key() else { continue };
            match user.state() {
                State::Deleted => drop(self.users.remove(entity)),
                state => {
                    let has_room = self.users.len() < USERS_MAX;
                    if has_room || self.users.contains_key(entity) {
                        let entry = self.users.entry(entity.to_owned()).or_default();
                        entry.take(user, state);
                    }
                }
            }
        }
    }
}

impl User {
    fn take(&mut self, element: &Element, state: State) {
        if state == State::Full {
            *self = Self::default();
        }
        replace(&mut self.display, element.text_of("display-text"));
        if let Some(roles) = element.child("roles") {
            self.roles = roles.all("entry").filter_map(Element::text).collect();
        }
        for endpoint in element.all("endpoint") {
            let Some(entity) = endpoint.key() else { continue };
            match endpoint.state() {
                State::Deleted => drop(self.endpoints.remove(entity)),
                state => {
                    let has_room = self.endpoints.len() < ENDPOINTS_MAX;
                    if has_room || self.endpoints.contains_key(entity) {
                        let entry = self.endpoints.entry(entity.to_owned()).or_default();
                        entry.take(endpoint, state);
                    }
                }
            }
        }
    }
}

impl Endpoint {
    fn take(&mut self, element: &Element, state: State) {
        if state == State::Full {
            *self = Self::default();
        }
        replace(&mut self.status, element.text_of("status"));
        replace(&mut self.joining_method, element.text_of("joining-method"));
        if let Some(info) = element.child("joining-info") {
            self.joined = info.text_of("when");
        }
        if let Some(info) = element.child("referred") {
            self.referred_by = info.text_of("by");
        }
        replace(&mut self.disconnection_method, element.text_of("disconnection-method"));
        if let Some(info) = element.child("disconnection-info") {
            self.disconnection_reason = info.text_of("reason");
        }
        for media in element.all("media") {
            if let Some(id) = media.key()
                && (self.media.len() < MEDIA_MAX || self.media.contains_key(id))
            {
                let media = Media {
                    kind: media.text_of("type"),
                    label: media.text_of("label"),
                    source: media.text_of("src-id"),
                    status: media.text_of("status"),
                };
                self.media.insert(id.to_owned(), media);
            }
        }
    }
}

fn replace(place: &mut Option<String>, text: Option<String>) {
    if text.is_some() {
        *place = text;
    }
}

fn number(element: &Element, name: &str) -> Option<u32> {
    element.text_of(name)?.parse().ok()
}

/// An `xs:boolean`.
fn truth(element: &Element, name: &str) -> Option<bool> {
    match element.text_of(name)?.as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}
