//! The rules that belong to certain files: the roots of crates, their manifests, the system calls, the README.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::visit::{self, Visit};
use syn::{Attribute, Block, ImplItemFn, Item, ItemFn, Meta, ReturnType, Signature, Visibility};

use super::{File, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "forbid-unsafe",
        why: "This crate promises to do without unsafe code, by `#![forbid(unsafe_code)]`.",
        check: forbid_unsafe,
    },
    Rule {
        name: "bare-lib",
        why: "`lib.rs` is the list of what the crate has: docs, attributes, `mod`, `use` and type aliases.",
        check: bare_lib,
    },
    Rule {
        name: "man-page",
        why: "The docs of a system call lead to its page on man7.org or docs.kernel.org.",
        check: man_page,
    },
    Rule {
        name: "shared-lints",
        why: "Every crate takes the lints of the workspace, which deny unsafe code.",
        check: shared_lints,
    },
    Rule {
        name: "stated-version",
        why: "The README states the minimum Rust, and each version in it is that of `Cargo.toml`.",
        check: stated_version,
    },
];

fn forbid_unsafe(file: &File) -> Vec<usize> {
    let promises = [
        "mmarinus-ext/src/lib.rs",
        "mmarinus-ordeal/src/lib.rs",
        "xtask/src/main.rs",
    ]
    .contains(&&*file.path);
    let kept =
        syn::parse_file(&file.text).is_ok_and(|rust| rust.attrs.iter().any(is_forbid_unsafe));
    if promises && !kept {
        vec![1]
    } else {
        Vec::new()
    }
}

fn is_forbid_unsafe(attr: &Attribute) -> bool {
    let Meta::List(list) = &attr.meta else {
        return false;
    };
    list.path.is_ident("forbid") && list.tokens.to_string() == "unsafe_code"
}

fn bare_lib(file: &File) -> Vec<usize> {
    if !file.path.ends_with("src/lib.rs") {
        return Vec::new();
    }
    match syn::parse_file(&file.text) {
        Ok(rust) => rust
            .items
            .iter()
            .filter(|item| !is_listing(item))
            .map(line_of)
            .collect(),
        Err(error) => vec![error.span().start().line],
    }
}

fn is_listing(item: &Item) -> bool {
    match item {
        Item::Use(_) | Item::ExternCrate(_) | Item::Type(_) => true,
        Item::Macro(call) => call.mac.path.is_ident("compile_error"),
        // A module that is written here lists what it has, like the crate does.
        Item::Mod(module) => module
            .content
            .iter()
            .flat_map(|(_, items)| items)
            .all(is_listing),
        _ => false,
    }
}

fn line_of(item: &Item) -> usize {
    syn::spanned::Spanned::span(item).start().line
}

fn man_page(file: &File) -> Vec<usize> {
    let mut calls = Calls::default();
    if file.path.starts_with("mmarinus-sys/src/") {
        match syn::parse_file(&file.text) {
            Ok(rust) => calls.visit_file(&rust),
            Err(error) => calls.unlinked.push(error.span().start().line),
        }
    }
    calls.unlinked
}

/// The public functions that call the kernel and whose docs have no link.
#[derive(Default)]
struct Calls {
    unlinked: Vec<usize>,
}

impl<'a> Visit<'a> for Calls {
    /// A function that can fail or is unsafe is a system call, whatever helper it calls it by.
    fn visit_item_fn(&mut self, item: &'a ItemFn) {
        let calls = is_fallible(&item.sig) || names_the_kernel(&item.block);
        if calls && is_public(&item.vis) && !is_linked(&item.attrs) {
            self.unlinked.push(item.sig.ident.span().start().line);
        }
        visit::visit_item_fn(self, item);
    }

    /// A method may fail for reasons of its own, and one that only asks what the kernel has is no call.
    fn visit_impl_item_fn(&mut self, item: &'a ImplItemFn) {
        let calls = is_fallible(&item.sig) && names_the_kernel(&item.block);
        if calls && is_public(&item.vis) && !is_linked(&item.attrs) {
            self.unlinked.push(item.sig.ident.span().start().line);
        }
        visit::visit_impl_item_fn(self, item);
    }
}

