//! One conference (RFC 4353 §3): a leg per dialog, the roster, the end.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use sip::{
    Dialog, DialogId, Incoming, Method, Response, ServerTxnId, SipUri, StatusCode, session_timer,
    uas,
};
use units::{Instant, Rng, soonest};

use crate::answers::{CAPABILITIES, focus_contact};
use crate::leg::{Leg, Standing};
use crate::negotiation::{Session, check_offer};
use crate::roster::masked;
use crate::terms::Likeness;
use crate::{End, EndPolicy, FocusConfig, LegEnd, LegId, MediaSeat, Output, Participant};

/// One conference. A root machine: one mutation, then drain [`Focus::poll_output`] to `None`, then
/// read [`Focus::deadline`].
///
/// - In: [`Self::invite`], [`Self::request`], [`Self::response`], [`Self::answered`],
///   [`Self::request_failed`], [`Self::media_silent`], [`Self::media_failed`], [`Self::handle_deadline`].
/// - Commands: [`Self::end`].
/// - Out: [`Self::poll_output`], [`Self::deadline`].
///
/// **Invariant:** every leg that was started ends with one `CloseMedia` and one `LegEnded`, whatever
/// the peer does or does not do; a conference that had a leg ends with one `Ended`.
#[derive(Debug)]
pub struct Focus {
    pub(crate) config: FocusConfig,
    pub(crate) rng: Rng,
    pub(crate) legs: BTreeMap<LegId, Leg>,
    pub(crate) by_dialog: BTreeMap<DialogId, LegId>,
    pub(crate) next_leg: u32,
    /// The leg taken for the creator's, and how surely.
    pub(crate) creator_leg: Option<(LegId, Likeness)>,
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
    pub fn new(_now: Instant, config: FocusConfig, rng: Rng) -> Self {
        Self {
            config,
            rng,
            legs: BTreeMap::new(),
            by_dialog: BTreeMap::new(),
            next_leg: 0,
            creator_leg: None,
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
        let tag = format!("{}{}", self.config.tag_prefix, self.rng.token(TAG_CHARS));
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
        let dialog =
            Dialog::answering(incoming, tag, contact).map_err(|error| refuse(error.status()))?;
        let terms = session_timer::agree(&incoming.request.headers, None)
            .map_err(|error| error.refusal(incoming))?;
        let session = Session::new(seat, self.rng.u64() >> SESSION_ID_SHIFT);
        let id = LegId(self.next_leg);
        let (leg, response) = Leg::answer(now, id, incoming, dialog, (session, terms))
            .map_err(|error| error.refusal(incoming, self.config.conference_uri.host.as_str()))?;

        self.next_leg = next_leg;
        let dialog = leg.dialog.id.clone();
        self.outputs.push_back(Output::LegStarted { leg: id, dialog: dialog.clone() });
        self.outputs.push_back(Output::OpenMedia { leg: id, media: leg.media.clone() });
        self.outputs.push_back(Output::Respond { txn, response });
        self.by_dialog.insert(dialog, id);
        self.legs.insert(id, leg);
        self.recognise_creator(id, incoming);
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
    fn next_leg(&self) -> Result<u32, StatusCode> {
        match self.phase {
            Phase::Running => {}
            Phase::Ending(_) | Phase::Over => return Err(StatusCode::NOT_FOUND),
        }
        let next_leg = self.next_leg.checked_add(1).filter(|_| self.legs.len() < LEGS_MAX);
        next_leg.ok_or(StatusCode::BUSY_HERE)
    }

    /// Takes a request of a leg's dialog. `txn` is `None` for ACK only. A dialog that is not known
    /// here gets 481 (RFC 3261 §12.2.2).
    pub fn request(&mut self, now: Instant, txn: Option<ServerTxnId>, incoming: &Incoming) {
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
                let status = StatusCode::CALL_DOES_NOT_EXIST;
                let response = Response::answering(&incoming.request, status);
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

    /// Takes a final response to a request that we sent, with all that it says: that to our own
    /// re-INVITE or UPDATE needs more than its status.
    pub fn answered(&mut self, now: Instant, leg: LegId, method: &Method, response: &Response) {
        match method {
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
    pub fn request_failed(&mut self, now: Instant, leg: LegId, method: &Method) {
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

    /// Ends the conference: BYE to all. A leg whose 2xx is not acknowledged waits for the ACK or
    /// for the 2xx to time out (RFC 3261 §15). Without effect once it is ending.
    pub fn end(&mut self, now: Instant, cause: End) {
        if self.phase == Phase::Running {
            self.begin_end(now, cause);
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
        self.settle(now);
    }

    /// When something is due next.
    pub fn deadline(&self) -> Option<Instant> {
        self.legs.values().map(Leg::deadline).fold(None, soonest)
    }

    /// What the focus wants done, oldest first.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The conference URI.
    pub fn conference_uri(&self) -> &SipUri {
        &self.config.conference_uri
    }

    /// Who is in, by leg.
    pub fn roster(&self) -> Vec<Participant> {
        self.legs.values().map(Leg::participant).collect()
    }

    /// Legs there are, those on their way out included.
    pub fn leg_count(&self) -> usize {
        self.legs.len()
    }

    /// The participant of this leg has proved to be a user: the roster shows it, and nothing says
    /// better whether he is the creator.
    pub fn identify(&mut self, leg: LegId, user: &str) {
        let Some(entry) = self.legs.get_mut(&leg) else { return };
        entry.user = Some(masked(user));
        let creator = self.config.creator.as_ref().and_then(|creator| creator.user.as_deref());
        if creator == Some(user) {
            self.take_for_creator(leg, Likeness::Proved);
        }
    }

    /// The same dialog identifiers are better than the same name and address: several people may
    /// share those. Among equals the first one is it.
    fn recognise_creator(&mut self, id: LegId, incoming: &Incoming) {
        let likeness =
            self.config.creator.as_ref().map_or(Likeness::No, |creator| creator.likeness(incoming));
        self.take_for_creator(id, likeness);
    }

    fn take_for_creator(&mut self, id: LegId, likeness: Likeness) {
        let known = self.creator_leg.map_or(Likeness::No, |(_, likeness)| likeness);
        if likeness > known {
            self.creator_leg = Some((id, likeness));
            for leg in self.legs.values_mut() {
                leg.is_creator = leg.id == id;
            }
        }
    }

    /// Draws the consequences of what happened to the legs.
    fn settle(&mut self, now: Instant) {
        if self.phase == Phase::Running
            && let Some(cause) = self.cause_to_end()
        {
            self.begin_end(now, cause);
        }
        let by_dialog = &mut self.by_dialog;
        self.legs.retain(|_, leg| {
            let stays = leg.standing() != Standing::Gone;
            if !stays {
                by_dialog.remove(&leg.dialog.id);
            }
            stays
        });
        if let Some((creator, _)) = self.creator_leg
            && !self.is_staying(creator)
        {
            self.creator_leg = None;
        }
        if let Phase::Ending(cause) = self.phase
            && self.legs.is_empty()
        {
            self.phase = Phase::Over;
            self.outputs.push_back(Output::Ended { cause });
        }
    }

    fn cause_to_end(&self) -> Option<End> {
        let had_legs = self.next_leg > 0;
        let creator_left = self.creator_leg.is_some_and(|(leg, _)| !self.is_staying(leg));
        match self.config.end {
            EndPolicy::CreatorLeaves if creator_left => Some(End::CreatorLeft),
            EndPolicy::CreatorLeaves | EndPolicy::LastLeaves => {
                let empty = !self.legs.values().any(|leg| leg.standing() == Standing::Staying);
                (had_legs && empty).then_some(End::LastLeft)
            }
        }
    }

    fn is_staying(&self, leg: LegId) -> bool {
        self.legs.get(&leg).is_some_and(|leg| leg.standing() == Standing::Staying)
    }

    fn begin_end(&mut self, now: Instant, cause: End) {
        self.phase = Phase::Ending(cause);
        for leg in self.legs.values_mut() {
            leg.let_go(now, LegEnd::ConferenceEnded, &mut self.outputs);
        }
    }
}

/// Says what [`Focus::invite`] would refuse for the request's own sake (420, 415, 406, 416, 400, 422, 488),
/// before a seat or a port is taken for it. A function of the request.
///
/// # Errors
/// The refusal to send, without a To tag.
pub fn check(incoming: &Incoming) -> Result<(), Response> {
    uas::check(incoming, &CAPABILITIES)?;
    let Some(asked) = incoming.request.uri.as_sip() else {
        let status = StatusCode::UNSUPPORTED_URI_SCHEME;
        return Err(Response::answering(&incoming.request, status));
    };
    Dialog::answering(incoming, "", focus_contact(asked, incoming))
        .map_err(|error| Response::answering(&incoming.request, error.status()))?;
    session_timer::agree(&incoming.request.headers, None)
        .map_err(|error| error.refusal(incoming))?;
    check_offer(&incoming.request).map_err(|error| error.refusal(incoming, asked.host.as_str()))
}

/// Legs of one conference. The pool usually says no long before; this bounds what one conference
/// costs its media thread in a tick and its signalling thread at the end, when it sends as many
/// BYEs at once. When full: 486.
pub const LEGS_MAX: usize = 1_000;

/// Random characters in a tag, 5 bits each (RFC 3261 §19.3 asks for 32 bits).
const TAG_CHARS: usize = 16;
/// Session ids of 62 bits: some peers read them as signed (RFC 8866 §5.2 says only: digits).
const SESSION_ID_SHIFT: u32 = 2;
