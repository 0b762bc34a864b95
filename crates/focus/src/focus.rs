//! One conference (RFC 4353 §3): a leg per dialog, and what follows from what happens to them.

use std::collections::{BTreeMap, VecDeque};

use sdp::Family;
use serde::{Deserialize, Serialize};
use sip::{
    Dialog, DialogId, Failure, Incoming, Method, Response, ServerTxnId, SessionId, SessionUuid,
    SipUri, Source, StatusCode, session_timer, uas,
};
use units::{Instant, Rng, soonest};

use crate::answers::{CAPABILITIES, focus_contact};
use crate::creator::Likeness;
use crate::dialling::{DialEnd, Dialling};
use crate::entry::Guesses;
use crate::event::Watch;
use crate::lasting::Lasting;
use crate::leg::{Leg, Standing};
use crate::negotiation::{Session, Wanted, check_offer};
use crate::refer::{Pace, Right};
use crate::referral::{Referral, ReferralId};
use crate::{End, FocusConfig, LegEnd, LegId, MediaSeat, Output};

/// One conference. A root machine: one mutation, then drain [`Focus::poll_output`] to `None`, then
/// read [`Focus::deadline`].
///
/// - In: [`Self::invite`], [`Self::request`], [`Self::response`], [`Self::answered`],
///   [`Self::request_failed`], [`Self::seated`], [`Self::dial_failed`], [`Self::media_silent`],
///   [`Self::media_failed`], [`Self::handle_deadline`]; of who subscribes: [`Self::subscribe`],
///   [`Self::informed`], [`Self::inform_unsent`].
/// - Commands: [`Self::end`].
/// - Out: [`Self::poll_output`], [`Self::deadline`].
///
/// **Invariant:** every leg that was started ends with one `CloseMedia` and one `LegEnded`, whatever
/// the peer does or does not do, every call of ours becomes a leg or ends with one `DialEnded`; a
/// conference that had a leg ends with one `Ended`.
#[derive(Debug)]
pub struct Focus {
    pub(crate) config: FocusConfig,
    pub(crate) rng: Rng,
    /// Our end of every leg's session: one for the conference (RFC 7989 §9).
    pub(crate) session: SessionUuid,
    pub(crate) legs: BTreeMap<LegId, Leg>,
    pub(crate) by_dialog: BTreeMap<DialogId, LegId>,
    /// Legs that we are calling ourselves; with `legs` at most [`LEGS_MAX`], and those that were
    /// answered less than 32 s ago.
    pub(crate) dialling: BTreeMap<LegId, Dialling>,
    /// REFERs whose results are reported; at most [`REFERRALS_MAX`](crate::referral::REFERRALS_MAX).
    pub(crate) referrals: BTreeMap<ReferralId, Referral>,
    pub(crate) next_referral: u32,
    /// Dialogs that serve subscriptions only: at most one for each of `referrals` and of `watch`.
    pub(crate) report_dialogs: BTreeMap<DialogId, Dialog>,
    pub(crate) refers: Pace,
    /// The number of its first leg; those below were in before it began again.
    pub(crate) first_leg: u32,
    pub(crate) next_leg: u32,
    /// Whether anybody ever was in, or on his way in without having to be let in.
    pub(crate) had_leg: bool,
    /// Whether somebody called who had to be let in, and what became of such.
    pub(crate) was_guarded: bool,
    pub(crate) guesses: Guesses,
    /// Until when it goes on without anybody, if nobody ever got in.
    pub(crate) empty_until: Option<Instant>,
    /// Since when there are only other conferences in it, and none speaks.
    pub(crate) quiet_since: Option<Instant>,
    /// Whether nobody gets in any more who is not called.
    pub(crate) is_locked: bool,
    /// How long it may last.
    pub(crate) lasting: Lasting,
    /// The leg taken for the creator's, and how surely.
    pub(crate) creator_leg: Option<(LegId, Likeness)>,
    /// Who subscribes to it.
    pub(crate) watch: Watch,
    pub(crate) phase: Phase,
    /// A few for each leg at most, and drained after each mutation.
    pub(crate) outputs: VecDeque<Output>,
}

/// Where the conference stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    Running,
    /// Nobody gets in any more; the legs are on their way out.
    Ending(End),
    Over,
}

