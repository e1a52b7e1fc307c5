//! Files of every kind, whole, cut off and changed: what is read of them, and what is said.

use std::{fs, iter, path::Path};

use super::*;

mod files;

use files::{ETHERNET, Interface, ORDERS, Order};

const SECOND_NS: u64 = 1_000_000_000;
const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;

fn read(file: &[u8]) -> Result<Vec<CapturedFrame>, String> {
    Reader::new(Path::new("x.pcap"), file)
        .and_then(|reader| reader.collect())
        .map_err(|error| error.to_string())
}

fn frame(time_ns: u64, original_length: u32, bytes: &[u8]) -> CapturedFrame {
    CapturedFrame { time_ns, original_length, bytes: bytes.to_vec() }
}

/// One of each kind of file, with the frames in it.
fn samples() -> Vec<(Vec<u8>, Vec<CapturedFrame>)> {
    let mut samples = Vec::new();
    for order in ORDERS {
        let frames = [(7, 5, 60, &b"one"[..]), (u32::MAX, 999_999, 2, b"2"), (0, 0, 0, b"")];
        for (magic, unit) in [(MICROSECONDS, 1_000), (NANOSECONDS, 1)] {
            // The upper half of the link type: frames end in a checksum of two words.
            let file = files::pcap(order, magic, 0x4400_0001, &frames);
            let read = frames.map(|(seconds, fraction, original, bytes)| {
                let time_ns = u64::from(seconds) * SECOND_NS + u64::from(fraction) * unit;
                frame(time_ns, original, bytes)
            });
            samples.push((file, read.to_vec()));
        }
        samples.push((
            [
                files::section(order),
                files::interface(order, &Interface { snap_length: 4, ..ETHERNET }),
                // Name resolution, of a kind that no frame follows from.
                files::block(order, 4, &[0; 4]),
                files::interface(order, &Interface { resolution: Some(9), ..ETHERNET }),
                // 2^-10 seconds, an hour late.
                files::interface(
                    order,
                    &Interface { resolution: Some(0x8a), offset_s: Some(3_600), ..ETHERNET },
                ),
                // Nothing of this interface follows: it does no harm.
                files::interface(order, &Interface { link_type: 113, ..ETHERNET }),
                files::enhanced(order, 0, 7_000_005, 60, b"one"),
                files::enhanced(order, 1, 7_000_000_005, 60, b"four"),
                files::enhanced(order, 2, 1_536, 60, b"eleven"),
                files::simple(order, 3, b"abc"),
                files::simple(order, 9, b"abcd"),
                // A block of nobody's.
                files::block(order, 0xbad, &[1; 40]),
            ]
            .concat(),
            vec![
                frame(7 * SECOND_NS + 5_000, 60, b"one"),
                frame(7 * SECOND_NS + 5, 60, b"four"),
                frame(3_601 * SECOND_NS + SECOND_NS / 2, 60, b"eleven"),
                frame(0, 3, b"abc"),
                frame(0, 9, b"abcd"),
            ],
        ));
    }
    samples
}

#[test]
fn both_formats_are_read_in_both_byte_orders() {
    for (file, frames) in samples() {
        assert_eq!(read(&file), Ok(frames), "{file:02x?}");
    }
    let [little, big] = ORDERS.map(|order| {
        let frame = files::enhanced(order, 0, 1, 3, b"one");
        [files::section(order), files::interface(order, &ETHERNET), frame].concat()
    });
    let one = frame(1_000, 3, b"one");
    // Sections follow each other, in an order and with interfaces of their own.
    assert_eq!(read(&[little, big].concat()), Ok(vec![one.clone(), one]));
}

