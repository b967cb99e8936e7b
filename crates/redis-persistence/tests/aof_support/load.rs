//! What real servers made of the crafted inputs, by the table.

use testkit::server::Product;

use crate::cases::Case;

impl Case {
    /// The server that has to load the input once it is mended, and the column that says what it did with it as it is.
    fn load(&self) -> (Product, &str) {
        let (product, column) = match &self.id[..4] {
            "s150" | "m067" => (Product::Valkey91, "load_vk9.1.2"),
            "s151" | "m068" => (Product::Redis86, "load_8.6.3"),
            _ => (Product::Redis70, "load_7.0.15"),
        };
        (product, self.column(column))
    }

    pub fn judge(&self) -> Product {
        self.load().0
    }

    /// How many keys that server loaded, by the table; `None` if it did not load.
    pub fn loaded_keys(&self) -> Option<u64> {
        self.load().1.strip_prefix("load:").map(|rest| rest.split(';').next().unwrap().parse().unwrap())
    }

    /// Whether it changed the size of a file when it did.
    pub fn is_cut_at_load(&self) -> bool {
        self.load().1.contains("->")
    }
}
