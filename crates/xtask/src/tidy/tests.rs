//! Canaries: for each rule a tree that breaks it, and only it, must be refused.

use std::fs;

use tempfile::TempDir;

use super::tree::Tree;
use super::{Finding, check, length, tables};

/// A manifest that breaks no rule, with these lines under `[dependencies]`.
fn manifest(name: &str, dependencies: &str) -> String {
    format!(
        "[package]\nname = \"{name}\"\n[lints]\nworkspace = true\n[dependencies]\n{dependencies}"
    )
}

/// Writes a small good tree and over it these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let good = [
        (
            "Cargo.toml",
            "[workspace.dependencies]\nunits = { path = \"crates/units\" }\nnix = \"1\"\n".to_owned(),
        ),
        ("docs/DEPENDENCIES.md", "| `nix` | batches |\n".to_owned()),
        ("README.md", "# Good\n\n[rules](docs/CONFORMANCE.md#rows)\n".to_owned()),
        ("docs/CONFORMANCE.md", "| A15 | resend | `sip::resends` |  |\n| A16 | x |  | later |\n".to_owned()),
        ("crates/sip/Cargo.toml", manifest("sip", "units.workspace = true")),
        (
            "crates/sip/src/lib.rs",
            "//! Good.\n\nuse std::net::{IpAddr, SocketAddr};\nuse units::Instant;\n\n#[cfg(test)]\nmod tests {\n    /// A15 · RFC 3261 §13.3.1.4\n    #[test]\n    fn resends() {\n        std::thread::yield_now();\n    }\n}\n"
                .to_owned(),
        ),
        ("crates/units/Cargo.toml", manifest("units", "")),
        ("crates/media/Cargo.toml", manifest("media", "nix.workspace = true")),
        ("crates/media/src/lib.rs", "//! Good.\nunsafe fn batch() { nix::send() }\n".to_owned()),
    ];
    let good = good.iter().map(|(path, text)| (*path, text.as_str()));
    for (path, text) in good.chain(files.iter().copied()) {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }
    folder
}

fn findings(files: &[(&str, &str)]) -> Vec<Finding> {
    check(&Tree::read(folder(files).path()).expect("read"))
}

/// Asserts that the tree with this file is refused once, by this rule, at this line.
#[track_caller]
fn refused(rule: &str, line: usize, path: &str, text: &str) {
    let mut found = findings(&[(path, text)]);
    // A source that is replaced no longer uses what its manifest names: another canary's matter.
    found.retain(|finding| rule == "dependencies" || finding.rule != "dependencies");
    let places: Vec<_> =
        found.iter().map(|finding| (finding.rule, finding.path.as_str(), finding.line)).collect();
    assert_eq!(places, [(rule, path, line)], "{found:?}");
}

#[test]
fn good_tree_passes() {
    assert_eq!(findings(&[]), []);
}

#[test]
fn upper_crate_may_not_import_lower() {
    refused("order", 0, "crates/units/Cargo.toml", &manifest("units", "sip.workspace = true"));
    let for_tests = manifest("units", "") + "[dev-dependencies]\nsip.workspace = true";
    refused("order", 0, "crates/units/Cargo.toml", &for_tests);
    let renamed = manifest("units", "other = { package = \"sip\", path = \"../sip\" }");
    refused("order", 0, "crates/units/Cargo.toml", &renamed);
    let by_target =
        manifest("units", "") + "[target.'cfg(unix)'.dependencies]\nsip.workspace = true";
    refused("order", 0, "crates/units/Cargo.toml", &by_target);
}

#[test]
fn focus_pool_and_mix_are_strangers() {
    refused("order", 0, "crates/mix/Cargo.toml", &manifest("mix", "pool.workspace = true"));
}

#[test]
fn crate_without_a_place_is_refused() {
    refused("order", 0, "crates/common/Cargo.toml", &manifest("common", ""));
}

