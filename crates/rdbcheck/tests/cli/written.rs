//! RDBs and append-only files in every form of text that other programs write them in: each is named, and comes back byte for byte.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::aof::aofcheck as aofcheck_in;
use crate::{TestResult, ran, rdbcheck, sound};

fn aofcheck(args: &[&str]) -> assert_cmd::Command {
    aofcheck_in(Path::new("."), args)
}

/// What Python makes of `data`, by name; the same lines for RDBs and append-only files.
const FORMS: &str = r#"
import base64, binascii, email.mime.application, email.mime.multipart, gzip, io, json, quopri, sys, urllib.parse
data = open(sys.argv[1], 'rb').read()
forms = []
def form(name, text):
    forms.append(name)
    open('%s/%02d-%s' % (sys.argv[2], len(forms), name), 'wb').write(text if isinstance(text, bytes) else text.encode())
lines = lambda bytes, n: [bytes[at:at + n] for at in range(0, len(bytes), n)]
uu = b'begin 644 dump.rdb\n' + b''.join(binascii.b2a_uu(line, backtick=tick) for tick in [True] for line in lines(data, 45)) + b'`\nend\n'
form('uuencoded', uu)
form('uuencoded', uu.replace(b'`', b' ').replace(b'\n', b'\r\n'))
form('uuencoded', b'From: a\n\n' + uu)
form('base64', b'begin-base64 644 dump.rdb\n' + base64.encodebytes(data) + b'====\n')
form('base32', base64.b32encode(data))
form('base32', b'\n'.join(lines(base64.b32encode(data), 76)) + b'\n')
form('base32', base64.b32encode(data).rstrip(b'=').lower())
packed = gzip.compress(data)
form('base64', base64.b64encode(packed))
form('base64', base64.encodebytes(packed))
form('base64', b'{"data":"' + base64.b64encode(packed) + b'"}')
form('base32', base64.b32encode(packed))
form('hex', packed.hex())
form('number-list', json.dumps(list(packed)))
form('base64', base64.b64encode(base64.b64encode(data)))
form('utf-16', b'\xff\xfe' + base64.b64encode(data).decode().encode('utf-16-le'))
form('number-list', 'unsigned char dump_rdb[] = {\n' + ',\n'.join('  ' + ', '.join('0x%02x' % b for b in line) for line in lines(data, 12)) + '\n};\nunsigned int dump_rdb_len = %d;\n' % len(data))
form('number-list', 'static const uint8_t data[%d] = { ' % len(data) + ', '.join('0x%02Xu' % b for b in data) + ' };')
form('number-list', 'let data: &[u8] = &[' + ', '.join('%du8' % b for b in data) + '];')
form('number-list', 'byte[] data = {' + ', '.join('(byte)0x%02x' % b for b in data) + '};')
form('number-list', json.dumps([b - 256 if b > 127 else b for b in data]))
form('number-list', json.dumps(list(data)))
form('number-list', json.dumps(list(data), indent=2))
form('number-list', json.dumps({'type': 'Buffer', 'data': list(data)}))
form('number-list', json.dumps({'key': 'a', 'value': {'type': 'Buffer', 'data': list(data)}}))
form('number-list', json.dumps({str(at): b for at, b in enumerate(data)}))
form('number-list', 'data = ' + repr(list(data)))
form('number-list', 'bytearray((' + ', '.join(str(b) for b in data) + '))')
form('number-list', '\n'.join(str(b) for b in data) + '\n')
printable = binascii.b2a_qp(data, istext=False).replace(b'=\r\n', b'=\n')
form('quoted-printable', printable)
form('quoted-printable', printable.replace(b'\n', b'\r\n'))
form('quoted-printable', b'Content-Type: application/octet-stream\nContent-Transfer-Encoding: quoted-printable\n\n' + printable)
# As text, where no line feed stands behind a carriage return.
if b'\r\n' not in data:
    form('quoted-printable', quopri.encodestring(data))
    form('quoted-printable', quopri.encodestring(data).replace(b'\n', b'\r\n'))
form('escaped', urllib.parse.quote(data))
form('escaped', repr(data))
form('escaped', 'data = ' + repr(data) + '\n')
form('escaped', '(' + '\n '.join(repr(line) for line in lines(data, 50)) + ')')
form('escaped', json.dumps(data.decode('latin-1')))
form('escaped', json.dumps(data.decode('latin-1'), ensure_ascii=False))
form('escaped', '"' + ''.join('\\%03o' % b for b in data) + '"')
form('escaped', '"' + ''.join('\\x%02x' % b for b in data) + '"')
form('escaped', repr(packed))
mail = email.mime.multipart.MIMEMultipart()
mail['Subject'] = 'the dump'
mail.attach(email.mime.application.MIMEApplication(data, Name='dump.rdb'))
form('base64', mail.as_bytes())
form('base64', mail.as_bytes().replace(b'\n', b'\r\n'))
form('surrounded', b'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n' + packed)
form('hex', '\n'.join('%08x: %-39s  %s' % (at * 16, ' '.join(line[n:n + 2].hex() for n in range(0, len(line), 2)), '.' * len(line)) for at, line in enumerate(lines(data, 16))))
form('hex', '\n'.join('%08x: %s  %s' % (at * 6, ' '.join('{:08b}'.format(b) for b in line), '.' * len(line)) for at, line in enumerate(lines(data, 6))) + '\n')
form('hex', '-'.join('%02X' % b for b in data))
"#;

