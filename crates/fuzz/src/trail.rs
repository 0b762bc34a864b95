//! What an input led to.

/// The outcomes that one input met, as numbers: an engine keeps an input whose trail has one that no other has had.
///
/// It stands in for coverage of the code, which needs a compiler's help: a target marks which error it was, which fields
/// could be read, which state was reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trail {
    marks: Vec<u64>,
    /// The last step.
    last: String,
    /// What happened, for people; `None` while nobody reads it.
    story: Option<Vec<String>>,
}

impl Trail {
    /// The most marks of one input; further ones are not kept. A long history meets some hundred.
    const MARKS_MAX: usize = 4_096;

    /// An empty trail.
    pub const fn new() -> Self {
        Self { marks: Vec::new(), last: String::new(), story: None }
    }

    /// An empty trail that keeps what it is told.
    pub const fn with_story() -> Self {
        Self { marks: Vec::new(), last: String::new(), story: Some(Vec::new()) }
    }

    /// Tells people what happens.
    pub fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(line());
        }
    }

    /// What was told.
    pub fn story(&self) -> &[String] {
        self.story.as_deref().unwrap_or_default()
    }

    /// Marks an outcome: `what` happened at `place`.
    pub fn mark(&mut self, place: &str, what: &str) {
        if self.marks.len() == Self::MARKS_MAX {
            return;
        }
        // FNV-1a: short, and the same on every machine.
        let bytes = place.bytes().chain([0]).chain(what.bytes());
        let mark = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        self.marks.push(mark);
    }

    /// Marks a step of a history, and after which other it came.
    pub fn step(&mut self, what: &str) {
        let last = std::mem::take(&mut self.last);
        self.mark("step", what);
        self.mark(&last, what);
        what.clone_into(&mut self.last);
    }

    /// Marks how something ended; of an error only its kind counts, not the numbers and texts in it.
    pub fn outcome<T, E: std::fmt::Debug>(&mut self, place: &str, result: &Result<T, E>) {
        match result {
            Ok(_) => self.mark(place, "ok"),
            Err(error) => {
                let text = format!("{error:?}");
                self.mark(place, text.split([' ', '(', '{']).next().unwrap_or_default());
            }
        }
    }

    /// Marks about how many: none, one, two, up to four, up to eight, …
    pub fn count(&mut self, place: &str, count: usize) {
        self.mark(place, &(usize::BITS - count.leading_zeros()).to_string());
    }

    /// All marks, in the order of what happened.
    pub fn marks(&self) -> &[u64] {
        &self.marks
    }
}
