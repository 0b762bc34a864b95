//! The loop between sockets, clock and machine.

use std::future::{pending, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::task::Poll;
use std::time::Duration;

use sip::{Arrival, Packet, Target};
use socket2::SockRef;
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant as SystemInstant;
use transport::{Clock, Happening, Resolver, Wires, at, told, unix_micros};
use ua::{Channel, MediaNotice, ResolveId};
use units::soonest;

use crate::agent::{Agent, Output};
use crate::bind::{MediaSockets, Sockets};
use crate::sound::{Levels, Sound, SoundReport};
use crate::wav::WavError;

/// Events that wait for their reader. A conference of ten makes about fifty, with every SIP message
/// some three hundred; what does not fit is counted and lost.
pub(crate) const EVENTS_MAX: usize = 4_096;

/// How long a terminal that was told to stop waits for answers to its BYEs. On a network that works
/// they take a round trip; the process promises to be gone within 5 s.
const STOP_GRACE: Duration = Duration::from_secs(4);

/// Beyond this lateness the frames between are not made up for: the machine was asleep, and a burst
/// would only fill the peer's jitter buffer.
const TICK_LATE_MAX: Duration = Duration::from_millis(200);

/// The time of one frame.
const TICK: Duration = Duration::from_millis(10);

/// The largest datagram there is.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// Something happened at a terminal.
#[derive(Clone, Debug)]
pub enum Event<N> {
    /// The user agent has news.
    News(N),
    /// A SIP message was sent or received; only if asked for.
    Message {
        /// Whether we sent it.
        sent: bool,
        /// Wall clock, microseconds since 1970.
        unix_micros: u64,
        /// The message and its path.
        packet: Packet,
    },
    /// How loud it is, four times a second; only if asked for.
    Levels(Levels),
    /// The recording could not be written any more; the calls go on.
    RecordingStopped(WavError),
}

/// Events that not everybody wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) messages: bool,
    pub(crate) levels: bool,
}

/// What is known when all is over.
#[derive(Debug, Default)]
pub(crate) struct DriverReport {
    pub(crate) sound: SoundReport,
    pub(crate) events_lost: u64,
    pub(crate) ticks_skipped: u64,
    pub(crate) send_errors: u64,
    pub(crate) gave_up_waiting: bool,
}

/// What the loop was woken by.
enum Wake<C> {
    Stop,
    /// What a person wants.
    Command(C),
    /// Told to stop, and the answers to our BYEs do not come.
    GraceOver,
    Tick,
    Deadline,
    Resolved(ResolveId, Vec<Target>),
    /// A SIP socket has something.
    Wire(Happening),
    /// A media socket has something.
    Received {
        socket: (usize, Channel),
        from: SocketAddr,
        length: usize,
    },
    /// A media socket reported that an earlier packet met nobody; nothing was received.
    Nothing,
}

/// The loop's belongings; it runs in a thread of its own.
pub(crate) struct Driver<A: Agent> {
    clock: Clock,
    agent: A,
    wires: Wires,
    lines: Lines,
    sound: Sound,
    next_tick: SystemInstant,
    events: mpsc::Sender<Event<A::News>>,
    /// `None`: there will be no more.
    commands: Option<mpsc::Receiver<A::Command>>,
    resolver: Resolver,
    messages: bool,
    levels: bool,
    report: DriverReport,
    is_over: bool,
}

impl<A: Agent> Driver<A> {
    /// Must be called inside a tokio runtime, which from now on owns the sockets.
    pub(crate) fn new(
        clock: Clock,
        agent: A,
        sockets: Sockets,
        (sound, resolver): (Sound, Resolver),
        wanted: Wanted,
        commands: Option<mpsc::Receiver<A::Command>>,
    ) -> io::Result<(Self, mpsc::Receiver<Event<A::News>>)> {
        let (events, receiver) = mpsc::channel(EVENTS_MAX);
        let driver = Self {
            clock,
            agent,
            wires: Wires::new([sockets.sip])?,
            lines: Lines::new(sockets.media)?,
            sound,
            next_tick: SystemInstant::now(),
            events,
            commands,
            resolver,
            messages: wanted.messages,
            levels: wanted.levels,
            report: DriverReport::default(),
            is_over: false,
        };
        Ok((driver, receiver))
    }

