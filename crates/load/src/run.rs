//! The loop: one thread, woken every millisecond and by every SIP message.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::ops::ControlFlow;
use std::time::Duration;

use datagram::Reader;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::time::{TimeSpec, TimeValLike as _};
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use units::{Instant, Rng};

use crate::click::Sounds;
use crate::clock::now;
use crate::ears::{Ears, Packets};
use crate::legs::{Legs, Placed, SETUP_MAX};
use crate::mouth::{PACKET_BYTES_MAX, SAMPLES_MAX, Sounding};
use crate::plan::{Plan, PlanError, Reach};
use crate::process::{Process, Usage, full_queues};
use crate::report::{Cost, Delay, Media, Millis, Report, ratio};
use crate::schedule::Schedule;
use crate::spread::Spread;
use crate::tally::Tally;
use crate::wire;

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum LoadError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("{host} has no address")]
    NoAddress { host: String },
    #[error(
        "{ip} is another machine: so many calls and packets are an attack where nobody expects them. If it is yours, say --anywhere"
    )]
    Elsewhere { ip: IpAddr },
    #[error("there is no process {pid} that we may look at")]
    NoProcess { pid: u32 },
    #[error(
        "{wanted} open files are needed, more than this process may have: raise the limit (ulimit -Hn)"
    )]
    TooManyFiles { wanted: u64 },
    #[error("a socket could not be made: {0}")]
    Socket(#[from] io::Error),
    #[error("the system refused: {0}")]
    System(#[from] Errno),
    #[error("no random numbers: {0}")]
    Random(getrandom::Error),
    #[error("stopped before anything was measured")]
    Stopped,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Progress {
    pub phase: Phase,
    /// Since the phase began.
    pub elapsed: Duration,
    /// How long it takes; `None`: that depends on the server.
    pub length: Option<Duration>,
    pub legs: usize,
    pub up: usize,
    pub failed: u64,
}

/// What is going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Legs call.
    Joining,
    /// Jitter buffers find their depth.
    Settling,
    /// What comes is counted.
    Measuring,
    /// Legs hang up.
    Leaving,
}

/// Carries out a plan. `on_progress` is called ten times a second; told to break, the run ends with what was measured.
///
/// # Errors
/// Any [`LoadError`]: then nothing was measured.
pub fn run(
    plan: &Plan,
    on_progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Report, LoadError> {
    plan.check()?;
    Generator::new(plan)?.run(on_progress)
}

struct Generator {
    plan: Plan,
    legs: Legs,
    sip: Epoll,
    media: Epoll,
    timer: TimerFd,
    sounds: Sounds,
    schedule: Schedule,
    tally: Tally,
    phase: Phase,
    phase_began: Instant,
    /// Legs that were told to call, or to hang up.
    told: usize,
    /// When the next is told.
    tell_next: Instant,
    server: Option<Process>,
    at_rest: [Usage; 2],
    window: Option<Window>,
    reader: Reader,
    bytes: Vec<u8>,
}

/// What was there when measuring began and, in the end, when it ended.
struct Window {
    from: Instant,
    to: Instant,
    usage: [[Usage; 2]; 2],
    full_queues: u64,
    /// Of each leg that was in.
    packets: Vec<Packets>,
    jitter: Spread,
}

impl Generator {
    fn new(plan: &Plan) -> Result<Self, LoadError> {
        let server = match plan.pid {
            Some(pid) => Some(Process::of(pid).ok_or(LoadError::NoProcess { pid })?),
            None => None,
        };
        let wanted = u64::try_from(2 * plan.legs).unwrap_or(u64::MAX).saturating_add(FILES_OTHERS);
        wire::open_files(wanted).map_err(|_| LoadError::TooManyFiles { wanted })?;
        let ip = wire::way_to(first_hop(plan)?)?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(LoadError::Random)?;
        let mut rng = Rng::from_seed(seed);
        let [sip, media] = [
            Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
        ];
        let timer = TimerFd::new(
            ClockId::CLOCK_MONOTONIC,
            TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC,
        )?;
        timer.set(Expiration::Interval(TimeSpec::milliseconds(1)), TimerSetTimeFlags::empty())?;
        sip.add(&timer, EpollEvent::new(EpollFlags::EPOLLIN, TOKEN_TIMER))?;
        let sounds = Sounds::new(&mut rng, SAMPLES_MAX);
        let legs = Legs::new(plan, ip, rng, &sip, &media)?;
        let start = now();
        let places = (0..plan.legs).map(|leg| (plan.phase_of(leg), leg)).collect();
        let usage =
            |process: Option<&Process>| process.and_then(Process::usage).unwrap_or_default();
        Ok(Self {
            at_rest: [usage(server.as_ref()), usage(Some(&Process::own()))],
            schedule: Schedule::new(start, plan.ptime(), places),
            tally: Tally::new(start, plan),
            plan: plan.clone(),
            legs,
            sip,
            media,
            timer,
            sounds,
            phase: Phase::Joining,
            phase_began: start,
            told: 0,
            tell_next: start,
            server,
            window: None,
            reader: Reader::new(WAITED_MAX),
            bytes: vec![0; DATAGRAM_BYTES_MAX],
        })
    }

    fn run(
        mut self,
        on_progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Report, LoadError> {
        let mut tell_progress = now();
        while self.step()? {
            if now() < tell_progress {
                continue;
            }
            tell_progress += PROGRESS_EVERY;
            if on_progress(&self.progress()).is_break() {
                if self.phase == Phase::Leaving {
                    break;
                }
                self.end_window();
                self.enter(Phase::Leaving);
            }
        }
        let window = self.window.take().ok_or(LoadError::Stopped)?;
        Ok(self.report(&window))
    }

    /// Waits for a millisecond at most and does what is to be done; whether there is more.
    fn step(&mut self) -> Result<bool, LoadError> {
        let mut ready = [EpollEvent::empty(); READY_MAX];
        let count = match self.sip.wait(&mut ready, EpollTimeout::NONE) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(error) => return Err(error.into()),
        };
        let at = now();
        for event in &ready[..count] {
            match usize::try_from(event.data()) {
                _ if event.data() == TOKEN_TIMER => {
                    // Reading it makes it wait for the next millisecond.
                    let _ = self.timer.wait();
                }
                Ok(leg) => self.legs.receive(at, leg, &mut self.bytes),
                Err(_) => {}
            }
        }
        self.legs.handle_deadlines(now());
        self.advance();
        self.send();
        self.receive()?;
        Ok(self.phase != Phase::Leaving || !self.has_left())
    }

    /// Goes on to the next phase when its time has come.
    fn advance(&mut self) {
        let at = now();
        let elapsed = at.since(self.phase_began);
        match self.phase {
            Phase::Joining => {
                self.tell(at);
                let all_told = self.told == self.plan.legs;
                let patience = at.since(self.tell_next) > SETUP_MAX;
                if all_told && (self.legs.all_settled() || patience) {
                    self.enter(Phase::Settling);
                }
            }
            Phase::Settling if elapsed >= SETTLE => self.begin_window(),
            Phase::Measuring if elapsed >= self.plan.stay => {
                self.end_window();
                self.enter(Phase::Leaving);
            }
            Phase::Leaving => self.tell(at),
            Phase::Settling | Phase::Measuring => {}
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.phase_began = now();
        (self.told, self.tell_next) = (0, self.phase_began);
    }

    /// Has legs call or hang up, as many as are due.
    fn tell(&mut self, at: Instant) {
        let every = Duration::from_secs(1) / self.plan.rate;
        while self.told < self.plan.legs && self.tell_next <= at {
            if self.phase == Phase::Leaving {
                self.legs.hang_up(at, self.told);
            } else if self.legs.place(at, self.told) == Placed::NotYet {
                // It waits for the first of its conference, and all behind it wait too.
                self.tell_next = at;
                return;
            }
            self.told += 1;
            self.tell_next += every;
        }
    }

    fn has_left(&self) -> bool {
        let patience = now().since(self.phase_began) > self.leaving_takes() + GRACE;
        self.told == self.plan.legs && (self.legs.all_quiet() || patience)
    }

    fn leaving_takes(&self) -> Duration {
        let legs = u32::try_from(self.plan.legs).unwrap_or(u32::MAX);
        Duration::from_secs(1) / self.plan.rate * legs
    }

    /// Sends what is due.
    fn send(&mut self) {
        // What comes due meanwhile is for the next time: else who is too slow would do nothing else any more.
        let begin = now();
        let mut at = begin;
        self.tally.send_errors += self.schedule.leave_out(begin, BEHIND_MAX);
        let mut packet = [0; PACKET_BYTES_MAX];
        let until = self.phase_began + self.plan.stay;
        let mut count = 0_u32;
        while let Some((due, number)) = self.schedule.take(begin) {
            let Some(leg) = self.legs.leg(number) else { continue };
            let Some((mouth, to)) = leg.mouth.as_mut().filter(|(mouth, _)| mouth.sends()) else {
                continue;
            };
            let clicks = self.phase == Phase::Measuring
                && self.tally.clicks((due, until), (number, leg.role), &self.plan);
            let (bytes, sounding) = mouth.write(&self.sounds, clicks, &mut packet);
            let (to, conference) = (*to, leg.conference);
            let stamped = (sounding == Sounding::ClickBegins).then(now);
            match leg.media.socket().send_to(&packet[..bytes], to) {
                Ok(_) => self.tally.sent += 1,
                Err(_) => self.tally.send_errors += 1,
            }
            self.tally.lateness.add(at.since(due));
            if let Some(stamped) = stamped {
                let others = self.others(number);
                self.tally.clicked(stamped, number, conference, others);
            }
            count += 1;
            if count.is_multiple_of(LOOK_AT_CLOCK_EVERY) {
                at = now();
            }
        }
    }

    /// How many others are in this leg's conference.
    fn others(&self, number: usize) -> u64 {
        let conference = self.plan.conference_of(number);
        let legs = self.legs.all().iter().skip(conference).step_by(self.plan.conferences);
        let up = legs.filter(|leg| leg.is_up()).count();
        u64::try_from(up).unwrap_or(u64::MAX).saturating_sub(1)
    }

    /// Takes all packets that have come.
    fn receive(&mut self) -> Result<(), LoadError> {
        let mut ready = [EpollEvent::empty(); READY_MAX];
        // Bounded, so that a server that never stops sending does not keep us from sending.
        for _ in 0..PASSES_MAX {
            let count = match self.media.wait(&mut ready, EpollTimeout::ZERO) {
                Ok(count) => count,
                Err(Errno::EINTR) => 0,
                Err(error) => return Err(error.into()),
            };
            for event in &ready[..count] {
                if let Ok(number) = usize::try_from(event.data()) {
                    self.take_packet(number);
                }
            }
            if count < READY_MAX {
                break;
            }
        }
        Ok(())
    }

    fn take_packet(&mut self, number: usize) {
        let Some(leg) = self.legs.leg(number) else { return };
        // For each anew: what came since the last look would be dated back to it.
        self.reader.look_at_clocks(now());
        let Some(came) = leg.media.receive(&mut self.reader, &mut self.bytes) else { return };
        self.tally.dropped += u64::from(came.dropped);
        let bytes = &self.bytes[..came.length];
        let heard = leg.ears.packet(came.at, bytes, &mut self.tally.gaps);
        let conference = leg.conference;
        self.tally.heard(heard, number, conference);
    }

    fn usage(&self) -> [Usage; 2] {
        let server = self.server.as_ref().and_then(Process::usage).unwrap_or_default();
        [server, Process::own().usage().unwrap_or_default()]
    }

    fn begin_window(&mut self) {
        for leg in self.legs.all_mut() {
            leg.ears = Ears::default();
        }
        self.enter(Phase::Measuring);
        self.tally = Tally::new(self.phase_began, &self.plan);
        self.window = Some(Window {
            from: self.phase_began,
            to: self.phase_began,
            usage: [self.usage(), self.usage()],
            full_queues: full_queues(),
            packets: Vec::new(),
            jitter: Spread::new(),
        });
    }

    fn end_window(&mut self) {
        let usage = self.usage();
        let Some(window) = &mut self.window else { return };
        window.to = now();
        window.usage[1] = usage;
        window.full_queues = full_queues().saturating_sub(window.full_queues);
        for leg in self.legs.all().iter().filter(|leg| leg.is_up()) {
            window.packets.push(leg.ears.packets());
            leg.ears.jitter().into_iter().for_each(|jitter| window.jitter.add(jitter));
        }
    }

    fn progress(&self) -> Progress {
        Progress {
            phase: self.phase,
            elapsed: now().since(self.phase_began),
            length: match self.phase {
                Phase::Joining => None,
                Phase::Settling => Some(SETTLE),
                Phase::Measuring => Some(self.plan.stay),
                Phase::Leaving => Some(self.leaving_takes()),
            },
            legs: self.plan.legs,
            up: self.legs.up(),
            failed: self.legs.failures.values().sum(),
        }
    }

    fn report(self, window: &Window) -> Report {
        let Self { plan, legs, tally, at_rest, server, .. } = self;
        let time = window.to.since(window.from);
        let joined = legs.setup.count();
        let cost = |which: usize| {
            let [before, after] = [&window.usage[0][which], &window.usage[1][which]];
            Cost::between((before, after), &at_rest[which], joined, time)
        };
        let (late_ms, generator) = (Millis::of(&tally.lateness), cost(1));
        let limits = Report::limits(&generator, late_ms.as_ref(), tally.send_errors, tally.dropped);
        Report {
            target: plan.target.as_str().to_owned(),
            conferences: plan.conferences,
            talkers: plan.talkers,
            rest: plan.rest,
            ptime_ms: plan.ptime_ms,
            rate: plan.rate,
            legs: plan.legs,
            joined,
            dropped_out: legs.dropped_out,
            setup_ms: Millis::of(&legs.setup),
            failures: legs.failures,
            seconds: time.as_secs_f64(),
            media: media(&plan, window, &tally, time),
            delay: Delay {
                clicks: tally.clicks_sent,
                due: tally.clicks_due,
                heard: tally.delays.count(),
                ms: Millis::of(&tally.delays),
                echoes: tally.echoes.count(),
                echo_ms: Millis::of(&tally.echoes),
            },
            server: server.map(|_| cost(0)),
            generator,
            late_ms,
            limits,
        }
    }
}

fn media(plan: &Plan, window: &Window, tally: &Tally, time: Duration) -> Media {
    let each = u64::try_from(time.as_micros() / plan.ptime().as_micros()).unwrap_or(u64::MAX);
    let legs = u64::try_from(window.packets.len()).unwrap_or(u64::MAX);
    let [received, lost] = [
        window.packets.iter().map(|it| it.received).sum(),
        window.packets.iter().map(|it| it.lost).sum(),
    ];
    let least = window.packets.iter().map(|it| it.received).min().unwrap_or(0);
    let deaf = window.packets.iter().filter(|it| it.received == 0).count();
    let due = each.saturating_mul(legs);
    Media {
        sent: tally.sent,
        due,
        received,
        ratio: ratio(received, due),
        worst_ratio: ratio(least, each),
        deaf_legs: u64::try_from(deaf).unwrap_or(u64::MAX),
        lost,
        loss_percent: 100.0 * ratio(lost, received + lost),
        gap_ms: Millis::of(&tally.gaps),
        jitter_ms: Millis::of(&window.jitter),
    }
}

/// Where the first call goes, as far as the URI says.
fn first_hop(plan: &Plan) -> Result<SocketAddr, LoadError> {
    let uri = plan.target.uri(0);
    let Some(uri) = uri.as_ref().and_then(sip::Uri::as_sip) else {
        return Err(LoadError::NoAddress { host: plan.target.as_str().to_owned() });
    };
    let host = uri.host.to_string();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let found = (bare, uri.port.unwrap_or(5060)).to_socket_addrs().into_iter().flatten().next();
    let found = found.ok_or(LoadError::NoAddress { host })?;
    match plan.reach {
        Reach::Loopback if !found.ip().is_loopback() => {
            Err(LoadError::Elsewhere { ip: found.ip() })
        }
        Reach::Loopback | Reach::Anywhere => Ok(found),
    }
}

/// Above every leg's number.
const TOKEN_TIMER: u64 = u64::MAX;

const READY_MAX: usize = 512;

/// All legs' packets of a few ticks.
const PASSES_MAX: usize = 64;

const LOOK_AT_CLOCK_EVERY: u32 = 16;

const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// Once all are in: latches close and jitter buffers find their depth.
const SETTLE: Duration = Duration::from_secs(2);

/// How long answers to BYE are waited for.
const GRACE: Duration = Duration::from_secs(5);

/// Packets that are overdue by more are not sent at all, and counted: a burst would be another load.
const BEHIND_MAX: Duration = Duration::from_millis(500);

/// No packet waits longer in a socket: of 20 ms each, a few seconds' fill it.
const WAITED_MAX: Duration = Duration::from_secs(10);

/// Open files besides the legs' sockets.
const FILES_OTHERS: u64 = 64;

/// The largest there is.
const DATAGRAM_BYTES_MAX: usize = 65_535;
