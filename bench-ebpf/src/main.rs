//! XDP programs of `cargo xtask bench`: the generators of traffic, and the receivers that the firewall
//! is compared with.
#![no_std]
#![no_main]

mod generate;

mod pace;
mod syn;
mod mixed;

mod limit;

mod lpm;

/// Read by the kernel; redirecting asks for a compatible licence.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: the verifier loads no program that could reach this: all that can panic was removed.
    unsafe { core::hint::unreachable_unchecked() }
}
