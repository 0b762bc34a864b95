//! SIPp, a terminal that other people wrote, follows the 302 and plays sound into the conference.

mod serving;

use std::fs;
use std::process::{Command, Stdio};

use serving::Serving;

/// The scenario; what it proves stands on top of it.
const SCENARIO: &str = include_str!("sipp/first_terminal_302.xml");

/// Calls in all, and how many begin each second.
const CALLS: &str = "50";
const CALLS_PER_SECOND: &str = "10";

/// RTP packets that must have been heard in all: a second's worth of the four that each call plays, since SIPp on a busy machine
/// sends late and less.
const SOUND_PACKETS_MIN: u64 = 50 * 50;

/// B19 · RFC 4579 §3.3: a user agent that knows nothing of conferences gets in with plain RFC 3261.
#[test]
fn fifty_calls_of_sipp_follow_the_redirection_and_leave_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let sound = folder.path().join("sound.ulaw");
    fs::write(&sound, triangle()).expect("written");
    let scenario = folder.path().join("scenario.xml");
    let text = SCENARIO.replace("@RTP@", sound.to_str().expect("a path in UTF-8"));
    fs::write(&scenario, text).expect("written");

    let server = Serving::start("[pool]\ncapacity = 400\n");
    let (_, address) = server.factory().split_once('@').expect("a user");
    let sipp = Command::new("sipp")
        .arg(address)
        .arg("-sf")
        .arg(&scenario)
        .args(["-i", "127.0.0.1", "-mi", "127.0.0.1", "-mp", "36000"])
        .args(["-m", CALLS, "-r", CALLS_PER_SECOND])
        // Only a server that hangs lets it come to this.
        .args(["-timeout", "120s", "-timeout_error", "-recv_timeout", "40000"])
        .args(["-nostdin", "-trace_err", "-trace_stat", "-stf"])
        .arg(folder.path().join("statistics.csv"))
        .arg("-error_file")
        .arg(folder.path().join("errors.log"))
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output();
    let sipp = sipp.expect("sipp must be there: `cargo xtask setup` installs it");
    let errors = fs::read_to_string(folder.path().join("errors.log")).unwrap_or_default();
    assert!(
        sipp.status.success(),
        "{}\n{}\n{errors}",
        sipp.status,
        String::from_utf8_lossy(&sipp.stdout)
    );
    let statistics = fs::read_to_string(folder.path().join("statistics.csv")).expect("statistics");
    assert_eq!(cumulative(&statistics, "SuccessfulCall(C)"), CALLS);
    assert_eq!(cumulative(&statistics, "FailedCall(C)"), "0");
    // Each call played four seconds of sound, 50 packets a second; the server heard it, and nothing stays behind.
    let heard = server.status()["mixers"][0]["received"].as_u64().expect("a number");
    assert!(heard >= SOUND_PACKETS_MIN, "{heard} packets heard");
    server.wait_until_nothing_is_left();
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
