//! One record for each leg and each conference that is over.
//!
//! A leg's record waits for two things in either order: the end of its dialog, and the mixer's report of what went through
//! its port. Both always come: `focus` closes the media of every leg once, and each command to a mixer is answered.

use std::collections::BTreeMap;

use focus::{Creator, End, LegEnd, LegId, Participant, masked};
use mix::message::{PortId, PortReport};
use pool::ConferenceId;
use sip::{DialogId, HeaderName, Headers, Incoming, SessionId, SipUri, Source};
use units::Instant;

use crate::media_link::MediaKey;

/// Something that is over, for the books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A leg.
    Leg(Box<LegRecord>),
    /// A conference.
    Conference(Box<ConferenceRecord>),
}

/// A leg that is over. Texts that a peer chose are masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegRecord {
    /// The conference URI.
    pub conference: String,
    /// The number of the leg in its conference.
    pub leg: u32,
    /// The participant's URI as he wrote it: not authenticated.
    pub participant: String,
    /// The name he went by.
    pub display: Option<String>,
    /// The user that he proved to be.
    pub user: Option<String>,
    /// Whether he asked for the conference.
    pub creator: bool,
    /// How he came.
    pub joined_by: JoinedBy,
    /// The Call-ID and the tags.
    pub dialog: DialogId,
    /// Ours and his (RFC 7989).
    pub session_id: Option<SessionId>,
    /// Where his INVITE came from.
    pub source: Option<Source>,
    /// What his phone calls itself.
    pub user_agent: Option<String>,
    /// When the INVITE came, or went.
    pub started: Instant,
    /// When it was answered with 2xx.
    pub answered: Option<Instant>,
    /// When the dialog was over.
    pub ended: Instant,
    /// Why; `None` if it was not over yet when the server ended.
    pub cause: Option<LegEnd>,
    /// The Reason header field of his BYE (RFC 3326).
    pub reason_received: Option<String>,
    /// That of ours.
    pub reason_sent: Option<String>,
    /// What went through its port; `None` if it never had one.
    pub media: Option<PortReport>,
}

/// A conference that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConferenceRecord {
    /// The conference URI.
    pub conference: String,
    /// The From URI of who asked for it, masked.
    pub asker: Option<String>,
    /// The user that he proved to be.
    pub user: Option<String>,
    /// Who pays; empty: nobody in particular.
    pub tenant: String,
    /// When the first leg joined.
    pub started: Instant,
    /// When the last had left.
    pub ended: Instant,
    /// Why it ended; `None` if it was not over yet when the server ended.
    pub cause: Option<End>,
    /// Legs that it had in all.
    pub legs: u64,
    /// Most legs that it had at once.
    pub legs_most: u64,
}

/// How a leg came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinedBy {
    /// He called the conference URI.
    Invite,
    /// The same, since somebody referred him (RFC 4579 §5.4: Referred-By).
    Referred,
    /// He took the place of another call (RFC 3891).
    Replaces,
    /// He named another call to be together with (RFC 3911).
    Join,
    /// He called the factory, and was connected at once.
    Factory,
    /// The focus called him.
    DialOut,
}

impl JoinedBy {
    fn of(incoming: &Incoming, conference: &SipUri) -> Self {
        let called = incoming.request.uri.as_sip().and_then(SipUri::user_unescaped);
        let headers = &incoming.request.headers;
        let is_referred = headers.get(&HeaderName::ReferredBy).is_some();
        // He is in, so what he named was there, or he would have come without it.
        if headers.get(&HeaderName::Replaces).is_some() {
            return Self::Replaces;
        }
        if headers.get(&HeaderName::Join).is_some() {
            return Self::Join;
        }
        match (called == conference.user_unescaped(), is_referred) {
            (false, _) => Self::Factory,
            (true, true) => Self::Referred,
            (true, false) => Self::Invite,
        }
    }
}

