//! The subscriptions to one conference: SUBSCRIBE in, NOTIFY out (RFC 6665 §4.2, RFC 4575 §3).

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sip::subscription::{Consent, Content, Interval, Notifier, Pace, Reason};
use sip::{
    Dialog, DialogId, EventHeader, HeaderName, Incoming, Method, Nat, Response, RetryAfter,
    ServerTxnId, StatusCode, Warning, uas,
};
use units::{Instant, UnixTime, soonest};

use super::document::Document;
use super::view::{Departed, View};
use super::xml;
use crate::answers::{CAPABILITIES, bad_event, focus_contact, options, push_capabilities};
use crate::focus::Phase;
use crate::leg::Standing;
use crate::{Deed, Focus, Output};

/// The name of the package (RFC 4575 §3.1).
pub const PACKAGE: &str = "conference";

/// Subscriptions to one conference: one for a quarter of the legs that a focus takes, whose documents say nothing else.
/// One more is refused (480, try again in a minute).
pub const WATCHERS_MAX: usize = 256;

/// Of these, subscriptions whose NOTIFYs go to one address: who comes by a proxy shares it with others. One more is
/// refused (480), so that one host leaves room for the rest.
pub const WATCHERS_OF_ADDRESS_MAX: usize = WATCHERS_MAX / 2;

/// Of these, subscriptions that have answered no NOTIFY yet: whoever forges many addresses leaves room for those who are
/// there. One more is refused (480).
pub const UNPROVED_WATCHERS_MAX: usize = WATCHERS_MAX / 8;

/// RFC 4575 §3.3: an hour unless asked otherwise; below a minute nobody need refresh, and a day is enough.
const INTERVAL: Interval = Interval { default: 3_600, floor: 60, longest: 86_400 };

/// RFC 4575 §3.9
const NOTIFY_INTERVAL: Duration = Duration::from_secs(5);

/// Numbers a subscription within its conference; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WatcherId(pub u32);

/// What a focus tells of its conference that only its node knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventTerms {
    /// The wall clock at some moment; without it no times are told.
    pub wall: Option<(Instant, UnixTime)>,
    /// How many legs the conference may have.
    pub users_max: Option<u32>,
}

/// Who subscribes from outside the dialogs of the legs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subscriber {
    /// Whether he may know all: a moderator, or whoever asked for the conference.
    pub is_owner: bool,
    /// Whether the address that NOTIFYs go to has shown that it wants them. If not, it gets one, until it has answered.
    pub is_proved: bool,
}

/// The subscriptions to a conference.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// At most [`WATCHERS_MAX`].
    watchers: BTreeMap<WatcherId, Watcher>,
    pub(crate) next: u32,
    /// At most [`DEPARTED_MAX`](super::view::DEPARTED_MAX).
    pub(crate) departed: VecDeque<Departed>,
    pub(crate) terms: EventTerms,
}

#[derive(Debug)]
struct Watcher {
    notifier: Notifier,
    dialog: DialogId,
    view: View,
    /// Where NOTIFYs go.
    to: IpAddr,
    is_proved: bool,
    /// What he was told last.
    told: Option<Arc<Document>>,
    /// Of that document.
    version: u32,
}

impl Watch {
    /// Whether a subscription is in this dialog.
    pub(crate) fn uses(&self, dialog: &DialogId) -> bool {
        self.watchers.values().any(|watcher| watcher.dialog == *dialog)
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let told = self.watchers.values().map(|watcher| watcher.notifier.deadline());
        // Nobody is there to hear that somebody has been gone for long.
        let departed = self.departed.front().filter(|_| !self.watchers.is_empty());
        told.fold(departed.map(|departed| departed.until), soonest)
    }
}

/// Checks a SUBSCRIBE as far as it can be without its conference: Event (489 with Allow-Events), Accept (406), Expires
/// (423), Contact (400), and whatever any request is checked for. A function of the request: where its NOTIFYs will go.
///
/// # Errors
/// The refusal to send, without a To tag.
pub fn check_subscribe(incoming: &Incoming, nat: Nat) -> Result<IpAddr, Response> {
    terms_of(incoming)?;
    let Some(asked) = incoming.request.uri.as_sip() else {
        let status = StatusCode::UNSUPPORTED_URI_SCHEME;
        return Err(Response::answering(&incoming.request, status));
    };
    Dialog::answering(incoming, "", focus_contact(asked, incoming))
        .map(|dialog| dialog.under(nat).destination().remote.ip().to_canonical())
        .map_err(|error| Response::answering(&incoming.request, error.status()))
}

