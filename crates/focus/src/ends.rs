//! Why legs and conferences end, and when a conference does.

use std::fmt;

use serde::{Deserialize, Serialize};
use units::{Instant, causes};

use crate::focus::Phase;
use crate::leg::{Leg, Standing};
use crate::{DialEnd, Focus, LegId};

/// When a conference ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndPolicy {
    /// When the creator's leg leaves; with no creator known as [`EndPolicy::LastLeaves`]. How he is known: [`Creator`](crate::Creator).
    CreatorLeaves,
    /// When the last leg leaves.
    #[default]
    LastLeaves,
}

causes! {
    /// Why a leg ended.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    pub enum LegEnd {
        /// The ACK did not answer our offer, or not so that we understand it.
        BadAnswer => "bad_answer",
        /// The conference ended.
        ConferenceEnded => "conference_ended",
        /// Nobody refreshed the session in time (RFC 4028 §10).
        Expired => "expired",
        /// The participant sent BYE.
        Left => "left",
        /// The mixer refused or lost its port.
        MediaFailed => "media_failed",
        /// Our 2xx was never acknowledged (RFC 3261 §13.3.1.4).
        NoAck => "no_ack",
        /// Asked for his PIN he keyed nothing, or not all of it.
        NoPin => "no_pin",
        /// He waited to be let in, and nobody did, or somebody turned him away.
        NotLetIn => "not_let_in",
        /// Too many wrong PINs came from where he calls from, or to this conference.
        PinLocked => "pin_locked",
        /// Another call took its place (RFC 3891).
        Replaced => "replaced",
        /// Somebody who may had him removed (RFC 4579 §5.11).
        Removed => "removed",
        /// Silent, and no answer to our OPTIONS (or 408, or 481).
        Silent => "silent",
        /// The conference has lasted as long as it may.
        TimeUp => "time_up",
        /// His third PIN was as wrong as the others.
        WrongPin => "wrong_pin",
    }
}

impl LegEnd {
    /// The Reason of our BYE (RFC 3326 §2): why, for the peer's books.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::BadAnswer => "SIP;cause=488;text=\"No usable session description\"",
            Self::ConferenceEnded => "Q.850;cause=16;text=\"The conference ended\"",
            Self::Expired => "SIP;cause=408;text=\"Session timer expired\"",
            Self::Left => "Q.850;cause=16;text=\"Normal call clearing\"",
            Self::MediaFailed => "SIP;cause=500;text=\"Media failed\"",
            Self::NoAck => "SIP;cause=408;text=\"No ACK\"",
            Self::NoPin => "SIP;cause=403;text=\"No PIN was keyed\"",
            Self::NotLetIn => "SIP;cause=403;text=\"Not let into the conference\"",
            Self::PinLocked => {
                "SIP;cause=403;text=\"Too many wrong PINs, try again in ten minutes\""
            }
            Self::Replaced => "Q.850;cause=16;text=\"Another call took its place\"",
            Self::Removed => "SIP;cause=403;text=\"Removed from the conference\"",
            Self::Silent => "SIP;cause=408;text=\"Silent, and no answer to OPTIONS\"",
            Self::TimeUp => "Q.850;cause=16;text=\"The time of the conference is up\"",
            Self::WrongPin => "SIP;cause=403;text=\"Wrong PIN\"",
        }
    }
}

impl fmt::Display for LegEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadAnswer => "no usable session description in the ACK",
            Self::ConferenceEnded => "the conference ended",
            Self::Expired => "its session timer ran out",
            Self::Left => "left",
            Self::MediaFailed => "its media failed",
            Self::NoAck => "never acknowledged our answer",
            Self::NoPin => "keyed no PIN",
            Self::NotLetIn => "was not let in",
            Self::PinLocked => "too many wrong PINs came before",
            Self::Replaced => "replaced by another call",
            Self::Removed => "removed",
            Self::Silent => "silent, and does not answer",
            Self::TimeUp => "the time of the conference is up",
            Self::WrongPin => "keyed a wrong PIN three times",
        })
    }
}

causes! {
    /// Why a conference ended.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    pub enum End {
        /// The creator left.
        CreatorLeft => "creator_left",
        /// The last leg left.
        LastLeft => "last_left",
        /// Its mixer failed.
        MediaFailed => "media_failed",
        /// Nobody got in of those who called: by PIN, or through the lobby.
        NobodyGotIn => "nobody_got_in",
        /// Only other conferences were left in it, and none of them spoke.
        OnlyConferences => "only_conferences",
        /// The node said so: shutdown, an administrator.
        Ordered => "ordered",
        /// It lasted as long as it may.
        TimeUp => "time_up",
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CreatorLeft => "its creator left",
            Self::LastLeft => "the last one left",
            Self::MediaFailed => "its mixer failed",
            Self::NobodyGotIn => "nobody got in",
            Self::OnlyConferences => {
                "only other conferences were left in it, and none of them spoke"
            }
            Self::Ordered => "ended by the server",
            Self::TimeUp => "its time is up",
        })
    }
}

impl Focus {
    /// Ends the conference: BYE to all. A leg whose 2xx is not acknowledged waits for the ACK or
    /// for the 2xx to time out (RFC 3261 §15). Without effect once it is ending.
    pub fn end(&mut self, now: Instant, cause: End) {
        if self.phase == Phase::Running {
            self.begin_end(now, cause);
        }
        self.settle(now);
    }

    pub(crate) fn cause_to_end(&self, now: Instant) -> Option<End> {
        let creator_left = self.creator_leg.is_some_and(|(leg, _)| !self.is_staying(leg));
        match self.config.end {
            EndPolicy::CreatorLeaves if creator_left => return Some(End::CreatorLeft),
            EndPolicy::CreatorLeaves | EndPolicy::LastLeaves => {}
        }
        if self.had_leg {
            // Who waits to be let in keeps no conference alive that everybody else has left.
            if !self.legs.values().any(Leg::is_there) {
                return Some(End::LastLeft);
            }
            let is_over = self.company_deadline().is_some_and(|at| at <= now);
            return is_over.then_some(End::OnlyConferences);
        }
        // Before anybody was in, those who are called or wait are waited for; when the last of them does not come, nobody is.
        match !self.is_new() && self.is_deserted() {
            true if self.waits_for_others(now) => None,
            true if self.was_guarded => Some(End::NobodyGotIn),
            true => Some(End::LastLeft),
            false => None,
        }
    }

    pub(crate) fn is_staying(&self, leg: LegId) -> bool {
        self.legs.get(&leg).is_some_and(|leg| leg.standing() == Standing::Staying)
    }

    pub(crate) fn begin_end(&mut self, now: Instant, cause: End) {
        self.phase = Phase::Ending(cause);
        let of_leg = match cause {
            // A fault of ours: the participant's books should not say that it was over (RFC 3326).
            End::MediaFailed => LegEnd::MediaFailed,
            End::TimeUp => LegEnd::TimeUp,
            End::CreatorLeft
            | End::LastLeft
            | End::NobodyGotIn
            | End::OnlyConferences
            | End::Ordered => LegEnd::ConferenceEnded,
        };
        for leg in self.legs.values_mut() {
            leg.let_go(now, of_leg, &mut self.outputs);
        }
        for leg in self.dialling.keys().copied().collect::<Vec<_>>() {
            self.call_off(now, leg, DialEnd::ConferenceEnded);
        }
    }
}