#[test]
fn lints_are_inherited_and_not_replaced() {
    refused("lints", 0, "crates/units/Cargo.toml", "[package]\nname = \"units\"");
    refused("lints", 0, "crates/units/clippy.toml", "");
    refused("lints", 1, "crates/units/src/lib.rs", "#[allow(dead_code)]\nfn x() {}");
}

/// The words of each finding about dependencies in the tree with these files.
fn about_dependencies(files: &[(&str, &str)]) -> Vec<String> {
    let found = findings(files).into_iter().filter(|finding| finding.rule == "dependencies");
    found.map(|finding| finding.to_string()).collect()
}

#[test]
fn dependency_is_used_where_it_is_named() {
    let unused =
        "crates/media/Cargo.toml: dependencies: nix stands in [dependencies] and is not used";
    // A use in the tests alone is not one of the product's.
    let tests = "//! Good.\n#[cfg(test)]\nmod tests {\n    use nix::x;\n}\n";
    assert_eq!(about_dependencies(&[("crates/media/src/lib.rs", tests)]), [unused]);
}

#[test]
fn dependency_is_in_the_table_named_and_explained() {
    let page = "docs/DEPENDENCIES.md";
    let gone = "| `nix` | batches |\n| `gone` | was of use |\n";
    refused("dependencies", 2, page, gone);

    let table = "[workspace.dependencies]\nnix = \"1\"\nnew = \"1\"\n";
    let rows = "| `nix` | batches |\n| `new` | not yet |\n";
    let unnamed = "Cargo.toml: dependencies: new stands in the table and no crate of ours names it";
    assert_eq!(about_dependencies(&[("Cargo.toml", table), (page, rows)]), [unnamed]);

    let named = manifest("media", "nix = \"1\"\nnew = \"1\"");
    let uses = "fn f() { nix::f(); new::f() }";
    let crates = [("crates/media/Cargo.toml", named.as_str()), ("crates/media/src/lib.rs", uses)];
    let unexplained =
        "Cargo.toml: dependencies: docs/DEPENDENCIES.md does not say why new was taken";
    let files: Vec<_> = crates.into_iter().chain([("Cargo.toml", table)]).collect();
    assert_eq!(about_dependencies(&files), [unexplained]);

    let elsewhere = "crates/media/Cargo.toml: dependencies: new is not in the workspace's table: say there which version";
    assert_eq!(about_dependencies(&crates), [elsewhere]);
}

#[test]
fn crate_without_io_imports_no_io() {
    refused("pure", 0, "crates/sip/Cargo.toml", &manifest("sip", "tokio.workspace = true"));
}

#[test]
fn crate_without_io_uses_no_socket_file_thread_or_clock() {
    for (line, code) in [
        (1, "use std::net::UdpSocket;"),
        (1, "use std::{fmt, net::{IpAddr, UdpSocket}};"),
        (1, "use std::{\n    fmt,\n    time::{Duration, Instant},\n};"),
        (1, "use std::net::*;"),
        (2, "fn f() {\n    std::thread::spawn(g);\n}"),
        (1, "use std::time;\nfn f() { time::Instant::now(); }"),
        (1, "pub(crate) use std::fs::File;"),
        (3, "#[cfg(test)]\nuse std::fs;\nuse std::time::SystemTime;"),
    ] {
        refused("pure", line, "crates/units/src/lib.rs", code);
    }
    assert_eq!(findings(&[("crates/server/src/main.rs", "use std::fs;")]), []);
}

#[test]
fn names_in_comments_strings_and_tests_are_not_uses() {
    let code = "// std::fs is not here\nfn f() { g(\"std::fs\") }\n#[cfg(test)]\nmod tests;";
    let files = [
        ("crates/units/src/lib.rs", code),
        ("crates/units/src/tests.rs", "use std::fs;\nunsafe fn f() {}"),
        ("crates/units/tests/other.rs", "use std::fs;"),
    ];
    assert_eq!(findings(&files), []);
}

#[test]
fn only_media_has_unsafe_code() {
    refused("pure", 2, "crates/server/src/main.rs", "fn f() {\n    unsafe { g() }\n}");
    refused("pure", 1, "crates/server/src/main.rs", "#![expect(unsafe_code, reason = \"fast\")]");
}

