//! What the node tells the people who run it: one typed line per thing that happened.

use focus::{ParticipantState, Role};
use mix::message::PortReport;
use serde::Serialize;
use units::UnixTime;

/// Something that an operator wants to see in a log or that a program wants as JSON.
///
/// A notice is never the only trace of something: what it says is also in the status or a counter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Notice {
    /// The factory held room for a conference and told the asker its URI.
    Held {
        /// The conference URI as it went out.
        conference: String,
        /// Who asked: the From URI.
        asker: String,
        /// Seats held.
        seats: u32,
        /// Until when, if nobody joins.
        until: UnixTime,
    },
    /// Room was reserved for a time to come, and the reservation is on the disk.
    Reserved {
        /// The conference URI.
        conference: String,
        /// How many are to come.
        legs: u32,
        /// When it begins.
        from: UnixTime,
        /// When it ends.
        until: UnixTime,
        /// Who pays; empty: nobody in particular.
        tenant: String,
    },
    /// The store could not keep what it was told: a restart now would lose it.
    NotKept,
    /// Nobody joined in time; the room is free again.
    HoldExpired {
        /// The conference URI.
        conference: String,
    },
    /// The first leg joined: the conference runs.
    Started {
        /// The conference URI.
        conference: String,
        /// The media shard that mixes it.
        shard: u16,
    },
    /// A leg joined.
    Joined {
        /// The conference URI.
        conference: String,
        /// The number of the leg in its conference.
        leg: u32,
        /// The participant's URI as he wrote it: not authenticated.
        participant: String,
        /// The user that he proved to be.
        user: Option<String>,
    },
    /// Somebody has called who is not let in yet: he is asked for a PIN, or waits in the lobby.
    Waits {
        /// The conference URI.
        conference: String,
        /// The number of the leg in its conference.
        leg: u32,
        /// The participant's URI as he wrote it: not authenticated.
        participant: String,
        /// The user that he proved to be.
        user: Option<String>,
        /// Which of the two.
        state: ParticipantState,
    },
    /// An administrator made somebody a moderator, or a guest again.
    Appointed {
        /// The conference URI.
        conference: String,
        /// The number of the leg in its conference.
        leg: u32,
        /// What he is now.
        role: Role,
    },
    /// A conference calls somebody, because it was told to.
    Calling {
        /// The conference URI.
        conference: String,
        /// The number of the leg to be.
        leg: u32,
        /// Where the call goes.
        target: String,
    },
    /// Whom a conference called does not join.
    NotReached {
        /// The conference URI.
        conference: String,
        /// The number of the leg that is not.
        leg: u32,
        /// The final answer, or what it amounts to.
        status: u16,
        /// Why, in words.
        why: String,
    },
    /// Somebody's sound is kept out of the mix, or let in again.
    Muted {
        /// The conference URI.
        conference: String,
        /// The number of the leg in its conference.
        leg: u32,
        /// Which of the two.
        muted: bool,
    },
    /// Somebody has begun to talk, or has stopped. As often as people do.
    Talking {
        /// The conference URI.
        conference: String,
        /// The number of the leg in its conference.
        leg: u32,
        /// Which of the two.
        talking: bool,
    },
    /// A conference has nearly lasted as long as it may: those who are in hear it by a few tones.
    EndsSoon {
        /// The conference URI.
        conference: String,
        /// Until its end.
        seconds: u64,
    },
    /// An administrator changed what a conference goes by.
    Changed {
        /// The conference URI.
        conference: String,
        /// Its name for people.
        title: Option<String>,
        /// Whether only those get in who are called.
        locked: bool,
        /// Legs that there may be at most.
        max: Option<u32>,
        /// Seconds that it may last.
        max_seconds: Option<u64>,
        /// Whether guests are asked for a PIN.
        pin: bool,
        /// Whether moderators have one.
        moderator_pin: bool,
        /// Whether guests wait until they are let in.
        lobby: bool,
    },
    /// More new requests come than can be done, or than the configuration admits: from now on some are refused. What belongs to
    /// calls and conferences that there are goes on. Told once, until [`Self::OverloadOver`].
    Overloaded {
        /// New requests a second that are admitted.
        per_second: Option<u32>,
        /// How long they had waited of late, on average.
        wait_ms: u64,
        /// How long they may.
        target_ms: u64,
    },
    /// For a minute all new requests have been admitted again.
    OverloadOver {
        /// How long it lasted, without that minute.
        seconds: u64,
        /// New requests that got 503 since it began.
        refused: u64,
        /// Requests that got no answer since it began: their senders send them again.
        unanswered: u64,
    },
    /// The server takes no new conferences; those there are go on.
    Draining {
        /// Seconds after which what still runs is ended; `None`: it ends by itself.
        seconds: Option<u64>,
        /// Conferences that are held or run.
        conferences: usize,
    },
    /// The server takes new conferences again.
    Undrained,
    /// The server takes no more conferences, and ends those there are.
    ShuttingDown,
    /// A leg left.
    Left {
        /// The conference URI.
        conference: String,
        /// The number of the leg in its conference.
        leg: u32,
        /// Why, in words.
        cause: String,
    },
    /// The mixer has closed a leg's port; this is what passed through it.
    Media {
        /// Shard, slot and generation of the conference in its mixer, as `0/3.1`.
        mixer: String,
        /// The number of the leg in its conference.
        leg: u32,
        /// Packets and frames.
        report: Box<PortReport>,
    },
    /// The conference is over; its URI is dead.
    Ended {
        /// The conference URI.
        conference: String,
        /// Why, in words.
        cause: String,
    },
    /// Credentials were wrong.
    LoginFailed {
        /// The user, if there is one of that name.
        user: Option<String>,
        /// Where they came from.
        source: String,
        /// Whether this was once too often: from now on this user is locked there.
        locked: bool,
    },
    /// A phone has registered (lab registrar).
    PhoneRegistered {
        /// The user's name.
        user: String,
        /// The Contact.
        contact: String,
        /// Where it registered from.
        source: String,
    },
    /// A phone is not registered any more (lab registrar).
    PhoneGone {
        /// The user's name.
        user: String,
        /// The Contact.
        contact: String,
        /// Why, in words.
        cause: String,
    },
    /// A request was refused for want of something, not for being wrong.
    Refused {
        /// The Request-URI.
        uri: String,
        /// Who asked: the From URI.
        asker: String,
        /// The status on the wire.
        status: u16,
        /// Why, in words that also went out as a Warning.
        why: String,
        /// What the pool decided, in one sentence; `None`: it was not asked.
        explained: Option<String>,
    },
    /// Refusals and wrong credentials came too fast for each to be told: so many were not, before the next
    /// notice. All are counted by cause.
    NotTold {
        /// How many.
        refusals: u64,
    },
}
