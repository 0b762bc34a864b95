//! What a configuration must be before any port is bound.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use focus::{DialRules, EntryRules};
use node::{Limits, OverloadConfig};
use sip::{Host, Uri};
use toml::Spanned;

use super::error::{ConfigError, Place, Problem};
use super::file::{self, File, Text, line_of};
use super::{
    AdminConfig, Advertise, Answer, Config, End, Factory, Flags, MediaListen, RoomTerms, SipListen,
    answering, auth, media, tenants, webhooks,
};
use crate::{AllowList, RecordsTo, mixers};

/// Shorter, and a caller on a slow line loses the room he was promised; longer, and a caller who
/// never comes keeps others out.
const HOLD: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3_600));

/// A seat is one leg; more than a machine can have ports for is a mistake in writing.
const SEATS: (u64, u64) = (1, 30_000);

/// Ten a second is what a person's programs may want; none is what an empty allow list is for.
const REFERS_PER_MINUTE: (u64, u64) = (1, 600);

/// Nothing would be no room at all.
const PERCENT: (u64, u64) = (1, 100);

/// A hundred legs take 5,000 packets a second; more than the upper bound no machine sends.
const AMOUNT: (u64, u64) = (100, 1_000_000_000);

/// Longer, and reservations would keep rooms empty that short conferences could use.
const RESERVE_AHEAD_MAX: Duration = Duration::from_secs(24 * 3_600);

/// None at all would hide a wrong number from who dials it; more is no limit.
const ANSWERS: (u64, u64) = (1, 100_000);

/// How long a new request may wait. Above 60 ms what is late is not given up before others send it again.
const TARGET: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(60));

/// Nobody heard is no conference; of more than sixteen at once nobody understands a word.
const HEARD: (u64, u64) = (1, 16);

/// Where the spans of the file point to.
pub(super) struct Origin<'a> {
    pub(super) path: &'a str,
    pub(super) text: &'a str,
    /// What was found to be wrong, while the rest is looked at.
    found: RefCell<Vec<ConfigError>>,
}

impl<'a> Origin<'a> {
    pub(super) const fn new(path: &'a str, text: &'a str) -> Self {
        Self { path, text, found: RefCell::new(Vec::new()) }
    }

    /// The value; where there is none, why is noted.
    pub(super) fn keep<T>(&self, result: Result<T, ConfigError>) -> Option<T> {
        result.map_err(|error| self.found.borrow_mut().push(error)).ok()
    }

