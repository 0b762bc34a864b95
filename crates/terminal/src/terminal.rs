//! The handle of a running terminal.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use sip::digest::Account;
use sip::{Host, Uri};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};
use transport::{Clock, Resolver};
use ua::{
    Answerer, AnswererConfig, AnswererEvent, CommandError, Convener, ConvenerConfig, ConvenerError,
    Key, Phone, PhoneCommand, PhoneConfig, PhoneNews, ReferMode, RegisterConfig, Step, TrustPolicy,
    UaConfig, Watcher, WatcherConfig, WatcherEvent,
};
use units::Rng;

use crate::agent::Agent;
use crate::bind::{BindError, Sockets};
use crate::driver::{Driver, DriverReport, Event, Wanted};
use crate::sound::Sound;
use crate::wav::{RecordRate, Recorder, WavError};

/// Media sockets of a convener beside the one for the conference: so many invitees can be called at
/// the same time; the others wait for their turn.
const INVITEE_SOCKETS_MAX: usize = 8;

/// Media sockets of an answerer: the call in which it is referred, the conference, and two more
/// callers. The next one hears 486.
const ANSWERER_SOCKETS: usize = 4;

/// Media sockets of a phone: so many calls at once. The next one hears 486.
const PHONE_SOCKETS: usize = 8;

/// Commands that wait to be done. Whoever gives more waits: none is lost.
const COMMANDS_MAX: usize = 16;

/// What every terminal is told.
#[derive(Debug)]
pub struct Setup {
    /// Where SIP is spoken; port 0 picks a free one. Media uses the same address.
    pub bind: SocketAddr,
    /// The user part of our own URI.
    pub user: String,
    /// How we prove who we are, and how we are reached.
    pub reach: Reach,
    /// What is said, again and again: i16, mono, 8 kHz. Empty: silence.
    pub play: Vec<i16>,
    /// Pressed one after the other in each call, a second after it is up. Empty: no call offers keys.
    pub keys: Vec<Key>,
    /// Where to write what is heard, and how. The file is made when the sockets are bound: a taken
    /// port costs nobody an older recording.
    pub record: Option<(PathBuf, RecordRate)>,
    /// Whether every SIP message becomes an event too.
    pub messages: bool,
    /// Whether how loud it is becomes an event too.
    pub levels: bool,
}

/// How a terminal proves who it is, and how it is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// What we prove who we are with, and to whom.
    pub credentials: Vec<Account>,
    /// Where everything outside a dialog goes first.
    pub proxy: Option<Uri>,
    /// Where we register, and as whom.
    pub register: Option<RegisterConfig>,
    /// What others are told instead of our own address, and of its port.
    pub advertise: Option<(Host, Option<u16>)>,
    /// The name servers to ask; empty: those of the system.
    pub dns: Vec<SocketAddr>,
}

impl Setup {
    fn ua(&self, sockets: &Sockets) -> UaConfig {
        let Reach { credentials, proxy, register, advertise, dns: _ } = self.reach.clone();
        let own = UaConfig::new(&self.user, sockets.sip());
        let (advertised_host, port) =
            advertise.unwrap_or_else(|| (own.advertised_host.clone(), None));
        let advertised_port = port.unwrap_or(own.advertised_port);
        UaConfig { credentials, proxy, register, advertised_host, advertised_port, ..own }
    }

    /// Our sockets, media known by the address that is advertised if that is one: a name stands for SIP only.
    fn sockets(&self, media_count: usize) -> Result<Sockets, BindError> {
        let mut sockets = Sockets::bind(self.bind, media_count)?;
        sockets.slots.iter_mut().for_each(|slot| slot.keys = !self.keys.is_empty());
        let told = self.reach.advertise.as_ref().and_then(|(host, _)| host.ip());
        if let Some(ip) = told {
            sockets.slots.iter_mut().for_each(|slot| slot.advertised.set_ip(ip));
        }
        Ok(sockets)
    }
}

