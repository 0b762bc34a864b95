//! Subscriptions to conferences (RFC 4575): SUBSCRIBE out, NOTIFY in.

use sip::subscription::{Ended, Subscribe, Subscriber};
use sip::{
    CSeq, Dialog, EventHeader, HeaderName, Headers, Incoming, Method, NextHop, Request, Response,
    SipUri, Source, StatusCode, SubscriptionState, TRANSACTION_TIMEOUT, Target, Uri,
};
use units::{Instant, soonest};

use crate::config::WATCHES_MAX;
use crate::event::{CallId, CommandError, Event, How, WatchId};
use crate::roster::{Applied, Roster};

use super::call::CallState;
use super::dialogs::DialogKey;
use super::requests::{CONFERENCE_INFO, FIRST_CSEQ};
use super::{Answer, Purpose, Ua, Waiter};

/// The name of the package (RFC 4575 §3.1).
pub(super) const PACKAGE: &str = "conference";

/// How long we subscribe for, in seconds: the package's default (RFC 4575 §3.3).
const SECONDS: u32 = 3_600;

/// A subscription to a conference.
#[derive(Debug)]
pub(super) struct Watch {
    target: SipUri,
    subscriber: Subscriber,
    roster: Roster,
    place: Place,
    /// The call to the conference: where to subscribe if one outside takes a proof that we do not have.
    else_inside: Option<CallId>,
}

/// The dialog of the subscription.
#[derive(Debug)]
enum Place {
    /// The first SUBSCRIBE waits for the address of its next hop.
    Locating { until: Instant },
    /// One of its own, which the first NOTIFY makes (RFC 6665 §4.4.1).
    Outside { call_id: String, local_tag: String, cseq: u32, to: Source, dialog: Option<DialogKey> },
    /// Shared with a call.
    Inside(DialogKey),
}

impl Watch {
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.place {
            Place::Locating { until } => Some(until),
            Place::Outside { .. } | Place::Inside(_) => self.subscriber.deadline(),
        }
    }

    const fn dialog(&self) -> Option<DialogKey> {
        match self.place {
            Place::Locating { .. } => None,
            Place::Outside { dialog, .. } => dialog,
            Place::Inside(dialog) => Some(dialog),
        }
    }
}

impl Ua {
    /// Subscribes to who is in a conference: [`Event::RosterChanged`] follows each time that changes, and
    /// [`Event::WatchEnded`] once. Inside a call the URI is not looked at.
    ///
    /// # Errors
    ///
    /// [`CommandError::UnsupportedUri`], [`CommandError::WrongState`] (no such established call),
    /// [`CommandError::Full`].
    pub fn watch(
        &mut self,
        now: Instant,
        conference: &Uri,
        how: How,
    ) -> Result<WatchId, CommandError> {
        if self.watches.len() >= WATCHES_MAX {
            return Err(CommandError::Full);
        }
        let Uri::Sip(target) = conference else { return Err(CommandError::UnsupportedUri) };
        let id = WatchId(self.new_id());
        let place = match how {
            How::Inside(call) => self.inside(call).ok_or(CommandError::WrongState)?,
            How::Outside => match self.identity.next_hop(conference)? {
                NextHop::At(target) => self.outside(&[target]).ok_or(CommandError::Full)?,
                NextHop::Ask(wanted) => {
                    self.look_up(Waiter::Watch(id), wanted);
                    Place::Locating { until: now + TRANSACTION_TIMEOUT }
                }
            },
        };
        let subscriber = Subscriber::new(now, EventHeader::new(PACKAGE), SECONDS);
        let target = target.clone();
        let watch = Watch { target, subscriber, roster: Roster::new(), place, else_inside: None };
        self.watches.insert(id, watch);
        self.watch_on(now, id);
        self.pump(now);
        Ok(id)
    }

    /// Subscribes to the conference of a call: outside the call (RFC 4579 §3.4), and if that takes a proof that we do not
    /// have, inside it, since whoever is in has shown that he may be.
    ///
    /// # Errors
    ///
    /// As [`Self::watch`].
    pub fn watch_from_call(
        &mut self,
        now: Instant,
        conference: &Uri,
        call: CallId,
    ) -> Result<WatchId, CommandError> {
        let id = self.watch(now, conference, How::Outside)?;
        if let Some(watch) = self.watches.get_mut(&id) {
            watch.else_inside = Some(call);
        }
        Ok(id)
    }

    /// Ends a subscription: [`Event::WatchEnded`] follows.
    pub fn unwatch(&mut self, now: Instant, id: WatchId) {
        if let Some(watch) = self.watches.get_mut(&id) {
            watch.subscriber.unsubscribe(now);
        }
        self.watch_on(now, id);
        self.pump(now);
    }

    fn inside(&mut self, call: CallId) -> Option<Place> {
        let state = &self.calls.get(&call)?.state;
        let CallState::Established { dialog, .. } = state else { return None };
        Some(Place::Inside(self.dialogs.share(*dialog)))
    }

