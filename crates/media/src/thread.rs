//! One shard's thread.

#[cfg(test)]
mod tests;

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use datagram::{Datagram, Reader};
use mix::message::{Channel, Command, Event};
use mix::{Farewell, Shard, Sink, TICK};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use units::{Instant, soonest};

use crate::clock::{Timer, now};
use crate::sockets::{Sockets, of_token};
use crate::stats::Stats;
use crate::{Delivery, MediaBind, ShardReport, StartError};

/// What a thread and its [`crate::Engine`] share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Readable when a command was sent or `stop` was set.
    pub(crate) wake: EventFd,
    pub(crate) stop: AtomicBool,
    pub(crate) stats: Stats,
}

impl Shared {
    pub(crate) fn new() -> Result<Self, Errno> {
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        let wake = EventFd::from_value_and_flags(0, flags)?;
        Ok(Self { wake, stop: AtomicBool::new(false), stats: Stats::default() })
    }

    /// Wakes the thread.
    pub(crate) fn wake(&self) {
        // It fails only when it has been written 2^64 times and not read: then it is awake.
        let _ = self.wake.write(1);
    }
}

/// No datagram that is still worth something waits for longer in a socket. When it came counts, and not when it was read: a
/// thread that has a thousand legs to send to reads milliseconds later, and a jitter buffer that takes this for the network's
/// doing makes everybody wait for it.
const WAITED_MAX: Duration = Duration::from_millis(200);

/// Where events go.
pub(crate) type Deliver = dyn Fn(u16, Event) -> Delivery + Send + Sync;

/// A shard, its sockets and its clock; owned by its thread.
pub(crate) struct ShardThread {
    number: u16,
    shard: Shard,
    sockets: Sockets,
    /// Watches timer, commands and, while there are few legs, `media`.
    epoll: Epoll,
    /// Watches the sockets.
    media: Epoll,
    looks: Looks,
    reader: Reader,
    timer: Timer,
    commands: Receiver<Command>,
    deliver: Arc<Deliver>,
    /// What `deliver` had no place for.
    held: Option<Event>,
    /// When to try again to bind, while nothing is left to lend.
    bind_again: Option<Instant>,
    /// Sockets that are not read until then, because they had more than their turn.
    paused: Vec<(u32, Channel)>,
    resume_at: Option<Instant>,
    shared: Arc<Shared>,
    report: ShardReport,
}

/// When the thread looks for packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looks {
    /// As soon as one comes: few legs, few wake-ups.
    AtOnce,
    /// Every [`LOOK_EVERY`]: so many legs would wake it again and again for a packet each. Nothing is played later for it,
    /// since playing waits for the tick.
    InTurn,
}

/// Whether there may be more to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Nothing,
    Unread,
}

/// Whether the thread goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    GoOn,
    Stop,
}

