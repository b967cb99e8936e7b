//! Work that the tests of this crate count, so that none of it grows faster than its input. Elsewhere counting is nothing.

/// So many steps are done: a record is tried, an entry is looked at, or two things are compared.
#[inline(always)]
pub(crate) fn did(steps: usize) {
    #[cfg(test)]
    tests::DONE.set(tests::DONE.get() + steps as u64);
    #[cfg(not(test))]
    let _ = steps;
}

/// So many bytes are read, of which some are a step.
#[inline(always)]
pub(crate) fn did_read(bytes: usize) {
    did(1 + bytes / 16);
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
    /// What a doubling may do to the work: sorting is a little more than linear. It is taken over two of them, for a search uses up at
    /// some size what it may do in vain, and from some size on a look at another place of the file reads a block.
    const GROWTH: f64 = 2.3;
    /// Steps that are taken for any file: of a verification, and of a salvage, whose search may do four million in vain, each of which is a step or two here,
    /// and may read a million bytes once more; from some size on, each look at another place reads a block.
    const ANY_FILE: f64 = 200_000.0;
    const ANY_DAMAGED: f64 = 16_000_000.0;

    fn counted(work: impl FnOnce()) -> u64 {
        DONE.set(0);
        work();
        DONE.get()
    }

    fn options() -> Options {
        // What other threads do is not counted here.
        Options { threads: NonZero::new(1), hash_key: Some(1), ..Options::default() }
    }

    /// Whether the work grows no faster than the size, but for what is done for any file.
    fn check(what: &str, any: f64, work: &[u64], wrong: &mut Vec<String>) {
        println!("{what}: {work:?}");
        let grows = |three: &[u64]| three[2] as f64 > GROWTH * GROWTH * three[0] as f64 + any;
        if work.windows(3).any(grows) {
            wrong.push(format!("{what}: {work:?}"));
        }
    }

    #[test]
    fn what_grows_faster_is_told() {
        let mut wrong = Vec::new();
        let with = |steps: fn(u64) -> u64| (0..5).map(|n| steps(50_000 << n)).collect::<Vec<_>>();
        check("linear", ANY_FILE, &with(|n| 30 * n), &mut wrong);
        check("sorting", ANY_FILE, &with(|n| n * u64::from(n.ilog2())), &mut wrong);
        assert!(wrong.is_empty(), "{wrong:?}");
        check("quadratic", ANY_DAMAGED, &with(|n| n * n / 5_000), &mut wrong);
        assert_eq!(wrong.len(), 1);
    }

    #[test]
    fn no_work_on_an_rdb_grows_faster_than_the_file() {
        let mut wrong = Vec::new();
        for bomb in bombs::rdb() {
            let (mut to_verify, mut to_salvage) = (Vec::new(), Vec::new());
            for parts in SHARES {
                let mut bytes = (bomb.write)(Share::parts(parts));
                let verify = || _ = verify::file(Cursor::new(&bytes), &options()).expect("memory");
                to_verify.push(counted(verify));
                // A wrong checksum: else there is nothing to salvage in a file that is sound.
                if let Some(checksum) = bytes.last_chunk_mut::<8>().filter(|last| **last == [0; 8]) {
                    *checksum = [1; 8];
                }
                let options = salvage::Options {
                    partial: true,
                    doubtful: true,
                    hash_key: Some(1),
                    ..salvage::Options::default()
                };
                let salvage = || {
                    let mut input = Cursor::new(&bytes);
                    let plan = salvage::plan(&mut input, &options).expect("memory");
                    plan.write(&mut input, std::io::sink()).expect("memory");
                };
                to_salvage.push(counted(salvage));
            }
            check(&format!("{}: verification", bomb.name), ANY_FILE, &to_verify, &mut wrong);
            check(&format!("{}: salvage", bomb.name), ANY_DAMAGED, &to_salvage, &mut wrong);
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
                let verify = || _ = verify::aof_set(&mut Disk, &set, &options()).expect("files");
                to_verify.push(counted(verify));
                // Some of them have nothing to be salvaged, which takes work too.
                to_salvage.push(counted(|| _ = salvage(&set, SalvageOptions::default())));
            }
            check(&format!("{}: verification", bomb.name), ANY_FILE, &to_verify, &mut wrong);
            check(&format!("{}: salvage", bomb.name), ANY_DAMAGED, &to_salvage, &mut wrong);
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
