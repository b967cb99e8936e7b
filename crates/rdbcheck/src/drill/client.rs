//! A client of RESP2 on a unix socket. It trusts nobody: what is taken of an answer is bounded, and so is the time.
//!
//! ```text
//! request   *<count>\r\n  then per argument  $<length>\r\n<bytes>\r\n
//! reply     +<text>\r\n | -<text>\r\n | :<integer>\r\n | $<length>\r\n<bytes>\r\n | *<count>\r\n<replies>
//! ```

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// A line of an answer is no longer than that.
const LINE: u64 = 64 << 10;
/// All of an answer takes no more than that.
const ANSWER: u64 = 512 << 20;
/// Arrays lie in arrays no deeper than that.
const DEPTH: usize = 16;

/// What a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A status such as `OK`.
    Status(String),
    /// An error, its code first.
    Error(String),
    Integer(i64),
    Bytes(Vec<u8>),
    Nil,
    Array(Vec<Reply>),
}

impl Reply {
    /// Returns a status, or a string that is text.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Status(text) => Some(text),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// Returns an integer.
    pub(crate) fn integer(&self) -> Option<i64> {
        if let Self::Integer(n) = self { Some(*n) } else { None }
    }
}

/// A stream on which each read ends at a deadline.
struct Timed {
    stream: UnixStream,
    deadline: Instant,
}

impl Timed {
    fn left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        match self.stream.read(buffer) {
            // So Linux says that the time is over.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(io::ErrorKind::TimedOut.into()),
            other => other,
        }
    }
}

/// A connection to a server.
pub(crate) struct Client {
    stream: BufReader<Timed>,
    /// How long the server may still let it wait, for all commands together.
    patience: Duration,
    /// Whether an answer did not come, or was none: the next one could be the answer to an earlier command.
    failed: bool,
}

impl Client {
    /// Takes a connection. `patience` is how long the server may let it wait.
    pub(crate) fn new(stream: UnixStream, patience: Duration) -> Self {
        let deadline = Instant::now() + patience;
        Self { stream: BufReader::new(Timed { stream, deadline }), patience, failed: false }
    }

