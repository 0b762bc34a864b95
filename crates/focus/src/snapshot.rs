//! A conference as it is written down: to move it to another node, or to survive a crash.
//!
//! Times are ages, since no two machines share a monotonic clock. Transactions are not written: the
//! wait for an ACK starts anew, a probe under way is forgotten, a refresh under way is due again, and a BYE under way is sent again
//! (its peer answers 200 or 481, and both end the leg). A call of ours that nobody had answered is over: to
//! call again would ring twice.

use std::collections::VecDeque;
use std::time::Duration;

use sdp::SessionDescription;
use serde::{Deserialize, Serialize};
use sip::{
    DialogSnapshot, Message, Response, SessionUuid, SnapshotError, Source, SuccessRetransmit,
    parse_datagram,
};
use units::{Instant, Rng};

use crate::creator::Likeness;
use crate::entry::EntrySnapshot;
use crate::event::Manner;
use crate::focus::Phase;
use crate::lasting::{Lasting, LastingSnapshot};
use crate::leg::{Leg, Probe, RefreshSnapshot, Standing, State, Unacked};
use crate::negotiation::Session;
use crate::referral::ReferralSnapshot;
use crate::{DialEnd, Focus, FocusConfig, LegEnd, LegId, LegMedia, MediaPort, Output, WrongPins};

/// The version written now. It rises with every change that an older reader would misunderstand.
pub const FOCUS_SNAPSHOT_VERSION: u16 = 7;

