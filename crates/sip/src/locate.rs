//! Where a URI leads (RFC 3263 §4, without NAPTR): what has to be asked, and the order of what is found.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use units::Rng;

use crate::{Host, SipUri, Transport};

/// The most places that one request is sent to, one after the other: each may take 32 s to say nothing. Of more, those
/// that come last in their order are left out.
pub const TARGETS_MAX: usize = 8;

/// RFC 3261 §19.1.2
const SIP_PORT: u16 = 5060;

/// A place that a request can be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// By what.
    pub transport: Transport,
    /// Where.
    pub remote: SocketAddr,
}

/// Where a URI leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextHop {
    /// There.
    At(Target),
    /// Where this leads must be asked for.
    Ask(Wanted),
}

/// What is known of a place that must be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// A host name.
    pub host: String,
    /// The port, if the URI names one.
    pub port: Option<u16>,
    /// The transport, if the URI names one.
    pub transport: Option<Transport>,
}

/// Why a URI leads nowhere from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoWay {
    /// A SIPS URI.
    #[error("TLS is not spoken here")]
    Secure,
    /// Another transport than UDP and TCP.
    #[error("only UDP and TCP are spoken here")]
    Transport,
}

/// Finds the next hop of a request whose first route, or whose target, is this URI (RFC 3261 §8.1.2, RFC 3263 §4.1, §4.2).
///
/// # Errors
/// It asks for what we do not speak.
pub fn next_hop(uri: &SipUri) -> Result<NextHop, NoWay> {
    if uri.secure {
        return Err(NoWay::Secure);
    }
    let transport = match uri.param("transport") {
        None => None,
        Some(named) => Some(named.and_then(Transport::from_uri_param).ok_or(NoWay::Transport)?),
    };
    // RFC 3263 §4: TARGET is the maddr if there is one.
    let maddr = uri.param("maddr").flatten();
    let host = match maddr {
        Some(maddr) => maddr.parse::<Host>().unwrap_or_else(|_| uri.host.clone()),
        None => uri.host.clone(),
    };
    Ok(match host.ip() {
        Some(ip) => NextHop::At(Target {
            // RFC 3263 §4.1: a number means UDP.
            transport: transport.unwrap_or(Transport::Udp),
            remote: SocketAddr::new(ip, uri.port.unwrap_or(SIP_PORT)),
        }),
        None => NextHop::Ask(Wanted { host: host.as_str().to_owned(), port: uri.port, transport }),
    })
}

/// Something to ask the DNS.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// SRV records, as of `_sip._udp.example.com`.
    Services(String),
    /// A and AAAA records.
    Addresses(String),
}

/// What the DNS said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing: there is no such name, or no answer in time.
    Nothing,
    /// To [`Question::Services`].
    Services(Vec<Service>),
    /// To [`Question::Addresses`].
    Addresses(Vec<IpAddr>),
}

/// An SRV record (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The lowest is tried first.
    pub priority: u16,
    /// The part of the requests that this one of its priority is to have first.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host; `.` means that there is no such service.
    pub host: String,
}

/// Where the place that is wanted may be.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    transport: Transport,
    host: String,
    port: u16,
}

/// Finds the places that a request can be sent to.
///
/// # Order
/// [`Self::poll_question`] until `None`; each with its answer to [`Self::handle_found`]; then again, until there is no
/// further question: then [`Self::into_targets`].
#[derive(Debug)]
pub struct Locator {
    wanted: Wanted,
    rng: Rng,
    stage: Stage,
    questions: VecDeque<Question>,
    /// Questions without an answer.
    open: usize,
}

#[derive(Debug)]
enum Stage {
    /// Which transports the host has services for.
    Services(BTreeMap<Transport, Vec<Service>>),
    /// Where those are.
    Addresses { places: Vec<Place>, found: BTreeMap<String, Vec<IpAddr>> },
}

