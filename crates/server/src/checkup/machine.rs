//! What this machine has, against what is wanted of it.

use std::fs::OpenOptions;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;
use std::thread::available_parallelism;

use super::Found;
use crate::bind::{self, BindError};
use crate::calibration::Calibration;
use crate::config::{Config, MediaListen};
use crate::tokens::TokenFile;
use crate::users::is_readable_by_others;
use crate::webhooks::{Hook, HookError};
use crate::{RecordsTo, auth, mixers, state};

/// Where Linux says which ports it gives to whoever names none.
const EPHEMERAL: &str = "/proc/sys/net/ipv4/ip_local_port_range";

pub(super) fn look(config: &Config, is_running: bool, found: &mut Found) {
    addresses(config, is_running, found);
    media(config, is_running, found);
    files(config, found);
    webhooks(config, found);
    room(config, found);
}

/// Binds what a server binds, and lets go of it.
fn addresses(config: &Config, is_running: bool, found: &mut Found) {
    let is_excused = |error: &BindError| is_running && matches!(error, BindError::Taken { .. });
    for (at, listen) in config.sip.iter().enumerate() {
        let key = format!("sip.listen[{at}].bind");
        if let Err(error) = bind::sip(listen, config.sip_dscp)
            && !is_excused(&error)
        {
            found.wrong(&key, error);
        }
    }
    let bind = config.admin.bind;
    if config.sip.iter().any(|listen| overlap(listen.bind, bind)) {
        return found.wrong(
            "admin.bind",
            format!("{bind} is where SIP is spoken too: choose another port"),
        );
    }
    if let Err(error) = bind::admin(bind)
        && !is_excused(&error)
    {
        found.wrong("admin.bind", error);
    }
}

fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port() && one.port() != 0 && is_same(one.ip(), other.ip())
}

fn is_same(one: IpAddr, other: IpAddr) -> bool {
    one == other
        || (one.is_ipv4() == other.is_ipv4() && (one.is_unspecified() || other.is_unspecified()))
}

fn media(config: &Config, is_running: bool, found: &mut Found) {
    let ephemeral = std::fs::read_to_string(EPHEMERAL).ok().and_then(|text| range(&text));
    for (at, listen) in config.media.iter().enumerate() {
        let MediaListen { bind, ports, .. } = *listen;
        if let Err(error) = UdpSocket::bind((bind, 0)) {
            let key = format!("media.listen[{at}].bind");
            found.wrong(&key, BindError::new(SocketAddr::new(bind, 0), "--media-ip", &error));
            continue;
        }
        let key = format!("media.listen[{at}].ports");
        for sip in config.sip.iter().map(|listen| listen.bind) {
            if is_same(sip.ip(), bind) && (ports.first..=ports.last).contains(&sip.port()) {
                found.note(
                    &key,
                    format!("SIP's port {} lies among {ports}: choose others", sip.port()),
                );
            }
        }
        if let Some((first, last)) = ephemeral
            && ports.first <= last
            && first <= ports.last
        {
            found.note(&key, format!(
                "the system gives ports {first}-{last} to any program that asks for one, so some of {ports} may be \
                 taken when a call comes: choose others, or set net.ipv4.ip_local_port_range"
            ));
        }
        if !is_running {
            free_ports(listen, &key, found);
        }
    }
}

/// Whether the ports are free: each is bound for a moment.
fn free_ports(listen: &MediaListen, key: &str, found: &mut Found) {
    let MediaListen { bind, ports, .. } = *listen;
    let is_free = |port: u16| UdpSocket::bind((bind, port)).is_ok();
    let pairs = (ports.first..ports.last).filter(|port| port.is_multiple_of(2));
    let free = pairs.filter(|port| is_free(*port) && is_free(port + 1)).count();
    let all = ports.legs();
    match u32::try_from(free).unwrap_or(u32::MAX) {
        0 => found.wrong(
            key,
            format!("no pair of ports in {ports} is free: choose others with --rtp-ports"),
        ),
        free if free < all => {
            found.note(
                key,
                format!(
                    "other programs have ports of {} of the {all} pairs in {ports}",
                    all - free
                ),
            );
        }
        _ => {}
    }
}

