//! Finds the places of a source file that can be changed, and how.

use std::ops::Range;

use proc_macro2::Span;
use syn::{
    Arm, Attribute, BinOp, Block, Expr, ExprBinary, ExprMatch, ExprStruct, ExprUnary, ImplItemFn, Item, ItemFn, Meta,
    Pat, Signature, TraitItemFn, Type, UnOp,
    punctuated::Punctuated,
    spanned::Spanned,
    visit::{self, Visit},
};

use crate::{rewrite::Edit, values};

/// A change that a test should notice.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// Its file, from the top of the repository.
    pub file: String,
    /// Line of the file, from 1.
    pub line: usize,
    /// The function it lies in, with its type.
    pub function: String,
    /// What is changed.
    pub change: String,
    /// Stays the same while other functions change: file, function, change, and the how-many-eth of these.
    pub key: String,
    /// Its change to the text; the switch is called as `switch(NUMBER)`, which [`Mutant::edit`] fills in.
    edit: Edit,
    /// It may be the compiler who evaluates it.
    pub constant: bool,
}

/// Stands for the number of the mutant in an edit.
const NUMBER: &str = "\u{1}";
const SWITCH: &str = "::mutant_switch::on(\u{1})";

impl Mutant {
    /// Returns its edit under this number.
    pub fn edit(&self, id: usize) -> Edit {
        Edit { before: self.edit.before.replace(NUMBER, &id.to_string()), ..self.edit.clone() }
    }
}

/// Returns all mutants of a file.
pub fn find(file: &str, source: &str, tree: &syn::File) -> Vec<Mutant> {
    let mut finder = Finder { file, source, found: vec![], names: vec![], constant: 0 };
    finder.visit_file(tree);
    let mut seen = std::collections::HashMap::new();
    for mutant in &mut finder.found {
        let key = format!("{file}: {}: {}", mutant.function, mutant.change);
        let count = seen.entry(key.clone()).and_modify(|count| *count += 1).or_insert(1);
        mutant.key = format!("{key} #{count}");
    }
    finder.found
}

/// Returns whether the attributes leave an item in: not a test, and of this system.
pub fn compiled(attributes: &[Attribute]) -> bool {
    attributes.iter().all(|attribute| {
        if attribute.path().is_ident("test") {
            return false;
        }
        !attribute.path().is_ident("cfg") || attribute.parse_args::<Meta>().is_ok_and(|meta| holds(&meta))
    })
}

fn holds(meta: &Meta) -> bool {
    match meta {
        Meta::Path(path) => path.is_ident("unix"),
        Meta::NameValue(pair) => {
            let value = match &pair.value {
                Expr::Lit(literal) => match &literal.lit {
                    syn::Lit::Str(text) => text.value(),
                    _ => String::new(),
                },
                _ => String::new(),
            };
            pair.path.is_ident("feature") || ["linux", "unix", "64", std::env::consts::ARCH].contains(&value.as_str())
        }
        Meta::List(list) => {
            let Ok(inner) = list.parse_args_with(Punctuated::<Meta, syn::Token![,]>::parse_terminated) else {
                return true;
            };
            let mut inner = inner.iter().map(holds);
            match list.path.get_ident().map(ToString::to_string).as_deref() {
                Some("not") => !inner.any(|one| one),
                Some("any") => inner.any(|one| one),
                _ => inner.all(|one| one),
            }
        }
    }
}

struct Finder<'a> {
    file: &'a str,
    source: &'a str,
    found: Vec<Mutant>,
    names: Vec<String>,
    /// How many constants surround the place.
    constant: u32,
}

