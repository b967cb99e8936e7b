//! Writes the files that testkit calls bombs, in any size, for `compare/bombs.py`: `bombs list` prints them, one a line;
//! `bombs make NUMBER PARTS FOLDER` writes so many parts of 256 of one, and prints the names of the files to check and to salvage.

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use testkit::bombs::{Bomb, Folder, Share, aof, rdb};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["list"] => {
            list();
            Ok(())
        }
        ["make", number, parts, folder] => number
            .parse()
            .and_then(|number| Ok((number, parts.parse()?)))
            .map_err(io::Error::other)
            .and_then(|(number, parts)| make(number, Share::parts(parts), folder.as_ref())),
        _ => Err(io::Error::other("usage: bombs list | bombs make NUMBER PARTS FOLDER")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Those that can be made smaller: a small file that claims much has one size.
fn list() {
    let scales = |whole: usize, part: usize| whole > 4 * part;
    let part = Share::parts(16);
    for (number, Bomb { name, write, .. }) in rdb().into_iter().enumerate() {
        if scales(write(Share::WHOLE).len(), write(part).len()) {
            println!("{number}\trdbcheck\t{name}");
        }
    }
    let size = |files: Vec<(String, Vec<u8>)>| files.iter().map(|(_, bytes)| bytes.len()).sum();
    for (number, Folder { name, write, .. }) in aof().into_iter().enumerate() {
        if scales(size(write(Share::WHOLE)), size(write(part))) {
            println!("{}\taofcheck\t{name}", number + rdb().len());
        }
    }
}

fn make(number: usize, share: Share, folder: &Path) -> io::Result<()> {
    if let Some(bomb) = rdb().get(number) {
        let mut bytes = (bomb.write)(share);
        fs::write(folder.join("bomb.rdb"), &bytes)?;
        // With a checksum that is wrong: in a file that is sound there is nothing to salvage.
        if let Some(checksum) = bytes.last_chunk_mut::<8>().filter(|last| **last == [0; 8]) {
            *checksum = [1; 8];
        }
        fs::write(folder.join("damaged.rdb"), &bytes)?;
        println!("bomb.rdb\tdamaged.rdb");
        return Ok(());
    }
    let all = aof();
    let bomb = all.get(number - rdb().len()).ok_or_else(|| io::Error::other("no such bomb"))?;
    let files = (bomb.write)(share);
    for (name, bytes) in &files {
        fs::write(folder.join(name), bytes)?;
    }
    println!("{0}\t{0}", files[0].0);
    Ok(())
}
