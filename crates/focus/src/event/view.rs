//! What of a conference goes into its document, and for whom.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sdp::Direction;
use serde::{Deserialize, Serialize};
use sip::{HeaderName, HeaderValue, Headers, Incoming, NameAddr, SipUri, StatusCode, Uri};
use units::{Instant, UnixTime};

use super::document::{
    Call, DOCUMENT_BYTES_MAX, Disconnection, Document, Endpoint, Gone, Joining, Status,
    USERS_SHOWN_MAX, User,
};
use super::xml;
use crate::dialling::Dialling;
use crate::entry::Entry;
use crate::focus::Phase;
use crate::leg::{Leg, State};
use crate::roster::masked;
use crate::{DialEnd, Focus, LegEnd, LegId, ParticipantState};

/// How much a subscriber may know (RFC 4575 §8.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum View {
    /// What all participants may know.
    Guest,
    /// Also the dialogs of the legs: the creator and moderators.
    Owner,
}

/// How a participant came and went, as far as the others are told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manner {
    /// Whether he asked for privacy (RFC 3323): nobody is told who he is (RFC 4579 §6).
    pub(crate) is_anonymous: bool,
    /// Whether it is no person but another conference (RFC 4579 §4.3), by what the Contact of its call or answer says.
    #[serde(default)]
    pub(crate) is_focus: bool,
    /// Who had him join.
    pub(crate) referred_by: Option<String>,
    /// Whether he ever was in.
    pub(crate) was_in: bool,
    /// Why he left, once he has.
    pub(crate) left: Option<LegEnd>,
}

impl Manner {
    /// Of somebody whom we called, with the Referred-By of who asked for it and what his answer says.
    pub(crate) fn dialled(referred_by: Option<&HeaderValue>, answer: &Headers) -> Self {
        Self {
            was_in: true,
            is_focus: is_focus(answer),
            referred_by: referred_by.and_then(referrer),
            ..Self::default()
        }
    }

    pub(crate) fn of(invite: &Incoming) -> Self {
        let headers = &invite.request.headers;
        let referred_by = headers.referred_by().ok().flatten();
        Self {
            is_anonymous: wants_privacy(invite),
            is_focus: is_focus(headers),
            referred_by: referred_by.map(|by| masked(bare(&by.uri))),
            was_in: false,
            left: None,
        }
    }
}

fn is_focus(headers: &Headers) -> bool {
    headers.contact().ok().flatten().is_some_and(|contact| contact.is_focus())
}

/// Who had somebody join, by a Referred-By.
fn referrer(value: &HeaderValue) -> Option<String> {
    let by = value.text().parse::<NameAddr>().ok()?;
    Some(masked(bare(&by.uri)))
}

/// RFC 3323 §4.2: any of these hides who he is. `none` hides nothing.
fn wants_privacy(incoming: &Incoming) -> bool {
    let name = HeaderName::parse("Privacy");
    let values = name.iter().flat_map(|name| incoming.request.headers.all(name));
    let hides = |word: &str| {
        ["id", "user", "header", "session"].iter().any(|known| word.eq_ignore_ascii_case(known))
    };
    let from = incoming.essentials.from.uri.as_sip();
    // RFC 3323 §4.1.1.3: he hides it himself.
    from.is_some_and(|uri| uri.host.as_str().to_ascii_lowercase().ends_with(".invalid"))
        || values.into_iter().any(|value| value.text().split([';', ',']).map(str::trim).any(hides))
}

/// Who left a short while ago.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Departed {
    line: Line,
    pub(crate) until: Instant,
}

/// One endpoint, and whose.
#[derive(Clone, Debug, PartialEq)]
struct Line {
    entity: String,
    display: Option<String>,
    is_creator: bool,
    leg: LegId,
    endpoint: Endpoint,
    /// For those who may know it.
    call: Option<Call>,
}

