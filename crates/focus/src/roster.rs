//! What people read of a participant.

use sip::NameAddr;

/// A URI or display name as it may be shown: what could move the cursor, reverse the text or hide
/// in it becomes U+FFFD, what is too long is cut. A peer chooses these, and they end up in
/// terminals, logs and web pages.
pub fn masked(text: &str) -> String {
    let visible = |c: char| if is_hidden(c) { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().take(SHOWN_CHARS_MAX).map(visible).collect()
}

/// From, for the roster: URI and display name. An empty name is none.
pub(crate) fn shown(from: &NameAddr) -> (String, Option<String>) {
    let display = from.display.as_deref().map(masked).filter(|name| !name.trim().is_empty());
    (masked(&from.uri.to_string()), display)
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
        assert_eq!(masked(&"ä".repeat(10_000)).chars().count(), SHOWN_CHARS_MAX);
    }
}