fn is_fallible(sig: &Signature) -> bool {
    let fails = matches!(&sig.output, ReturnType::Type(_, output) if has_name(output, &["Result"]));
    fails || sig.unsafety.is_some()
}

fn is_public(vis: &Visibility) -> bool {
    matches!(vis, Visibility::Public(_))
}

fn names_the_kernel(body: &Block) -> bool {
    has_name(body, &["libc", "rustix", "syscall"])
}

/// Whether one of these names stands anywhere in a piece of code.
fn has_name(code: &impl ToTokens, names: &[&str]) -> bool {
    fn search(tokens: TokenStream, names: &[&str]) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Ident(name) => names.iter().any(|wanted| name == wanted),
            TokenTree::Group(group) => search(group.stream(), names),
            _ => false,
        })
    }
    search(code.to_token_stream(), names)
}

fn is_linked(attrs: &[Attribute]) -> bool {
    let docs = attrs.iter().filter(|attr| attr.path().is_ident("doc"));
    docs.map(|attr| attr.to_token_stream().to_string())
        .any(|line| {
            ["https://man7.org/", "https://docs.kernel.org/"]
                .iter()
                .any(|page| line.contains(page))
        })
}

fn shared_lints(file: &File) -> Vec<usize> {
    let is_crate = file.path.ends_with("/Cargo.toml");
    if is_crate && !file.text.contains("\n[lints]\nworkspace = true\n") {
        return vec![1];
    }
    let denies = file
        .text
        .lines()
        .any(|line| line.starts_with(r#"unsafe_code = "deny""#));
    if file.path == "Cargo.toml" && !denies {
        vec![1]
    } else {
        Vec::new()
    }
}

fn stated_version(file: &File) -> Vec<usize> {
    if file.path != "README.md" {
        return Vec::new();
    }
    let rust = env!("CARGO_PKG_RUST_VERSION");
    let ours = env!("CARGO_PKG_VERSION");
    let mut wrong = Vec::new();
    let mut stated = false;
    for (index, line) in file.text.lines().enumerate() {
        let rusts = rust_versions(line);
        stated |= !rusts.is_empty();
        let is_wrong = rusts.iter().any(|version| !is_short_for(version, rust));
        if is_wrong
            || our_versions(line)
                .iter()
                .any(|version| !is_short_for(version, ours))
        {
            wrong.push(index + 1);
        }
    }
    if !stated {
        wrong.push(1);
    }
    wrong
}

/// The versions `1.NN` in a line that speaks of Rust.
fn rust_versions(line: &str) -> Vec<&str> {
    if !line.contains("Rust") && !line.contains("MSRV") {
        return Vec::new();
    }
    let words = line
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '.')
        .map(|word| word.trim_matches('.'));
    words
        .filter(|word| {
            word.strip_prefix("1.")
                .is_some_and(|minor| minor.len() >= 2)
        })
        .collect()
}

/// The versions that a line of a manifest asks of our crates: `mmarinus = "0.5"`, `mmarinus-sys = { version = "0.5" }`.
fn our_versions(line: &str) -> Vec<&str> {
    match line.split_once('=') {
        Some((name, wanted)) if name.starts_with("mmarinus") => {
            let quoted = wanted.split('"').skip(1).step_by(2);
            quoted
                .filter(|text| text.starts_with(|c: char| c.is_ascii_digit()))
                .collect()
        }
        _ => Vec::new(),
    }
}

/// Whether `short` is `full`, or its first parts: 0.5 is short for 0.5.0.
fn is_short_for(short: &str, full: &str) -> bool {
    full.strip_prefix(short)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use crate::tidy::tests::assert_lines;

    #[test]
    fn forbid_unsafe() {
        let (name, path) = ("forbid-unsafe", "mmarinus-ext/src/lib.rs");
        assert_lines(name, path, "//! A.\n#![forbid(unsafe_code)]\n", &[]);
        assert_lines(name, "mmarinus/src/lib.rs", "//! A.\n", &[]);
        assert_lines(name, path, "//! A.\n#![deny(unsafe_code)]\n", &[1]);
        assert_lines(name, path, "//! #![forbid(unsafe_code)]\n", &[1]);
    }

    #[test]
    fn bare_lib() {
        let (name, path) = ("bare-lib", "mmarinus/src/lib.rs");
        let good = "//! A.\n#![no_std]\nextern crate std;\nmod a;\npub use a::B;\npub type C = B;\ncompile_error!(\"no\");\n";
        assert_lines(name, path, good, &[]);
        assert_lines(
            name,
            path,
            "pub mod a {\n    pub use crate::b::C;\n}\n",
            &[],
        );
        assert_lines(name, "mmarinus/src/map.rs", "fn f() {}\n", &[]);
        assert_lines(
            name,
            path,
            "mod a;\nfn f() {}\nstruct S;\nimpl S {}\nconst C: u8 = 1;\n",
            &[2, 3, 4, 5],
        );
        assert_lines(name, path, "mod a {\n    fn f() {}\n}\n", &[1]);
        assert_lines(name, path, "macro_rules! m { () => {} }\nm!();\n", &[1, 2]);
    }

    #[test]
    fn man_page() {
        let (name, path) = ("man-page", "mmarinus-sys/src/map.rs");
        let link = "/// [mmap(2)](https://man7.org/linux/man-pages/man2/mmap.2.html)\n";
        let docs = "/// <https://docs.kernel.org/mm/index.html>\n";
        let call = "pub unsafe fn mmap(len: usize) -> Result<()> { helper(len) }\n";
        assert_lines(name, path, &[link, call, docs, call].concat(), &[]);
        assert_lines(name, "mmarinus/src/map.rs", call, &[]);
        assert_lines(name, path, &["\n", call].concat(), &[2]);
        assert_lines(
            name,
            path,
            "pub fn page_size() -> usize { rustix::param::page_size() }",
            &[1],
        );
        assert_lines(
            name,
            path,
            "impl S { pub fn f() -> Result<()> { unsafe { syscall(1) } } }",
            &[1],
        );
        // None of these is one: private, no call, a question.
        let question = "impl S { pub fn has() -> bool { unsafe { syscall(1) } } }\n";
        assert_lines(name, path, question, &[]);
        assert_lines(
            name,
            path,
            "pub(crate) fn f() -> Result<()> { libc::f() }\n",
            &[],
        );
        assert_lines(
            name,
            path,
            "pub fn f() -> u8 { 1 }\nimpl S { pub fn f() -> Result<()> { g() } }",
            &[],
        );
    }

    #[test]
    fn shared_lints() {
        let name = "shared-lints";
        assert_lines(
            name,
            "a/Cargo.toml",
            "[package]\n\n[lints]\nworkspace = true\n",
            &[],
        );
        assert_lines(name, "a/Cargo.toml", "[package]\n", &[1]);
        assert_lines(
            name,
            "Cargo.toml",
            "[workspace.lints.rust]\nunsafe_code = \"deny\"\n",
            &[],
        );
        assert_lines(
            name,
            "Cargo.toml",
            "[workspace.lints.rust]\nunsafe_code = \"warn\"\n",
            &[1],
        );
    }

    #[test]
    fn stated_version() {
        let name = "stated-version";
        let (rust, ours) = (env!("CARGO_PKG_RUST_VERSION"), env!("CARGO_PKG_VERSION"));
        let good = format!(
            "Rust {rust}, Linux 5.10.\nmmarinus = \"{ours}\"\nmmarinus = {{ version = \"{ours}\" }}\n"
        );
        assert_lines(name, "README.md", &good, &[]);
        assert_lines(name, "CHANGELOG.md", "Rust 1.20\n", &[]);
        assert_lines(name, "README.md", "# mmarinus\n", &[1]);
        assert_lines(
            name,
            "README.md",
            &format!("{good}Minimum Rust: 1.20.\n"),
            &[4],
        );
        assert_lines(
            name,
            "README.md",
            &format!("{good}mmarinus-sys = \"0.4\"\n"),
            &[4],
        );
        assert_lines(
            name,
            "README.md",
            &format!("{good}mmarinus = {{ version = \"9\" }}\n"),
            &[4],
        );
    }
}
