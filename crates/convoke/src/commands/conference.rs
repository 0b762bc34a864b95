//! `convoke conference`: the first terminal.

use std::process::ExitCode;

use serde_json::{Value, json};
use sip::Uri;
use terminal::{Outcome, Step, Terminal};

use super::reach::tell_registration;
use super::terminals::{greet, own_address, part, setup, show};
use super::watch::{fields, one_line};
use super::{end_at_once, runtime};
use crate::cli::ConferenceArgs;
use crate::output::{Printer, Tone, harmless};
use crate::signals::Stop;
use crate::tap::Tap;

pub(crate) fn run(args: ConferenceArgs) -> anyhow::Result<ExitCode> {
    runtime()?.block_on(conference(args))
}

async fn conference(args: ConferenceArgs) -> anyhow::Result<ExitCode> {
    let printer = Printer::new(args.common.json)?;
    let mut tap = Tap::new(&args.common, &args.terminal.user, &printer)
        .keeping(args.common.pcap.as_deref())?;
    let bind = own_address(&args.terminal, Some(&args.factory)).await;
    let setup = setup(&args.terminal, tap.is_open(), bind, Some(&args.factory))?;
    let (refer, stay) = (args.refer.into(), args.stay);
    let mut terminal =
        Terminal::convene(setup, args.factory.clone(), args.invite.clone(), refer, stay)?;
    // Not before: a name server may take its time, a file that is a pipe may keep us waiting, and
    // there was nobody to say BYE to.
    let mut stop = Stop::listen(args.common.with_parent)?;
    greet(&printer, &args.terminal.user, terminal.local(), "");
    let mut tally = Tally::new(&args.invite, args.who);
    let mut is_stopping = false;
    loop {
        tokio::select! {
            event = terminal.next_event() => match event {
                Some(event) => show(&printer, &mut tap, event, |printer, step| tally.step(printer, &step)),
                None => break,
            },
            () = stop.told() => {
                if is_stopping {
                    end_at_once();
                }
                is_stopping = true;
                terminal.stop();
            }
        }
    }
    tap.finish(&printer);
    Ok(part(&printer, &args.terminal, terminal.finish(), tally.verdict()))
}

/// Who was invited, who came.
struct Tally<'a> {
    invited: &'a [Uri],
    came: Vec<bool>,
    is_joined: bool,
    /// Whether who is in is printed.
    shows_roster: bool,
}

impl<'a> Tally<'a> {
    fn new(invited: &'a [Uri], shows_roster: bool) -> Self {
        Self { invited, came: vec![false; invited.len()], is_joined: false, shows_roster }
    }

