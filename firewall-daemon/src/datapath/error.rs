//! What can go wrong between the daemon and the kernel, each with its remedy.

use std::{io, path::PathBuf};

use aya::{EbpfError, maps::MapError, programs::ProgramError};

use crate::datapath::attached::AttachedProgram;

/// A failure of the datapath.
#[derive(Debug, thiserror::Error)]
pub enum DatapathError {
    /// `build.rs` found no object.
    #[error("this binary was built without the XDP program: build it with `cargo xtask build`")]
    NoObject,
    /// An interface is missing.
    #[error(
        "interface {name}: expected a network interface of this host, found none of that name; `ip link` lists them"
    )]
    NoInterface {
        /// Its name.
        name: String,
    },
    /// The folder for pins is on another file system.
    #[error(
        "pin_path {path}: expected a folder on a BPF file system, found none; `mount -t bpf bpf /sys/fs/bpf` mounts it"
    )]
    NotBpffs {
        /// The folder.
        path: PathBuf,
    },
    /// The folder is claimed.
    #[error(
        "pin_path {path}: another seawall daemon uses this folder; stop it, or give this one a pin_path of its own"
    )]
    PinFolderInUse {
        /// The folder.
        path: PathBuf,
    },
    /// What is pinned is of a layout that this version does not know.
    #[error(
        "pin_path {path}: expected what layout {known} or an earlier one pinned, found {found}; start the version that made it, or take the filter off with `seawall detach`"
    )]
    PinsUnknown {
        /// The folder.
        path: PathBuf,
        /// What is there.
        found: String,
        /// The newest that is known.
        known: u32,
    },
    /// A pin could not be made, read or removed.
    #[error("pin {path}: cannot {action}: {source}")]
    Pin {
        /// The pin.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The kernel did not take the object.
    #[error(
        "cannot load the XDP program (needs kernel 5.12 with BPF, CAP_BPF and CAP_NET_ADMIN): {0}"
    )]
    Load(#[from] EbpfError),
    /// The verifier did not take the program.
    #[error("cannot load the XDP program into the kernel: {0}")]
    Verify(#[source] ProgramError),
    /// The object is not the one that this binary was written for.
    #[error(
        "the XDP program has no {what} named {name}: it is of another version; build both with `cargo xtask build`"
    )]
    Missing {
        /// Map or program.
        what: &'static str,
        /// Its name.
        name: &'static str,
    },
    /// A map could not be read or written.
    #[error("map {name}: {source}")]
    Map {
        /// Its name.
        name: &'static str,
        /// The kernel's answer.
        source: MapError,
    },
    /// The program could not be attached.
    #[error("interface {name}: cannot attach in {mode} mode: {reason}")]
    Attach {
        /// The interface.
        name: String,
        /// `native` or `generic`.
        mode: &'static str,
        /// The kernel's answer and the remedy.
        reason: String,
    },
    /// The mode cannot be changed without a risk.
    #[error(
        "interface {name}: expected to hold the program that is attached in {mode} mode, to put it back if the other mode is refused; found that the kernel hands it to nobody without CAP_SYS_ADMIN. Start once with mode: {mode}, then change it; or `seawall detach` first"
    )]
    ModeHeld {
        /// The interface.
        name: String,
        /// The mode that it is attached in.
        mode: &'static str,
    },
    /// Another program is there.
    #[error("interface {name}: expected no other XDP program on it, found {found}; {remedy}")]
    Occupied {
        /// The interface.
        name: String,
        /// The program's name, id and mode.
        found: AttachedProgram,
        /// How it is removed.
        remedy: String,
    },
    /// Another program is there and stays, though it was to be replaced.
    #[error("interface {name}: cannot replace the XDP program {found}: {source}")]
    Replace {
        /// The interface.
        name: String,
        /// The program's name, id and mode.
        found: AttachedProgram,
        /// The kernel's answer and the remedy.
        source: io::Error,
    },
    /// A generation could not be put in the old one's place.
    #[error("interface {name}: cannot switch to the new generation, the old one stays: {reason}")]
    Switch {
        /// The interface.
        name: String,
        /// The kernel's answer.
        reason: String,
    },
    /// The log of the program could not be opened.
    #[error("cannot read the XDP program's log: {0}")]
    KernelLog(#[from] aya_log::Error),
    /// No room for another ban.
    #[error("there are {max} bans already, the most that fit: end some, or deny whole networks")]
    BansFull {
        /// How many fit.
        max: u32,
    },
    /// The kernel's clock could not be read.
    #[error("the clock cannot be read: {0}")]
    Clock(nix::Error),
    /// There were no random numbers.
    #[error("the kernel gives no random numbers: {0}")]
    Random(getrandom::Error),
    /// The program could not be run on a frame.
    #[error("the program cannot be run on this frame: {reason}")]
    Run {
        /// The kernel's answer.
        reason: String,
    },
}