impl Focus {
    /// A conference without legs. It does not end before it had one, unless told to.
    pub fn new(now: Instant, config: FocusConfig, mut rng: Rng) -> Self {
        let session = SessionUuid::random(rng.bytes());
        let lasting = Lasting::new(now, config.max_time);
        Self {
            config,
            rng,
            session,
            legs: BTreeMap::new(),
            by_dialog: BTreeMap::new(),
            dialling: BTreeMap::new(),
            referrals: BTreeMap::new(),
            next_referral: 0,
            report_dialogs: BTreeMap::new(),
            refers: Pace::default(),
            first_leg: 0,
            next_leg: 0,
            had_leg: false,
            was_guarded: false,
            guesses: Guesses::default(),
            empty_until: None,
            quiet_since: None,
            is_locked: false,
            lasting,
            creator_leg: None,
            watch: Watch::default(),
            phase: Phase::Running,
            outputs: VecDeque::new(),
        }
    }

    /// Takes a leg in: an INVITE to the conference URI without a To tag (RFC 4579 §5.1). The 200
    /// goes out as [`Output::Respond`].
    ///
    /// # Errors
    /// The refusal to send: what [`check`] says, 404 when the conference is ending, 486 when it has
    /// [`LEGS_MAX`]; nothing was kept.
    pub fn invite(
        &mut self,
        now: Instant,
        txn: ServerTxnId,
        incoming: &Incoming,
        seat: MediaSeat,
    ) -> Result<LegId, Response> {
        let tag = self.new_tag();
        self.admit(now, txn, incoming, seat, &tag).map_err(|response| response.with_to_tag(&tag))
    }

    fn admit(
        &mut self,
        now: Instant,
        txn: ServerTxnId,
        incoming: &Incoming,
        seat: MediaSeat,
        tag: &str,
    ) -> Result<LegId, Response> {
        let refuse = |status| Response::answering(&incoming.request, status);
        let next_leg = self.next_leg().map_err(refuse)?;
        uas::check(incoming, &CAPABILITIES)?;
        let contact = focus_contact(&self.config.conference_uri, incoming);
        let mut dialog = Dialog::answering(incoming, tag, contact)
            .map_err(|error| refuse(error.status()))?
            .under(self.config.nat);
        dialog.join_session(self.session, &incoming.request.headers);
        let terms = session_timer::agree(&incoming.request.headers, None)
            .map_err(|error| error.refusal(incoming))?;
        let session = Session::new(seat, self.new_session_id());
        let id = LegId(self.next_leg);
        let (mut leg, response) = Leg::answer(now, id, incoming, dialog, (session, terms))
            .map_err(|error| error.refusal(incoming, self.config.conference_uri.host.as_str()))?;

        self.next_leg = next_leg;
        leg.entry = self.entry_of(now, incoming);
        leg.media.apart = !leg.entry.is_in();
        let dialog = leg.dialog.id.clone();
        self.outputs.push_back(Output::LegStarted { leg: id, dialog: dialog.clone() });
        self.outputs.push_back(Output::OpenMedia { leg: id, media: leg.media.clone() });
        self.outputs.push_back(Output::Respond { txn, response });
        self.by_dialog.insert(dialog, id);
        self.legs.insert(id, leg);
        self.recognise_creator(now, id, incoming);
        Ok(id)
    }

    /// Whether one more leg would be let in now, whoever it is.
    ///
    /// # Errors
    /// The status to refuse with, see [`Self::invite`].
    pub fn admits(&self) -> Result<(), StatusCode> {
        self.next_leg().map(|_| ())
    }

    /// The value of `next_leg` after one more leg.
    pub(crate) fn next_leg(&self) -> Result<u32, StatusCode> {
        match self.phase {
            Phase::Running => {}
            Phase::Ending(_) | Phase::Over => return Err(StatusCode::NOT_FOUND),
        }
        let next_leg = self.next_leg.checked_add(1).filter(|_| self.leg_count() < LEGS_MAX);
        next_leg.ok_or(StatusCode::BUSY_HERE)
    }

    pub(crate) fn new_tag(&mut self) -> String {
        format!("{}{}", self.config.tag_prefix, self.rng.token(TAG_CHARS))
    }

    pub(crate) fn new_session_id(&mut self) -> u64 {
        self.rng.u64() >> SESSION_ID_SHIFT
    }