#[test]
fn long_file_is_refused_but_not_for_its_tests() {
    refused("length", 0, "crates/units/src/lib.rs", &"fn f() {}\n".repeat(801));
    let tests =
        format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", "x();\n".repeat(800), "y();\n".repeat(200));
    assert_eq!(findings(&[("crates/units/src/lib.rs", &tests)]), []);
    refused("length", 0, "README.md", &"line\n".repeat(121));
}

#[test]
fn file_that_grows_long_is_named() {
    let of = |text: &str| {
        let folder = folder(&[("crates/units/src/lib.rs", text)]);
        length::warnings(&Tree::read(folder.path()).expect("read")).len()
    };
    assert_eq!(of(&"f();\n".repeat(400)), 0);
    assert_eq!(of(&"f();\n".repeat(401)), 1);
    assert_eq!(of(&format!("f();\n#[cfg(test)]\nmod tests {{\n{}}}", "f();\n".repeat(150))), 1);
}

#[test]
fn citation_has_one_form() {
    refused("citation", 1, "crates/units/src/lib.rs", "// RFC 3261 section 17.1\n");
    refused("citation", 2, "docs/X.md", "# X\nRFC3261 says so.\n");
    assert_eq!(findings(&[("docs/X.md", "```\nRFC3261\n```\n`RFC3261`\n")]), []);
}

#[test]
fn promise_needs_its_issue() {
    let word = concat!("TO", "DO");
    refused("to-do", 1, "crates/units/src/lib.rs", &format!("// {word}: later\n"));
    refused("to-do", 1, "docs/X.md", &format!("{word}\n"));
    refused("to-do", 1, "crates/units/src/lib.rs", "fn f() { todo!() }\n");
    assert_eq!(findings(&[("docs/X.md", &format!("{word}(#3): later\n"))]), []);
}

#[test]
fn table_names_only_tests_that_exist() {
    let page = "| A15 | resend | `sip::resends` |  |\n| (1) | first | `sip::never_written` |\n";
    refused("tables", 2, "docs/CONFORMANCE.md", page);
    // A function that is no test proves nothing.
    let plain = [
        ("crates/units/src/lib.rs", "fn never_written() {}"),
        ("docs/DEVIATIONS.md", "Test: `units::never_written`.\n"),
    ];
    assert_eq!(findings(&plain).len(), 1);
}

#[test]
fn row_has_a_test_or_a_reason() {
    refused(
        "tables",
        2,
        "docs/CONFORMANCE.md",
        "| A15 | resend | `sip::resends` |  |\n| A16 | x |  |  |\n",
    );
}

#[test]
fn test_that_names_a_row_stands_in_it() {
    let code = "#[cfg(test)]\nmod tests {\n    /// A16, A17 · RFC 6026 §7.2, not as A01-A09 or T16\n    #[test]\n    fn waits() {}\n}";
    let files = [("crates/units/src/lib.rs", code)];
    let found = findings(&files);
    assert_eq!(
        found.iter().map(|found| (found.rule, found.line)).collect::<Vec<_>>(),
        [("tables", 4); 2]
    );
    let folder = folder(&files);
    tables::write(folder.path(), &Tree::read(folder.path()).expect("read")).expect("written");
    let page = fs::read_to_string(folder.path().join("docs/CONFORMANCE.md")).expect("read");
    assert_eq!(
        page,
        "| A15 | resend | `sip::resends` |  |\n| A16 | x | `units::waits` | later |\n"
    );
}

#[test]
fn link_and_path_lead_somewhere() {
    let links =
        "[up](../README.md) [out](https://example.org/x) [here](#x)\n\n[gone](GONE.md#there)\n";
    refused("tables", 3, "docs/X.md", links);
    let paths =
        "`crates/sip/src/lib.rs`, `crates/sip/src/`, `crates/*/src`\n`crates/sip/src/gone.rs`\n";
    refused("tables", 2, "docs/X.md", paths);
}
