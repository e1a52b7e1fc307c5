//! Watching the daemon's events, from the command's side.

use std::{
    io::{Error, ErrorKind},
    path::{Path, PathBuf},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
};

use super::{ANSWER_BYTES_MAX, Answer, ClientError, Request, Watched};

/// Events as they come.
pub struct Watch {
    path: PathBuf,
    stream: BufReader<UnixStream>,
}

/// Asks for events.
///
/// # Errors
///
/// Where no daemon answers.
pub async fn watch(path: &Path) -> Result<Watch, ClientError> {
    let connect = |source| ClientError::Connect { path: path.to_path_buf(), source };
    let mut stream = UnixStream::connect(path).await.map_err(connect)?;
    let unreadable = |source| ClientError::Answer { path: path.to_path_buf(), source };
    let mut request = serde_json::to_vec(&Request::Watch {}).map_err(unreadable)?;
    request.push(b'\n');
    let broken = |source| ClientError::Io { path: path.to_path_buf(), source };
    stream.write_all(&request).await.map_err(broken)?;
    Ok(Watch { path: path.to_path_buf(), stream: BufReader::new(stream) })
}

impl Watch {
    /// What the daemon says next.
    ///
    /// # Errors
    ///
    /// Where it refuses, stops, or breaks off.
    pub async fn next(&mut self) -> Result<Watched, ClientError> {
        let broken = |source| ClientError::Io { path: self.path.clone(), source };
        let mut line = Vec::new();
        let mut limited = (&mut self.stream).take(ANSWER_BYTES_MAX);
        limited.read_until(b'\n', &mut line).await.map_err(broken)?;
        if line.last() != Some(&b'\n') {
            return Err(broken(Error::from(ErrorKind::UnexpectedEof)));
        }
        let unreadable = |source| ClientError::Answer { path: self.path.clone(), source };
        match serde_json::from_slice(&line).map_err(unreadable)? {
            Answer::Ok(Watched::Stopped {}) => {
                Err(ClientError::Stopped { path: self.path.clone() })
            }
            Answer::Ok(watched) => Ok(watched),
            Answer::Error(error) => Err(ClientError::Refused(error)),
        }
    }

    /// Whether more of it is here already.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.stream.buffer().contains(&b'\n')
    }
}