    /// Runs until the machine has finished; a message on `stop`, or its end, makes it finish.
    pub(crate) async fn run(mut self, stop: oneshot::Receiver<()>) -> DriverReport {
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        let mut media = vec![0; DATAGRAM_BYTES_MAX];
        let mut stop = Some(stop);
        let mut give_up = None;
        self.drain();
        while !self.is_over {
            let wake = self.wait(&mut media, &mut stop, give_up).await;
            let now = self.clock.now();
            match wake {
                Wake::Stop => {
                    stop = None;
                    give_up = Some(SystemInstant::now() + STOP_GRACE);
                    self.agent.stop(now);
                }
                Wake::GraceOver => {
                    self.report.gave_up_waiting = true;
                    break;
                }
                Wake::Command(command) => self.agent.command(now, command),
                Wake::Tick => self.tick(),
                Wake::Deadline => {
                    self.wires.handle_deadline(now);
                    self.agent.handle_deadline(now);
                }
                Wake::Resolved(id, targets) => self.agent.resolved(now, id, &targets),
                Wake::Wire(happening) => self.wires.handle(now, happening, &mut buffer),
                Wake::Received { socket, from, length } => {
                    self.sound.handle_packet(now, socket, from, &media[..length]);
                }
                Wake::Nothing => {}
            }
            self.drain();
        }
        let send_errors = self.lines.send_errors + self.wires.counters().send_errors;
        let (sound, closed) = self.sound.finish();
        if let Err(error) = closed {
            tell(&self.events, &mut self.report, Event::RecordingStopped(error));
        }
        DriverReport { sound, send_errors, ..self.report }
    }

    async fn wait(
        &mut self,
        media: &mut [u8],
        stop: &mut Option<oneshot::Receiver<()>>,
        give_up: Option<SystemInstant>,
    ) -> Wake<A::Command> {
        let tick = self.sound.is_on().then_some(self.next_tick);
        let deadline =
            soonest(self.agent.deadline(), self.wires.deadline()).map(|at| self.clock.system(at));
        // In this order, so that no flood of packets makes a frame late. What comes before the
        // sockets comes at most some hundred times a second.
        tokio::select! {
            biased;
            () = told(stop) => Wake::Stop,
            () = at(tick) => Wake::Tick,
            () = at(deadline) => Wake::Deadline,
            () = at(give_up) => Wake::GraceOver,
            (id, found) = self.resolver.next() => Wake::Resolved(ResolveId(id), found),
            command = next_command(&mut self.commands) => Wake::Command(command),
            wake = self.lines.receive(media) => wake,
            happening = self.wires.next() => Wake::Wire(happening),
        }
    }

    /// Does all that the machine wants done, and tells it all that the sockets have to tell, until
    /// neither has anything left.
    fn drain(&mut self) {
        loop {
            self.drain_agent();
            let now = self.clock.now();
            let Some((_, arrival)) = self.wires.poll_arrival(now) else { return };
            if let Arrival::Packet(packet) = &arrival {
                self.show(false, packet);
            }
            self.agent.handle_arrival(now, arrival);
        }
    }

    fn drain_agent(&mut self) {
        while let Some(output) = self.agent.poll_output() {
            match output {
                Output::Send(packet) => {
                    self.show(true, &packet);
                    self.wires.send(self.clock.now(), packet);
                }
                Output::Resolve { id, wanted } => self.resolver.ask(id.0, wanted),
                Output::Media(notice) => self.media(&notice),
                Output::News(news) => {
                    self.is_over |= A::is_last(&news);
                    tell(&self.events, &mut self.report, Event::News(news));
                }
            }
        }
    }

