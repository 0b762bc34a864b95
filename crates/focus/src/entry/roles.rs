//! Who may do what, in one table.

use serde::{Deserialize, Serialize};

/// What somebody is in a conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// He asked for it.
    Creator,
    /// He keyed the moderators' PIN, proved to be a moderator of this server, or an administrator made him one.
    Moderator,
    /// Anybody else.
    Guest,
}

/// What not everybody may do by SIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Have the conference call somebody, who is let in at once (REFER, RFC 4579 §5.5).
    Call,
    /// End it by leaving, where it is to end when its creator leaves.
    EndByLeaving,
    /// Come in without being let in.
    PassLobby,
    /// Come in without a PIN.
    PassPin,
    /// Have the conference tell somebody to call it (REFER, RFC 4579 §5.7).
    ReferOn,
    /// Remove somebody (REFER, RFC 4579 §5.11).
    Remove,
    /// See the dialogs of the others, and who waits to be let in (RFC 4575 §8.2).
    SeeAll,
}

impl Role {
    /// Whether he may.
    pub const fn may(self, deed: Deed) -> bool {
        match (self, deed) {
            (
                Self::Creator,
                Deed::Call
                | Deed::EndByLeaving
                | Deed::PassLobby
                | Deed::PassPin
                | Deed::ReferOn
                | Deed::Remove
                | Deed::SeeAll,
            )
            // He is known by his PIN, or by who he proved to be: then he need not key it.
            | (
                Self::Moderator,
                Deed::Call
                | Deed::PassLobby
                | Deed::PassPin
                | Deed::ReferOn
                | Deed::Remove
                | Deed::SeeAll,
            ) => true,
            (Self::Moderator, Deed::EndByLeaving)
            | (
                Self::Guest,
                Deed::Call
                | Deed::EndByLeaving
                | Deed::PassLobby
                | Deed::PassPin
                | Deed::ReferOn
                | Deed::Remove
                | Deed::SeeAll,
            ) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Deed as D, Role as R};

    /// Each pair, as docs/API.md has it.
    #[test]
    fn who_may_what() {
        let rows = [
            (D::Call, [true, true, false]),
            (D::EndByLeaving, [true, false, false]),
            (D::PassLobby, [true, true, false]),
            (D::PassPin, [true, true, false]),
            (D::ReferOn, [true, true, false]),
            (D::Remove, [true, true, false]),
            (D::SeeAll, [true, true, false]),
        ];
        for (deed, expected) in rows {
            let may = [R::Creator, R::Moderator, R::Guest].map(|role| role.may(deed));
            assert_eq!(may, expected, "{deed:?}");
        }
    }
}
