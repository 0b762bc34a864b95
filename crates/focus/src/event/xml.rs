//! Conference information documents as XML (RFC 4575 §4, §6). The elements stand in the order of the schema.

use std::fmt::{Display, Write as _};

use sdp::Direction;
use units::UnixTime;

use super::document::{Document, Endpoint, User};

/// The media type of what is written here.
pub(crate) const CONTENT_TYPE: &str = "application/conference-info+xml";

/// The one stream that there is, for `available-media` and for each endpoint's `media` (RFC 4575 §5.3.4, §5.8.3).
const LABEL: &str = "audio";

/// All of a conference.
pub(crate) fn full(document: &Document, version: u32) -> String {
    let mut xml = Xml::new();
    xml.root(&document.entity, "full", version);
    description(&mut xml, document);
    state(&mut xml, document);
    xml.open("users", &[]);
    for (entity, user) in &document.users {
        write_user(&mut xml, entity, user);
    }
    xml.close("users");
    xml.end()
}

/// What has changed since another document of the same conference (RFC 4575 §4.4): changed and new users whole, and who
/// is no more.
pub(crate) fn partial(before: &Document, document: &Document, version: u32) -> String {
    let mut xml = Xml::new();
    xml.root(&document.entity, "partial", version);
    if before.users_max != document.users_max {
        description(&mut xml, document);
    }
    let state_of = |of: &Document| (of.user_count, of.is_active, of.is_locked);
    if state_of(before) != state_of(document) {
        state(&mut xml, document);
    }
    if before.users != document.users {
        xml.open("users", &[("state", "partial")]);
        for (entity, user) in &document.users {
            if before.users.get(entity) != Some(user) {
                write_user(&mut xml, entity, user);
            }
        }
        for entity in before.users.keys().filter(|entity| !document.users.contains_key(*entity)) {
            xml.empty("user", &[("entity", entity), ("state", "deleted")]);
        }
        xml.close("users");
    }
    xml.end()
}

/// The conference is no more (RFC 4575 §4.6).
pub(crate) fn deleted(entity: &str, version: u32) -> String {
    let mut xml = Xml::new();
    xml.root(entity, "deleted", version);
    xml.end()
}

/// Bytes that a user comes to in a document.
pub(crate) fn size(entity: &str, user: &User) -> usize {
    let mut xml = Xml(String::new());
    write_user(&mut xml, entity, user);
    xml.0.len()
}

fn description(xml: &mut Xml, document: &Document) {
    xml.open("conference-description", &[]);
    for (list, purpose) in [("conf-uris", "participation"), ("service-uris", "event")] {
        xml.open(list, &[]);
        xml.open("entry", &[]);
        xml.text("uri", &document.entity);
        xml.text("purpose", purpose);
        xml.close("entry");
        xml.close(list);
    }
    if let Some(most) = document.users_max {
        xml.text("maximum-user-count", most);
    }
    xml.open("available-media", &[]);
    xml.open("entry", &[("label", LABEL)]);
    xml.text("type", "audio");
    xml.text("status", "sendrecv");
    xml.close("entry");
    xml.close("available-media");
    xml.close("conference-description");
}

fn state(xml: &mut Xml, document: &Document) {
    xml.open("conference-state", &[]);
    xml.text("user-count", document.user_count);
    xml.text("active", document.is_active);
    xml.text("locked", document.is_locked);
    xml.close("conference-state");
}

fn write_user(xml: &mut Xml, entity: &str, user: &User) {
    xml.open("user", &[("entity", entity), ("state", "full")]);
    if let Some(display) = &user.display {
        xml.text("display-text", display);
    }
    if user.is_creator {
        xml.open("roles", &[]);
        xml.text("entry", "creator");
        xml.close("roles");
    }
    for (entity, endpoint) in &user.endpoints {
        write_endpoint(xml, entity, endpoint);
    }
    xml.close("user");
}

