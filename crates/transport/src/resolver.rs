//! Where names lead, asked without making the loop wait.

use std::collections::VecDeque;
use std::future::pending;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use sip::{Found, Locator, Question, Service, Target, Wanted};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use units::Rng;

/// Names that are looked for at once. One more gets no answer but "nowhere": whoever wants so many does not wait for a few.
const LOOKUPS_MAX: usize = 64;

/// How long the answer to one question may take. A name is two questions deep, three where it has no services: a caller
/// hears within 6 s that a name leads nowhere, whatever name servers do.
const QUESTION_MAX: Duration = Duration::from_secs(2);

/// How long one name server may take, before another or the same is asked again.
const SERVER_MAX: Duration = Duration::from_millis(800);

/// Answers that are kept, each as long as it says itself that it may be.
const CACHE_MAX: u64 = 512;

/// How long it is believed at most that there is no such name.
const NEGATIVE_MAX: Duration = Duration::from_secs(60);

/// Finds where names lead, each under its owner's number.
///
/// [`sip::Locator`] decides what is asked and what follows from it; this asks. What is asked twice is answered from memory as
/// long as the answer says. The number and source port of a question are drawn, and an answer to another question
/// is none.
#[derive(Debug)]
pub struct Resolver {
    /// `None`: the system has no name servers.
    servers: Option<TokioResolver>,
    rng: Rng,
    answers: mpsc::Receiver<(u64, Vec<Target>)>,
    asking: mpsc::Sender<(u64, Vec<Target>)>,
    /// Those that were too many. Bounded by what its owner has waiting.
    refused: VecDeque<u64>,
}

impl Resolver {
    /// Asks these name servers, or those of the system if there are none. `rng` draws among services of one priority.
    ///
    /// Must be called inside a tokio runtime.
    pub fn new(servers: &[SocketAddr], rng: Rng) -> Self {
        let (asking, answers) = mpsc::channel(LOOKUPS_MAX);
        let refused = VecDeque::new();
        Self { servers: resolver(servers), rng, answers, asking, refused }
    }

    /// Begins to look. The answer comes through [`Self::next`], always.
    pub fn ask(&mut self, id: u64, wanted: Wanted) {
        let permit = self.asking.clone().try_reserve_owned();
        let (Ok(permit), Some(servers)) = (permit, &self.servers) else {
            return self.refused.push_back(id);
        };
        let (servers, locator) = (servers.clone(), Locator::new(wanted, self.rng.fork()));
        tokio::spawn(async move { permit.send((id, locate(&servers, locator).await)) });
    }

    /// The next answer: the places that were found, the first to be tried first. May be dropped at any time.
    pub async fn next(&mut self) -> (u64, Vec<Target>) {
        if let Some(id) = self.refused.pop_front() {
            return (id, Vec::new());
        }
        match self.answers.recv().await {
            Some(found) => found,
            // Not reached: we hold a sender ourselves.
            None => pending().await,
        }
    }
}

/// Asks all that can be asked at once, then what follows from it.
async fn locate(servers: &TokioResolver, mut locator: Locator) -> Vec<Target> {
    loop {
        let mut asked = JoinSet::new();
        while let Some(question) = locator.poll_question() {
            let servers = servers.clone();
            asked.spawn(async move {
                let found = timeout(QUESTION_MAX, answer(&servers, &question)).await;
                (question, found.unwrap_or(Found::Nothing))
            });
        }
        if asked.is_empty() {
            return locator.into_targets();
        }
        for (question, found) in asked.join_all().await {
            locator.handle_found(&question, found);
        }
    }
}

/// Whatever goes wrong, nothing was found.
async fn answer(servers: &TokioResolver, question: &Question) -> Found {
    match question {
        // With the dot at its end a name is looked for as it is, in no other domain.
        Question::Services(name) => match servers.srv_lookup(format!("{name}.")).await {
            Ok(found) => Found::Services(
                found.answers().iter().filter_map(|record| service(&record.data)).collect(),
            ),
            Err(_) => Found::Nothing,
        },
        Question::Addresses(host) => match servers.lookup_ip(host.as_str()).await {
            Ok(found) => Found::Addresses(found.iter().collect::<Vec<IpAddr>>()),
            Err(_) => Found::Nothing,
        },
    }
}

fn service(data: &RData) -> Option<Service> {
    match data {
        RData::SRV(srv) => Some(Service {
            priority: srv.priority,
            weight: srv.weight,
            port: srv.port,
            host: srv.target.to_ascii(),
        }),
        _ => None, // an alias on the way
    }
}

fn resolver(servers: &[SocketAddr]) -> Option<TokioResolver> {
    let mut builder = if servers.is_empty() {
        TokioResolver::builder_tokio().ok()?
    } else {
        let servers = servers.iter().map(|server| {
            let on_port = |mut connection: ConnectionConfig| {
                connection.port = server.port();
                connection
            };
            let connections =
                vec![on_port(ConnectionConfig::udp()), on_port(ConnectionConfig::tcp())];
            NameServerConfig::new(server.ip(), true, connections)
        });
        let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    limit(builder.options_mut());
    builder.build().ok()
}

fn limit(options: &mut ResolverOpts) {
    options.timeout = SERVER_MAX;
    options.attempts = 1;
    options.cache_size = CACHE_MAX;
    options.negative_max_ttl = Some(NEGATIVE_MAX);
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, UdpSocket};

    use super::*;

    /// T18: name servers that say nothing hold up nobody: the loop goes on, and who comes when too many wait is told at once.
    #[test]
    fn no_more_than_so_many_names_are_looked_for_at_once() {
        let mute = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let server = mute.local_addr().expect("bound");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("an event loop").block_on(async {
            let mut resolver = Resolver::new(&[server], Rng::from_number(1));
            for id in 0..=64 {
                let host = format!("h{id}.example");
                resolver.ask(id, Wanted { host, port: None, transport: None });
            }
            assert_eq!(resolver.next().await, (64, Vec::new()));
        });
    }
}
