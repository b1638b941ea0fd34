//! What makes the body of a test worth running: that it asserts, or says that it cannot.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Whether this body asserts something, or does nothing but `skip!`.
///
/// These assert:
///
/// - a macro or a function whose name starts with `assert` or `prop_assert`, or is `panic`. A helper that asserts for
///   several tests is called `assert_...`, so that the reader of the test sees it too;
/// - `sound!`, which asserts how its block ends and what it leaves behind;
/// - `unwrap_err` and `expect_err`: a refusal is what is tested;
/// - `compile_fail` and `pass` of trybuild, which judge when they are dropped.
///
/// These do not: `unwrap`, `expect` and `?`. Nearly every test has them to get ready, so they would turn the rule into
/// nothing. A `skip!` inside of an `if` or a `match` does not count either: where the test is not skipped, it has to assert.
pub(super) fn is_worth_running(body: &TokenStream) -> bool {
    asserts(body) || skips(body)
}

fn asserts(body: &TokenStream) -> bool {
    let tokens: Vec<TokenTree> = body.clone().into_iter().collect();
    let calls = tokens
        .iter()
        .zip(tokens.iter().skip(1))
        .any(|(name, next)| match name {
            TokenTree::Ident(name) => is_assertion(&name.to_string()) && is_call(next),
            _ => false,
        });
    calls
        || tokens
            .iter()
            .any(|token| matches!(token, TokenTree::Group(group) if asserts(&group.stream())))
}

fn is_assertion(name: &str) -> bool {
    const NAMES: [&str; 6] = [
        "panic",
        "unwrap_err",
        "expect_err",
        "compile_fail",
        "pass",
        "sound",
    ];
    ["assert", "prop_assert"]
        .iter()
        .any(|start| name.starts_with(start))
        || NAMES.contains(&name)
}

/// Whether what follows a name makes it a call: `!` or `(...)`.
fn is_call(next: &TokenTree) -> bool {
    match next {
        TokenTree::Punct(punct) => punct.as_char() == '!',
        TokenTree::Group(group) => group.delimiter() == Delimiter::Parenthesis,
        _ => false,
    }
}

/// Whether `skip!` stands in the body itself, not in a block within.
fn skips(body: &TokenStream) -> bool {
    let tokens: Vec<TokenTree> = body.clone().into_iter().collect();
    tokens.windows(2).any(|pair| {
        matches!(&pair[0], TokenTree::Ident(name) if name == "skip") && is_call(&pair[1])
    })
}

#[cfg(test)]
mod tests {
    use super::is_worth_running;

    fn judge(body: &str) -> bool {
        is_worth_running(&body.parse().expect("tokens"))
    }

    #[test]
    fn bodies_that_assert() {
        assert!(judge("let a = f(); assert_eq!(a, 1);"));
        assert!(judge("for a in 0..9 { prop_assert!(a < 9) }"));
        assert!(judge("assert_same_bytes(&a, &b);"));
        assert!(judge("f().unwrap_or_else(|error| panic!(\"{error}\"));"));
        assert!(judge("map(0).unwrap_err();"));
        assert!(judge("sound!({ drop(map(1)) });"));
        assert!(judge(
            "trybuild::TestCases::new().compile_fail(\"tests/ui/*.rs\");"
        ));
    }

    #[test]
    fn bodies_that_only_skip() {
        assert!(judge("skip!(\"needs a kernel that nobody has\");"));
        assert!(!judge(
            "if !root() { skip!(\"needs root\"); } mount().unwrap();"
        ));
        assert!(judge(
            "if !root() { skip!(\"needs root\"); } assert!(mount().is_ok());"
        ));
    }

    #[test]
    fn bodies_that_are_idle() {
        assert!(!judge(""));
        assert!(!judge("let map = map(1).unwrap(); drop(map);"));
        assert!(!judge("map(1).expect(\"a map\"); unmap()?; Ok(())"));
        assert!(!judge(
            "let assert = 1; println!(\"assert!\"); // assert!(true)"
        ));
    }
}
