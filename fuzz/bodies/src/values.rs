//! Values: what is sound can be read, in every way the same.

use std::num::NonZero;

use redis_persistence::list::{self, Row};
use redis_persistence::rdb::{Keys, Value};
use redis_persistence::verify::{self, Options, Verdict};
use redis_persistence::{ErrorKind, Limits, ReadError, digest};

/// So much of a value is held.
const HELD: usize = 4 << 20;

/// An RDB: keys and values one by one, as a list, and as digests, on one thread and on three.
pub fn values(data: &[u8]) {
    let limits = Limits { packed_bytes: HELD, ..Limits::default() };
    let found = keys(data, &limits);
    let lists = [1, 3].map(|threads| rows(data, &limits, threads));
    let digests = [1, 3].map(|threads| {
        let options =
            digest::Options { threads: NonZero::new(threads), limits: limits.clone(), ..digest::Options::default() };
        digest::reader(data, &options).map_err(|error| error.to_string())
    });
    let [one, three] = &digests;
    // The first error on each may be another one of several.
    assert_eq!(one.as_ref().ok(), three.as_ref().ok());
    let [one, three] = &lists;
    assert_eq!(one.is_ok(), three.is_ok());
    if let (Ok(one), Ok(three)) = (one, three) {
        assert_eq!(one, three);
        let found = found.as_ref().expect("what a list can be made of can be read");
        assert_eq!(found.len(), one.len());
        for ((db, name, value), row) in found.iter().zip(one) {
            assert_eq!((db, name), (&row.db, &row.name));
            // As texts: a score that is no number is not equal to itself.
            assert_eq!(format!("{value:?}"), format!("{:?}", row.value));
        }
        let digests = digests[0].as_ref().expect("what a list can be made of has a digest");
        assert_eq!(
            (digests.keys, digests.keys),
            (found.len() as u64, digests.databases.values().map(|of| of.keys).sum())
        );
    }
    let report = verify::slice(data, &Options { limits, ..Options::default() });
    if report.verdict == Verdict::Sound && report.findings.is_empty() {
        let why = lists[0].as_ref().err();
        assert!(why.is_none_or(|why| why.contains("beyond the limit")), "{why:?}");
    }
}

type Found = Vec<(u64, Vec<u8>, Option<Value>)>;

fn keys(data: &[u8], limits: &Limits) -> Result<Found, ReadError> {
    let mut keys = Keys::with_limits(data, limits.clone());
    let mut found = Vec::new();
    while let Some(key) = keys.next()? {
        let (db, name) = (key.db(), key.name().to_vec());
        let value = match key.value() {
            Err(ReadError::Parse(error)) if matches!(error.kind(), ErrorKind::LimitExceeded { .. }) => None,
            value => Some(value?),
        };
        found.push((db, name, value));
    }
    Ok(found)
}

fn rows(data: &[u8], limits: &Limits, threads: usize) -> Result<Vec<Row>, String> {
    let options = list::Options {
        values: true,
        threads: NonZero::new(threads),
        limits: limits.clone(),
        ..list::Options::default()
    };
    let mut rows = Vec::new();
    let read = list::each(data, &options, &mut |row| {
        rows.push(row);
        Ok(())
    });
    read.map(|()| rows).map_err(|error| error.to_string())
}