    /// Success is a conference that everybody invited came to.
    fn verdict(&self) -> ExitCode {
        if self.is_joined && self.came.iter().all(|came| *came) {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    fn step(&mut self, printer: &Printer, step: &Step) {
        match step {
            Step::Joined { .. } => self.is_joined = true,
            Step::InviteeJoined { invitee } => {
                if let Some(came) = self.came.get_mut(*invitee) {
                    *came = true;
                }
            }
            Step::Registration(news) => return tell_registration(printer, news),
            _ => {}
        }
        let line = self.line(step);
        if !line.name.is_empty() {
            let (tone, verb, about) = (line.tone, line.verb, harmless(&line.about));
            printer.event(tone, verb, &about, line.name, line.fields);
        }
    }

    fn line(&self, step: &Step) -> Line {
        let who = |invitee: usize| self.invited.get(invitee).map(ToString::to_string);
        let who = |invitee| who(invitee).unwrap_or_default();
        match step {
            Step::Calling { factory } => {
                let factory = factory.to_string();
                Line::new(Tone::Plain, "calling", factory.clone(), "calling")
                    .with(json!({ "factory": factory }))
            }
            Step::Redirected { to } => {
                let to = to.to_string();
                Line::new(Tone::Plain, "redirected", format!("to {to}"), "redirected")
                    .with(json!({ "to": to }))
            }
            Step::Ringing { status } => {
                let about = format!("{} {}", status.code(), status.reason());
                Line::new(Tone::Plain, "ringing", about, "ringing")
                    .with(json!({ "status": status.code() }))
            }
            Step::Joined { conference } => {
                let conference = conference.to_string();
                Line::new(Tone::Good, "joined", conference.clone(), "joined")
                    .with(json!({ "conference": conference }))
            }
            Step::InviteeAsked { .. }
            | Step::FocusAsked { .. }
            | Step::FocusCalling { .. }
            | Step::InviteeCalled { .. }
            | Step::InviteeRinging { .. }
            | Step::InviteeCalling { .. }
            | Step::InviteeJoined { .. }
            | Step::InviteeRefused { .. } => invitee_line(step, &who),
            Step::Ended { outcome } => ended_line(outcome),
            Step::Roster(roster) if self.shows_roster => {
                Line::new(Tone::Plain, "roster", one_line(roster), "roster").with(fields(roster))
            }
            // The parting line follows, with more in it.
            Step::Roster(_) | Step::Registration(_) | Step::Finished => {
                Line::new(Tone::Quiet, "", String::new(), "")
            }
        }
    }
}

/// One event, for people and for programs.
struct Line {
    tone: Tone,
    verb: &'static str,
    about: String,
    name: &'static str,
    fields: Value,
}

impl Line {
    const fn new(tone: Tone, verb: &'static str, about: String, name: &'static str) -> Self {
        Self { tone, verb, about, name, fields: Value::Null }
    }

    fn with(self, fields: Value) -> Self {
        Self { fields, ..self }
    }
}

fn invitee_line(step: &Step, who: &dyn Fn(usize) -> String) -> Line {
    match step {
        Step::InviteeAsked { invitee, inside } => {
            let who = who(*invitee);
            let how = if *inside { ", inside a call" } else { "" };
            Line::new(Tone::Plain, "asking", format!("{who}{how}"), "invitee-asked")
                .with(json!({ "invitee": who, "inside": inside }))
        }
        Step::FocusAsked { invitee } => {
            let who = who(*invitee);
            Line::new(Tone::Plain, "asking", format!("the conference to call {who}"), "focus-asked")
                .with(json!({ "invitee": who }))
        }
        Step::FocusCalling { invitee } => {
            let who = who(*invitee);
            Line::new(Tone::Plain, "called", who.clone(), "focus-calling")
                .with(json!({ "invitee": who }))
        }
        Step::InviteeCalled { invitee, after } => {
            let who = who(*invitee);
            let why = after.as_ref().map(ToString::to_string);
            let because = why.as_ref().map_or_else(String::new, |why| format!(", since {why}"));
            let about = format!("{who} to ask inside a call{because}");
            Line::new(Tone::Plain, "calling", about, "invitee-called")
                .with(json!({ "invitee": who, "after": why }))
        }
        Step::InviteeRinging { invitee, status } => {
            let who = who(*invitee);
            let about = format!("{who}  {} {}", status.code(), status.reason());
            Line::new(Tone::Plain, "ringing", about, "invitee-ringing")
                .with(json!({ "invitee": who, "status": status.code() }))
        }
        Step::InviteeCalling { invitee } => {
            let who = who(*invitee);
            Line::new(Tone::Plain, "coming", who.clone(), "invitee-calling")
                .with(json!({ "invitee": who }))
        }
        Step::InviteeJoined { invitee } => {
            let who = who(*invitee);
            Line::new(Tone::Good, "joined", who.clone(), "invitee-joined")
                .with(json!({ "invitee": who }))
        }
        Step::InviteeRefused { invitee, why } => {
            let (who, why) = (who(*invitee), why.to_string());
            Line::new(Tone::Bad, "not in", format!("{who}  {why}"), "invitee-refused")
                .with(json!({ "invitee": who, "why": why }))
        }
        Step::Calling { .. }
        | Step::Redirected { .. }
        | Step::Ringing { .. }
        | Step::Joined { .. }
        | Step::Ended { .. }
        | Step::Roster(_)
        | Step::Registration(_)
        | Step::Finished => Line::new(Tone::Quiet, "", String::new(), ""),
    }
}

fn ended_line(outcome: &Outcome) -> Line {
    let (tone, what) = match outcome {
        Outcome::Left => (Tone::Quiet, "left"),
        Outcome::ConferenceEnded(_) => (Tone::Quiet, "conference-ended"),
        Outcome::NotJoined(_) => (Tone::Bad, "not-joined"),
        Outcome::NotAConference => (Tone::Bad, "not-a-conference"),
    };
    let words = outcome.to_string();
    let advice = outcome.advice();
    let about =
        advice.as_ref().map_or_else(|| words.clone(), |advice| format!("{words}: {advice}"));
    let verb = if tone == Tone::Bad { "failed" } else { "ended" };
    Line::new(tone, verb, about, "ended")
        .with(json!({ "outcome": what, "why": words, "advice": advice }))
}
