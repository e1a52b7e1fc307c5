//! Responses as `openssl ocsp` writes them, for the certificates 17 (good) and 18 (revoked).

use super::{Word, read};
use crate::generated::cases;

#[test]
fn a_response_is_read_for_its_certificate_alone() {
    let until_epoch_s = 4_949_203_531;
    for (response, serial, expected) in [
        (GOOD, 17, Ok(Word::Good { until_epoch_s })),
        (REVOKED, 18, Ok(Word::Bad { status: "revoked" })),
        (GOOD, 18, Err("it says nothing of this certificate")),
        (REVOKED, 17, Err("it says nothing of this certificate")),
        // `tryLater`, the whole of it.
        ("30030a0103", 17, Err("it says nothing of this certificate")),
        (NO_NEXT_UPDATE, 17, Err("it names no next update")),
        ("", 17, Err("it is no OCSP response in DER")),
    ] {
        let found = read(&bytes(response), &[serial]);
        match (&found, &expected) {
            (Err(found), Err(expected)) => assert!(found.starts_with(expected), "{found}"),
            _ => assert_eq!(found, expected.map_err(str::to_owned), "{serial}"),
        }
    }
}

#[test]
fn no_bytes_make_it_panic() {
    for response in [GOOD, REVOKED, NO_NEXT_UPDATE] {
        let whole = bytes(response);
        for length in 0..whole.len() {
            assert!(read(&whole[..length], &[17]).is_err(), "{length} bytes");
        }
        for place in 0..whole.len() {
            for byte in [0, 1, 0x7f, 0x80, 0xff] {
                let mut other = whole.clone();
                other[place] = byte;
                let _whatever = read(&other, &[17]);
            }
        }
    }
}

#[test]
fn generated_responses_are_good_for_their_certificate_alone() {
    let seeds = [GOOD, REVOKED, NO_NEXT_UPDATE].map(bytes);
    let mut good = 0;
    for response in cases(6, 50_000, &seeds) {
        // No certificate has this number, and the one of REVOKED is not good.
        assert!(!matches!(read(&response, &[0xfe, 0xfd]), Ok(Word::Good { .. })));
        good += u64::from(matches!(read(&response, &[17]), Ok(Word::Good { .. })));
    }
    assert!(good > 1_000, "{good}");
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks_exact(2);
    digits.map(|two| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

const GOOD: &str = concat!(
    "3082012b0a0100a08201243082012006092b0601050507300101048201113082010d3081b4a2160414473f85d905",
    "170839c11abf0cbcd8322f89c0aeec180f32303236313132353130343533315a30643062303a300906052b0e0302",
    "1a0500041411048cd20cb3592307d019fd0889562b62d364920414473f85d905170839c11abf0cbcd8322f89c0ae",
    "ec0201118000180f32303236313132353130343533315aa011180f32313236313130313130343533315aa1233021",
    "301f06092b0601050507300102041204104d11a609647fbe637e18ea2dfad4b530300a06082a8648ce3d04030203",
    "48003045022100c570876dc776386c10e8170e5b0d758695be2f30721e64d7e7b7ec094f1b6da602202b42701fdb",
    "b8807049e236305068eb2798ac00095ef9ceeeb27d93491811507b",
);

const REVOKED: &str = concat!(
    "3082013c0a0100a08201353082013106092b0601050507300101048201223082011e3081c5a2160414473f85d905",
    "170839c11abf0cbcd8322f89c0aeec180f32303236313132353130343533315a30753073303a300906052b0e0302",
    "1a0500041411048cd20cb3592307d019fd0889562b62d364920414473f85d905170839c11abf0cbcd8322f89c0ae",
    "ec020112a111180f32303230303130313030303030305a180f32303236313132353130343533315aa011180f3231",
    "3236313130313130343533315aa1233021301f06092b060105050730010204120410c1556c03d655b03101d98778",
    "331b1819300a06082a8648ce3d040302034800304502200354bc485eac14128b2ddbc638f84c70a3ff187f1d4370",
    "12a6a21ca5bdb282c6022100cb2d783a0a4a1fd290f62b0ef2bd502fc9c269a4bb2cfd064c6aad2fd92a43f8",
);

const NO_NEXT_UPDATE: &str = concat!(
    "308201150a0100a082010e3082010a06092b06010505073001010481fc3081f93081a1a2160414473f85d9051708",
    "39c11abf0cbcd8322f89c0aeec180f32303236313132353130343533315a3051304f303a300906052b0e03021a05",
    "00041411048cd20cb3592307d019fd0889562b62d364920414473f85d905170839c11abf0cbcd8322f89c0aeec02",
    "01118000180f32303236313132353130343533315aa1233021301f06092b0601050507300102041204108b38b772",
    "eedd3ce02cb487488da13dc6300a06082a8648ce3d0403020347003044022052b90491f927439583b20919d6cf17",
    "fcf0e3e4ad3fe71dce7c9e1430c93f6b800220252ea4dc51a9550d67679fb27a96fc78d9dbb7cc9c0a2a5745eb75",
    "fc0708dad9",
);
