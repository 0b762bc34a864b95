//! The command line as the issue promises it.

use clap::CommandFactory as _;

use server::config::PortRange;

use super::*;

fn parse(line: &str) -> Command {
    let words = std::iter::once("convoke").chain(line.split_whitespace());
    Cli::try_parse_from(words).expect("a good command line").command
}

fn refused(line: &str) -> String {
    let words = std::iter::once("convoke").chain(line.split_whitespace());
    let error = Cli::try_parse_from(words).expect_err("a bad command line");
    error.render().to_string().lines().next().unwrap_or_default().to_owned()
}

#[test]
fn clap_finds_no_fault_in_the_definition() {
    Cli::command().debug_assert();
}

#[test]
fn serve_takes_what_the_issue_names() {
    let line = "serve --sip 127.0.0.1:0 --media-ip 127.0.0.1 --rtp-ports 20000-20099 \
                --config c.toml --open --json";
    let Command::Serve(args) = parse(line) else { panic!("serve") };
    assert_eq!(args.settings.sip, Some(LOOPBACK));
    assert_eq!(args.settings.media_ip, Some(Ipv4Addr::LOCALHOST.into()));
    assert_eq!(args.settings.rtp_ports, Some(PortRange { first: 20_000, last: 20_099 }));
    assert_eq!(args.config, Some(PathBuf::from("c.toml")));
    assert!(args.settings.open && args.common.json && !args.common.trace);
    let Command::Serve(traced) = parse("serve --trace") else { panic!("serve") };
    assert!(traced.common.trace && !traced.common.json);
    let Command::Serve(bare) = parse("serve") else { panic!("serve") };
    let settings = &bare.settings;
    assert!(
        settings.sip.is_none() && settings.admin.is_none() && !settings.open && !bare.common.json
    );
}

#[test]
fn conference_takes_many_invitees_after_one_flag_or_several() {
    let line = "conference sip:conference@127.0.0.1:5060 --invite sip:b@127.0.0.1:1 \
                sip:c@127.0.0.1:2 --invite sip:d@127.0.0.1:3 --play p.wav --record r.wav --for 20s \
                --sip 127.0.0.1:0 --refer inside --json";
    let Command::Conference(args) = parse(line) else { panic!("conference") };
    assert_eq!(args.factory.to_string(), "sip:conference@127.0.0.1:5060");
    let invited: Vec<String> = args.invite.iter().map(ToString::to_string).collect();
    assert_eq!(invited, ["sip:b@127.0.0.1:1", "sip:c@127.0.0.1:2", "sip:d@127.0.0.1:3"]);
    assert_eq!(args.stay, Some(Duration::from_secs(20)));
    assert_eq!(args.refer, Refer::Inside);
    assert_eq!(args.terminal.record_rate, RecordRate::Hz8000);
    let Command::Conference(bare) = parse("conference sip:c@h") else { panic!("conference") };
    assert_eq!((bare.refer, bare.stay, bare.invite.len()), (Refer::Auto, None, 0));
}

#[test]
fn answer_takes_what_the_issue_names() {
    let line = "answer --sip 127.0.0.1:5071 --play p.wav --record r.wav --record-rate 48000 --once \
                --trust alice@example.com --trust 10.0.0.0/8 --json";
    let Command::Answer(args) = parse(line) else { panic!("answer") };
    assert_eq!(args.trust.len(), 2);
    assert_eq!(args.terminal.record_rate, RecordRate::Hz48000);
    assert!(args.once);
}

#[test]
fn status_asks_where_serve_listens_by_default() {
    let Command::Status(args) = parse("status") else { panic!("status") };
    assert_eq!(args.ask.admin, server::Config::ADMIN_DEFAULT);
    let Command::Status(args) = parse("status --admin 127.0.0.1:9 --json") else {
        panic!("status")
    };
    assert!(args.ask.json && args.ask.admin.port() == 9);
}

