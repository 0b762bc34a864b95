//! `convoke answer`: the other terminal.

use std::process::ExitCode;

use serde_json::json;
use terminal::{AnswererEvent, Answering, Terminal, TrustPolicy};

use super::reach::tell_registration;
use super::terminals::{greet, own_address, part, setup, show};
use super::watch::{fields, one_line};
use super::{end_at_once, runtime};
use crate::cli::AnswerArgs;
use crate::output::{Printer, Tone, harmless};
use crate::signals::Stop;
use crate::tap::Tap;

pub(crate) fn run(args: AnswerArgs) -> anyhow::Result<ExitCode> {
    runtime()?.block_on(answer(args))
}

async fn answer(args: AnswerArgs) -> anyhow::Result<ExitCode> {
    let printer = Printer::new(args.common.json)?;
    let mut tap = Tap::new(&args.common, &args.terminal.user, &printer)
        .keeping(args.common.pcap.as_deref())?;
    let bind = own_address(&args.terminal, None).await;
    let setup = setup(&args.terminal, tap.is_open(), bind, None)?;
    // Whoever names those he trusts means no others, wherever they call from.
    let trust = TrustPolicy {
        loopback: args.trust.is_empty(),
        patterns: args.trust.clone(),
        ..TrustPolicy::default()
    };
    let answering = Answering { trust, once: args.once, watches: args.who };
    let mut terminal = Terminal::answer(setup, answering)?;
    // Not before: a file that is a pipe may keep us waiting, and there was nobody to say BYE to.
    let mut stop = Stop::listen(args.common.with_parent)?;
    greet(&printer, &args.terminal.user, terminal.local(), "  Ctrl-C hangs up");
    let mut is_stopping = false;
    loop {
        tokio::select! {
            event = terminal.next_event() => match event {
                Some(event) => show(&printer, &mut tap, event, |printer, news| tell(printer, &news)),
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
    Ok(part(&printer, &args.terminal, terminal.finish(), ExitCode::SUCCESS))
}

fn tell(printer: &Printer, news: &AnswererEvent) {
    let line = |tone, verb, about: String, name, fields| {
        printer.event(tone, verb, &harmless(&about), name, fields);
    };
    match news {
        AnswererEvent::Answered { call, from } => {
            let from = from.uri.to_string();
            let fields = json!({ "call": call.0, "from": from });
            line(Tone::Good, "answered", from, "answered", fields);
        }
        AnswererEvent::Busy { from } => {
            let from = from.uri.to_string();
            let fields = json!({ "from": from });
            line(Tone::Bad, "busy", format!("for {from}"), "busy", fields);
        }
        AnswererEvent::Referred { call, by, to } => {
            let (by, to) = (by.uri.to_string(), to.to_string());
            let fields = json!({ "call": call.0, "by": by, "to": to });
            line(Tone::Plain, "calling", format!("{to}, as {by} asks"), "referred", fields);
        }
        AnswererEvent::ReferralRefused { by, to } => {
            let (by, to) = (by.uri.to_string(), to.to_string());
            let fields = json!({ "by": by, "to": to });
            let about = format!("{by} asks to call {to}: let it by --trust");
            line(Tone::Bad, "not trusted", about, "referral-refused", fields);
        }
        AnswererEvent::Joined { call, conference } => {
            let conference = conference.as_ref().map(ToString::to_string);
            let fields = json!({ "call": call.0, "conference": conference });
            let about = conference.unwrap_or_else(|| "the call is up".to_owned());
            line(Tone::Good, "joined", about, "joined", fields);
        }
        AnswererEvent::Roster { call, roster } => {
            let mut fields = fields(roster);
            fields["call"] = json!(call.0);
            line(Tone::Plain, "roster", one_line(roster), "roster", fields);
        }
        AnswererEvent::Failed { call, why } => {
            let fields = json!({ "call": call.0, "why": why.to_string() });
            line(Tone::Bad, "failed", why.to_string(), "failed", fields);
        }
        AnswererEvent::Ended { call, why } => {
            let fields = json!({ "call": call.0, "why": why.to_string() });
            line(Tone::Quiet, "ended", why.to_string(), "ended", fields);
        }
        AnswererEvent::Registration(news) => tell_registration(printer, news),
        // The parting line follows, with more in it.
        AnswererEvent::Finished => {}
    }
}