/// Records of what is not over yet. As many as there are legs and conferences.
#[derive(Debug, Default)]
pub(crate) struct Drafts {
    legs: BTreeMap<(ConferenceId, LegId), Draft>,
    /// Whose report a mixer will give.
    ports: BTreeMap<(MediaKey, PortId), (ConferenceId, LegId)>,
    conferences: BTreeMap<ConferenceId, Gathering>,
}

#[derive(Debug)]
struct Draft {
    record: LegRecord,
    /// Whether the mixer's report is still to come.
    awaits_media: bool,
    is_over: bool,
}

#[derive(Debug)]
struct Gathering {
    record: ConferenceRecord,
    legs_now: u64,
}

impl Drafts {
    /// Somebody was let in.
    pub(crate) fn joining(
        &mut self,
        now: Instant,
        (id, leg): (ConferenceId, LegId),
        conference: &SipUri,
        incoming: &Incoming,
    ) {
        let from = &incoming.essentials.from;
        let mut record = blank(now, &conference.to_string(), leg);
        record.participant = masked(from.uri.text());
        record.display = from.display.as_deref().map(masked);
        record.joined_by = JoinedBy::of(incoming, conference);
        record.source = Some(incoming.source);
        record.user_agent = shown(&incoming.request.headers, &HeaderName::UserAgent);
        // A focus answers at once.
        record.answered = Some(now);
        self.legs.insert((id, leg), Draft { record, awaits_media: false, is_over: false });
    }

    /// A leg has its dialog. One that nobody announced was called by the focus.
    pub(crate) fn leg_started(
        &mut self,
        now: Instant,
        (id, leg): (ConferenceId, LegId),
        conference: &str,
        dialog: &DialogId,
    ) {
        let draft = self.legs.entry((id, leg)).or_insert_with(|| Draft {
            record: LegRecord { answered: Some(now), ..blank(now, conference, leg) },
            awaits_media: false,
            is_over: false,
        });
        draft.record.dialog = DialogId {
            call_id: masked(&dialog.call_id),
            local_tag: dialog.local_tag.clone(),
            remote_tag: masked(&dialog.remote_tag),
        };
        if let Some(gathering) = self.conferences.get_mut(&id) {
            gathering.one_more();
        }
    }

    /// A leg is in for good.
    pub(crate) fn joined(
        &mut self,
        now: Instant,
        (id, leg): (ConferenceId, LegId),
        participant: &Participant,
        session_id: Option<SessionId>,
    ) {
        if let Some(Draft { record, .. }) = self.legs.get_mut(&(id, leg)) {
            record.answered.get_or_insert(now);
            record.participant.clone_from(&participant.uri);
            record.display.clone_from(&participant.display);
            record.user.clone_from(&participant.user);
            record.creator = participant.creator;
            record.session_id = session_id;
        }
    }

    /// A leg has a port.
    pub(crate) fn media_opened(&mut self, leg: (ConferenceId, LegId), port: (MediaKey, PortId)) {
        if let Some(draft) = self.legs.get_mut(&leg) {
            draft.awaits_media = true;
            self.ports.insert(port, leg);
        }
    }

    /// A BYE with this Reason came.
    pub(crate) fn bye_received(&mut self, id: ConferenceId, incoming: &Incoming) {
        let dialog = DialogId::of_request(&incoming.essentials);
        let of_conference = (id, LegId(0))..=(id, LegId(u32::MAX));
        let mut legs = self.legs.range_mut(of_conference);
        let leg = legs.find(|(_, draft)| draft.record.dialog.local_tag == dialog.local_tag);
        if let Some((_, draft)) = leg {
            draft.record.reason_received = shown(&incoming.request.headers, &HeaderName::Reason);
        }
    }

    /// A BYE of ours went.
    pub(crate) fn bye_sent(&mut self, leg: (ConferenceId, LegId), headers: &Headers) {
        if let Some(draft) = self.legs.get_mut(&leg) {
            draft.record.reason_sent = shown(headers, &HeaderName::Reason);
        }
    }

