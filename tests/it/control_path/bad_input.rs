//! Bad input: one clear error that names the place, the right exit code, and nothing left behind.

use std::{fs, process::Command};

use seawall_tests::{process, requirement, seawall, world::SERVER_INTERFACE};

use crate::site::Ground;

/// What is wrong, how the good configuration is changed to have it, the exit code, and words that
/// the error must contain.
struct Case {
    name: &'static str,
    change: (&'static str, &'static str),
    exit_code: i32,
    words: &'static [&'static str],
}

const fn case(
    name: &'static str,
    change: (&'static str, &'static str),
    exit_code: i32,
    words: &'static [&'static str],
) -> Case {
    Case { name, change, exit_code, words }
}

const PIN_PATH: &str = "  pin_path:";
const CASES: [Case; 15] = [
    case(
        "unknown key",
        (PIN_PATH, "  colour: blue\n  pin_path:"),
        2,
        &["seawall.yaml:4:", "colour"],
    ),
    case("unknown section", ("interfaces:", "sea: 1\ninterfaces:"), 2, &["seawall.yaml:1:", "sea"]),
    case(
        "wrong type",
        (PIN_PATH, "  events: { sample_one_in: often }\n  pin_path:"),
        2,
        &["seawall.yaml:4:", "often"],
    ),
    case(
        "host bits set",
        (PIN_PATH, "  deny: { prefixes: [203.0.113.7/24] }\n  pin_path:"),
        2,
        &["seawall.yaml:4:", "203.0.113.7/24", "203.0.113.0/24"],
    ),
    case(
        "a country that is none",
        (PIN_PATH, "  geo: { database: country.mmdb, only: [Germany] }\n  pin_path:"),
        2,
        &["seawall.yaml:4:", "Germany"],
    ),
    case(
        "metrics for everyone",
        ("control:", "metrics: { listen: \"0.0.0.0:9464\" }\ncontrol:"),
        2,
        &["seawall.yaml:", "0.0.0.0:9464"],
    ),
    case(
        "missing database",
        (PIN_PATH, "  geo: { database: absent.mmdb, only: [DE] }\n  pin_path:"),
        1,
        &["absent.mmdb"],
    ),
    case(
        "truncated database",
        (PIN_PATH, "  geo: { database: cut.mmdb, only: [DE] }\n  pin_path:"),
        1,
        &["cut.mmdb"],
    ),
    case(
        "missing list",
        (PIN_PATH, "  deny: { files: [absent.txt] }\n  pin_path:"),
        1,
        &["absent.txt"],
    ),
    case(
        "garbage in a list",
        (PIN_PATH, "  deny: { files: [garbage.txt] }\n  pin_path:"),
        2,
        &["garbage.txt:3", "not-an-address"],
    ),
    case(
        "host bits in a list",
        (PIN_PATH, "  deny: { files: [host-bits.txt] }\n  pin_path:"),
        2,
        &["host-bits.txt:2", "198.51.100.0/24"],
    ),
    case("no such interface", ("name: eth0", "name: eth7"), 1, &["eth7"]),
    case("port in use", ("0.0.0.0:443", "0.0.0.0:8443"), 1, &["8443"]),
    case("missing certificate", ("authority.pem", "absent.pem"), 1, &["absent.pem"]),
    case("no such user", ("user: nobody", "user: nosuchuser"), 1, &["nosuchuser"]),
];

#[test]
fn bad_input_ends_with_one_error_and_leaves_nothing() {
    if !requirement::root("bad_input_ends_with_one_error_and_leaves_nothing") {
        return;
    }
    let ground = Ground::prepare();
    let good = ground.config("", "");
    let file =
        |name: &str, content: &[u8]| fs::write(ground.world.folder().join(name), content).unwrap();
    let database = fs::read(ground.world.folder().join("country.mmdb")).unwrap();
    file("cut.mmdb", &database[..database.len() / 2]);
    file("garbage.txt", b"# list\n203.0.113.0/24\nnot-an-address\n");
    file("host-bits.txt", b"203.0.113.0/24\n198.51.100.7/24\n");
    for Case { name, change: (from, to), exit_code, words } in CASES {
        assert!(good.contains(from), "{name}: the configuration has no {from}");
        let path = seawall::write_config(&ground.world, &good.replacen(from, to, 1)).unwrap();
        let arguments = ["run", "--config", path.to_str().unwrap()];
        let output = seawall::run(&ground.world, &arguments).unwrap();
        check(name, &output, exit_code, words);
        assert_eq!(ground.traces(), Vec::<String>::new(), "{name}");
    }
    assert!(good.contains(SERVER_INTERFACE));
}

#[test]
fn usage_and_privileges_are_told_apart() {
    if !requirement::root("usage_and_privileges_are_told_apart") {
        return;
    }
    let ground = Ground::prepare();
    let path = seawall::write_config(&ground.world, &ground.config("", "")).unwrap();
    let path = path.to_str().unwrap();
    let usage = seawall::run(&ground.world, &["run", "--confg", path]).unwrap();
    assert_eq!(usage.status.code(), Some(2), "{usage:?}");
    let absent =
        seawall::run(&ground.world, &["run", "--config", "/nowhere/seawall.yaml"]).unwrap();
    check("missing configuration", &absent, 1, &["/nowhere/seawall.yaml"]);

    // The key is root's alone; without it the refusal would be about the file.
    let open = ground.world.folder().join("api.example.key");
    fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let program = process::program("seawall").unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    // A copy: the build may lie in a folder that only its owner may enter.
    let copy = ground.world.folder().join("seawall");
    fs::copy(program, &copy).unwrap();
    command.arg(&copy).args(["run", "--config", path]);
    let output = ground.world.server.output(&mut command).unwrap();
    check("no privileges", &output, 1, &["root"]);
    assert_eq!(ground.traces(), Vec::<String>::new());
}

#[test]
fn check_tells_good_from_bad_and_touches_nothing() {
    if !requirement::root("check_tells_good_from_bad_and_touches_nothing") {
        return;
    }
    let ground = Ground::prepare();
    let good = ground.config("  geo: { database: country.mmdb, only: [DE] }\n", "");
    let path = seawall::write_config(&ground.world, &good).unwrap();
    let path = path.to_str().unwrap();
    let output = seawall::run(&ground.world, &["check", path]).unwrap();
    assert!(output.status.success(), "{output:?}");
    seawall::write_config(&ground.world, &good.replace("only", "onyl")).unwrap();
    let output = seawall::run(&ground.world, &["check", path]).unwrap();
    check("check", &output, 2, &["seawall.yaml:5:", "onyl"]);
    assert_eq!(ground.traces(), Vec::<String>::new());
}

fn check(name: &str, output: &std::process::Output, exit_code: i32, words: &[&str]) {
    let side = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(exit_code), "{name}: {side}");
    let errors: Vec<&str> = side.lines().filter(|line| line.starts_with("seawall: ")).collect();
    assert_eq!(errors.len(), 1, "{name}: one error, not\n{side}");
    for word in words {
        assert!(side.contains(word), "{name}: no {word} in\n{side}");
    }
    assert!(!side.contains("panicked"), "{name}: {side}");
}
