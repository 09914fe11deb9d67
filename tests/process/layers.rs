//! Settings from flag, environment, file and default, as the binary shows them.

use super::rig::{Home, finish};

#[test]
fn each_setting_tells_where_it_came_from() {
    let home = Home::new();
    home.write(".config/peerlink/peerlink.toml", b"# mine\nmax-peers = 7\ndir = \"/from/file\"\nport = 1000\n");
    let mut command = home.command(&["config", "--state-dir", "/from/flag"]);
    command.env("PEERLINK_DIR", "/from/environment").env("PEERLINK_PORT", "2000").env("PEERLINK_SEED", "");
    let ended = finish(command, b"").expect(0);
    let line = |name: &str| {
        let found = ended.out.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{}", ended.out));
        found.split("  #").map(str::trim).collect::<Vec<_>>().join(" # ")
    };
    assert_eq!(line("state-dir"), "state-dir = \"/from/flag\" # command line");
    assert_eq!(line("dir"), "dir = \"/from/environment\" # environment PEERLINK_DIR");
    assert_eq!(line("port"), "port = 2000 # environment PEERLINK_PORT");
    let file = home.text(".config/peerlink/peerlink.toml");
    assert_eq!(line("max-peers"), format!("max-peers = 7 # {file}:2"));
    assert_eq!(line("seed"), "seed = false # default");
}

#[test]
fn what_config_prints_is_a_configuration() {
    let home = Home::new();
    let first = home.run(&["config"]).expect(0).out;
    home.write("copy.toml", first.as_bytes());
    let second = home.run(&["config", "-c", "copy.toml"]).expect(0).out;
    let values = |text: &str| text.lines().map(|line| line.split("  #").next().unwrap().trim().to_string()).collect();
    let (first, second): (Vec<String>, Vec<String>) = (values(&first), values(&second));
    assert_eq!(first, second);
}

#[test]
fn objects_for_scripts() {
    let home = Home::new();
    let ended = home.run(&["config", "-j"]).expect(0);
    assert!(ended.out.lines().all(|line| line.starts_with("{\"name\":\"") && line.ends_with("\"}")), "{}", ended.out);
    assert!(ended.out.contains(r#"{"name":"memory","values":["32M"],"origin":"default"}"#));
}
