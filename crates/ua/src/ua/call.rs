//! The states of a call.

use std::time::Duration;

use sdp::{LocalMedia, SessionDescription};
use sip::reliable::ReliableSender;
use sip::{ClientTxnId, Incoming, Request, Response, ServerTxnId, Source, SuccessRetransmit};
use units::{Instant, soonest};

use crate::event::{CallId, ReferralId};
use crate::redirect::TargetSet;

use super::dialogs::DialogKey;
use super::session::Session;

/// How long we let our call ring, over all its redirections, until we CANCEL. A user agent has no
/// such limit in RFC 3261; a proxy's is above 3 minutes (§16.6 step 11), and this is as long as a
/// person would wait at all.
pub(super) const SETUP_MAX: Duration = Duration::from_secs(180);

/// How long an incoming call may wait for our owner's decision until it gets 480.
pub(super) const OFFERED_MAX: Duration = Duration::from_secs(180);

/// One call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) state: CallState,
    /// The REFER that made us place it.
    pub(super) referral: Option<ReferralId>,
}

/// The states of a call. What has ended is not in the table any more.
#[derive(Debug)]
pub(super) enum CallState {
    /// The INVITE waits for the address of its next hop.
    Locating { placing: Box<Placing>, host: String, request: Box<Request> },
    /// The INVITE is out and has no final answer.
    Inviting { placing: Box<Placing>, txn: ClientTxnId, sent: Box<Request> },
    /// It was to be cancelled; the transaction ends by itself.
    Cancelling { txn: ClientTxnId, sent: Box<Request>, cause: CancelCause },
    /// The peer's INVITE waits for our owner's decision. The dialog is early.
    Offered {
        txn: ServerTxnId,
        incoming: Box<Incoming>,
        dialog: DialogKey,
        until: Instant,
        ringing: Option<Box<Ringing>>,
        /// The established call whose place it takes.
        replaces: Option<CallId>,
    },
    /// Up; or the ACK will bring the answer that makes it so.
    Established {
        dialog: DialogKey,
        local: Box<Local>,
        session: Box<Session>,
        unacked: Option<Box<Unacked>>,
    },
    /// We want to end it, and may not before the ACK has come (RFC 3261 §15).
    Leaving { dialog: DialogKey, unacked: Box<Unacked> },
}

/// A reliable 180 of ours.
#[derive(Debug)]
pub(super) struct Ringing {
    pub(super) response: Response,
    pub(super) sender: ReliableSender,
}

/// Our half of a call's media.
#[derive(Clone, Debug)]
pub(super) struct Local {
    pub(super) media: LocalMedia,
    /// The description that we sent last.
    pub(super) description: SessionDescription,
}

/// Why an INVITE is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CancelCause {
    /// Our owner hung up.
    Owner,
    /// It rang for [`SETUP_MAX`].
    RangTooLong,
    /// The peer's offer in a provisional response is of no use.
    BadDescription,
}

/// A call on its way out.
#[derive(Debug)]
pub(super) struct Placing {
    /// The INVITE to the URI that was called: all others are made of it.
    pub(super) first: Request,
    /// The CSeq number of the INVITE sent last.
    pub(super) cseq: u32,
    pub(super) media: LocalMedia,
    /// `None`: the peer makes the offer.
    pub(super) offer: Option<SessionDescription>,
    /// `None`: redirections are not followed.
    pub(super) targets: Option<TargetSet>,
    /// How often a longer session interval was asked for.
    pub(super) intervals: usize,
    pub(super) gives_up_at: Instant,
}

/// A call that was taken out of the table on its way to its next target.
#[derive(Debug)]
pub(super) struct Onward {
    pub(super) call: CallId,
    pub(super) placing: Box<Placing>,
    pub(super) referral: Option<ReferralId>,
}

/// A 2xx of ours whose ACK has not come.
#[derive(Debug)]
pub(super) struct Unacked {
    pub(super) response: Response,
    pub(super) to: Source,
    /// The number of its INVITE.
    pub(super) cseq: u32,
    pub(super) retransmit: SuccessRetransmit,
    pub(super) awaits: Awaits,
}

/// What an ACK has to bring.
#[derive(Debug)]
pub(super) enum Awaits {
    /// Nothing more.
    Ack,
    /// The answer to our offer, since the call's INVITE had none: it makes the call.
    FirstAnswer(SessionDescription),
    /// The answer to our offer in a re-INVITE's 200.
    NewAnswer(SessionDescription),
}

/// A 2xx of the peer's that was acknowledged: each copy gets the same ACK again (RFC 3261
/// §13.2.2.4).
#[derive(Debug)]
pub(super) struct Acknowledged {
    pub(super) remote_tag: String,
    pub(super) ack: Request,
    pub(super) to: Source,
    /// The INVITE: a fork that answers later makes its dialog of it. `None` for a re-INVITE, which has
    /// no forks.
    pub(super) invite: Option<Box<Request>>,
}

impl Call {
    /// The dialog, if it has one by now.
    pub(super) fn dialog(&self) -> Option<DialogKey> {
        match &self.state {
            CallState::Locating { .. }
            | CallState::Inviting { .. }
            | CallState::Cancelling { .. } => None,
            CallState::Offered { dialog, .. }
            | CallState::Established { dialog, .. }
            | CallState::Leaving { dialog, .. } => Some(*dialog),
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            CallState::Locating { placing, .. } | CallState::Inviting { placing, .. } => {
                Some(placing.gives_up_at)
            }
            CallState::Cancelling { .. } => None, // the transaction has the timer
            CallState::Offered { until, ringing, .. } => {
                let copies = ringing.as_ref().and_then(|ringing| ringing.sender.deadline());
                soonest(copies, Some(*until))
            }
            CallState::Established { session, unacked, .. } => {
                let copies = unacked.as_ref().and_then(|unacked| unacked.retransmit.deadline());
                soonest(copies, session.deadline())
            }
            CallState::Leaving { unacked, .. } => unacked.retransmit.deadline(),
        }
    }
}
