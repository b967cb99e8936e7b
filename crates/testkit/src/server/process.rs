//! One running server: a child process on the loopback address, and the connection to it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::resp::{Client, Reply};
use super::{Installed, Product};

/// How long a server may take to start and load, and how long one command may take.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(5);

/// Before the caller's own settings, which override them.
const SETTINGS: [&str; 8] = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--logfile", ""];

/// A memory test after a crash would cost seconds. Servers before 6.2 do not know the setting.
const NO_MEMORY_TEST: [&str; 2] = ["--crash-memcheck-enabled", "no"];

/// Why a server did not come up.
#[derive(Debug)]
pub enum StartError {
    /// The process could not be started or watched.
    Io(io::Error),
    /// It ended before it was ready: it refused its files or settings, or it crashed.
    Exited {
        /// How it ended.
        status: ExitStatus,
        /// What it had logged.
        log: String,
    },
    /// It was still not ready after a minute, or the time it was given, and was killed.
    TimedOut {
        /// What it had logged.
        log: String,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the server could not be started: {error}"),
            Self::Exited { status, log } => write!(f, "the server ended before it was ready: {status}\n{log}"),
            Self::TimedOut { log } => write!(f, "the server was not ready in time\n{log}"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<StartError> for io::Error {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Io(error) => error,
            other => Self::other(other),
        }
    }
}

/// What a server says about one of its databases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keyspace {
    /// Keys in it.
    pub keys: u64,
    /// Those of them that expire.
    pub expires: u64,
}

/// How to start a server.
struct Launch<'a> {
    installed: &'a Installed,
    dir: &'a Path,
    settings: &'a [&'a str],
    patience: Duration,
    log: PathBuf,
    /// The number of the user and the group that it runs as.
    user: Option<u32>,
}

/// A running server. Dropping it kills the process.
#[derive(Debug)]
pub struct Server {
    product: Product,
    child: Child,
    client: Client,
    address: SocketAddr,
    log: PathBuf,
}

impl Server {
    /// Starts a server in the existing folder `dir`, on a free port of the loopback address, and waits until it has
    /// loaded what lies there.
    ///
    /// `settings` are arguments of its command line, such as `["--appendonly", "yes"]` or `["--include", path]`; a
    /// default here is that nothing is saved unasked. Its log is `server.log` in `dir`.
    ///
    /// # Errors
    ///
    /// [`StartError::Exited`] when the server ends instead, for example because it refuses a file in `dir`.
    pub fn start(installed: &Installed, dir: &Path, settings: &[&str]) -> Result<Self, StartError> {
        Self::start_within(installed, dir, settings, PATIENCE)
    }

    /// The same, where the server may take no longer than that to come up, and to answer a command.
    ///
    /// # Errors
    ///
    /// As [`Server::start`].
    pub fn start_within(
        installed: &Installed,
        dir: &Path,
        settings: &[&str],
        patience: Duration,
    ) -> Result<Self, StartError> {
        Self::launch(&Launch { installed, dir, settings, patience, log: dir.join("server.log"), user: None })
    }

    /// The same as another user, with its log beside `dir`: that is for a caller who may do so.
    ///
    /// # Errors
    ///
    /// As [`Server::start`].
    #[cfg(unix)]
    pub fn start_as(user: u32, installed: &Installed, dir: &Path, settings: &[&str]) -> Result<Self, StartError> {
        let log = dir.with_extension("log");
        Self::launch(&Launch { installed, dir, settings, patience: PATIENCE, log, user: Some(user) })
    }

    fn launch(how: &Launch<'_>) -> Result<Self, StartError> {
        // Between choosing a port and the server's bind another process can take it: then choose again.
        for _ in 0..5 {
            match Self::launch_once(how) {
                Err(StartError::Exited { log, .. }) if log.contains("Address already in use") => {}
                other => return other,
            }
        }
        Self::launch_once(how)
    }

