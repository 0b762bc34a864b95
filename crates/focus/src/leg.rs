//! One leg: a dialog, its media, and how far in or out it is. A leaf: the focus owns the queue.

mod dialled;
mod refresh;
mod state;
mod update;

use std::collections::VecDeque;

use sip::session_timer::{SessionAction, Terms};
use sip::{
    Dialog, DialogId, HeaderName, Incoming, Method, Request, Response, ServerTxnId, SipUri,
    StatusCode, SuccessAction, session_timer, uas,
};
use units::{Instant, soonest};

pub(crate) use self::dialled::Dialled;
pub(crate) use self::refresh::{RefreshSnapshot, Refreshing};

use self::state::Input;
pub(crate) use self::state::{Probe, State, Unacked};
use crate::answers::{self, CAPABILITIES, push_capabilities};
use crate::entry::{Entry, Prompt};
use crate::event::Manner;
use crate::negotiation::{NegotiationError, Session, read_description};
use crate::roster::shown;
use crate::{LegEnd, LegId, LegMedia, MediaSeat, Output, Participant, ParticipantState};

/// One participant's dialog and media.
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) id: LegId,
    pub(crate) dialog: Dialog,
    /// From URI and display name, masked.
    pub(crate) uri: String,
    pub(crate) display: Option<String>,
    /// The user that he proved to be.
    pub(crate) user: Option<String>,
    pub(crate) since: Instant,
    /// Whether this participant is taken for the one who asked for the conference.
    pub(crate) is_creator: bool,
    /// Whether he is a moderator.
    pub(crate) is_moderator: bool,
    /// How far in he is.
    pub(crate) entry: Entry,
    /// Whether we called this participant.
    pub(crate) is_dialled: bool,
    /// Whether his sound is kept out of the mix.
    pub(crate) is_muted: bool,
    /// Whether somebody behind it is talking, as the mixer hears it.
    pub(crate) is_talking: bool,
    /// Whether a REFER whose result is reported came in its dialog.
    pub(crate) was_referring: bool,
    /// The leg that goes when this one is acknowledged (RFC 3891).
    pub(crate) replaces: Option<LegId>,
    pub(crate) manner: Manner,
    pub(crate) session: Session,
    pub(crate) media: LegMedia,
    pub(crate) state: State,
    pub(crate) refreshing: Refreshing,
}

/// Where a leg stands, for the conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// In, or on its way in.
    Staying,
    /// On its way out.
    Going,
    /// Nothing of it is left.
    Gone,
}

impl Leg {
    /// Answers an INVITE: the leg and its 200 (RFC 3261 §13.3.1.4).
    pub(crate) fn answer(
        now: Instant,
        id: LegId,
        incoming: &Incoming,
        dialog: Dialog,
        (mut session, terms): (Session, Option<Terms>),
    ) -> Result<(Self, Response), NegotiationError> {
        let manner = Manner::of(incoming);
        session.hide(manner.is_anonymous);
        let (media, offer) = match read_description(&incoming.request)? {
            Some(offer) => {
                let negotiated = session.answer(&offer)?;
                (session.media(negotiated, incoming.source), None)
            }
            None => {
                let offer = session.offer();
                (session.media_offered(incoming), Some(offer))
            }
        };
        let response = success(&dialog, incoming, &session, terms);
        let refreshing = Refreshing::new(now, &incoming.request.headers, terms);
        let state = State::Answered { unacked: Unacked::new(now, incoming, &response, offer) };
        let (uri, display) = shown(&incoming.essentials.from);
        let leg = Self {
            id,
            dialog,
            uri,
            display,
            user: None,
            since: now,
            is_creator: false,
            is_moderator: false,
            entry: Entry::In,
            is_dialled: false,
            is_muted: false,
            is_talking: false,
            was_referring: false,
            replaces: None,
            manner,
            session,
            media,
            state,
            refreshing,
        };
        Ok((leg, response))
    }

    pub(crate) fn standing(&self) -> Standing {
        match self.state {
            State::Answered { .. } | State::Confirmed { .. } => Standing::Staying,
            State::Ending { .. } | State::Leaving { .. } => Standing::Going,
            State::Gone => Standing::Gone,
        }
    }