#[test]
fn drain_takes_a_deadline_and_undrain_none() {
    let Command::Drain(args) = parse("drain --deadline 10m --admin 127.0.0.1:9") else {
        panic!("drain")
    };
    assert_eq!((args.deadline, args.ask.admin.port()), (Some(Duration::from_secs(600)), 9));
    let Command::Drain(bare) = parse("drain") else { panic!("drain") };
    assert_eq!(bare.deadline, None);
    assert!(matches!(parse("undrain"), Command::Undrain(_)));
    assert!(refused("drain --deadline 10").ends_with("as in 60s"));
    let Command::Serve(args) = parse("serve --drain-deadline 5m") else { panic!("serve") };
    assert_eq!(args.drain_deadline, Duration::from_secs(300));
}

#[test]
fn a_bad_value_says_in_its_first_line_what_to_write() {
    let table = [
        ("serve --sip 5060", "write an address and a port, as in 127.0.0.1:5060"),
        (
            "serve --rtp-ports 9",
            "is no port range: write two ports, the lower first, as in 20000-29999",
        ),
        ("conference bob", "write a SIP URI, as in sip:name@host or sip:name@192.0.2.7:5060"),
        ("conference tel:911", "write a SIP URI, as in sip:name@host or sip:name@192.0.2.7:5060"),
        (
            "conference sip:c@h --invite x",
            "write a SIP URI, as in sip:name@host or sip:name@192.0.2.7:5060",
        ),
        (
            "conference sip:c@h --for 20",
            "is no duration: write a number and ms, s, m or h, as in 60s",
        ),
        ("answer --user a@b", "write letters, digits, `-`, `_` and `.` only"),
        ("answer --record-rate 44100", "write 8000, 16000 or 48000"),
        ("demo --for 1s", "must be 6s to 10m"),
    ];
    for (line, advice) in table {
        let first = refused(line);
        assert!(first.ends_with(advice), "for {line:?}: {first}");
    }
}

#[test]
fn what_is_wrong_with_a_value_is_a_sentence() {
    let said =
        about_value("error: invalid value '9' for '--for <TIME>': is no duration: write 60s");
    assert_eq!(said, "invalid value '9' for '--for <TIME>': this is no duration: write 60s");
    let said = about_value("error: invalid value 'x' for '--sip <ADDR>': write an address");
    assert_eq!(said, "invalid value 'x' for '--sip <ADDR>': write an address");
}

#[test]
fn every_command_has_a_sentence_of_help() {
    for command in Cli::command().get_subcommands() {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        assert!(about.len() > 20, "{} says {about:?}", command.get_name());
    }
}

#[test]
fn load_takes_what_the_issue_names() {
    let line = "load sip:room{n}@127.0.0.1:5070 --legs 100 --conferences 10 --talkers 2 --rest nothing \
                --ptime 30 --rate 200 --for 20s --pid 42 --json";
    let Command::Load(args) = parse(line) else { panic!("load") };
    let plan = args.plan();
    assert_eq!(plan.target.as_str(), "sip:room{n}@127.0.0.1:5070");
    assert_eq!((plan.legs, plan.conferences, plan.talkers), (100, 10, 2));
    assert_eq!((plan.rest, plan.ptime_ms, plan.rate), (::load::Rest::Nothing, 30, 200));
    assert_eq!((plan.stay, plan.pid), (Duration::from_secs(20), Some(42)));
    assert_eq!(plan.reach, ::load::Reach::Loopback);
    assert!(args.json);
    let Command::Load(bare) = parse("load sip:c@127.0.0.1 --anywhere") else { panic!("load") };
    let plan = bare.plan();
    assert_eq!((plan.legs, plan.conferences, plan.talkers), (10, 1, 3));
    assert_eq!((plan.rest, plan.reach), (::load::Rest::Silence, ::load::Reach::Anywhere));
    assert!(refused("load sips:c@127.0.0.1").contains("only sip: URIs over UDP can be called"));
    assert!(refused("load").contains("required"));
}
