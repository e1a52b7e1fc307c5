//! Forms in parts (multipart/form-data, RFC 7578), read strictly: nothing before the first part and behind the last
//! one, names without escapes, each line ended by CR LF. What lenient readers make of the rest differs.

use crate::limits::{MULTIPART_BOUNDARY_BYTES_MAX, MULTIPART_HEAD_BYTES_MAX};

/// One part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// The name of its field.
    pub name: &'a str,
    /// Whether it is a file.
    pub file: bool,
    /// Its own content type, where it has one.
    pub content_type: Option<&'a str>,
    /// What it holds.
    pub data: &'a [u8],
}

/// Why bytes are no such form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MultipartError {
    /// What was expected.
    Malformed(&'static str),
    /// More parts than may be.
    TooMany,
}

/// Reads a form.
///
/// # Errors
/// The first fault.
pub fn read<'a>(
    body: &'a [u8],
    boundary: &str,
    parts_max: u32,
) -> Result<Vec<Part<'a>>, MultipartError> {
    use MultipartError::Malformed;
    if !is_boundary(boundary) {
        return Err(Malformed("a boundary of 1 to 70 plain characters"));
    }
    let delimiter = format!("\r\n--{boundary}");
    let first = body.strip_prefix(&delimiter.as_bytes()[2..]);
    let mut rest = first.ok_or(Malformed("the boundary at the beginning"))?;
    let mut parts = Vec::new();
    loop {
        if let Some(behind) = rest.strip_prefix(b"--") {
            return match behind {
                b"" | b"\r\n" if !parts.is_empty() => Ok(parts),
                b"" | b"\r\n" => Err(Malformed("at least one part")),
                _ => Err(Malformed("nothing behind the last boundary")),
            };
        }
        if parts.len() >= parts_max as usize {
            return Err(MultipartError::TooMany);
        }
        rest = rest.strip_prefix(b"\r\n").ok_or(Malformed("the end of the line at a boundary"))?;
        let head_end = find(rest, b"\r\n\r\n").ok_or(Malformed("headers of a part"))?;
        if head_end > MULTIPART_HEAD_BYTES_MAX {
            return Err(Malformed("shorter headers of a part"));
        }
        let (head, data) = (&rest[..head_end], &rest[head_end + 4..]);
        // The empty line before data that is empty may be the one before the boundary.
        let end =
            find(data, delimiter.as_bytes()).ok_or(Malformed("the boundary behind a part"))?;
        parts.push(part(head, &data[..end])?);
        rest = &data[end + delimiter.len()..];
    }
}

fn part<'a>(head: &'a [u8], data: &'a [u8]) -> Result<Part<'a>, MultipartError> {
    use MultipartError::Malformed;
    let head = std::str::from_utf8(head).map_err(|_| Malformed("headers of a part in UTF-8"))?;
    let (mut disposition, mut content_type) = (None, None);
    for line in head.split("\r\n") {
        let (name, value) = line.split_once(':').ok_or(Malformed("headers of a part"))?;
        let named = !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !named || value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
            return Err(Malformed("headers of a part"));
        }
        let place = match name.to_ascii_lowercase().as_str() {
            "content-disposition" => &mut disposition,
            "content-type" => &mut content_type,
            // RFC 7578, 4.7: whoever does not know it takes the encoded bytes for the value.
            "content-transfer-encoding" => return Err(Malformed("no Content-Transfer-Encoding")),
            _ => continue,
        };
        if place.replace(value.trim()).is_some() {
            return Err(Malformed("each header of a part once"));
        }
    }
    let disposition = disposition.ok_or(Malformed("Content-Disposition in each part"))?;
    let (name, file) = form_data(disposition)
        .ok_or(Malformed("Content-Disposition: form-data; name=\"...\" without escapes"))?;
    Ok(Part { name, file, content_type, data })
}

fn form_data(value: &str) -> Option<(&str, bool)> {
    let mut rest = value.strip_prefix("form-data")?;
    let (mut name, mut file) = (None, false);
    while !rest.is_empty() {
        let (key, behind) = rest.trim_start().strip_prefix(';')?.trim_start().split_once("=\"")?;
        let (text, behind) = behind.split_once('"')?;
        // A reader that knows such escapes finds another name than one that does not.
        if text.contains('\\') {
            return None;
        }
        match key.to_ascii_lowercase().as_str() {
            "name" if name.is_none() => name = Some(text),
            "filename" if !file => file = true,
            _ => return None,
        }
        rest = behind;
    }
    Some((name?, file))
}