    /// A leg's dialog is over.
    pub(crate) fn leg_ended(
        &mut self,
        now: Instant,
        leg: (ConferenceId, LegId),
        cause: LegEnd,
    ) -> Option<Record> {
        if let Some(gathering) = self.conferences.get_mut(&leg.0) {
            gathering.legs_now = gathering.legs_now.saturating_sub(1);
        }
        let draft = self.legs.get_mut(&leg)?;
        draft.record.ended = now;
        draft.record.cause = Some(cause);
        draft.is_over = true;
        self.finished(leg)
    }

    /// A mixer has reported on a port.
    pub(crate) fn media_reported(
        &mut self,
        port: (MediaKey, PortId),
        report: PortReport,
    ) -> Option<Record> {
        let leg = self.ports.remove(&port)?;
        let draft = self.legs.get_mut(&leg)?;
        draft.record.media = Some(report);
        draft.awaits_media = false;
        self.finished(leg)
    }

    fn finished(&mut self, leg: (ConferenceId, LegId)) -> Option<Record> {
        self.legs.get(&leg).filter(|draft| draft.is_over && !draft.awaits_media)?;
        let Draft { record, .. } = self.legs.remove(&leg)?;
        Some(Record::Leg(Box::new(record)))
    }

    /// A conference begins; its first leg is there already.
    pub(crate) fn conference_started(
        &mut self,
        now: Instant,
        id: ConferenceId,
        (conference, tenant): (String, String),
        creator: Option<&Creator>,
    ) {
        let record = ConferenceRecord {
            conference,
            asker: creator.map(|creator| masked(creator.from_uri.text())),
            user: creator.and_then(|creator| creator.user.as_deref()).map(masked),
            tenant,
            started: now,
            ended: now,
            cause: None,
            legs: 0,
            legs_most: 0,
        };
        self.conferences.insert(id, Gathering { record, legs_now: 0 });
    }

    /// A conference is over.
    pub(crate) fn conference_ended(
        &mut self,
        now: Instant,
        id: ConferenceId,
        cause: End,
    ) -> Option<Record> {
        let Gathering { mut record, .. } = self.conferences.remove(&id)?;
        record.ended = now;
        record.cause = Some(cause);
        Some(Record::Conference(Box::new(record)))
    }

    /// What is not over and never will be: the server ends.
    pub(crate) fn unfinished(&mut self, now: Instant) -> Vec<Record> {
        self.ports.clear();
        let legs = std::mem::take(&mut self.legs).into_values().map(|draft| {
            let mut record = draft.record;
            if !draft.is_over {
                record.ended = now;
            }
            Record::Leg(Box::new(record))
        });
        let conferences = std::mem::take(&mut self.conferences).into_values().map(|gathering| {
            Record::Conference(Box::new(ConferenceRecord { ended: now, ..gathering.record }))
        });
        legs.chain(conferences).collect()
    }

    /// How many are kept: none when nobody is in.
    pub(crate) fn len(&self) -> usize {
        self.legs.len() + self.ports.len() + self.conferences.len()
    }
}

impl Gathering {
    fn one_more(&mut self) {
        self.legs_now += 1;
        self.record.legs += 1;
        self.record.legs_most = self.record.legs_most.max(self.legs_now);
    }
}

fn blank(now: Instant, conference: &str, leg: LegId) -> LegRecord {
    let dialog =
        DialogId { call_id: String::new(), local_tag: String::new(), remote_tag: String::new() };
    LegRecord {
        conference: conference.to_owned(),
        leg: leg.0,
        participant: String::new(),
        display: None,
        user: None,
        creator: false,
        joined_by: JoinedBy::DialOut,
        dialog,
        session_id: None,
        source: None,
        user_agent: None,
        started: now,
        answered: None,
        ended: now,
        cause: None,
        reason_received: None,
        reason_sent: None,
        media: None,
    }
}

fn shown(headers: &Headers, name: &HeaderName) -> Option<String> {
    headers.get(name).map(|value| masked(value.text()))
}