    fn launch_once(how: &Launch<'_>) -> Result<Self, StartError> {
        let Launch { installed, dir, settings, patience, log, user } = how;
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let output = File::create(log)?;
        let mut command = Command::new(&installed.server);
        #[cfg(unix)]
        if let Some(user) = *user {
            use std::os::unix::process::CommandExt as _;
            command.uid(user).gid(user).current_dir("/");
        }
        let mut child = command
            .args(["--port", &address.port().to_string()])
            .arg("--dir")
            .arg(dir)
            .args(SETTINGS)
            .args(NO_MEMORY_TEST.iter().filter(|_| installed.product.version() >= (6, 2)))
            .args(*settings)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        match connect(&mut child, address, log, *patience) {
            Ok(client) => Ok(Self { product: installed.product, child, client, address, log: log.clone() }),
            Err(error) => {
                // It has ended already, or has to.
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// Which product this is.
    #[must_use]
    pub const fn product(&self) -> Product {
        self.product
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has logged so far.
    ///
    /// # Errors
    ///
    /// When the log cannot be read.
    pub fn log(&self) -> io::Result<String> {
        read_log(&self.log)
    }

    /// Sends one command and returns the reply, which may be [`Reply::Error`].
    ///
    /// # Errors
    ///
    /// When the server is gone or takes more than a minute.
    pub fn command<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> io::Result<Reply> {
        self.client.command(arguments)
    }

    /// Sends one command that has to succeed.
    ///
    /// # Errors
    ///
    /// As [`Server::command`], and when the reply is an error.
    pub fn run<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> io::Result<Reply> {
        match self.command(arguments)? {
            Reply::Error(text) => {
                let name = arguments.first().map_or(&[][..], AsRef::as_ref);
                Err(io::Error::other(format!("{}: {}: {text}", self.product, String::from_utf8_lossy(name))))
            }
            reply => Ok(reply),
        }
    }

    /// Whether it knows a command: how tests find out what this version can do.
    ///
    /// # Errors
    ///
    /// As [`Server::run`].
    pub fn knows(&mut self, command: &str) -> io::Result<bool> {
        let reply = self.run(&["COMMAND", "INFO", command])?;
        Ok(reply.array().is_some_and(|found| found.iter().any(|entry| matches!(entry, Reply::Array(_)))))
    }

    /// The fields of one section of `INFO`.
    ///
    /// # Errors
    ///
    /// As [`Server::run`].
    pub fn info(&mut self, section: &str) -> io::Result<BTreeMap<String, String>> {
        let reply = self.run(&["INFO", section])?;
        Ok(info_fields(&reply))
    }

    /// Every database that is not empty.
    ///
    /// # Errors
    ///
    /// As [`Server::run`], and when the numbers cannot be read.
    pub fn databases(&mut self) -> io::Result<BTreeMap<u32, Keyspace>> {
        let unreadable = |text: &str| io::Error::new(io::ErrorKind::InvalidData, format!("in INFO keyspace: {text}"));
        let mut databases = BTreeMap::new();
        for (name, numbers) in self.info("keyspace")? {
            let number = |field: &str| {
                let mut fields = numbers.split(',').filter_map(|field| field.split_once('='));
                fields.find(|(name, _)| *name == field).and_then(|(_, value)| value.parse().ok())
            };
            let database = name.strip_prefix("db").and_then(|number| number.parse().ok());
            let (Some(database), Some(keys), Some(expires)) = (database, number("keys"), number("expires")) else {
                return Err(unreadable(&numbers));
            };
            databases.insert(database, Keyspace { keys, expires });
        }
        Ok(databases)
    }

    /// Writes the RDB file and waits for it.
    ///
    /// # Errors
    ///
    /// As [`Server::run`].
    pub fn save(&mut self) -> io::Result<()> {
        self.run(&["SAVE"]).map(drop)
    }

    /// Rewrites the append-only file and waits until the rewrite has ended.
    ///
    /// # Errors
    ///
    /// As [`Server::run`], and when the rewrite fails or takes more than a minute.
    pub fn rewrite_aof(&mut self) -> io::Result<()> {
        self.run(&["BGREWRITEAOF"])?;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let state = self.info("persistence")?;
            let is = |field: &str, value: &str| state.get(field).is_some_and(|found| found == value);
            if is("aof_rewrite_in_progress", "0") && is("aof_rewrite_scheduled", "0") {
                return if is("aof_last_bgrewrite_status", "ok") {
                    Ok(())
                } else {
                    Err(io::Error::other(format!("the rewrite failed\n{}", self.log()?)))
                };
            }
            thread::sleep(POLL);
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    /// Ends the server in order, without an RDB file: its append-only file is complete afterwards.
    ///
    /// # Errors
    ///
    /// When it does not end, or not with success.
    pub fn shutdown(mut self) -> io::Result<()> {
        // No reply comes: the server closes the connection.
        match self.command(&["SHUTDOWN", "NOSAVE"]) {
            Ok(reply) => return Err(io::Error::other(format!("the server does not shut down: {reply:?}"))),
            // Linux says WouldBlock where a read takes too long.
            Err(error) if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) => {
                return Err(error);
            }
            Err(_) => {}
        }
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(io::Error::other(format!("shutdown: {status}\n{}", self.log()?))) }
    }

    /// Ends the server at once, as a crash would: SIGKILL.
    ///
    /// # Errors
    ///
    /// When the process cannot be ended.
    pub fn kill(mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Where it has ended already there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn connect(child: &mut Child, address: SocketAddr, log: &Path, patience: Duration) -> Result<Client, StartError> {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Err(StartError::Exited { status, log: read_log(log)? });
        }
        if let Ok(client) = ready_client(child.id(), address, patience) {
            return Ok(client);
        }
        thread::sleep(POLL);
    }
    Err(StartError::TimedOut { log: read_log(log)? })
}

/// A client of the server with this process id, if it is there and has loaded its files.
fn ready_client(id: u32, address: SocketAddr, patience: Duration) -> io::Result<Client> {
    let mut client = Client::connect(address, patience)?;
    // Another process may have taken the port: its server would answer in place of ours.
    let fields = info_fields(&client.command(&["INFO"])?);
    let ours = fields.get("process_id").is_some_and(|found| *found == id.to_string());
    if ours && fields.get("loading").is_some_and(|loading| loading == "0") {
        return Ok(client);
    }
    Err(io::ErrorKind::NotConnected.into())
}

fn info_fields(reply: &Reply) -> BTreeMap<String, String> {
    let lines = reply.text().unwrap_or_default().lines();
    lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// A log can quote keys, so it need not be UTF-8.
fn read_log(log: &Path) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&fs::read(log)?).into_owned())
}
