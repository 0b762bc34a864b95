//! From a configuration to a running server.

use std::net::SocketAddr;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::Duration;

use focus::EndPolicy;
use focus::factory::FactoryConfig;
use node::{AuthConfig, Keys, Node, NodeConfig, NodeError, Settings};
use pool::PoolConfig;
use sip::Host;
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use transport::{Clock, Resolver, unix_time};
use units::{Instant, Rng};

use crate::admin::{self, Access};
use crate::auth;
use crate::bind::{self, BindError, SipSocket};
use crate::calibration::Calibration;
use crate::config::{AdminConfig, Config, End, Factory};
use crate::events::{Events, events};
use crate::keeping::Keeping;
use crate::mixers::{self, Mixers};
use crate::records::{RecordsTo, Writer};
use crate::reload::{self, Changed, Named, NewSettings};
use crate::room::{self, Measured};
use crate::run::{Event, Loop, Order, Report};
use crate::state::{self, StateError};
use crate::store::{Store, StoreError};
use crate::tokens::{TokenFile, TokensError};
use crate::users::{UsersError, is_readable_by_others};
use crate::webhooks::{Hook, HookError, Webhooks};

/// How long the mixers may take to bind their first ports: milliseconds, on a machine that is alive.
const PORTS_WITHIN: Duration = Duration::from_secs(10);

/// Orders that wait for the loop: each is a signal that somebody sends by hand.
const ORDERS_MAX: usize = 8;

/// The number of the only node there is.
const NODE: u16 = 1;

/// Starts servers.
#[derive(Debug)]
pub struct Server {}

/// A running server, which is a thread of its own beside the mixers' threads. Dropping the handle
/// ends every call and then the server.
#[derive(Debug)]
pub struct Running {
    factories: Vec<String>,
    sip: Vec<SocketAddr>,
    admin: SocketAddr,
    capacity: u32,
    measured: Measured,
    /// What counts now.
    config: Config,
    /// What stands in the files that it names.
    named: Named,
    /// Who may do what over HTTP.
    access: Access,
    /// The hosts that are ours without anybody naming them.
    own: Vec<Host>,
    events: Events,
    orders: Option<mpsc::Sender<Order>>,
    thread: Option<JoinHandle<Report>>,
}

/// Why a server did not start. Nothing is left running or bound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum StartError {
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Users(#[from] UsersError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Tokens(#[from] TokensError),
    #[error(transparent)]
    Webhook(#[from] HookError),
    #[error("media: {0}; choose others with --media-ip and --rtp-ports")]
    Media(media::StartError),
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error("media: the ports were not bound in time; is the machine overloaded?")]
    NoMediaPorts,
    #[error(
        "capacity = {capacity} needs {needed} open files, and the system allows {allowed}: raise the limit \
         (ulimit -n {needed}, LimitNOFILE={needed} in a systemd unit), or lower [pool] capacity"
    )]
    Files { capacity: u32, needed: u64, allowed: u64 },
    #[error("records cannot be written to {path}: {kind}; choose another file with --records")]
    Records { path: String, kind: std::io::ErrorKind },
    #[error("the system gives no {what}: {kind}")]
    System { what: &'static str, kind: std::io::ErrorKind },
}

