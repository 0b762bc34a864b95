//! What one can ask of a focus, and what it says.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sdp::{Codec, Direction, RtcpWay};
use serde::{Deserialize, Serialize};
use sip::{
    DialogId, Incoming, Nat, Request, Response, ServerTxnId, SipUri, Source, StatusCode, Transport,
    Uri,
};
use units::{Instant, causes};

use crate::event::WatcherId;
use crate::{DialEnd, DialRules, EntryPolicy, Prompt, ReferralId, Role};

/// When a conference ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndPolicy {
    /// When the creator's leg leaves; with no creator known as [`EndPolicy::LastLeaves`]. How he is known: [`Creator`].
    CreatorLeaves,
    /// When the last leg leaves.
    #[default]
    LastLeaves,
}

/// How the creator is known again when he joins: by his proof, or Call-ID and From tag, else by the very place that
/// he asked from (a terminal may follow the 302 with a new Call-ID, RFC 3261 §8.1.3.4 only recommends the old).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Creator {
    /// Call-ID of the request to the factory.
    pub call_id: String,
    /// Its From tag.
    pub from_tag: String,
    /// Its From URI.
    pub from_uri: Uri,
    /// Where it came from, if by no proxy: those behind one share its address and port.
    pub place: Option<Place>,
    /// The user that he proved to be, if he did.
    pub user: Option<String>,
}

/// Where a terminal sends from: nobody else behind its NAT does. Its address alone is shared by all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    transport: Transport,
    remote: SocketAddr,
}

impl Place {
    fn of(incoming: &Incoming) -> Option<Self> {
        let Source { transport, remote, .. } = incoming.source;
        let is_direct = incoming.request.headers.vias().is_ok_and(|vias| vias.len() == 1);
        is_direct.then_some(Self { transport, remote })
    }
}

/// How surely a joiner is the creator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Likeness {
    No,
    /// Same From URI, from the same place.
    Likely,
    /// Same Call-ID and From tag.
    Same,
    /// Proved to be the same user.
    Proved,
}

impl Creator {
    /// The creator, from his request to the factory.
    pub fn of(incoming: &Incoming) -> Self {
        let essentials = &incoming.essentials;
        Self {
            call_id: essentials.call_id.clone(),
            from_tag: essentials.from.tag().unwrap_or_default().to_owned(),
            from_uri: essentials.from.uri.clone(),
            place: Place::of(incoming),
            user: None,
        }
    }

    /// The same, who has proved to be this user.
    #[must_use]
    pub fn with_user(mut self, user: Option<&str>) -> Self {
        self.user = user.map(str::to_owned);
        self
    }

    pub(crate) fn likeness(&self, joiner: &Incoming) -> Likeness {
        let joiner = Self::of(joiner);
        if (&joiner.call_id, &joiner.from_tag) == (&self.call_id, &self.from_tag) {
            Likeness::Same
        } else if self.place.is_some()
            && joiner.place == self.place
            && joiner.from_uri.equivalent(&self.from_uri)
        {
            Likeness::Likely
        } else {
            Likeness::No
        }
    }
}

/// What a focus must know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FocusConfig {
    /// The conference URI: the Contact of everything this focus sends.
    pub conference_uri: SipUri,
    /// When it ends.
    pub end: EndPolicy,
    /// How long it may last; `None`: as long as somebody is in.
    #[serde(default)]
    pub max_time: Option<Duration>,
    /// Who is let in, and how.
    #[serde(default)]
    pub entry: EntryPolicy,
    /// Who asked for it.
    pub creator: Option<Creator>,
    /// What our tags begin with: node and shard.
    pub tag_prefix: String,
    /// Whom it may call on somebody's behalf.
    pub dial_out: DialRules,
    /// Whether a participant behind a NAT is reached the way he came.
    #[serde(default)]
    pub nat: Nat,
}

/// Numbers a leg within its conference; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LegId(pub u32);

/// The node's number of a lent media port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MediaPort(pub u32);

/// A lent media port, for one leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaSeat {
    /// Its number.
    pub port: MediaPort,
    /// What the leg's SDP says: the advertised address.
    pub address: SocketAddr,
}

