//! The message flow as a ladder: a column for each who takes part, a row for each message.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Who;
use crate::output::{Paint, Tone, harmless, say};

/// Narrower, and labels say nothing; wider, and the eye loses the row.
const WIDTH: (usize, usize) = (76, 132);

/// Where the output is no terminal.
const WIDTH_DEFAULT: usize = 100;

/// The column of times: `12.3456` and two spaces.
const TIME_WIDTH: usize = 10;

/// Room left of the first line and right of the last: half a name.
const MARGIN: usize = 6;

/// Messages that wait for older ones. The demo has some sixty in all; over this the oldest goes out
/// at once.
const WAITING_MAX: usize = 256;

/// One message between two who take part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    unix_micros: u64,
    from: String,
    to: String,
    label: String,
    tone: Tone,
}

/// Draws rows as they come, in the order of their times.
pub(super) struct Ladder {
    paint: Paint,
    /// Where each column's line stands.
    lines: [usize; Who::ALL.len()],
    width: usize,
    places: BTreeMap<String, Who>,
    waiting: Vec<Row>,
    start_micros: Option<u64>,
}

enum Row {
    Message(Message),
    Note { unix_micros: u64, text: String },
}

impl Row {
    const fn unix_micros(&self) -> u64 {
        match self {
            Self::Message(message) => message.unix_micros,
            Self::Note { unix_micros, .. } => *unix_micros,
        }
    }
}

impl Message {
    /// Reads a line that `--messages` made.
    pub(super) fn read(object: &Value) -> Option<Self> {
        let start_line = object["start_line"].as_str()?;
        let method = object["cseq"].as_str()?.split_whitespace().nth(1)?;
        let detail = object["detail"].as_str();
        let (label, tone) = label(start_line, method, detail)?;
        Some(Self {
            unix_micros: micros(object["at"].as_f64()?),
            from: object["from"].as_str()?.to_owned(),
            to: object["to"].as_str()?.to_owned(),
            label,
            tone,
        })
    }
}

impl Ladder {
    pub(super) fn new(width: usize, paint: Paint) -> Self {
        let width = width.clamp(WIDTH.0, WIDTH.1);
        let span = width - TIME_WIDTH - 2 * MARGIN;
        let gaps = Who::ALL.len() - 1;
        let lines = std::array::from_fn(|column| TIME_WIDTH + MARGIN + span * column / gaps);
        let (places, waiting) = (BTreeMap::new(), Vec::new());
        Self { paint, lines, width, places, waiting, start_micros: None }
    }

    /// From now on `address` is this column.
    pub(super) fn place(&mut self, who: Who, address: &str) {
        self.places.insert(address.to_owned(), who);
    }

    /// The names over the lines.
    pub(super) fn head(&self) -> String {
        let mut row = vec![' '; self.width];
        write_at(&mut row, 0, "seconds");
        for (who, line) in Who::ALL.iter().zip(self.lines) {
            let name = if *who == Who::Server { "factory, focus" } else { who.name() };
            write_at(&mut row, line.saturating_sub(name.chars().count() / 2), name);
        }
        self.paint.bold(&finish(&row))
    }

    pub(super) fn push(&mut self, message: Message) {
        self.add(Row::Message(message));
    }

