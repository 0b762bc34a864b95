//! What is played where a packet is missing.

/// Repeats the last 20 ms of what was heard and fades it to silence within 60 ms (8 kHz).
///
/// Allocates nothing.
#[derive(Clone, Debug)]
pub struct Concealment {
    faded_samples: usize,
}

impl Concealment {
    /// Starts with silence to repeat.
    pub const fn new() -> Self {
        Self { faded_samples: 0 }
    }

    /// Takes what was decoded, any number of samples. After a concealed stretch its first
    /// milliseconds are blended with the repetition, in place, so that there is no click.
    pub fn heard(&mut self, samples: &mut [i16]) {
        let _ = samples;
        todo!()
    }

    /// Fills `out` with what stands in for lost sound; call again for more.
    pub fn conceal(&mut self, out: &mut [i16]) {
        let _ = (out, self.faded_samples);
        todo!()
    }

    /// Takes a pause that the sender made on purpose: what comes next does not repeat what was
    /// before.
    pub fn silence(&mut self, samples: usize) {
        let _ = samples;
        todo!()
    }
}

impl Default for Concealment {
    fn default() -> Self {
        Self::new()
    }
}
