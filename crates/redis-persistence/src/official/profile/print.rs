//! The lines of the statistics.

use super::Counts;

/// How the statistics are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Columns of a width, with tabs between them.
    #[default]
    Table,
    /// Values with commas between them.
    Csv,
    /// A line for each number, as INFO of a server has them.
    Info,
}

const NAMES: [&str; 7] = ["string", "list", "set", "zset", "hash", "module", "stream"];

type Read = fn(&Counts) -> String;

/// The rows, in the tool's order.
const ROWS: [(&str, Read); 17] = [
    ("keys.total", |counts| counts.keys.to_string()),
    ("expire_keys.total", |counts| counts.expiring.to_string()),
    ("already_expired.total", |counts| counts.expired.to_string()),
    ("keys.size", |counts| counts.names.to_string()),
    ("keys.value_size", |counts| counts.bytes.to_string()),
    ("elements.total", |counts| counts.elements.to_string()),
    ("elements.size", |counts| counts.bytes.to_string()),
    ("elements.num.max", |counts| counts.numbers.max().to_string()),
    ("elements.num.avg", |counts| average(counts.elements, counts.keys)),
    ("elements.num.p99", |counts| decimal(counts.numbers.percentile(99))),
    ("elements.num.p90", |counts| decimal(counts.numbers.percentile(90))),
    ("elements.num.p50", |counts| decimal(counts.numbers.percentile(50))),
    ("elements.size.max", |counts| counts.sizes.max().to_string()),
    ("elements.size.avg", |counts| average(counts.bytes, counts.elements)),
    ("elements.size.p99", |counts| decimal(counts.sizes.percentile(99))),
    ("elements.size.p90", |counts| decimal(counts.sizes.percentile(90))),
    ("elements.size.p50", |counts| decimal(counts.sizes.percentile(50))),
];

impl Format {
    /// Prints the lines of one database.
    pub(super) fn lines(self, db: u64, types: &[&Counts], print: &mut dyn FnMut(&str)) {
        if self != Self::Info {
            let names: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
            print(&self.row(&format!("db.{db}.type.name"), &names));
        }
        for (name, read) in ROWS {
            let values: Vec<String> = types.iter().map(|counts| read(counts)).collect();
            if self == Self::Info {
                for (type_name, value) in NAMES.iter().zip(&values) {
                    print(&format!("[info] db.{db}.type.{type_name}.{name}:{value}"));
                }
            } else {
                print(&self.row(&format!("db.{db}.{name}"), &values));
            }
        }
    }

    fn row(self, name: &str, values: &[String]) -> String {
        match self {
            Self::Csv => format!("{name},{}", values.join(",")),
            _ => values.iter().fold(format!("{name:<30}"), |row, value| row + &format!("\t{value:<5}")),
        }
    }
}

fn decimal(number: u64) -> String {
    format!("{number}.00")
}

/// Returns the tool computes with 32 bits.
fn average(sum: u64, count: u64) -> String {
    if count == 0 { decimal(0) } else { format!("{:.2}", sum as f32 / count as f32) }
}
