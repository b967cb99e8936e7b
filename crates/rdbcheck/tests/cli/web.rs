//! A web server on loopback that answers well, or badly in a named way: by the last part of the path that is asked for.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What was asked, one line for each request: method, path, and range.
pub(crate) type Asked = Arc<Mutex<Vec<String>>>;

/// A server that runs as long as the tests do.
pub(crate) struct Web {
    /// How its addresses begin.
    pub(crate) url: String,
    pub(crate) asked: Asked,
}

/// A request.
struct Request {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    /// How often its path was asked for before.
    before: usize,
}

impl Web {
    /// Starts a server of one file.
    pub(crate) fn of(file: Vec<u8>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let (asked, file) = (Asked::default(), Arc::new(file));
        let seen = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, file) = (Arc::clone(&seen), Arc::clone(&file));
                // A client that goes away is what some tests are about.
                thread::spawn(move || drop(serve(&stream, &seen, &file)));
            }
        });
        Ok(Self { url, asked })
    }

    /// How many requests there were whose line holds a text.
    pub(crate) fn count(&self, text: &str) -> usize {
        let asked = self.asked.lock().expect("no test failed with it");
        asked.iter().filter(|line| line.contains(text)).count()
    }
}

fn serve(stream: &TcpStream, seen: &Asked, file: &[u8]) -> io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    loop {
        let Some(first) = lines.next().transpose()? else { return Ok(()) };
        let mut words = first.split(' ').map(str::to_owned);
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut headers = BTreeMap::new();
        while let Some(line) = lines.next().transpose()?.filter(|line| !line.is_empty()) {
            if let Some((name, value)) = line.split_once(':') {
                headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
            }
        }
        let range = headers.get("range").cloned().unwrap_or_default();
        let mut asked = seen.lock().map_err(|_| io::ErrorKind::Other)?;
        let before = asked.iter().filter(|line| line.split(' ').nth(1) == Some(path.as_str())).count();
        let signed = headers.get("authorization").map_or("", |_| "signed");
        asked.push(format!("{method} {path} {range} {signed}"));
        drop(asked);
        if !answer(stream, &Request { method, path, headers, before }, file)? {
            return Ok(());
        }
    }
}

/// What a bucket says of a prefix: there is one folder of a day, and one object in it.
fn listing(query: &str) -> String {
    let inside = query.contains("prefix=2026-12-01");
    let found = if inside || !query.contains("delimiter=") {
        "<Contents><Key>2026-12-01/dump.rdb</Key><LastModified>2026-12-01T00:00:00.000Z</LastModified><Size>9</Size>\
         <ETag>&quot;first&quot;</ETag></Contents>"
    } else {
        "<CommonPrefixes><Prefix>2026-12-01/</Prefix></CommonPrefixes>"
    };
    format!("<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>")
}

/// Answers a request, and says whether the connection stays.
fn answer(mut stream: &TcpStream, request: &Request, file: &[u8]) -> io::Result<bool> {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    if query.contains("list-type=2") {
        let body = listing(query);
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
        return Ok(true);
    }
    let how = path.rsplit('/').next().unwrap_or_default();
    let error = |mut stream: &TcpStream, status: &str, body: &str| -> io::Result<bool> {
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
        Ok(true)
    };
    match how {
        "missing" => return error(stream, "404 Not Found", "<Code>NoSuchKey</Code>"),
        "forbidden" => return error(stream, "403 Forbidden", "<Code>AccessDenied</Code><Key>secret-in-answer</Key>"),
        "nobody" => return error(stream, "403 Forbidden", "<Code>InvalidAccessKeyId</Code>"),
        "fails" => return error(stream, "500 Internal Server Error", "no"),
        "fails-twice" if request.before < 2 => return error(stream, "503 Slow Down", "later"),
        "silent" => {
            thread::sleep(Duration::from_secs(20));
            return Ok(false);
        }
        _ => {}
    }
    let is_later = request.headers.get("range").is_some_and(|range| !range.starts_with("bytes=0-"));
    let tag = match how {
        "replaced" | "replaced-unsaid" if is_later => "\"second\"",
        _ => "\"first\"",
    };
    let wanted = request.headers.get("if-match").filter(|_| how != "replaced-unsaid");
    if wanted.is_some_and(|wanted| wanted != tag) {
        return error(stream, "412 Precondition Failed", "");
    }
    let file = if how == "page" { b"<!DOCTYPE html><html><body>Please log in</body></html>" } else { file };
    let range = request.headers.get("range").and_then(|range| {
        let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
        let (from, to): (usize, usize) = (from.parse().ok()?, to.parse().ok()?);
        Some(from..(to + 1).min(file.len()))
    });
    let range = range.filter(|_| !matches!(how, "no-ranges" | "no-size"));
    let (status, bytes) = match &range {
        Some(range) => ("206 Partial Content", &file[range.clone()]),
        None => ("200 OK", file),
    };
    let mut head = format!("HTTP/1.1 {status}\r\nLast-Modified: Tue, 01 Dec 2026 00:00:00 GMT\r\n");
    if how != "no-tag" {
        head += &format!("ETag: {tag}\r\n");
    }
    if let Some(range) = &range {
        let by = usize::from(how == "other-range" && is_later);
        head += &format!("Content-Range: bytes {}-{}/{}\r\n", range.start + by, range.end - 1 + by, file.len());
    }
    let bytes = if how == "short" && is_later { &bytes[..bytes.len() / 2] } else { bytes };
    if how != "no-size" {
        head += &format!("Content-Length: {}\r\n", bytes.len());
    }
    let stays = how != "no-size";
    head += if stays { "\r\n" } else { "Connection: close\r\n\r\n" };
    stream.write_all(head.as_bytes())?;
    if request.method == "HEAD" {
        return Ok(stays);
    }
    match how {
        "cut" if is_later => {
            stream.write_all(&bytes[..bytes.len() / 2])?;
            return Ok(false);
        }
        "slow" if is_later => {
            for byte in bytes.chunks(1) {
                stream.write_all(byte)?;
                thread::sleep(Duration::from_millis(100));
            }
        }
        _ => stream.write_all(bytes)?,
    }
    Ok(stays)
}
