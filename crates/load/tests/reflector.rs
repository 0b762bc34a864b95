//! The generator and the asker against the floor programs, as processes on loopback: what is measured is what was done.

use std::io::{BufRead as _, BufReader};
use std::ops::ControlFlow;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use load::{Plan, Reach, Report, Rest, run};

/// A floor program; ended with the test.
struct Floor {
    child: Child,
    address: String,
}

impl Floor {
    fn start(words: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_reflector"))
            .args(words)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut address = String::new();
        let out = child.stdout.take().expect("piped");
        BufReader::new(out).read_line(&mut address).expect("its address");
        Self { child, address: address.trim().to_owned() }
    }

    fn load(&self, legs: usize, rest: Rest) -> Report {
        let plan = Plan {
            target: format!("sip:conference@{}", self.address).parse().expect("a URI"),
            legs,
            conferences: 1,
            talkers: 1,
            rest,
            ptime_ms: 20,
            rate: 100,
            stay: Duration::from_secs(3),
            pid: Some(self.child.id()),
            reach: Reach::Loopback,
        };
        run(&plan, &mut |_| ControlFlow::Continue(())).expect("a report")
    }
}

/// Within 4 %: each leg may have had a packet more or less when measuring began and ended. Compared with what was sent and
/// not with what was due, it holds on a machine that is too busy to send in time, too.
fn is_about(count: u64, wanted: u64) -> bool {
    count.abs_diff(wanted) * 25 <= wanted
}

impl Drop for Floor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_is_reflected_is_all_received_and_what_is_sent_back_is_an_echo() {
    let floor = Floor::start(&["echo"]);
    let report = floor.load(6, Rest::Silence);
    assert!(report.is_whole(), "{report:#?}");
    let media = &report.media;
    assert!(is_about(media.received, media.sent), "{media:#?}");
    assert_eq!((media.lost, media.deaf_legs), (0, 0), "{media:#?}");
    assert!(report.delay.clicks >= 2 && report.delay.heard == 0, "{:#?}", report.delay);
    assert_eq!(report.delay.echoes, report.delay.clicks);
    assert!(report.server.is_some_and(|cost| cost.rss_bytes > 100_000));
}

/// The canary: what a server loses is reported, as loss and as too few packets.
#[test]
fn a_server_that_drops_a_tenth_is_reported_as_loss() {
    let floor = Floor::start(&["echo", "10"]);
    let report = floor.load(6, Rest::Silence);
    let media = &report.media;
    assert!((9.0..11.0).contains(&media.loss_percent), "{media:#?}");
    assert!(is_about(media.received, media.sent * 9 / 10), "{media:#?}");
}

#[test]
fn what_one_says_is_heard_by_the_others_at_once_and_by_who_sends_nothing_too() {
    let floor = Floor::start(&["fan"]);
    let report = floor.load(6, Rest::Nothing);
    assert_eq!(report.delay.due, report.delay.clicks * 5);
    assert_eq!((report.delay.heard, report.delay.echoes), (report.delay.due, 0));
    // The first leg talks and is sent nothing.
    let media = &report.media;
    assert_eq!(media.deaf_legs, 1);
    assert!(is_about(media.received, media.sent * 5), "{media:#?}");
}

/// The other floor program, which is asked and not called.
#[test]
fn whoever_asks_the_floor_is_redirected() {
    let floor = Floor::start(&["redirect"]);
    let address = floor.address.parse().expect("an address");
    let pid = Some(floor.child.id());
    let asked = load::asker::ask(address, "conference", Duration::from_secs(1), pid);
    let asked = asked.expect("a report");
    assert_eq!(asked.answers.keys().collect::<Vec<_>>(), [&302], "{asked:#?}");
    assert!(asked.redirects_per_cpu_second.is_some(), "{asked:#?}");
}

/// For a second, at a server at this place.
fn one_leg(place: &str) -> Plan {
    Plan {
        target: format!("sip:conference@{place}").parse().expect("a URI"),
        legs: 1,
        conferences: 1,
        talkers: 1,
        rest: Rest::Silence,
        ptime_ms: 20,
        rate: 10,
        stay: Duration::from_secs(1),
        pid: None,
        reach: Reach::Loopback,
    }
}

#[test]
fn a_server_that_is_not_there_fails_every_leg() {
    let mut floor = Floor::start(&["echo"]);
    floor.child.kill().expect("it was there");
    floor.child.wait().expect("its end");
    let plan = Plan { pid: Some(floor.child.id()), ..one_leg(&floor.address.to_string()) };
    let error = run(&plan, &mut |_| ControlFlow::Continue(())).expect_err("no such process");
    assert!(error.to_string().starts_with("there is no process"), "{error}");
}

#[test]
fn other_machines_are_left_alone() {
    let plan = one_leg("192.0.2.1");
    let error = run(&plan, &mut |_| ControlFlow::Continue(())).expect_err("refused");
    assert!(error.to_string().contains("192.0.2.1 is another machine"), "{error}");
}
