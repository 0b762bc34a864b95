//! In what pieces playout can be moved.

/// What a step and all packets of late are a whole number of. A sender may make them now longer, now shorter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grain {
    /// In ticks, at least one.
    pub(super) ticks: u32,
    /// The same of the last few packets alone, and how many these are.
    of_late: (u32, u32),
}

impl Grain {
    /// Knows nothing yet.
    pub(super) const fn new(step_ticks: u32) -> Self {
        Self { ticks: step_ticks, of_late: (step_ticks, 0) }
    }

    /// Takes the length of a packet: a finer one counts at once, a coarser one when many have been so.
    pub(super) fn fit(&mut self, step_ticks: u32, packet_ticks: u32) {
        let (of_late, packets) = self.of_late;
        self.ticks = common(self.ticks, packet_ticks);
        self.of_late = (common(of_late, packet_ticks), packets + 1);
        if packets + 1 == GRAIN_PACKETS {
            (self.ticks, self.of_late) = (self.of_late.0, (step_ticks, 0));
        }
    }
}

/// The greatest common divisor.
const fn common(a: u32, b: u32) -> u32 {
    let (mut common, mut rest) = (a, b);
    while rest > 0 {
        (common, rest) = (rest, common % rest);
    }
    common
}

/// A second of 20 ms packets: who has changed his packet time does not change it again so soon.
const GRAIN_PACKETS: u32 = 50;
