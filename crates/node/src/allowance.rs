//! So many a second, and some at once: the one arithmetic of all that is paced.

use std::time::Duration;

use units::Instant;

/// Takes one from an allowance that is whole again at `whole_at` and gives back one each `each`, if that puts the time at
/// which it is whole no further off than `ahead`.
pub(crate) fn take(
    now: Instant,
    whole_at: &mut Instant,
    (each, ahead): (Duration, Duration),
) -> bool {
    let used = now.max(*whole_at) + each;
    // `since` of an earlier time is nothing.
    let is_left = used.since(now) <= ahead;
    if is_left {
        *whole_at = used;
    }
    is_left
}