    /// Whether he is in the conference, and not on his way out.
    pub(crate) fn is_there(&self) -> bool {
        self.standing() == Standing::Staying && self.entry.is_in()
    }

    /// The roster's line.
    pub(crate) fn participant(&self) -> Participant {
        Participant {
            leg: self.id,
            uri: self.uri.clone(),
            display: self.display.clone(),
            user: self.user.clone(),
            state: match self.state {
                State::Answered { .. } => ParticipantState::Joining,
                State::Confirmed { .. } => self.entry.state(),
                State::Ending { .. } | State::Leaving { .. } | State::Gone => {
                    ParticipantState::Leaving
                }
            },
            since: self.since,
            creator: self.is_creator,
            role: self.role(),
            dialled: self.is_dialled,
            muted: self.is_muted,
            talking: self.is_talking,
        }
    }

    /// Takes a request of this leg's dialog, all but ACK.
    pub(crate) fn request(
        &mut self,
        now: Instant,
        txn: ServerTxnId,
        incoming: &Incoming,
        conference_uri: &SipUri,
        out: &mut VecDeque<Output>,
    ) {
        if let Err(error) = self.dialog.check(&incoming.essentials) {
            // RFC 3261 §12.2.2: 500 for what is out of order.
            return self.respond(txn, Response::answering(&incoming.request, error.status()), out);
        }
        self.dialog.came_by(incoming);
        // RFC 3261 §15.1.2: a BYE of this dialog is answered 2xx, whatever else it says or requires:
        // a leg that cannot be left would be worse.
        if incoming.request.method == Method::Bye {
            self.respond(txn, Response::answering(&incoming.request, StatusCode::OK), out);
            return self.step(now, Input::Bye, out);
        }
        if let Err(response) = uas::check(incoming, &CAPABILITIES) {
            return self.respond(txn, response, out);
        }
        match (self.standing(), &incoming.request.method) {
            (Standing::Staying, Method::Invite) => self.reinvite(now, txn, incoming, out),
            (Standing::Staying, Method::Update) => self.update(now, txn, incoming, out),
            (Standing::Staying, Method::Options) => {
                let tag = &self.dialog.id.local_tag;
                let response = answers::options(conference_uri, incoming, tag);
                self.respond(txn, response, out);
            }
            (Standing::Staying, Method::Subscribe) => {
                self.respond(txn, answers::bad_event(incoming), out);
            }
            // Going: our BYE is on its way or waits for the ACK; for us the session is over
            // (RFC 3261 §15.1.1). Other methods did not pass the check, CANCEL never comes here, and
            // a PRACK matches no reliable provisional response of ours (RFC 3262 §3).
            (Standing::Staying | Standing::Going | Standing::Gone, _) => {
                let status = StatusCode::CALL_DOES_NOT_EXIST;
                self.respond(txn, Response::answering(&incoming.request, status), out);
            }
        }
    }

    /// Answers a re-INVITE on the same port (RFC 3261 §14.2). A refusal leaves all as it was.
    fn reinvite(
        &mut self,
        now: Instant,
        txn: ServerTxnId,
        incoming: &Incoming,
        out: &mut VecDeque<Output>,
    ) {
        match self.renegotiate(now, incoming) {
            Err(response) => self.respond(txn, response, out),
            Ok((media, unacked)) => {
                self.respond(txn, unacked.response.clone(), out);
                self.update_media(media, out);
                self.step(now, Input::Reanswered(Box::new(unacked)), out);
            }
        }
    }