impl Locator {
    /// Begins to look. `rng` decides among services of one priority.
    pub fn new(wanted: Wanted, rng: Rng) -> Self {
        let Wanted { host, port, transport } = &wanted;
        let mut questions = VecDeque::new();
        let stage = match port {
            // RFC 3263 §4.2: with a port there is no SRV. §4.1: then it is UDP, if nothing is said.
            Some(port) => {
                questions.push_back(Question::Addresses(host.clone()));
                let transport = transport.unwrap_or(Transport::Udp);
                let places = vec![Place { transport, host: host.clone(), port: *port }];
                Stage::Addresses { places, found: BTreeMap::new() }
            }
            // RFC 3263 §4.1: without NAPTR, for all that we speak, the ones that we like best first.
            None => {
                let spoken = [Transport::Udp, Transport::Tcp];
                let asked =
                    spoken.into_iter().filter(|it| transport.is_none_or(|only| only == *it));
                questions.extend(asked.map(|it| Question::Services(service_name(it, host))));
                Stage::Services(BTreeMap::new())
            }
        };
        let open = questions.len();
        Self { wanted, rng, stage, questions, open }
    }

    /// What was wanted.
    pub const fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// The next question to ask now.
    pub fn poll_question(&mut self) -> Option<Question> {
        self.questions.pop_front()
    }

    /// Takes the answer to a question.
    pub fn handle_found(&mut self, question: &Question, found: Found) {
        self.open = self.open.saturating_sub(1);
        match (&mut self.stage, question, found) {
            (Stage::Services(services), Question::Services(name), Found::Services(records)) => {
                let transport = [Transport::Udp, Transport::Tcp]
                    .into_iter()
                    .find(|it| service_name(*it, &self.wanted.host) == *name);
                if let Some(transport) = transport.filter(|_| !records.is_empty()) {
                    services.insert(transport, records);
                }
            }
            (Stage::Addresses { found, .. }, Question::Addresses(host), Found::Addresses(ips)) => {
                found.insert(host.clone(), ips);
            }
            // Nothing, or what does not belong together.
            (Stage::Services(_) | Stage::Addresses { .. }, _, _) => {}
        }
        if self.open == 0
            && let Stage::Services(services) = &mut self.stage
        {
            let services = std::mem::take(services);
            self.look_for(services);
        }
    }

    /// The places, the first to be tried first.
    pub fn into_targets(self) -> Vec<Target> {
        let Stage::Addresses { places, found } = self.stage else { return Vec::new() };
        let targets = places.iter().flat_map(|Place { transport, host, port }| {
            let ips = found.get(host).map_or(&[][..], Vec::as_slice);
            let target = |&ip| Target { transport: *transport, remote: SocketAddr::new(ip, *port) };
            ips.iter().map(target)
        });
        targets.take(TARGETS_MAX).collect()
    }

    /// The services are known: on to their addresses, or to those of the host itself (RFC 3263 §4.2).
    fn look_for(&mut self, services: BTreeMap<Transport, Vec<Service>>) {
        let mut places = Vec::new();
        if services.is_empty() {
            let transport = self.wanted.transport.unwrap_or(Transport::Udp);
            places.push(Place { transport, host: self.wanted.host.clone(), port: SIP_PORT });
        }
        for (transport, records) in services {
            for Service { host, port, .. } in in_order(records, &mut self.rng) {
                places.push(Place { transport, host, port });
            }
        }
        places.truncate(TARGETS_MAX);
        let mut hosts: Vec<_> = places.iter().map(|place| place.host.clone()).collect();
        hosts.sort_unstable();
        hosts.dedup();
        self.open = hosts.len();
        self.questions.extend(hosts.into_iter().map(Question::Addresses));
        self.stage = Stage::Addresses { places, found: BTreeMap::new() };
    }
}

/// RFC 3263 §4.1
fn service_name(transport: Transport, host: &str) -> String {
    match transport {
        Transport::Udp => format!("_sip._udp.{host}"),
        Transport::Tcp => format!("_sip._tcp.{host}"),
    }
}

/// RFC 2782: by priority, and within one drawn by weight.
fn in_order(mut records: Vec<Service>, rng: &mut Rng) -> Vec<Service> {
    // "A Target of "." means that the service is decidedly not available at this domain."
    records.retain(|record| !matches!(record.host.as_str(), "." | ""));
    records.sort_by_key(|record| (record.priority, record.weight));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(first) = records.first() {
        let priority = first.priority;
        let same = records.iter().take_while(|record| record.priority == priority).count();
        let total: u64 = records[..same].iter().map(|record| u64::from(record.weight)).sum();
        // Those of weight 0 stand first: they have a small chance.
        let drawn = rng.below(total + 1);
        let mut sum = 0;
        let chosen = records[..same].iter().position(|record| {
            sum += u64::from(record.weight);
            sum >= drawn
        });
        ordered.push(records.remove(chosen.unwrap_or(0)));
    }
    ordered
}

#[cfg(test)]
mod tests;
