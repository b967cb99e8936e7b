//! What a file for a server looks like: from the tables of servers to what [`rewrite`](crate::rewrite) has to know.

use super::versions::{Product, Target};
use super::{Release, Settings, modules};
use crate::functions::Api;
use crate::rdb::{Family, NEWEST_VALKEY, VECTOR_SET, ValueType};
use crate::rewrite::Dialect;

impl Release {
    /// Returns what a file has to be for this server to load it: signature and version of its own files, the types that it knows in
    /// them, and the modules that its settings name.
    ///
    /// # Examples
    /// ```
    /// use redis_persistence::rdb::{Family, ValueType};
    /// use redis_persistence::servers::{Release, Settings};
    ///
    /// let server: Release = "redis-6.2".parse()?;
    /// let dialect = server.dialect(&Settings::default());
    /// assert_eq!((dialect.family, dialect.version), (Family::Redis, 9));
    /// assert!(!dialect.types.contains(&ValueType::SetListpack));
    /// # Ok::<(), redis_persistence::servers::UnknownTarget>(())
    /// ```
    #[must_use]
    pub fn dialect(self, settings: &Settings) -> Dialect {
        let target = self.series();
        let header = match target.reads_valkey() {
            true => (Family::Valkey, NEWEST_VALKEY),
            false => (Family::Redis, *target.rdb_versions().end()),
        };
        let types = ValueType::ALL.iter().copied().filter(|value_type| target.knows_type(*value_type, header.0));
        let field = match target.product() {
            Product::Valkey if target > Target::Valkey72 => "valkey-ver",
            _ => "redis-ver",
        };
        let (Api::Redis(version) | Api::Valkey(version)) = self.api();
        let version = version.map(|number| number.to_string()).join(".");
        let functions = target.knows_functions();
        let mut dialect = Dialect::new(self.to_string(), header, types.collect(), functions, (field, version));
        dialect.aof_folder = target.knows_manifests();
        dialect.modules = settings.modules.iter().flat_map(|module| modules::types(module)).collect();
        if target.product() == Product::Redis && target.version() >= (8, 0) {
            dialect.modules.push(VECTOR_SET.to_owned());
        }
        dialect
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::Shape;

    /// A value that is encoded anew goes into the plain types, and a stream into one of its layouts.
    #[test]
    fn every_server_knows_the_plain_types() {
        for target in Target::ALL {
            let dialect = Release::from(*target).dialect(&Settings::default());
            for plain in [ValueType::List, ValueType::Set, ValueType::ZSet2, ValueType::Hash] {
                assert!(dialect.types.contains(&plain), "{target} {plain}");
                assert!(plain.min_version() <= dialect.version, "{target} {plain}");
            }
            assert!(dialect.types.iter().any(|value_type| value_type.shape() == Shape::Stream), "{target}");
        }
    }
}
