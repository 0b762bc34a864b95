//! What a node has counted, for `GET /metrics`.

use focus::factory::Refused;
use focus::{End, LegEnd};
use mix::message::PortReport;
use pool::{ConferenceId, TenantId};
use sip::{ByCause, MessageDropped, RequestUnsent, StackRefusal, StatusCode, Traffic};
use units::{Tally, causes};

use crate::conference::State;
use crate::keeping::Keeping;
use crate::node::{Node, Phase};
use crate::registrar::Registrar;
use crate::{Leftovers, OverloadFigures, QualityFigures, RelayCounters, RoomStatus, Shed};

causes! {
    /// Why a request was refused: a final answer other than 2xx and 3xx.
    pub enum Refusal {
        /// There was no room for a new conference.
        PoolFull => "pool_full",
        /// A tenant had all its seats: 486.
        TenantFull => "tenant_full",
        /// A tenant made conferences too fast: 486.
        TenantRate => "tenant_rate",
        /// A reserved conference was called before its time.
        NotYet => "not_yet",
        /// Callers whose address is not proved held all that they together may.
        UnprovedRoom => "unproved_room",
        /// One caller has had too many conferences on one Call-ID.
        SourceBusy => "source_busy",
        /// Too many answers to one address waited for their ACK.
        Unanswered => "unanswered",
        /// The conference, or one address in it, had all the subscriptions that it may have.
        TooManyWatchers => "too_many_watchers",
        /// The conference had all the legs that it may have.
        ConferenceFull => "conference_full",
        /// The pool had no seat for one more leg.
        NoSeat => "no_seat",
        /// No media port was free.
        NoPort => "no_port",
        /// The focus was asked to call one target too often.
        CalledTooOften => "called_too_often",
        /// A REFER to what is no conference.
        NoReferHere => "no_refer_here",
        /// A REFER to a conference that nobody is in.
        NobodyIn => "nobody_in",
        /// As many waited to be let into a conference as may.
        LobbyFull => "lobby_full",
        /// Too many wrong PINs had come from there, or to that conference.
        TooManyPins => "too_many_pins",
        /// No such factory or conference (any more), whatever the reason.
        NotFound => "not_found",
        /// The conference is locked.
        Locked => "locked",
        /// We took no new conferences.
        Draining => "draining",
        /// We were shutting down.
        ShuttingDown => "shutting_down",
        /// The answer form is not in this build.
        NotServed => "not_served",
        /// It could not be read: 400 or 505.
        Malformed => "malformed",
        /// It could be read, and was wrong all the same: 400.
        BadRequest => "bad_request",
        /// It came without credentials, or with such as we do not know: 401.
        Challenged => "challenged",
        /// The password was wrong: 401.
        WrongPassword => "wrong_password",
        /// The nonce was too old, or used before: 401.
        StaleNonce => "stale_nonce",
        /// The password was wrong too often: 403.
        LockedOut => "locked_out",
        /// The credentials were improper: 400.
        BadCredentials => "bad_credentials",
        /// He may not: 403.
        Forbidden => "forbidden",
        /// Its method is not served there: 405 or 501.
        Method => "method",
        /// It takes nothing that we can send: 406.
        NotAcceptable => "not_acceptable",
        /// It was too large: 413 or 513.
        TooLarge => "too_large",
        /// A body that we cannot read: 415.
        MediaType => "media_type",
        /// A URI of a scheme that we do not serve: 416.
        UriScheme => "uri_scheme",
        /// An extension that we do not have, or one that it lacked: 420 or 421.
        Extension => "extension",
        /// An interval too short: 422 or 423.
        Interval => "interval",
        /// It belongs to no dialog here: 481.
        NoDialog => "no_dialog",
        /// A CANCEL with nothing to cancel: 481.
        StrayCancel => "stray_cancel",
        /// It came by several ways, or in a circle: 482 or 483.
        Loop => "loop",
        /// Busy: 486.
        Busy => "busy",
        /// Its session description has nothing that we can agree on: 488.
        SessionDescription => "session_description",
        /// An event that we do not tell of: 489.
        Event => "event",
        /// Another request of that dialog was under way: 491.
        Pending => "pending",
        /// Out of order in its dialog, or a fault of ours: 500.
        OutOfOrder => "out_of_order",
        /// The table of transactions was full: 503.
        TransactionsFull => "transactions_full",
        /// More came than could be served in time: 503.
        Overload => "overload",
        /// Any other.
        Other => "other",
    }
}

