//! What attaching has done so far. Where a later interface refuses, it is undone: the filter of before is in
//! force again, on every interface.

use std::path::PathBuf;

use aya::programs::Xdp;

use super::{
    AttachMode,
    link::{attach_again, replace, unpin},
};
use crate::config::InterfaceConfig;

/// One thing done.
pub enum Step {
    /// A program was attached where none of ours was: it comes off.
    Attached {
        /// Its link.
        pin: PathBuf,
    },
    /// The program of an earlier daemon was replaced in its link: it is put back into it.
    Replaced {
        /// The link.
        pin: PathBuf,
        /// What was in it.
        program: Xdp,
    },
    /// The program of an earlier daemon was taken off: it is attached again, as it was.
    TakenOff {
        /// From where.
        interface: InterfaceConfig,
        /// Its index.
        index: u32,
        /// How it was attached.
        mode: AttachMode,
        /// By which link.
        pin: PathBuf,
        /// The program.
        program: Xdp,
    },
}

/// All that was done, in its order.
#[derive(Default)]
pub struct Undo(Vec<Step>);

impl Undo {
    /// One more thing was done.
    pub fn push(&mut self, step: Step) {
        self.0.push(step);
    }

    /// Undoes all of it, the last first. What cannot be undone is told, and the rest is undone all the same.
    pub fn undo(self) {
        for step in self.0.into_iter().rev() {
            let (what, undone) = match step {
                Step::Attached { pin } => {
                    let undone = unpin(&pin).map_err(|error| error.to_string());
                    ("the new program stays attached", undone.map_err(|error| (pin, error)))
                }
                Step::Replaced { pin, mut program } => {
                    let undone = replace(&pin, &mut program);
                    ("the new program stays in this link", undone.map_err(|error| (pin, error)))
                }
                Step::TakenOff { interface, index, mode, pin, mut program } => {
                    let undone = attach_again(&interface, index, &mut program, mode, &pin);
                    if undone.is_ok() {
                        let (name, mode) = (interface.name, mode.label());
                        tracing::warn!(interface = name, mode, "the filter of before is back");
                    }
                    let undone = undone.map_err(|error| (pin, error.to_string()));
                    ("an interface has no filter", undone)
                }
            };
            if let Err((pin, error)) = undone {
                tracing::error!(pin = %pin.display(), error, what, "attaching cannot be undone");
            }
        }
    }
}