fn write_endpoint(xml: &mut Xml, entity: &str, endpoint: &Endpoint) {
    xml.open("endpoint", &[("entity", entity), ("state", "full")]);
    if let Some(by) = &endpoint.referred_by {
        xml.open("referred", &[]);
        xml.text("by", by);
        xml.close("referred");
    }
    xml.text("status", endpoint.status.as_str());
    xml.text("joining-method", endpoint.joining.as_str());
    if let Some(when) = endpoint.joined {
        xml.open("joining-info", &[]);
        xml.text("when", date_time(when));
        xml.close("joining-info");
    }
    if let Some(gone) = &endpoint.gone {
        xml.text("disconnection-method", gone.method.as_str());
        xml.open("disconnection-info", &[]);
        if let Some(when) = gone.when {
            xml.text("when", date_time(when));
        }
        if let Some(reason) = &gone.reason {
            xml.text("reason", reason);
        }
        xml.close("disconnection-info");
    }
    if let Some(direction) = endpoint.audio {
        xml.open("media", &[("id", "1")]);
        xml.text("type", "audio");
        xml.text("label", LABEL);
        xml.text("status", direction_word(direction));
        xml.close("media");
    }
    if let Some(call) = &endpoint.call {
        xml.open("call-info", &[]);
        xml.open("sip", &[]);
        xml.text("call-id", &call.call_id);
        xml.text("from-tag", &call.from_tag);
        xml.text("to-tag", &call.to_tag);
        xml.close("sip");
        xml.close("call-info");
    }
    xml.close("endpoint");
}

const fn direction_word(direction: Direction) -> &'static str {
    match direction {
        Direction::SendRecv => "sendrecv",
        Direction::SendOnly => "sendonly",
        Direction::RecvOnly => "recvonly",
        Direction::Inactive => "inactive",
    }
}

/// An `xs:dateTime` in UTC.
fn date_time(UnixTime(seconds): UnixTime) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of a number of days since 1970-01-01, in the Gregorian calendar: counted in eras of 400 years
/// that begin in March, so that the leap day is the last of its year.
const fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // from 0000-03-01
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153; // from March
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next_year, month, day)
}

/// A document that is being written.
struct Xml(String);

impl Xml {
    fn new() -> Self {
        Self("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned())
    }

    fn root(&mut self, entity: &str, state: &str, version: u32) {
        let version = version.to_string();
        let attributes = [
            ("xmlns", "urn:ietf:params:xml:ns:conference-info"),
            ("entity", entity),
            ("state", state),
            ("version", &version),
        ];
        self.open("conference-info", &attributes);
    }

    fn end(mut self) -> String {
        self.close("conference-info");
        self.0.push('\n');
        self.0
    }

    fn open(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.start(name, attributes);
        self.0.push('>');
    }

    fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.start(name, attributes);
        self.0.push_str("/>");
    }

    fn start(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.0.push('<');
        self.0.push_str(name);
        for (name, value) in attributes {
            self.0.push(' ');
            self.0.push_str(name);
            self.0.push_str("=\"");
            self.escaped(value);
            self.0.push('"');
        }
    }

    fn close(&mut self, name: &str) {
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
    }

    /// An element with nothing but text.
    fn text(&mut self, name: &str, text: impl Display) {
        self.open(name, &[]);
        self.escaped(&text.to_string());
        self.close(name);
    }

    fn escaped(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                // Kept as they are also in attributes, where a reader would make blanks of them.
                '\t' | '\n' | '\r' => {
                    // Writing to a String does not fail.
                    let _ = write!(self.0, "&#{};", u32::from(c));
                }
                c if is_char(c) => self.0.push(c),
                _ => self.0.push(char::REPLACEMENT_CHARACTER),
            }
        }
    }
}

/// What may stand in a document at all (XML 1.0 §2.2).
const fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_to_the_leap_day() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_709_251_200, "2024-03-01T00:00:00Z"),
            (1_795_400_000, "2026-11-23T02:13:20Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(date_time(UnixTime(seconds)), text);
        }
    }

    /// D07 · RFC 4575 §4.1: whatever a peer calls itself.
    #[test]
    fn names_cannot_break_out_of_their_place() {
        let mut xml = Xml(String::new());
        xml.open("user", &[("entity", "sip:a@x\"/><b c='")]);
        xml.text("display-text", "Żółć 🎉 <&>\"]]>\r\n\u{1}\u{FFFF}");
        assert_eq!(
            xml.0,
            "<user entity=\"sip:a@x&quot;/&gt;&lt;b c='\"><display-text>Żółć 🎉 &lt;&amp;&gt;&quot;]]&gt;&#13;&#10;\
             \u{FFFD}\u{FFFD}</display-text>"
        );
    }
}