/// For how long it is told how somebody left, before he is removed: longer than a subscriber waits for the next NOTIFY
/// (RFC 4575 §3.9), so that each hears of it.
pub(crate) const DEPARTED_FOR: Duration = Duration::from_secs(6);

/// Of whom it is told at a time; more only vanish.
pub(crate) const DEPARTED_MAX: usize = 64;

impl Focus {
    /// The document for one kind of subscriber.
    pub(crate) fn document(&self, view: View) -> Document {
        let proved = self.proved();
        // RFC 4575 §5.7.3: before the ACK it may be nobody, or somebody who never asked.
        // Who is not in yet may be anybody, and is shown to those who may let him in.
        let is_shown = |leg: &&Leg| {
            leg.manner.was_in || (view == View::Owner && leg.is_confirmed() && !leg.entry.is_in())
        };
        let legs = self.legs.values().filter(is_shown);
        let legs = legs.map(|leg| self.line(leg, &proved));
        let departed = self.watch.departed.iter().map(|departed| departed.line.clone());
        let mut present = BTreeSet::new();
        let mut users: BTreeMap<String, User> = BTreeMap::new();
        let mut bytes = 0;
        let called = self
            .dialling
            .values()
            .filter_map(|call| Some(self.called_line(call, &proved, call.participant()?.state)));
        for line in legs.chain(called).chain(departed) {
            if line.endpoint.gone.is_none() && !line.endpoint.status.is_outside() {
                present.insert(line.entity.clone());
            }
            let known = users.get(&line.entity);
            if known.is_none() && users.len() >= USERS_SHOWN_MAX {
                continue;
            }
            let mut user = known.cloned().unwrap_or_default();
            let before = known.map_or(0, |known| xml::size(&line.entity, known));
            let Line { entity, display, is_creator, leg, endpoint, call } = line;
            user.display = user.display.or(display);
            user.is_creator |= is_creator;
            let call = call.filter(|_| view == View::Owner);
            // Unique for this user, and says nothing of where he is (RFC 4575 §5.7).
            let key = format!("{entity};leg={}", leg.0);
            user.endpoints.insert(key, Endpoint { call, ..endpoint });
            let after = bytes + xml::size(&entity, &user) - before;
            if after <= DOCUMENT_BYTES_MAX {
                bytes = after;
                users.insert(entity, user);
            }
        }
        Document {
            entity: self.config.conference_uri.to_string(),
            users_max: self.watch.terms.users_max,
            user_count: u32::try_from(present.len()).unwrap_or(u32::MAX),
            is_active: self.phase == Phase::Running,
            is_locked: self.is_locked,
            users,
        }
    }

    /// Notes how a leg left that is gone, to tell of it.
    pub(crate) fn note_departed(&mut self, now: Instant, leg: &Leg) {
        let (true, Some(cause)) = (leg.manner.was_in, leg.manner.left) else { return };
        let line = self.line(leg, &self.proved());
        let gone = Gone {
            method: disconnection(cause),
            when: self.wall(now),
            // RFC 4575 §5.7.7
            reason: (cause != LegEnd::Left).then(|| format!("Reason: SIP;text=\"{cause}\"")),
        };
        self.depart(now, line, gone);
    }

    /// Notes why somebody whom we called does not join.
    pub(crate) fn note_not_reached(&mut self, now: Instant, leg: LegId, why: &DialEnd) {
        let proved = self.proved();
        let Some(call) = self.dialling.get(&leg) else { return };
        let line = self.called_line(call, &proved, ParticipantState::Leaving);
        let text = why.to_string().replace(['"', '\\'], " ");
        let gone = Gone {
            method: not_reached(why),
            when: self.wall(now),
            reason: Some(format!("Reason: SIP;cause={};text=\"{text}\"", why.status())),
        };
        self.depart(now, line, gone);
    }

