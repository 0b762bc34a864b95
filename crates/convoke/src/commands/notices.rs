//! What the log of `convoke serve` says to people.

use server::{ConferenceRole, Notice, ParticipantState};

use super::status::clock;
use super::table::counted;
use crate::output::Tone;

/// How a notice reads; no verb: people need not see it.
pub(super) fn words(notice: &Notice) -> (Tone, &'static str, String) {
    match notice {
        Notice::Held { conference, asker, seats, .. } => held((conference, asker), *seats),
        Notice::Reserved { conference, legs, from, until, tenant } => {
            reserved((conference, tenant), *legs, (from.0, until.0))
        }
        Notice::NotKept => (Tone::Bad, "not kept", NOT_KEPT.to_owned()),
        Notice::HoldExpired { conference } => (Tone::Quiet, "expired", nobody_came(conference)),
        Notice::Started { conference, .. } => (Tone::Good, "started", conference.clone()),
        Notice::Joined { conference, leg, participant, user } => {
            (Tone::Good, "joined", joined((participant, user.as_deref()), (*leg, conference)))
        }
        Notice::Calling { conference, leg, target } => {
            (Tone::Good, "calling", format!("leg {leg} {target} for {conference}"))
        }
        Notice::NotReached { conference, leg, status, why } => {
            (Tone::Bad, "not reached", format!("leg {leg} {status} {why} for {conference}"))
        }
        Notice::Muted { conference, leg, muted } => {
            (Tone::Plain, either(*muted, "muted", "unmuted"), format!("leg {leg} of {conference}"))
        }
        Notice::Changed { conference, locked, .. } => {
            (Tone::Plain, "changed", format!("{conference}{}", either(*locked, ", locked", "")))
        }
        Notice::Waits { conference, leg, participant, user, state } => {
            let who = (participant.as_str(), user.as_deref());
            (Tone::Good, "at the door", at_the_door(who, *state, (*leg, conference)))
        }
        Notice::Appointed { conference, leg, role } => {
            (Tone::Plain, "appointed", appointed((*leg, conference), *role))
        }
        Notice::EndsSoon { conference, seconds } => {
            (Tone::Plain, "ends soon", format!("{conference}: in {seconds} s its time is up"))
        }
        Notice::Overloaded { per_second, wait_ms, .. } => overloaded(*per_second, *wait_ms),
        Notice::OverloadOver { seconds, refused, unanswered } => {
            (Tone::Good, "no longer overloaded", overload_over(*seconds, *refused, *unanswered))
        }
        Notice::Draining { seconds, conferences } => {
            (Tone::Plain, "draining", draining(*conferences, *seconds))
        }
        Notice::Undrained => (Tone::Good, "undrained", "new conferences are taken".to_owned()),
        // For who watches closely; the last was told when the signal came.
        Notice::Media { .. } | Notice::Talking { .. } | Notice::ShuttingDown => {
            (Tone::Quiet, "", String::new())
        }
        Notice::Left { conference, leg, cause } => {
            (Tone::Quiet, "left", format!("leg {leg} of {conference}: {cause}"))
        }
        Notice::Ended { conference, cause } => {
            (Tone::Quiet, "ended", format!("{conference}: {cause}"))
        }
        Notice::LoginFailed { user, source, locked } => {
            (Tone::Bad, "not proved", not_proved(user.as_deref(), source, *locked))
        }
        Notice::NotTold { refusals } => {
            (Tone::Bad, "refused", format!("{refusals} more, too fast to be told one by one"))
        }
        Notice::PhoneRegistered { user, contact, source } => {
            (Tone::Good, "registered", format!("{user} at {contact}, from {source}"))
        }
        Notice::PhoneGone { user, contact, cause } => {
            (Tone::Quiet, "gone", format!("{user} at {contact}: {cause}"))
        }
        Notice::Refused { uri, asker, status, why, explained } => (
            Tone::Bad,
            "refused",
            refused((asker, uri), *status, explained.as_ref().unwrap_or(why)),
        ),
    }
}

