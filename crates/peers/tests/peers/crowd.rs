//! SIPp, a terminal that other people wrote, follows the 302 and plays sound into the conference.

use std::fs;
use std::process::{Command, Stdio};

use peers::processes::{Alone, Process};

/// The scenario; what it proves stands on top of it.
const SCENARIO: &str = include_str!("first_terminal_302.xml");

/// Calls in all, and how many begin each second.
const CALLS: &str = "50";
const CALLS_PER_SECOND: &str = "10";

/// RTP packets that must have been heard in all: a second's worth of the four that each call plays, since SIPp on a busy machine
/// sends late and less.
const SOUND_PACKETS_MIN: u64 = 50 * 50;

/// B19 · RFC 4579 §3.3: a user agent that knows nothing of conferences gets in with plain RFC 3261.
#[test]
fn fifty_calls_of_sipp_follow_the_redirection_and_leave_nothing_behind() {
    let alone = Alone::wait();
    let sound = alone.path("sound.ulaw");
    fs::write(&sound, triangle()).expect("written");
    let scenario = SCENARIO.replace("@RTP@", &alone.text("sound.ulaw"));
    let scenario = alone.write("scenario.xml", &scenario);
    // Room for all fifty at once, whatever this machine would have said.
    let config = alone.write("convoke.toml", "[pool]\ncapacity = 400\n");

    let server = Process::serve(&["--config", &config]);
    let factory = server.greeting("factory");
    let (_, address) = factory.split_once('@').expect("a user");
    let sipp = Command::new("sipp")
        .arg(address)
        .args(["-sf", &scenario, "-i", "127.0.0.1", "-mi", "127.0.0.1", "-mp", "36000"])
        .args(["-m", CALLS, "-r", CALLS_PER_SECOND])
        // Only a server that hangs lets it come to this.
        .args(["-timeout", "120s", "-timeout_error", "-recv_timeout", "40000"])
        .args(["-trace_stat", "-stf", &alone.text("statistics.csv")])
        .args(["-trace_err", "-error_file", &alone.text("errors.log"), "-nostdin"])
        .current_dir(alone.path(""))
        .stdin(Stdio::null())
        .output();
    let sipp = sipp.expect("sipp must be there: `cargo xtask setup` installs it");
    let errors = fs::read_to_string(alone.path("errors.log")).unwrap_or_default();
    let shown = String::from_utf8_lossy(&sipp.stdout);
    assert!(sipp.status.success(), "{}\n{shown}\n{errors}", sipp.status);
    let statistics = fs::read_to_string(alone.path("statistics.csv")).expect("statistics");
    assert_eq!(cumulative(&statistics, "SuccessfulCall(C)"), CALLS);
    assert_eq!(cumulative(&statistics, "FailedCall(C)"), "0");
    // Each call played four seconds of sound, 50 packets a second; the server heard it, and nothing stays behind.
    let heard = server.status()["mixers"][0]["received"].as_u64().expect("a number");
    assert!(heard >= SOUND_PACKETS_MIN, "{heard} packets heard");
    server.until_nothing_is_left();
}

/// One second of a 250 Hz triangle in u-law: 32 samples a turn.
fn triangle() -> Vec<u8> {
    (0..8_000_i32).map(|n| ulaw(((n % 32) - 16).abs() * 1_000 - 8_000)).collect()
}

/// ITU-T G.711 u-law, written out: the test needs no code of ours.
fn ulaw(sample: i32) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = sample.abs().min(32_635) + 132;
    let exponent = (0..8).rev().find(|exponent| magnitude & (0x80 << exponent) != 0).unwrap_or(0);
    let mantissa = (magnitude >> (exponent + 3)) & 0x0f;
    let byte = !(sign | (exponent << 4) | mantissa) & 0xff;
    u8::try_from(byte).expect("invariant: masked to eight bits")
}

/// The last value of a column of SIPp's statistics.
fn cumulative<'a>(statistics: &'a str, column: &str) -> &'a str {
    let mut lines = statistics.lines();
    let index = lines.next().and_then(|head| head.split(';').position(|name| name == column));
    let index = index.unwrap_or_else(|| panic!("no column {column}"));
    lines.next_back().and_then(|line| line.split(';').nth(index)).expect("a line of numbers")
}