causes! {
    /// Why an ACK had no effect.
    pub enum AckIgnored {
        /// It belongs to no dialog here, and proves nothing.
        Stray => "stray_ack",
        /// It acknowledges nothing: a copy, or one to an older answer.
        Copy => "ack_copy",
    }
}

impl Refusal {
    /// The cause of an answer that says no more than its status.
    pub(crate) const fn of_status(status: StatusCode) -> Self {
        match status.code() {
            400 => Self::BadRequest,
            401 | 407 => Self::Challenged,
            403 => Self::Forbidden,
            404 | 410 | 604 => Self::NotFound,
            405 | 501 => Self::Method,
            406 => Self::NotAcceptable,
            413 | 513 => Self::TooLarge,
            415 => Self::MediaType,
            416 => Self::UriScheme,
            420 | 421 => Self::Extension,
            422 | 423 => Self::Interval,
            481 => Self::NoDialog,
            482 | 483 => Self::Loop,
            486 | 600 => Self::Busy,
            488 | 606 => Self::SessionDescription,
            489 => Self::Event,
            491 => Self::Pending,
            500 => Self::OutOfOrder,
            505 => Self::Malformed,
            _ => Self::Other,
        }
    }

    pub(crate) const fn of(refused: &Refused) -> Self {
        match refused {
            Refused::PoolFull { .. } => Self::PoolFull,
            Refused::TenantFull { .. } => Self::TenantFull,
            Refused::TenantRate { .. } => Self::TenantRate,
            Refused::NotYet { .. } => Self::NotYet,
            Refused::Unproved { .. } => Self::UnprovedRoom,
            Refused::SourceBusy => Self::SourceBusy,
            Refused::Unanswered { .. } => Self::Unanswered,
            Refused::ConferenceFull { .. } => Self::ConferenceFull,
            Refused::NoSeat => Self::NoSeat,
            Refused::NoPort => Self::NoPort,
            Refused::CalledTooOften { .. } => Self::CalledTooOften,
            Refused::NoReferHere => Self::NoReferHere,
            Refused::NobodyIn => Self::NobodyIn,
            Refused::NotFound => Self::NotFound,
            Refused::Locked => Self::Locked,
            Refused::LobbyFull { .. } => Self::LobbyFull,
            Refused::TooManyPins { .. } => Self::TooManyPins,
            Refused::Draining => Self::Draining,
            Refused::ShuttingDown => Self::ShuttingDown,
            Refused::NotServed => Self::NotServed,
        }
    }
}

/// What the node itself counts. Its parts count the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tallies {
    /// Requests refused. What the stack refused by itself is put in by [`Node::figures`].
    pub refusals: Tally<Refusal>,
    /// ACKs without effect.
    pub acks_ignored: Tally<AckIgnored>,
    /// Holds that factories made.
    pub holds_made: u64,
    /// Of these, those that nobody came to.
    pub holds_expired: u64,
    /// Conferences that began.
    pub conferences_started: u64,
    /// Conferences that ended.
    pub conferences_ended: Tally<End>,
    /// Calls that focuses have placed.
    pub dial_outs: u64,
    /// Of these, and of those that could not be placed, the ones that reached nobody.
    pub dial_outs_failed: u64,
    /// Legs that acknowledged our answer.
    pub legs_joined: u64,
    /// Legs that ended, joined or not.
    pub legs_ended: Tally<LegEnd>,
    /// Requests of no use that got no answer, because their source had had enough of those.
    pub held_back: u64,
    /// Requests that could not be served in time, and got no answer.
    pub shed: Tally<Shed>,
    /// Keys that those in conferences have pressed. Which ones is kept nowhere: they may be a PIN.
    pub keys_pressed: u64,
    /// Wrong passwords.
    pub logins_failed: u64,
    /// What passed through the ports of legs that have ended.
    pub media: PortReport,
    /// How well sound gets through, at every report of every leg.
    pub quality: QualityFigures,
}

