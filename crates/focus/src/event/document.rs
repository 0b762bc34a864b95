//! What a conference information document says (RFC 4575 §5), without its XML.

use std::collections::BTreeMap;

use sdp::Direction;
use units::UnixTime;

/// All that one kind of subscriber may know of a conference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Document {
    /// The conference URI: what one subscribes to (RFC 4575 §5.2).
    pub(crate) entity: String,
    /// How many users there may be, if that is limited.
    pub(crate) users_max: Option<u32>,
    /// How many are in: also those whom `users` has no room for (RFC 4575 §5.5.1).
    pub(crate) user_count: u32,
    /// Whether calling its URI leads into it.
    pub(crate) is_active: bool,
    /// Whether nobody else gets in (RFC 4575 §5.5.3).
    pub(crate) is_locked: bool,
    /// By entity, which is their key (RFC 4575 §4.5). At most [`USERS_SHOWN_MAX`].
    pub(crate) users: BTreeMap<String, User>,
}

/// One participant (RFC 4575 §5.6).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) display: Option<String>,
    pub(crate) is_creator: bool,
    /// By entity.
    pub(crate) endpoints: BTreeMap<String, Endpoint>,
}

/// One of his devices (RFC 4575 §5.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Who had it join.
    pub(crate) referred_by: Option<String>,
    pub(crate) status: Status,
    pub(crate) joining: Joining,
    /// When it joined, if the wall clock is known.
    pub(crate) joined: Option<UnixTime>,
    pub(crate) gone: Option<Gone>,
    /// The participant's direction of its audio.
    pub(crate) audio: Option<Direction>,
    /// Only for those who may know it (RFC 4575 §5.7.9).
    pub(crate) call: Option<Call>,
}

/// RFC 4575 §5.7.3. Of who has not acknowledged our answer nothing is told: it may be nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Alerting,
    /// Asked for his PIN.
    DialingIn,
    DialingOut,
    Connected,
    Disconnected,
    Disconnecting,
    OnHold,
    /// In the lobby.
    Pending,
}

impl Status {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Alerting => "alerting",
            Self::DialingIn => "dialing-in",
            Self::DialingOut => "dialing-out",
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
            Self::Disconnecting => "disconnecting",
            Self::OnHold => "on-hold",
            Self::Pending => "pending",
        }
    }

    /// Whether he is not in yet, and not counted.
    pub(crate) const fn is_outside(self) -> bool {
        match self {
            Self::DialingIn | Self::Pending => true,
            Self::Alerting
            | Self::DialingOut
            | Self::Connected
            | Self::Disconnected
            | Self::Disconnecting
            | Self::OnHold => false,
        }
    }
}

/// RFC 4575 §5.7.4
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joining {
    DialedIn,
    DialedOut,
}

impl Joining {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::DialedIn => "dialed-in",
            Self::DialedOut => "dialed-out",
        }
    }
}

/// How an endpoint left (RFC 4575 §5.7.6, §5.7.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gone {
    pub(crate) method: Disconnection,
    pub(crate) when: Option<UnixTime>,
    /// As a Reason header field says it (RFC 3326).
    pub(crate) reason: Option<String>,
}

/// RFC 4575 §5.7.6
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disconnection {
    Booted,
    Busy,
    Departed,
    Failed,
}

impl Disconnection {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Booted => "booted",
            Self::Busy => "busy",
            Self::Departed => "departed",
            Self::Failed => "failed",
        }
    }
}

/// The dialog of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) call_id: String,
    pub(crate) from_tag: String,
    pub(crate) to_tag: String,
}

/// Users that one document shows: the first ones. With [`DOCUMENT_BYTES_MAX`] it keeps a document within one UDP
/// datagram; `user-count` counts all (RFC 4575 §5.5.1 allows for that).
pub(crate) const USERS_SHOWN_MAX: usize = 100;

/// Bytes of XML that the users of one document may come to: the rest of 64 KiB is for the other elements and the SIP
/// around them. Names are chosen by peers, and each character may become six. Who has no room left is not shown.
pub(crate) const DOCUMENT_BYTES_MAX: usize = 48 << 10;