impl Finder<'_> {
    fn text(&self, span: Span) -> &str {
        &self.source[span.byte_range()]
    }

    fn add(&mut self, at: Span, change: String, range: Range<usize>, inner: u8, before: String, after: &str) {
        self.found.push(Mutant {
            file: self.file.to_string(),
            line: at.start().line,
            function: self.names.join("::"),
            change,
            key: String::new(),
            edit: Edit { range, inner, before, after: after.to_string() },
            constant: self.constant > 0,
        });
    }

    /// The expression, or another one in its place.
    fn instead(&mut self, at: Span, change: String, range: Range<usize>, other: &str) {
        self.add(at, change, range, 5, format!("(if {SWITCH} {{ {other} }} else {{ ("), ") })");
    }

    fn function(&mut self, signature: &Signature, block: &Block) {
        if block.stmts.is_empty() || signature.unsafety.is_some() || signature.ident == "main" {
            return;
        }
        let at = block.brace_token.span.open().byte_range().end;
        let body = self.source[at..block.brace_token.span.close().byte_range().start].trim().to_string();
        let shown = match &signature.output {
            syn::ReturnType::Default => String::new(),
            syn::ReturnType::Type(_, ty) => format!(" that returns {}", self.text(ty.span())),
        };
        for value in values::of_return(&signature.output) {
            if body == value || signature.ident == "default" && value == "Default::default()" {
                continue;
            }
            let change = format!("replace the body{shown} with {value}");
            self.add(signature.ident.span(), change, at..at, 0, format!(" if {SWITCH} {{ return {value}; }}"), "");
        }
    }

    fn within(&mut self, name: String, constant: bool, visit: impl FnOnce(&mut Self)) {
        self.names.push(name);
        self.constant += u32::from(constant);
        visit(self);
        self.constant -= u32::from(constant);
        self.names.pop();
    }
}

fn has_let(expression: &Expr) -> bool {
    match expression {
        Expr::Let(_) => true,
        Expr::Binary(binary) if matches!(binary.op, BinOp::And(_)) => has_let(&binary.left) || has_let(&binary.right),
        _ => false,
    }
}

/// What each operator is replaced with. Those that assign are replaced as those without `=`.
const OTHERS: [(&str, &[&str]); 18] = [
    ("==", &["!="]),
    ("!=", &["=="]),
    ("&&", &["||"]),
    ("||", &["&&"]),
    ("<", &["==", ">", "<="]),
    (">", &["==", "<", ">="]),
    ("<=", &[">"]),
    (">=", &["<"]),
    ("+", &["-", "*"]),
    ("-", &["+", "/"]),
    ("*", &["+", "/"]),
    ("/", &["%", "*"]),
    ("%", &["/", "+"]),
    ("<<", &[">>"]),
    (">>", &["<<"]),
    ("&", &["|", "^"]),
    ("|", &["&", "^"]),
    ("^", &["|", "&"]),
];