impl ShardThread {
    /// Makes everything that can fail, and binds the first sockets.
    pub(crate) fn new(
        number: u16,
        shard: Shard,
        sockets: Sockets,
        commands: Receiver<Command>,
        deliver: Arc<Deliver>,
        shared: Arc<Shared>,
    ) -> Result<Self, Errno> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let media = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&media.0, EpollEvent::new(EpollFlags::EPOLLIN, TOKEN_MEDIA))?;
        let timer = Timer::new()?;
        epoll.add(&shared.wake, EpollEvent::new(EpollFlags::EPOLLIN, TOKEN_WAKE))?;
        epoll.add(&timer, EpollEvent::new(EpollFlags::EPOLLIN, TOKEN_TIMER))?;
        let mut thread = Self {
            number,
            shard,
            sockets,
            epoll,
            media,
            looks: Looks::AtOnce,
            reader: Reader::new(WAITED_MAX),
            timer,
            commands,
            deliver,
            held: None,
            bind_again: None,
            paused: Vec::new(),
            resume_at: None,
            shared,
            report: ShardReport::default(),
        };
        thread.lend_ahead(usize::MAX);
        thread.publish();
        Ok(thread)
    }

    /// Whether at least one port of this address was to be had.
    pub(crate) fn has_some_of(&self, bind: &MediaBind) -> Result<(), StartError> {
        let (ip, first, last) = (bind.ip, *bind.ports.start(), *bind.ports.end());
        match (self.shard.unused_lent_like(SocketAddr::new(ip, 0)), self.sockets.last_error()) {
            (0, Some(error)) => Err(StartError::Bind { ip, first, last, kind: error.kind() }),
            (_, Some(_) | None) => Ok(()),
        }
    }

    /// Counts that the thread runs on any core.
    pub(crate) const fn note_pin_failure(&mut self) {
        self.report.pin_failures += 1;
    }

    /// Works until it is told to stop, then closes every socket.
    pub(crate) fn run(mut self) {
        self.flush();
        self.publish();
        let mut ready = [EpollEvent::empty(); 4];
        let mut left = Left::Nothing;
        while self.choose_looks().is_ok() && self.set_timer(left).is_ok() {
            let count = match self.epoll.wait(&mut ready, EpollTimeout::NONE) {
                Ok(count) => count,
                Err(Errno::EINTR) => continue,
                Err(_) => break, // the descriptors are ours: a fault; the engine reports the end
            };
            self.report.wakeups += 1;
            for event in &ready[..count] {
                self.handle_ready(event.data());
            }
            left = self.receive();
            let next = self.take_commands();
            if left == Left::Nothing {
                self.tick();
            }
            self.resume();
            self.flush();
            self.bind_when_due();
            self.publish();
            if next == Next::Stop {
                break;
            }
        }
        let (shared, mut report) = (Arc::clone(&self.shared), self.report);
        drop(self);
        report.sockets = 0;
        shared.stats.publish(&report);
    }

    fn handle_ready(&mut self, token: u64) {
        match token {
            TOKEN_WAKE => {
                // Read before the commands are: one that comes later wakes again.
                let _ = self.shared.wake.read();
            }
            TOKEN_TIMER => {
                let _ = self.timer.went_off();
            }
            _ => {} // media: looked for after every wake-up
        }
    }

    /// Takes what has come to the sockets, from each one datagram in a pass, so that who floods one leg waits for the
    /// others. Whoever has more than all passes take is not read for the time of a tick.
    ///
    /// A tick waits for the first passes, and no longer: what has come is mixed, however busy the thread is. Were it left
    /// unread for want of time, it would be made up, which costs more than playing it, and it would be older each time.
    fn receive(&mut self) -> Left {
        for pass in 1..=PASSES_MAX {
            if self.read_each_once(pass == PASSES_MAX) == 0 {
                return Left::Nothing;
            }
            if pass >= PASSES_BEFORE_TICK && self.tick() {
                return Left::Unread;
            }
        }
        Left::Nothing
    }

    /// Reads one datagram of each socket that has any; how many there were. If it is the last pass, whoever was read has
    /// to pause.
    fn read_each_once(&mut self, is_last: bool) -> usize {
        let mut ready = [EpollEvent::empty(); READY_MAX];
        let mut bytes = [0; DATAGRAM_BYTES_MAX];
        let mut read = 0;
        loop {
            let count = self.media.wait(&mut ready, EpollTimeout::ZERO).unwrap_or(0);
            self.reader.look_at_clocks(now());
            for event in &ready[..count] {
                let Some(socket) = of_token(event.data()) else { continue };
                self.receive_one(socket, &mut bytes);
                if is_last {
                    self.pause(now(), socket);
                }
            }
            read += count;
            // Those that have more are told of again after all the others: epoll goes round.
            if count < READY_MAX || read >= self.sockets.count() {
                return read;
            }
        }
    }

    fn receive_one(&mut self, (lent, channel): (u32, Channel), bytes: &mut [u8]) {
        let Some(socket) = self.sockets.socket(lent, channel) else { return };
        match self.reader.read(socket, bytes) {
            Ok(Datagram { length, from, at, .. }) => {
                self.report.received += 1;
                if self.sockets.disturb(at, lent) {
                    self.report.late += 1;
                } else {
                    self.shard.handle_packet(at, (lent, channel), from, &bytes[..length]);
                }
            }
            Err(Errno::EAGAIN) => {}
            Err(_) => self.report.receive_errors += 1,
        }
    }

    /// Does not read a socket for the time of a tick.
    fn pause(&mut self, now: Instant, socket: (u32, Channel)) {
        self.report.pauses += 1;
        self.sockets.watch(&self.media, socket, EpollFlags::empty());
        self.paused.push(socket);
        self.resume_at.get_or_insert(now + TICK);
    }

    /// Reads again what had more than its turn.
    fn resume(&mut self) {
        if self.resume_at.is_some_and(|at| at <= now()) {
            self.resume_at = None;
            for socket in std::mem::take(&mut self.paused) {
                self.sockets.watch(&self.media, socket, EpollFlags::EPOLLIN);
            }
        }
    }

    /// Does what was commanded, unless an event waits for its place: the caller must first take what
    /// he has asked for.
    fn take_commands(&mut self) -> Next {
        if self.shared.stop.load(Ordering::Acquire) {
            return Next::Stop;
        }
        for _ in 0..COMMANDS_PER_PASS_MAX {
            if self.held.is_some() {
                return Next::GoOn;
            }
            match self.commands.try_recv() {
                Ok(command) => self.shard.handle_command(now(), command),
                Err(TryRecvError::Empty) => return Next::GoOn,
                Err(TryRecvError::Disconnected) => return Next::Stop,
            }
            self.flush();
        }
        self.shared.wake(); // there may be more, after the tick
        Next::GoOn
    }

    /// Mixes what is due, of one tick; whether anything was. What comes late is made good by one tick after another, and
    /// between them what has come is read.
    fn tick(&mut self) -> bool {
        let now = now();
        let Some(due) = self.shard.deadline().filter(|due| *due <= now) else { return false };
        if now.since(due) > TICK {
            self.report.ticks_late += 1;
        }
        let Self { shard, sockets, report, .. } = self;
        shard.tick(now, &mut Outbox { sockets, report });
        true
    }

    /// Hands over events, closes what was given back, and binds what is missing.
    fn flush(&mut self) {
        while let Some(farewell) = self.shard.poll_farewell() {
            let Self { sockets, report, .. } = self;
            let Farewell { lent, channel, to, bytes } = farewell;
            Outbox { sockets, report }.send(lent, channel, to, &bytes);
        }
        while let Some(lent) = self.shard.poll_released() {
            self.sockets.release(now(), lent);
        }
        let mut changed = false;
        if self.sockets.deadline().is_some_and(|at| at <= now()) {
            changed = self.sockets.close_rested(now(), &self.media);
        }
        changed |= self.hand_over();
        // Only then can a socket be missing: not after each packet.
        if changed {
            self.lend_ahead(BIND_TRIES_MAX);
            // What was lent is told now: nothing else may wake us.
            self.hand_over();
        }
    }

    /// Hands over events as far as there is place for them; whether a reply was among them.
    fn hand_over(&mut self) -> bool {
        let mut replied = false;
        let held_before = self.held.is_some();
        while let Some(event) = self.held.take().or_else(|| self.shard.poll_event()) {
            replied |= matches!(event, Event::Reply { .. });
            if let Delivery::Full(event) = (self.deliver)(self.number, event) {
                self.held = Some(event);
                break;
            }
        }
        if held_before && self.held.is_none() {
            self.shared.wake(); // for the commands that were left to wait
        }
        replied
    }

    /// With nothing left to lend the caller gives no more commands, so that none would remind us of
    /// the ports that others had taken when their turn came.
    fn bind_when_due(&mut self) {
        if !self.lacks_ports() {
            self.bind_again = None;
            return;
        }
        let now = now();
        if self.bind_again.is_some_and(|at| at <= now) {
            self.bind_again = None;
            self.lend_ahead(BIND_TRIES_MAX);
            self.hand_over();
        }
        if self.lacks_ports() {
            self.bind_again.get_or_insert(now + BIND_AGAIN);
        }
    }

    /// Whether some address has nothing left to lend, and ports that were not to be had or rest.
    fn lacks_ports(&self) -> bool {
        let has_some = |at| !self.sockets.all_bound(at) || self.sockets.has_resting(at);
        let lacks = |at| self.shard.unused_lent_like(at) == 0 && has_some(at);
        self.sockets.addresses().any(lacks)
    }

    /// Of each address as many.
    fn lend_ahead(&mut self, tries: usize) {
        let Self { shard, sockets, media, .. } = self;
        for at in sockets.addresses().collect::<Vec<_>>() {
            while shard.unused_lent_like(at) < LEND_AHEAD {
                match sockets.lend(media, at, tries) {
                    Some(port) => shard.add_lent(port),
                    None => break,
                }
            }
            while shard.unused_lent_like(at) < LEND_LEAST && sockets.all_bound(at) {
                match sockets.lend_resting(now(), media, at) {
                    Some(port) => shard.add_lent(port),
                    None => break,
                }
            }
        }
    }

    /// Looks for packets as they come while there are few legs, and by the clock while there are many.
    fn choose_looks(&mut self) -> Result<(), Errno> {
        let many = self.shard.leftovers().ports > LEGS_AT_ONCE_MAX;
        let looks = if many { Looks::InTurn } else { Looks::AtOnce };
        if looks != self.looks {
            let flags = if many { EpollFlags::empty() } else { EpollFlags::EPOLLIN };
            self.epoll.modify(&self.media.0, &mut EpollEvent::new(flags, TOKEN_MEDIA))?;
            self.looks = looks;
        }
        Ok(())
    }

    /// Goes off at the next tick, or when a held event or a port is tried again; if there is none of
    /// these, never.
    fn set_timer(&mut self, left: Left) -> Result<(), Errno> {
        let retry: Option<Instant> = self.held.as_ref().map(|_| now() + TICK);
        let look = match (left, self.looks) {
            (Left::Unread, _) => Some(now()),
            (Left::Nothing, Looks::AtOnce) => None,
            (Left::Nothing, Looks::InTurn) => Some(now() + LOOK_EVERY),
        };
        let due = soonest(soonest(self.shard.deadline(), retry), soonest(self.bind_again, look));
        self.timer.set(soonest(due, soonest(self.resume_at, self.sockets.deadline())))
    }

    fn publish(&mut self) {
        let (leftovers, counters) = (self.shard.leftovers(), self.shard.counters());
        self.report = ShardReport {
            ticks: counters.ticks,
            ticks_skipped: counters.ticks_skipped,
            stray: counters.stray_packets,
            conferences_failed: counters.conferences_failed,
            conferences: wide(leftovers.conferences),
            legs: wide(leftovers.ports),
            sockets: wide(self.sockets.count()),
            resting: wide(self.sockets.resting()),
            bind_failures: self.sockets.bind_failures(),
            lateness_us: counters.lateness_us,
            ..self.report
        };
        self.shared.stats.publish(&self.report);
    }
}