#[test]
fn a_file_that_is_cut_anywhere_gives_its_whole_frames_and_an_error() {
    for (file, frames) in samples() {
        let mut unnoticed = 0;
        for cut in 0..file.len() {
            let Ok(reader) = Reader::new(Path::new("x.pcap"), &file[..cut]) else { continue };
            let read: Vec<_> = reader.collect();
            let whole = read.iter().take_while(|frame| frame.is_ok()).count();
            assert!(read.len() - whole <= 1, "nothing follows an error");
            for (read, frame) in read.iter().flatten().zip(&frames) {
                assert_eq!(read, frame);
            }
            unnoticed += usize::from(whole == read.len());
            if let Some(Err(error)) = read.last() {
                let expected = format!("capture x.pcap: frame {}: expected ", whole + 1);
                assert!(error.to_string().starts_with(&expected), "{error}");
                assert!(matches!(error, CaptureError::Truncated { .. }), "{error}");
            }
        }
        // Only between two blocks or frames: a file may as well end there.
        assert!(unnoticed < 12, "{unnoticed} of {} cuts", file.len());
    }
}

#[test]
fn a_file_with_any_byte_changed_is_read_or_refused() {
    for (file, frames) in samples() {
        for position in 0..file.len() {
            for byte in [0, 1, 3, 0x7f, 0x80, 0xff] {
                let mut changed = file.clone();
                changed[position] = byte;
                let Ok(reader) = Reader::new(Path::new("x.pcap"), &changed[..]) else { continue };
                assert!(reader.count() <= 2 * frames.len() + 1);
            }
        }
    }
}

#[test]
fn what_is_wrong_is_said_with_its_frame() {
    let order = Order::Little;
    let begun = [files::section(order), files::interface(order, &ETHERNET)].concat();
    let after_one =
        |block: Vec<u8>| [begun.clone(), files::enhanced(order, 0, 1, 3, b"one"), block].concat();
    let cooked = files::interface(order, &Interface { link_type: 113, ..ETHERNET });
    let early = files::interface(order, &Interface { offset_s: Some(-9), ..ETHERNET });
    let mut unequal = files::enhanced(order, 0, 1, 3, b"one");
    *unequal.last_mut().expect("a byte") = 1;
    let giant = vec![0; FRAME_BYTES_MAX + 1];
    let cases = [
        (vec![], "expected a file in pcap or pcapng format, found an empty one"),
        (b"\x1f\x8b\x08\0more".to_vec(), "found one that begins with the bytes [1f, 8b, 08, 00]"),
        (b"PK".to_vec(), "found one that begins with the bytes [50, 4b]"),
        (
            files::pcap(order, MICROSECONDS, 101, &[]),
            "frame 1: expected link type 1 (Ethernet), found 101 (IP without a link header)",
        ),
        (files::pcap(order, NANOSECONDS, 9_999, &[]), "(Ethernet), found 9999;"),
        (
            files::pcap(order, NANOSECONDS, 1, &[(0, 0, 0, b"1"), (0, 0, 0, &giant)]),
            "frame 2: expected at most 262144 bytes in a frame, found 262145;",
        ),
        (
            files::pcap(order, NANOSECONDS, 1, &[(0, 0, 0, b"12345")])[..43].to_vec(),
            "frame 1: expected 5 more bytes, found the end of the file after 3;",
        ),
        (
            after_one([cooked, files::enhanced(order, 1, 1, 3, b"one")].concat()),
            "frame 2: expected link type 1 (Ethernet), found 113 (Linux cooked, of",
        ),
        (
            after_one([early, files::enhanced(order, 1, 8_999_999, 3, b"one")].concat()),
            "frame 2: expected a time from 1970 to 2554, found 8999999 ticks of its clock;",
        ),
        (
            after_one(files::enhanced(order, 7, 1, 3, b"one")),
            "frame 2: expected an interface that the section describes, found interface 7 of 1;",
        ),
        (
            after_one(files::enhanced(order, 0, 1, 3, &giant)),
            "frame 2: expected at most 262144 bytes in a frame, found 262145;",
        ),
        (after_one(files::block(order, 2, &[0; 40])), "found an obsolete packet block;"),
        (after_one(files::simple(order, 90, b"abc")), "snap length, found a block with 4;"),
        (after_one(unequal), "the same before and behind it, found 56 and 16777272;"),
        (
            after_one(files::block(order, 6, &[0xff; 40])),
            "expected a whole block, found one of 52 bytes whose content does not fit it;",
        ),
        (
            after_one(files::block(order, 1, &vec![0; 500_000])),
            "frame 2: expected at most 393216 bytes in a block, found 500012;",
        ),
        (
            [
                begun.clone(),
                iter::repeat_n(files::interface(order, &ETHERNET), 4_096).flatten().collect(),
            ]
            .concat(),
            "frame 1: expected at most 4096 interfaces in a section, found 4097;",
        ),
    ];
    for (file, expected) in cases {
        let error = read(&file).expect_err(expected);
        assert!(error.starts_with("capture x.pcap: "), "{error}");
        assert!(error.contains(expected), "{error}, not: {expected}");
    }
}