/// The Event of a SUBSCRIBE, and the seconds to grant.
fn terms_of(incoming: &Incoming) -> Result<(EventHeader, u32), Response> {
    let refuse = |status| Response::answering(&incoming.request, status);
    uas::check(incoming, &CAPABILITIES)?;
    let event = incoming.request.headers.event().map_err(|error| refuse(error.status()))?;
    // RFC 6665 §4.2.1.1
    let Some(event) = event.filter(|event| event.package == PACKAGE) else {
        return Err(bad_event(incoming));
    };
    // RFC 4575 §3.4: without Accept it is this type; an Accept must have it.
    let accept = incoming.request.headers.accept().map_err(|error| refuse(error.status()))?;
    let accepts = |ranges: &Vec<sip::MediaType>| {
        ranges.iter().any(|range| range.accepts("application", "conference-info+xml"))
    };
    if accept.as_ref().is_some_and(|ranges| !accepts(ranges)) {
        return Err(
            refuse(StatusCode::NOT_ACCEPTABLE).with_header(HeaderName::Accept, xml::CONTENT_TYPE)
        );
    }
    let seconds = INTERVAL.agree(incoming).map_err(|error| error.refusal(incoming))?;
    Ok((event, seconds))
}

impl Focus {
    /// The same conference, which has more to tell to those who subscribe to it.
    #[must_use]
    pub fn telling(mut self, terms: EventTerms) -> Self {
        self.watch.terms = terms;
        self
    }

    /// Takes a SUBSCRIBE to the conference URI without a To tag. The 200 goes out as [`Output::Respond`], and the first
    /// NOTIFY at once.
    ///
    /// # Errors
    /// The refusal to send: what [`check_subscribe`] says, 404 when the conference is ending, 480 when it has
    /// [`WATCHERS_MAX`]; nothing was kept.
    pub fn subscribe(
        &mut self,
        now: Instant,
        txn: ServerTxnId,
        incoming: &Incoming,
        who: Subscriber,
    ) -> Result<(), Response> {
        let tag = self.new_tag();
        let subscribed = self.subscribed(now, txn, incoming, who, &tag);
        subscribed.map_err(|response| response.with_to_tag(&tag))?;
        self.settle(now);
        Ok(())
    }

    fn subscribed(
        &mut self,
        now: Instant,
        txn: ServerTxnId,
        incoming: &Incoming,
        who: Subscriber,
        tag: &str,
    ) -> Result<(), Response> {
        let (event, seconds) = terms_of(incoming)?;
        let contact = focus_contact(&self.config.conference_uri, incoming);
        let mut dialog = Dialog::answering(incoming, tag, contact)
            .map(|dialog| dialog.under(self.config.nat))
            .map_err(|error| Response::answering(&incoming.request, error.status()))?;
        dialog.join_session(self.session, &incoming.request.headers);
        let to = dialog.destination().remote.ip();
        // Holding the URI is not enough where it does not let in.
        if self.config.entry.guards() && !who.is_owner {
            return Err(Response::answering(&incoming.request, StatusCode::FORBIDDEN));
        }
        self.admits_watcher(incoming, to, who.is_proved)?;
        let response = accepted(&dialog, incoming, seconds);
        let id = dialog.id.clone();
        self.outputs.push_back(Output::DialogOpened { dialog: id.clone() });
        self.outputs.push_back(Output::Respond { txn, response });
        self.report_dialogs.insert(id.clone(), dialog);
        let view = if who.is_owner { View::Owner } else { View::Guest };
        self.watched(now, (event, seconds), id, view, (to, who.is_proved));
        Ok(())
    }

    fn watched(
        &mut self,
        now: Instant,
        (event, seconds): (EventHeader, u32),
        dialog: DialogId,
        view: View,
        (to, is_proved): (IpAddr, bool),
    ) {
        let notifier = Notifier::new(now, event, Consent::Given, seconds, NOTIFY_INTERVAL);
        let watcher = Watcher { notifier, dialog, view, to, is_proved, told: None, version: 0 };
        self.watch.watchers.insert(WatcherId(self.watch.next), watcher);
        self.watch.next += 1;
    }

