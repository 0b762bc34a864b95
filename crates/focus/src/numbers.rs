//! What a conference that begins again goes on counting from.

use crate::Focus;

/// The numbers that a focus gives next to legs, REFERs and subscriptions. None is used twice, also where a conference ends,
/// waits and begins again with another focus: requests of the first may still be under way, and what is answered to them must
/// not be taken for an answer to the second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    leg: u32,
    referral: u32,
    watcher: u32,
}

impl Focus {
    /// What the next focus of this conference is to go on from.
    pub const fn numbers(&self) -> Numbers {
        Numbers { leg: self.next_leg, referral: self.next_referral, watcher: self.watch.next }
    }

    /// The same conference, which another focus had before.
    #[must_use]
    pub const fn going_on_from(mut self, numbers: Numbers) -> Self {
        (self.first_leg, self.next_leg) = (numbers.leg, numbers.leg);
        self.next_referral = numbers.referral;
        self.watch.next = numbers.watcher;
        self
    }

    /// Whether nobody has called yet, or was called.
    pub(crate) const fn is_new(&self) -> bool {
        self.next_leg == self.first_leg
    }
}