    fn media(&mut self, notice: &MediaNotice) {
        if !self.sound.is_on() {
            self.next_tick = SystemInstant::now();
        }
        let lines = &mut self.lines;
        self.sound.notice(self.clock.now(), notice, &mut |socket, to, bytes| {
            lines.send(socket, to, bytes);
        });
    }

    fn tick(&mut self) {
        let late = self.next_tick.elapsed();
        if late > TICK_LATE_MAX {
            self.report.ticks_skipped += u64::try_from(late.as_millis() / 10).unwrap_or(u64::MAX);
            self.next_tick += late;
        }
        self.next_tick += TICK;
        let lines = &mut self.lines;
        let send = &mut |socket: (usize, Channel), to: SocketAddr, bytes: &[u8]| {
            lines.send(socket, to, bytes);
        };
        if let Err(error) = self.sound.tick(self.clock.now(), send) {
            tell(&self.events, &mut self.report, Event::RecordingStopped(error));
        }
        if self.levels
            && let Some(levels) = self.sound.levels()
        {
            tell(&self.events, &mut self.report, Event::Levels(levels));
        }
        for slot in self.sound.fallen_silent() {
            self.agent.media_silent(self.clock.now(), slot);
        }
    }

    fn show(&mut self, sent: bool, packet: &Packet) {
        if self.messages {
            let unix_micros = unix_micros();
            let event = Event::Message { sent, unix_micros, packet: packet.clone() };
            tell(&self.events, &mut self.report, event);
        }
    }
}

fn tell<N>(events: &mpsc::Sender<Event<N>>, report: &mut DriverReport, event: Event<N>) {
    match events.try_send(event) {
        Ok(()) | Err(TrySendError::Closed(_)) => {}
        Err(TrySendError::Full(_)) => report.events_lost += 1,
    }
}

/// The next thing that a person wants; never, once nobody can want anything any more.
async fn next_command<C>(commands: &mut Option<mpsc::Receiver<C>>) -> C {
    if let Some(receiver) = commands {
        if let Some(command) = receiver.recv().await {
            return command;
        }
        *commands = None;
    }
    pending().await
}

/// The sockets for media.
struct Lines {
    /// Two for each call: that of RTP, that of RTCP.
    sockets: Vec<UdpSocket>,
    /// Which socket is asked first, so that a busy one cannot hide another.
    first: usize,
    send_errors: u64,
}

impl Lines {
    fn new(pairs: Vec<MediaSockets>) -> io::Result<Self> {
        let sockets = pairs.into_iter().flat_map(|pair| [pair.rtp, pair.rtcp]);
        let sockets = sockets.map(UdpSocket::from_std).collect::<io::Result<Vec<_>>>()?;
        Ok(Self { sockets, first: 0, send_errors: 0 })
    }

    async fn receive<C>(&mut self, buffer: &mut [u8]) -> Wake<C> {
        let count = self.sockets.len();
        self.first = (self.first + 1) % count.max(1);
        poll_fn(|context| {
            for socket in (self.first..self.first + count).map(|index| index % count) {
                let mut read = ReadBuf::new(buffer);
                match self.sockets[socket].poll_recv_from(context, &mut read) {
                    Poll::Ready(Ok(from)) => {
                        let length = read.filled().len();
                        let channel = if socket % 2 == 0 { Channel::Rtp } else { Channel::Rtcp };
                        let socket = (socket / 2, channel);
                        return Poll::Ready(Wake::Received { socket, from, length });
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(Wake::Nothing),
                    Poll::Pending => {}
                }
            }
            Poll::Pending
        })
        .await
    }

    /// A packet that the system does not take is lost like any other: RTP conceals.
    fn send(&mut self, (pair, channel): (usize, Channel), to: SocketAddr, bytes: &[u8]) {
        let socket = 2 * pair + usize::from(channel == Channel::Rtcp);
        // Past tokio: it would not send before it has seen the socket ready, and our first packet
        // leaves before it has looked.
        let socket = SockRef::from(&self.sockets[socket]);
        if socket.send_to(bytes, &to.into()).is_err() {
            self.send_errors += 1;
        }
    }
}
