//! `convoke serve`.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};
use server::config::Entry;
use server::{Changed, Config, EndCause, Event, Measured, Notice, Report, Running, Server};

use super::check::Written;
use super::notices;
use super::{end_at_once, runtime};
use crate::cli::{ServeArgs, USAGE};
use crate::output::{Printer, Tone, complain, harmless};
use crate::signals::{Reread, Stop};
use crate::tap::Tap;

pub(crate) fn run(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let config = match config(args)? {
        Ok(config) => config,
        Err(error) => {
            complain(&error.to_string());
            return Ok(ExitCode::from(USAGE));
        }
    };
    runtime()?.block_on(serve(args, &config))
}

fn config(args: &ServeArgs) -> anyhow::Result<Result<Config, server::ConfigError>> {
    let written =
        Written::read(args.config.as_deref(), &args.settings, args.common.pcap.as_deref())?;
    Ok(Config::from_toml(&written.name, &written.text, &written.flags))
}

async fn serve(args: &ServeArgs, config: &Config) -> anyhow::Result<ExitCode> {
    let mut stop = Stop::listen(args.common.with_parent)?;
    let mut reread = Reread::listen()?;
    let printer = Printer::new(args.common.json)?;
    let mut tap = Tap::new(&args.common, "convoke", &printer).keeping(config.pcap.as_deref())?;
    let mut server = Server::start(config, tap.is_open())?;
    greet(&printer, config, &server);
    // What the next signal does.
    let mut next = Next::first(args.drain_deadline);
    loop {
        tokio::select! {
            event = server.next_event() => match event {
                Some(event) => {
                    if is_undrained(&event) {
                        next = next.undrained(args.drain_deadline);
                    }
                    printer.hold();
                    show(&printer, &mut tap, event);
                    if !server.has_event() {
                        printer.release();
                    }
                }
                None => break,
            },
            () = reread.told() => reload(&printer, args, &mut server),
            () = stop.told() => next = next.done(&printer, &mut server, args.drain_deadline),
        }
    }
    tap.finish(&printer);
    Ok(part(&printer, server.finish()))
}

/// Reads the configuration again. What is wrong with it changes nothing.
fn reload(printer: &Printer, args: &ServeArgs, server: &mut Running) {
    if args.config.is_none() && args.settings.admin_tokens.is_none() {
        let about = "there is no --config file to read";
        return printer.event(Tone::Quiet, "unchanged", about, "reload-unchanged", Value::Null);
    }
    let read = config(args).map_err(|error| format!("{error:#}"));
    let read = read.and_then(|config| config.map_err(|error| error.to_string()));
    let why = match read {
        Ok(config) => match server.reload(config) {
            Ok(changed) => return reloaded(printer, &changed),
            Err(error) => error.to_string(),
        },
        Err(why) => why,
    };
    server.reload_refused();
    let about = format!("the old configuration counts: {why}");
    printer.event(Tone::Bad, "not taken", &about, "reload-refused", json!({ "why": why }));
}

fn reloaded(printer: &Printer, changed: &Changed) {
    let Changed { applied, needs_restart } = changed;
    let mut about = match applied.is_empty() {
        true => "nothing that counts at once has changed".to_owned(),
        false => format!("{} from now on", applied.join(", ")),
    };
    if !needs_restart.is_empty() {
        about.push_str(&format!("; {} after a restart", needs_restart.join(", ")));
    }
    let fields = json!({ "applied": applied, "needs_restart": needs_restart });
    printer.event(Tone::Good, "reloaded", &about, "reloaded", fields);
}

/// What the next signal to end does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Let those who are in talk on.
    Drain,
    /// Say BYE to them.
    Stop,
    /// Wait for nothing.
    End,
}

impl Next {
    fn first(drain_deadline: Duration) -> Self {
        if drain_deadline.is_zero() { Self::Stop } else { Self::Drain }
    }

    /// The server goes on: the next signal is the first one again.
    fn undrained(self, drain_deadline: Duration) -> Self {
        match self {
            Self::Drain | Self::Stop => Self::first(drain_deadline),
            Self::End => Self::End,
        }
    }

    fn done(self, printer: &Printer, server: &mut Running, drain_deadline: Duration) -> Self {
        match self {
            Self::Drain => {
                server.drain(drain_deadline);
                Self::Stop
            }
            Self::Stop => {
                printer.event(Tone::Quiet, "stopping", "BYE to every leg", "stopping", Value::Null);
                server.stop();
                Self::End
            }
            Self::End => end_at_once(),
        }
    }
}

fn is_undrained(event: &Event) -> bool {
    matches!(event, Event::Notice { notice, .. } if **notice == Notice::Undrained)
}

