//! The rules that read Rust by its tokens, so that they reach into macros, and are not misled by strings and comments.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::test_body::is_worth_running;
use super::{File, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "unsafe-reason",
        why: "Unsafe code is let in by `expect(unsafe_code, reason = \"...\")`, which complains once it is gone.",
        check: |file| {
            scan(file, &|tokens| {
                is_lint_level(tokens) && !is_expected_with_reason(tokens)
            })
        },
    },
    Rule {
        name: "no-stubs",
        why: "What has landed works: no macro stands for code that is missing, and none for a look at a value.",
        check: |file| {
            scan(file, &|tokens| {
                is_macro(tokens, &["todo", "unimplemented", "dbg"])
            })
        },
    },
    Rule {
        name: "no-hidden-tests",
        why: "A test that cannot run says so by `skip!`, and one that awaits a panic catches it where it is due.",
        check: |file| {
            scan(file, &|tokens| {
                is_attribute(tokens, &["ignore", "should_panic"])
            })
        },
    },
    Rule {
        name: "idle-test",
        why: "A test asserts something that would fail if the code was wrong, or skips; `unwrap` and `?` get it ready.",
        check: |file| {
            scan(file, &|tokens| {
                is_attribute(tokens, &["test"]) && !has_body_worth_running(tokens)
            })
        },
    },
];

/// The lines at which `bad` holds for the tokens from there on.
fn scan(file: &File, bad: &dyn Fn(&[TokenTree]) -> bool) -> Vec<usize> {
    let mut lines = Vec::new();
    if file.is_rust() {
        match file.text.parse() {
            Ok(tokens) => scan_tokens(tokens, bad, &mut lines),
            Err(error) => lines.push(error.span().start().line),
        }
    }
    lines
}

fn scan_tokens(tokens: TokenStream, bad: &dyn Fn(&[TokenTree]) -> bool, lines: &mut Vec<usize>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (index, token) in tokens.iter().enumerate() {
        if bad(&tokens[index..]) {
            lines.push(token.span().start().line);
        }
        if let TokenTree::Group(group) = token {
            scan_tokens(group.stream(), bad, lines);
        }
    }
}

/// `name!`
fn is_macro(tokens: &[TokenTree], names: &[&str]) -> bool {
    match tokens {
        [TokenTree::Ident(name), TokenTree::Punct(punct), ..] => {
            punct.as_char() == '!' && names.iter().any(|wanted| name == wanted)
        }
        _ => false,
    }
}

/// `#[name]`, `#[name = ...]`, `#[name(...)]`, and the same within `cfg_attr`.
fn is_attribute(tokens: &[TokenTree], names: &[&str]) -> bool {
    match tokens {
        [TokenTree::Punct(punct), TokenTree::Group(group), ..] => {
            let conditional = |inner: &[TokenTree]| names_one(inner, &["cfg_attr"]);
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            let named = match inner.get(1) {
                Some(TokenTree::Group(group)) if conditional(&inner) => group
                    .stream()
                    .into_iter()
                    .any(|token| names_one(&[token], names)),
                _ => names_one(&inner, names),
            };
            punct.as_char() == '#' && group.delimiter() == Delimiter::Bracket && named
        }
        _ => false,
    }
}

fn names_one(tokens: &[TokenTree], names: &[&str]) -> bool {
    matches!(tokens.first(), Some(TokenTree::Ident(name)) if names.iter().any(|wanted| name == wanted))
}

/// `allow(..., unsafe_code, ...)`, and the same with `warn` or `expect`.
fn is_lint_level(tokens: &[TokenTree]) -> bool {
    match tokens {
        [TokenTree::Ident(level), TokenTree::Group(lints), ..] => {
            let lints = lints.stream().into_iter();
            ["allow", "warn", "expect"]
                .iter()
                .any(|wanted| level == wanted)
                && lints
                    .into_iter()
                    .any(|lint| names_one(&[lint], &["unsafe_code"]))
        }
        _ => false,
    }
}

/// `expect(..., reason = "...")`
fn is_expected_with_reason(tokens: &[TokenTree]) -> bool {
    match tokens {
        [TokenTree::Ident(level), TokenTree::Group(lints), ..] if level == "expect" => {
            let lints: Vec<TokenTree> = lints.stream().into_iter().collect();
            lints.windows(3).any(|three| {
                names_one(three, &["reason"])
                    && matches!(&three[2], TokenTree::Literal(text) if text.to_string().len() > 2)
            })
        }
        _ => false,
    }
}

