//! NTP timestamps.

use std::time::Duration;

use units::Instant;

/// Seconds since 1900 in the high half, fractions of a second in the low half: RFC 3550 §4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// The time of a clock that counts from the start of the process. RFC 3550 §6.4.1 lets a sender use
    /// such a clock: what is computed from it is differences only.
    pub fn of_uptime(now: Instant) -> Self {
        let nanos = u128::from(now.as_nanos());
        let fixed = (nanos << 32) / 1_000_000_000;
        // 2^32 s are 136 years.
        Self(u64::try_from(fixed).unwrap_or(u64::MAX))
    }

    /// The middle half, in 1/65,536 s: what report blocks repeat.
    #[expect(clippy::cast_possible_truncation, reason = "the middle 32 bits are what is meant")]
    pub const fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }
}

/// A time in 1/65,536 s, as `delay` of a report block.
pub(super) fn short(time: Duration) -> u32 {
    let fixed = (time.as_nanos() << 16) / 1_000_000_000;
    u32::try_from(fixed).unwrap_or(u32::MAX)
}

/// The time that `fixed` 1/65,536 s are.
pub(super) fn long(fixed: u32) -> Duration {
    Duration::from_nanos((u64::from(fixed) * 1_000_000_000) >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uptime_is_seconds_and_fractions() {
        assert_eq!(NtpTime::of_uptime(Instant::from_millis(1_500)), NtpTime(0x0000_0001_8000_0000));
        assert_eq!(NtpTime::of_uptime(Instant::from_millis(1_500)).middle(), 0x0001_8000);
        assert_eq!(NtpTime(0xB44D_B705_2000_0000).middle(), 0xB705_2000, "the example of §6.4.1");
    }

    #[test]
    fn short_times_go_there_and_back() {
        assert_eq!(short(Duration::from_millis(5_250)), 0x0005_4000);
        assert_eq!(long(0x0005_4000), Duration::from_millis(5_250));
        assert_eq!(short(Duration::MAX), u32::MAX, "no wrap");
    }
}