    /// Takes a request of a leg's dialog. `txn` is `None` for ACK only. A dialog that is not known
    /// here gets 481 (RFC 3261 §12.2.2).
    pub fn request(&mut self, now: Instant, txn: Option<ServerTxnId>, incoming: &Incoming) {
        if let Some(txn) = txn {
            if incoming.request.method == Method::Refer {
                return self.refer(now, txn, incoming, Right::ByDialog);
            }
            if self.watch_request(now, txn, incoming) || self.report_request(now, txn, incoming) {
                return self.settle(now);
            }
        }
        let dialog = DialogId::of_request(&incoming.essentials);
        let leg = self.by_dialog.get(&dialog).and_then(|id| self.legs.get_mut(id));
        let is_ack = incoming.request.method == Method::Ack;
        match (leg, txn) {
            (Some(leg), _) if is_ack => leg.ack(now, incoming, &mut self.outputs),
            (Some(leg), Some(txn)) => {
                let uri = &self.config.conference_uri;
                leg.request(now, txn, incoming, uri, &mut self.outputs);
            }
            (None, Some(txn)) => {
                let uri = &self.config.conference_uri;
                let mut calls = self.dialling.values_mut();
                let response = calls.find_map(|dialling| dialling.early_request(incoming, uri));
                let response = response.unwrap_or_else(|| {
                    Response::answering(&incoming.request, StatusCode::CALL_DOES_NOT_EXIST)
                });
                self.outputs.push_back(Output::Respond { txn, response });
            }
            // An ACK for nobody, or a request that the caller cannot answer.
            (Some(_) | None, None) => {}
        }
        self.settle(now);
    }

    /// Takes the status of a final response to a request that we sent. That to re-INVITE and UPDATE
    /// goes to [`Self::answered`].
    pub fn response(&mut self, now: Instant, leg: LegId, method: &Method, status: StatusCode) {
        if status.is_final()
            && let Some(leg) = self.legs.get_mut(&leg)
        {
            leg.response(now, method, status, &mut self.outputs);
        }
        self.settle(now);
    }

    /// Takes a response to a request that we sent, with all that it says: that to an INVITE or UPDATE of
    /// ours needs more than its status. `path` is the way that it came.
    pub fn answered(
        &mut self,
        now: Instant,
        leg: LegId,
        method: &Method,
        response: &Response,
        path: Source,
    ) {
        if let Some(leg) = self.legs.get_mut(&leg) {
            leg.dialog.hear_session(&response.headers);
        }
        match method {
            Method::Invite if self.dial_answered(now, leg, response, path) => {}
            Method::Invite | Method::Update => {
                let Self { legs, rng, outputs, .. } = self;
                if response.status.is_final()
                    && let Some(leg) = legs.get_mut(&leg)
                {
                    leg.refreshed(now, method, response, rng, outputs);
                }
                self.settle(now);
            }
            _ => self.response(now, leg, method, response.status),
        }
    }

    /// A request that we sent got no answer, or could not be sent.
    pub fn request_failed(&mut self, now: Instant, leg: LegId, method: &Method, why: Failure) {
        if *method == Method::Invite && self.is_dialling(leg) {
            return self.dial_failed(now, leg, DialEnd::of(why));
        }
        if let Some(leg) = self.legs.get_mut(&leg) {
            leg.request_failed(now, method, &mut self.outputs);
        }
        self.settle(now);
    }

    /// A leg sent no RTP and no RTCP for 30 s: ask it by OPTIONS whether it is there. Held and muted
    /// legs are silent and stay.
    pub fn media_silent(&mut self, now: Instant, leg: LegId) {
        if let Some(leg) = self.legs.get_mut(&leg) {
            leg.media_silent(now, &mut self.outputs);
        }
    }

    /// The mixer refused or lost a leg's port: the leg is let go.
    pub fn media_failed(&mut self, now: Instant, leg: LegId) {
        if let Some(leg) = self.legs.get_mut(&leg) {
            leg.let_go(now, LegEnd::MediaFailed, &mut self.outputs);
        }
        self.settle(now);
    }

    /// Does what is due.
    pub fn handle_deadline(&mut self, now: Instant) {
        for leg in self.legs.values_mut() {
            if leg.deadline().is_some_and(|at| at <= now) {
                leg.handle_deadline(now, &mut self.outputs);
            }
        }
        self.entries_due(now);
        self.dialling_due(now);
        self.time_due(now);
        self.settle(now);
    }

