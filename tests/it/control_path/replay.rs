//! `seawall replay`: the frames of a capture, with the verdicts that the table says.

use std::{
    fs,
    net::{Ipv4Addr, Ipv6Addr},
    process::Command,
};

use firewall_daemon::{capture::Writer, datapath::explain::FRAME_BYTES_MAX};
use seawall_tests::{
    bpffs::Bpffs,
    frame::{
        GRE, ICMP, IPIP, TCP, UDP, ethernet, fragment_v6, gre, icmp, ipv4, ipv4_with, ipv6, mapped,
        tagged, tcp, tcp_with, udp,
    },
    process, requirement,
};

const CONFIG: &str = "
interfaces: [{ name: eth0 }]
packet:
  protected: [203.0.113.99]
  allow: { prefixes: [203.0.113.7] }
  deny: { prefixes: [203.0.113.0/24, 2001:db8:d::/48], files: [trial.txt] }
  shadow: { lists: [trial] }
  public_ports: [\"443/tcp\", icmp_echo]
  rules:
    - { name: no-ssh, protocol: tcp, ports: [22], verdict: drop }
    - { name: dns, protocol: udp, ports: [53], verdict: pass }
  limits: { source: { rate_pps: 1, burst_packets: 2 } }
  pin_path: PIN_PATH
";

/// Frames in order, a second between them, and what is said of each.
fn table() -> Vec<(Vec<u8>, &'static str)> {
    let good = Ipv4Addr::new(198, 51, 100, 1);
    let other = Ipv4Addr::new(198, 51, 100, 2);
    let denied = Ipv4Addr::new(203, 0, 113, 8);
    let good_v6: Ipv6Addr = "2001:db8:e::1".parse().expect("an address");
    let denied_v6: Ipv6Addr = "2001:db8:d::1".parse().expect("an address");
    let v4 = |source, protocol, payload: &[u8]| ethernet(0x0800, &ipv4(source, protocol, payload));
    let v6 = |source, next, payload: &[u8]| ethernet(0x86dd, &ipv6(source, next, payload));
    let inner = ipv4(denied, UDP, &udp(1, 2, 4));
    vec![
        (v4(good, TCP, &tcp(40_000, 443)), "pass default"),
        (v4(good, TCP, &tcp(40_000, 22)), "drop rule"),
        (v4(good, TCP, &tcp(40_000, 23)), "drop port"),
        (v4(good, TCP, &tcp_with(443, 40_000, 16, &[])), "pass default"),
        (v4(good, TCP, &tcp_with(40_000, 443, 3, &[])), "drop tcp_flags"),
        (v4(good, UDP, &udp(40_000, 53, 8)), "pass rule"),
        (v4(good, UDP, &udp(40_000, 54, 8)), "drop port"),
        (v4(good, ICMP, &icmp(8, 0)), "pass default"),
        (v4(good, ICMP, &icmp(13, 0)), "drop port"),
        (v4(good, ICMP, &icmp(3, 4)), "pass essential"),
        (v4(denied, TCP, &tcp(40_000, 443)), "drop deny"),
        (tagged(0x8100, 7, &v4(denied, TCP, &tcp(40_000, 443))), "drop deny"),
        (v4(Ipv4Addr::new(203, 0, 113, 7), TCP, &tcp(40_000, 22)), "pass allow"),
        (v4(Ipv4Addr::new(203, 0, 113, 99), TCP, &tcp(40_000, 22)), "pass protected"),
        (v4(Ipv4Addr::new(192, 0, 2, 1), TCP, &tcp(40_000, 443)), "shadow deny"),
        (v4(good, IPIP, &inner), "drop deny"),
        (v4(good, GRE, &gre(0x2000, 0x0800, &inner)), "drop deny"),
        (v4(good, IPIP, &inner[..19]), "drop malformed"),
        (v6(mapped(denied), TCP, &tcp(40_000, 443)), "drop deny"),
        (v6(denied_v6, TCP, &tcp(40_000, 443)), "drop deny"),
        (v6(good_v6, TCP, &tcp(40_000, 443)), "pass default"),
        (v6(good_v6, 44, &fragment_v6(UDP, 9, false, &[0; 8])), "drop fragment"),
        (ethernet(0x0800, &ipv4_with(good, UDP, &[], 0x0009, &[0; 8])), "drop fragment"),
        (ethernet(0x8847, &[0; 46]), "drop non_ip"),
        (ethernet(0x0806, &[0; 46]), "pass essential"),
        (vec![0; 13], "not_run 13 bytes, expected 14 to 3520"),
        (vec![0; FRAME_BYTES_MAX], "pass essential"),
        (vec![0; FRAME_BYTES_MAX + 1], "not_run 3521 bytes, expected 14 to 3520"),
        // At the capture's own times: the bucket holds two and earns one a second.
        (v4(other, UDP, &udp(40_000, 53, 8)), "pass rule"),
    ]
}

#[test]
fn a_capture_is_replayed_with_the_verdicts_that_the_table_says() {
    if !requirement::root("a_capture_is_replayed_with_the_verdicts_that_the_table_says") {
        return;
    }
    let bpffs = Bpffs::mount().expect("a BPF file system");
    let folder = std::env::temp_dir().join(format!("seawall-replay-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let pin_path = bpffs.path().join("pins").display().to_string();
    let (config, capture) = (folder.join("seawall.yaml"), folder.join("frames.pcapng"));
    fs::write(&config, CONFIG.replace("PIN_PATH", &pin_path)).expect("written");
    fs::write(folder.join("trial.txt"), "192.0.2.0/24\n").expect("written");
    let table = table();
    let mut writer = Writer::create(Vec::new(), &["eth0"]).expect("a capture");
    let mut write = |time_ns: u64, frame: &[u8]| {
        writer.write(0, time_ns, frame.len() as u32, frame, "").expect("written");
    };
    for (second, (frame, _)) in (1_700_000_000_u64..).zip(&table) {
        write(second * 1_000_000_000, frame);
    }
    // Three more of the last source in the same moment: one token is left, two find none.
    let last = table.last().map(|(frame, _)| frame.clone()).expect("a frame");
    let moment = (1_700_000_000 + table.len() as u64 - 1) * 1_000_000_000;
    for _ in 0..3 {
        write(moment, &last);
    }
    fs::write(&capture, writer.finish().expect("whole")).expect("written");

    let run = |json: bool| {
        let mut command = Command::new(process::program("seawall").expect("it was built"));
        command.arg("replay").arg(&capture).arg("--config").arg(&config);
        command.args(json.then_some("--json"));
        let output = command.output().expect("it runs");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{error}");
        String::from_utf8(output.stdout).expect("text")
    };
    let mut expected: Vec<&str> = table.iter().map(|(_, said)| *said).collect();
    expected.extend(["pass rule", "drop rate_source", "drop rate_source"]);
    let text = run(false);
    let lines: Vec<&str> = text.lines().collect();
    for (index, said) in expected.iter().enumerate() {
        assert_eq!(
            lines.get(index).copied(),
            Some(format!("{} {said}", index + 1).as_str()),
            "{text}"
        );
    }
    assert!(lines.contains(&"total drop rate_source 2"), "{text}");
    assert!(lines.contains(&"total drop deny 6"), "{text}");
    let json = run(true);
    let first: serde_json::Value =
        serde_json::from_str(json.lines().nth(10).expect("a line")).expect("JSON");
    assert_eq!(first["list"], "deny", "{json}");
    assert_eq!((&first["verdict"], &first["reason"]), (&"drop".into(), &"deny".into()));
    // The kernel keeps two files of its own in every BPF file system.
    let mut entries = fs::read_dir(bpffs.path()).expect("the bpffs").flatten();
    assert!(!entries.any(|entry| entry.path().is_dir()), "nothing stays pinned");
    fs::remove_dir_all(&folder).expect("removed");
}
