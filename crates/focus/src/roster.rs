//! Who is in, and what people read of him.

use std::borrow::Cow;
use std::net::IpAddr;

use serde::Serialize;
use sip::{NameAddr, Uri};
use units::Instant;

use crate::dialling::Dialling;
use crate::leg::Leg;
use crate::{Focus, LegId, Role};

/// A line of the roster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Participant {
    /// The leg.
    pub leg: LegId,
    /// From URI; control characters masked.
    pub uri: String,
    /// Display name; control characters masked.
    pub display: Option<String>,
    /// The user that he proved to be: unlike the other two not his own word alone.
    pub user: Option<String>,
    /// Where the leg stands.
    pub state: ParticipantState,
    /// When the leg was made.
    pub since: Instant,
    /// Whether he asked for the conference.
    pub creator: bool,
    /// What he is in it.
    pub role: Role,
    /// Whether the focus called him.
    pub dialled: bool,
    /// Whether his sound is kept out of the mix.
    pub muted: bool,
    /// Whether somebody at his end talks, as the mixer hears it.
    pub talking: bool,
}

/// Where a participant's leg stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParticipantState {
    /// Called by us; it rings.
    Alerting,
    /// Asked for his PIN: not in yet.
    AskedForPin,
    /// Being called by us.
    Dialling,
    /// In.
    Joined,
    /// Answered; the ACK is awaited.
    Joining,
    /// Being let go.
    Leaving,
    /// In the lobby: not in yet.
    Waiting,
}

impl Focus {
    /// Who is in, and who is being called, by leg.
    pub fn roster(&self) -> Vec<Participant> {
        let legs = self.legs.values().map(Leg::participant);
        let mut roster: Vec<_> =
            legs.chain(self.dialling.values().filter_map(Dialling::participant)).collect();
        roster.sort_by_key(|line| line.leg);
        roster
    }

    /// Whether this leg has its dialog.
    pub fn has_leg(&self, leg: LegId) -> bool {
        self.legs.contains_key(&leg)
    }

    /// Who is in: the user that each has proved to be, his own URI, and where he calls from.
    pub fn inside(&self) -> impl Iterator<Item = (LegId, Option<&str>, &Uri, IpAddr)> {
        self.legs.values().filter(|leg| leg.is_there()).map(|leg| {
            let ip = leg.dialog.path.remote.ip();
            (leg.id, leg.user.as_deref(), &leg.dialog.remote_uri, ip)
        })
    }

    /// Legs there are, those on their way in and out included.
    pub fn leg_count(&self) -> usize {
        self.legs.len() + self.dialling.values().filter(|dialling| dialling.is_pending()).count()
    }
}

/// A URI or display name as it may be shown: what could move the cursor, reverse the text or hide
/// in it becomes U+FFFD, what is too long is cut. A peer chooses these, and they end up in
/// terminals, logs and web pages.
pub fn masked<'a>(text: impl Into<Cow<'a, str>>) -> String {
    let text = text.into();
    if text.len() <= SHOWN_CHARS_MAX && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.into_owned();
    }
    let visible = |c: char| if is_hidden(c) { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().take(SHOWN_CHARS_MAX).map(visible).collect()
}

/// From, for the roster: URI and display name. An empty name is none.
pub(crate) fn shown(from: &NameAddr) -> (String, Option<String>) {
    let display = from.display.as_deref().map(masked).filter(|name| !name.trim().is_empty());
    (masked(from.uri.text()), display)
}

/// Control characters, and those of Unicode that set the direction of text or have no width.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61C}'
                | '\u{200B}'..='\u{200F}'
                | '\u{2028}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}'
                | '\u{FEFF}'
                | '\u{FFF9}'..='\u{FFFB}'
        )
}

/// Longer than any name or honest URI (ours has 47 characters before the host); the rest is cut.
const SHOWN_CHARS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    /// T36
    #[test]
    fn control_and_direction_characters_are_masked() {
        assert_eq!(masked("Bob\r\nEvil\u{1b}[2J\t"), "Bob\u{FFFD}\u{FFFD}Evil\u{FFFD}[2J\u{FFFD}");
        assert_eq!(masked("bob\u{202E}ecila"), "bob\u{FFFD}ecila");
        assert_eq!(masked("Żółć 会議 🎉 \u{FFFD}"), "Żółć 会議 🎉 \u{FFFD}");
    }

    #[test]
    fn long_names_are_cut_by_characters() {
        assert_eq!(masked("ä".repeat(10_000)).chars().count(), SHOWN_CHARS_MAX);
    }
}