    fn depart(&mut self, now: Instant, line: Line, gone: Gone) {
        let endpoint = Endpoint {
            status: Status::Disconnected,
            gone: Some(gone),
            audio: None,
            ..line.endpoint
        };
        let departed = &mut self.watch.departed;
        if departed.len() >= DEPARTED_MAX {
            departed.pop_front();
        }
        departed.push_back(Departed { line: Line { endpoint, ..line }, until: now + DEPARTED_FOR });
    }

    /// Those who have proved who they are, by [`person`]. Nobody else is shown as one of them.
    fn proved(&self) -> BTreeSet<String> {
        let entities = self.legs.values().filter_map(|leg| self.proved_entity(leg));
        entities.filter_map(|entity| Some(person(&entity.parse().ok()?))).collect()
    }

    fn proved_entity(&self, leg: &Leg) -> Option<String> {
        let user = leg.user.as_ref().filter(|_| !leg.manner.is_anonymous)?;
        Some(SipUri::new(self.config.conference_uri.host.clone(), None).with_user(user).to_string())
    }

    fn line(&self, leg: &Leg, proved: &BTreeSet<String>) -> Line {
        let (entity, display) = self.identity(leg, proved);
        let is_leaving = match &leg.state {
            State::Answered { .. } | State::Confirmed { .. } => false,
            State::Ending { .. } | State::Leaving { .. } | State::Gone => true,
        };
        // RFC 4575 §5.7.3: hears nothing, and is not heard.
        let is_held = leg.media.direction == Direction::Inactive;
        let endpoint = Endpoint {
            referred_by: leg.manner.referred_by.clone(),
            status: match (&leg.entry, is_held) {
                _ if is_leaving => Status::Disconnecting,
                // RFC 4575 §5.7.3: "not yet in the roster (probably being authenticated)".
                (Entry::AskedForPin(_) | Entry::TurnedAway { .. }, _) => Status::DialingIn,
                (Entry::Waiting { .. }, _) => Status::Pending,
                (Entry::In, true) => Status::OnHold,
                (Entry::In, false) => Status::Connected,
            },
            joining: if leg.is_dialled { Joining::DialedOut } else { Joining::DialedIn },
            joined: self.wall(leg.since),
            gone: None,
            audio: Some(seen_from_there(leg.media.direction, leg.is_muted)),
            call: None,
        };
        let id = &leg.dialog.id;
        let call = Call {
            call_id: masked(&id.call_id),
            from_tag: masked(&id.remote_tag),
            to_tag: id.local_tag.clone(),
        };
        let (is_creator, leg) = (leg.is_creator, leg.id);
        Line { entity, display, is_creator, leg, endpoint, call: Some(call) }
    }

    /// Somebody whom we are calling.
    fn called_line(
        &self,
        call: &Dialling,
        proved: &BTreeSet<String>,
        state: ParticipantState,
    ) -> Line {
        let callee = Uri::Sip(call.callee.uri.clone());
        let (entity, display) = match proved.contains(&person(&callee)) {
            true => nobody("Unverified", call.id),
            false => (masked(bare(&callee)), call.callee.display.clone()),
        };
        let endpoint = Endpoint {
            referred_by: call.callee.referred_by.as_ref().and_then(referrer),
            status: match state {
                ParticipantState::Alerting => Status::Alerting,
                ParticipantState::Leaving => Status::Disconnecting,
                ParticipantState::AskedForPin
                | ParticipantState::Dialling
                | ParticipantState::Joining
                | ParticipantState::Joined
                | ParticipantState::Waiting => Status::DialingOut,
            },
            joining: Joining::DialedOut,
            joined: None,
            gone: None,
            audio: None,
            call: None,
        };
        Line { entity, display, is_creator: false, leg: call.id, endpoint, call: None }
    }

