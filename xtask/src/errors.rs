//! `cargo xtask errors`: the page that lists every sentence of an error, read out of the sources that print them.

use core::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use quote::ToTokens;
use syn::visit::{self, Visit};
use syn::{Arm, Expr, ExprMatch, File, ItemEnum, Lit, Pat};
use xshell::Shell;

const PAGE: &str = "mmarinus/docs/errors.md";
const HINTS: &str = "mmarinus/src/error/hint.rs";
const REASONS: &str = "mmarinus/src/error/reason.rs";

/// Writes the page.
pub(crate) fn run(sh: &Shell) -> Result<()> {
    let root = sh.current_dir();
    fs::write(root.join(PAGE), page(&root)?).context(PAGE)
}

/// The page as the sources want it.
fn page(root: &Path) -> Result<String> {
    let hints = parse(root, HINTS)?;
    let reasons = parse(root, REASONS)?;
    let names = arms_of(&reasons, "name", "Operation")?;
    let errnos = arms_of(&reasons, "errno", "Reason")?;

    let mut page = String::from(
        "Every sentence that an error ends with, sorted by what failed. An error says before it which call it was, with its \
         figures, and the errno; `hint()` is the sentence alone.\n\n\
         # What is refused before a system call\n\n\
         The errno is the one that the kernel would have given.\n\n\
         | what is wrong | errno | what to do |\n| --- | --- | --- |\n",
    );
    let meanings = meanings(&reasons, "Reason")?;
    for (pattern, sentence) in arms_of(&hints, "hint", "")? {
        for variant in variants(&pattern, "Reason") {
            let meaning = meanings
                .iter()
                .find(|(name, _)| *name == variant)
                .map(|(_, meaning)| meaning.as_str())
                .with_context(|| format!("no variant is named {variant}"))?;
            let errno = errnos
                .iter()
                .find(|(pattern, _)| variants(pattern, "Self").contains(&variant))
                .map_or("INVAL", |(_, errno)| errno);
            writeln!(
                page,
                "| {} | E{errno} | {sentence} |",
                meaning.trim_end_matches('.')
            )?;
        }
    }

    page.push_str(
        "\n# What the kernel refuses\n\n| call | errno | what it usually means |\n| --- | --- | --- |\n",
    );
    for (pattern, sentence) in arms_of(&hints, "kernel", "")? {
        let mut calls: Vec<&str> = Vec::new();
        for variant in variants(&pattern, "O") {
            let (_, call) = names
                .iter()
                .find(|(pattern, _)| variants(pattern, "Self").contains(&variant))
                .with_context(|| format!("{variant} has no name"))?;
            if !calls.contains(&call.as_str()) {
                calls.push(call);
            }
        }
        row(&mut page, &calls, &variants(&pattern, "Errno"), &sentence)?;
    }

    for (function, title) in [
        ("copy_hint", "\n# What ends a copy\n\n"),
        (
            "transfer_hint",
            "\n# What ends a transfer between a map and a descriptor\n\n",
        ),
    ] {
        write!(
            page,
            "{title}| errno | what it usually means |\n| --- | --- |\n"
        )?;
        for (pattern, sentence) in arms_of(&hints, function, "")? {
            row(&mut page, &[], &variants(&pattern, "Errno"), &sentence)?;
        }
    }
    Ok(page)
}

/// A line of a table, without the first column if no calls are named.
fn row(page: &mut String, calls: &[&str], errnos: &[String], sentence: &str) -> Result<()> {
    if errnos.is_empty() {
        return Ok(()); // The sentence for all other cases, which says nothing of its own.
    }
    let errnos: Vec<String> = errnos
        .iter()
        .map(|errno| format!("E{}", spelled(errno)))
        .collect();
    if !calls.is_empty() {
        write!(page, "| {} ", calls.join(", "))?;
    }
    writeln!(page, "| {} | {sentence} |", errnos.join(", "))?;
    Ok(())
}

/// The name of an errno without its E, where the constant has another one.
fn spelled(errno: &str) -> &str {
    match errno {
        "ACCESS" => "ACCES",
        "TOOBIG" => "2BIG",
        other => other,
    }
}