    /// Whether one more subscription is taken, whose NOTIFYs go `to` there.
    fn admits_watcher(
        &self,
        incoming: &Incoming,
        to: IpAddr,
        is_proved: bool,
    ) -> Result<(), Response> {
        let refuse = |status| Response::answering(&incoming.request, status);
        match self.phase {
            Phase::Running => {}
            Phase::Ending(_) | Phase::Over => return Err(refuse(StatusCode::NOT_FOUND)),
        }
        let Watch { watchers, next, .. } = &self.watch;
        let of_address = watchers.values().filter(|watcher| watcher.to == to).count();
        let unproved = watchers.values().filter(|watcher| !watcher.is_proved).count();
        let text = if watchers.len() >= WATCHERS_MAX || *next == u32::MAX {
            format!("{WATCHERS_MAX} subscriptions to this conference already")
        } else if of_address >= WATCHERS_OF_ADDRESS_MAX {
            format!("{of_address} subscriptions of this address already")
        } else if !is_proved && unproved >= UNPROVED_WATCHERS_MAX {
            format!("{unproved} subscriptions have not answered their first NOTIFY")
        } else {
            return Ok(());
        };
        let host = self.config.conference_uri.host.as_str();
        let retry = RetryAfter::new(60);
        Err(refuse(StatusCode::TEMPORARILY_UNAVAILABLE)
            .with_header(HeaderName::RetryAfter, retry.to_string())
            .with_header(HeaderName::Warning, Warning::new(399, host, text).to_string()))
    }

    /// Takes a SUBSCRIBE to the conference in a dialog of it. Whether the request was one; the dialog has not counted it
    /// yet.
    pub(crate) fn watch_request(
        &mut self,
        now: Instant,
        txn: ServerTxnId,
        incoming: &Incoming,
    ) -> bool {
        let event = incoming.request.headers.event().ok().flatten();
        let is_subscribe = incoming.request.method == Method::Subscribe;
        if !is_subscribe || event.is_none_or(|event| event.package != PACKAGE) {
            return false;
        }
        let id = DialogId::of_request(&incoming.essentials);
        let Some(dialog) = self.dialog_mut(&id) else { return false };
        let response = match dialog.check(&incoming.essentials) {
            Err(error) => Response::answering(&incoming.request, error.status()),
            Ok(()) => self.resubscribed_to(now, incoming, &id).unwrap_or_else(|refusal| refusal),
        };
        self.outputs.push_back(Output::Respond { txn, response });
        true
    }

    /// Answers whatever else comes in a dialog that serves subscriptions only.
    pub(crate) fn without_session(&self, incoming: &Incoming) -> Response {
        match (uas::check(incoming, &CAPABILITIES), &incoming.request.method) {
            (Err(refusal), _) => refusal,
            (Ok(()), Method::Subscribe) => bad_event(incoming),
            (Ok(()), Method::Options) => options(&self.config.conference_uri, incoming, ""),
            // No session is left here that they could mean.
            (Ok(()), _) => Response::answering(&incoming.request, StatusCode::CALL_DOES_NOT_EXIST),
        }
    }

    /// Refreshes, ends or begins a subscription in a dialog that is there.
    fn resubscribed_to(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        id: &DialogId,
    ) -> Result<Response, Response> {
        let (event, seconds) = terms_of(incoming)?;
        let known = self.watch.watchers.values_mut().find(|watcher| {
            watcher.dialog == *id && watcher.notifier.matches(&event) && watcher.notifier.is_live()
        });
        if let Some(watcher) = known {
            let _was_live = watcher.notifier.refresh(now, seconds);
        } else {
            // RFC 6665 §4.1.2.2: what is over is not refreshed. RFC 5057 §6: with the session over as well, nothing new
            // begins in its dialog.
            let Some(leg) = self.leg_of(id).filter(|leg| leg.standing() == Standing::Staying)
            else {
                let status = StatusCode::CALL_DOES_NOT_EXIST;
                return Err(Response::answering(&incoming.request, status));
            };
            // Who is not in yet is not told who is.
            if !leg.entry.is_in() {
                return Err(Response::answering(&incoming.request, StatusCode::FORBIDDEN));
            }
            let sees_all = leg.role().may(Deed::SeeAll);
            let view = if sees_all { View::Owner } else { View::Guest };
            let to = leg.dialog.destination().remote.ip();
            self.admits_watcher(incoming, to, true)?;
            self.watched(now, (event, seconds), id.clone(), view, (to, true));
        }
        let gone = || Response::answering(&incoming.request, StatusCode::CALL_DOES_NOT_EXIST);
        let dialog = self.dialog_mut(id).ok_or_else(gone)?;
        dialog.came_by(incoming);
        // RFC 6665 §4.4.1: a SUBSCRIBE refreshes the target. One that cannot be used changes nothing.
        if let Ok(Some(contact)) = incoming.request.headers.contact() {
            let _kept_on_error = dialog.refresh_target(contact);
        }
        let mut response = accepted(dialog, incoming, seconds);
        dialog.answer_session(&mut response);
        Ok(response)
    }

