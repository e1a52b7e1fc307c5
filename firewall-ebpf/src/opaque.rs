//! Numbers that the compiler must not know.

use core::arch::asm;

/// The same number, of which the compiler knows nothing: so it keeps a loop one, and keeps the bound on
/// an index that it knows to be small and the verifier does not.
#[inline(always)]
pub fn opaque(mut number: u32) -> u32 {
    // SAFETY: it moves a register to itself.
    unsafe {
        asm!("{number} = {number}", number = inout(reg) number, options(pure, nomem, nostack));
    }
    number
}
