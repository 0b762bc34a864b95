//! What the terminals have in common: files before sockets, and a parting word.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;
use serde_json::json;
use sip::Uri;
use terminal::wav::read_wav;
use terminal::{Event, Report, Setup, source_towards};

use super::reach::{reach, way_out};
use crate::cli::{LOOPBACK, TerminalArgs};
use crate::output::{Printer, Tone, complain};
use crate::tap::Tap;

/// Reads the files, so that what is wrong with them is said before anybody is called.
pub(super) fn setup(
    args: &TerminalArgs,
    messages: bool,
    bind: SocketAddr,
    called: Option<&Uri>,
) -> anyhow::Result<Setup> {
    let reach = reach(args, called)?;
    if let (Some(play), Some(record)) = (&args.play, &args.record)
        && is_same(play, record)
    {
        bail!("{}: --record would write over what --play says: name another", record.display());
    }
    let play = args.play.as_deref().map(read_wav).transpose()?.unwrap_or_default();
    let record = args.record.clone().map(|path| (path, args.record_rate));
    let keys = args.keys.clone().unwrap_or_default().0;
    let user = args.user.clone();
    Ok(Setup { bind, user, reach, play, keys, record, messages, levels: false })
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        // What is not there yet is no other file.
        (Ok(_) | Err(_), _) => false,
    }
}

/// Our own address: the one that was given, or one that whom we speak to first can answer to.
pub(super) async fn own_address(args: &TerminalArgs, called: Option<&Uri>) -> SocketAddr {
    match (args.sip, way_out(&args.reach).or(called)) {
        (Some(bind), _) => bind,
        (None, Some(uri)) => address_towards(uri).await,
        (None, None) => LOOPBACK,
    }
}

/// The address of this machine that `uri` can answer to; loopback if that cannot be known.
async fn address_towards(uri: &Uri) -> SocketAddr {
    let Uri::Sip(uri) = uri else { return LOOPBACK };
    let port = uri.port.unwrap_or(5060);
    let addresses: Vec<SocketAddr> = match uri.host.ip() {
        Some(ip) => vec![SocketAddr::new(ip, port)],
        None => {
            let host = uri.host.as_str().to_owned();
            let found = tokio::net::lookup_host((host, port)).await;
            found.map_or_else(|_| Vec::new(), Iterator::collect)
        }
    };
    // A name that has both: everybody has IPv4.
    let ipv4 = addresses.iter().find(|address| address.is_ipv4());
    let Some(remote) = ipv4.or(addresses.first()) else { return LOOPBACK };
    source_towards(*remote).map_or(LOOPBACK, |ip| SocketAddr::new(ip, 0))
}

/// The first line: where we can be reached.
pub(super) fn greet(printer: &Printer, user: &str, local: SocketAddr, words: &str) {
    let uri = format!("sip:{user}@{local}");
    let fields = json!({ "uri": uri, "sip": local.to_string(), "pid": std::process::id() });
    printer.event(Tone::Plain, "listening", &format!("{uri}{words}"), "listening", fields);
}

/// The events that both terminals have.
pub(super) fn show<N>(
    printer: &Printer,
    tap: &mut Tap,
    event: Event<N>,
    news: impl FnOnce(&Printer, N),
) {
    match event {
        Event::News(happened) => news(printer, happened),
        Event::Message { sent, unix_micros, packet } => {
            tap.message(printer, sent, unix_micros, &packet);
        }
        // Only a screen asks for them.
        Event::Levels(_) => {}
        Event::RecordingStopped(error) => {
            let why = error.to_string();
            let fields = json!({ "why": why });
            printer.event(Tone::Bad, "recording", &why, "recording-stopped", fields);
        }
    }
}

/// The last line: how long it was, and where the recording is. Gives `verdict` on, unless the terminal
/// ended by a fault of its own.
pub(super) fn part(
    printer: &Printer,
    args: &TerminalArgs,
    report: Option<Report>,
    verdict: ExitCode,
) -> ExitCode {
    let Some(report) = report else {
        complain("the terminal ended by a fault of its own; its last words are above");
        return ExitCode::FAILURE;
    };
    let spoke = report.spoke.as_secs_f64();
    let fields = json!({
        "spoke_seconds": spoke,
        "recording": args.record,
        "recorded_seconds": report.recorded.as_secs_f64(),
        "frames_skipped": report.frames_skipped,
        "events_lost": report.events_lost,
        "send_errors": report.send_errors,
        "gave_up_waiting": report.gave_up_waiting,
    });
    let recording = args.record.as_ref().map_or_else(String::new, |path| {
        format!(", {:.1} s recorded in {}", report.recorded.as_secs_f64(), path.display())
    });
    let about = format!("{spoke:.1} s in calls{recording}");
    printer.event(Tone::Quiet, "finished", &about, "finished", fields);
    verdict
}
