//! Where RTP flows: one address, or one of each family.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use sdp::Family;
use toml::Spanned;

use super::check::Origin;
use super::error::{ConfigError, Problem};
use super::{Config, Flags, MediaListen, PortRange, SipListen, file};

/// What decides about each of them, besides what is written.
struct Rules<'a> {
    origin: &'a Origin<'a>,
    ports: Option<PortRange>,
    guarded: bool,
}

/// An address and where it is written; nowhere if it is a default or a flag's.
type Written = (IpAddr, Option<Range<usize>>);

pub(super) fn listens(
    written: Vec<Spanned<file::MediaListen>>,
    origin: &Origin<'_>,
    flags: &Flags,
    sip: &[SipListen],
    guarded: bool,
) -> Vec<MediaListen> {
    let rules = Rules { origin, ports: flags.rtp_ports, guarded };
    if let Some(ip) = flags.media_ip {
        let first = written.into_iter().next().map(Spanned::into_inner).unwrap_or_default();
        let ports = file::MediaListen { ports: first.ports, ..file::MediaListen::default() };
        return origin.keep(rules.listen(ports, (ip, None))).into_iter().collect();
    }
    if written.is_empty() {
        let usual = |ip| origin.keep(rules.listen(file::MediaListen::default(), (ip, None)));
        return by_family(sip).into_iter().filter_map(usual).collect();
    }
    let usual = sip.first().map_or(Config::SIP_DEFAULT.ip(), |listen| listen.bind.ip());
    let mut listens: Vec<MediaListen> = Vec::new();
    for listen in written {
        let span = listen.span();
        let Some(listen) = origin.keep(rules.listen(listen.into_inner(), (usual, None))) else {
            continue;
        };
        let family = Family::of(listen.bind);
        if listens.iter().any(|before| Family::of(before.bind) == family) {
            let problem = Problem::MediaFamilyTwice(listen.bind);
            origin.keep::<()>(Err(origin.error(&span, problem)));
        }
        listens.push(listen);
    }
    listens
}

/// The first SIP address of each family.
fn by_family(sip: &[SipListen]) -> Vec<IpAddr> {
    let mut ips: Vec<IpAddr> = Vec::new();
    for ip in sip.iter().map(|listen| listen.bind.ip()) {
        if !ips.iter().any(|before| Family::of(*before) == Family::of(ip)) {
            ips.push(ip);
        }
    }
    ips
}

impl Rules<'_> {
    fn listen(
        &self,
        listen: file::MediaListen,
        usual: Written,
    ) -> Result<MediaListen, ConfigError> {
        let (bind, bind_at) =
            listen.bind.map_or(usual, |bind| (bind.get_ref().0, Some(bind.span())));
        let (advertise, told_at) = match listen.advertise {
            Some(advertise) => (advertise.get_ref().0, Some(advertise.span())),
            None => (bind, bind_at.clone()),
        };
        if advertise.is_unspecified() {
            return Err(self.blame(told_at, Problem::NoAdvertise(advertise)));
        }
        if Family::of(advertise) != Family::of(bind) {
            return Err(self.blame(told_at, Problem::MediaFamilies { bind, advertise }));
        }
        if !bind.is_loopback() && !self.guarded {
            let at = SocketAddr::new(bind, 0);
            return Err(self.blame(bind_at, Problem::OpenToOthers(at)));
        }
        let ports = self.ports.or(listen.ports.map(|text| text.0));
        Ok(MediaListen { bind, advertise, ports: ports.unwrap_or(Config::RTP_PORTS_DEFAULT) })
    }

    fn blame(&self, span: Option<Range<usize>>, problem: Problem) -> ConfigError {
        match span {
            Some(span) => self.origin.error(&span, problem),
            None => ConfigError::unplaced(problem),
        }
    }
}
