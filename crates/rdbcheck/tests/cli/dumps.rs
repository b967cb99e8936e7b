//! Answers of DUMP, kept in files: checked as what they are, or taken out of the text that they became; the commands that are advised
//! give the value back to a real server.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use redis_persistence::crc64;
use serde_json::Value;
use testkit::server::{Product, Server, require};

use crate::{Ran, TestResult, ran, rdbcheck};

/// What DUMP answers for a value.
fn payload(value: &[u8], version: u16) -> Vec<u8> {
    let mut bytes = [value, &version.to_le_bytes()].concat();
    bytes.extend_from_slice(&crc64::checksum(&bytes).to_le_bytes());
    bytes
}

const HASH: &[u8] = b"\x10\x0f\x0f\0\0\0\x02\0\x81f\x02\x83vvv\x04\xff";

fn quoted(bytes: &[u8]) -> Vec<u8> {
    let text: String = bytes
        .iter()
        .map(|byte| match byte {
            b'"' | b'\\' => format!("\\{}", char::from(*byte)),
            b' '..=b'~' => char::from(*byte).to_string(),
            _ => format!("\\x{byte:02x}"),
        })
        .collect();
    format!("\"{text}\"\n").into_bytes()
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes()
}

fn base64(bytes: &[u8], padding: &str) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::new();
    for three in bytes.chunks(3) {
        let word = three.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        let digits = (0..4).map(|at| DIGITS[(word >> (18 - 6 * at)) as usize & 63]);
        out.extend(digits.take(three.len() + 1));
        out.extend(padding.bytes().cycle().take(if padding.is_empty() { 0 } else { 3 - three.len() }));
    }
    out
}

fn report(input: &[u8], args: &[&str]) -> Result<(Option<i32>, Value), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("value"), input)?;
    let Ran { code, out, .. } =
        ran(rdbcheck(&[&["--json"], args, &["value"]].concat()).current_dir(folder.path()).output())?;
    let piped = ran(rdbcheck(&[&["--json"], args, &["-"]].concat()).write_stdin(input).output())?;
    let (mut file, mut stream): (Value, Value) = (serde_json::from_str(&out)?, serde_json::from_str(&piped.out)?);
    // Out of a pipe it is the same.
    assert_eq!(code, piped.code);
    for report in [&mut file, &mut stream] {
        report["files"][0]["path"].take();
    }
    let cause = &mut stream["files"][0]["cause"];
    if let Some(command) = cause["command"].as_str().map(|command| command.replace("FILE", "value")) {
        cause["command"] = command.into();
    }
    assert_eq!(file, stream);
    Ok((code, file["files"][0].take()))
}

#[test]
fn an_answer_is_checked_as_what_it_is() -> TestResult {
    let sound = payload(HASH, 11);
    for end in ["", "\n", "\r\n"] {
        let (code, report) = report(&[&sound[..], end.as_bytes()].concat(), &[])?;
        assert_eq!((code, &report["kind"], &report["verdict"]), (Some(0), &"dump".into(), &"sound".into()), "{report}");
        assert_eq!((&report["counts"]["types"]["hash"], &report["format"]["rdb_version"]), (&1.into(), &11.into()));
        let said = report["cause"]["evidence"].to_string();
        assert!(said.contains("redis-7.4") && said.contains("(measured)") && !said.contains("redis-7.0"), "{said}");
    }
    let (code, report_for) = report(&sound, &["--for", "redis-7.0", "--for", "valkey-9.1"])?;
    assert_eq!((code, &report_for["loads_on"]["redis-7.0"]["loads"]), (Some(1), &false.into()));
    assert_eq!(report_for["loads_on"]["valkey-9.1"]["loads"], true);

    let mut unfit = sound.clone();
    unfit[8] ^= 1;
    let mut value = HASH.to_vec();
    value[8] = 0xff;
    for (bad, at) in [(unfit, sound.len() - 8), (payload(&value, 11), 9)] {
        let (code, report) = report(&bad, &[])?;
        let finding = &report["findings"][0];
        assert_eq!((code, &finding["code"]), (Some(1), &"dump-damaged".into()), "{report}");
        assert_eq!(finding["failed_at"], at);
        assert_eq!(report["cause"]["reversible"], false);
    }
    // Of a version that is not known yet, nothing is promised.
    let (code, newer) = report(&payload(b"\0\x05hello", 16), &[])?;
    assert_eq!((code, &newer["verdict"]), (Some(3), &"unknown".into()));
    Ok(())
}

#[test]
fn an_answer_as_text_is_named() -> TestResult {
    let sound = payload(HASH, 11);
    let mut unfit = sound.clone();
    unfit[8] ^= 1;
    for encode in [quoted, hex, |bytes: &[u8]| base64(bytes, "="), |bytes: &[u8]| base64(bytes, "")] {
        let (code, said) = report(&encode(&sound), &[])?;
        assert_eq!(
            (code, &said["cause"]["code"], &said["cause"]["reversible"]),
            (Some(3), &"dump-payload".into(), &true.into())
        );
        let (code, said) = report(&encode(&unfit), &[])?;
        assert_eq!(
            (code, &said["cause"]["reversible"], &said["cause"]["command"]),
            (Some(3), &false.into(), &Value::Null)
        );
        assert!(said["cause"]["evidence"].to_string().contains("it is damaged"), "{said}");
    }
    Ok(())
}

/// The advised commands, run as they stand up to redis-cli: what it is given is what a real server takes back. The line in quotes is
/// one that the server itself reads, by the same rules.
#[test]
fn what_is_advised_gives_the_value_back() -> TestResult {
    let Some(installed) = require(Product::Redis86) else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let mut server = Server::start(&installed, folder.path(), &["--appendonly", "no"])?;
    let sound = payload(HASH, 11);
    let port = server.command(&["CONFIG", "GET", "port"])?;
    let port: u16 = port.array().and_then(|pair| pair[1].text()).ok_or("a port")?.parse()?;
    let forms: [(&str, Vec<u8>); 4] = [
        ("bare", sound.clone()),
        ("line end", [&sound[..], b"\n"].concat()),
        ("quoted", quoted(&sound)),
        ("base64", base64(&sound, "=")),
    ];
    for (form, file) in forms {
        let (_, report) = report(&file, &[])?;
        let command = report["cause"]["command"].as_str().ok_or("a command")?;
        fs::write(folder.path().join("value"), &file)?;
        let given = match command.strip_suffix(" < value") {
            Some(_) => "cat value",
            None => command.rsplit_once(" | ").ok_or("a pipe")?.0,
        };
        let given = Command::new("sh").args(["-c", given]).current_dir(folder.path()).output()?;
        assert!(given.status.success(), "{command}");
        server.run(&["DEL", "KEY"])?;
        if form == "quoted" {
            let mut line = TcpStream::connect(("127.0.0.1", port))?;
            line.write_all(&given.stdout)?;
            let mut answer = [0; 5];
            line.read_exact(&mut answer)?;
            assert_eq!(&answer, b"+OK\r\n", "{command}");
        } else {
            assert!(command.contains("redis-cli -x RESTORE KEY 0"), "{command}");
            server.run(&[&b"RESTORE"[..], b"KEY", b"0", &given.stdout])?;
        }
        assert_eq!(server.run(&["HGET", "KEY", "f"])?.text(), Some("vvv"), "{form}: {command}");
    }
    Ok(())
}
