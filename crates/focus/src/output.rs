//! What a focus says.

use std::time::Duration;

use sip::{DialogId, Request, Response, ServerTxnId, SipUri, Source, StatusCode};

use crate::event::WatcherId;
use crate::{DialEnd, End, LegEnd, LegId, LegMedia, MediaPort, Participant, Prompt, ReferralId};

/// What the focus wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Answer a request.
    Respond {
        /// The transaction that [`Focus::invite`](crate::Focus::invite) or
        /// [`Focus::request`](crate::Focus::request) was given.
        txn: ServerTxnId,
        /// With its To tag.
        response: Response,
    },
    /// Send a 2xx to INVITE once more, outside its transaction (RFC 3261 §13.3.1.4).
    ResendSuccess {
        /// The leg.
        leg: LegId,
        /// The same 2xx.
        response: Response,
        /// Where its INVITE came from.
        to: Source,
    },
    /// Send a request within a leg's dialog; its end comes back by
    /// [`Focus::response`](crate::Focus::response) or
    /// [`Focus::request_failed`](crate::Focus::request_failed).
    Request {
        /// The leg.
        leg: LegId,
        /// BYE, OPTIONS, or a refresh of the session.
        request: Request,
        /// The next hop.
        to: Source,
    },
    /// Find a seat and a port for a leg that is to be called, and say so by
    /// [`Focus::seated`](crate::Focus::seated).
    SeatWanted {
        /// The leg to be.
        leg: LegId,
        /// Whom it will call.
        target: SipUri,
    },
    /// Send an INVITE to somebody who is to join. Each answer, provisional ones and copies included,
    /// comes back by [`Focus::answered`](crate::Focus::answered); that it cannot be sent, by
    /// [`Focus::dial_failed`](crate::Focus::dial_failed).
    Dial {
        /// The leg to be.
        leg: LegId,
        /// The INVITE.
        request: Request,
        /// Where it goes: its Request-URI.
        target: SipUri,
    },
    /// Cancel the INVITE of [`Output::Dial`] that was sent last (RFC 3261 §9.1).
    Cancel {
        /// The leg to be.
        leg: LegId,
    },
    /// It rings, or makes progress.
    Ringing {
        /// The leg to be.
        leg: LegId,
        /// 101-199.
        status: StatusCode,
    },
    /// A leg that was to be called will not be: its seat goes back, and its port.
    DialEnded {
        /// The leg that is not.
        leg: LegId,
        /// The lent port, if it had one.
        port: Option<MediaPort>,
        /// Why.
        why: DialEnd,
    },
    /// Send a request whose answer nobody waits for: PRACK, or the BYE to a fork of a call that another
    /// place has answered.
    Aside {
        /// The leg that it is for.
        leg: LegId,
        /// The request.
        request: Request,
        /// The next hop.
        to: Source,
    },
    /// Send the ACK to a 2xx of an INVITE of ours (RFC 3261 §13.2.2.4).
    Acknowledge {
        /// The leg.
        leg: LegId,
        /// The ACK.
        request: Request,
        /// The next hop.
        to: Source,
    },
    /// Send a NOTIFY about the conference; its end comes back by [`Focus::informed`](crate::Focus::informed),
    /// or by [`Focus::inform_unsent`](crate::Focus::inform_unsent).
    Inform {
        /// Whose subscription it is of.
        watcher: WatcherId,
        /// Whether he has shown that he wants it: see [`Subscriber`](crate::Subscriber).
        is_proved: bool,
        /// The NOTIFY.
        request: Request,
        /// The next hop.
        to: Source,
    },
    /// Send a REFER to somebody who is to call the conference himself; what becomes of it comes back by
    /// [`Focus::referred_on`](crate::Focus::referred_on).
    Refer {
        /// Which.
        referral: ReferralId,
        /// The REFER.
        request: Request,
        /// Where it goes: its Request-URI.
        target: SipUri,
    },
    /// Send a report of what came of a REFER; its end comes back by
    /// [`Focus::notify_answered`](crate::Focus::notify_answered) or
    /// [`Focus::notify_unsent`](crate::Focus::notify_unsent).
    Notify {
        /// Whose.
        referral: ReferralId,
        /// The NOTIFY.
        request: Request,
        /// The next hop.
        to: Source,
    },
    /// Requests of this dialog are this focus's, though it is no leg's.
    DialogOpened {
        /// The dialog.
        dialog: DialogId,
    },
    /// The end of one of those.
    DialogClosed {
        /// The dialog.
        dialog: DialogId,
    },
    /// An ACK acknowledged nothing: a copy, or one to an older answer.
    AckIgnored {
        /// The leg.
        leg: LegId,
    },
    /// A leg was made: in-dialog requests of this dialog are this focus's.
    LegStarted {
        /// The leg.
        leg: LegId,
        /// Its dialog.
        dialog: DialogId,
    },
    /// The ACK came, and he was let in: the participant is in.
    Joined(Participant),
    /// The ACK came, or his PIN: the participant is asked for it, or waits in the lobby.
    Waits(Participant),
    /// A wrong PIN was keyed; it counts for a while, see [`Focus::wrong_pins`](crate::Focus::wrong_pins).
    WrongPin {
        /// Who keyed it.
        leg: LegId,
    },
    /// Tell one leg something by a few tones.
    Prompt {
        /// The leg.
        leg: LegId,
        /// What.
        prompt: Prompt,
    },
    /// A leg is gone: its dialog, its seat. Its media went before, with [`Output::CloseMedia`].
    LegEnded {
        /// The leg.
        leg: LegId,
        /// Its dialog.
        dialog: DialogId,
        /// Why.
        cause: LegEnd,
    },
    /// Start a leg's media.
    OpenMedia {
        /// The leg.
        leg: LegId,
        /// All of it.
        media: LegMedia,
    },
    /// Change a leg's media.
    UpdateMedia {
        /// The leg.
        leg: LegId,
        /// All of it.
        media: LegMedia,
    },
    /// Keep a leg's sound out of the mix, or let it in again.
    MuteMedia {
        /// The leg.
        leg: LegId,
        /// Which of the two.
        is_muted: bool,
    },
    /// Tell all who are in, by a few tones, that the conference ends soon.
    EndsSoon {
        /// After so long.
        left: Duration,
    },
    /// Stop a leg's media and give its port back.
    CloseMedia {
        /// The leg.
        leg: LegId,
        /// The lent port.
        port: MediaPort,
    },
    /// The conference is over and the last leg is gone. After it only 481s come, for who still asks, and what a late 2xx
    /// wants: see [`Focus::awaits_late_answers`](crate::Focus::awaits_late_answers).
    Ended {
        /// Why.
        cause: End,
    },
}
