//! The parts that a pass is made of, each with its throughput.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use redis_persistence::aof::{Grammar, Reader, Record};
use redis_persistence::rdb::packed::Listpack;
use redis_persistence::rdb::{Payload, events};
use redis_persistence::{crc64, lzf};
use testkit::rdb::{Listpack as Writer, RdbWriter};
use testkit::rng::Rng;

/// Lists of strings whose lengths take one, two and five bytes: little else than length decoding.
fn lengths(c: &mut Criterion) {
    let mut group = c.benchmark_group("lengths");
    for (name, len) in [("6-bit", 4), ("14-bit", 100), ("32-bit", 20_000)] {
        let count = (1 << 20) / len;
        let mut w = RdbWriter::redis(10);
        w.key(1, b"list").len(count as u64);
        for _ in 0..count {
            w.str(&vec![b'x'; len]);
        }
        let file = w.eof().finish();
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                let strings =
                    events(black_box(&file)).filter(|e| matches!(e, Ok(e) if matches!(e.payload, Payload::Str { .. })));
                assert_eq!(strings.count(), count);
            });
        });
    }
}

fn lzf_forms(c: &mut Criterion) {
    let mut rng = Rng::new(5);
    let texts: Vec<Vec<u8>> = (0..200).map(|_| benches::text(&mut rng).into_bytes()).collect();
    let packed: Vec<(Vec<u8>, usize)> = texts.iter().map(|text| (benches::compressed(text), text.len())).collect();
    let mut group = c.benchmark_group("lzf");
    group.throughput(Throughput::Bytes(texts.iter().map(|text| text.len() as u64).sum()));
    group.bench_function("validate", |b| {
        b.iter(|| packed.iter().all(|(data, len)| lzf::validate(black_box(data), *len as u64).is_ok()));
    });
    let mut out = Vec::new();
    group.bench_function("inflate", |b| {
        b.iter(|| {
            packed.iter().all(|(data, len)| {
                out.clear();
                lzf::inflate_into(black_box(data), *len, &mut out).is_ok()
            })
        });
    });
    group.bench_function("crate lzf", |b| {
        b.iter(|| packed.iter().all(|(data, len)| ::lzf::decompress(black_box(data), *len).is_ok()));
    });
}

fn listpacks(c: &mut Criterion) {
    let mut rng = Rng::new(6);
    let words: Vec<String> = (0..100).map(|_| format!("{}:{:x}", rng.word(), rng.next_u64())).collect();
    let numbers: Vec<String> = (0..100).map(|_| rng.below(1 << 20).to_string()).collect();
    let mut group = c.benchmark_group("listpack");
    for (name, items) in [("strings", words), ("numbers", numbers)] {
        let blob = Writer::of(items);
        group.throughput(Throughput::Elements(100));
        group.bench_function(name, |b| {
            b.iter(|| Listpack::new(black_box(&blob)).is_ok_and(|list| list.iter().all(|entry| entry.is_ok())));
        });
    }
}

/// Commands of three short arguments.
fn resp_records(c: &mut Criterion) {
    let count = 10_000;
    let mut file = Vec::new();
    for number in 0..count {
        file.extend_from_slice(format!("*3\r\n$3\r\nSET\r\n$10\r\nkey:{number:06}\r\n$5\r\nvalue\r\n").as_bytes());
    }
    let mut group = c.benchmark_group("resp");
    group.throughput(Throughput::Elements(count));
    group.bench_function("records", |b| {
        b.iter(|| {
            let mut reader = Reader::new(black_box(&file[..]), Grammar::Strict);
            let mut commands = 0;
            while let Some(record) = reader.next_record().expect("all records are sound") {
                commands += u64::from(matches!(record, Record::Command(_)));
            }
            assert_eq!(commands, count);
        });
    });
}

fn crc_blocks(c: &mut Criterion) {
    let data = Rng::new(7).bytes(4 << 20);
    let mut group = c.benchmark_group("crc64");
    group.throughput(Throughput::Bytes(data.len() as u64));
    for block in [16, 256, 4 << 10, 64 << 10, 1 << 20] {
        group.bench_with_input(BenchmarkId::from_parameter(block), &block, |b, block| {
            b.iter(|| {
                let mut crc = crc64::Crc64::new();
                black_box(&data).chunks(*block).for_each(|chunk| crc.update(chunk));
                crc.value()
            });
        });
    }
}

criterion_group!(parts, lengths, lzf_forms, listpacks, resp_records, crc_blocks);
criterion_main!(parts);