/// What tools of every system make of it.
const OF_TOOLS: [(&str, &str); 11] = [
    ("hex", "od -A x -t x1z -v"),
    ("hex", "od"),
    ("hex", "od -c"),
    ("hex", "od -x"),
    ("hex", "od -t x1"),
    ("hex", "od -A d -t u1"),
    ("hex", "od -b"),
    ("hex", "od -A x -t x4"),
    ("hex", "od -v -A n -t o1"),
    ("base32", "base32 -w0"),
    ("base64", "base64 -w 11"),
];

/// Writes every form of `data` into a folder; the name of a file is a number, a dash, and the code of its cause.
fn write_forms(data: &[u8], folder: &Path) -> TestResult {
    let original = folder.join("original");
    fs::write(&original, data)?;
    let forms = folder.join("forms");
    fs::create_dir(&forms)?;
    let python = Command::new("python3").args(["-c", FORMS]).args([&original, &forms]).status()?;
    assert!(python.success(), "python3 makes the forms");
    for (number, (code, tool)) in OF_TOOLS.iter().enumerate() {
        let out = Command::new("sh").args(["-c", &format!("{tool} < original")]).current_dir(folder).output()?;
        assert!(out.status.success() && !out.stdout.is_empty(), "{tool}");
        fs::write(forms.join(format!("{}-{code}", 90 + number)), out.stdout)?;
    }
    Ok(())
}

/// Checks one form: the cause is named, and what is advised gives the original back.
fn comes_back(path: &Path, original: &[u8], is_rdb: bool) -> TestResult {
    let name = path.file_name().and_then(|name| name.to_str()).ok_or("a name")?;
    let code = name.split_once('-').ok_or("a code")?.1;
    let tool = |args: &[&str]| if is_rdb { rdbcheck(args) } else { aofcheck(args) };
    let file = path.to_str().ok_or("a path")?;
    let run = ran(tool(&["--json", file]).output())?;
    let report: Value = serde_json::from_str(&run.out)?;
    let cause = &report["files"][0]["cause"];
    assert!(cause["code"] == code && cause["reversible"] == true, "{name}: {cause}");
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("out");
    let command = cause["command"].as_str().ok_or("a command")?;
    if let Some(command) = command.strip_suffix(" | rdbcheck -").or_else(|| command.strip_suffix(" > OUT")) {
        let command = command.replace("FILE", file);
        let run = Command::new("sh").args(["-c", &format!("{command} > {}", out.display())]).output()?;
        let made = fs::read(&out)?;
        // What is packed in it, the check unpacks.
        assert!(run.status.success() && (made == original || made.starts_with(b"\x1f\x8b")), "{name}: {command}");
        fs::remove_file(&out)?;
    }
    let run = ran(tool(&["--salvage", out.to_str().ok_or("a path")?, file]).output())?;
    // Of append-only files a folder is written.
    let made = if is_rdb { out } else { out.join(name) };
    assert!(run.code == Some(0) && fs::read(&made)? == original, "{name}: {run:?}");
    Ok(())
}

#[test]
fn an_rdb_in_every_form_comes_back() -> TestResult {
    let folder = tempfile::tempdir()?;
    let rdb = sound("redis-7.0-multidb.rdb")?;
    write_forms(&rdb, folder.path())?;
    let mut count = 0;
    for form in fs::read_dir(folder.path().join("forms"))? {
        comes_back(&form?.path(), &rdb, true)?;
        count += 1;
    }
    assert!(count > 50, "{count} forms");
    Ok(())
}

#[test]
fn an_answer_of_dump_in_every_form_is_named() -> TestResult {
    // SET k hello, DUMP k, of a 7.0.
    let answer = b"\x00\x05hello\x0a\x00\x89\xa7\xf3\x0c\x1e\x9c\x5b\x25";
    let mut answer = answer[..9].to_vec();
    let mut crc = redis_persistence::crc64::Crc64::new();
    crc.update(&answer);
    answer.extend_from_slice(&crc.value().to_le_bytes());
    let escaped = answer.escape_ascii().to_string();
    let list: Vec<String> = answer.iter().map(u8::to_string).collect();
    let list = list.join(",");
    let folder = tempfile::tempdir()?;
    for text in [
        format!("\"{escaped}\"\n"),
        format!("127.0.0.1:6379> DUMP k\n\"{escaped}\"\n"),
        format!("b'{escaped}'"),
        format!("{{\"type\":\"Buffer\",\"data\":[{list}]}}"),
        format!("[{list}]"),
        answer.iter().map(|byte| format!("{byte:02x}")).collect(),
    ] {
        let path = folder.path().join("answer");
        fs::write(&path, &text)?;
        let run = ran(rdbcheck(&["--json", path.to_str().ok_or("a path")?]).output())?;
        let report: Value = serde_json::from_str(&run.out)?;
        assert_eq!(report["files"][0]["cause"]["code"], "dump-payload", "{text}: {}", run.out);
    }
    Ok(())
}

