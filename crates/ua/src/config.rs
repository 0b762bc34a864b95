//! What a user agent is told at its start, and its bounds.

use std::net::SocketAddr;

use sdp::LocalMedia;
use sip::digest::Account;
use sip::{Host, Uri};

use crate::RegisterConfig;

/// Calls at once, of all kinds and states. A terminal needs three; the invitees that a convener
/// calls one by one need one each. A call beyond it is refused: ours by
/// [`crate::CommandError::Full`], the peer's by 486.
pub const CALLS_MAX: usize = 64;

/// REFERs that we sent and whose outcome is not known yet. Each belongs to an invitee, so as
/// [`CALLS_MAX`]. A command beyond it is refused by [`crate::CommandError::Full`].
pub const REFERS_MAX: usize = 64;

/// REFERs that were sent to us and are not reported to the end yet. Each makes one call, so more
/// than [`CALLS_MAX`] would be of no use. A REFER beyond it is answered 480.
pub const REFERRALS_MAX: usize = CALLS_MAX;

/// Subscriptions to conferences at once. A terminal needs one for each conference that it is in. One beyond it is
/// refused by [`crate::CommandError::Full`].
pub const WATCHES_MAX: usize = 8;

/// Redirections that one call follows. RFC 3261 sets no number; five is more than any chain of
/// factory, proxy and registrar needs, and a loop that mints new URIs ends soon. The sixth is
/// [`crate::CallFailure::TooManyRedirects`].
pub const REDIRECTS_MAX: usize = 5;

/// How often one call is placed anew because a session interval was too small (422). Each proxy on the way
/// may ask once; the next 422 is a refusal.
pub const INTERVALS_MAX: usize = 4;

/// Contacts kept from redirections of one call, tried or not. A 302 with more loses its last ones.
pub const TARGETS_MAX: usize = 16;

/// Forks of one INVITE that answered 2xx after the first and were acknowledged and ended. A further
/// one gets no ACK, and so ends itself after 64*T1 (RFC 3261 §13.3.1.4).
pub const FORKS_MAX: usize = 8;

/// What a user agent is told at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UaConfig {
    /// The user part of our own address, as in `sip:alice@...`; without escapes.
    pub user: String,
    /// The name shown to others.
    pub display: Option<String>,
    /// The local address of the one UDP socket that all packets come in on and leave from.
    pub bind: SocketAddr,
    /// The host that others reach us by, for Via, From and Contact: apart from `bind` because of
    /// address translation and wildcard binds.
    pub advertised_host: Host,
    /// The port that goes with it.
    pub advertised_port: u16,
    /// The User-Agent header's value.
    pub product: String,
    /// What we prove who we are with, and to whom; empty: a challenge is a refusal.
    pub credentials: Vec<Account>,
    /// Where everything outside a dialog goes first (RFC 3261 §8.1.2); `None`: to its target.
    pub proxy: Option<Uri>,
    /// Where we register, and as whom; `None`: nowhere, and others know us by our own address.
    pub register: Option<RegisterConfig>,
}

impl UaConfig {
    /// A user agent that advertises the address it is bound to.
    pub fn new(user: &str, bind: SocketAddr) -> Self {
        Self {
            user: user.to_owned(),
            display: None,
            bind,
            advertised_host: Host::from(bind.ip()),
            advertised_port: bind.port(),
            product: concat!("convoke-terminal/", env!("CARGO_PKG_VERSION")).to_owned(),
            credentials: Vec::new(),
            proxy: None,
            register: None,
        }
    }
}

/// How a call is placed.
#[derive(Clone, Debug, PartialEq)]
pub struct CallOptions {
    /// The media we offer.
    pub media: LocalMedia,
    /// The value of a Referred-By header to copy unchanged (RFC 3892 §2.2).
    pub referred_by: Option<Vec<u8>>,
    /// Whether 300, 301 and 302 are followed (RFC 3261 §8.1.3.4) or are a failure like another.
    pub follow_redirects: bool,
    /// Whether the INVITE carries our offer. Without, the peer makes one, and our answer is in the PRACK
    /// or the ACK (RFC 3261 §13.2.1, RFC 3262 §5).
    pub offers: bool,
}

impl CallOptions {
    /// Offers `media` and follows redirections.
    pub fn new(media: LocalMedia) -> Self {
        Self { media, referred_by: None, follow_redirects: true, offers: true }
    }
}