    /// An answer to an [`Output::Inform`]; `None`: there will be none.
    pub fn informed(&mut self, now: Instant, id: WatcherId, response: Option<&Response>) {
        let mut dialog = None;
        if let Some(watcher) = self.watch.watchers.get_mut(&id) {
            match response {
                Some(response) if !response.status.is_final() => {}
                Some(response) => {
                    watcher.is_proved = true;
                    watcher.notifier.answered(now, response);
                    dialog = Some(watcher.dialog.clone());
                }
                None => watcher.notifier.unanswered(),
            }
        }
        if let (Some(dialog), Some(response)) =
            (dialog.and_then(|id| self.dialog_mut(&id)), response)
        {
            dialog.hear_session(&response.headers);
        }
        self.settle(now);
    }

    /// An [`Output::Inform`] could not be sent: our own tables are full.
    pub fn inform_unsent(&mut self, now: Instant, id: WatcherId) {
        if let Some(watcher) = self.watch.watchers.get_mut(&id) {
            watcher.notifier.unsent(now);
        }
        self.settle(now);
    }

    /// Subscriptions that there are.
    pub fn watcher_count(&self) -> usize {
        self.watch.watchers.len()
    }

    /// Tells those whose turn it is what has changed, and forgets the subscriptions that are over.
    pub(crate) fn settle_watch(&mut self, now: Instant) {
        while self.watch.departed.front().is_some_and(|departed| departed.until <= now) {
            self.watch.departed.pop_front();
        }
        let mut due = Vec::new();
        for (id, watcher) in &mut self.watch.watchers {
            // It may have changed; what really has, is seen when it is his turn.
            watcher.notifier.changed();
            if watcher.notifier.deadline().is_some_and(|at| at <= now) {
                due.push((*id, watcher.view));
            }
        }
        let mut views: BTreeMap<View, Arc<Document>> = BTreeMap::new();
        for (id, view) in due {
            let make = || Arc::new(self.document(view));
            let document = Arc::clone(views.entry(view).or_insert_with(make));
            self.inform(now, id, &document);
        }
        self.close_watches();
    }

    /// The conference is over: its subscribers are told at once, whatever they were told before (RFC 4575 §3.3). Who has
    /// not answered the first NOTIFY may have asked for none.
    pub(crate) fn end_watch(&mut self, now: Instant) {
        self.watch.watchers.retain(|_, watcher| watcher.is_proved);
        let document = Arc::new(self.document(View::Guest));
        for id in self.watch.watchers.keys().copied().collect::<Vec<_>>() {
            if let Some(watcher) = self.watch.watchers.get_mut(&id) {
                watcher.notifier.end(Reason::NoResource, Pace::Broken);
                self.inform(now, id, &document);
            }
        }
        self.close_watches();
    }

    fn inform(&mut self, now: Instant, id: WatcherId, document: &Arc<Document>) {
        let Some(watcher) = self.watch.watchers.get_mut(&id) else { return };
        if watcher.told.as_ref() == Some(document) {
            watcher.notifier.unchanged();
        }
        watcher.notifier.handle_deadline(now);
        let Some(notify) = watcher.notifier.poll(now) else { return };
        // RFC 4575 §5.2: one more with each, and so one more with each partial one.
        let version = watcher.version.saturating_add(1);
        let body = match (&watcher.told, notify.content) {
            _ if self.phase == Phase::Over => xml::deleted(&document.entity, version),
            (Some(told), Content::Changes) => xml::partial(told, document, version),
            (Some(_) | None, Content::Whole) | (None, Content::Changes) => {
                xml::full(document, version)
            }
        };
        watcher.version = version;
        watcher.told = Some(Arc::clone(document));
        let (dialog, is_proved) = (watcher.dialog.clone(), watcher.is_proved);
        let Some(dialog) = self.dialog_mut(&dialog) else { return };
        let (mut request, to) = (dialog.request(Method::Notify), dialog.destination());
        notify.write(&mut request);
        push_capabilities(&mut request.headers);
        request.set_body(xml::CONTENT_TYPE, body);
        self.outputs.push_back(Output::Inform { watcher: id, is_proved, request, to });
    }

    fn close_watches(&mut self) {
        self.watch.watchers.retain(|_, watcher| watcher.notifier.over().is_none());
        self.close_dialogs();
    }
}

/// The 200 to a SUBSCRIBE.
fn accepted(dialog: &Dialog, incoming: &Incoming, seconds: u32) -> Response {
    let mut response =
        dialog.response(incoming, StatusCode::OK).with_header(HeaderName::Expires, seconds);
    push_capabilities(&mut response.headers);
    response
}