    fn is_good(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// A file that is named from where the configuration is. `-` is none.
    fn file(&self, written: Option<PathBuf>) -> Option<PathBuf> {
        let folder = Path::new(self.path).parent().unwrap_or(Path::new(""));
        written.map(|path| if path.as_os_str() == "-" { path } else { folder.join(path) })
    }

    pub(super) fn error(&self, span: &Range<usize>, problem: Problem) -> ConfigError {
        let line = line_of(self.text, span.start);
        ConfigError { place: Some(Place { path: self.path.to_owned(), line }), problem }
    }
}

/// Turns what was written, and the flags, into what will be done; or into all that is wrong with it, in the order of the
/// file. `unread` is what could not even be read.
pub(super) fn check(
    (file, unread): (File, Vec<ConfigError>),
    origin: &Origin<'_>,
    flags: &Flags,
) -> Result<Config, Vec<ConfigError>> {
    origin.found.borrow_mut().extend(unread);
    let (access, is_open) =
        origin.keep(access(file.access, origin)).unwrap_or((AllowList::Everybody, false));
    let auth = origin.keep(auth::check(file.auth, origin)).flatten();
    let is_open = flags.open || is_open;
    let guarded = is_open
        || access != AllowList::Everybody
        || auth.as_ref().is_some_and(auth::Auth::guards)
        // What is wrong so far may be what was to guard it.
        || !origin.is_good();
    let nat = file.sip.nat;
    let sip = sip_listens(file.sip.listen, origin, flags, guarded);
    let heard = match &file.media.heard {
        None => mix::HEARD_DEFAULT,
        Some(number) => {
            origin.keep(within("heard", number, HEARD, origin)).unwrap_or(mix::HEARD_DEFAULT)
        }
    };
    let media = media::listens(file.media.listen, origin, flags, &sip, guarded);
    let terms = room_terms(&file.pool, origin);
    let capacity = origin.keep(capacity(file.pool.capacity, origin, &media)).flatten();
    let mixers = mixers(file.media.mixers, origin, &media);
    let room = capacity.unwrap_or_else(|| mixers::seats(&media, mixers)).max(1);
    let dscp = |written: Option<Spanned<u64>>, usual| match written {
        None => usual,
        Some(number) => origin.keep(within("dscp", &number, (0, 63), origin)).map_or(usual, narrow),
    };
    let written: BTreeSet<String> = file.tenants.keys().cloned().collect();
    let tenants = tenants::check(file.tenants, origin, room);
    let admin = origin.keep(admin(file.admin, origin, flags));
    let state_dir = flags.state_dir.clone().or_else(|| origin.file(file.state.dir));
    let config = Config {
        factories: factories(file.factory, origin, room, &written),
        room: terms,
        tenants,
        webhooks: webhooks::check(file.webhook, origin, state_dir.is_some()),
        state_dir,
        admin: admin.unwrap_or(AdminConfig {
            bind: Config::ADMIN_DEFAULT,
            tokens: None,
            is_open: false,
        }),
        dial_out: origin.keep(dial_out(file.dial_out, origin)).unwrap_or_default(),
        limits: limits(file.limits, origin),
        overload: overload(file.overload, origin),
        records: flags.records.clone().or_else(|| origin.file(file.records.file)).map(records_to),
        pcap: flags.pcap.clone().or_else(|| origin.file(file.trace.pcap)),
        capacity,
        access,
        is_open,
        dns: file.dns.servers.into_iter().map(|server| server.0).collect(),
        auth,
        lab_registrar: flags.lab_registrar || file.sip.lab_registrar,
        sip,
        nat,
        sip_dscp: dscp(file.sip.dscp, Config::SIP_DSCP_DEFAULT),
        media,
        heard,
        media_dscp: dscp(file.media.dscp, ::media::DSCP_EF),
        mixers,
        fault_in_conference: file.debug.fault_in_conference,
    };
    let mut found = origin.found.take();
    if found.is_empty() {
        return Ok(config);
    }
    // What no line is to blame for comes last.
    found.sort_by_key(|error| error.place.as_ref().map_or(usize::MAX, |place| place.line));
    Err(found)
}

/// A range without a port for anybody is told when it is bound.
fn mixers(written: Option<Spanned<u64>>, origin: &Origin<'_>, media: &[MediaListen]) -> u16 {
    let named = written.and_then(|number| {
        origin.keep(within("mixers", &number, (1, ::media::SHARDS_MAX.into()), origin))
    });
    named.map_or_else(|| mixers::mixers_by_default(media), narrow)
}

fn room_terms(written: &file::Pool, origin: &Origin<'_>) -> RoomTerms {
    let usual = RoomTerms::default();
    let number = |key, written: &Option<Spanned<u64>>, bounds| {
        origin.keep(within(key, written.as_ref()?, bounds, origin))
    };
    let ahead = match &written.reserve_ahead {
        None => usual.reserve_ahead,
        Some(time) if time.get_ref().0 <= RESERVE_AHEAD_MAX => time.get_ref().0,
        Some(time) => {
            let (found, most) = (time.get_ref().0.as_secs(), RESERVE_AHEAD_MAX.as_secs());
            let problem =
                Problem::OutOfRange { key: "reserve_ahead in seconds", least: 0, most, found };
            origin.keep(Err(origin.error(&time.span(), problem))).unwrap_or(usual.reserve_ahead)
        }
    };
    RoomTerms {
        cpu_percent: number("cpu_percent", &written.cpu_percent, PERCENT)
            .unwrap_or(usual.cpu_percent),
        packets_per_second: number("packets_per_second", &written.packets_per_second, AMOUNT),
        kbit_per_second: number("kbit_per_second", &written.kbit_per_second, AMOUNT),
        bookable_percent: number("bookable_percent", &written.bookable_percent, PERCENT)
            .unwrap_or(usual.bookable_percent),
        reserve_ahead: ahead,
    }
}

fn dial_out(written: file::DialOut, origin: &Origin<'_>) -> Result<DialRules, ConfigError> {
    let usual = DialRules::default();
    let refers_per_minute = match written.refers_per_minute {
        None => usual.refers_per_minute,
        Some(number) => within("refers_per_minute", &number, REFERS_PER_MINUTE, origin)?,
    };
    let allow = written.allow.into_iter().map(|rule| rule.0).collect();
    Ok(DialRules { allow, refers_per_minute })
}

fn records_to(path: PathBuf) -> RecordsTo {
    if path.as_os_str() == "-" { RecordsTo::Stdout } else { RecordsTo::File(path) }
}

fn overload(written: file::Overload, origin: &Origin<'_>) -> OverloadConfig {
    let usual = OverloadConfig::default();
    let target =
        time_within("target in milliseconds", written.target, TARGET, Duration::as_millis, origin);
    let target = origin.keep(target).flatten();
    let most = |number| origin.keep(within("per_second", &number, ANSWERS, origin));
    OverloadConfig {
        target: target.unwrap_or(usual.target),
        per_second: written.per_second.and_then(most),
    }
}

fn limits(written: file::Limits, origin: &Origin<'_>) -> Limits {
    let usual = Limits::default();
    let number = |key, written: Option<Spanned<u64>>, usual| {
        let number = written.and_then(|it| origin.keep(within(key, &it, ANSWERS, origin)));
        number.unwrap_or(usual)
    };
    Limits {
        per_second: number("per_second", written.per_second, usual.per_second),
        burst: number("burst", written.burst, usual.burst),
    }
}

/// Who is let in, and whether everybody is on purpose.
fn access(
    written: Option<Spanned<file::Access>>,
    origin: &Origin<'_>,
) -> Result<(AllowList, bool), ConfigError> {
    let Some(written) = written else { return Ok((AllowList::Everybody, false)) };
    let span = written.span();
    let file::Access { allow, open } = written.into_inner();
    let Some(allow) = allow else {
        // One that could not be read was told.
        if !origin.is_good() {
            return Ok((AllowList::Everybody, false));
        }
        let nobody = || origin.error(&span, Problem::NobodyAllowed);
        return Ok((AllowList::Everybody, open.ok_or_else(nobody)?));
    };
    if allow.get_ref().is_empty() {
        return Err(origin.error(&allow.span(), Problem::NobodyAllowed));
    }
    let networks = allow.into_inner().into_iter().map(|network| network.0).collect();
    Ok((AllowList::Only(networks), open.unwrap_or(false)))
}

/// Each leg has a port of its own, so more seats than ports would be promised and not kept.
fn capacity(
    written: Option<Spanned<u64>>,
    origin: &Origin<'_>,
    media: &[MediaListen],
) -> Result<Option<u32>, ConfigError> {
    let span = written.as_ref().map(Spanned::span);
    let capacity = seats("capacity", written, origin)?;
    // All legs may be of one family.
    let fewest = media.iter().map(|listen| listen.ports).min_by_key(|ports| ports.legs());
    let Some(ports) = fewest else { return Ok(capacity) };
    let legs = ports.legs();
    if let (Some(capacity), Some(span)) = (capacity.filter(|seats| *seats > legs), span) {
        return Err(origin.error(&span, Problem::CapacityAbovePorts { capacity, ports, legs }));
    }
    Ok(capacity)
}

fn sip_listens(
    listens: Vec<file::SipListen>,
    origin: &Origin<'_>,
    flags: &Flags,
    guarded: bool,
) -> Vec<SipListen> {
    if listens.is_empty() || flags.sip.is_some() {
        let bind = flags.sip.unwrap_or(Config::SIP_DEFAULT);
        let listen = SipListen { bind, advertise: Advertise::default() };
        origin.keep(check_sip(&listen, guarded).map_err(ConfigError::unplaced));
        return vec![listen];
    }
    let mut bound = BTreeSet::new();
    let mut checked = Vec::new();
    for listen in listens {
        let span = listen.bind.span();
        let bind = listen.bind.into_inner().0;
        let advertise = listen.advertise.map_or_else(Advertise::default, |text| text.0);
        let listen = SipListen { bind, advertise };
        let problem = match check_sip(&listen, guarded) {
            Ok(()) if bind.port() != 0 && !bound.insert(bind) => Some(Problem::BoundTwice(bind)),
            Ok(()) => None,
            Err(problem) => Some(problem),
        };
        if let Some(problem) = problem {
            origin.keep::<()>(Err(origin.error(&span, problem)));
        }
        checked.push(listen);
    }
    checked
}

fn check_sip(listen: &SipListen, guarded: bool) -> Result<(), Problem> {
    let ip = listen.bind.ip();
    if ip.is_unspecified() && listen.advertise.host.is_none() {
        return Err(Problem::NoAdvertise(ip));
    }
    // Architecture §9.9: strangers may not have conferences made by default.
    if !ip.is_loopback() && !guarded {
        return Err(Problem::OpenToOthers(listen.bind));
    }
    Ok(())
}

fn factories(
    tables: Vec<Spanned<file::Factory>>,
    origin: &Origin<'_>,
    room: u32,
    tenants: &BTreeSet<String>,
) -> Vec<Factory> {
    if tables.is_empty() {
        let usual = origin.keep(factory(file::Factory::default(), origin, room));
        return usual.map(|(_, factory)| factory).into_iter().collect();
    }
    let mut taken = BTreeSet::new();
    let checked = tables.into_iter().filter_map(|table| {
        let span = table.span();
        if let Some(tenant) = table.get_ref().tenant.as_ref()
            && !tenants.contains(tenant.get_ref())
        {
            let problem = Problem::NoTenant { name: tenant.get_ref().clone() };
            origin.keep::<()>(Err(origin.error(&tenant.span(), problem)));
        }
        let (users_span, factory) = origin.keep(factory(table.into_inner(), origin, room))?;
        for user in &factory.users {
            // The same user at two lists of hosts is two addresses; without hosts it is one.
            let own = vec![String::new()];
            let hosts = if factory.hosts.is_empty() { own } else { names(&factory.hosts) };
            for host in hosts {
                if !taken.insert((user.clone(), host)) {
                    let at = users_span.as_ref().unwrap_or(&span);
                    let problem = Problem::UserTwice { user: user.clone() };
                    origin.keep::<()>(Err(origin.error(at, problem)));
                }
            }
        }
        Some(factory)
    });
    checked.collect()
}

fn names(hosts: &[Host]) -> Vec<String> {
    hosts.iter().map(|host| host.as_str().to_ascii_lowercase()).collect()
}

/// The factory, and where its users stand, for whoever finds a clash.
fn factory(
    table: file::Factory,
    origin: &Origin<'_>,
    room: u32,
) -> Result<(Option<Range<usize>>, Factory), ConfigError> {
    let usual = Factory::default();
    let users_span = table.users.as_ref().map(Spanned::span);
    let users = table.users.map_or(usual.users, Spanned::into_inner);
    if let Some(span) = users_span.as_ref().filter(|_| users.is_empty()) {
        return Err(origin.error(span, Problem::NoUsers));
    }
    if let Some((user, span)) =
        users.iter().find(|user| !can_be_called(user)).zip(users_span.as_ref())
    {
        return Err(origin.error(span, Problem::BadUser { user: user.clone() }));
    }
    let max = seats("max", table.max, origin)?;
    let expect_span = table.expect.as_ref().map(Spanned::span);
    // Where conferences are small by `max`, or the pool is, no more than that is expected by itself.
    let usual_expect = max.unwrap_or(room).min(room).min(usual.expect);
    let expect = seats("expect", table.expect, origin)?.unwrap_or(usual_expect);
    if let Some(span) = expect_span {
        if let Some(max) = max.filter(|max| expect > *max) {
            return Err(origin.error(&span, Problem::ExpectAboveMax { expect, max }));
        }
        if expect > room {
            return Err(origin.error(&span, Problem::ExpectAboveRoom { expect, room }));
        }
    }
    let pin_span = table.moderator_pin.as_ref().map(Spanned::span);
    let entry = EntryRules {
        pin: table.pin.map(|pin| pin.into_inner().0),
        moderator_pin: table.moderator_pin.map(|pin| pin.into_inner().0),
        lobby: table.lobby,
    };
    if let (Err(same), Some(span)) = (entry.check(), pin_span) {
        return Err(origin.error(&span, Problem::SamePins(same)));
    }
    let factory = Factory {
        users,
        hosts: table.hosts.into_iter().map(|host| host.0).collect(),
        answer: table.answer.unwrap_or(Answer::Redirect),
        answer_rules: answering::check(table.answer_rule, origin)?,
        hold: time_within("hold in milliseconds", table.hold, HOLD, Duration::as_millis, origin)?
            .unwrap_or(usual.hold),
        expect,
        end: table.end.unwrap_or(End::LastLeaves),
        max,
        max_time: time_within(
            "max_time in seconds",
            table.max_time,
            node::MAX_TIME_ASKED,
            |time| time.as_secs().into(),
            origin,
        )?,
        entry,
        tenant: table.tenant.map(Spanned::into_inner),
    };
    Ok((users_span, factory))
}

/// Whether it can be written as the user part of a SIP URI, just as it is.
fn can_be_called(user: &str) -> bool {
    let uri = format!("sip:{user}@host").parse::<Uri>();
    matches!(uri, Ok(Uri::Sip(uri)) if uri.user.as_deref() == Some(user) && uri.password.is_none())
}

/// A time between two bounds, which an error tells in this unit.
fn time_within(
    key: &'static str,
    written: Option<Spanned<Text<Duration>>>,
    (least, most): (Duration, Duration),
    unit: fn(&Duration) -> u128,
    origin: &Origin<'_>,
) -> Result<Option<Duration>, ConfigError> {
    let Some(written) = written else { return Ok(None) };
    let time = written.get_ref().0;
    if !(least..=most).contains(&time) {
        let number = |time: Duration| u64::try_from(unit(&time)).unwrap_or(u64::MAX);
        let (least, most, found) = (number(least), number(most), number(time));
        let problem = Problem::OutOfRange { key, least, most, found };
        return Err(origin.error(&written.span(), problem));
    }
    Ok(Some(time))
}

pub(super) fn seats(
    key: &'static str,
    written: Option<Spanned<u64>>,
    origin: &Origin<'_>,
) -> Result<Option<u32>, ConfigError> {
    written.map(|written| within(key, &written, SEATS, origin)).transpose()
}

/// A number that its range keeps small.
fn narrow<T: TryFrom<u32> + Default>(number: u32) -> T {
    T::try_from(number).unwrap_or_default()
}

pub(super) fn within(
    key: &'static str,
    written: &Spanned<u64>,
    (least, most): (u64, u64),
    origin: &Origin<'_>,
) -> Result<u32, ConfigError> {
    let found = *written.get_ref();
    match u32::try_from(found) {
        Ok(number) if (least..=most).contains(&found) => Ok(number),
        Ok(_) | Err(_) => {
            Err(origin.error(&written.span(), Problem::OutOfRange { key, least, most, found }))
        }
    }
}

/// Whoever can reach it could make calls: elsewhere than on this machine that needs a token.
fn admin(
    written: file::Admin,
    origin: &Origin<'_>,
    flags: &Flags,
) -> Result<AdminConfig, ConfigError> {
    let (bind, span) = match (flags.admin, written.bind) {
        (Some(bind), _) => (bind, None),
        (None, Some(bind)) => (bind.get_ref().0, Some(bind.span())),
        (None, None) => (Config::ADMIN_DEFAULT, None),
    };
    let tokens = flags.admin_tokens.clone().or_else(|| origin.file(written.tokens));
    let open_span = written.open.as_ref().map(Spanned::span);
    let is_open = flags.admin_open || written.open.is_some_and(Spanned::into_inner);
    let problem = if bind.ip().is_loopback() {
        None
    } else if is_open {
        Some((Problem::AdminOpenToOthers(bind), open_span.or(span)))
    } else if tokens.is_none() {
        Some((Problem::AdminNotLoopback(bind), span))
    } else {
        None
    };
    match problem {
        None => Ok(AdminConfig { bind, tokens, is_open }),
        Some((problem, Some(span))) => Err(origin.error(&span, problem)),
        Some((problem, None)) => Err(ConfigError::unplaced(problem)),
    }
}