fn greet(printer: &Printer, config: &Config, server: &Running) {
    if printer.is_json() {
        let fields = json!({
            "factory": server.factories().first(),
            "factories": server.factories(),
            "sip": server.sip().iter().map(ToString::to_string).collect::<Vec<_>>(),
            "admin": server.admin().to_string(),
            "capacity": server.capacity(),
            "measured": measured(server.measured()).0,
            "realm": config.auth.as_ref().map(|auth| auth.realm.as_str()),
            "pid": std::process::id(),
            "version": env!("CARGO_PKG_VERSION"),
        });
        return printer.event(Tone::Plain, "", "", "listening", fields);
    }
    let paint = printer.paint();
    let factories = server.factories().iter().map(|uri| paint.bold(uri)).collect::<Vec<_>>();
    let factory = server.factories().first().map_or("", String::as_str);
    let here = server.sip().iter().map(SocketAddr::ip).find(|ip| !ip.is_unspecified());
    let here = here.unwrap_or(Ipv4Addr::LOCALHOST.into());
    let [bob, carol] = [5071, 5072].map(|port| SocketAddr::new(here, port));
    let media: Vec<String> =
        config.media.iter().map(|it| format!("{} ports {}", it.bind, it.ports)).collect();
    let admin = server.admin();
    let ask = if admin == Config::ADMIN_DEFAULT {
        "convoke status".to_owned()
    } else {
        format!("convoke status --admin {admin}")
    };
    printer.words(&format!(
        "Convoke {version} makes conferences for whoever calls\n\n  {factories}\n\n\
         Call it, with two who answer, in three other terminals:\n\n  \
         convoke answer --sip {bob}\n  \
         convoke answer --sip {carol}\n  \
         convoke conference {factory} --invite sip:{bob} sip:{carol}\n\n\
         {who}Room for {capacity} legs{how}, audio at {media}. Who is in: {ask}\n\
         Ctrl-C ends every call.\n",
        version = env!("CARGO_PKG_VERSION"),
        factories = factories.join("\n  "),
        who = who_may(config) + &lab(config, factory),
        capacity = server.capacity(),
        how = measured(server.measured()).1,
        media = media.join(", "),
    ));
}

/// How the room is known: in a word for programs, and in words for people.
fn measured(measured: Measured) -> (&'static str, String) {
    match measured {
        Measured::ByHand => ("by-hand", String::new()),
        Measured::Calibrated { at } => {
            ("calibrated", format!(" (measured {})", super::moment(at.0)))
        }
        Measured::Assumed(why) => (
            "assumed",
            format!(
                " (assumed, for {why}: convoke calibrate --state-dir FOLDER measures this machine)"
            ),
        ),
    }
}

/// Where phones register, if they may.
fn lab(config: &Config, factory: &str) -> String {
    let at = factory.split_once('@').map_or(factory, |(_, at)| at);
    let words = "Phones may register as sip:NAME@{at}, for trying things out: convoke answer --user NAME \
                 --register sip:{at}\n";
    if config.lab_registrar { words.replace("{at}", at) } else { String::new() }
}

/// Who needs a password for what; nothing where nobody is asked.
fn who_may(config: &Config) -> String {
    let Some(auth) = &config.auth else { return String::new() };
    let make = match auth.factory {
        Entry::Open => "Anybody may make conferences".to_owned(),
        Entry::Required => format!("Making a conference needs a user of {}", auth.realm),
    };
    let join = match auth.join {
        Entry::Open => "whoever has its URI may join it".to_owned(),
        Entry::Required => format!("joining it needs a user of {}", auth.realm),
    };
    format!("{make}; {join}.\n")
}

fn show(printer: &Printer, tap: &mut Tap, event: Event) {
    match event {
        Event::Notice { unix_micros, notice } if printer.is_json() => {
            printer.telling(unix_micros, notice.as_ref());
        }
        Event::Notice { unix_micros, notice } => {
            let (tone, verb, about) = notices::words(&notice);
            if !verb.is_empty() {
                printer.verb(unix_micros, tone, verb, &harmless(&about));
            }
        }
        Event::Message { sent, unix_micros, packet } => {
            tap.message(printer, sent, unix_micros, &packet);
        }
        Event::MixersDied => {
            let about = "the mixers have died: this is a fault of Convoke";
            printer.event(Tone::Bad, "failed", about, "mixers-died", Value::Null);
        }
    }
}

fn part(printer: &Printer, report: Option<Report>) -> ExitCode {
    let Some(report) = report else {
        complain("the server ended by a fault of its own; its last words are above");
        return ExitCode::FAILURE;
    };
    let fields = json!({
        "legs_left": report.legs_left,
        "mixer_legs_left": report.mixer_legs_left,
    });
    let about = match report.legs_left {
        0 => "every call has ended".to_owned(),
        left => format!("{left} legs did not answer the BYE"),
    };
    printer.event(Tone::Quiet, "stopped", &about, "stopped", fields);
    match report.end {
        EndCause::Told => ExitCode::SUCCESS,
        EndCause::MixersDied => ExitCode::FAILURE,
    }
}