/// A leg's negotiated media; plain data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegMedia {
    /// The lent port.
    pub port: MediaPort,
    /// Where the peer's SDP wants media; `None`: nowhere (held at 0.0.0.0, or not said yet).
    pub remote: Option<SocketAddr>,
    /// Where it wants RTCP.
    #[serde(default)]
    pub rtcp: RtcpWay,
    /// Where its signalling comes from: latching may trust it.
    pub signalling: IpAddr,
    /// Both ways.
    pub codec: Codec,
    /// Payload type of what we send.
    pub send_payload_type: u8,
    /// Payload types that we may receive.
    pub receive_payload_types: Vec<u8>,
    /// Ours.
    pub direction: Direction,
    /// Packet time of what we send, in ms.
    pub ptime_ms: u32,
    /// Payload type under which keys may come (RFC 4733), if that was agreed on.
    #[serde(default)]
    pub keys_payload_type: Option<u8>,
    /// Whether nobody is to know who he is (RFC 3323).
    #[serde(default)]
    pub anonymous: bool,
    /// Whether he is not in yet: he hears nobody, and nobody hears him.
    #[serde(default)]
    pub apart: bool,
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
            Self::Ordered => "ended by the server",
            Self::TimeUp => "its time is up",
        })
    }
}

/// A line of the roster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Participant {
    /// The leg.
    pub leg: LegId,
    /// From URI; control characters masked.
    pub uri: String,
    /// Display name; control characters masked.
    pub display: Option<String>,
    /// The user that he proved to be: unlike the other two not his own word alone.
    pub user: Option<String>,
    /// Where the leg stands.
    pub state: ParticipantState,
    /// When the leg was made.
    pub since: Instant,
    /// Whether he asked for the conference.
    pub creator: bool,
    /// What he is in it.
    pub role: Role,
    /// Whether the focus called him.
    pub dialled: bool,
    /// Whether his sound is kept out of the mix.
    pub muted: bool,
}

/// Where a participant's leg stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParticipantState {
    /// Called by us; it rings.
    Alerting,
    /// Asked for his PIN: not in yet.
    AskedForPin,
    /// Being called by us.
    Dialling,
    /// In.
    Joined,
    /// Answered; the ACK is awaited.
    Joining,
    /// Being let go.
    Leaving,
    /// In the lobby: not in yet.
    Waiting,
}