/// Why a new configuration does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum ReloadError {
    #[error(transparent)]
    Users(#[from] UsersError),
    #[error(transparent)]
    Webhook(#[from] HookError),
    #[error(transparent)]
    Tokens(#[from] TokensError),
    #[error("the server is ending, or has too many orders at once")]
    Ending,
    #[error("the system gives no randomness")]
    NoRandomness,
}

impl Server {
    /// Binds everything, then starts. With `messages` every SIP message becomes an event too.
    ///
    /// # Errors
    /// An address that cannot be bound, in one line that says what to do.
    pub fn start(config: &Config, messages: bool) -> Result<Running, StartError> {
        let records = config.records.as_ref().map(start_records).transpose()?;
        let mut rng = system_rng()?;
        let auth = config.auth.as_ref().map(|auth| auth::load(auth, &mut rng)).transpose()?;
        let keys = keys(config, &mut rng)?;
        let sockets = bind::all_sip(config)?;
        let access = access(&config.admin)?;
        let (listener, admin) = bind::admin(config.admin.bind)?;
        let calibration = Calibration::of(config.state_dir.as_deref());
        let pool = room::pool_config(config, calibration.as_ref().ok());
        let capacity = pool.seats().0;
        mixers::check_files(config, capacity, media::raise_file_limit())?;
        let measured = Measured::of(config, &calibration);
        let clock = Clock::start();
        let identity = keys.identity;
        let node_config = node_config(config, &sockets, pool, keys);
        let node = Node::new(node_config, clock.now(), unix_time(), rng.fork())?;
        let (node, keeping) = furnished(config, node, auth, (clock.now(), &identity))?;
        let webhooks = webhooks(config, clock, &mut rng)?;
        let factories = factory_uris(config, &sockets);
        let own = own_hosts(&sockets);
        let sip = sockets.iter().map(|socket| socket.local).collect();
        let (mixers, from_shards) =
            Mixers::start(config, rng.bytes()).map_err(StartError::Media)?;

        let failed =
            |what| move |error: std::io::Error| StartError::System { what, kind: error.kind() };
        let runtime =
            Builder::new_current_thread().enable_all().build().map_err(failed("event loop"))?;
        let (events, event_receiver) = events();
        let (asked, asked_receiver) = mpsc::channel(admin::ASKED_MAX);
        let (orders, order_receiver) = mpsc::channel(ORDERS_MAX);
        let (ready, is_ready) = sync_channel(1);
        let inside = runtime.enter();
        let resolver = Resolver::new(&config.dns, rng.fork());
        let http =
            admin::serve(listener, asked, access.clone()).map_err(failed("HTTP listener"))?;
        let work =
            Loop::new(clock, node, mixers, (sockets, resolver), config.access.clone(), events)
                .map_err(failed("sockets"))?
                .with_http(http)
                .with_factories(factories.clone())
                .with_records(records)
                .with_keeping(keeping)
                .with_webhooks(webhooks)
                .with_messages(messages);
        drop(inside);
        let thread = std::thread::Builder::new()
            .name("signalling".to_owned())
            .spawn(move || {
                let report =
                    runtime.block_on(work.run(from_shards, asked_receiver, ready, order_receiver));
                runtime.shutdown_background();
                report
            })
            .map_err(failed("thread"))?;
        let running = Running {
            factories,
            sip,
            admin,
            capacity,
            measured,
            config: config.clone(),
            named: Named::read(config),
            access,
            own,
            events: event_receiver,
            orders: Some(orders),
            thread: Some(thread),
        };
        // From here on, dropping it ends what was started.
        is_ready.recv_timeout(PORTS_WITHIN).map_err(|_| StartError::NoMediaPorts)?;
        Ok(running)
    }
}

impl Running {
    /// The addresses that make conferences, as in `sip:conference@127.0.0.1:5060`; the first is the
    /// one to tell people.
    pub fn factories(&self) -> &[String] {
        &self.factories
    }

    /// The sockets that speak SIP.
    pub fn sip(&self) -> &[SocketAddr] {
        &self.sip
    }

    /// Where the HTTP interface listens.
    pub const fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Seats of the pool.
    pub const fn capacity(&self) -> u32 {
        self.capacity
    }

    /// How that is known.
    pub const fn measured(&self) -> Measured {
        self.measured
    }

    /// What happened next; `None` when the server has ended.
    pub async fn next_event(&mut self) -> Option<Event> {
        self.events.next().await
    }

    /// Whether [`Self::next_event`] would not wait.
    pub fn has_event(&self) -> bool {
        self.events.has_more()
    }

    /// Says BYE to every leg, then ends. Events go on until then, 4 s at most.
    pub fn stop(&mut self) {
        // Its end is the order to stop.
        self.orders = None;
    }

    /// Goes by another configuration from now on, as far as that can be without a restart. Users, tokens and secrets are read
    /// anew, also if nothing else has changed.
    ///
    /// # Errors
    /// [`ReloadError`]: what counted before counts.
    pub fn reload(&mut self, config: Config) -> Result<Changed, ReloadError> {
        let mut changed = Changed::between(&self.config, &config);
        let config = reload::merged(&self.config, config);
        let named = Named::read(&config);
        changed.note(self.named.changed(&named));
        let tokens = config.admin.tokens.as_deref().map(TokenFile::read).transpose()?;
        let mut rng = system_rng().map_err(|_| ReloadError::NoRandomness)?;
        let auth = config.auth.as_ref().map(|auth| auth::load(auth, &mut rng)).transpose()?;
        let factories =
            config.factories.iter().map(|factory| factory_config(factory, &self.own)).collect();
        let (dial_out, limits) = (config.dial_out.clone(), config.limits);
        let overload = config.overload;
        let settings = Settings { factories, auth, dial_out, limits, overload };
        let access = config.access.clone();
        // Where there is no state folder there is no spool, so none is configured.
        let webhooks = Hook::load_all(&config.webhooks)?;
        self.order(Order::Reload(Box::new(NewSettings { settings, access, webhooks })))?;
        if let Some(tokens) = tokens.filter(|_| self.named.tokens() != named.tokens()) {
            self.access.reload(tokens);
        }
        (self.config, self.named) = (config, named);
        Ok(changed)
    }

    /// Another configuration was read, and had an error: what counted before counts, and that is counted.
    pub fn reload_refused(&mut self) {
        // If nobody listens there is nobody who counts.
        let _ = self.order(Order::ReloadRefused);
    }

    fn order(&self, order: Order) -> Result<(), ReloadError> {
        let orders = self.orders.as_ref().ok_or(ReloadError::Ending)?;
        orders.try_send(order).map_err(|_| ReloadError::Ending)
    }

    /// Takes no new conference from now on, and ends with the last one, or `within` later.
    pub fn drain(&mut self, within: Duration) {
        // If nobody listens any more it has stopped already.
        let _ = self.order(Order::DrainAndStop(within));
    }

    /// Ends what is left, waits for it, and says how it was. `None`: the server panicked.
    pub fn finish(mut self) -> Option<Report> {
        self.stop();
        self.thread.take().and_then(|thread| thread.join().ok())
    }
}

impl Drop for Running {
    /// The thread sees that the handle is gone and ends; this waits for it.
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Those of the state folder; without one they are new each time.
fn keys(config: &Config, rng: &mut Rng) -> Result<Keys, StateError> {
    match &config.state_dir {
        Some(folder) => state::keys(folder, rng),
        None => Ok(state::new_keys(rng)),
    }
}

/// The node with all that the configuration says, and with what was kept of its last life.
fn furnished(
    config: &Config,
    node: Node,
    auth: Option<AuthConfig>,
    (now, identity): (Instant, &[u8; 32]),
) -> Result<(Node, Keeping), StartError> {
    let node = node
        .with_nat(config.nat)
        .with_dial_out(config.dial_out.clone())
        .with_limits(config.limits)
        .with_overload(config.overload)
        .with_tenants(room::tenant_rules(config));
    let (node, keeping) = match &config.state_dir {
        Some(folder) => {
            let (store, (kept, keys), answers) = Store::open(folder, identity)?;
            (node.with_store(now, kept).with_keys(now, keys), Keeping::new(store, answers))
        }
        None => (node, Keeping::default()),
    };
    let node = match auth {
        Some(auth) => node.with_auth(auth),
        None => node,
    };
    let node = if config.lab_registrar { node.with_lab_registrar() } else { node };
    Ok((node, keeping))
}

/// Whoever is told by HTTP what happens.
fn webhooks(config: &Config, clock: Clock, rng: &mut Rng) -> Result<Webhooks, StartError> {
    let hooks = Hook::load_all(&config.webhooks)?;
    match &config.state_dir {
        Some(folder) => Ok(Webhooks::start(folder, hooks, clock, rng)?),
        None => Ok(Webhooks::default()),
    }
}

pub(crate) fn node_config(
    config: &Config,
    sockets: &[SipSocket],
    pool: PoolConfig,
    keys: Keys,
) -> NodeConfig {
    let own = own_hosts(sockets);
    NodeConfig {
        node: NODE,
        listens: sockets
            .iter()
            .map(|socket| node::SipListen {
                bind: socket.local,
                advertise: socket.advertise.clone(),
            })
            .collect(),
        media_advertise: mixers::advertised(config),
        factories: config.factories.iter().map(|factory| factory_config(factory, &own)).collect(),
        pool,
        keys,
    }
}

fn factory_config(factory: &Factory, own: &[Host]) -> FactoryConfig {
    let mut hosts = own.to_vec();
    factory.hosts.iter().for_each(|host| add_host(&mut hosts, host.clone()));
    FactoryConfig {
        users: factory.users.clone(),
        hosts: hosts.iter().map(ToString::to_string).collect(),
        answer: factory.answer.form(),
        answer_rules: factory.answer_rules.clone(),
        hold: factory.hold,
        expect: factory.expect,
        end: match factory.end {
            End::LastLeaves => EndPolicy::LastLeaves,
            End::CreatorLeaves => EndPolicy::CreatorLeaves,
        },
        legs_max: factory.max,
        max_time: factory.max_time,
        entry: factory.entry,
    }
}

/// The hosts under which we can be called without anybody naming them: what we tell others first,
/// then what we are bound to.
fn own_hosts(sockets: &[SipSocket]) -> Vec<Host> {
    let mut hosts = Vec::new();
    for socket in sockets {
        add_host(&mut hosts, socket.advertise.0.clone());
    }
    for ip in sockets.iter().map(|socket| socket.local.ip()) {
        if !ip.is_unspecified() {
            add_host(&mut hosts, Host::from(ip));
        }
        if ip.is_loopback()
            && let Ok(host) = "localhost".parse()
        {
            add_host(&mut hosts, host);
        }
    }
    hosts
}

fn add_host(hosts: &mut Vec<Host>, host: Host) {
    if !hosts.iter().any(|known| known.equivalent(&host)) {
        hosts.push(host);
    }
}

/// One URI for each factory: its first user at the first listener's advertised address.
fn factory_uris(config: &Config, sockets: &[SipSocket]) -> Vec<String> {
    let Some((host, port)) = sockets.first().map(|socket| &socket.advertise) else {
        return Vec::new();
    };
    config
        .factories
        .iter()
        .filter_map(|factory| factory.users.first())
        .map(|user| format!("sip:{user}@{host}:{port}"))
        .collect()
}

/// Who may do what over HTTP.
fn access(admin: &AdminConfig) -> Result<Access, StartError> {
    let tokens = admin.tokens.as_deref().map(TokenFile::read).transpose()?;
    if let Some(path) = admin.tokens.as_deref().filter(|path| is_readable_by_others(path)) {
        let path = path.display();
        tracing::warn!("{path} may be read by others on this machine: chmod 600 {path}");
    }
    let is_loopback = admin.bind.ip().is_loopback();
    Ok(Access::new(tokens.unwrap_or_default(), admin.is_open, is_loopback))
}

fn start_records(to: &RecordsTo) -> Result<Writer, StartError> {
    Writer::start(to).map_err(|error| StartError::Records { path: to.name(), kind: error.kind() })
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
    use super::*;
    use crate::config::{Advertise, SipListen};

    fn socket(advertise: &str) -> SipSocket {
        let bind = SocketAddr::from(([127, 0, 0, 1], 0));
        let advertise: Advertise = advertise.parse().expect("a host");
        bind::sip(&SipListen { bind, advertise }, 0).expect("bound")
    }

    #[test]
    fn a_factory_answers_to_advertised_bound_and_configured_hosts_each_once() {
        let own = own_hosts(&[socket("mix.example.com:5060"), socket("127.0.0.1")]);
        let host = |text: &str| text.parse::<Host>().expect("a host");
        assert_eq!(own, ["mix.example.com", "127.0.0.1", "localhost"].map(host));
        let hosts = vec![host("example.com"), host("MIX.example.com")];
        let factory = factory_config(&Factory { hosts, ..Factory::default() }, &own);
        assert_eq!(factory.hosts, ["mix.example.com", "127.0.0.1", "localhost", "example.com"]);
    }

    /// A shard's thread that ends takes its end of the channel with it, and nobody may be about to
    /// give it a command.
    #[test]
    fn a_server_whose_mixers_have_died_ends_by_itself() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let flags = crate::config::Flags { sip: Some(any), ..Default::default() };
        let config = Config::from_flags(&flags).expect("good");
        let sockets = vec![socket("127.0.0.1")];
        let mut rng = Rng::from_seed([1; 32]);
        let clock = Clock::start();
        let pool = PoolConfig::new(pool::Seats(4));
        let node_config = node_config(&config, &sockets, pool, state::new_keys(&mut rng));
        let node = Node::new(node_config, clock.now(), unix_time(), rng.fork()).expect("a node");
        let (mixers, mut from_shards) = Mixers::start(&config, rng.bytes()).expect("mixers");
        from_shards.close();
        let (_asked, asked_receiver) = mpsc::channel(1);
        let (_orders, order_receiver) = mpsc::channel(1);
        let (ready, _is_ready) = sync_channel(1);
        let (events, mut event_receiver) = events();
        let runtime = Builder::new_current_thread().enable_all().build().expect("an event loop");
        let report = runtime.block_on(async {
            let resolver = Resolver::new(&[], rng.fork());
            let work = Loop::new(clock, node, mixers, (sockets, resolver), config.access, events);
            let ended =
                work.expect("sockets").run(from_shards, asked_receiver, ready, order_receiver);
            tokio::time::timeout(PORTS_WITHIN, ended).await.expect("it ends")
        });
        assert_eq!(report.end, crate::run::EndCause::MixersDied);
        assert!(matches!(runtime.block_on(event_receiver.next()), Some(Event::MixersDied)));
    }

    #[test]
    fn the_printed_factory_can_be_called_as_it_is_printed() {
        let config = Config::from_flags(&crate::config::Flags::default()).expect("defaults");
        let uris = factory_uris(&config, &[socket("mix.example.com:5070")]);
        assert_eq!(uris, ["sip:conference@mix.example.com:5070"]);
    }
}