    fn renegotiate(
        &mut self,
        now: Instant,
        incoming: &Incoming,
    ) -> Result<(LegMedia, Unacked), Response> {
        let refuse = |status| Response::answering(&incoming.request, status);
        // RFC 3264 §4: no offer while one is not answered. RFC 3261 §14.2: glare.
        if self.has_open_offer() {
            return Err(refuse(StatusCode::REQUEST_PENDING));
        }
        let unusable = |error: NegotiationError| error.refusal(incoming, self.agent());
        let offer = read_description(&incoming.request).map_err(unusable)?;
        let terms = self.refreshing.agree(incoming)?;
        let dialog = self.moved(incoming)?;
        let mut session = self.session.clone();
        let (media, our_offer) = match offer {
            Some(offer) => {
                let negotiated = session.answer(&offer).map_err(unusable)?;
                (self.held(session.media(negotiated, incoming.source)), None)
            }
            None => (self.media.clone(), Some(session.offer())),
        };
        let response = success(&dialog, incoming, &session, terms);
        (self.dialog, self.session) = (dialog, session);
        self.refreshing.refreshed_by_peer(now, &incoming.request.headers, terms);
        let unacked = Unacked::new(now, incoming, &response, our_offer);
        Ok((media, unacked))
    }

    /// Takes an ACK. One that acknowledges nothing is a copy, or belongs to an older re-INVITE.
    pub(crate) fn ack(&mut self, now: Instant, incoming: &Incoming, out: &mut VecDeque<Output>) {
        self.dialog.hear_session(&incoming.request.headers);
        let number = incoming.essentials.cseq.number;
        let Some(unacked) = self.state.unacked().filter(|unacked| unacked.cseq == number) else {
            return out.push_back(Output::AckIgnored { leg: self.id });
        };
        self.dialog.came_by(incoming);
        let Some(offer) = &unacked.offer else { return self.step(now, Input::Acked, out) };
        // RFC 3261 §13.2.2.4: the offer was ours, so the answer is in the ACK.
        let answer = read_description(&incoming.request)
            .and_then(|answer| answer.ok_or(NegotiationError::Missing));
        let negotiated = answer.and_then(|answer| {
            sdp::accept_answer(offer, &answer).map_err(NegotiationError::NoAgreement)
        });
        match negotiated {
            Err(_) => self.step(now, Input::AckedBadly, out),
            Ok(negotiated) => {
                if self.standing() == Standing::Staying {
                    let media = self.held(self.session.media(negotiated, incoming.source));
                    self.update_media(media, out);
                }
                self.step(now, Input::Acked, out);
            }
        }
    }

    /// Takes the final response to a request of ours.
    pub(crate) fn response(
        &mut self,
        now: Instant,
        method: &Method,
        status: StatusCode,
        out: &mut VecDeque<Output>,
    ) {
        let input = match method {
            // RFC 3261 §15.1.1: whatever is answered to a BYE, the session is over.
            Method::Bye => Input::ByeDone,
            // RFC 3261 §12.2.1.2; any other answer shows that somebody is there.
            Method::Options => match status {
                StatusCode::CALL_DOES_NOT_EXIST | StatusCode::REQUEST_TIMEOUT => Input::ProbeLost,
                _ => Input::Probed,
            },
            Method::Invite | Method::Update => {
                return self.refresh_refused(now, method, (status, None), out);
            }
            _ => return, // we send no other
        };
        self.step(now, input, out);
    }

    /// A request of ours got no answer.
    pub(crate) fn request_failed(
        &mut self,
        now: Instant,
        method: &Method,
        out: &mut VecDeque<Output>,
    ) {
        self.response(now, method, StatusCode::REQUEST_TIMEOUT, out);
    }

    /// No media came for long: ask whether somebody is there.
    pub(crate) fn media_silent(&mut self, now: Instant, out: &mut VecDeque<Output>) {
        self.step(now, Input::Silent, out);
    }

    /// Lets the leg go.
    pub(crate) fn let_go(&mut self, now: Instant, cause: LegEnd, out: &mut VecDeque<Output>) {
        self.step(now, Input::LetGo(cause), out);
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let timer = match self.standing() {
            Standing::Staying => self.refreshing.deadline(),
            Standing::Going | Standing::Gone => None,
        };
        let entry = self.entry.deadline().filter(|_| self.is_confirmed());
        soonest(soonest(timer, entry), self.state_deadline())
    }

