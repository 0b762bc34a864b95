//! The leg that an INVITE of ours has made.

use sdp::Negotiated;
use sip::{Dialog, HeaderValue, Headers, NameAddr};
use units::Instant;

use super::{Leg, Probe, Refreshing, State};
use crate::LegId;
use crate::entry::Entry;
use crate::event::Manner;
use crate::negotiation::Session;
use crate::roster::shown;

/// What came of the call, beside the dialog.
#[derive(Debug)]
pub(crate) struct Dialled<'a> {
    pub(crate) session: Session,
    pub(crate) negotiated: Negotiated,
    /// Of the 2xx.
    pub(crate) headers: &'a Headers,
    /// Who had him called.
    pub(crate) referred_by: Option<&'a HeaderValue>,
    /// The highest Min-SE that the peer named, in seconds.
    pub(crate) min_se: u32,
}

impl Leg {
    /// A leg whose 2xx has come and has its ACK. `callee` is shown in the roster.
    pub(crate) fn dialled(
        now: Instant,
        id: LegId,
        dialog: Dialog,
        callee: &NameAddr,
        up: Dialled<'_>,
    ) -> Self {
        let Dialled { session, negotiated, headers, referred_by, min_se } = up;
        let (uri, display) = shown(callee);
        let media = session.media(negotiated, dialog.path);
        Self {
            id,
            dialog,
            uri,
            display,
            user: None,
            since: now,
            is_creator: false,
            is_moderator: false,
            entry: Entry::In,
            is_dialled: true,
            is_muted: false,
            is_talking: false,
            manner: Manner::dialled(referred_by, headers),
            was_referring: false,
            replaces: None,
            session,
            media,
            state: State::Confirmed { unacked: None, probe: Probe::Idle },
            refreshing: Refreshing::dialled(now, headers, min_se),
        }
    }
}
