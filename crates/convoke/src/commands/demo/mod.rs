//! `convoke demo`: the whole flow in real processes on loopback, and the proof.
//!
//! Nothing here knows more than a user could: it starts `serve`, `answer`, `answer` and `conference`
//! with `--json --trace`, reads what they print, asks `status`, and listens to the recordings.

mod child;
mod files;
mod flow;
mod heard;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout_at};

use self::child::{Child, FromChild, What};
use self::files::{folder, hears, listen, says};
use self::flow::{Flow, Message};
use self::heard::Heard;
use super::{runtime, status};
use crate::cli::DemoArgs;
use crate::output::{Paint, Tone, complain, harmless, say};
use crate::signals::Stop;

/// Who takes part, in the order of the ladder's columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Alice,
    Server,
    Bob,
    Carol,
}

impl Who {
    const ALL: [Self; 4] = [Self::Alice, Self::Server, Self::Bob, Self::Carol];
    const SPEAKERS: [Self; 3] = [Self::Alice, Self::Bob, Self::Carol];

    const fn name(self) -> &'static str {
        match self {
            Self::Alice => "alice",
            Self::Server => "server",
            Self::Bob => "bob",
            Self::Carol => "carol",
        }
    }

    /// What he says; the server says nothing.
    const fn speech(self) -> &'static [u8] {
        match self {
            Self::Alice => include_bytes!("../../../speech/alice.wav"),
            Self::Bob => include_bytes!("../../../speech/bob.wav"),
            Self::Carol => include_bytes!("../../../speech/carol.wav"),
            Self::Server => &[],
        }
    }
}

/// How long a step may take that on an idle machine takes milliseconds. A guard, not a measure.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long ended processes may take to be gone; each promises 5 s for itself.
const FAREWELL: Duration = Duration::from_secs(6);

/// How long a message waits for older ones that another process may still be printing.
const REORDER: Duration = Duration::from_millis(80);

/// How long they talk before the recordings are looked at: each has said his words once.
const TALK_MIN: Duration = Duration::from_secs(6);

/// And at most, however little is found. A machine that is busy with other things loses frames; who
/// says his words again is heard whole sooner or later.
const TALK_MAX: Duration = Duration::from_secs(18);

/// Between two looks.
const TALK_STEP: Duration = Duration::from_secs(2);

/// Lines from children that wait to be shown; a child that prints faster waits.
const LINES_MAX: usize = 1_024;

pub(crate) fn run(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    runtime()?.block_on(demo(args))
}

async fn demo(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    let stop = Stop::listen(false)?;
    let folder = folder(args.out.as_deref())?;
    files::write_speeches(&folder)?;
    let mut demo = Demo::new(stop);
    let result = demo.play(&folder, args.talk).await;
    demo.flow.flush(u64::MAX);
    match result {
        Err(error) if error.is::<Stopped>() => {
            complain("stopped; every process of the demo is ended");
            return Ok(ExitCode::FAILURE);
        }
        other => other?,
    }
    let heard = listen(&folder)?;
    say(&heard::table(&heard, demo.paint));
    say(&format!("The recordings are in {}", folder.display()));
    if heard.iter().all(Heard::is_right) {
        say(&demo.paint.tone(Tone::Good, "Everybody heard all the others, and nobody himself."));
        Ok(ExitCode::SUCCESS)
    } else {
        say(&demo.paint.tone(Tone::Bad, "That is not as it should be."));
        if demo.frames_left_out > 0 {
            let left_out = demo.frames_left_out;
            say(&format!(
                "The machine was too busy: the mixer left out {left_out} frames of 10 ms."
            ));
        }
        Ok(ExitCode::FAILURE)
    }
}

/// Somebody pressed Ctrl-C.
#[derive(Debug, thiserror::Error)]
#[error("stopped")]
struct Stopped;

struct Demo {
    stop: Stop,
    paint: Paint,
    children: Vec<Child>,
    lines: (mpsc::Sender<FromChild>, mpsc::Receiver<FromChild>),
    flow: Flow,
    /// What was told so far, messages apart: who, and the object.
    told: Vec<(Who, Value)>,
    closed: Vec<Who>,
    /// By the mixer, for want of time.
    frames_left_out: u64,
}

/// What a wait came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waited {
    SomethingCame,
    InVain,
}

impl Demo {
    fn new(stop: Stop) -> Self {
        let paint = Paint::of_stdout();
        Self {
            stop,
            paint,
            children: Vec::new(),
            lines: mpsc::channel(LINES_MAX),
            flow: Flow::new(paint),
            told: Vec::new(),
            closed: Vec::new(),
            frames_left_out: 0,
        }
    }