    /// Sets how long the server may let it wait from now on, for all commands together. What is done between them does not count.
    pub(crate) fn wait_no_longer_than(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Returns whether it is of no use any more.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Sends a command, and returns the answer, which may be an error.
    pub(crate) fn command<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> io::Result<Reply> {
        if self.failed {
            return Err(io::Error::other("an earlier answer did not come"));
        }
        let begun = Instant::now();
        let reply = self.send(arguments).and_then(|()| self.answer());
        self.patience = self.patience.saturating_sub(begun.elapsed());
        self.failed = reply.is_err();
        reply
    }

    /// Sends a command without waiting for its answer.
    fn send<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> io::Result<()> {
        let timed = self.stream.get_mut();
        timed.deadline = Instant::now() + self.patience;
        let mut request = format!("*{}\r\n", arguments.len()).into_bytes();
        for argument in arguments {
            let argument = argument.as_ref();
            request.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
            request.extend_from_slice(argument);
            request.extend_from_slice(b"\r\n");
        }
        timed.stream.set_write_timeout(Some(timed.left()?))?;
        timed.stream.write_all(&request)
    }

    fn answer(&mut self) -> io::Result<Reply> {
        self.reply(&mut 0, DEPTH)
    }

    /// Sends a command that has to succeed.
    pub(crate) fn run<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> io::Result<Reply> {
        match self.command(arguments)? {
            Reply::Error(text) => {
                let name = String::from_utf8_lossy(arguments.first().map_or(&[][..], AsRef::as_ref)).into_owned();
                Err(io::Error::other(format!("{name} is answered with: {text}")))
            }
            reply => Ok(reply),
        }
    }

    /// Returns the fields of a section of INFO.
    pub(crate) fn info(&mut self, section: &str) -> io::Result<BTreeMap<String, String>> {
        let reply = self.run(&["INFO", section])?;
        let text = if let Reply::Bytes(bytes) = &reply { String::from_utf8_lossy(bytes) } else { "".into() };
        let fields = text.lines().filter_map(|line| line.split_once(':'));
        Ok(fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        (&mut self.stream).take(LINE).read_until(b'\n', &mut line)?;
        match line.strip_suffix(b"\r\n") {
            Some(line) => Ok(String::from_utf8_lossy(line).into_owned()),
            None if line.len() as u64 == LINE => Err(io::Error::other("a line of an answer that has no end")),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn reply(&mut self, taken: &mut u64, depth: usize) -> io::Result<Reply> {
        let line = self.line()?;
        let unknown = || io::Error::new(io::ErrorKind::InvalidData, format!("no answer of a server: {line:?}"));
        let (kind, rest) = line.split_at_checked(1).ok_or_else(unknown)?;
        *taken = taken.saturating_add(line.len() as u64);
        match kind {
            "+" => Ok(Reply::Status(rest.to_owned())),
            "-" => Ok(Reply::Error(rest.to_owned())),
            ":" => rest.parse().map(Reply::Integer).map_err(|_| unknown()),
            "$" | "*" if rest == "-1" => Ok(Reply::Nil),
            "$" => {
                let length: u64 = rest.parse().map_err(|_| unknown())?;
                *taken = taken.saturating_add(length);
                if *taken > ANSWER {
                    return Err(io::Error::other("an answer of more than 512 MiB"));
                }
                // Memory is taken as the bytes come.
                let mut bytes = Vec::new();
                (&mut self.stream).take(length + 2).read_to_end(&mut bytes)?;
                if bytes.len() as u64 != length + 2 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                bytes.truncate(bytes.len() - 2);
                Ok(Reply::Bytes(bytes))
            }
            "*" if depth > 0 => {
                let count: u64 = rest.parse().map_err(|_| unknown())?;
                let mut replies = Vec::new();
                for _ in 0..count {
                    *taken = taken.saturating_add(size_of::<Reply>() as u64);
                    if *taken > ANSWER {
                        return Err(io::Error::other("an answer of more than 512 MiB"));
                    }
                    replies.push(self.reply(taken, depth - 1)?);
                }
                Ok(Reply::Array(replies))
            }
            _ => Err(unknown()),
        }
    }
}

/// Who knocks at a server until that has loaded, by one connection: each further one would wait in its queue, which has an end, and to
/// connect to a full one waits for ever.
pub(crate) struct Knocking {
    socket: PathBuf,
    state: State,
}

enum State {
    /// A thread connects. It ends with the server at the latest.
    Connecting(Receiver<io::Result<UnixStream>>),
    /// An answer to PING is to come.
    Waiting(Client),
    /// The answer was that it loads.
    Idle(Client),
    Closed,
}

impl Knocking {
    pub(crate) fn at(socket: &Path) -> Self {
        Self { socket: socket.to_owned(), state: State::Closed }
    }

    /// Looks so long at most whether it has loaded, and returns the connection then.
    pub(crate) fn answered(&mut self, within: Duration) -> io::Result<Option<Client>> {
        let until = Instant::now() + within;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            self.state = match std::mem::replace(&mut self.state, State::Closed) {
                State::Closed => {
                    let (done, connected) = channel();
                    let socket = self.socket.clone();
                    thread::Builder::new().spawn(move || done.send(UnixStream::connect(socket)))?;
                    State::Connecting(connected)
                }
                State::Connecting(connected) => match connected.recv_timeout(left) {
                    Ok(Ok(stream)) => State::Idle(Client::new(stream, left)),
                    // It does not listen yet.
                    Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => return Ok(None),
                    Err(RecvTimeoutError::Timeout) => {
                        self.state = State::Connecting(connected);
                        return Ok(None);
                    }
                },
                State::Idle(client) if left.is_zero() => {
                    self.state = State::Idle(client);
                    return Ok(None);
                }
                State::Idle(mut client) => {
                    client.wait_no_longer_than(left);
                    match client.send(&["PING"]) {
                        Ok(()) => State::Waiting(client),
                        Err(_) => return Ok(None),
                    }
                }
                State::Waiting(mut client) => {
                    client.stream.get_mut().deadline = until;
                    match client.answer() {
                        Ok(Reply::Status(text)) if text == "PONG" => return Ok(Some(client)),
                        Ok(_) => self.state = State::Idle(client),
                        Err(error) if error.kind() == io::ErrorKind::TimedOut => self.state = State::Waiting(client),
                        Err(_) => {}
                    }
                    return Ok(None);
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    /// What a client makes of an answer.
    fn answered(answer: &'static [u8], patience: Duration) -> io::Result<Reply> {
        let folder = tempfile::tempdir()?;
        let socket = folder.path().join("s");
        let listener = UnixListener::bind(&socket)?;
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept()?;
            stream.write_all(answer)?;
            // It stays open until the client goes.
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).map(drop)
        });
        let mut client = Client::new(UnixStream::connect(&socket)?, patience);
        let reply = client.command(&["PING"]);
        assert_eq!(client.has_failed(), reply.is_err());
        if reply.is_err() {
            assert!(client.command(&["PING"]).is_err_and(|error| error.to_string().contains("an earlier answer")));
        }
        drop(client);
        let _ = server.join();
        reply
    }

    #[test]
    fn answers_are_read() {
        let long = Duration::from_secs(20);
        let of = |answer| answered(answer, long).expect("an answer");
        assert_eq!(of(b"+PONG\r\n"), Reply::Status("PONG".into()));
        assert_eq!(of(b"-LOADING it\r\n"), Reply::Error("LOADING it".into()));
        assert_eq!(of(b"$2\r\n\xff\n\r\n"), Reply::Bytes(vec![0xff, b'\n']));
        assert_eq!(of(b"*2\r\n:-7\r\n*-1\r\n"), Reply::Array(vec![Reply::Integer(-7), Reply::Nil]));
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        let long = Duration::from_secs(20);
        for bad in [&b"$99999999999\r\n"[..], b"$-2\r\n", b"%1\r\n", b"\r\n", b"*x\r\n"] {
            assert!(answered(bad, long).is_err(), "{bad:?}");
        }
        let deep: &'static [u8] = Vec::leak(b"*1\r\n".repeat(100));
        assert!(answered(deep, long).is_err());
    }

    #[test]
    fn an_answer_that_does_not_come_is_waited_for_so_long() {
        for slow in [&b""[..], b"$5\r\nab", b"*2\r\n:1\r\n"] {
            let error = answered(slow, Duration::from_millis(60)).expect_err("nothing comes");
            assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{slow:?}");
        }
    }

    /// A server that listens and takes no connection: one waits in its queue, however often it is looked at.
    #[test]
    fn who_does_not_answer_is_asked_once() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let socket = folder.path().join("s");
        let listener = UnixListener::bind(&socket)?;
        let mut knocking = Knocking::at(&socket);
        for _ in 0..500 {
            assert!(knocking.answered(Duration::from_millis(1))?.is_none());
        }
        listener.set_nonblocking(true)?;
        let (mut stream, _) = listener.accept()?;
        assert_eq!(listener.accept().map_err(|error| error.kind()).err(), Some(io::ErrorKind::WouldBlock));
        // Then it loads, then it has.
        stream.write_all(b"-LOADING it\r\n")?;
        assert!(knocking.answered(Duration::from_secs(20))?.is_none());
        stream.write_all(b"+PONG\r\n")?;
        assert!(knocking.answered(Duration::from_secs(20))?.is_some());
        let mut asked = [0; 28];
        stream.read_exact(&mut asked)?;
        assert_eq!(asked.as_slice(), b"*1\r\n$4\r\nPING\r\n".repeat(2));
        Ok(())
    }

    /// What is waited for one answer is not waited again for the next.
    #[test]
    fn the_patience_is_for_all_commands_together() -> io::Result<()> {
        let (mine, mut other) = UnixStream::pair()?;
        let mut client = Client::new(mine, Duration::from_secs(60));
        other.write_all(b"+a\r\n+b\r\n")?;
        client.command(&["PING"])?;
        assert!(client.patience < Duration::from_secs(60));
        client.wait_no_longer_than(Duration::ZERO);
        assert!(client.command(&["PING"]).is_err());
        Ok(())
    }
}
