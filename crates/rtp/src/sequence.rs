//! Arithmetic on sequence numbers and timestamps, which wrap.

/// Steps from `from` to `to`, the shorter way round: -32768..=32767.
pub const fn distance(from: u16, to: u16) -> i16 {
    to.wrapping_sub(from).cast_signed()
}

/// Ticks from `from` to `to`, the shorter way round.
pub const fn timestamp_distance(from: u32, to: u32) -> i32 {
    to.wrapping_sub(from).cast_signed()
}

/// True if `a` comes after `b`. Numbers exactly half the circle apart are not newer.
pub const fn newer(a: u16, b: u16) -> bool {
    distance(b, a) > 0
}

/// Turns 16-bit sequence numbers into 64-bit ones that never wrap.
#[derive(Clone, Debug, Default)]
pub struct Extender {
    highest: Option<u64>,
}

impl Extender {
    /// Starts with no number seen.
    pub const fn new() -> Self {
        Self { highest: None }
    }

    /// The extended number of `sequence`: the one nearest to the highest seen so far. The first is
    /// put one circle above zero, so that an older one that comes later still has a number.
    pub fn extend(&mut self, sequence: u16) -> u64 {
        let extended = self.peek(sequence);
        self.highest = Some(self.highest.map_or(extended, |highest| highest.max(extended)));
        extended
    }

    /// Like [`Extender::extend`], but remembers nothing.
    pub fn peek(&self, sequence: u16) -> u64 {
        let Some(highest) = self.highest else { return 0x1_0000 + u64::from(sequence) };
        let step = distance(low_16_bits(highest), sequence);
        highest.saturating_add_signed(i64::from(step))
    }

    /// The highest extended number seen.
    pub const fn highest(&self) -> Option<u64> {
        self.highest
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low 16 bits are what is meant")]
const fn low_16_bits(extended: u64) -> u16 {
    extended as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_takes_the_shorter_way_round() {
        assert_eq!(distance(65_535, 0), 1);
        assert_eq!(distance(0, 65_535), -1);
        assert_eq!(distance(10, 10), 0);
        assert_eq!(distance(0, 0x8000), i16::MIN);
        assert_eq!(timestamp_distance(u32::MAX, 159), 160);
        assert_eq!(timestamp_distance(159, u32::MAX), -160);
    }

    #[test]
    fn newer_is_strict_and_wraps() {
        assert!(newer(0, 65_535));
        assert!(!newer(65_535, 0));
        assert!(!newer(7, 7));
        assert!(!newer(0x8000, 0) && !newer(0, 0x8000));
    }

    #[test]
    fn extender_crosses_the_wrap_both_ways() {
        let mut extender = Extender::new();
        let first = extender.extend(65_534);
        assert_eq!(extender.extend(1), first + 3);
        assert_eq!(extender.extend(65_535), first + 1, "late packet from before the wrap");
        assert_eq!(extender.highest(), Some(first + 3));
        assert_eq!(extender.peek(2), first + 4);
        assert_eq!(extender.highest(), Some(first + 3), "peek remembers nothing");
    }

    #[test]
    fn extender_takes_a_packet_older_than_the_first() {
        let mut extender = Extender::new();
        let first = extender.extend(0);
        assert_eq!(extender.extend(65_535), first - 1);
    }
}