    async fn play(&mut self, folder: &Path, talk: Option<Duration>) -> anyhow::Result<()> {
        let any = "127.0.0.1:0".to_owned();
        self.start(Who::Server, &["serve", "--sip", &any, "--admin", &any])?;
        let server = self.heard_from(Who::Server, "listening", 1).await?;
        let factory = text(&server, "/factory")?;
        let admin: SocketAddr = text(&server, "/admin")?.parse().context("the admin address")?;
        self.flow.place(Who::Server, &text(&server, "/sip/0")?);
        for who in [Who::Bob, Who::Carol] {
            self.start_terminal(folder, who, &["answer"])?;
        }
        let mut invite = Vec::new();
        for who in [Who::Bob, Who::Carol] {
            let terminal = self.heard_from(who, "listening", 1).await?;
            self.flow.place(who, &text(&terminal, "/sip")?);
            invite.push(text(&terminal, "/uri")?);
        }
        say(&self.paint.bold("A conference of three"));
        say(&format!(
            "alice calls {factory}, a well-known address; bob and carol wait for calls.\n"
        ));
        say(&self.flow.head());
        let mut words = vec!["conference", &factory, "--invite"];
        words.extend(invite.iter().map(String::as_str));
        self.start_terminal(folder, Who::Alice, &words)?;
        let alice = self.heard_from(Who::Alice, "listening", 1).await?;
        self.flow.place(Who::Alice, &text(&alice, "/sip")?);

        let joined = self.heard_from(Who::Alice, "joined", 1).await?;
        self.heard_from(Who::Alice, "invitee-joined", 2).await?;
        self.heard_from(Who::Server, "joined", 3).await?;
        self.roster(admin, &text(&joined, "/conference")?).await?;

        self.talk(folder, talk).await?;
        let mixers = ask(admin).await?.mixers;
        self.frames_left_out = mixers.iter().map(|mixer| mixer.ticks_skipped).sum();
        self.child(Who::Alice)?.ask_to_end();
        self.gone(Who::Alice, FAREWELL).await?;
        for who in [Who::Bob, Who::Carol] {
            self.child(who)?.ask_to_end();
        }
        for who in [Who::Bob, Who::Carol] {
            self.gone(who, FAREWELL).await?;
        }
        self.heard_from(Who::Server, "ended", 1).await?;
        self.nothing_left(admin).await?;
        self.child(Who::Server)?.ask_to_end();
        self.gone(Who::Server, FAREWELL).await
    }

    /// Lets them talk for `exactly` so long, or until everybody was heard by everybody.
    async fn talk(&mut self, folder: &Path, exactly: Option<Duration>) -> anyhow::Result<()> {
        let begin = Instant::now();
        let end = begin + exactly.unwrap_or(TALK_MAX);
        let mut look = begin + exactly.unwrap_or(TALK_MIN);
        while !self.closed.contains(&Who::Alice) {
            if self.wait(look.min(end)).await? == Waited::SomethingCame {
                continue;
            }
            if Instant::now() >= end {
                break;
            }
            let folder = folder.to_owned();
            let heard = tokio::task::spawn_blocking(move || listen(&folder)).await?;
            // A file that is just being written to may be unreadable: then not yet.
            if heard.is_ok_and(|heard| heard.iter().all(Heard::is_right)) {
                break;
            }
            look = Instant::now() + TALK_STEP;
        }
        Ok(())
    }

    fn start(&mut self, who: Who, words: &[&str]) -> anyhow::Result<()> {
        let common = ["--json", "--trace", "--with-parent"];
        let words: Vec<&str> = words.iter().chain(&common).copied().collect();
        self.children.push(Child::start(who, &words, &self.lines.0)?);
        Ok(())
    }

    fn start_terminal(&mut self, folder: &Path, who: Who, words: &[&str]) -> anyhow::Result<()> {
        let path = |path: PathBuf| path.into_os_string().into_string().ok();
        let (says, hears) = path(says(folder, who))
            .zip(path(hears(folder, who)))
            .context("the folder's name is not plain text: choose another with --out")?;
        let own = ["--sip", "127.0.0.1:0", "--user", who.name(), "--play", &says];
        let words = [words, &own, &["--record", &hears]].concat();
        self.start(who, &words)
    }

    fn child(&mut self, who: Who) -> anyhow::Result<&mut Child> {
        self.children.iter_mut().find(|child| child.who == who).context("no such process")
    }

