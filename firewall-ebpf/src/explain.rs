//! The same judgement, for who asks: `seawall explain` and `seawall replay` run it on one frame
//! (`BPF_PROG_TEST_RUN`) and read the answer from its return value. Nothing is counted or sampled.

use aya_ebpf::{macros::xdp, programs::XdpContext};
use firewall_common::{
    event::EXPLAIN_BYTES,
    pipeline::{self, Tables as _},
    verdict::NO_CLASS,
};

use crate::{frame::Frame, kernel_tables::KernelTables, settings};

/// The frame comes with a time before it, as metadata (`firewall_common::event::EXPLAIN_BYTES`): with
/// zero the buckets are only looked at, with any other they are taken from as if it were now.
#[xdp]
fn seawall_explain(context: XdpContext) -> u32 {
    let settings = settings::settings();
    let (metadata, data) = (context.metadata(), context.data());
    let now_ns = if metadata + EXPLAIN_BYTES <= data {
        // SAFETY: the bytes lie between the metadata's start and end, as was just compared, and the
        // kernel aligns metadata to four bytes.
        unsafe {
            let words = metadata as *const u32;
            u64::from(words.read()) | u64::from(words.add(1).read()) << 32
        }
    } else {
        0
    };
    let tables = KernelTables::at(now_ns);
    let frame = Frame::new(&context);
    if let Some(turned_away) = pipeline::turn_away(&frame, settings, &tables) {
        let source = turned_away.plain.whole_source(&frame);
        let class_id = tables.class_id(source).unwrap_or(NO_CLASS);
        return turned_away.decision(class_id).pack();
    }
    let frame = Frame::new(&context);
    let Some(packet) = crate::packet() else { return u32::MAX };
    pipeline::inspect(&frame, packet, settings, &tables).pack()
}
