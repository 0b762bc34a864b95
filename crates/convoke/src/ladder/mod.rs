//! Messages as a ladder: a line for each who takes part, a row for each message between two of them.
//!
//! Who stands where is the caller's business: the demo knows its four, a trace learns them as they come.

use std::io::IsTerminal as _;

use crate::output::{Paint, Tone, harmless};

/// Where the output is no terminal.
pub(crate) const WIDTH_DEFAULT: usize = 100;

/// The column of times at the left of each row, two spaces included.
pub(crate) const TIME_WIDTH: usize = 10;

/// Room left of the first line and right of the last: half a name.
const MARGIN: usize = 6;

/// Lines of a ladder in a row.
#[derive(Clone, Debug)]
pub(crate) struct Ladder {
    paint: Paint,
    /// Where each line stands, counted from the beginning of the row.
    lines: Vec<usize>,
}

/// One message between two who take part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arrow {
    /// The column of who sends.
    pub(crate) from: usize,
    /// Another column.
    pub(crate) to: usize,
    pub(crate) label: String,
    pub(crate) tone: Tone,
}

impl Ladder {
    /// Columns over the whole width.
    pub(crate) fn spread(columns: usize, width: usize, paint: Paint) -> Self {
        let span = width - TIME_WIDTH - 2 * MARGIN;
        let gaps = columns - 1;
        let lines = (0..columns).map(|column| TIME_WIDTH + MARGIN + span * column / gaps);
        Self { paint, lines: lines.collect() }
    }

    /// Columns side by side, `gap` apart.
    pub(crate) fn packed(columns: usize, gap: usize, paint: Paint) -> Self {
        let lines = (0..columns).map(|column| TIME_WIDTH + MARGIN + gap * column);
        Self { paint, lines: lines.collect() }
    }

    /// Columns that fit between the times and the last `right` places of a row of this `width`.
    pub(crate) fn columns_in(width: usize, right: usize, gap: usize) -> usize {
        width.saturating_sub(TIME_WIDTH + 2 * MARGIN + right) / gap + 1
    }

    /// How wide a row is of which only the first `columns` lines are drawn, its time included.
    pub(crate) fn width(&self, columns: usize) -> usize {
        self.lines[columns - 1] + MARGIN
    }

    pub(crate) const fn paint(&self) -> Paint {
        self.paint
    }

    /// A row with a text over each line, and another over the times.
    pub(crate) fn over_lines(&self, times: &str, texts: &[String]) -> String {
        let width = self.width(self.lines.len());
        let gap = self.lines.get(1).map_or(width, |second| second - self.lines[0]);
        // The last text may reach beyond the last line.
        let mut row = vec![' '; width + gap];
        write_at(&mut row, 0, times);
        for (text, line) in texts.iter().zip(&self.lines) {
            let text = cut(text, gap - 1);
            let middle = line.saturating_sub(text.chars().count() / 2);
            write_at(&mut row, middle.max(TIME_WIDTH), &text);
        }
        row.iter().collect::<String>().trim_end().to_owned()
    }

    /// Everything right of the time, filled up with spaces, of a ladder whose first `columns` lines are
    /// drawn.
    pub(crate) fn arrow(&self, columns: usize, arrow: &Arrow) -> String {
        let width = self.width(columns);
        let mut row = vec![' '; width];
        for line in &self.lines[..columns] {
            row[*line] = '│';
        }
        let (start, end) = (self.lines[arrow.from], self.lines[arrow.to]);
        for place in &mut row[start.min(end) + 1..start.max(end)] {
            *place = if *place == '│' { '┼' } else { '─' };
        }
        // The label stands next to who sends, so that it is never cut by another line.
        let (left, right, head) = if start < end {
            (start, self.lines[arrow.from + 1], (end - 1, '▶'))
        } else {
            (self.lines[arrow.from - 1], start, (end + 1, '◀'))
        };
        row[head.0] = head.1;
        let room = right - left - 5;
        let label = format!(" {} ", cut(&arrow.label, room));
        let length = label.chars().count();
        let at = left + (right - left + 1).saturating_sub(length) / 2;
        write_at(&mut row, at, &label);
        let part = |range: std::ops::Range<usize>| row[range].iter().collect::<String>();
        format!(
            "{}{}{}",
            part(TIME_WIDTH..at),
            self.paint.tone(arrow.tone, &part(at..at + length)),
            part(at + length..width)
        )
    }
}

/// As wide as the terminal, if standard output is one.
pub(crate) fn terminal_width() -> Option<usize> {
    let size = std::io::stdout().is_terminal().then(terminal_size::terminal_size).flatten();
    size.map(|(terminal_size::Width(columns), _)| usize::from(columns))
}

/// What an arrow says: `INVITE conference`, `302 to conf-…x7qz`, `NOTIFY 200 OK`. `None`: this is no message.
pub(crate) fn label(
    start_line: &str,
    method: &str,
    detail: Option<&str>,
) -> Option<(String, Tone)> {
    let mut words = start_line.split_whitespace();
    let first = words.next()?;
    if first != "SIP/2.0" {
        let target = words.next().and_then(user).filter(|_| first == "INVITE");
        let about = detail.map(|detail| user(detail).unwrap_or_else(|| harmless(detail)));
        let label = match (target, about) {
            (Some(target), _) => format!("{first} {target}"),
            (None, Some(about)) if first == "REFER" => format!("{first} to {about}"),
            (None, Some(about)) => format!("{first} {about}"),
            (None, None) => first.to_owned(),
        };
        return Some((label, Tone::Plain));
    }
    let code: u16 = words.next()?.parse().ok()?;
    let reason = words.collect::<Vec<_>>().join(" ");
    let label = match detail.and_then(user) {
        Some(target) => format!("{code} to {target}"),
        None if method == "INVITE" => format!("{code} {reason}"),
        None => format!("{code} {reason} ({method})"),
    };
    Some((label, if code < 400 { Tone::Good } else { Tone::Bad }))
}

/// The user part of a SIP URI, as a name for people.
pub(crate) fn user(uri: &str) -> Option<String> {
    let (user, _) = uri.strip_prefix("sip:")?.split_once('@')?;
    Some(short(user))
}

/// A conference's long name by its end: its beginning is the node's number.
pub(crate) fn short(user: &str) -> String {
    let conference =
        user.strip_prefix("conf-").filter(|token| token.len() > 12 && token.is_ascii());
    match conference {
        Some(token) => format!("conf-…{}", &token[token.len() - 4..]),
        None => harmless(user),
    }
}

/// `text`, or its beginning, in at most `room` characters.
pub(crate) fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    text.chars().take(room.saturating_sub(1)).chain(['…']).take(room).collect()
}

fn write_at(row: &mut [char], at: usize, text: &str) {
    for (place, letter) in row.iter_mut().skip(at).zip(text.chars()) {
        *place = letter;
    }
}

#[cfg(test)]
mod tests;