    /// Who a participant is for the others: whom he proved to be, else whom he says that he is, unless that is somebody
    /// who is here and proved it.
    fn identity(&self, leg: &Leg, proved: &BTreeSet<String>) -> (String, Option<String>) {
        if leg.manner.is_anonymous {
            return nobody("Anonymous", leg.id);
        }
        if let Some(entity) = self.proved_entity(leg) {
            return (entity, leg.display.clone());
        }
        if proved.contains(&person(&leg.dialog.remote_uri)) {
            return nobody("Unverified", leg.id);
        }
        (masked(bare(&leg.dialog.remote_uri)), leg.display.clone())
    }

    fn wall(&self, at: Instant) -> Option<UnixTime> {
        let (now, wall) = self.watch.terms.wall?;
        let ago = now.since(at).as_secs();
        Some(UnixTime(wall.after(at.since(now)).0.saturating_sub(ago)))
    }
}

/// A name and an entity for who shall not be known (RFC 4575 §5.6).
fn nobody(name: &str, leg: LegId) -> (String, Option<String>) {
    let number = u64::from(leg.0) + 1;
    let entity = format!("sip:{}{number}@anonymous.invalid", name.to_ascii_lowercase());
    (entity, Some(format!("{name}{number}")))
}

/// A URI without what says how to reach it: the same for each device of one user.
fn bare(uri: &Uri) -> String {
    match uri {
        Uri::Sip(sip) => {
            let mut aor = SipUri::new(sip.host.clone(), sip.port);
            aor.secure = sip.secure;
            aor.user = sip.user.clone();
            aor.to_string()
        }
        Uri::Other { .. } => uri.to_string(),
    }
}

/// Whom a URI names, however it is written: to people `sip:al%69ce@EXAMPLE.com:5060` is alice@example.com.
fn person(uri: &Uri) -> String {
    match uri {
        Uri::Sip(sip) => {
            let user = sip.user_unescaped().unwrap_or_default();
            let host = sip.host.as_str().to_ascii_lowercase();
            format!("{}@{host}", String::from_utf8_lossy(&user).to_lowercase())
        }
        Uri::Other { .. } => uri.to_string(),
    }
}

/// RFC 4575 §5.7.6
const fn disconnection(cause: LegEnd) -> Disconnection {
    match cause {
        // RFC 3891: who is replaced goes on at another device.
        LegEnd::Left | LegEnd::Replaced => Disconnection::Departed,
        // In each of these he was sent a BYE.
        LegEnd::ConferenceEnded
        | LegEnd::Expired
        | LegEnd::NoPin
        | LegEnd::NotLetIn
        | LegEnd::PinLocked
        | LegEnd::Removed
        | LegEnd::Silent
        | LegEnd::TimeUp
        | LegEnd::WrongPin => Disconnection::Booted,
        LegEnd::BadAnswer | LegEnd::MediaFailed | LegEnd::NoAck => Disconnection::Failed,
    }
}

/// RFC 4575 §5.7.6
fn not_reached(why: &DialEnd) -> Disconnection {
    match why {
        DialEnd::Replaced => Disconnection::Departed,
        DialEnd::Cancelled | DialEnd::ConferenceEnded | DialEnd::Removed => Disconnection::Booted,
        _ if why.status() == StatusCode::BUSY_HERE => Disconnection::Busy,
        DialEnd::BadAnswer
        | DialEnd::Interrupted
        | DialEnd::NoAnswer
        | DialEnd::NoRoom(..)
        | DialEnd::Refused(_)
        | DialEnd::Timeout
        | DialEnd::Unreachable(_) => Disconnection::Failed,
    }
}

/// RFC 4575 §5.8.5: from the participant's side; who is muted only receives.
const fn seen_from_there(ours: Direction, is_muted: bool) -> Direction {
    match (ours, is_muted) {
        (Direction::SendRecv, false) => Direction::SendRecv,
        (Direction::RecvOnly, false) => Direction::SendOnly,
        (Direction::SendRecv, true) | (Direction::SendOnly, _) => Direction::RecvOnly,
        (Direction::RecvOnly, true) | (Direction::Inactive, _) => Direction::Inactive,
    }
}