    /// When something is due next.
    pub fn deadline(&self) -> Option<Instant> {
        let legs = self.legs.values().map(Leg::deadline);
        let reports = self.referrals.values().map(|referral| referral.notifier.deadline());
        let dialling = self.dialling.values().map(Dialling::deadline);
        let own = [
            self.watch.deadline(),
            self.time_deadline(),
            self.empty_deadline(),
            self.company_deadline(),
        ];
        legs.chain(dialling).chain(reports).chain(own).fold(None, soonest)
    }

    /// What the focus wants done, oldest first.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether 2xx to INVITEs of ours may still come that want an ACK, and some a BYE (RFC 3261 §13.2.2.4, §15): also when
    /// the conference is over. They go on coming in by [`Self::answered`] until then.
    pub fn awaits_late_answers(&self) -> bool {
        !self.dialling.is_empty()
    }

    /// The same of one leg.
    pub fn awaits_late_answers_of(&self, leg: LegId) -> bool {
        self.dialling.contains_key(&leg)
    }

    /// The conference URI.
    pub fn conference_uri(&self) -> &SipUri {
        &self.config.conference_uri
    }

    /// The session of a leg's dialog (RFC 7989).
    pub fn session(&self, leg: LegId) -> Option<SessionId> {
        self.legs.get(&leg)?.dialog.session
    }

    /// Draws the consequences of what happened to the legs.
    pub(crate) fn settle(&mut self, now: Instant) {
        self.settle_replaced(now);
        self.note_company(now);
        if self.phase == Phase::Running
            && let Some(cause) = self.cause_to_end(now)
        {
            self.begin_end(now, cause);
        }
        let is_gone = |_: &LegId, leg: &mut Leg| leg.standing() == Standing::Gone;
        let gone: Vec<Leg> = self.legs.extract_if(.., is_gone).map(|(_, leg)| leg).collect();
        for leg in gone {
            self.by_dialog.remove(&leg.dialog.id);
            self.note_departed(now, &leg);
            self.outlive(leg.dialog);
        }
        self.dialling.retain(|_, dialling| !dialling.is_over());
        self.settle_referrals(now);
        if let Some((creator, _)) = self.creator_leg
            && !self.is_staying(creator)
        {
            self.creator_leg = None;
        }
        if let Phase::Ending(cause) = self.phase
            && self.leg_count() == 0
        {
            self.phase = Phase::Over;
            // What is left has been answered: copies of its 2xx, and other places that answer, still come.
            self.end_watch(now);
            self.close_referrals(now);
            self.outputs.push_back(Output::Ended { cause });
        }
        self.settle_watch(now);
    }
}

/// Says what [`Focus::invite`] would refuse for the request's own sake (420, 415, 406, 416, 400, 422, 488),
/// before a seat or a port is taken for it; and what its media will be, in one of the address families that there are. A
/// function of the request.
///
/// # Errors
/// The refusal to send, without a To tag.
pub fn check(incoming: &Incoming, families: &[Family]) -> Result<Wanted, Response> {
    uas::check(incoming, &CAPABILITIES)?;
    let Some(asked) = incoming.request.uri.as_sip() else {
        let status = StatusCode::UNSUPPORTED_URI_SCHEME;
        return Err(Response::answering(&incoming.request, status));
    };
    Dialog::answering(incoming, "", focus_contact(asked, incoming))
        .map_err(|error| Response::answering(&incoming.request, error.status()))?;
    session_timer::agree(&incoming.request.headers, None)
        .map_err(|error| error.refusal(incoming))?;
    check_offer(incoming, families).map_err(|error| error.refusal(incoming, asked.host.as_str()))
}

/// Legs of one conference. The pool usually says no long before; this bounds what one conference
/// costs its media thread in a tick and its signalling thread at the end, when it sends as many
/// BYEs at once. As many as a mixer takes into one conference, nearly. When full: 486.
pub const LEGS_MAX: usize = 4_000;

/// Random characters in a tag, 5 bits each (RFC 3261 §19.3 asks for 32 bits).
const TAG_CHARS: usize = 16;
/// Session ids of 62 bits: some peers read them as signed (RFC 8866 §5.2 says only: digits).
const SESSION_ID_SHIFT: u32 = 2;