    fn state_deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Answered { unacked } | State::Ending { unacked, .. } => {
                unacked.retransmit.deadline()
            }
            State::Confirmed { unacked, .. } => {
                unacked.as_ref().and_then(|unacked| unacked.retransmit.deadline())
            }
            State::Leaving { give_up_at, .. } => Some(*give_up_at),
            State::Gone => None,
        }
    }

    /// Does what is due.
    pub(crate) fn handle_deadline(&mut self, now: Instant, out: &mut VecDeque<Output>) {
        if let State::Leaving { give_up_at, .. } = self.state
            && give_up_at <= now
        {
            return self.step(now, Input::PatienceOver, out);
        }
        if self.standing() == Standing::Staying {
            match self.refreshing.handle_deadline(now) {
                SessionAction::Nothing => {}
                SessionAction::Refresh => self.refresh(now, out),
                SessionAction::End => self.let_go(now, LegEnd::Expired, out),
            }
        }
        let leg = self.id;
        let Some(unacked) = self.state.unacked_mut() else { return };
        match unacked.retransmit.handle_deadline(now) {
            SuccessAction::Nothing => {}
            SuccessAction::Again => {
                let (response, to) = (unacked.response.clone(), unacked.to);
                out.push_back(Output::ResendSuccess { leg, response, to });
            }
            SuccessAction::GiveUp => self.step(now, Input::NoAck, out),
        }
    }

    fn respond(&mut self, txn: ServerTxnId, response: Response, out: &mut VecDeque<Output>) {
        let mut response = response.with_to_tag(&self.dialog.id.local_tag);
        self.dialog.answer_session(&mut response);
        out.push_back(Output::Respond { txn, response });
    }

    /// From now on he hears the others, and they him.
    pub(crate) fn come_in(&mut self, now: Instant, out: &mut VecDeque<Output>) {
        self.entry = Entry::In;
        // RFC 4575 §5.7.5: when he joined, not when he called.
        self.since = now;
        self.update_media(self.media.clone(), out);
        if self.is_confirmed() {
            out.push_back(Output::Prompt { leg: self.id, prompt: Prompt::Good });
            self.note_in(out);
        }
    }

    fn update_media(&mut self, media: LegMedia, out: &mut VecDeque<Output>) {
        let media = LegMedia { apart: !self.entry.is_in(), ..media };
        if media != self.media {
            self.media = media.clone();
            out.push_back(Output::UpdateMedia { leg: self.id, media });
        }
    }

    /// Sends a request within the dialog.
    fn send(&mut self, method: Method, out: &mut VecDeque<Output>) {
        let request = self.dialog.request(method);
        self.send_request(request, out);
    }

    fn send_request(&self, mut request: Request, out: &mut VecDeque<Output>) {
        // RFC 4028 §7.1: in every request but ACK.
        request.headers.push(HeaderName::Supported, CAPABILITIES.extensions.join(", "));
        let to = self.dialog.destination();
        out.push_back(Output::Request { leg: self.id, request, to });
    }

    fn dialog_id(&self) -> DialogId {
        self.dialog.id.clone()
    }

    pub(crate) fn seat(&self) -> MediaSeat {
        self.session.seat()
    }

    /// Who speaks in a Warning: the host of our Contact (RFC 3261 §20.43).
    fn agent(&self) -> &str {
        self.dialog.local_contact.uri.as_sip().map_or("focus", |uri| uri.host.as_str())
    }
}

/// The 200 to an INVITE or re-INVITE: Contact with `isfocus` (RFC 4579 §5.1), what we can do, and our
/// session description.
fn success(
    dialog: &Dialog,
    incoming: &Incoming,
    session: &Session,
    terms: Option<Terms>,
) -> Response {
    let mut response = accepted(dialog, incoming, terms);
    response.set_body("application/sdp", session.text());
    response
}

/// The 200 to what refreshes a session, without a description.
fn accepted(dialog: &Dialog, incoming: &Incoming, terms: Option<Terms>) -> Response {
    let mut response = dialog.response(incoming, StatusCode::OK);
    push_capabilities(&mut response.headers);
    if let Some(terms) = terms {
        session_timer::write_terms(terms, &mut response.headers);
    }
    response
}