    /// Waits until `who` has told `event` for the `count`th time; that object.
    async fn heard_from(&mut self, who: Who, event: &str, count: usize) -> anyhow::Result<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut such = self
                .told
                .iter()
                .filter(|(from, told)| *from == who && told["event"].as_str() == Some(event));
            if let Some((_, told)) = such.nth(count - 1) {
                return Ok(told.clone());
            }
            if self.closed.contains(&who) {
                bail!("{} ended before it was {event}: {}", who.name(), self.last_words(who));
            }
            if self.wait(deadline).await? == Waited::InVain {
                bail!("{} was not {event} in time", who.name());
            }
        }
    }

    /// Waits until `who` has ended, in peace.
    async fn gone(&mut self, who: Who, patience: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + patience;
        while !self.closed.contains(&who) {
            if self.wait(deadline).await? == Waited::InVain {
                bail!("{} did not end in time", who.name());
            }
        }
        let status = self.child(who)?.wait(FAREWELL)?;
        if !status.success() {
            bail!("{} ended with {status}: {}", who.name(), self.last_words(who));
        }
        Ok(())
    }

    /// Takes the next line of any child, or shows what is due.
    async fn wait(&mut self, deadline: Instant) -> anyhow::Result<Waited> {
        let show = self.flow.is_waiting().then(|| Instant::now() + REORDER);
        let line = tokio::select! {
            () = self.stop.told() => return Err(Stopped.into()),
            line = timeout_at(deadline, self.lines.1.recv()) => match line {
                Ok(line) => line,
                Err(_) => return Ok(Waited::InVain),
            },
            () = at(show) => None,
        };
        if let Some(FromChild { who, what }) = line {
            match what {
                What::Object(object) => self.take(who, object),
                What::Complaint(line) => {
                    say(&self.paint.dim(&format!("{}: {}", who.name(), harmless(&line))));
                    self.told.push((who, Value::String(line)));
                }
                What::Closed => self.closed.push(who),
            }
        }
        let reorder = u64::try_from(REORDER.as_micros()).unwrap_or(0);
        self.flow.flush(crate::output::unix_micros().saturating_sub(reorder));
        Ok(Waited::SomethingCame)
    }

    fn take(&mut self, who: Who, object: Value) {
        match object["event"].as_str() {
            // Each message is told twice, by who sent it and by who received it.
            Some("message") if object["dir"] == "sent" => {
                if let Some(message) = Message::read(&object) {
                    self.flow.push(message);
                }
            }
            Some("message") => {}
            Some(event) => {
                if who == Who::Server {
                    self.flow.note(event, &object);
                }
                self.told.push((who, object));
            }
            None => {}
        }
    }

    /// Waits until every message told so far is shown, and no other has come for a while.
    async fn quiet(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.flow.is_waiting() && self.wait(deadline).await? == Waited::SomethingCame {}
        Ok(())
    }

    /// The roster as the server tells it.
    async fn roster(&mut self, admin: SocketAddr, conference: &str) -> anyhow::Result<()> {
        self.quiet().await?;
        let page = ask(admin).await?;
        let found = page.node.conferences.iter().find(|one| one.uri == conference);
        let found = found.context("the server does not know the conference")?;
        say(&format!("\n{}", self.paint.bold("The roster, by `convoke status`")));
        say(&status::show_conference(found, self.paint));
        if found.legs.len() != Who::SPEAKERS.len() {
            bail!("{} legs, not three", found.legs.len());
        }
        say("They talk; alice leaves first.\n");
        say(&self.flow.head());
        Ok(())
    }

    /// After the last BYE the server keeps nothing; media ports come back within a tick.
    async fn nothing_left(&mut self, admin: SocketAddr) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let node = ask(admin).await?.node;
            let (room, left) = (node.room, node.leftovers);
            let kept = left.ports + left.holds + left.conferences + left.dialogs;
            if kept == 0 && room.free == room.capacity {
                self.flow.flush(u64::MAX);
                say(&self.paint.dim("\nNothing is left at the server: no port, hold or dialog.\n"));
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("left over at the server: {left:?}, {room:?}");
            }
            sleep_until(Instant::now() + Duration::from_millis(20)).await;
        }
    }

    /// What a child wrote to standard error last.
    fn last_words(&self, who: Who) -> String {
        let complaint = self.told.iter().rev().find_map(|(from, told)| match told {
            Value::String(line) if *from == who => Some(harmless(line)),
            _ => None,
        });
        complaint.unwrap_or_else(|| "it gave no reason".to_owned())
    }
}

async fn ask(admin: SocketAddr) -> anyhow::Result<server::StatusPage> {
    let text = tokio::task::spawn_blocking(move || super::admin::status(admin)).await??;
    status::read(&text)
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

fn text(object: &Value, path: &str) -> anyhow::Result<String> {
    let text = object.pointer(path).and_then(Value::as_str);
    Ok(text.with_context(|| format!("no {path} was told"))?.to_owned())
}
