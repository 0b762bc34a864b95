//! What a server would find wrong, and what it goes by.

use serde_json::Value;

use crate::processes::{Alone, Process, run};

#[test]
fn a_configuration_is_checked_against_itself_and_this_machine() {
    let alone = Alone::wait();
    let config = alone.write("c.toml", "[[factory]]\nexpcet = 3\n[pool]\ncapacity = 0\n");
    let (code, out, _) = run(&["check", &config]);
    assert_eq!(code, Some(1));
    assert!(out.contains("c.toml:2: wrong: unknown key `expcet`"), "{out}");
    assert!(out.contains("c.toml:4: wrong: capacity must be 1 to"), "{out}");
    assert!(out.contains("A server would not start: 2 things are wrong."), "{out}");

    let good = "[pool]\ncapacity = 4\n[[sip.listen]]\nbind = \"127.0.0.1:0\"\n";
    let config = alone.write("c.toml", good);
    let server = Process::serve(&["--config", &config]);
    let address = server.greeting("factory").split_once('@').expect("a host").1.to_owned();
    let taken = ["check", &config, "--json", "--admin", "127.0.0.1:0", "--sip", &address];
    let (code, out, _) = run(&taken);
    let told: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &told["good"]), (Some(1), &Value::Bool(false)), "{out}");
    assert_eq!(told["findings"][0]["key"], "sip.listen[0].bind");
    let (code, out, _) = run(&[&taken[..], &["--running"]].concat());
    assert_eq!(code, Some(0), "{out}");
}

/// What is printed is what counts: a server that is started with it says the same of itself.
#[test]
fn what_is_printed_is_gone_by() {
    let alone = Alone::wait();
    let config = alone.write("c.toml", "[pool]\ncapacity = 7\n[[factory]]\nusers = [\"8000\"]\n");
    let (code, printed, error) =
        run(&["print-config", &config, "--sip", "127.0.0.1:0", "--lab-registrar"]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    assert!(printed.contains("c.toml:2\n") && printed.contains("# --sip\n"), "{printed}");
    let whole = alone.write("whole.toml", &printed);
    let (_, again, _) = run(&["print-config", &whole]);
    let values = |text: &str| {
        let value = |line: &str| line.split("  #").next().unwrap_or_default().trim().to_owned();
        text.lines().map(value).collect::<Vec<_>>()
    };
    assert_eq!(values(&again), values(&printed));
    let server = Process::serve(&["--config", &whole]);
    assert!(server.greeting("factory").starts_with("sip:8000@127.0.0.1:"));
}

/// What is printed of a PIN is said to be masked and is refused; with --secrets it is what was read.
#[test]
fn a_pin_is_printed_only_when_it_is_asked_for() {
    let alone = Alone::wait();
    let config = alone.write("c.toml", "[[factory]]\npin = \"471147\"\n");
    let (code, masked, _) = run(&["print-config", &config]);
    assert!(code == Some(0) && masked.contains("pin = \"not shown\""), "{masked}");
    assert!(!masked.contains("471147"), "{masked}");
    let whole = alone.write("whole.toml", &masked);
    let check = ["check", &whole, "--running", "--sip", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let (code, out, _) = run(&check);
    assert!(
        code == Some(1) && out.contains("print it with `convoke print-config --secrets`"),
        "{out}"
    );
    let (code, shown, _) = run(&["print-config", &config, "--secrets"]);
    assert!(code == Some(0) && shown.contains("pin = \"471147\""), "{shown}");
    alone.write("whole.toml", &shown);
    let (code, out, _) = run(&check);
    assert_eq!(code, Some(0), "{out}");
}
