//! The message flow of all four, merged: every process tells its own part of it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Who;
use crate::ladder::{Arrow, Ladder, TIME_WIDTH, WIDTH_DEFAULT, label, terminal_width};
use crate::output::{Paint, Tone, say};

/// Narrower, and labels say nothing; wider, and the eye loses the row.
const WIDTH: (usize, usize) = (76, 132);

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
pub(super) struct Flow {
    ladder: Ladder,
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
    /// Reads a line that `--json --trace` made.
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

impl Flow {
    /// As wide as the terminal, within reason.
    pub(super) fn new(paint: Paint) -> Self {
        Self::of_width(terminal_width().unwrap_or(WIDTH_DEFAULT), paint)
    }

    fn of_width(width: usize, paint: Paint) -> Self {
        let ladder = Ladder::spread(Who::ALL.len(), width.clamp(WIDTH.0, WIDTH.1), paint);
        Self { ladder, places: BTreeMap::new(), waiting: Vec::new(), start_micros: None }
    }

    /// From now on `address` is this column.
    pub(super) fn place(&mut self, who: Who, address: &str) {
        self.places.insert(address.to_owned(), who);
    }

    /// The names over the lines.
    pub(super) fn head(&self) -> String {
        let name = |who| if who == Who::Server { "factory, focus" } else { Who::name(who) };
        let names = Who::ALL.map(|who| name(who).to_owned());
        self.ladder.paint().bold(&self.ladder.over_lines("seconds", &names))
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
        let paint = self.ladder.paint();
        let start = *self.start_micros.get_or_insert(row.unix_micros());
        let since = row.unix_micros().saturating_sub(start);
        let time = format!("{:3}.{:04}", since / 1_000_000, since / 100 % 10_000);
        let time = paint.dim(&format!("{time:<TIME_WIDTH$}"));
        match row {
            Row::Note { text, .. } => Some(format!("{time}{}", paint.dim(&format!("· {text}")))),
            Row::Message(message) => {
                let (from, to) = (self.places.get(&message.from)?, self.places.get(&message.to)?);
                let (from, to) = (*from as usize, *to as usize);
                let arrow = Arrow { from, to, label: message.label.clone(), tone: message.tone };
                Some(format!("{time}{}", self.ladder.arrow(Who::ALL.len(), &arrow).trim_end()))
            }
        }
    }
}

fn micros(seconds: f64) -> u64 {
    let time = std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default();
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
