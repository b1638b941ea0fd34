//! Answering a source's questions about the architecture: `target_arch = "mips"` becomes `all()`, which is true, or `any()`,
//! which is false.

use anyhow::Result;
use syn::punctuated::Punctuated;
use syn::visit::Visit;
use syn::{Meta, Token};

use crate::abi::arch::Arch;

/// The source with every question about the architecture answered, and without assembly.
pub(super) fn answered(source: &str, arch: &Arch) -> String {
    let bits = arch.bits.to_string();
    let source = answer(source, "target_arch", arch.target_arch);
    let source = answer(&source, "target_pointer_width", &bits);
    source.replace("core::arch::asm!", "linux_raw_sys::no_asm!")
}

/// Answers `key = "..."`: yes for this value, no for others.
fn answer(source: &str, key: &str, value: &str) -> String {
    let question = format!("{key} = \"");
    let mut parts = source.split(&question);
    let mut answered = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (asked, rest) = part.split_once('"').unwrap_or((part, ""));
        answered.push_str(if asked == value { "all()" } else { "any()" });
        answered.push_str(rest);
    }
    answered
}

/// What the `cfg` attributes of an answered source come to, in their order; none for what is left to the compiler.
pub(super) fn answers(source: &str) -> Result<Vec<Option<bool>>> {
    #[derive(Default)]
    struct Answers(Vec<Option<bool>>);
    impl<'a> Visit<'a> for Answers {
        fn visit_attribute(&mut self, attr: &'a syn::Attribute) {
            if attr.path().is_ident("cfg") {
                self.0
                    .push(attr.parse_args().ok().and_then(|asked| holds(&asked)));
            }
        }
    }
    let mut answers = Answers::default();
    answers.visit_file(&syn::parse_file(source)?);
    Ok(answers.0)
}

/// Whether a condition holds, if that can be told without the compiler.
fn holds(asked: &Meta) -> Option<bool> {
    let list = asked.require_list().ok()?;
    let parts = list
        .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
        .ok()?;
    let parts: Vec<Option<bool>> = parts.iter().map(holds).collect();
    let (name, decides) = (list.path.get_ident()?.to_string(), |answer| {
        parts.contains(&Some(answer))
    });
    match name.as_str() {
        "any" if decides(true) => Some(true),
        "all" if decides(false) => Some(false),
        "any" | "all" if parts.contains(&None) => None,
        "any" => Some(false),
        "all" => Some(true),
        "not" => parts.first()?.map(|answer| !answer),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::arch::ARCHES;

    #[test]
    fn questions_are_answered() {
        let source = r#"#[cfg(any(target_arch = "mips", target_arch = "x86_64"))] #[cfg(not(target_pointer_width = "32"))]"#;
        let arch = ARCHES.iter().find(|arch| arch.name == "x32").expect("x32");
        assert_eq!(
            answered(source, arch),
            "#[cfg(any(any(), all()))] #[cfg(not(all()))]"
        );
        assert_eq!(
            answered("core::arch::asm!(1)", arch),
            "linux_raw_sys::no_asm!(1)"
        );
    }

    #[test]
    fn conditions_are_evaluated() {
        let source = "#[cfg(any(any(), all()))] mod a {}\n#[cfg(not(all()))] mod b {}\n\
                      #[cfg(all(test, any()))] mod c {}\n#[cfg(all(test, all()))] mod d {}\n";
        let expected = [Some(true), Some(false), Some(false), None];
        assert_eq!(answers(source).expect("answers"), expected);
    }
}
