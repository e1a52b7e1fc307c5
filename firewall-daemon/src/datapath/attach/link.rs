//! One interface, one link: attaching in a mode, replacing the program in a pinned link, removing the pin.

use std::{fs, io, path::Path};

use aya::programs::{
    ProgramError, Xdp,
    links::{FdLink, PinnedLink},
    xdp::XdpLink,
};
use nix::errno::Errno;

use super::AttachMode;
use crate::{
    config::{AttachPolicy, InterfaceConfig},
    datapath::{attached, error::DatapathError, pins::PinFolder},
};

/// The link is held by its pin, so a refusal leaves the program in it that was there.
pub fn replace(pin: &Path, program: &mut Xdp) -> Result<(), String> {
    let link = PinnedLink::from_pin(pin).map_err(|error| error.to_string())?;
    let link = XdpLink::try_from(FdLink::from(link)).map_err(|error| error.to_string())?;
    let id = program.attach_to_link(link).map_err(|error| error.to_string())?;
    // The pin alone is to hold the link: held by the program too, it would stay when its pin goes.
    let link = program.take_link(id).map_err(|error| error.to_string())?;
    FdLink::try_from(link).map(drop).map_err(|error| error.to_string())
}

/// Removes a pin while the link is held, and lets go of the link last: then the kernel detaches before
/// this returns. A link whose pin is its last holder is detached by a worker of the kernel, later.
pub fn unpin(pin: &Path) -> io::Result<()> {
    match PinnedLink::from_pin(pin) {
        Ok(link) => link.unpin().map(drop),
        Err(_) => fs::remove_file(pin),
    }
}

/// Names a program of someone else, or removes it where the configuration says so. It is gone then, also
/// where a later interface fails.
pub fn make_room(interface: &InterfaceConfig, index: u32) -> Result<(), DatapathError> {
    let found = match attached::query(index) {
        // An offloaded program leaves room for another in the driver or the stack.
        Ok(Some(found)) if found.mode != attached::OFFLOAD => found,
        Ok(Some(_) | None) => return Ok(()),
        Err(error) => {
            // Attaching tells whether there is one.
            tracing::debug!(interface = interface.name, %error, "cannot ask for an XDP program");
            return Ok(());
        }
    };
    let name = interface.name.clone();
    if !interface.replace {
        let remedy = attached::remedy(&found, &name);
        return Err(DatapathError::Occupied { name, found, remedy });
    }
    tracing::warn!(
        interface = name,
        program = found.name,
        id = found.id,
        mode = found.mode,
        "replacing another XDP program: until ours is attached, every frame passes"
    );
    attached::detach(index, &found).map_err(|source| DatapathError::Replace { name, found, source })
}

pub fn attach_anew(
    interface: &InterfaceConfig,
    index: u32,
    program: &mut Xdp,
    pins: &PinFolder,
) -> Result<AttachMode, DatapathError> {
    let (link, mode) = match interface.mode {
        AttachPolicy::Native => attach_in(interface, index, program, AttachMode::Native)?,
        AttachPolicy::Generic => attach_in(interface, index, program, AttachMode::Generic)?,
        AttachPolicy::NativeOrGeneric => attach_in(interface, index, program, AttachMode::Native)
            .or_else(|error| {
            tracing::warn!(
                interface = interface.name,
                %error,
                "native mode refused, falling back to generic mode: expect a fraction of the speed"
            );
            attach_in(interface, index, program, AttachMode::Generic)
        })?,
    };
    pin(link, &interface.name, mode, &pins.link(index, mode.label()))?;
    Ok(mode)
}

/// Puts a program back where it was.
pub fn attach_again(
    interface: &InterfaceConfig,
    index: u32,
    program: &mut Xdp,
    mode: AttachMode,
    path: &Path,
) -> Result<(), DatapathError> {
    let (link, mode) = attach_in(interface, index, program, mode)?;
    pin(link, &interface.name, mode, path)
}

fn pin(link: FdLink, name: &str, mode: AttachMode, path: &Path) -> Result<(), DatapathError> {
    link.pin(path).map(drop).map_err(|error| DatapathError::Attach {
        name: name.to_owned(),
        mode: mode.label(),
        reason: format!("the link cannot be pinned: {error}"),
    })
}

fn attach_in(
    interface: &InterfaceConfig,
    index: u32,
    program: &mut Xdp,
    mode: AttachMode,
) -> Result<(FdLink, AttachMode), DatapathError> {
    let failed =
        |reason| DatapathError::Attach { name: interface.name.clone(), mode: mode.label(), reason };
    let id = program
        .attach_to_if_index(index, mode.flags())
        .map_err(|error| failed(explain(&error, mode)))?;
    let link = program.take_link(id).map_err(|error| failed(error.to_string()))?;
    let link = FdLink::try_from(link)
        .map_err(|_| failed("this kernel has no XDP links; 5.9 or later is needed".to_owned()))?;
    Ok((link, mode))
}

/// The kernel's answer in words, with the remedy.
fn explain(error: &ProgramError, mode: AttachMode) -> String {
    let ProgramError::SyscallError(syscall) = error else {
        return error.to_string();
    };
    let errno = syscall.io_error.raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw);
    match errno {
        Errno::EBUSY | Errno::EEXIST => "another XDP program is attached; \
             `ip link show` names it, `ip link set dev INTERFACE xdp off` removes it"
            .to_owned(),
        Errno::EOPNOTSUPP | Errno::EINVAL | Errno::ERANGE if mode == AttachMode::Native => format!(
            "the driver refuses ({errno}); its MTU may be too large for native mode, or it has none: \
             `mode: native_or_generic` allows the slower generic mode"
        ),
        errno => errno.to_string(),
    }
}