// RFC 2046, 5.1.1.
fn is_boundary(boundary: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    (1..=MULTIPART_BOUNDARY_BYTES_MAX).contains(&boundary.len())
        && boundary.bytes().all(plain)
        && !boundary.ends_with(' ')
}

// What is looked for begins with a CR and has no other before its last bytes, so that no byte is looked at more than
// a few times.
fn find(bytes: &[u8], sought: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = bytes.get(from..)?.iter().position(|byte| *byte == b'\r') {
        if bytes[from + at..].starts_with(sought) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{MultipartError, Part, read};
    use crate::generated::cases;

    fn body(parts: &[&str]) -> String {
        let parts: String = parts.iter().map(|part| format!("--b\r\n{part}\r\n")).collect();
        format!("{parts}--b--\r\n")
    }

    #[test]
    fn parts_are_found() {
        let text = body(&[
            "Content-Disposition: form-data; name=\"a\"\r\n\r\none\r\ntwo",
            "content-type: image/png\r\nContent-Disposition:form-data;name=\"f\"; filename=\"x.png\"\r\n\r\n",
        ]);
        let part = |name, file, content_type, data: &'static str| Part {
            name,
            file,
            content_type,
            data: data.as_bytes(),
        };
        let expected =
            vec![part("a", false, None, "one\r\ntwo"), part("f", true, Some("image/png"), "")];
        assert_eq!(read(text.as_bytes(), "b", 2).unwrap(), expected);
        assert_eq!(read(text.as_bytes(), "b", 1), Err(MultipartError::TooMany));
    }

    #[test]
    fn what_readers_differ_on_is_refused() {
        let named = "Content-Disposition: form-data; name=\"a\"\r\n\r\nx";
        let good = body(&[named]);
        for (text, boundary) in [
            (good.clone(), ""),
            (good.clone(), "b "),
            (good.clone(), "\u{e9}"),
            (format!("preamble\r\n{good}"), "b"),
            (format!("{good}epilogue"), "b"),
            (good.replace("\r\n", "\n"), "b"),
            (good.replace("--b--", "--b"), "b"),
            ("--b--\r\n".to_owned(), "b"),
            (body(&["\r\n\r\nx"]), "b"),
            (body(&["Content-Type: text/plain\r\n\r\nx"]), "b"),
            (body(&["Content-Disposition: form-data\r\n\r\nx"]), "b"),
            (body(&["Content-Disposition: attachment; name=\"a\"\r\n\r\nx"]), "b"),
            (body(&["Content-Disposition: form-data; name=a\r\n\r\nx"]), "b"),
            (body(&["Content-Disposition: form-data; name=\"a\\\"b\"\r\n\r\nx"]), "b"),
            (body(&["Content-Disposition: form-data; name=\"a\"; name=\"b\"\r\n\r\nx"]), "b"),
            (body(&["Content-Disposition: form-data; name=\"a\"; filename*=\"x\"\r\n\r\nx"]), "b"),
            (body(&[&format!("Content-Transfer-Encoding: base64\r\n{named}")]), "b"),
            (body(&[&format!("Content-Disposition: form-data; name=\"b\"\r\n{named}")]), "b"),
            (body(&[&format!("X Y: 1\r\n{named}")]), "b"),
            (body(&[&format!("X: {}\r\n{named}", "y".repeat(5_000))]), "b"),
        ] {
            let found = read(text.as_bytes(), boundary, 9);
            assert!(matches!(found, Err(MultipartError::Malformed(_))), "{text:?}: {found:?}");
        }
    }

    #[test]
    fn generated_bytes_are_borne() {
        let seeds = [
            body(&["Content-Disposition: form-data; name=\"a\"\r\n\r\nx"]),
            body(&[
                "Content-Disposition: form-data; name=\"f\"; filename=\"y\"\r\nA: b\r\n\r\n\r\n--",
            ]),
        ];
        let seeds = seeds.map(String::into_bytes);
        for bytes in cases(9, 4_000, &seeds) {
            if let Ok(parts) = read(&bytes, "b", 4) {
                assert!((1..=4).contains(&parts.len()));
                let inside: usize = parts.iter().map(|part| part.data.len()).sum();
                assert!(inside < bytes.len());
            }
        }
    }
}