fn range(text: &str) -> Option<(u16, u16)> {
    let mut numbers = text.split_whitespace().map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Files that are read, and files that are written.
fn files(config: &Config, found: &mut Found) {
    if let Some(auth) = &config.auth {
        match auth::users(auth) {
            Ok(_) => guarded(&auth.users, "auth.users", found),
            Err(error) => found.wrong("auth.users", error),
        }
    }
    if let Some(tokens) = &config.admin.tokens {
        match TokenFile::read(tokens) {
            Ok(_) => guarded(tokens, "admin.tokens", found),
            Err(error) => found.wrong("admin.tokens", error),
        }
    }
    match &config.state_dir {
        Some(folder) => {
            if let Err(error) = state::look(folder) {
                found.wrong("state.dir", error);
            }
        }
        None => found.note(
            "state.dir",
            "without a folder for state no conference URI and no reservation outlives the process",
        ),
    }
    let records = match &config.records {
        Some(RecordsTo::File(file)) => Some(file),
        Some(RecordsTo::Stdout) | None => None,
    };
    for (key, file) in [("records.file", records), ("trace.pcap", config.pcap.as_ref())] {
        if let Some(file) = file
            && let Err(error) = writable(file)
        {
            let (path, kind) = (file.display(), error.kind());
            found.wrong(key, format!("{path} cannot be written: {kind}; choose another file"));
        }
    }
    if records.is_some() && records == config.pcap.as_ref() {
        found.wrong("trace.pcap", "this is the file of the records too: choose another");
    }
}

/// Secrets and certificates of those who are told what happens.
fn webhooks(config: &Config, found: &mut Found) {
    for (at, webhook) in config.webhooks.iter().enumerate() {
        let key = |name: &str| format!("webhook[{at}].{name}");
        match Hook::load(webhook) {
            Ok(_) => guarded(&webhook.secret_file, &key("secret_file"), found),
            Err(error @ HookError::Secret { .. }) => found.wrong(&key("secret_file"), error),
            Err(error @ HookError::Roots { .. }) => found.wrong(&key("ca_file"), error),
        }
        let is_here = ["http://127.", "http://[::1]", "http://localhost"];
        if webhook.url.starts_with("http://")
            && !is_here.iter().any(|it| webhook.url.starts_with(it))
        {
            found.note(
                &key("url"),
                "events go over the network in the clear, with conference URIs: use https",
            );
        }
    }
}

fn guarded(path: &Path, key: &str, found: &mut Found) {
    if is_readable_by_others(path) {
        let path = path.display();
        found.note(key, format!("{path} may be read by others on this machine: chmod 600 {path}"));
    }
}

/// Whether a file can be written: opened if it is there, else its folder tried out.
fn writable(file: &Path) -> io::Result<()> {
    if file.exists() {
        return OpenOptions::new().append(true).open(file).map(drop);
    }
    state::try_out(file.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

/// How many fit, and what it is that lets no more in.
fn room(config: &Config, found: &mut Found) {
    let allowed = ::media::raise_file_limit();
    let seats = config.capacity.unwrap_or_else(|| mixers::seats(&config.media, config.mixers));
    if let Err(error) = mixers::check_files(config, seats, allowed) {
        return found.wrong("pool.capacity", error);
    }
    let files = mixers::file_legs(config, allowed);
    let mixed = mixers::SEATS_BY_DEFAULT * u32::from(config.mixers);
    let ports = mixers::port_legs(&config.media);
    if config.capacity.is_none() && ports < mixed {
        let what = format!(
            "there are ports for {ports} legs, and the mixers could take {mixed} or more: widen ports"
        );
        found.note("media.listen[0].ports", what);
    }
    if config.capacity.is_none() && files < ports.min(mixed) {
        let what = format!(
            "there are open files for {files} legs only: raise the limit (ulimit -n, LimitNOFILE in a systemd unit)"
        );
        found.note("pool.capacity", what);
    }
    let cores = available_parallelism().map_or(1, usize::from);
    if usize::from(config.mixers) > cores {
        found.note(
            "media.mixers",
            format!("{} mixers have {cores} cores: some wait for others", config.mixers),
        );
    }
    if config.capacity.is_none()
        && let Err(why) = Calibration::of(config.state_dir.as_deref())
    {
        found.note(
            "pool.capacity",
            format!(
                "{why}: what this machine can do is assumed; `convoke calibrate --state-dir FOLDER` measures it"
            ),
        );
    }
}
