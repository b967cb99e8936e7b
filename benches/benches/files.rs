//! Whole files, in all ways in.

use std::hint::black_box;
use std::io::Cursor;
use std::num::NonZero;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use redis_persistence::verify::{self, Duplicates, Options, Push, Report, Verdict};

const SIZE: usize = 24 << 20;
/// What an upload comes in.
const CHUNK: usize = 64 << 10;

fn sound(report: &Report) {
    assert_eq!(report.verdict, Verdict::Sound);
}

fn files(c: &mut Criterion) {
    let sets = [
        ("small", benches::small_keys(SIZE)),
        ("collections", benches::collections(SIZE)),
        ("texts", benches::texts(SIZE)),
        ("large", benches::large_values(SIZE)),
    ];
    for (name, file) in &sets {
        let mut group = c.benchmark_group(*name);
        group.sample_size(10).throughput(Throughput::Bytes(file.len() as u64));
        for duplicates in [Duplicates::On, Duplicates::Off] {
            let options = Options { duplicates, ..Options::default() };
            group.bench_function(format!("slice, duplicates {duplicates:?}"), |b| {
                b.iter(|| sound(&verify::slice(black_box(file), &options)));
            });
        }
        group.bench_function("push", |b| {
            let options = Options::default();
            b.iter(|| {
                let mut push = Push::new(&options);
                black_box(file).chunks(CHUNK).for_each(|chunk| push.feed(chunk));
                sound(&push.finish());
            });
        });
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        for threads in 1..=cores.max(2) {
            let options = Options { threads: NonZero::new(threads), ..Options::default() };
            group.bench_function(BenchmarkId::new("file, threads", threads), |b| {
                b.iter(|| sound(&verify::file(Cursor::new(black_box(file)), &options).expect("memory can be read")));
            });
        }
    }
}

criterion_group!(whole, files);
criterion_main!(whole);
