//! What an established call remembers beside its dialog: its session timer, and what of ours is under
//! way in it.

use sdp::{Direction, LocalMedia, SessionDescription};
use sip::header::TDIALOG;
use sip::reliable::ReliableSender;
use sip::session_timer::{
    self, Refresher, SESSION_SECONDS, SESSION_SECONDS_MIN, SessionTimer, Terms, TermsError,
};
use sip::{ClientTxnId, HeaderName, Headers, Incoming, Method};
use units::{Instant, soonest};

/// What an established call remembers.
#[derive(Debug)]
pub(super) struct Session {
    /// Whether the Call-ID is ours: it says who waits longer after a 491 (RFC 3261 §14.1).
    pub(super) we_called: bool,
    /// Whether the peer takes UPDATE: its Allow says so.
    pub(super) takes_update: bool,
    /// Whether the peer understands Target-Dialog: its Supported says so (RFC 4538 §3).
    pub(super) takes_target_dialog: bool,
    pub(super) timer: Option<SessionTimer>,
    /// The highest Min-SE that the peer named, in seconds (RFC 4028 §7.3).
    pub(super) min_se: u32,
    /// What was agreed on last.
    pub(super) direction: Direction,
    /// Whether the peer is on hold because we want it so.
    pub(super) holds: bool,
    /// Hold or resume, asked for by our owner and not sent yet.
    pub(super) wanted: Option<bool>,
    /// When what is wanted may be sent again.
    pub(super) again_at: Option<Instant>,
    pub(super) under_way: UnderWay,
    /// The 180 of ours whose PRACK may still come.
    pub(super) rang: Option<ReliableSender>,
    /// Whether an OPTIONS asks whether the peer is still there.
    pub(super) is_probing: bool,
}

/// A request of ours that changes or refreshes the session and has no final answer. One at a time:
/// RFC 3261 §14.1, RFC 3264 §4.
#[derive(Debug)]
pub(super) enum UnderWay {
    Nothing,
    /// A re-INVITE with `offer`, made of `media`.
    Reinvite {
        txn: ClientTxnId,
        media: LocalMedia,
        offer: Box<SessionDescription>,
        why: Why,
    },
    /// An UPDATE without an offer: it refreshes only.
    Update {
        txn: ClientTxnId,
    },
}

/// What a re-INVITE is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Hold, or resume.
    Hold(bool),
    Refresh,
}

impl Session {
    /// The session of a call that we placed, as its 2xx says.
    pub(super) fn called(now: Instant, success: &Headers, direction: Direction) -> Self {
        let mut session = Self::new(true, direction);
        session.learn_peer(success);
        // RFC 4028 §7.2: without Session-Expires in the 2xx there is no expiration.
        if let Ok(Some(theirs)) = session_timer::session_expires(success) {
            let terms = Terms {
                seconds: theirs.seconds.max(SESSION_SECONDS_MIN),
                refresher: theirs.refresher.unwrap_or(Refresher::Uac),
            };
            session.timer = Some(SessionTimer::new(now, terms, Refresher::Uac));
        }
        session
    }

    /// The session of a call that we answered with these terms.
    pub(super) fn answered(
        now: Instant,
        invite: &Headers,
        terms: Option<Terms>,
        direction: Direction,
    ) -> Self {
        let mut session = Self::new(false, direction);
        session.refreshed_by_peer(now, invite, terms);
        session
    }

    const fn new(we_called: bool, direction: Direction) -> Self {
        Self {
            we_called,
            takes_update: false,
            takes_target_dialog: false,
            timer: None,
            min_se: SESSION_SECONDS_MIN,
            direction,
            holds: false,
            wanted: None,
            again_at: None,
            under_way: UnderWay::Nothing,
            rang: None,
            is_probing: false,
        }
    }

    /// What the peer says that it takes. RFC 3261 §20.5: without Allow nothing is said.
    pub(super) fn learn_peer(&mut self, headers: &Headers) {
        if let Ok(Some(methods)) = headers.allow() {
            self.takes_update = methods.contains(&Method::Update);
        }
        if headers.supported().is_ok_and(|tags| tags.iter().any(|tag| tag == TDIALOG)) {
            self.takes_target_dialog = true;
        }
    }

    /// What to answer to a request of the peer's that refreshes.
    pub(super) fn agree(&self, incoming: &Incoming) -> Result<Option<Terms>, TermsError> {
        let so_far = self.timer.as_ref().map(|timer| match timer.we_refresh() {
            true => Refresher::Uas,
            false => Refresher::Uac,
        });
        session_timer::agree(&incoming.request.headers, so_far)
    }

    /// The peer's request was answered 2xx with these terms; without any there is no timer.
    pub(super) fn refreshed_by_peer(
        &mut self,
        now: Instant,
        headers: &Headers,
        terms: Option<Terms>,
    ) {
        self.timer = terms.map(|terms| SessionTimer::new(now, terms, Refresher::Uas));
        self.learn_peer(headers);
    }

    /// Our request was answered 2xx: the time begins anew.
    pub(super) fn refreshed_by_us(&mut self, now: Instant, success: &Headers) {
        self.learn_peer(success);
        let Some(timer) = &self.timer else { return };
        let ours = self.interval(timer.terms().seconds);
        let terms = match session_timer::session_expires(success) {
            Ok(Some(theirs)) => Terms {
                // A UAS must not raise it, nor go below 90 (RFC 4028 §9).
                seconds: theirs.seconds.clamp(SESSION_SECONDS_MIN, ours),
                refresher: theirs.refresher.unwrap_or(Refresher::Uac),
            },
            // A peer that knows nothing of it any more: then it is on us (RFC 4028 §7.2).
            Ok(None) | Err(_) => Terms { seconds: ours, refresher: Refresher::Uac },
        };
        self.timer = Some(SessionTimer::new(now, terms, Refresher::Uac));
    }

    /// The peer wants longer intervals (RFC 4028 §7.3).
    pub(super) fn learn_min_se(&mut self, refusal: &Headers) {
        let asked = session_timer::min_se(refusal).unwrap_or(SESSION_SECONDS_MIN);
        // Longer than we would ever ask for is no wish, but a session without an end.
        self.min_se = self.min_se.max(asked.min(SESSION_SECONDS));
    }

    fn interval(&self, agreed: u32) -> u32 {
        agreed.max(self.min_se)
    }

    /// Writes into a request of ours that it refreshes, and who will from then on: as so far.
    pub(super) fn write_refresh(&self, headers: &mut Headers) {
        let Some(timer) = &self.timer else { return };
        let seconds = self.interval(timer.terms().seconds);
        session_timer::write_refresh(seconds, self.min_se, headers);
        if !timer.we_refresh() {
            let refresher = Some(Refresher::Uas);
            let value = session_timer::SessionExpires { seconds, refresher };
            headers.set(HeaderName::SessionExpires, value.to_string());
        }
    }

    /// Whether an offer of ours has no answer, but for one in a 2xx.
    pub(super) const fn is_reinviting(&self) -> bool {
        matches!(self.under_way, UnderWay::Reinvite { .. })
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        soonest(self.timer.as_ref().and_then(SessionTimer::deadline), self.again_at)
    }
}
