//! What must hold after a run, whatever the network did.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use node::{Leftovers, Notice, Record};
use sip::{HeaderName, Message};
use ua::{ReferMode, Step};

use crate::world::World;

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq)]
pub enum Broken {
    /// One request to the factory got several URIs.
    SeveralUris {
        /// Its Call-ID.
        call_id: String,
        /// What it got.
        uris: Vec<String>,
    },
    /// There are more holds, or fewer, than callers of the factory.
    Holds {
        /// Callers.
        askers: usize,
        /// Holds.
        holds: usize,
    },
    /// The URI that was passed on is not, byte for byte, the one of the 302.
    OtherUri {
        /// In the 302.
        redirected: String,
        /// In the REFER.
        referred: String,
    },
    /// Somebody did not come in, in time.
    NotJoined {
        /// Who.
        who: &'static str,
    },
    /// Somebody is not in, and nothing was tried as often as the RFC's timers ask for.
    GaveUpEarly {
        /// Who.
        who: &'static str,
    },
    /// Somebody cannot hear somebody.
    Deaf {
        /// Who hears.
        who: &'static str,
        /// Whom not.
        whom: &'static str,
        /// How loud, in dBFS.
        dbfs: f64,
    },
    /// Somebody hears himself.
    Echo {
        /// Who.
        who: &'static str,
        /// How loud, in dBFS.
        dbfs: f64,
    },
    /// Somebody was told of other people than those who are in.
    OtherRoster {
        /// Who was told.
        who: &'static str,
        /// Of whom; `None`: he was told nothing.
        told: Option<Vec<String>>,
        /// Who is in.
        so: Vec<String>,
    },
    /// The node still keeps something.
    Leftovers(Leftovers),
    /// The mixer still has ports or conferences.
    MixerLeftovers(mix::Leftovers),
    /// Legs have left that have no record, or have several.
    Records {
        /// Legs that have left.
        left: usize,
        /// Records of legs.
        recorded: usize,
    },
    /// A mixer has promised more than it has.
    AboveCapacity {
        /// Node and shard.
        mixer: String,
        /// Seats promised, used ones included.
        seats: u32,
    },
    /// A reservation that was answered is not there, or is another.
    LostReservation {
        /// Its conference URI.
        conference: String,
    },
    /// Those who called one URI are not all in one conference.
    Apart {
        /// What they called.
        uri: String,
        /// How many take themselves for in.
        callers: usize,
        /// Legs of each conference of that URI.
        legs: Vec<usize>,
    },
    /// The mixers have more conferences, or fewer, than there are URIs that somebody is in by.
    Conferences {
        /// Those of the mixers.
        mixed: usize,
        /// Those of the callers.
        called: usize,
    },
    /// A mixer has more than twice the legs of another.
    Lopsided {
        /// The fewest.
        least: usize,
        /// The most.
        most: usize,
    },
    /// Something is promised to nobody.
    EndlessHold {
        /// Holds, reservations, and rows on the disk.
        left: [usize; 3],
    },
    /// A terminal never came to its end.
    Unfinished {
        /// Who.
        who: &'static str,
    },
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// A voice at -12 dBFS counts as heard above this: half of it may be missing.
const HEARD_DBFS: f64 = -15.0;

/// Samples in a tenth of a second.
const TENTH_SAMPLES: usize = 800;

/// One's own voice must be below this: what concealment smears from other tones stays under it.
const ECHO_DBFS: f64 = -38.0;

/// Everybody is in.
pub fn all_joined(world: &World) -> Vec<Broken> {
    let missing = world.terminals.iter().filter(|terminal| !terminal.is_in_conference());
    missing.map(|terminal| Broken::NotJoined { who: terminal.name }).collect()
}

/// Whether the first terminal has heard what became of everybody whom the conference was told to call. A callee takes
/// himself for in with his 200; the conference knows when it has arrived.
pub(crate) fn are_answers_known(world: &World, refer: ReferMode) -> bool {
    match refer {
        ReferMode::Auto | ReferMode::Outside | ReferMode::Inside => return true,
        ReferMode::Focus => {}
    }
    let steps = || world.terminals[0].steps.iter().map(|(_, step)| step);
    let answer =
        |step: &&Step| matches!(step, Step::InviteeJoined { .. } | Step::InviteeRefused { .. });
    let has_ended = steps().any(|step| matches!(step, Step::Ended { .. }));
    has_ended || steps().filter(answer).count() + 1 == world.terminals.len()
}

/// Everybody who is in hears all others who are, and not himself.
pub fn who_hears_whom(world: &World) -> Vec<Broken> {
    let mut broken = Vec::new();
    let present = || world.terminals.iter().filter(|terminal| terminal.is_in_conference());
    for ear in present() {
        for voice in present() {
            if ear.name == voice.name {
                let dbfs = audio::goertzel(&ear.heard, 8_000, voice.tone_hz);
                if dbfs > ECHO_DBFS {
                    broken.push(Broken::Echo { who: ear.name, dbfs });
                }
                continue;
            }
            let dbfs = loudness(&ear.heard, voice.tone_hz);
            if dbfs < HEARD_DBFS {
                broken.push(Broken::Deaf { who: ear.name, whom: voice.name, dbfs });
            }
        }
    }
    broken
}

/// How loud a tone is on the whole, in dBFS: the mean of tenths of a second. Where sound is made up for what is lost or late a tone
/// goes on in another phase, which no ear hears, and over seconds one part would cancel the other.
fn loudness(heard: &[i16], tone_hz: f64) -> f64 {
    let parts = heard.chunks_exact(TENTH_SAMPLES);
    let count = parts.len().max(1) as f64;
    let power = |part: &[i16]| 10_f64.powf(audio::goertzel(part, 8_000, tone_hz) / 10.0);
    10.0 * (parts.map(power).sum::<f64>() / count).log10()
}

/// The first terminal, and who watches from outside, know who is in.
pub fn same_roster(world: &World) -> Vec<Broken> {
    let status = world.serving.node.status(world.now);
    let legs = status.conferences.iter().flat_map(|conference| &conference.legs);
    let so: BTreeSet<String> = legs.map(|leg| leg.participant.clone()).collect();
    let told = |roster: Option<&ua::Roster>| {
        roster.map(|roster| {
            let users = roster.users.iter().filter(|(_, user)| user.is_in());
            users.map(|(entity, _)| entity.clone()).collect::<BTreeSet<_>>()
        })
    };
    let outside = world.watching.as_ref().and_then(|watching| watching.roster.as_ref());
    let inside = world.terminals.first().and_then(|terminal| terminal.roster());
    [("dave", told(outside)), ("alice", told(inside))]
        .into_iter()
        .filter(|(_, told)| told.as_ref() != Some(&so))
        .map(|(who, told)| Broken::OtherRoster {
            who,
            told: told.map(|told| told.into_iter().collect()),
            so: so.iter().cloned().collect(),
        })
        .collect()
}

/// The same request always gets the same URI, and one hold.
pub fn one_uri_and_one_hold(world: &World, askers: usize) -> Vec<Broken> {
    let mut broken = one_uri(world);
    let held = |notice: &&(_, Notice)| matches!(notice.1, Notice::Held { .. });
    let holds = world.serving.notices.iter().filter(held).count();
    if holds != askers {
        broken.push(Broken::Holds { askers, holds });
    }
    broken
}

/// The same request always gets the same URI.
pub fn one_uri(world: &World) -> Vec<Broken> {
    let mut uris: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for sniffed in &world.sniffed {
        if let Message::Response(response) = &sniffed.message
            && response.status.code() == 302
            && let Some(call_id) = sniffed.header(&HeaderName::CallId)
        {
            uris.entry(call_id).or_default().extend(sniffed.header(&HeaderName::Contact));
        }
    }
    let several = uris.into_iter().filter(|(_, uris)| uris.len() > 1);
    several
        .map(|(call_id, uris)| Broken::SeveralUris { call_id, uris: uris.into_iter().collect() })
        .collect()
}

/// Every REFER to a terminal carries the URI of the 302, and so does the Contact of every INVITE by which the focus calls
/// one (RFC 4579 §5.2).
pub fn uri_passed_on(world: &World) -> Vec<Broken> {
    let mut redirected = BTreeSet::new();
    let mut broken = Vec::new();
    for sniffed in &world.sniffed {
        match &sniffed.message {
            Message::Response(response) if response.status.code() == 302 => {
                redirected.extend(sniffed.header(&HeaderName::Contact).map(|value| bare(&value)));
            }
            Message::Request(request) => {
                let node = world.serving.sip;
                let name = match request.method {
                    sip::Method::Refer if sniffed.to != node => HeaderName::ReferTo,
                    sip::Method::Invite if sniffed.from == node => HeaderName::Contact,
                    _ => continue,
                };
                let referred = bare(&sniffed.header(&name).unwrap_or_default());
                if !redirected.contains(&referred) {
                    let redirected = redirected.iter().cloned().collect::<Vec<_>>().join(" ");
                    broken.push(Broken::OtherUri { redirected, referred });
                }
            }
            Message::Response(_) => {}
        }
    }
    broken
}

/// What stands between `<` and `>`.
fn bare(value: &str) -> String {
    let inner = value.split_once('<').map_or(value, |(_, rest)| rest);
    inner.split_once('>').map_or(inner, |(uri, _)| uri).to_owned()
}

/// Everything was given back.
pub fn nothing_left_over(world: &World) -> Vec<Broken> {
    let mut broken = Vec::new();
    let leftovers = world.serving.node.leftovers();
    if leftovers != Leftovers::default() {
        broken.push(Broken::Leftovers(leftovers));
    }
    let is_left = |(_, notice): &&(_, Notice)| matches!(notice, Notice::Left { .. });
    let left = world.serving.notices.iter().filter(is_left).count();
    let is_leg = |record: &&Record| matches!(record, Record::Leg(_));
    let recorded = world.serving.records.iter().filter(is_leg).count();
    if left != recorded {
        broken.push(Broken::Records { left, recorded });
    }
    for shard in &world.serving.shards {
        if shard.leftovers() != mix::Leftovers::default() {
            broken.push(Broken::MixerLeftovers(shard.leftovers()));
        }
    }
    let unfinished = world.terminals.iter().filter(|terminal| !terminal.is_finished());
    broken.extend(unfinished.map(|terminal| Broken::Unfinished { who: terminal.name }));
    if world.watching.as_ref().is_some_and(|watching| !watching.is_finished) {
        broken.push(Broken::Unfinished { who: "dave" });
    }
    broken
}
