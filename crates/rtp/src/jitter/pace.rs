//! Learns how long the sender's packets are.

/// Ticks in a packet: a guess, until the stream has shown it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    ticks: u32,
    known: bool,
    /// A step between two timestamps seen once, to be believed when seen again.
    candidate: u32,
}

impl Pace {
    pub(super) const fn new(guess_ticks: u32) -> Self {
        Self { ticks: guess_ticks, known: false, candidate: 0 }
    }

    /// Takes the step between the timestamps of two neighbours. Two alike in a row are believed: one
    /// alone may hold a pause.
    pub(super) fn learn(&mut self, step_ticks: u32, max_ticks: u64) {
        if step_ticks == 0 || u64::from(step_ticks) > max_ticks {
            return;
        }
        if step_ticks == self.candidate {
            self.ticks = step_ticks;
            self.known = true;
        }
        self.candidate = step_ticks;
    }

    /// What was shown, else the guess.
    pub(super) const fn ticks(&self) -> u32 {
        self.ticks
    }

    /// What was shown.
    pub(super) fn known(&self) -> Option<u32> {
        self.known.then_some(self.ticks)
    }
}
