//! Counts by cause.

use std::collections::BTreeMap;

/// A closed set of causes that something is counted by. Made by [`causes!`](crate::causes), so that none is
/// without its label.
pub trait Cause: Copy + Ord + 'static {
    /// All there are, in their order.
    const ALL: &'static [Self];

    /// How counters name it: lower case and `_`.
    fn label(self) -> &'static str;
}

/// Makes an enum of causes, each with its label, from one list.
///
/// ```
/// units::causes! {
///     /// Why nobody came.
///     pub enum Absent {
///         /// He was not asked.
///         NotAsked => "not_asked",
///         /// He had something better to do.
///         Busy => "busy",
///     }
/// }
/// use units::Cause as _;
/// let labels: Vec<_> = Absent::ALL.iter().map(|cause| cause.label()).collect();
/// assert_eq!(labels, ["not_asked", "busy"]);
/// ```
#[macro_export]
macro_rules! causes {
    (
        $(#[$of_enum:meta])*
        $visibility:vis enum $name:ident {
            $($(#[$of_variant:meta])* $variant:ident => $label:literal,)+
        }
    ) => {
        $(#[$of_enum])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        $visibility enum $name {
            $($(#[$of_variant])* $variant,)+
        }

        impl $crate::Cause for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn label(self) -> &'static str {
                match self {
                    $(Self::$variant => $label,)+
                }
            }
        }
    };
}

/// How often each cause struck. As large as there are causes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally<C>(BTreeMap<C, u64>);

impl<C: Cause> Tally<C> {
    /// Counts one more.
    pub fn count(&mut self, cause: C) {
        *self.0.entry(cause).or_default() += 1;
    }

    /// The same tally in which `cause` has struck so often.
    #[must_use]
    pub fn with(mut self, cause: C, count: u64) -> Self {
        self.0.insert(cause, count);
        self
    }

    /// How often this cause has struck.
    pub fn of(&self, cause: C) -> u64 {
        self.0.get(&cause).copied().unwrap_or(0)
    }

    /// Every cause, those that never struck too.
    pub fn iter(&self) -> impl Iterator<Item = (C, u64)> + '_ {
        C::ALL.iter().map(|cause| (*cause, self.of(*cause)))
    }
}

impl<C> Default for Tally<C> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<C: Cause> FromIterator<(C, u64)> for Tally<C> {
    fn from_iter<I: IntoIterator<Item = (C, u64)>>(counts: I) -> Self {
        Self(counts.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    causes! {
        enum Weather {
            Rain => "rain",
            Sun => "sun",
        }
    }

    #[test]
    fn a_cause_that_never_struck_is_told_too() {
        let mut tally = Tally::default();
        tally.count(Weather::Sun);
        tally.count(Weather::Sun);
        let told: Vec<_> = tally.iter().map(|(cause, count)| (cause.label(), count)).collect();
        assert_eq!(told, [("rain", 0), ("sun", 2)]);
        assert_eq!(tally.of(Weather::Sun), 2);
    }
}
