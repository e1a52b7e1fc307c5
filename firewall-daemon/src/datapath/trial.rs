//! A generation that is attached nowhere and shares nothing: for `seawall replay`.

use std::{path::Path, process};

use crate::{
    datapath::{
        DatapathError, PacketOptions, explain::Explained, generation::Generation, pins::PinFolder,
    },
    policy::compile::CompiledPolicy,
};

/// A generation on trial; its maps go with it.
pub struct Trial {
    generation: Generation,
    pins: PinFolder,
}

impl Trial {
    /// Loads a policy, with maps of its own beside `pin_path`.
    ///
    /// # Errors
    ///
    /// Where the kernel refuses.
    pub fn load(
        packet: &PacketOptions,
        policy: &CompiledPolicy,
        pin_path: &Path,
    ) -> Result<Self, DatapathError> {
        let parent = pin_path.parent().unwrap_or(pin_path);
        let pins = PinFolder::claim(&parent.join(format!("seawall-trial-{}", process::id())))?;
        match Generation::load(1, packet, policy, pins.path()) {
            Ok(generation) => Ok(Self { generation, pins }),
            Err(error) => {
                let _ = pins.remove();
                Err(error)
            }
        }
    }

    /// What it says of a frame that comes at a time.
    ///
    /// # Errors
    ///
    /// Where the kernel does not run it.
    pub fn explain(&mut self, frame: &[u8], at_ns: u64) -> Result<Explained, DatapathError> {
        self.generation.explain(frame, Some(at_ns))
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        // What stays behind is a folder under a name of this process alone.
        let _ = self.pins.remove();
    }
}