    /// All requests of a subscription go to the first place that was found.
    fn outside(&mut self, targets: &[Target]) -> Option<Place> {
        let to = self.identity.paths_to(targets).first().copied()?;
        Some(Place::Outside {
            call_id: self.stack.new_call_id(),
            local_tag: self.stack.new_tag(),
            cseq: FIRST_CSEQ - 1,
            to,
            dialog: None,
        })
    }

    /// The address of a conference is known, or that there is none.
    pub(super) fn watch_resolved(&mut self, now: Instant, id: WatchId, targets: &[Target]) {
        let place = self.outside(targets);
        let Some(watch) = self.watches.get_mut(&id) else { return };
        match place {
            Some(place) => watch.place = place,
            None => watch.subscriber.unanswered(),
        }
        self.watch_on(now, id);
    }

    /// Sends what is due, and forgets what is over.
    fn watch_on(&mut self, now: Instant, id: WatchId) {
        let Some(watch) = self.watches.get_mut(&id) else { return };
        let due = match watch.place {
            Place::Locating { .. } => None,
            Place::Outside { .. } | Place::Inside(_) => watch.subscriber.poll(now),
        };
        if let Some(subscribe) = due {
            self.subscribe(now, id, subscribe);
        }
        let Some(why) = self.watches.get(&id).and_then(|watch| watch.subscriber.over()) else {
            return;
        };
        self.lookups.retain(|_, waiter| *waiter != Waiter::Watch(id));
        if takes_proof(why) && self.watch_inside(now, id) {
            return self.watch_on(now, id);
        }
        if let Some(dialog) = self.watches.remove(&id).and_then(|watch| watch.dialog()) {
            self.dialogs.release(dialog);
        }
        self.emit(Event::WatchEnded { watch: id, why });
    }

    /// Begins anew inside the call; whether there is one. The first SUBSCRIBE was refused, so there is no dialog to leave.
    fn watch_inside(&mut self, now: Instant, id: WatchId) -> bool {
        let call = self.watches.get_mut(&id).and_then(|watch| watch.else_inside.take());
        let Some(place) = call.and_then(|call| self.inside(call)) else { return false };
        if let Some(watch) = self.watches.get_mut(&id) {
            watch.place = place;
            watch.subscriber = Subscriber::new(now, EventHeader::new(PACKAGE), SECONDS);
        }
        true
    }

    fn subscribe(&mut self, now: Instant, id: WatchId, subscribe: Subscribe) {
        let Some((mut request, to)) = self.subscription_request(id) else { return };
        let Some(watch) = self.watches.get_mut(&id) else { return };
        subscribe.write(watch.subscriber.event(), &mut request);
        request.headers.push(HeaderName::Accept, CONFERENCE_INFO);
        match self.stack.request(now, request, to) {
            Ok(txn) => {
                self.requests.insert(txn, Purpose::Watch(id));
            }
            Err(sip::Full) => watch.subscriber.unanswered(),
        }
    }

    fn subscription_request(&mut self, id: WatchId) -> Option<(Request, Source)> {
        let watch = self.watches.get_mut(&id)?;
        if let Some(key) = watch.dialog() {
            let dialog = self.dialogs.get_mut(key)?;
            let (request, to) = (dialog.request(Method::Subscribe), dialog.destination());
            return Some((self.identity.describe_request(request), to));
        }
        let Place::Outside { call_id, local_tag, cseq, to, .. } = &mut watch.place else {
            return None;
        };
        *cseq += 1;
        let method = Method::Subscribe;
        let mut request = self.identity.request(method.clone(), &watch.target, call_id, local_tag);
        request.headers.set(HeaderName::CSeq, CSeq::new(*cseq, method).to_string());
        self.identity.put_contact(&mut request, &[*to]);
        Some((request, *to))
    }

    /// A SUBSCRIBE was challenged and has another number now.
    pub(super) fn watch_renumbered(&mut self, id: WatchId, number: u32) {
        if let Some(Watch { place: Place::Outside { cseq, .. }, .. }) = self.watches.get_mut(&id) {
            *cseq = number;
        }
    }

    /// A SUBSCRIBE has its answer, or will have none.
    pub(super) fn watch_answered(&mut self, now: Instant, id: WatchId, answer: &Answer<'_>) {
        if let Some(watch) = self.watches.get_mut(&id) {
            match answer {
                Answer::Response(response) => watch.subscriber.answered(now, response),
                Answer::Failed(_) => watch.subscriber.unanswered(),
            }
        }
        self.watch_on(now, id);
    }