/// Why a terminal did not start.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum StartError {
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Convener(#[from] ConvenerError),
    #[error("the conference's address: {0}")]
    Watcher(#[from] CommandError),
    #[error(transparent)]
    Recording(#[from] WavError),
    #[error("the system gives no {what}: {kind}")]
    System { what: &'static str, kind: std::io::ErrorKind },
}

/// A running terminal, which is a thread of its own. Dropping the handle ends its calls.
#[derive(Debug)]
pub struct Terminal<N> {
    local: SocketAddr,
    events: mpsc::Receiver<Event<N>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<DriverReport>>,
}

/// What is known when all is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How long calls were up.
    pub spoke: Duration,
    /// How long the recording is.
    pub recorded: Duration,
    /// Events that nobody read in time.
    pub events_lost: u64,
    /// Frames of 10 ms that were left out because the machine was too slow or asleep.
    pub frames_skipped: u64,
    /// Packets that the system did not take.
    pub send_errors: u64,
    /// Whether the peers had not confirmed the end of their calls when we left.
    pub gave_up_waiting: bool,
}

impl Terminal<Step> {
    /// Calls a conference factory and brings in the others.
    ///
    /// # Errors
    /// An address that cannot be bound, a URI that cannot be called, a file that cannot be written.
    pub fn convene(
        setup: Setup,
        factory: Uri,
        invitees: Vec<Uri>,
        refer: ReferMode,
        stay: Option<Duration>,
    ) -> Result<Self, StartError> {
        let sockets = setup.sockets(1 + invitees.len().clamp(1, INVITEE_SOCKETS_MAX))?;
        let clock = Clock::start();
        let mut rng = system_rng()?;
        let config = ConvenerConfig {
            ua: setup.ua(&sockets),
            factory,
            invitees,
            refer,
            stay,
            media: sockets.slots.clone(),
        };
        let convener = Convener::new(clock.now(), config, rng.fork())?;
        Self::start(setup, sockets, clock, (convener, None), rng)
    }
}

/// How [`Terminal::answer`] answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answering {
    /// Whose REFERs are followed.
    pub trust: TrustPolicy,
    /// Whether to end when the first calls have ended.
    pub once: bool,
    /// Whether to ask conferences who is in.
    pub watches: bool,
}

impl Terminal<AnswererEvent> {
    /// Waits for calls, and for REFERs that are trusted.
    ///
    /// # Errors
    /// An address that cannot be bound, a file that cannot be written.
    pub fn answer(setup: Setup, how: Answering) -> Result<Self, StartError> {
        let sockets = setup.sockets(ANSWERER_SOCKETS)?;
        let clock = Clock::start();
        let mut rng = system_rng()?;
        let Answering { trust, once, watches } = how;
        let media = sockets.slots.clone();
        let config = AnswererConfig { ua: setup.ua(&sockets), trust, media, once, watches };
        let answerer = Answerer::new(config, rng.fork());
        Self::start(setup, sockets, clock, (answerer, None), rng)
    }
}

impl Terminal<WatcherEvent> {
    /// Watches who is in a conference, without calling it.
    ///
    /// # Errors
    /// An address that cannot be bound, a URI that cannot be subscribed to.
    pub fn watch(
        setup: Setup,
        conference: Uri,
        stay: Option<Duration>,
    ) -> Result<Self, StartError> {
        let sockets = setup.sockets(0)?;
        let clock = Clock::start();
        let mut rng = system_rng()?;
        let config = WatcherConfig { ua: setup.ua(&sockets), conference, stay };
        let watcher = Watcher::new(clock.now(), config, rng.fork())?;
        Self::start(setup, sockets, clock, (watcher, None), rng)
    }
}

impl<N: Send + 'static> Terminal<N> {
    /// Where SIP comes in.
    pub const fn local(&self) -> SocketAddr {
        self.local
    }

    /// What happened next; `None` when the terminal is gone.
    pub async fn next_event(&mut self) -> Option<Event<N>> {
        self.events.recv().await
    }

    /// Ends all calls. Events go on until they have ended, 4 s at most.
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // If nobody listens any more it has stopped already.
            let _ = stop.send(());
        }
    }

    /// Ends what is left, waits for it, and says how it was. `None`: the terminal panicked.
    pub fn finish(mut self) -> Option<Report> {
        self.stop();
        let report = self.thread.take().and_then(|thread| thread.join().ok())?;
        let DriverReport { sound, events_lost, ticks_skipped, send_errors, gave_up_waiting } =
            report;
        Some(Report {
            spoke: Duration::from_millis(sound.ticks.saturating_mul(10)),
            recorded: Duration::from_micros(sound.samples_recorded.saturating_mul(125)),
            events_lost,
            frames_skipped: ticks_skipped,
            send_errors,
            gave_up_waiting,
        })
    }

    fn start<A: Agent<News = N>>(
        setup: Setup,
        sockets: Sockets,
        clock: Clock,
        (agent, commands): (A, Option<mpsc::Receiver<A::Command>>),
        mut rng: Rng,
    ) -> Result<Self, StartError> {
        let failed =
            |what| move |error: std::io::Error| StartError::System { what, kind: error.kind() };
        let local = sockets.sip();
        let recorder =
            setup.record.map(|(path, rate)| Recorder::create(&path, rate)).transpose()?;
        let names = rng.fork();
        let sound = Sound::new(sockets.media.len(), setup.play, recorder, rng).keying(setup.keys);
        let runtime =
            Builder::new_current_thread().enable_all().build().map_err(failed("event loop"))?;
        let (driver, events) = {
            let _inside = runtime.enter();
            let wanted = Wanted { messages: setup.messages, levels: setup.levels };
            let resolver = Resolver::new(&setup.reach.dns, names);
            Driver::new(clock, agent, sockets, (sound, resolver), wanted, commands)
                .map_err(failed("sockets"))?
        };
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("terminal".to_owned())
            .spawn(move || {
                let report = runtime.block_on(driver.run(stopped));
                // A lookup that is still waiting for a name server holds nobody up.
                runtime.shutdown_background();
                report
            })
            .map_err(failed("thread"))?;
        Ok(Self { local, events, stop: Some(stop), thread: Some(thread) })
    }
}

