//! The pictures of the README. `BLESS=1 cargo test -p rdbcheck --all-features --test cli picture` makes the recording anew.

use std::fs;

use anstyle_svg::Term;

use crate::widths::on_terminal;
use crate::{TestResult, testdata};

/// What the terminal of the picture shows: a command, and what it prints on 100 columns.
#[test]
fn the_recording_shows_what_the_command_prints() -> TestResult {
    let folder = tempfile::tempdir()?;
    fs::copy(testdata().join("broken/zero-page.rdb"), folder.path().join("dump.rdb"))?;
    let args = ["--now", "1800000000", "--color", "always", "dump.rdb"];
    let seen = on_terminal(100, env!("CARGO_BIN_EXE_rdbcheck"), &args, folder.path())?;
    assert!(seen.contains("DAMAGED") && seen.contains('█'), "{seen}");
    let picture = Term::new().render_svg(&format!("\u{1b}[1m$ rdbcheck dump.rdb\u{1b}[0m\n{seen}"));
    let path = testdata().join("../docs/picture.svg");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &picture)?;
    }
    assert_eq!(fs::read_to_string(path)?, picture, "docs/picture.svg is not what the command prints");
    Ok(())
}

#[test]
fn the_badges_say_what_the_manifest_says() -> TestResult {
    let root = testdata().join("..");
    let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
    let value = |name: &str| -> Option<String> {
        let (_, rest) = manifest.split_once(&format!("\n{name} = \""))?;
        Some(rest.split('"').next()?.to_owned())
    };
    let rust = value("rust-version").ok_or("a version of Rust")?;
    let licence = value("license").ok_or("a licence")?.replace(" OR ", " or ");
    assert!(fs::read_to_string(root.join("docs/msrv.svg"))?.contains(&format!(">{rust} or later<")));
    assert!(fs::read_to_string(root.join("docs/licence.svg"))?.contains(&format!(">{licence}<")));
    let readme = fs::read_to_string(root.join("README.md"))?;
    assert!(readme.contains(&format!("![Rust {rust} or later]")) && readme.contains(&format!("![licence: {licence}]")));
    // Every file that a page links to is there.
    let mut pages = vec!["README.md".to_owned(), "SECURITY.md".to_owned(), "CONTRIBUTING.md".to_owned()];
    for folder in ["docs", "crates/redis-persistence", "crates/redis-persistence/docs", "fuzz"] {
        let names = fs::read_dir(root.join(folder))?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let names = names.collect::<std::io::Result<Vec<_>>>()?;
        pages.extend(names.iter().filter(|name| name.ends_with(".md")).map(|name| format!("{folder}/{name}")));
    }
    assert!(pages.len() > 15, "{pages:?}");
    for page in &pages {
        let text = fs::read_to_string(root.join(page))?;
        let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        for link in links.filter(|link| !link.is_empty() && !link.contains("://")) {
            let target = root.join(page).parent().ok_or("a folder")?.join(link);
            assert!(target.exists(), "{page} links to {link}");
        }
    }
    Ok(())
}