/// What the focus wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Answer a request.
    Respond {
        /// The transaction that [`Focus::invite`](crate::Focus::invite) or
        /// [`Focus::request`](crate::Focus::request) was given.
        txn: ServerTxnId,
        /// With its To tag.
        response: Response,
    },
    /// Send a 2xx to INVITE once more, outside its transaction (RFC 3261 §13.3.1.4).
    ResendSuccess {
        /// The leg.
        leg: LegId,
        /// The same 2xx.
        response: Response,
        /// Where its INVITE came from.
        to: Source,
    },
    /// Send a request within a leg's dialog; its end comes back by
    /// [`Focus::response`](crate::Focus::response) or
    /// [`Focus::request_failed`](crate::Focus::request_failed).
    Request {
        /// The leg.
        leg: LegId,
        /// BYE, OPTIONS, or a refresh of the session.
        request: Request,
        /// The next hop.
        to: Source,
    },
    /// Find a seat and a port for a leg that is to be called, and say so by
    /// [`Focus::seated`](crate::Focus::seated).
    SeatWanted {
        /// The leg to be.
        leg: LegId,
        /// Whom it will call.
        target: SipUri,
    },
    /// Send an INVITE to somebody who is to join. Each answer, provisional ones and copies included,
    /// comes back by [`Focus::answered`](crate::Focus::answered); that it cannot be sent, by
    /// [`Focus::dial_failed`](crate::Focus::dial_failed).
    Dial {
        /// The leg to be.
        leg: LegId,
        /// The INVITE.
        request: Request,
        /// Where it goes: its Request-URI.
        target: SipUri,
    },
    /// Cancel the INVITE of [`Output::Dial`] that was sent last (RFC 3261 §9.1).
    Cancel {
        /// The leg to be.
        leg: LegId,
    },
    /// It rings, or makes progress.
    Ringing {
        /// The leg to be.
        leg: LegId,
        /// 101-199.
        status: StatusCode,
    },
    /// A leg that was to be called will not be: its seat goes back, and its port.
    DialEnded {
        /// The leg that is not.
        leg: LegId,
        /// The lent port, if it had one.
        port: Option<MediaPort>,
        /// Why.
        why: DialEnd,
    },
    /// Send a request whose answer nobody waits for: PRACK, or the BYE to a fork of a call that another
    /// place has answered.
    Aside {
        /// The leg that it is for.
        leg: LegId,
        /// The request.
        request: Request,
        /// The next hop.
        to: Source,
    },
    /// Send the ACK to a 2xx of an INVITE of ours (RFC 3261 §13.2.2.4).
    Acknowledge {
        /// The leg.
        leg: LegId,
        /// The ACK.
        request: Request,
        /// The next hop.
        to: Source,
    },
    /// Send a NOTIFY about the conference; its end comes back by [`Focus::informed`](crate::Focus::informed),
    /// or by [`Focus::inform_unsent`](crate::Focus::inform_unsent).
    Inform {
        /// Whose subscription it is of.
        watcher: WatcherId,
        /// Whether he has shown that he wants it: see [`Subscriber`](crate::Subscriber).
        is_proved: bool,
        /// The NOTIFY.
        request: Request,
        /// The next hop.
        to: Source,
    },
    /// Send a REFER to somebody who is to call the conference himself; what becomes of it comes back by
    /// [`Focus::referred_on`](crate::Focus::referred_on).
    Refer {
        /// Which.
        referral: ReferralId,
        /// The REFER.
        request: Request,
        /// Where it goes: its Request-URI.
        target: SipUri,
    },
    /// Send a report of what came of a REFER; its end comes back by
    /// [`Focus::notify_answered`](crate::Focus::notify_answered) or
    /// [`Focus::notify_unsent`](crate::Focus::notify_unsent).
    Notify {
        /// Whose.
        referral: ReferralId,
        /// The NOTIFY.
        request: Request,
        /// The next hop.
        to: Source,
    },
    /// Requests of this dialog are this focus's, though it is no leg's.
    DialogOpened {
        /// The dialog.
        dialog: DialogId,
    },
    /// The end of one of those.
    DialogClosed {
        /// The dialog.
        dialog: DialogId,
    },
    /// An ACK acknowledged nothing: a copy, or one to an older answer.
    AckIgnored {
        /// The leg.
        leg: LegId,
    },
    /// A leg was made: in-dialog requests of this dialog are this focus's.
    LegStarted {
        /// The leg.
        leg: LegId,
        /// Its dialog.
        dialog: DialogId,
    },
    /// The ACK came, and he was let in: the participant is in.
    Joined(Participant),
    /// The ACK came, or his PIN: the participant is asked for it, or waits in the lobby.
    Waits(Participant),
    /// A wrong PIN was keyed; it counts for a while, see [`Focus::wrong_pins`](crate::Focus::wrong_pins).
    WrongPin {
        /// Who keyed it.
        leg: LegId,
    },
    /// Tell one leg something by a few tones.
    Prompt {
        /// The leg.
        leg: LegId,
        /// What.
        prompt: Prompt,
    },
    /// A leg is gone: its dialog, its seat. Its media went before, with [`Output::CloseMedia`].
    LegEnded {
        /// The leg.
        leg: LegId,
        /// Its dialog.
        dialog: DialogId,
        /// Why.
        cause: LegEnd,
    },
    /// Start a leg's media.
    OpenMedia {
        /// The leg.
        leg: LegId,
        /// All of it.
        media: LegMedia,
    },
    /// Change a leg's media.
    UpdateMedia {
        /// The leg.
        leg: LegId,
        /// All of it.
        media: LegMedia,
    },
    /// Keep a leg's sound out of the mix, or let it in again.
    MuteMedia {
        /// The leg.
        leg: LegId,
        /// Which of the two.
        is_muted: bool,
    },
    /// Tell all who are in, by a few tones, that the conference ends soon.
    EndsSoon {
        /// After so long.
        left: Duration,
    },
    /// Stop a leg's media and give its port back.
    CloseMedia {
        /// The leg.
        leg: LegId,
        /// The lent port.
        port: MediaPort,
    },
    /// The conference is over and the last leg is gone. After it only 481s come, for who still asks, and what a late 2xx
    /// wants: see [`Focus::awaits_late_answers`](crate::Focus::awaits_late_answers).
    Ended {
        /// Why.
        cause: End,
    },
}
