//! The programs that are measured, each on a core of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;

/// The server's core, and the other programs'.
pub(super) const SERVER_CORE: &str = "0";
pub(super) const LOAD_CORE: &str = "1";

/// A server under load; ended when it is dropped.
pub(super) struct Server {
    child: Child,
    /// Whom the load calls.
    pub(super) uri: String,
    /// Where its HTTP is; nowhere if it has none.
    pub(super) admin: String,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Convoke,
    /// The same for those who ask and never call.
    Asked,
    /// That with all that an operator may turn on and that an asker meets.
    AllOn,
    /// The floor program that sends every packet back.
    Echo,
    /// The floor program that sends the first leg's packets to all others.
    Fan,
    /// The floor program that answers every INVITE with a 302.
    Redirect,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Convoke | Self::Asked => "convoke",
            Self::AllOn => super::full::ALL_ON,
            Self::Echo | Self::Fan | Self::Redirect => "floor",
        }
    }
}

/// The configuration of a server of ours: room for more than one core can carry within 20,000 open files, a queue that a busy
/// machine does not mistake for overload, and ports below those that the system gives to the load.
fn config(kind: Kind) -> String {
    let (hold, more) = match kind {
        Kind::Convoke | Kind::Echo | Kind::Fan | Kind::Redirect => ("300ms", ""),
        // Those who ask and never call must not fill the room, or the room is what is measured: there is some for 90,000 a second.
        Kind::Asked => ("100ms", ""),
        Kind::AllOn => ("100ms", ALL_ON),
    };
    format!(
        "[pool]\ncapacity = 9000\n[[factory]]\nhold = \"{hold}\"\nexpect = 1\n{more}\
         [overload]\ntarget = \"60ms\"\n[[media.listen]]\nports = \"2000-31999\"\n"
    )
}