    /// What the server does apart from messages.
    pub(super) fn note(&mut self, event: &str, object: &Value) {
        let text = match event {
            "held" => format!("the factory holds {} seats for it", object["seats"]),
            "started" => "the first one is in: the conference runs".to_owned(),
            "ended" => "the last one has left: the conference is over".to_owned(),
            _ => return,
        };
        let unix_micros = micros(object["at"].as_f64().unwrap_or_default());
        self.add(Row::Note { unix_micros, text });
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Shows what is older than `unix_micros`.
    pub(super) fn flush(&mut self, unix_micros: u64) {
        self.take(unix_micros).iter().for_each(|line| say(line));
    }

    fn take(&mut self, unix_micros: u64) -> Vec<String> {
        let due = self.waiting.partition_point(|row| row.unix_micros() <= unix_micros);
        let due: Vec<Row> = self.waiting.drain(..due).collect();
        due.iter().filter_map(|row| self.draw(row)).collect()
    }

    fn add(&mut self, row: Row) {
        let at = self.waiting.partition_point(|other| other.unix_micros() <= row.unix_micros());
        self.waiting.insert(at, row);
        if self.waiting.len() > WAITING_MAX {
            let oldest = self.waiting[0].unix_micros();
            self.flush(oldest);
        }
    }

    fn draw(&mut self, row: &Row) -> Option<String> {
        let start = *self.start_micros.get_or_insert(row.unix_micros());
        let since = row.unix_micros().saturating_sub(start);
        let time = format!("{:3}.{:04}", since / 1_000_000, since / 100 % 10_000);
        let time = self.paint.dim(&format!("{time:<TIME_WIDTH$}"));
        match row {
            Row::Note { text, .. } => {
                Some(format!("{time}{}", self.paint.dim(&format!("· {text}"))))
            }
            Row::Message(message) => {
                let (from, to) = (self.places.get(&message.from)?, self.places.get(&message.to)?);
                Some(format!("{time}{}", self.arrow(message, *from, *to)))
            }
        }
    }

    /// Everything right of the time.
    fn arrow(&self, message: &Message, from: Who, to: Who) -> String {
        let mut row = vec![' '; self.width];
        for line in self.lines {
            row[line] = '│';
        }
        let (from, to) = (from as usize, to as usize);
        let (start, end) = (self.lines[from], self.lines[to]);
        for place in &mut row[start.min(end) + 1..start.max(end)] {
            *place = if *place == '│' { '┼' } else { '─' };
        }
        // The label stands next to who sends, so that it is never cut by another line.
        let (left, right, head) = if start < end {
            (start, self.lines[from + 1], (end - 1, '▶'))
        } else {
            (self.lines[from - 1], start, (end + 1, '◀'))
        };
        row[head.0] = head.1;
        let room = right - left - 5;
        let label = format!(" {} ", cut(&message.label, room));
        let length = label.chars().count();
        let at = left + (right - left + 1).saturating_sub(length) / 2;
        write_at(&mut row, at, &label);
        let part = |range: std::ops::Range<usize>| row[range].iter().collect::<String>();
        format!(
            "{}{}{}",
            part(TIME_WIDTH..at),
            self.paint.tone(message.tone, &part(at..at + length)),
            part(at + length..self.width).trim_end()
        )
    }
}

/// As wide as the terminal, if there is one.
pub(super) fn terminal_width() -> usize {
    terminal_size::terminal_size()
        .map_or(WIDTH_DEFAULT, |(terminal_size::Width(columns), _)| usize::from(columns))
}

/// What an arrow says: `INVITE conference`, `302 to conf-…x7qz`, `NOTIFY 200 OK`.
fn label(start_line: &str, method: &str, detail: Option<&str>) -> Option<(String, Tone)> {
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

/// The user part of a SIP URI; a conference's long one by its end: its beginning is the node's number.
fn user(uri: &str) -> Option<String> {
    let (user, _) = uri.strip_prefix("sip:")?.split_once('@')?;
    let conference =
        user.strip_prefix("conf-").filter(|token| token.len() > 12 && token.is_ascii());
    Some(match conference {
        Some(token) => format!("conf-…{}", &token[token.len() - 4..]),
        None => harmless(user),
    })
}

fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    text.chars().take(room.saturating_sub(1)).chain(['…']).collect()
}

fn write_at(row: &mut [char], at: usize, text: &str) {
    for (place, letter) in row.iter_mut().skip(at).zip(text.chars()) {
        *place = letter;
    }
}

fn finish(row: &[char]) -> String {
    row.iter().collect::<String>().trim_end().to_owned()
}

fn micros(seconds: f64) -> u64 {
    let time = std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default();
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
