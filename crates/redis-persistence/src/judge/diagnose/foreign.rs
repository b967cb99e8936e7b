//! Commands that no server known here has, in files whose frame is sound: whose they are.

use super::{Cause, plural};
use crate::aof::foreign::Origin;
use crate::report::causes::CauseCode as C;
use crate::report::{ForeignUse, Report, Verdict};

/// This many names are told.
const MOST: usize = 5;

pub(super) fn cause(report: &Report) -> Option<Cause> {
    let facts = report.aof.as_ref().filter(|_| report.verdict == Verdict::Unknown)?;
    let foreign = &facts.load.foreign;
    // A product explains its modules, and either of them what no name tells.
    let first = [
        foreign.iter().find(|used| matches!(used.origin, Some(Origin::Product(_)))),
        foreign.iter().find(|used| used.origin.is_some()),
        foreign.iter().min_by_key(|used| used.first),
    ];
    let first = first.into_iter().flatten().next()?;
    let alike = || foreign.iter().filter(|used| used.origin == first.origin);
    let count = plural(alike().map(|used| used.count).fold(0, u64::saturating_add), "command");
    let names = names(alike());
    let sound = "no damage: the records are framed as they should be";
    let (code, message) = match first.origin {
        Some(Origin::Product(product)) => {
            (of_product(product), format!("{count} of {product} ({names}), which no Redis or Valkey has; {sound}"))
        }
        Some(Origin::Module(module)) => (
            C::ModuleCommands,
            format!("{count} of the module {module} ({names}), which only servers with it have; {sound}"),
        ),
        None => (
            C::UnknownCommands,
            format!(
                "{count} that no server known here has ({names}): renamed in the configuration (rename-command), of a module or of \
                 another product, or newer than this build; {sound}"
            ),
        ),
    };
    let cause = Cause::new(code, message).offset(first.first.at);
    let file = report.parts.get(first.first.part).filter(|_| report.parts.len() > 1).map(|part| part.name.clone());
    Some(Cause { file, ..cause })
}

fn of_product(product: &str) -> C {
    match product {
        "KeyDB" => C::KeyDb,
        "Dragonfly" => C::Dragonfly,
        "Redis Enterprise" => C::RedisEnterprise,
        _ => C::OtherProduct,
    }
}

/// Returns the first names, as people write them. What no table knows may be anything, and stands in quotes.
fn names<'a>(uses: impl Iterator<Item = &'a ForeignUse>) -> String {
    let shown = |used: &ForeignUse| {
        let name = used.name.escape_ascii().to_string().replace('|', " ");
        if used.origin.is_some() { name } else { format!("\"{name}\"") }
    };
    let mut names: Vec<_> = uses.map(shown).collect();
    let more = names.len().saturating_sub(MOST);
    names.truncate(MOST);
    if more > 0 {
        names.push(format!("{more} more"));
    }
    names.join(", ")
}
