//! Work that the tests of this crate count, so that none of it grows faster than its input. Elsewhere counting is nothing.

/// So many steps are done: a record is tried, an entry is looked at, two things are compared, or so many bytes are read.
#[inline(always)]
pub(crate) fn did(steps: usize) {
    #[cfg(test)]
    tests::DONE.set(tests::DONE.get() + steps as u64);
    #[cfg(not(test))]
    let _ = steps;
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs;
    use std::io::Cursor;
    use std::num::NonZero;

    use testkit::bombs::{self, Share};

    use crate::aof::dir::{Disk, find_on_disk};
    use crate::repair::aof::salvage::{SalvageOptions, salvage};
    use crate::repair::rdb::salvage;
    use crate::verify::{self, Options};

    thread_local! {
        pub(super) static DONE: Cell<u64> = const { Cell::new(0) };
    }

    /// Parts of 256 of a bomb, each twice as many as before.
    const SHARES: [u64; 5] = [1, 2, 4, 8, 16];
    /// What a doubling may do to the work, besides what is done for any file: sorting is a little more than linear.
    const GROWTH: f64 = 2.3;
    const ANY_FILE: f64 = 300_000.0;

    fn counted(work: impl FnOnce()) -> u64 {
        DONE.set(0);
        work();
        DONE.get()
    }

    fn options() -> Options {
        // What other threads do is not counted here.
        Options { threads: NonZero::new(1), hash_key: Some(1), ..Options::default() }
    }

    /// Whether the work grows no faster than the size.
    fn check(what: &str, work: &[u64], wrong: &mut Vec<String>) {
        println!("{what}: {work:?}");
        let grows = |pair: &[u64]| pair[1] as f64 > GROWTH * pair[0] as f64 + ANY_FILE;
        if work.windows(2).any(grows) {
            wrong.push(format!("{what}: {work:?}"));
        }
        assert!(work.iter().all(|work| *work > 0), "{what} counts nothing");
    }

    #[test]
    fn no_work_on_an_rdb_grows_faster_than_the_file() {
        let mut wrong = Vec::new();
        for bomb in bombs::rdb() {
            let (mut to_verify, mut to_salvage) = (Vec::new(), Vec::new());
            for parts in SHARES {
                let mut bytes = (bomb.write)(Share::parts(parts));
                to_verify.push(counted(|| _ = verify::file(Cursor::new(&bytes), &options()).expect("memory")));
                // A wrong checksum: else there is nothing to salvage in a file that is sound.
                if let Some(checksum) = bytes.last_chunk_mut::<8>().filter(|last| **last == [0; 8]) {
                    *checksum = [1; 8];
                }
                let options = salvage::Options { partial: true, hash_key: Some(1), ..salvage::Options::default() };
                to_salvage.push(counted(|| {
                    let mut input = Cursor::new(&bytes);
                    let plan = salvage::plan(&mut input, &options).expect("memory");
                    plan.write(&mut input, std::io::sink()).expect("memory");
                }));
            }
            check(&format!("{}: verification", bomb.name), &to_verify, &mut wrong);
            check(&format!("{}: salvage", bomb.name), &to_salvage, &mut wrong);
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn no_work_on_an_append_only_file_grows_faster_than_the_file() {
        let mut wrong = Vec::new();
        for bomb in bombs::aof() {
            let (mut to_verify, mut to_salvage) = (Vec::new(), Vec::new());
            for parts in SHARES {
                let folder = tempfile::tempdir().expect("a folder");
                let files = (bomb.write)(Share::parts(parts));
                let path = folder.path().join(&files[0].0);
                for (name, bytes) in files {
                    fs::write(folder.path().join(name), bytes).expect("a file");
                }
                let Ok(set) = find_on_disk(&path) else { continue };
                to_verify.push(counted(|| _ = verify::aof_set(&mut Disk, &set, &options()).expect("files")));
                // Some of them have nothing to be salvaged, which takes work too.
                to_salvage.push(counted(|| _ = salvage(&set, SalvageOptions::default())));
            }
            check(&format!("{}: verification", bomb.name), &to_verify, &mut wrong);
            check(&format!("{}: salvage", bomb.name), &to_salvage, &mut wrong);
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