/// What a node has counted, and what it keeps now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Counts of the node.
    pub tallies: Tallies,
    /// Messages, copies included.
    pub traffic: Traffic,
    /// Messages that came to nothing in the stack.
    pub dropped: Tally<MessageDropped>,
    /// Requests of ours that were not sent.
    pub unsent: Tally<RequestUnsent>,
    /// Who is admitted, and how long they wait.
    pub overload: OverloadFigures,
    /// Room of the pool, in seats.
    pub room: RoomStatus,
    /// What is kept for anybody.
    pub leftovers: Leftovers,
    /// Server transactions and client transactions.
    pub transactions: (usize, usize),
    /// Legs in conferences.
    pub legs: usize,
    /// Whether no new conferences are taken, and those there are go on.
    pub is_draining: bool,
    /// What the registrar for trying things out has sent on.
    pub relayed: RelayCounters,
    /// Phones that are registered with it.
    pub phones: usize,
    /// What each tenant has, in the order of the configuration. The first, without a name, is whoever belongs to no other.
    pub tenants: Vec<TenantFigures>,
    /// Reservations that are not over.
    pub reservations: usize,
    /// Conferences that the store keeps.
    pub kept: usize,
    /// Idempotency keys that are remembered.
    pub keys: usize,
}

/// What a tenant has, in seats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantFigures {
    /// What it is called.
    pub name: String,
    /// In use and held.
    pub seats: u32,
    /// At most.
    pub quota: Option<u32>,
    /// What nobody else gets.
    pub reserved: u32,
}

impl Node {
    fn legs_of(&self, id: ConferenceId) -> Option<usize> {
        match &self.records.get(&id)?.state {
            State::Active(active) => Some(active.focus.leg_count()),
            State::Held | State::Ended => None,
        }
    }

    fn tenant_figures(&self) -> Vec<TenantFigures> {
        let numbered = (0..).map(TenantId).zip(&self.pool.config().tenants);
        let figures = numbered.map(|(id, terms)| TenantFigures {
            name: terms.name.clone(),
            seats: self.pool.seats_of(id).0,
            quota: terms.quota,
            reserved: terms.reserved,
        });
        figures.collect()
    }

    /// All that was counted so far.
    pub fn figures(&self) -> Figures {
        let ByCause { dropped, refused, unsent } = self.stack.counters().by_cause();
        let mut tallies = self.tallies.clone();
        tallies.refusals = tallies
            .refusals
            .with(Refusal::Malformed, refused.of(StackRefusal::Malformed))
            .with(Refusal::StrayCancel, refused.of(StackRefusal::StrayCancel))
            .with(Refusal::TransactionsFull, refused.of(StackRefusal::TransactionsFull));
        tallies.held_back = self.pace.held_back();
        tallies.shed = self.overload.shed().clone();
        let room = self.pool.room();
        Figures {
            tallies,
            traffic: self.stack.traffic().clone(),
            dropped,
            unsent,
            overload: self.overload.figures(),
            room: RoomStatus {
                capacity: room.capacity,
                used: room.used,
                held: room.held,
                free: room.free,
            },
            leftovers: self.leftovers(),
            transactions: self.stack.transaction_counts(),
            is_draining: matches!(self.phase, Phase::Draining(_)),
            relayed: self.registrar.as_ref().map(Registrar::counters).unwrap_or_default(),
            phones: self.registrar.as_ref().map_or(0, Registrar::phone_count),
            tenants: self.tenant_figures(),
            reservations: self.pool.reservations().count(),
            kept: self.keeping.as_ref().map_or(0, Keeping::count),
            keys: self.keys_used.count(),
            legs: self.by_media.values().filter_map(|id| self.legs_of(*id)).sum(),
        }
    }
}