fn parse(root: &Path, path: &str) -> Result<File> {
    let text = fs::read_to_string(root.join(path)).with_context(|| path.to_owned())?;
    syn::parse_file(&text).with_context(|| path.to_owned())
}

/// The arms of the matches in a function: the patterns, and the strings or the last names of the paths that they lead to.
///
/// Arms that lead to anything else are left out. `of` is the type whose function it is, or nothing.
fn arms_of(file: &File, function: &str, of: &str) -> Result<Vec<(Pat, String)>> {
    struct Arms(Vec<(Pat, String)>);
    impl Visit<'_> for Arms {
        fn visit_expr_match(&mut self, found: &ExprMatch) {
            for Arm { pat, body, .. } in &found.arms {
                if let Some(value) = value(body) {
                    self.0.push((pat.clone(), value));
                }
            }
            visit::visit_expr_match(self, found);
        }
    }

    let mut arms = Arms(Vec::new());
    for item in &file.items {
        match item {
            syn::Item::Fn(item) if of.is_empty() && item.sig.ident == function => {
                arms.visit_item_fn(item)
            }
            syn::Item::Impl(item)
                if item.trait_.is_none() && item.self_ty.to_token_stream().to_string() == of =>
            {
                for item in &item.items {
                    if let syn::ImplItem::Fn(item) = item
                        && item.sig.ident == function
                    {
                        arms.visit_impl_item_fn(item);
                    }
                }
            }
            _ => {}
        }
    }
    ensure!(!arms.0.is_empty(), "no arms in {function}");
    Ok(arms.0)
}

/// A string, or the last name of a path.
fn value(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        Expr::Path(path) => Some(spelled(&path.path.segments.last()?.ident.to_string()).to_owned()),
        Expr::Block(block) => match block.block.stmts.as_slice() {
            [syn::Stmt::Expr(inner, None)] => value(inner),
            _ => None,
        },
        _ => None,
    }
}

/// The names in a pattern that follow `of::`.
fn variants(pattern: &Pat, of: &str) -> Vec<String> {
    struct Names<'of>(&'of str, Vec<String>);
    impl Visit<'_> for Names<'_> {
        fn visit_path(&mut self, path: &syn::Path) {
            if path.segments.len() == 2 && path.segments[0].ident == self.0 {
                self.1.push(path.segments[1].ident.to_string());
            }
        }
    }
    let mut names = Names(of, Vec::new());
    names.visit_pat(pattern);
    names.1
}

/// The variants of an enum with what their docs say.
fn meanings(file: &File, name: &str) -> Result<Vec<(String, String)>> {
    let found = file.items.iter().find_map(|item| match item {
        syn::Item::Enum(item) if item.ident == name => Some(item),
        _ => None,
    });
    let ItemEnum { variants, .. } = found.with_context(|| format!("no enum {name}"))?;
    Ok(variants
        .iter()
        .map(|variant| (variant.ident.to_string(), docs(&variant.attrs)))
        .collect())
}

/// What doc comments say, in one line.
fn docs(attrs: &[syn::Attribute]) -> String {
    let lines = attrs.iter().filter_map(|attr| match &attr.meta {
        syn::Meta::NameValue(pair) if pair.path.is_ident("doc") => value(&pair.value),
        _ => None,
    });
    lines
        .map(|line| line.trim().to_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("xtask stands below the root of the workspace")
    }

    #[test]
    fn the_page_is_what_the_sources_say() {
        let written = fs::read_to_string(root().join(PAGE)).expect("the page is there");
        let wanted = page(root()).expect("the sources are understood");
        assert!(written == wanted, "{PAGE} is old: run `cargo xtask errors`");
    }

    #[test]
    fn every_reason_is_on_the_page() {
        let page = page(root()).expect("the sources are understood");
        let reasons = parse(root(), REASONS).expect("the enum is there");
        let meanings = meanings(&reasons, "Reason").expect("the enum is there");
        assert!(meanings.len() > 60);
        for (name, meaning) in meanings {
            let listed = page.contains(&format!("| {} |", meaning.trim_end_matches('.')));
            assert!(listed || name == "Kernel", "{name} is not listed");
        }
        assert!(
            page.contains("| mmap | EACCES |"),
            "the kernel's refusals are listed"
        );
    }
}