    /// A NOTIFY about a conference. `inside` is the dialog it came in, if we knew that before.
    pub(super) fn watch_notified(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        (event, state): (&EventHeader, &SubscriptionState),
        inside: Option<DialogKey>,
    ) {
        let found = match inside {
            Some(key) => self.watch_in(key, event),
            None => self.watch_begun_by(incoming, event),
        };
        let id = match found {
            Ok(id) => id,
            Err(status) => return self.refuse(now, incoming, status),
        };
        let Some(watch) = self.watches.get_mut(&id) else { return };
        let document = incoming.request.part("application", "conference-info+xml");
        let before = watch.roster.clone();
        let applied = match document {
            Some(document) => watch.roster.apply(document).map(Some),
            // The last one, or a pending one, need not have a document (RFC 6665 §4.1.2.3).
            None => Ok(None),
        };
        let status = match (watch.subscriber.notified(now, state), applied) {
            (Err(status), _) => status,
            (Ok(()), Err(_)) => StatusCode::BAD_REQUEST,
            (Ok(()), Ok(_)) => StatusCode::OK,
        };
        match applied {
            Ok(Some(Applied::Gap)) => watch.subscriber.ask_again(),
            // RFC 4575 §4.6
            Ok(Some(Applied::Deleted)) => watch.subscriber.unsubscribe(now),
            Ok(Some(Applied::Taken | Applied::Stale) | None) | Err(_) => {}
        }
        let roster = watch.roster.clone();
        self.answer(now, incoming, Response::answering(&incoming.request, status));
        match applied {
            Err(why) => self.emit(Event::RosterUnreadable { watch: id, why }),
            Ok(Some(Applied::Taken)) if !roster.says_the_same_as(&before) => {
                self.emit(Event::RosterChanged { watch: id, roster: Box::new(roster) });
            }
            Ok(_) => {}
        }
        self.watch_on(now, id);
    }

    fn watch_in(&self, key: DialogKey, event: &EventHeader) -> Result<WatchId, StatusCode> {
        let its = |watch: &Watch| watch.dialog() == Some(key) && watch.subscriber.matches(event);
        let found = self.watches.iter().find(|(_, watch)| its(watch)).map(|(id, _)| *id);
        found.ok_or(StatusCode::CALL_DOES_NOT_EXIST)
    }

    /// RFC 6665 §4.4.1: the first NOTIFY makes the dialog. RFC 4575 §3.8: there is only one.
    fn watch_begun_by(
        &mut self,
        incoming: &Incoming,
        event: &EventHeader,
    ) -> Result<WatchId, StatusCode> {
        let essentials = &incoming.essentials;
        let to_tag = essentials.to.tag().unwrap_or_default();
        for (id, watch) in &mut self.watches {
            let Place::Outside { call_id, local_tag, cseq, dialog: made @ None, .. } =
                &mut watch.place
            else {
                continue;
            };
            let is_its = *call_id == essentials.call_id
                && *local_tag == to_tag
                && watch.subscriber.matches(event);
            if is_its {
                let contact = self.identity.contact(incoming.source.transport);
                let mut dialog = Dialog::answering(incoming, local_tag.as_str(), contact)
                    .map_err(|error| error.status())?;
                dialog.local_cseq = Some(*cseq);
                *made = Some(self.dialogs.insert(dialog));
                return Ok(*id);
            }
        }
        Err(StatusCode::CALL_DOES_NOT_EXIST)
    }

    /// What is due in subscriptions.
    pub(super) fn watches_deadline(&mut self, now: Instant) {
        let is_due = |watch: &Watch| watch.deadline().is_some_and(|at| at <= now);
        let due = self.watches.iter_mut().filter(|(_, watch)| is_due(watch));
        let due: Vec<WatchId> = due
            .map(|(id, watch)| {
                match watch.place {
                    Place::Locating { .. } => watch.subscriber.unanswered(),
                    Place::Outside { .. } | Place::Inside(_) => {
                        watch.subscriber.handle_deadline(now);
                    }
                }
                *id
            })
            .collect();
        for id in due {
            self.watch_on(now, id);
        }
    }

    pub(super) fn watches_due(&self) -> Option<Instant> {
        self.watches.values().map(Watch::deadline).fold(None, soonest)
    }

    /// A call to a conference that tells who is in came up.
    pub(super) fn tell_watchable(&mut self, call: CallId, conference: Option<Uri>) {
        if let Some(conference) = conference {
            self.emit(Event::Watchable { call, conference });
        }
    }
}

/// Whether a subscription was refused to us for want of a proof.
fn takes_proof(why: Ended) -> bool {
    let Ended::Refused { status, .. } = why else { return false };
    matches!(
        status,
        StatusCode::UNAUTHORIZED
            | StatusCode::PROXY_AUTHENTICATION_REQUIRED
            | StatusCode::FORBIDDEN
    )
}

/// The conference that a call's INVITE or 2xx comes from, if it tells who is in (RFC 4579 §3.4).
pub(super) fn watchable(headers: &Headers) -> Option<Uri> {
    let tells = headers.allow_events().is_ok_and(|all| all.iter().any(|one| one == PACKAGE));
    let contact = headers.contact().ok().flatten()?;
    (tells && contact.is_focus()).then_some(contact.uri)
}
