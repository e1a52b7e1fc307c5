//! What of Redis's protocol (RESP 2) the store needs: commands of texts, and answers within bounds.

use std::io;

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

use crate::limits::{RATE_STORE_LINE_BYTES_MAX, RATE_STORE_TEXT_BYTES_MAX};

/// Writes a command.
pub fn command(to: &mut BytesMut, words: &[&[u8]]) {
    to.put_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        to.put_slice(format!("${}\r\n", word.len()).as_bytes());
        to.put_slice(word);
        to.put_slice(b"\r\n");
    }
}

/// Reads the answer to a command that answers with a text.
///
/// # Errors
/// The store is gone, refuses, or answers otherwise.
pub async fn text<R: AsyncBufRead + Unpin>(from: &mut R) -> io::Result<String> {
    let line = line(from).await?;
    if let Some(text) = line.strip_prefix('+') {
        return Ok(text.to_owned());
    }
    let length = line.strip_prefix('$').and_then(|length| length.parse::<usize>().ok());
    let length = length.filter(|length| *length <= RATE_STORE_TEXT_BYTES_MAX);
    let Some(length) = length else { return Err(unexpected(&line)) };
    let mut bytes = vec![0; length + 2];
    from.read_exact(&mut bytes).await?;
    bytes.truncate(length);
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// Reads the answer to a command that answers with so many numbers.
///
/// # Errors
/// As [`text`].
pub async fn numbers<R: AsyncBufRead + Unpin, const N: usize>(
    from: &mut R,
) -> io::Result<[u64; N]> {
    let head = line(from).await?;
    let expected = head.strip_prefix('*').and_then(|length| length.parse::<usize>().ok());
    if expected != Some(N) {
        return Err(unexpected(&head));
    }
    let mut numbers = [0; N];
    for number in &mut numbers {
        let line = line(from).await?;
        let found = line.strip_prefix(':').and_then(|number| number.parse().ok());
        *number = found.ok_or_else(|| unexpected(&line))?;
    }
    Ok(numbers)
}

async fn line<R: AsyncBufRead + Unpin>(from: &mut R) -> io::Result<String> {
    let mut line = Vec::new();
    let mut bounded = from.take(RATE_STORE_LINE_BYTES_MAX as u64);
    bounded.read_until(b'\n', &mut line).await?;
    match line.strip_suffix(b"\r\n") {
        Some(line) => String::from_utf8(line.to_vec()).map_err(io::Error::other),
        None => Err(io::Error::other("the store closed the connection or sent too long a line")),
    }
}

fn unexpected(line: &str) -> io::Error {
    io::Error::other(format!("the store answered {:?}", line.escape_debug().to_string()))
}

#[cfg(test)]
mod tests {
    use super::{BytesMut, command, numbers, text};

    fn on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn commands_are_arrays_of_texts() {
        let mut bytes = BytesMut::new();
        command(&mut bytes, &[b"SET", b"a\r\nb", b""]);
        assert_eq!(&bytes[..], b"*3\r\n$3\r\nSET\r\n$4\r\na\r\nb\r\n$0\r\n\r\n");
    }

    #[test]
    fn answers_are_read_within_bounds() {
        for (answer, expected) in
            [("+OK\r\n", Some("OK")), ("$3\r\nabc\r\n", Some("abc")), ("$0\r\n\r\n", Some(""))]
        {
            assert_eq!(on(text(&mut answer.as_bytes())).ok().as_deref(), expected, "{answer:?}");
        }
        let endless = format!("+{}\r\n", "x".repeat(100_000));
        for answer in [
            "-NOAUTH no\r\n",
            "$-1\r\n",
            "$99999999999\r\n",
            ":1\r\n",
            "$3\r\nab",
            "",
            "+OK",
            &endless,
        ] {
            assert!(on(text(&mut answer.as_bytes())).is_err(), "{answer:?}");
        }
        assert_eq!(on(numbers(&mut &b"*2\r\n:1\r\n:20\r\n"[..])).unwrap(), [1, 20]);
        for answer in [
            "*3\r\n:1\r\n:2\r\n:3\r\n",
            "*2\r\n:1\r\n:-2\r\n",
            "*2\r\n:1\r\n+2\r\n",
            "*2\r\n:1\r\n",
            "-NOSCRIPT no\r\n",
            "*-1\r\n",
        ] {
            assert!(on(numbers::<_, 2>(&mut answer.as_bytes())).is_err(), "{answer:?}");
        }
    }
}