/// A conference with the version of its form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FocusSnapshot {
    /// [`FOCUS_SNAPSHOT_VERSION`] when it was written.
    pub version: u16,
    config: FocusConfig,
    session: SessionUuid,
    #[serde(default)]
    first_leg: u32,
    next_leg: u32,
    /// Whether anybody ever was in. What was written without it had only conferences that somebody had joined.
    #[serde(default = "yes")]
    had_leg: bool,
    was_guarded: bool,
    /// How long it goes on without anybody.
    empty_ms: Option<u64>,
    #[serde(default)]
    is_locked: bool,
    lasting: LastingSnapshot,
    wrong_pins: Vec<WrongPins>,
    creator_leg: Option<(LegId, Likeness)>,
    phase: Phase,
    legs: Vec<LegSnapshot>,
    /// Calls of ours without a final answer. Their INVITEs are lost with the node that sent them.
    dialling: Vec<DiallingSnapshot>,
    next_referral: u32,
    referrals: Vec<ReferralSnapshot>,
    /// Dialogs that serve reports only.
    report_dialogs: Vec<DialogSnapshot>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct DiallingSnapshot {
    id: LegId,
    port: Option<MediaPort>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct LegSnapshot {
    id: LegId,
    dialog: DialogSnapshot,
    uri: String,
    display: Option<String>,
    user: Option<String>,
    age_ms: u64,
    is_creator: bool,
    is_moderator: bool,
    entry: EntrySnapshot,
    is_dialled: bool,
    #[serde(default)]
    is_muted: bool,
    was_referring: bool,
    replaces: Option<LegId>,
    manner: Manner,
    session: Session,
    media: LegMedia,
    state: StateSnapshot,
    refreshing: RefreshSnapshot,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum StateSnapshot {
    Answered { unacked: UnackedSnapshot },
    Confirmed { unacked: Option<UnackedSnapshot> },
    Ending { unacked: UnackedSnapshot, cause: LegEnd },
    Leaving { cause: LegEnd },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct UnackedSnapshot {
    cseq: u32,
    /// The 2xx as on the wire.
    response: Vec<u8>,
    to: Source,
    offer: Option<String>,
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

const fn yes() -> bool {
    true
}

/// Why a snapshot makes no conference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum RestoreError {
    #[error("snapshot has version {got}, this program reads {expected}")]
    Version { got: u16, expected: u16 },
    #[error("leg {}: {error}", leg.0)]
    Dialog { leg: LegId, error: SnapshotError },
    #[error("a dialog of reports: {0}")]
    ReportDialog(SnapshotError),
    #[error("leg {}: its answer cannot be read", leg.0)]
    Answer { leg: LegId },
}

impl Focus {
    /// Writes the conference down.
    pub fn snapshot(&self, now: Instant) -> FocusSnapshot {
        FocusSnapshot {
            version: FOCUS_SNAPSHOT_VERSION,
            config: self.config.clone(),
            session: self.session,
            first_leg: self.first_leg,
            next_leg: self.next_leg,
            had_leg: self.had_leg,
            was_guarded: self.was_guarded,
            empty_ms: self.empty_until.map(|until| millis(until.since(now))),
            is_locked: self.is_locked,
            lasting: self.lasting.snapshot(now),
            wrong_pins: self.wrong_pins(now),
            creator_leg: self.creator_leg,
            phase: self.phase,
            legs: self.legs.values().filter_map(|leg| LegSnapshot::of(now, leg)).collect(),
            dialling: self
                .dialling
                .values()
                .filter(|dialling| dialling.is_pending())
                .map(|dialling| DiallingSnapshot { id: dialling.id, port: dialling.port() })
                .collect(),
            next_referral: self.next_referral,
            referrals: self
                .referrals
                .iter()
                .map(|(number, referral)| ReferralSnapshot::of(*number, referral))
                .collect(),
            report_dialogs: self.report_dialogs.values().map(DialogSnapshot::of).collect(),
        }
    }

    /// Makes the conference again. Its outputs tell the node of every leg and its media, and send
    /// the BYEs that were under way.
    ///
    /// # Errors
    /// [`RestoreError`]: the snapshot is of another version, or damaged.
    pub fn restore(now: Instant, snapshot: FocusSnapshot, rng: Rng) -> Result<Self, RestoreError> {
        let FocusSnapshot { version: got, config, next_leg, creator_leg, phase, .. } = snapshot;
        if got != FOCUS_SNAPSHOT_VERSION {
            return Err(RestoreError::Version { got, expected: FOCUS_SNAPSHOT_VERSION });
        }
        let mut focus = Self::new(now, config, rng).with_wrong_pins(now, &snapshot.wrong_pins);
        focus.session = snapshot.session;
        for leg in snapshot.legs {
            let leg = leg.restore(now, &mut focus.outputs)?;
            focus.by_dialog.insert(leg.dialog.id.clone(), leg.id);
            focus.legs.insert(leg.id, leg);
        }
        for DiallingSnapshot { id, port } in snapshot.dialling {
            let why = DialEnd::Interrupted;
            focus.outputs.push_back(Output::DialEnded { leg: id, port, why });
        }
        for dialog in snapshot.report_dialogs {
            let dialog = dialog.restore().map_err(RestoreError::ReportDialog)?;
            focus.outputs.push_back(Output::DialogOpened { dialog: dialog.id.clone() });
            focus.report_dialogs.insert(dialog.id.clone(), dialog);
        }
        for referral in snapshot.referrals {
            focus.referrals.insert(referral.number, referral.restore(now));
        }
        focus.next_referral = snapshot.next_referral;
        focus.settle_referrals(now);
        (focus.first_leg, focus.next_leg) = (snapshot.first_leg, next_leg);
        focus.had_leg = snapshot.had_leg;
        focus.was_guarded = snapshot.was_guarded;
        focus.empty_until = snapshot.empty_ms.map(|ms| now + Duration::from_millis(ms));
        focus.is_locked = snapshot.is_locked;
        focus.lasting = Lasting::restore(now, focus.config.max_time, snapshot.lasting);
        focus.creator_leg = creator_leg;
        focus.phase = phase;
        focus.note_company(now);
        Ok(focus)
    }
}

impl LegSnapshot {
    /// `None` for a leg of which nothing is left.
    fn of(now: Instant, leg: &Leg) -> Option<Self> {
        let state = match &leg.state {
            State::Answered { unacked } => {
                StateSnapshot::Answered { unacked: UnackedSnapshot::of(unacked) }
            }
            State::Confirmed { unacked, probe: _ } => {
                StateSnapshot::Confirmed { unacked: unacked.as_ref().map(UnackedSnapshot::of) }
            }
            State::Ending { unacked, cause } => {
                StateSnapshot::Ending { unacked: UnackedSnapshot::of(unacked), cause: *cause }
            }
            State::Leaving { cause, give_up_at: _ } => StateSnapshot::Leaving { cause: *cause },
            State::Gone => return None,
        };
        let age = now.since(leg.since).as_millis();
        Some(Self {
            id: leg.id,
            dialog: DialogSnapshot::of(&leg.dialog),
            uri: leg.uri.clone(),
            display: leg.display.clone(),
            user: leg.user.clone(),
            age_ms: u64::try_from(age).unwrap_or(u64::MAX),
            is_creator: leg.is_creator,
            is_moderator: leg.is_moderator,
            entry: EntrySnapshot::of(&leg.entry),
            is_dialled: leg.is_dialled,
            is_muted: leg.is_muted,
            was_referring: leg.was_referring,
            replaces: leg.replaces,
            manner: leg.manner.clone(),
            session: leg.session.clone(),
            media: leg.media.clone(),
            state,
            refreshing: leg.refreshing.snapshot(now),
        })
    }

    fn restore(self, now: Instant, out: &mut VecDeque<Output>) -> Result<Leg, RestoreError> {
        let id = self.id;
        let broken = || RestoreError::Answer { leg: id };
        let dialog =
            self.dialog.restore().map_err(|error| RestoreError::Dialog { leg: id, error })?;
        let unacked = |unacked: UnackedSnapshot| unacked.restore(now).ok_or_else(broken);
        let state = match self.state {
            StateSnapshot::Answered { unacked: waiting } => {
                State::Answered { unacked: unacked(waiting)? }
            }
            StateSnapshot::Confirmed { unacked: waiting } => {
                let unacked = waiting.map(unacked).transpose()?;
                State::Confirmed { unacked, probe: Probe::Idle }
            }
            StateSnapshot::Ending { unacked: waiting, cause } => {
                State::Ending { unacked: unacked(waiting)?, cause }
            }
            StateSnapshot::Leaving { cause } => State::Leaving { cause, give_up_at: now },
        };
        let since = Instant::from_millis(now.as_millis().saturating_sub(self.age_ms));
        let mut leg = Leg {
            id,
            dialog,
            uri: self.uri,
            display: self.display,
            user: self.user,
            since,
            is_creator: self.is_creator,
            is_moderator: self.is_moderator,
            entry: self.entry.restore(now),
            is_dialled: self.is_dialled,
            is_muted: self.is_muted,
            is_talking: false,
            was_referring: self.was_referring,
            replaces: self.replaces,
            manner: self.manner,
            session: self.session,
            media: self.media,
            state,
            refreshing: self.refreshing.restore(now),
        };
        out.push_back(Output::LegStarted { leg: id, dialog: leg.dialog.id.clone() });
        if leg.standing() == Standing::Staying {
            out.push_back(Output::OpenMedia { leg: id, media: leg.media.clone() });
            if leg.is_muted {
                out.push_back(Output::MuteMedia { leg: id, is_muted: true });
            }
        }
        if let State::Leaving { cause, .. } = leg.state {
            leg.state = leg.say_bye(now, cause, out);
        }
        Ok(leg)
    }
}

impl UnackedSnapshot {
    fn of(unacked: &Unacked) -> Self {
        Self {
            cseq: unacked.cseq,
            response: unacked.response.to_bytes(),
            to: unacked.to,
            offer: unacked.offer.as_ref().map(ToString::to_string),
        }
    }

    fn restore(self, now: Instant) -> Option<Unacked> {
        let response: Response = match parse_datagram(&self.response) {
            Ok(Message::Response(response)) => response,
            Ok(Message::Request(_)) | Err(_) => return None,
        };
        let offer = match self.offer {
            Some(text) => Some(SessionDescription::parse(text.as_bytes()).ok()?),
            None => None,
        };
        let retransmit = SuccessRetransmit::new(now);
        Some(Unacked { cseq: self.cseq, response, to: self.to, retransmit, offer })
    }
}