const NOT_KEPT: &str = "the store cannot be written: a restart would lose what happens now";

/// What an operator has to know, and can do.
fn overloaded(per_second: Option<u32>, wait_ms: u64) -> (Tone, &'static str, String) {
    let admitted = per_second.map_or_else(
        || "not all new calls are admitted".to_owned(),
        |rate| format!("{rate} new calls a second are admitted"),
    );
    let words = format!(
        "{admitted}, they waited {wait_ms} ms; others are told to come later, calls that there are go on. If it lasts: \
         more machine, or see who calls (`convoke explain`)"
    );
    (Tone::Bad, "overloaded", words)
}

fn overload_over(seconds: u64, refused: u64, unanswered: u64) -> String {
    let lasted = clock(seconds);
    format!(
        "it lasted {lasted}; {refused} requests got 503, {unanswered} no answer; all are admitted again"
    )
}

fn draining(conferences: usize, seconds: Option<u64>) -> String {
    let end = seconds.map_or_else(String::new, |it| format!(", and end in {}", clock(it)));
    format!("no new conferences; the {conferences} there are go on{end}")
}

fn nobody_came(conference: &str) -> String {
    format!("nobody came to {conference}")
}

/// The first of two words if it is so.
const fn either(is_so: bool, yes: &'static str, no: &'static str) -> &'static str {
    if is_so { yes } else { no }
}

fn not_proved(user: Option<&str>, source: &str, is_locked: bool) -> String {
    let user = user.unwrap_or("somebody unknown");
    let lock = either(is_locked, ", locked there for a quarter of an hour", "");
    format!("{user} from {source}: wrong password{lock}")
}

fn held((conference, asker): (&str, &str), seats: u32) -> (Tone, &'static str, String) {
    let seats = counted(seats.into(), "seat");
    (Tone::Plain, "held", format!("{seats} for {asker} as {conference}"))
}

fn reserved(
    (conference, tenant): (&str, &str),
    legs: u32,
    (from, until): (u64, u64),
) -> (Tone, &'static str, String) {
    let who = if tenant.is_empty() { String::new() } else { format!(" for {tenant}") };
    let (from, until) = (super::moment(from), super::moment(until));
    let legs = counted(legs.into(), "seat");
    (Tone::Good, "reserved", format!("{legs}{who} from {from} to {until}: {conference}"))
}

fn proved(user: Option<&str>) -> String {
    user.map_or_else(String::new, |user| format!(" (user {user})"))
}

fn joined((participant, user): (&str, Option<&str>), (leg, conference): (u32, &str)) -> String {
    format!("{participant}{}, leg {leg} of {conference}", proved(user))
}

fn at_the_door(
    (participant, user): (&str, Option<&str>),
    state: ParticipantState,
    (leg, conference): (u32, &str),
) -> String {
    format!("{participant}{} {}, leg {leg} of {conference}", proved(user), waits(state))
}

/// What the pool decided says more than what the caller hears.
fn refused((asker, uri): (&str, &str), status: u16, why: &str) -> String {
    format!("{asker}, who called {uri}: {status} {why}")
}

const fn waits(state: ParticipantState) -> &'static str {
    match state {
        ParticipantState::AskedForPin => "is asked for a PIN",
        ParticipantState::Alerting
        | ParticipantState::Dialling
        | ParticipantState::Joined
        | ParticipantState::Joining
        | ParticipantState::Leaving
        | ParticipantState::Waiting => "waits to be let in",
    }
}

fn appointed((leg, conference): (u32, &str), role: ConferenceRole) -> String {
    format!("leg {leg} of {conference} is a {} now", named(role))
}

const fn named(role: ConferenceRole) -> &'static str {
    match role {
        ConferenceRole::Creator => "creator",
        ConferenceRole::Moderator => "moderator",
        ConferenceRole::Guest => "guest",
    }
}