/// Sends a tick's packets at once.
struct Outbox<'a> {
    sockets: &'a Sockets,
    report: &'a mut ShardReport,
}

impl Sink for Outbox<'_> {
    fn send(&mut self, lent: u32, channel: Channel, to: SocketAddr, bytes: &[u8]) {
        let socket = self.sockets.socket(lent, channel);
        let sent = socket.map(|socket: &UdpSocket| socket.send_to(bytes, to));
        match sent {
            Some(Ok(_)) => self.report.sent += 1,
            // A full buffer too: media that waits is worth nothing.
            Some(Err(_)) | None => self.report.send_errors += 1,
        }
    }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Sockets that are bound and lent before anybody needs them: more legs than join between two looks of
/// the thread at its commands. When none is left, the node refuses.
pub(crate) const LEND_AHEAD: usize = 128;

/// Of these there are so many as long as any port may be taken out of its rest for it.
const LEND_LEAST: usize = 16;

/// Ports tried for one lending while legs are served: some 100 us. When all of these are taken by
/// others, the next ones are tried when the next socket is missing, or after [`BIND_AGAIN`].
const BIND_TRIES_MAX: usize = 16;

/// How soon ports are tried again while nobody can be let in for want of one: as long as a caller who
/// is refused is told to wait, about; and a shard that will never have more hardly wakes.
const BIND_AGAIN: Duration = Duration::from_secs(1);

/// Tokens above every [`mix::message::LentPort::id`].
const TOKEN_WAKE: u64 = u64::MAX;
const TOKEN_TIMER: u64 = u64::MAX - 1;
const TOKEN_MEDIA: u64 = u64::MAX - 2;

/// With so many legs a packet comes in every millisecond, near enough.
const LEGS_AT_ONCE_MAX: usize = 32;

/// How often packets are looked for while there are many legs. Their arrival is the kernel's to tell.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Sockets told of in one pass; the others come with the next.
const READY_MAX: usize = 256;

/// Passes over the sockets in one wake-up: as many datagrams of one leg, and some 100 us of a flood. What is left comes a tick
/// later, or is lost in the kernel.
const PASSES_MAX: usize = 64;

/// Passes that a tick waits for: a leg that sends a packet each 20 ms has no more than two waiting where ticks are made good.
const PASSES_BEFORE_TICK: usize = 3;

/// Commands done between two looks at the clock.
const COMMANDS_PER_PASS_MAX: usize = 64;

/// No RTP that we take is so long; what is cut off here is dropped as malformed.
const DATAGRAM_BYTES_MAX: usize = 2_048;
