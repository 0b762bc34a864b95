//! A history out of bytes.

/// Decisions, a byte or a few each. When the bytes are used up every decision is the first choice, so that a short input is
/// a short history.
#[derive(Clone, Debug)]
pub struct Choices<'a> {
    rest: &'a [u8],
}

impl<'a> Choices<'a> {
    /// Reads decisions from these bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether all bytes are used.
    pub const fn is_over(&self) -> bool {
        self.rest.is_empty()
    }

    /// A number from 0 to `bound - 1`; 0 if `bound` is 0. The smaller the bound, the fewer bytes it takes: a changed byte
    /// then changes one decision and leaves the others as they were.
    pub fn below(&mut self, bound: usize) -> usize {
        let bytes = match bound {
            0 | 1 => return 0,
            2..=256 => 1,
            257..=65_536 => 2,
            _ => 4,
        };
        let (taken, rest) = self.rest.split_at(self.rest.len().min(bytes));
        self.rest = rest;
        taken.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)) % bound
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// True in `percent` of 100 cases; never when the bytes are used up.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) > 99 - percent.min(99)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_byte_changes_one_decision_and_the_end_is_the_first_choice() {
        let mut choices = Choices::new(&[7, 1, 0, 199]);
        assert_eq!((choices.below(5), choices.below(1_000), choices.below(1)), (2, 256, 0));
        assert!(choices.percent(50) && choices.is_over());
        assert_eq!(
            (choices.below(9), choices.pick(&["a", "b"]), choices.percent(99)),
            (0, "a", false)
        );
    }
}