/// Returns the operators that one is replaced with.
fn others(operator: &str) -> Vec<String> {
    let of = |operator: &str| OTHERS.iter().find(|(of, _)| *of == operator).map(|(_, others)| *others);
    let assigned = || operator.strip_suffix('=').and_then(of);
    match (of(operator), assigned()) {
        (Some(others), _) => others.iter().map(|other| (*other).to_owned()).collect(),
        (None, Some(others)) => others.iter().map(|other| format!("{other}=")).collect(),
        (None, None) => Vec::new(),
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        _ => &[],
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !compiled(attributes(item)) {
            return;
        }
        match item {
            Item::Impl(block) => {
                let name = self.text(block.self_ty.span()).to_string();
                let of = block.trait_.as_ref().map(|(_, path, _)| self.text(path.span()).to_string());
                // What only a debugger shows.
                if of.as_deref().is_some_and(|of| of.ends_with("Debug")) {
                    return;
                }
                let name = of.map_or(name.clone(), |of| format!("<{name} as {of}>"));
                self.within(name, false, |finder| visit::visit_item(finder, item));
            }
            Item::Trait(block) => self.within(block.ident.to_string(), false, |finder| visit::visit_item(finder, item)),
            Item::Const(item) => {
                self.within(item.ident.to_string(), true, |finder| visit::visit_item_const(finder, item));
            }
            Item::Static(item) => {
                self.within(item.ident.to_string(), true, |finder| visit::visit_item_static(finder, item));
            }
            Item::Mod(module) if module.content.is_none() => {}
            _ => visit::visit_item(self, item),
        }
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.within(item.sig.ident.to_string(), item.sig.constness.is_some(), |finder| {
            finder.function(&item.sig, &item.block);
            visit::visit_item_fn(finder, item);
        });
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if compiled(&item.attrs) {
            self.within(item.sig.ident.to_string(), item.sig.constness.is_some(), |finder| {
                finder.function(&item.sig, &item.block);
                visit::visit_impl_item_fn(finder, item);
            });
        }
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        self.within(item.sig.ident.to_string(), false, |finder| {
            if let Some(block) = &item.default {
                finder.function(&item.sig, block);
            }
            visit::visit_trait_item_fn(finder, item);
        });
    }

    fn visit_impl_item_const(&mut self, item: &'ast syn::ImplItemConst) {
        self.within(item.ident.to_string(), true, |finder| visit::visit_impl_item_const(finder, item));
    }

    fn visit_expr_const(&mut self, block: &'ast syn::ExprConst) {
        self.within("const".into(), true, |finder| visit::visit_expr_const(finder, block));
    }

    // Expressions of types, patterns and attributes cannot stand behind a switch.
    fn visit_type(&mut self, _: &'ast Type) {}
    fn visit_pat(&mut self, _: &'ast Pat) {}
    fn visit_attribute(&mut self, _: &'ast Attribute) {}
    fn visit_variant(&mut self, _: &'ast syn::Variant) {}
    fn visit_expr_repeat(&mut self, repeat: &'ast syn::ExprRepeat) {
        self.visit_expr(&repeat.expr);
    }

    fn visit_local(&mut self, local: &'ast syn::Local) {
        if compiled(&local.attrs) {
            visit::visit_local(self, local);
        }
    }

    fn visit_expr_block(&mut self, block: &'ast syn::ExprBlock) {
        if compiled(&block.attrs) {
            visit::visit_expr_block(self, block);
        }
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        // How much is reserved changes nothing.
        let reserves = matches!(&*call.func, Expr::Path(path)
            if path.path.segments.last().is_some_and(|last| last.ident == "with_capacity"));
        if !reserves {
            visit::visit_expr_call(self, call);
        }
    }

    fn visit_expr_binary(&mut self, binary: &'ast ExprBinary) {
        let name = self.text(binary.op.span()).to_string();
        if !(matches!(binary.op, BinOp::And(_)) && (has_let(&binary.left) || has_let(&binary.right))) {
            let (left, right) = (binary.left.span(), binary.right.span());
            let range = left.byte_range().start..right.byte_range().end;
            for other in others(&name) {
                let text = format!("({}) {other} ({})", self.text(left), self.text(right));
                self.instead(binary.op.span(), format!("replace {name} with {other}"), range.clone(), &text);
            }
        }
        visit::visit_expr_binary(self, binary);
    }

    fn visit_expr_unary(&mut self, unary: &'ast ExprUnary) {
        if matches!(unary.op, UnOp::Not(_) | UnOp::Neg(_)) {
            let (name, inner) = (self.text(unary.op.span()).to_string(), self.text(unary.expr.span()).to_string());
            self.instead(unary.op.span(), format!("delete {name}"), unary.span().byte_range(), &inner);
        }
        visit::visit_expr_unary(self, unary);
    }

    fn visit_expr_match(&mut self, choice: &'ast ExprMatch) {
        if choice.arms.iter().any(|arm| matches!(arm.pat, Pat::Wild(_)) && arm.guard.is_none()) {
            for arm in choice.arms.iter().filter(|arm| !matches!(arm.pat, Pat::Wild(_)) && compiled(&arm.attrs)) {
                let change = format!("delete the arm {}", self.text(arm.pat.span()).replace('\n', " "));
                if let Some((_, guard)) = &arm.guard {
                    let range = guard.span().byte_range();
                    self.add(arm.pat.span(), change, range, 1, format!("!{SWITCH} && ("), ")");
                } else {
                    let at = arm.pat.span().byte_range().end;
                    self.add(arm.pat.span(), change, at..at, 0, format!(" if !{SWITCH}"), "");
                }
            }
        }
        visit::visit_expr_match(self, choice);
    }

    fn visit_arm(&mut self, arm: &'ast Arm) {
        if !compiled(&arm.attrs) {
            return;
        }
        if let Some((_, guard)) = &arm.guard {
            let (span, range) = (guard.span(), guard.span().byte_range());
            let text = self.text(span).replace('\n', " ");
            self.add(
                span,
                format!("replace the guard {text} with true"),
                range.clone(),
                2,
                format!("{SWITCH} || ("),
                ")",
            );
            self.add(span, format!("replace the guard {text} with false"), range, 2, format!("!{SWITCH} && ("), ")");
        }
        visit::visit_arm(self, arm);
    }

    fn visit_expr_struct(&mut self, literal: &'ast ExprStruct) {
        if literal.rest.is_some() {
            for field in &literal.fields {
                let (whole, field) = (literal.span().byte_range(), field.span().byte_range());
                let rest = self.source[field.end..whole.end].trim_start();
                let rest = rest.strip_prefix(',').unwrap_or(rest);
                let other = format!("{}{rest}", &self.source[whole.start..field.start]);
                let change = format!("delete the field {}", self.source[field.clone()].replace('\n', " "));
                self.instead(literal.span(), change, whole, &other);
            }
        }
        visit::visit_expr_struct(self, literal);
    }
}

#[cfg(test)]
mod tests {
    use crate::rewrite;

    /// Lists the mutants of a text, and writes all of them into it.
    fn all(source: &str) -> (Vec<String>, String) {
        let found = super::find("a.rs", source, &syn::parse_file(source).unwrap());
        let edits: Vec<_> = found.iter().enumerate().map(|(id, mutant)| (id, mutant.edit(id))).collect();
        let (text, places) = rewrite::rewrite(source, &edits);
        assert_eq!(places.len(), found.len());
        for place in places {
            assert!(
                text[place.own.clone()].contains(&format!("mutant_switch::on({})", place.id)),
                "{place:?} of {text}"
            );
        }
        syn::parse_file(&text).unwrap();
        (
            found.into_iter().map(|mutant| format!("{} {}: {}", mutant.line, mutant.function, mutant.change)).collect(),
            text,
        )
    }

    #[test]
    fn operators_stand_behind_their_switches() {
        let (found, text) = all("fn f(a: u8) { g(a * 2 + 1); }");
        let list = [
            "1 f: replace the body with ()",
            "1 f: replace + with -",
            "1 f: replace + with *",
            "1 f: replace * with +",
            "1 f: replace * with /",
        ];
        assert_eq!(found, list);
        let on = "::mutant_switch::on";
        let product =
            format!("(if {on}(3) {{ (a) + (2) }} else {{ ((if {on}(4) {{ (a) / (2) }} else {{ (a * 2) }})) }})");
        let sum = format!(
            "(if {on}(1) {{ (a * 2) - (1) }} else {{ ((if {on}(2) {{ (a * 2) * (1) }} else {{ ({product} + 1) }})) }})"
        );
        assert_eq!(text, format!("fn f(a: u8) {{ if {on}(0) {{ return (); }} g({sum}); }}"));
    }

    #[test]
    fn arms_and_guards_are_found_where_a_wildcard_follows() {
        let (found, text) = all("impl T { fn f(&self) -> impl Sized { match x { 1 if !a => {} 2 => {} _ => {} } } }");
        let list = [
            "1 T::f: delete the arm 1",
            "1 T::f: delete the arm 2",
            "1 T::f: replace the guard !a with true",
            "1 T::f: replace the guard !a with false",
            "1 T::f: delete !",
        ];
        assert_eq!(found, list);
        assert!(text.contains(" 2 if !::mutant_switch::on(1) => {}"), "{text}");
        assert_eq!(all("fn f() -> impl Sized { match x { 1 => {} 2.. => {} } }").0, [""; 0]);
    }

    #[test]
    fn what_is_not_compiled_here_or_cannot_be_switched_is_left_alone() {
        let none = "
            #[test] fn f() { a + b; }
            #[cfg(test)] mod t { fn f() { a + b; } }
            #[cfg(not(unix))] fn g() { a + b; }
            impl Debug for T { fn fmt(&self) { a + b; } }
            fn main() { let x: [u8; 1 + 2] = [0; 1 + 2]; if let Some(1) = y && z.is_some() {} }";
        assert_eq!(all(none).0, [""; 0]);
        assert_eq!(all("#[cfg(all(unix, not(test), feature = \"packed\"))] fn g() {}").0, [""; 0], "an empty body");
        assert_eq!(all("#[cfg(any(windows, target_os = \"linux\"))] fn g() { h() }").0.len(), 1);
    }

    #[test]
    fn the_fields_of_a_struct_with_others_can_go() {
        let (found, text) = all("fn main() { S { a: 1, b: 2, ..T } }");
        assert_eq!(found, ["1 main: delete the field a: 1", "1 main: delete the field b: 2"]);
        assert!(text.contains("{ S {  b: 2, ..T } }") && text.contains("{ S { a: 1,  ..T } }"), "{text}");
    }
}
