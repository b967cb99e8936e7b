//! What a server is told: signature, version, types.

use crate::rdb::Shape;
use crate::rdb::{Family, ValueType};

use super::Kind;

/// What a server loads, and how a file calls its writer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dialect {
    /// The name of the server.
    pub server: String,
    /// The signature of its files.
    pub family: Family,
    /// The version of its files.
    pub version: u32,
    /// The value types that it loads from such a file.
    pub types: Vec<ValueType>,
    /// Whether it has function libraries.
    pub functions: bool,
    /// The module types that it has; `*` stands for any.
    pub modules: Vec<String>,
    /// Whether it keeps append-only files in a folder, under a manifest.
    pub aof_folder: bool,
    /// The AUX field that names the server, and its version.
    pub writer: (&'static str, String),
}

/// How a key is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As its bytes are.
    Copied,
    /// Element by element, in plain form.
    Plain,
    /// A stream, whose nodes are copied and whose numbers are those of another version.
    Stream(ValueType),
    /// Not at all.
    Never(Kind),
}

impl Dialect {
    /// Returns a new one.
    pub(crate) fn new(
        server: String,
        (family, version): (Family, u32),
        types: Vec<ValueType>,
        functions: bool,
        writer: (&'static str, String),
    ) -> Self {
        Self { server, family, version, types, functions, modules: Vec::new(), aof_folder: false, writer }
    }

    pub(super) fn knows(&self, value_type: ValueType) -> bool {
        self.types.contains(&value_type)
    }

    /// Returns the type of a hash whose fields expire, if there is one.
    pub(super) fn with_ttl(&self) -> Option<ValueType> {
        [ValueType::HashMetadata, ValueType::Hash2].into_iter().find(|value_type| self.knows(*value_type))
    }

    /// Returns which version of the layout of streams it has.
    pub(super) fn stream(&self) -> ValueType {
        let streams = self.types.iter().filter(|value_type| value_type.shape() == Shape::Stream);
        streams.max_by_key(|value_type| value_type.layout_version()).copied().unwrap_or(ValueType::StreamListpacks)
    }

    pub(super) fn has_module(&self, name: &str) -> bool {
        self.modules.iter().any(|module| module == "*" || module == name)
    }

    /// Returns how a key of that type is written.
    pub(super) fn form(&self, value_type: ValueType, anew: bool) -> Form {
        let packed = value_type.packing().is_some() || value_type == ValueType::ZSet;
        match value_type.shape() {
            // Whether there is such a module its name tells.
            Shape::String | Shape::Module => Form::Copied,
            Shape::List | Shape::Set | Shape::ZSet | Shape::Hash => match self.knows(value_type) && !(anew && packed) {
                true => Form::Copied,
                false => Form::Plain,
            },
            Shape::HashTtl => match self.knows(value_type) && !anew && !is_of_candidates(value_type) {
                true => Form::Copied,
                false => Form::Plain,
            },
            Shape::HashTemplate => Form::Plain,
            Shape::Array if self.knows(value_type) => Form::Copied,
            Shape::Array => Form::Never(Kind::Arrays),
            Shape::Stream if self.knows(value_type) => Form::Copied,
            Shape::Stream => Form::Stream(self.stream()),
        }
    }
}

/// Returns whether only release candidates wrote it.
fn is_of_candidates(value_type: ValueType) -> bool {
    let plain = value_type == ValueType::HashMetadataPreGa;
    plain || value_type == ValueType::HashListpackExPreGa
}

/// Returns the type by which single elements of a collection are written, whose fields do not expire.
pub(super) fn plain(shape: Shape) -> ValueType {
    match shape {
        Shape::List => ValueType::List,
        Shape::Set => ValueType::Set,
        Shape::ZSet => ValueType::ZSet2,
        _ => ValueType::Hash,
    }
}
