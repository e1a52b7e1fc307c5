//! What of Redis's protocol (RESP 2) we need: commands of texts, and answers within bounds.

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
    let text = sized(from, &line, RATE_STORE_TEXT_BYTES_MAX).await?;
    String::from_utf8(text).map_err(io::Error::other)
}

/// Reads the answer to a command that answers with bytes, so many at most, or with nothing.
///
/// # Errors
/// As [`text`].
pub async fn bytes<R: AsyncBufRead + Unpin>(
    from: &mut R,
    bytes_max: usize,
) -> io::Result<Option<Vec<u8>>> {
    let line = line(from).await?;
    if line == NIL {
        return Ok(None);
    }
    sized(from, &line, bytes_max).await.map(Some)
}

/// Reads the answer to a command that answers with a number.
///
/// # Errors
/// As [`text`].
pub async fn number<R: AsyncBufRead + Unpin>(from: &mut R) -> io::Result<u64> {
    let line = line(from).await?;
    let number = line.strip_prefix(':').and_then(|number| number.parse().ok());
    number.ok_or_else(|| unexpected(&line))
}

/// Reads what is told to a subscriber: words, so many at most, of which some may be numbers.
///
/// # Errors
/// As [`text`].
pub async fn words<R: AsyncBufRead + Unpin>(
    from: &mut R,
    words_max: usize,
) -> io::Result<Vec<Vec<u8>>> {
    let head = line(from).await?;
    let length = head.strip_prefix('*').and_then(|length| length.parse::<usize>().ok());
    let length = length.filter(|length| *length <= words_max).ok_or_else(|| unexpected(&head))?;
    let mut words = Vec::with_capacity(length);
    for _ in 0..length {
        let line = line(from).await?;
        match line.strip_prefix(':') {
            Some(number) => words.push(number.as_bytes().to_vec()),
            None => words.push(sized(from, &line, WORD_BYTES_MAX).await?),
        }
    }
    Ok(words)
}

async fn sized<R: AsyncBufRead + Unpin>(
    from: &mut R,
    line: &str,
    bytes_max: usize,
) -> io::Result<Vec<u8>> {
    let length = line.strip_prefix('$').and_then(|length| length.parse::<usize>().ok());
    let length = length.filter(|length| *length <= bytes_max);
    let length = length.ok_or_else(|| unexpected(line))?;
    let mut bytes = vec![0; length + 2];
    from.read_exact(&mut bytes).await?;
    bytes.truncate(length);
    Ok(bytes)
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

const NIL: &str = "$-1";
/// A word that a subscriber is told names a session or somebody.
const WORD_BYTES_MAX: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::{BytesMut, bytes, command, number, numbers, text, words};

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
        assert_eq!(on(bytes(&mut &b"$-1\r\n"[..], 3)).unwrap(), None);
        assert_eq!(on(bytes(&mut &b"$3\r\na\r\n\r\n"[..], 3)).unwrap().unwrap(), b"a\r\n");
        assert!(on(bytes(&mut &b"$4\r\nabcd\r\n"[..], 3)).is_err());
        assert_eq!(on(number(&mut &b":7\r\n"[..])).unwrap(), 7);
        assert!(on(number(&mut &b":-1\r\n"[..])).is_err());
        let told = b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n";
        assert_eq!(on(words(&mut &told[..], 3)).unwrap(), [&b"subscribe"[..], b"c", b"1"]);
        for answer in
            [&told[..told.len() - 1], b"*4\r\n", b"*-1\r\n", b"*1\r\n$99999\r\n", b"+OK\r\n"]
        {
            assert!(on(words(&mut &answer[..], 3)).is_err(), "{answer:?}");
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
