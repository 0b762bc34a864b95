//! What is written, for people and for programs.

use std::cell::Cell;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::writer::{Full, Writer};

/// Writes one line per event: words in columns, or JSON. Never waits for who reads them: what finds
/// no place is left out, and how much that was is said as soon as there is place again.
pub(crate) struct Printer {
    json: bool,
    paint: Paint,
    start_micros: u64,
    writer: Writer,
    left_out: Cell<u64>,
    /// Whether lines wait for [`Self::release`].
    is_held: Cell<bool>,
}

/// How an event looks to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Something goes on.
    Plain,
    /// Something worked.
    Good,
    /// Somebody said no.
    Bad,
    /// Something is over.
    Quiet,
}

/// The width of the column of verbs: `redirected`, and two spaces.
const VERB_WIDTH: usize = 12;

impl Printer {
    pub(crate) fn new(json: bool) -> anyhow::Result<Self> {
        Ok(Self {
            json,
            paint: Paint::of_stdout(),
            start_micros: unix_micros(),
            writer: Writer::to_stdout().context("cannot write to standard output")?,
            left_out: Cell::new(0),
            is_held: Cell::new(false),
        })
    }

    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    pub(crate) const fn paint(&self) -> Paint {
        self.paint
    }

    /// One event: to people a verb and what it is about, to programs the name and the fields. The
    /// time is put in front of both.
    pub(crate) fn event(&self, tone: Tone, verb: &str, about: &str, name: &str, fields: Value) {
        let now = unix_micros();
        self.put(if self.json {
            object_line(name, now, fields)
        } else {
            self.columns(now, tone, verb, about)
        });
    }

    /// The same for people only, of what happened a moment ago.
    pub(crate) fn verb(&self, unix_micros: u64, tone: Tone, verb: &str, about: &str) {
        self.put(self.columns(unix_micros, tone, verb, about));
    }

    /// The same for programs only. `what` names itself, in its field `event`.
    pub(crate) fn telling(&self, unix_micros: u64, what: &impl Serialize) {
        let line = serde_json::to_string(&Stamped { at: seconds(unix_micros), what });
        self.put(line.expect("invariant: what is told is an object of plain data"));
    }

    /// One object on one line: `event`, `at` (seconds since 1970), then the fields.
    pub(crate) fn object(&self, name: &str, unix_micros: u64, fields: Value) {
        self.put(object_line(name, unix_micros, fields));
    }

    /// A row of a trace, for people: the time, then the row.
    pub(crate) fn row(&self, unix_micros: u64, row: &str) {
        let time = self.paint.dim(&self.since_start(unix_micros));
        self.put(format!("{time}  {row}"));
    }

    /// Words for people only.
    pub(crate) fn words(&self, text: &str) {
        if !self.json {
            self.put(text.to_owned());
        }
    }

    /// More lines come at once: they may be written together. [`Self::release`] must follow.
    pub(crate) fn hold(&self) {
        self.is_held.set(true);
    }

    /// That was the last of them.
    pub(crate) fn release(&self) {
        self.is_held.set(false);
        self.writer.wake();
    }

    fn put(&self, line: String) {
        if self.left_out.get() > 0 && self.writer.line(self.left_out_line()).is_ok() {
            self.left_out.set(0);
        }
        if self.writer.line(line) == Err(Full) {
            self.left_out.set(self.left_out.get() + 1);
        }
        if !self.is_held.get() {
            self.writer.wake();
        }
    }

    fn left_out_line(&self) -> String {
        let (count, now) = (self.left_out.get(), unix_micros());
        if self.json {
            object_line("lines-left-out", now, json!({ "count": count }))
        } else {
            self.columns(now, Tone::Bad, "left out", &format!("{count} lines that nobody read"))
        }
    }

    fn columns(&self, unix_micros: u64, tone: Tone, verb: &str, about: &str) -> String {
        let time = self.since_start(unix_micros);
        let verb = format!("{verb:VERB_WIDTH$}");
        let (time, verb) = (self.paint.dim(&time), self.paint.tone(tone, &verb));
        format!("{time}  {verb}{about}")
    }

    fn since_start(&self, unix_micros: u64) -> String {
        let since = unix_micros.saturating_sub(self.start_micros);
        format!("{:4}.{:03}", since / 1_000_000, since / 1_000 % 1_000)
    }
}

/// When, and what. A busy server tells thousands of these a second, so they are written as they are.
#[derive(Serialize)]
struct Stamped<'a, T> {
    at: f64,
    #[serde(flatten)]
    what: &'a T,
}

fn object_line(name: &str, unix_micros: u64, fields: Value) -> String {
    let mut object = Map::new();
    object.insert("event".to_owned(), json!(name));
    object.insert("at".to_owned(), json!(seconds(unix_micros)));
    if let Value::Object(fields) = fields {
        object.extend(fields.into_iter().filter(|(key, _)| key != "event"));
    }
    Value::Object(object).to_string()
}

/// Colours, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paint {
    colours: bool,
}

impl Paint {
    /// Colours only where somebody sees them and has not said no (`NO_COLOR`).
    pub(crate) fn of_stdout() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { colours: io::stdout().is_terminal() && !refused }
    }

    pub(crate) const fn has_colours(self) -> bool {
        self.colours
    }

    #[cfg(test)]
    pub(crate) const fn plain() -> Self {
        Self { colours: false }
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    pub(crate) fn tone(self, tone: Tone, text: &str) -> String {
        match tone {
            Tone::Plain => self.wrap("36", text),
            Tone::Good => self.wrap("32", text),
            Tone::Bad => self.wrap("31", text),
            Tone::Quiet => self.wrap("2", text),
        }
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Writes a line to standard output, for commands that end by themselves. Where nobody reads it any more there is nobody to tell.
pub(crate) fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Shows how far something is, over the line that stands there (ECMA-48 EL). Nobody may be looking.
pub(crate) fn draw(line: &str) {
    let mut error = io::stderr().lock();
    let _ = write!(error, "\r\x1b[K{line}").and_then(|()| error.flush());
}

/// Writes what is wrong to standard error, in one line.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "convoke: {line}");
}

/// What our libraries log goes to standard error; `CONVOKE_LOG=debug` shows more of it.
pub(crate) fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("CONVOKE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
}

/// The wall clock: microseconds since 1970.
pub(crate) fn unix_micros() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the binary stamps what it prints")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Seconds with six decimals, which a double holds for some hundred years to come.
pub(crate) fn seconds(micros: u64) -> f64 {
    std::time::Duration::from_micros(micros).as_secs_f64()
}

/// `text` without anything that could move a cursor or pretend to be our own output: what peers
/// wrote is shown with `?` for control characters.
pub(crate) fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_terminal_there_are_no_colours() {
        assert_eq!(Paint::plain().tone(Tone::Bad, "no"), "no");
        assert_eq!(Paint { colours: true }.tone(Tone::Bad, "no"), "\x1b[31mno\x1b[0m");
    }

    #[test]
    fn what_peers_wrote_cannot_move_the_cursor() {
        assert_eq!(harmless("a\x1b[2Jb\r\nc"), "a?[2Jb??c");
    }
}
