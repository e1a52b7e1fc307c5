//! Databases come as they are, as .gz, or in a .tar.gz with their licence. Unpacking is bounded: a few
//! kilobytes can unpack to the whole disk.

use std::io::{self, Read as _};

use flate2::read::MultiGzDecoder;

/// A tar archive is made of blocks.
const BLOCK_BYTES: usize = 512;
/// Entries that are looked at.
const ENTRIES_MAX: usize = 64;
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
/// Where a header says that it is one, and what it says there.
const USTAR: (usize, &[u8]) = (257, b"ustar");

/// Why there is no database in what came.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// It unpacks to more than was agreed.
    #[error(
        "expected at most {bytes_max} bytes unpacked, found more; is it the right URL? Else raise bytes_max"
    )]
    TooLarge {
        /// How many there may be.
        bytes_max: u64,
    },
    /// The compressed data is damaged.
    #[error("expected whole gzip data, found: {0}; fetch it again")]
    Gzip(io::Error),
    /// An archive without a database.
    #[error(
        "expected a file that ends in .mmdb in the archive, found none among {entries} entries; is it the right download?"
    )]
    NoDatabase {
        /// How many were looked at.
        entries: usize,
    },
    /// The archive is damaged.
    #[error("expected a whole tar archive, found {0}; fetch it again")]
    Tar(&'static str),
}

/// The database in what came.
///
/// # Errors
///
/// Where it cannot be unpacked within the bound.
pub fn unpack(bytes: Vec<u8>, bytes_max: u64) -> Result<Vec<u8>, UnpackError> {
    let bytes = if bytes.starts_with(GZIP_MAGIC) { gunzip(&bytes, bytes_max)? } else { bytes };
    let (at, mark) = USTAR;
    if bytes.get(at..).is_some_and(|rest| rest.starts_with(mark)) {
        untar(&bytes)
    } else {
        Ok(bytes)
    }
}

fn gunzip(bytes: &[u8], bytes_max: u64) -> Result<Vec<u8>, UnpackError> {
    let mut unpacked = Vec::new();
    let mut limited = MultiGzDecoder::new(bytes).take(bytes_max.saturating_add(1));
    limited.read_to_end(&mut unpacked).map_err(UnpackError::Gzip)?;
    if unpacked.len() as u64 > bytes_max {
        return Err(UnpackError::TooLarge { bytes_max });
    }
    Ok(unpacked)
}

/// The first regular file whose name ends in `.mmdb`. Nothing is written anywhere, so no name in an archive can
/// lead out of a folder.
fn untar(archive: &[u8]) -> Result<Vec<u8>, UnpackError> {
    let cut_off = UnpackError::Tar("one that ends in the middle");
    let mut rest = archive;
    let mut entries = 0;
    while let Some((header, behind)) = rest.split_at_checked(BLOCK_BYTES) {
        if header.iter().all(|byte| *byte == 0) || entries == ENTRIES_MAX {
            break;
        }
        entries += 1;
        let (name, size, kind) = (field(header, 0, 100), field(header, 124, 12), header.get(156));
        let size = octal(size).ok_or(UnpackError::Tar("an entry without a size"))?;
        let Some(content) = behind.get(..size) else { return Err(cut_off) };
        if matches!(kind, Some(b'0' | 0)) && name.ends_with(b".mmdb") {
            return Ok(content.to_vec());
        }
        rest = behind.get(size.next_multiple_of(BLOCK_BYTES)..).unwrap_or_default();
    }
    Err(UnpackError::NoDatabase { entries })
}

/// A field of a header, up to its first zero byte.
fn field(header: &[u8], at: usize, length: usize) -> &[u8] {
    let field = header.get(at..at + length).unwrap_or_default();
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A size has at most eleven octal digits: eight gigabytes, so nothing overflows.
fn octal(digits: &[u8]) -> Option<usize> {
    let text = str::from_utf8(digits).ok()?.trim();
    usize::from_str_radix(text, 8).ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    const MAX: u64 = 10_000;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).expect("written");
        encoder.finish().expect("whole")
    }

    fn entry(name: &str, kind: u8, content: &[u8]) -> Vec<u8> {
        let mut header = vec![0; BLOCK_BYTES];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        header[156] = kind;
        header[257..262].copy_from_slice(b"ustar");
        header.extend(content);
        header.resize(header.len().next_multiple_of(BLOCK_BYTES), 0);
        header
    }

    #[test]
    fn what_is_inside() {
        let archive = [
            entry("GeoLite2-Country_20260101/", b'5', b""),
            entry("GeoLite2-Country_20260101/COPYRIGHT.txt", b'0', &[b'x'; 600]),
            entry("GeoLite2-Country_20260101/link.mmdb", b'2', b""),
            entry("GeoLite2-Country_20260101/GeoLite2-Country.mmdb", b'0', b"database"),
            vec![0; 2 * BLOCK_BYTES],
        ]
        .concat();
        for (bytes, expected) in [
            (b"database".to_vec(), &b"database"[..]),
            (gzip(b"database"), b"database"),
            ([gzip(b"data"), gzip(b"base")].concat(), b"database"),
            (archive.clone(), b"database"),
            (gzip(&archive), b"database"),
            (Vec::new(), b""),
        ] {
            assert_eq!(unpack(bytes, MAX).expect("unpacked"), expected);
        }
    }

    #[test]
    fn what_is_wrong() {
        let whole = gzip(&[7; 5_000]);
        let mut cut = entry("a.mmdb", b'0', &[1; 600]);
        cut.truncate(BLOCK_BYTES + 10);
        let mut unsized_entry = entry("a.mmdb", b'0', b"");
        unsized_entry[124..135].copy_from_slice(b"not a size!");
        for (bytes, expected) in [
            (
                gzip(&vec![0; MAX as usize + 1]),
                "expected at most 10000 bytes unpacked, found more; is it the right URL? Else raise bytes_max",
            ),
            (whole[..whole.len() - 9].to_vec(), "expected whole gzip data, found: "),
            (
                entry("readme.txt", b'0', b"x"),
                "expected a file that ends in .mmdb in the archive, found none among 1 entries; is it the right download?",
            ),
            (
                cut,
                "expected a whole tar archive, found one that ends in the middle; fetch it again",
            ),
            (
                unsized_entry,
                "expected a whole tar archive, found an entry without a size; fetch it again",
            ),
        ] {
            let error = unpack(bytes, MAX).expect_err("it is wrong").to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