#[test]
fn a_skipped_block_may_be_larger_than_what_is_held() {
    let order = Order::Big;
    let file = [
        files::section(order),
        files::interface(order, &ETHERNET),
        files::block(order, 10, &vec![0; 4 << 20]),
        files::enhanced(order, 0, 1, 3, b"one"),
    ];
    assert_eq!(read(&file.concat()), Ok(vec![frame(1_000, 3, b"one")]));
}

#[test]
fn what_is_written_is_read() {
    let largest = vec![7; FRAME_BYTES_MAX];
    let frames = [
        (0, frame(1_700_000_000_123_456_789, 1_500, b"the first"), "drop deny"),
        (1, frame(0, 0, b""), ""),
        (1, frame(u64::MAX, u32::MAX, &largest), "später"),
    ];
    let mut writer = Writer::create(Vec::new(), &["eth0", "eth1"]).expect("it begins");
    for (interface, frame, comment) in &frames {
        let CapturedFrame { time_ns, original_length, bytes } = frame;
        writer
            .write(*interface, *time_ns, *original_length, bytes, comment)
            .expect("it is written");
    }
    let longest = "c".repeat(COMMENT_BYTES_MAX);
    writer.write(0, 1, 2, b"3", &longest).expect("it is written");
    for (interface, bytes, comment, expected) in [
        (2, &b""[..], "", "expected one of the 2 interfaces, counted from 0, found 2"),
        (0, &[0; FRAME_BYTES_MAX + 1], "", "at most 262144 bytes in a frame, found 262145"),
        (0, b"", &format!("{longest}c"), "at most 65535 bytes in a comment, found 65536"),
    ] {
        let error = writer.write(interface, 0, 0, bytes, comment).expect_err(expected);
        assert!(error.to_string().contains(expected), "{error}");
    }
    let file = writer.finish().expect("it ends");
    assert!(file.windows(9).any(|bytes| bytes == b"drop deny"), "the comment is in it");
    let mut expected: Vec<_> = frames.into_iter().map(|(_, frame, _)| frame).collect();
    expected.push(frame(1, 2, b"3"));
    assert_eq!(read(&file), Ok(expected));
}

#[test]
fn a_file_is_opened_by_its_path() {
    let path = std::env::temp_dir().join(format!("seawall-capture-{}.pcap", std::process::id()));
    fs::write(&path, files::pcap(Order::Little, NANOSECONDS, 1, &[(1, 2, 3, b"one")])).unwrap();
    let frames: Result<Vec<_>, _> = Reader::open(&path).expect("it opens").collect();
    fs::remove_file(&path).unwrap();
    assert_eq!(frames.expect("it is whole"), [frame(SECOND_NS + 2, 3, b"one")]);
    for (path, expected) in [(path.as_path(), "No such file"), (Path::new("/"), "Is a directory")] {
        let error = Reader::open(path).err().expect("it is refused").to_string();
        let begins = format!("capture {}: frame 1: expected a readable file, ", path.display());
        assert!(error.starts_with(&begins) && error.contains(expected), "{error}");
    }
}
