//! `convoke load`.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use load::{Cost, Limit, Millis, Phase, Progress, Report};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::cli::{LoadArgs, USAGE};
use crate::output::{Paint, Tone, complain, draw, harmless, say};

pub(crate) fn run(args: &LoadArgs) -> anyhow::Result<ExitCode> {
    let plan = args.plan();
    if let Err(error) = plan.check() {
        complain(&error.to_string());
        return Ok(ExitCode::from(USAGE));
    }
    let mut stop = Stop::listen()?;
    let bar = io::stderr().is_terminal();
    let report = load::run(&plan, &mut |progress| {
        if bar {
            draw(&line(progress));
        }
        stop.told()
    });
    if bar {
        draw("");
    }
    let report = report?;
    let json = serde_json::to_string(&report).context("the report cannot be written as JSON")?;
    if let Some(path) = &args.out {
        std::fs::write(path, format!("{json}\n"))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let words = if args.json { json } else { table(&report, Paint::of_stdout()) };
    say(words.trim_end());
    Ok(if report.is_whole() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Ctrl-C or SIGTERM ends the measuring, a second one the leaving. No thread: it is looked at ten times a second.
struct Stop(SignalFd);

impl Stop {
    fn listen() -> anyhow::Result<Self> {
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGINT);
        signals.add(Signal::SIGTERM);
        let listen = || {
            signals.thread_block()?;
            SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
        };
        listen().map(Self).context("cannot wait for signals")
    }

    fn told(&mut self) -> ControlFlow<()> {
        match self.0.read_signal() {
            Ok(Some(_)) => ControlFlow::Break(()),
            Ok(None) | Err(_) => ControlFlow::Continue(()),
        }
    }
}

/// How far it is, in one line.
fn line(progress: &Progress) -> String {
    let Progress { phase, elapsed, length, legs, up, failed } = *progress;
    let (verb, part, whole) = match (phase, length) {
        (Phase::Joining, _) => {
            ("joining", share(up + count(failed), legs), format!("{up} of {legs} legs"))
        }
        (Phase::Settling, length) => {
            ("settling", time_share(elapsed, length), format!("{up} legs"))
        }
        (Phase::Measuring, Some(length)) => (
            "measuring",
            time_share(elapsed, Some(length)),
            format!("{} of {} s, {up} legs", elapsed.as_secs(), length.as_secs()),
        ),
        (Phase::Measuring, None) => ("measuring", 0, format!("{up} legs")),
        (Phase::Leaving, length) => ("leaving", time_share(elapsed, length), format!("{up} legs")),
    };
    let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
    let done = part * BAR_WIDTH / 100;
    format!("{verb:10} [{}{}] {whole}{failed}", "=".repeat(done), " ".repeat(BAR_WIDTH - done))
}

const BAR_WIDTH: usize = 30;

/// Percent, at most 100.
fn share(part: usize, whole: usize) -> usize {
    (100 * part).checked_div(whole).unwrap_or(0).min(100)
}

fn time_share(elapsed: Duration, length: Option<Duration>) -> usize {
    let millis = |time: Duration| usize::try_from(time.as_millis()).unwrap_or(usize::MAX / 100);
    length.map_or(0, |length| share(millis(elapsed), millis(length)))
}

fn count(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX / 2)
}

/// The report for people.
fn table(report: &Report, paint: Paint) -> String {
    let mut out = String::new();
    let mut row = |name: &str, value: String| {
        let _ = writeln!(out, "{name:12}{value}");
    };
    let whole = if report.is_whole() { Tone::Good } else { Tone::Bad };
    let joined = format!("{} of {} joined", report.joined, report.legs);
    let out_again = match report.dropped_out {
        0 => String::new(),
        legs => format!(", {legs} put out before the end"),
    };
    row(
        "legs",
        format!("{}{out_again}; {} conferences", paint.tone(whole, &joined), report.conferences),
    );
    for (why, legs) in &report.failures {
        row("", format!("{legs} failed: {}", harmless(why)));
    }
    row("set-up", millis(report.setup_ms.as_ref()));
    let media = &report.media;
    row(
        "received",
        format!(
            "{:.4} of the packets due ({} of {} in {:.1} s), the worst leg {:.4}, {} legs nothing",
            media.ratio,
            media.received,
            media.due,
            report.seconds,
            media.worst_ratio,
            media.deaf_legs
        ),
    );
    row("lost", format!("{:.3} % ({} packets)", media.loss_percent, media.lost));
    row("gaps", millis(media.gap_ms.as_ref()));
    row("jitter", millis(media.jitter_ms.as_ref()));
    let delay = &report.delay;
    row(
        "delay",
        format!("{} ({} of {} clicks heard)", millis(delay.ms.as_ref()), delay.heard, delay.due),
    );
    if delay.echoes > 0 {
        row(
            "echo",
            format!("{} ({} heard themselves)", millis(delay.echo_ms.as_ref()), delay.echoes),
        );
    }
    if let Some(server) = &report.server {
        row("server", format!("{}, {} kB a leg", cost(server), server.pss_bytes_per_leg / 1_024));
        let threads = server.threads.iter().take(THREADS_SHOWN);
        let threads: Vec<String> = threads
            .map(|thread| format!("{} {:.1} %", harmless(&thread.name), thread.cpu_percent))
            .collect();
        row("", threads.join(", "));
    }
    row(
        "load",
        format!("{}, sent late by {}", cost(&report.generator), millis(report.late_ms.as_ref())),
    );
    if report.limits.is_empty() {
        row("", "the load was not the limit".to_owned());
    }
    for limit in &report.limits {
        row("", paint.tone(Tone::Bad, &limited(*limit)));
    }
    out
}

const THREADS_SHOWN: usize = 4;

fn limited(limit: Limit) -> String {
    let why = match limit {
        Limit::OwnCpu(percent) => format!("it used {percent:.0} % of its core"),
        Limit::SentLate(ms) => format!("one packet in a hundred left {ms:.1} ms late or more"),
        Limit::NotSent(packets) => format!("{packets} packets were not sent"),
        Limit::QueueFull(packets) => format!("{packets} packets found its queue full"),
    };
    format!("the load was the limit: {why}")
}

fn cost(cost: &Cost) -> String {
    let megabytes = cost.pss_bytes / 1_048_576;
    format!(
        "{:.1} % of a core ({:.1} own, {:.1} kernel), {megabytes} MB",
        cost.cpu_percent, cost.user_percent, cost.system_percent
    )
}

fn millis(millis: Option<&Millis>) -> String {
    let Some(Millis { p50, p90, p99, max }) = millis else { return "-".to_owned() };
    let [p50, p90, p99, max] =
        [p50, p90, p99, max].map(|time| format!("{:.1}", time.as_secs_f64() * 1_000.0));
    format!("p50 {p50}, p90 {p90}, p99 {p99}, most {max} ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_shows_how_far_it_is() {
        let progress = Progress {
            phase: Phase::Joining,
            elapsed: Duration::from_secs(1),
            length: None,
            legs: 10,
            up: 4,
            failed: 1,
        };
        let half =
            format!("joining    [{}{}] 4 of 10 legs, 1 failed", "=".repeat(15), " ".repeat(15));
        assert_eq!(line(&progress), half);
        let length = Some(Duration::from_secs(4));
        let measuring = Progress { phase: Phase::Measuring, length, failed: 0, up: 10, ..progress };
        assert!(line(&measuring).ends_with("] 1 of 4 s, 10 legs"), "{}", line(&measuring));
        let over = Progress { elapsed: Duration::from_secs(9), ..measuring };
        assert!(line(&over).contains(&"=".repeat(30)), "{}", line(&over));
    }

    #[test]
    fn what_limited_the_load_is_said_in_words() {
        assert_eq!(
            limited(Limit::QueueFull(7)),
            "the load was the limit: 7 packets found its queue full"
        );
        assert_eq!(millis(None), "-");
    }
}
