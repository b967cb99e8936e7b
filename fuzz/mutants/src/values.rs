//! Values that a mutant returns instead of what a function computes, chosen by the type.

use syn::{GenericArgument, PathArguments, ReturnType, Type, TypePath};

/// No more values than this for one function.
const MOST: usize = 8;

/// Returns expressions of the type that a function returns; none where no value of it can be named.
pub fn of_return(output: &ReturnType) -> Vec<String> {
    match output {
        ReturnType::Default => vec!["()".into()],
        ReturnType::Type(_, ty) => of(ty),
    }
}

fn of(ty: &Type) -> Vec<String> {
    let mut all = match ty {
        Type::Tuple(tuple) => product(tuple.elems.iter().map(of).collect()),
        Type::Path(path) => of_path(path),
        Type::Paren(inner) => of(&inner.elem),
        Type::Reference(reference) => match &*reference.elem {
            Type::Path(path) if path.path.is_ident("str") => vec![quoted(""), quoted("xyzzy")],
            Type::Slice(slice) => {
                let mut all = vec!["::std::vec::Vec::leak(::std::vec::Vec::new())".to_string()];
                all.extend(of(&slice.elem).iter().map(|one| format!("::std::vec::Vec::leak(vec![{one}])")));
                all
            }
            Type::TraitObject(_) => vec![],
            inner => {
                of(inner).iter().map(|one| format!("::std::boxed::Box::leak(::std::boxed::Box::new({one}))")).collect()
            }
        },
        Type::Array(array) => of(&array.elem).iter().map(|one| format!("[{one}; _]")).collect(),
        _ => vec![],
    };
    all.truncate(MOST);
    all
}

fn of_path(path: &TypePath) -> Vec<String> {
    let Some(last) = path.path.segments.last() else { return vec![] };
    let first = || -> Vec<String> {
        let PathArguments::AngleBracketed(list) = &last.arguments else { return vec!["Default::default()".into()] };
        let ty = list.args.iter().find_map(|one| match one {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        });
        ty.map_or_else(|| vec!["Default::default()".into()], of)
    };
    let wrapped = |with: &str| first().iter().map(|one| format!("{with}({one})")).collect::<Vec<_>>();
    let text = |all: &[&str]| all.iter().map(|one| (*one).to_string()).collect::<Vec<_>>();
    match last.ident.to_string().as_str() {
        "bool" => text(&["true", "false"]),
        "String" => vec!["::std::string::String::new()".into(), format!("{}.into()", quoted("xyzzy"))],
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => text(&["0", "1"]),
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => text(&["0", "1", "-1"]),
        "f32" | "f64" => text(&["0.0", "1.0", "-1.0"]),
        "Option" => [text(&["None"]), wrapped("Some")].concat(),
        "Vec" => {
            let mut all = text(&["vec![]"]);
            all.extend(first().iter().map(|one| format!("vec![{one}]")));
            all
        }
        "Box" | "Rc" | "Arc" => wrapped(&format!("::std::{}::new", home(&last.ident.to_string()))),
        "Ordering" => {
            text(&["::std::cmp::Ordering::Less", "::std::cmp::Ordering::Equal", "::std::cmp::Ordering::Greater"])
        }
        name if name.ends_with("Result") => wrapped("Ok"),
        _ => text(&["Default::default()"]),
    }
}

fn home(name: &str) -> String {
    match name {
        "Box" => "boxed::Box".into(),
        "Rc" => "rc::Rc".into(),
        _ => "sync::Arc".into(),
    }
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

fn product(parts: Vec<Vec<String>>) -> Vec<String> {
    let mut all = vec![String::new()];
    for part in parts {
        all = all.iter().flat_map(|so_far| part.iter().map(move |one| format!("{so_far}{one}, "))).take(MOST).collect();
    }
    all.into_iter().map(|inner| format!("({inner})")).collect()
}

#[cfg(test)]
mod tests {
    fn of(ty: &str) -> Vec<String> {
        super::of(&syn::parse_str(ty).unwrap())
    }

    #[test]
    fn values_fit_their_types() {
        assert_eq!(of("io::Result<Option<bool>>"), ["Ok(None)", "Ok(Some(true))", "Ok(Some(false))"]);
        assert_eq!(of("(u8, &'a str)"), [r#"(0, "", )"#, r#"(0, "xyzzy", )"#, r#"(1, "", )"#, r#"(1, "xyzzy", )"#]);
        assert_eq!(of("()"), ["()"]);
        assert_eq!(of("Report"), ["Default::default()"]);
        assert_eq!(of("impl Iterator<Item = u8>"), Vec::<String>::new());
    }
}