/// What is kept is kept on the disk, each leg and conference has its record, who asks has a tenant with all the
/// limits that there are (each is looked at and none is met), and rules of the factory are looked through.
const ALL_ON: &str = "\
[[factory.answer_rule]]
user_agent = \"*nobody*\"
answer = \"deliver\"
[[factory.answer_rule]]
source = \"10.0.0.0/8\"
transport = \"tcp\"
answer = \"deliver\"
[state]
dir = \"bench-state\"
[records]
file = \"bench-records.jsonl\"
[access]
allow = [\"127.0.0.0/8\"]
[tenants.asker]
networks = [\"127.0.0.0/8\"]
quota = 9000
reserved = 100
per_minute = 6000000
[tenants.other]
reserved = 10
";

impl Server {
    pub(super) fn start(root: &Path, kind: Kind) -> anyhow::Result<Self> {
        let words: Vec<String> = match kind {
            Kind::Convoke | Kind::Asked | Kind::AllOn => {
                let folder = root.join("target/tmp");
                let path = folder.join("bench.toml");
                std::fs::create_dir_all(&folder)?;
                // Of the run before, if there was one.
                let _ = std::fs::remove_dir_all(folder.join("bench-state"));
                let _ = std::fs::remove_file(folder.join("bench-records.jsonl"));
                std::fs::write(&path, config(kind))?;
                let config = path.display().to_string();
                [
                    "serve",
                    "--sip",
                    "127.0.0.1:0",
                    "--admin",
                    "127.0.0.1:0",
                    "--json",
                    "--config",
                    &config,
                ]
                .map(str::to_owned)
                .to_vec()
            }
            Kind::Echo => vec!["echo".to_owned()],
            Kind::Fan => vec!["fan".to_owned()],
            Kind::Redirect => vec!["redirect".to_owned()],
        };
        let program = match kind {
            Kind::Convoke | Kind::Asked | Kind::AllOn => "convoke",
            Kind::Echo | Kind::Fan | Kind::Redirect => "reflector",
        };
        let mut command = pinned(SERVER_CORE, &release(root, program));
        let mut child = command.args(&words).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().context("invariant: piped")?;
        let mut lines = BufReader::new(out).lines();
        let first = lines.next().with_context(|| format!("{program} said nothing"))??;
        // What else it says is of no interest, but must be read.
        std::thread::spawn(move || lines.for_each(drop));
        let (uri, admin) = match kind {
            Kind::Convoke | Kind::Asked | Kind::AllOn => {
                let greeting: Value = serde_json::from_str(&first)?;
                let text = |key: &str| greeting[key].as_str().context("no such greeting");
                (text("factory")?.to_owned(), text("admin")?.to_owned())
            }
            Kind::Echo | Kind::Fan | Kind::Redirect => {
                (format!("sip:floor{{n}}@{}", first.trim()), String::new())
            }
        };
        Ok(Self { child, uri, admin })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it is asked.
    pub(super) fn address(&self) -> &str {
        self.uri.split_once('@').map_or("", |(_, address)| address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing else of it is left to be ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Somebody who asks for the metrics every second, as a monitor does, from its own thread.
pub(super) struct Scraper {
    goes_on: Arc<AtomicBool>,
    thread: JoinHandle<u32>,
}

impl Scraper {
    #[expect(clippy::disallowed_methods, reason = "a monitor asks by the clock")]
    pub(super) fn start(admin: &str) -> anyhow::Result<Self> {
        let goes_on = Arc::new(AtomicBool::new(true));
        let (flag, admin) = (Arc::clone(&goes_on), admin.to_owned());
        let thread = std::thread::Builder::new().spawn(move || {
            let mut got = 0;
            while flag.load(Ordering::Relaxed) {
                got += u32::from(scrape(&admin).is_ok_and(|page| page.contains("convoke_")));
                std::thread::sleep(Duration::from_secs(1));
            }
            got
        })?;
        Ok(Self { goes_on, thread })
    }

    /// How often it was answered.
    pub(super) fn stop(self) -> u32 {
        self.goes_on.store(false, Ordering::Relaxed);
        self.thread.join().unwrap_or(0)
    }
}

fn scrape(admin: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(admin)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n")?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    Ok(page)
}

/// A program of ours, built for speed.
fn release(root: &Path, program: &str) -> PathBuf {
    root.join("target/release").join(program)
}

/// Runs a program on one core, before all others where the system lets us (`SCHED_RR`): what else the machine does is not
/// measured then. `chrt` and `taskset` become the program: their process id is the program's.
pub(super) fn pinned(core: &str, program: &Path) -> Command {
    let words = ["--cpu-list", core];
    let mut command = if has_priority() {
        let mut command = Command::new("chrt");
        command.args(["--rr", PRIORITY, "taskset"]);
        command
    } else {
        Command::new("taskset")
    };
    command.args(words).arg(program);
    command
}

/// Whether programs that are measured go before all others.
pub(super) fn has_priority() -> bool {
    let tried =
        Command::new("chrt").args(["--rr", PRIORITY, "true"]).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

/// Any will do: nothing else on the machine has one.
const PRIORITY: &str = "10";

/// Runs a program of ours on the load's core to its end, and reads the JSON that it prints.
pub(super) fn report(root: &Path, program: &str, words: &[String]) -> anyhow::Result<Value> {
    report_on(LOAD_CORE, root, program, words)
}

/// The same on other cores.
pub(super) fn report_on(
    cores: &str,
    root: &Path,
    program: &str,
    words: &[String],
) -> anyhow::Result<Value> {
    let output = pinned(cores, &release(root, program)).args(words).output()?;
    match serde_json::from_slice(&output.stdout) {
        Ok(report) => Ok(report),
        Err(_) => bail!("{program}: {}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// kamailio that answers every INVITE with a 302 out of its configuration; ended when it is dropped.
pub(super) struct Kamailio {
    child: Child,
    pub(super) address: String,
    folder: PathBuf,
}

const KAMAILIO: &str = "\
#!KAMAILIO
debug=0
log_stderror=yes
fork=no
children=1
disable_tcp=yes
auto_aliases=no
listen=udp:127.0.0.1:@PORT@
mpath=\"@MODULES@\"
loadmodule \"sl.so\"
loadmodule \"pv.so\"
loadmodule \"textops.so\"
request_route {
  if (is_method(\"ACK\")) { exit; }
  append_to_reply(\"Contact: <sip:conf-k7abcdefghijklmnopqrstuvwxyz234567abcdefgh@127.0.0.1:@PORT@>;isfocus\\r\\n\");
  sl_send_reply(\"302\", \"Moved Temporarily\");
  exit;
}
";

impl Kamailio {
    pub(super) fn start(root: &Path) -> anyhow::Result<Self> {
        let folder = root.join("target/tmp/kamailio");
        std::fs::create_dir_all(&folder)?;
        let port = std::net::UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port();
        let modules = std::fs::read_dir("/usr/lib")?.flatten();
        let mut modules = modules.map(|entry| entry.path().join("kamailio/modules"));
        let modules = modules.find(|folder| folder.is_dir()).context("no modules of kamailio")?;
        let config = KAMAILIO
            .replace("@PORT@", &port.to_string())
            .replace("@MODULES@", &modules.display().to_string());
        let path = folder.join("kamailio.cfg");
        std::fs::write(&path, config)?;
        let program = ["/usr/sbin/kamailio", "/usr/bin/kamailio"].map(PathBuf::from);
        let program = program.into_iter().find(|path| path.is_file()).context("no kamailio")?;
        let (path, run) = (path.display().to_string(), folder.display().to_string());
        let words = ["-f", &path, "-D", "-m", "64", "-M", "8", "-Y", &run, "-w", &run];
        let mut command = pinned(SERVER_CORE, &program);
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn()?;
        Ok(Self { child, address: format!("127.0.0.1:{port}"), folder })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        // Even in the foreground it has children (a timer), which it ends itself when it is asked to end.
        let asked = Command::new("kill").arg(self.child.id().to_string()).status();
        if !asked.is_ok_and(|status| status.success()) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
