//! Faults of the frame: lengths, types, opcodes.

use super::{KEY, Plant};
use crate::rdb::string::compressed;
use crate::rdb::{KeyMeta, Listpack, ModuleOp, RdbWriter, module_id};

const CODE: &[u8] = b"#!lua name=planted\nredis.register_function('planted', function() return 1 end)";

fn module() -> u64 {
    module_id("testkit-1", 1)
}

fn twice(w: &mut RdbWriter, write: impl Fn(&mut RdbWriter)) -> usize {
    write(w);
    let second = w.pos();
    write(w);
    second
}

pub(super) fn plants() -> Vec<Plant> {
    let records = Plant::records;
    let mut plants = vec![
        records("rdb-bad-length", |w| w.raw(&[0, 0x85]).pos() - 1),
        records("rdb-bad-string-encoding", |w| w.raw(&[0, 0xC9]).pos() - 1),
        records("rdb-unknown-type", |w| w.raw(&[0x64]).pos() - 1),
        records("rdb-foreign-type", |w| {
            w.key(25, KEY).i64_le(0).str(&Listpack::of(["f", "v", "0"]));
            0
        })
        .valkey(),
        records("rdb-zero-hole", |w| {
            // A multiple of three, so that what follows is still read.
            w.raw(&[0; 4095]);
            0
        }),
        records("rdb-duplicate-key", |w| 1 + twice(w, |w| _ = w.string_key(KEY, b"v"))),
        records("rdb-resizedb-impossible", |w| {
            w.resize_db(1 << 40, 0);
            0
        })
        .since(7),
        records("rdb-slot-out-of-range", |w| {
            w.slot_info(16384, 0, 0);
            0
        })
        .since(12),
        records("rdb-aux-slot-info-bad", |w| {
            w.aux(b"slot-info", b"1,2");
            1
        })
        .since(12),
        records("lzf-damaged", |w| {
            let start = w.key(0, KEY).pos();
            w.raw(&compressed(&[0x1F, 1, 2], 3, 100));
            start
        }),
    ];
    plants.extend(functions_and_modules());
    plants
}

fn functions_and_modules() -> [Plant; 8] {
    let records = Plant::records;
    [
        records("rdb-function-invalid", |w| {
            w.function2(b"not a library");
            0
        })
        .since(10),
        records("rdb-function-duplicate", |w| twice(w, |w| _ = w.function2(CODE))).since(10),
        records("rdb-function-pre-ga", |w| {
            w.function_pre_ga(b"planted", b"lua", None, CODE);
            0
        })
        .since(10),
        records("rdb-module-v1", |w| {
            w.key(6, KEY).raw(&[1, 2]);
            0
        }),
        records("rdb-module-bad-opcode", |w| w.key(7, KEY).len(module()).raw(&[9]).pos() - 1).since(8),
        records("rdb-module-aux-when", |w| {
            w.raw(&[0xF7]).len(module()).len(1).len(1).raw(&[0]);
            0
        })
        .since(9),
        records("rdb-key-meta-invalid", |w| {
            let class = |i: u32| KeyMeta { spec: i << 8 | 1, ops: vec![ModuleOp::Uint(5)] };
            w.key_meta(&(0..8).map(class).collect::<Vec<_>>()).string_key(KEY, b"v");
            0
        })
        .since(13),
        records("rdb-slot-import-invalid", |w| {
            w.slot_import(b"short", &[]);
            1
        })
        .valkey(),
    ]
}
