//! Which known utterances are contained in a recording.

/// How strongly one reference is contained in a recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Match {
    /// 0 (not at all) to 1 (nothing else is there).
    pub score: f64,
    /// Where in the recording the reference begins, in samples; negative if its beginning is cut.
    pub lag_samples: i64,
}

impl Match {
    /// True if the score is one that only a contained utterance reaches.
    pub fn is_heard(&self) -> bool {
        self.score >= HEARD_SCORE_MIN
    }
}

/// From this score on, an utterance counts as heard.
pub const HEARD_SCORE_MIN: f64 = 0.3;

/// Looks for each reference in a recording; both i16, mono, 8 kHz. One match per reference, in
/// order.
pub fn correlate(recording: &[i16], references: &[&[i16]]) -> Vec<Match> {
    let _ = (recording, references);
    todo!()
}