/// A running phone, and the way to tell it what to do.
#[derive(Debug)]
pub struct PhoneHandle {
    terminal: Terminal<PhoneNews>,
    commands: mpsc::Sender<PhoneCommand>,
}

impl PhoneHandle {
    /// Waits for commands and calls. REFERs that `trust` allows are followed; merges ask `factory`.
    ///
    /// # Errors
    /// An address that cannot be bound, a file that cannot be written.
    pub fn start(
        setup: Setup,
        trust: TrustPolicy,
        factory: Option<Uri>,
    ) -> Result<Self, StartError> {
        let sockets = setup.sockets(PHONE_SOCKETS)?;
        let clock = Clock::start();
        let mut rng = system_rng()?;
        let (ua, media) = (setup.ua(&sockets), sockets.slots.clone());
        let phone = Phone::new(PhoneConfig { ua, trust, factory, media }, rng.fork());
        let (commands, wanted) = mpsc::channel(COMMANDS_MAX);
        let terminal = Terminal::start(setup, sockets, clock, (phone, Some(wanted)), rng)?;
        Ok(Self { terminal, commands })
    }

    /// Where SIP comes in.
    pub const fn local(&self) -> SocketAddr {
        self.terminal.local()
    }

    /// Does something; what comes of it comes as events.
    pub async fn command(&self, command: PhoneCommand) {
        // A phone that is gone has no calls to do anything to.
        let _ = self.commands.send(command).await;
    }

    /// What happened next; `None` when the phone is gone.
    pub async fn next_event(&mut self) -> Option<Event<PhoneNews>> {
        self.terminal.next_event().await
    }

    /// Ends all calls. Events go on until they have ended, 4 s at most.
    pub fn stop(&mut self) {
        self.terminal.stop();
    }

    /// Ends what is left, waits for it, and says how it was. `None`: the phone panicked.
    pub fn finish(self) -> Option<Report> {
        self.terminal.finish()
    }
}

impl<N> Drop for Terminal<N> {
    /// The thread sees that the handle is gone and ends its calls; this waits for it.
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn system_rng() -> Result<Rng, StartError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|_| StartError::System {
        what: "randomness",
        kind: std::io::ErrorKind::Unsupported,
    })?;
    Ok(Rng::from_seed(seed))
}

#[cfg(test)]
mod tests {
    use sip::Arrival;
    use ua::ResolveId;
    use units::Instant;

    use super::*;
    use crate::agent::Output;

    /// Panics as soon as it is asked for anything.
    struct Faulty;

    impl Agent for Faulty {
        type News = ();
        type Command = ();

        fn handle_arrival(&mut self, _: Instant, _: Arrival) {}
        fn handle_deadline(&mut self, _: Instant) {}
        fn deadline(&self) -> Option<Instant> {
            None
        }
        fn resolved(&mut self, _: Instant, _: ResolveId, _: &[sip::Target]) {}
        fn media_silent(&mut self, _: Instant, _: ua::SlotId) {}
        fn command(&mut self, _: Instant, (): ()) {}
        fn stop(&mut self, _: Instant) {}
        fn poll_output(&mut self) -> Option<Output<()>> {
            panic!("a fault of ours, made for this test");
        }
        fn is_last((): &()) -> bool {
            false
        }
    }

    /// Else a command that died would look as if all had gone well.
    #[test]
    fn a_terminal_that_panicked_has_no_report() {
        let bind = SocketAddr::from(([127, 0, 0, 1], 0));
        let user = "bob".to_owned();
        let reach = Reach::default();
        let setup = Setup {
            bind,
            user,
            reach,
            play: Vec::new(),
            keys: Vec::new(),
            record: None,
            messages: false,
            levels: false,
        };
        let sockets = Sockets::bind(bind, 1).expect("bound");
        let rng = Rng::from_seed([1; 32]);
        let mut terminal =
            Terminal::start(setup, sockets, Clock::start(), (Faulty, None), rng).expect("started");
        assert!(terminal.events.blocking_recv().is_none(), "it is gone");
        assert_eq!(terminal.finish(), None);
    }
}
