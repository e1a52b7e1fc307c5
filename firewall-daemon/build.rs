//! Embeds the XDP program that `cargo xtask ebpf` built. Without it the crate still compiles, for
//! clippy and editors; the daemon then refuses to start and says why.

use std::{env, fs, path::PathBuf};

fn main() {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let object = env::var_os("SEAWALL_XDP_OBJECT")
        .map_or_else(|| manifest.join("../target/seawall-xdp.o"), PathBuf::from);
    println!("cargo::rerun-if-env-changed=SEAWALL_XDP_OBJECT");
    println!("cargo::rerun-if-changed={}", object.display());
    let bytes = fs::read(&object).unwrap_or_else(|_| {
        println!("cargo::warning=no XDP program: `cargo xtask ebpf` builds it");
        Vec::new()
    });
    let embedded = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("seawall-xdp.o");
    if let Err(error) = fs::write(&embedded, bytes) {
        println!("cargo::error=cannot write {}: {error}", embedded.display());
    }
}
