//! The options of this generation.

use core::arch::asm;

use aya_ebpf::Global;
use firewall_common::settings::Settings;

/// The name is `firewall_common::maps::SETTINGS`.
#[unsafe(export_name = "SETTINGS_ABI_6")]
static SETTINGS: Global<Settings> = Global::new(Settings::UNSET);

/// The options as the loader set them: each is loaded where it is asked for, from memory that is
/// read-only by then, so that the verifier knows it and removes what is switched off.
#[inline(always)]
pub fn settings() -> &'static Settings {
    let mut settings = (&raw const SETTINGS).cast::<Settings>();
    // SAFETY: `Global` is transparent, and nothing writes to it once the program is loaded. The compiler
    // must not see which static this is: it would take the options for unset.
    unsafe {
        asm!("{settings} = {settings}", settings = inout(reg) settings, options(pure, readonly, nostack));
        &*settings
    }
}