/// Whether the function under this attribute has a body that asserts or skips.
fn has_body_worth_running(tokens: &[TokenTree]) -> bool {
    let after_fn = tokens
        .iter()
        .skip_while(|token| !names_one(&[(*token).clone()], &["fn"]));
    let body = after_fn.into_iter().find_map(|token| match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group.stream()),
        _ => None,
    });
    body.is_some_and(|body| is_worth_running(&body))
}

#[cfg(test)]
mod tests {
    use crate::tidy::tests::assert_lines;

    #[test]
    fn unsafe_reason() {
        let name = "unsafe-reason";
        assert_lines(
            name,
            "a.rs",
            "#![expect(unsafe_code, reason = \"mmap\")]",
            &[],
        );
        assert_lines(
            name,
            "a.rs",
            "#[expect(dead_code, unsafe_code, reason = \"mmap\")] fn f() {}",
            &[],
        );
        assert_lines(
            name,
            "a.rs",
            "#![forbid(unsafe_code)] // allow(unsafe_code)",
            &[],
        );
        assert_lines(
            name,
            "a.rs",
            "\n#![allow(unsafe_code, reason = \"mmap\")]",
            &[2],
        );
        assert_lines(name, "a.rs", "#![expect(unsafe_code)]", &[1]);
        assert_lines(name, "a.rs", "#![expect(unsafe_code, reason = \"\")]", &[1]);
        assert_lines(name, "a.rs", "#[warn(unsafe_code)] fn f() {}", &[1]);
        assert_lines(name, "a.rs", "#![cfg_attr(a, allow(unsafe_code))]", &[1]);
        assert_lines(
            name,
            "a.rs",
            "macro_rules! m { () => {\n#[allow(unsafe_code)] fn f() {} } }",
            &[2],
        );
    }

    #[test]
    fn no_stubs() {
        let name = "no-stubs";
        assert_lines(name, "a.rs", "/// todo!\nfn todo() { f(\"dbg!\") }", &[]);
        assert_lines(name, "a.rs", "fn f() {\ntodo!()\n}", &[2]);
        assert_lines(name, "a.rs", "fn f() { core::unimplemented!() }", &[1]);
        assert_lines(name, "a.rs", "fn f() { assert!(\n\ndbg!(true)) }", &[3]);
    }

    #[test]
    fn no_hidden_tests() {
        let name = "no-hidden-tests";
        assert_lines(
            name,
            "a.rs",
            "#[test]\nfn ignore() { [should_panic]; }",
            &[],
        );
        assert_lines(name, "a.rs", "#[test]\n#[ignore]\nfn f() {}", &[2]);
        assert_lines(name, "a.rs", "#[ignore = \"slow\"] fn f() {}", &[1]);
        assert_lines(
            name,
            "a.rs",
            "#[should_panic(expected = \"a\")] fn f() {}",
            &[1],
        );
        assert_lines(name, "a.rs", "#[cfg_attr(a, ignore)] fn f() {}", &[1]);
        assert_lines(
            name,
            "a.rs",
            "proptest! {\n#[ignore] #[test] fn f(a in 0..9) {} }",
            &[2],
        );
    }

    #[test]
    fn idle_test() {
        let name = "idle-test";
        assert_lines(
            name,
            "a.rs",
            "fn f() {} #[test] fn g() { assert!(f()) }",
            &[],
        );
        assert_lines(
            name,
            "a.rs",
            "#[test]\nfn f() -> Result<()> { g()?; Ok(()) }",
            &[1],
        );
        assert_lines(
            name,
            "a.rs",
            "#[test] fn f() { g() } #[test] fn h() { assert!(g()) }",
            &[1],
        );
        assert_lines(
            name,
            "a.rs",
            "proptest! {\n#[test] fn f(a in 0..9) { g(a) } }",
            &[2],
        );
        assert_lines(
            name,
            "a.rs",
            "proptest! { #[test] fn f(a in 0..9) { prop_assert!(g(a)) } }",
            &[],
        );
    }

    #[test]
    fn what_is_not_rust() {
        assert_lines("no-stubs", "a.rs", "fn f() {\n)", &[2]);
        assert_lines("no-stubs", "a.md", "todo!() {", &[]);
    }
}