#[test]
fn an_empty_tar_is_named() -> TestResult {
    let folder = tempfile::tempdir()?;
    for size in [1024, 10_240] {
        let path = folder.path().join("dump.tar");
        fs::write(&path, vec![0; size])?;
        let run = ran(rdbcheck(&["--json", path.to_str().ok_or("a path")?]).output())?;
        let report: Value = serde_json::from_str(&run.out)?;
        let cause = &report["files"][0]["cause"];
        assert!(cause["code"] == "tar" && cause.to_string().contains("without a member"), "{cause}");
    }
    Ok(())
}

/// Commands with every byte in their values.
fn commands() -> Vec<u8> {
    let command = |args: &[&[u8]]| {
        let mut bytes = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args {
            bytes.extend_from_slice(&[format!("${}\r\n", arg.len()).as_bytes(), arg, b"\r\n"].concat());
        }
        bytes
    };
    let all: Vec<u8> = (0..=255).collect();
    let mut file = command(&[b"SELECT", b"0"]);
    for n in 0..20 {
        file.extend(command(&[b"SET", format!("k{n}").as_bytes(), &all]));
    }
    file
}

#[test]
fn an_append_only_file_in_every_form_comes_back() -> TestResult {
    let folder = tempfile::tempdir()?;
    let file = commands();
    write_forms(&file, folder.path())?;
    let latin: String = file.iter().map(|byte| char::from(*byte)).collect();
    let utf16: Vec<u8> = latin.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let forms = folder.path().join("forms");
    for (name, bytes) in [
        ("70-utf-16", [b"\xff\xfe".as_slice(), &utf16].concat()),
        ("71-utf-8", latin.into_bytes()),
        ("72-byte-order-mark", [b"\xef\xbb\xbf".as_slice(), &file].concat()),
        ("73-surrounded", [b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n".as_slice(), &file].concat()),
    ] {
        fs::write(forms.join(name), bytes)?;
    }
    let mut count = 0;
    for form in fs::read_dir(forms)? {
        comes_back(&form?.path(), &file, false)?;
        count += 1;
    }
    assert!(count > 50, "{count} forms");
    Ok(())
}

#[test]
fn a_repair_cuts_no_file_in_disguise() -> TestResult {
    let file = commands();
    let latin: String = file.iter().map(|byte| char::from(*byte)).collect();
    let hex: String = file.iter().map(|byte| format!("{byte:02x}")).collect();
    for disguised in [latin.into_bytes(), hex.into_bytes(), [b"\xef\xbb\xbf".as_slice(), &file].concat()] {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("appendonly.aof");
        for options in [&["--fix", "--yes"][..], &["--fix", "--yes", "--file", "appendonly.aof"], &["--preen"]] {
            fs::write(&path, &disguised)?;
            let run = ran(aofcheck(options).arg(&path).output())?;
            assert!(run.code == Some(1) && fs::read(&path)? == disguised, "{options:?}: {run:?}");
        }
    }
    Ok(())
}

#[test]
fn a_file_of_a_set_in_disguise_is_named_and_salvaged() -> TestResult {
    let folder = tempfile::tempdir()?;
    let set = folder.path().join("appendonlydir");
    fs::create_dir(&set)?;
    let file = commands();
    fs::write(set.join("appendonly.aof.1.base.aof"), &file)?;
    let hex: String = file.iter().map(|byte| format!("{byte:02x}")).collect();
    fs::write(set.join("appendonly.aof.1.incr.aof"), hex)?;
    let manifest = "file appendonly.aof.1.base.aof seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n";
    fs::write(set.join("appendonly.aof.manifest"), manifest)?;
    let path = set.to_str().ok_or("a path")?;
    let run = ran(aofcheck(&["--json", path]).output())?;
    let report: Value = serde_json::from_str(&run.out)?;
    let cause = &report["files"][0]["cause"];
    assert!(cause["code"] == "hex" && cause["file"] == "appendonly.aof.1.incr.aof", "{cause}");
    let out = folder.path().join("new");
    let run = ran(aofcheck(&["--salvage", out.to_str().ok_or("a path")?, path]).output())?;
    assert_eq!(run.code, Some(0), "{run:?}");
    let run = ran(aofcheck(&["--json", out.to_str().ok_or("a path")?]).output())?;
    let report: Value = serde_json::from_str(&run.out)?;
    assert!(report["files"][0]["verdict"] == "sound" && report["files"][0]["aof"]["commands"] == 42, "{report}");
    Ok(())
}
