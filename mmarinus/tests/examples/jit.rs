//! `jit`: expressions whose compiled code gives what they mean.

use crate::testing::example::run;
use crate::testing::needs;

/// The values that `jit` prints, and nothing else is wrong.
fn values(expression: &str, arguments: &[i64]) -> Vec<i64> {
    let arguments: Vec<String> = arguments.iter().map(i64::to_string).collect();
    let mut args = vec![expression];
    args.extend(arguments.iter().map(String::as_str));
    let printed = run("jit", &args).printed();
    let mut lines = printed.lines();
    let head = lines.next().expect("a line about the code");
    assert!(head.contains("ProtFlags(READ | EXEC)"), "{head}");
    let values = lines.zip(&arguments).map(|(line, x)| {
        let value = line.strip_prefix(&format!("f({x}) = "));
        value
            .and_then(|value| value.parse().ok())
            .unwrap_or_else(|| panic!("{line}"))
    });
    values.collect()
}

#[test]
fn known_expressions_have_known_values() {
    needs!(cargo);
    assert_eq!(values("42", &[0]), [42]);
    assert_eq!(
        values("x", &[i64::MIN, -1, 7, i64::MAX]),
        [i64::MIN, -1, 7, i64::MAX]
    );
    assert_eq!(values("x * x + 1", &[3, -4]), [10, 17]);
    assert_eq!(values("10 - 3 - 2", &[0]), [5]);
    assert_eq!(values("10 - (3 - 2)", &[0]), [9]);
    assert_eq!(values("2 + 3 * 4", &[0]), [14]);
    assert_eq!(values("--x", &[5]), [5]);
    assert_eq!(values("x * -3", &[5]), [-15]);
    assert_eq!(values("9223372036854775807 + x", &[1]), [i64::MIN]);
    assert_eq!(
        values("81985529216486895 * x", &[1]),
        [0x0123_4567_89ab_cdef]
    );
}

/// A tree of operations, printed and evaluated.
enum Tree {
    Argument,
    Number(i64),
    Negated(Box<Tree>),
    Pair(char, Box<Tree>, Box<Tree>),
}

impl Tree {
    /// One that a number decides.
    fn grow(random: &mut u64, depth: usize) -> Self {
        *random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let choice = *random >> 33;
        if depth == 0 || choice.is_multiple_of(7) {
            return match choice % 2 {
                0 => Self::Argument,
                _ => Self::Number((choice as i64) << (choice % 32)),
            };
        }
        match choice % 5 {
            0 => Self::Negated(Self::grow(random, depth - 1).into()),
            _ => {
                let operation = ['+', '-', '*'][choice as usize % 3];
                let first = Self::grow(random, depth - 1).into();
                Self::Pair(operation, first, Self::grow(random, depth - 1).into())
            }
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Argument => "x".to_owned(),
            Self::Number(number) => number.to_string(),
            Self::Negated(tree) => format!("-{}", tree.text()),
            Self::Pair(operation, first, second) => {
                format!("({} {operation} {})", first.text(), second.text())
            }
        }
    }

    fn value(&self, x: i64) -> i64 {
        match self {
            Self::Argument => x,
            Self::Number(number) => *number,
            Self::Negated(tree) => tree.value(x).wrapping_neg(),
            Self::Pair(operation, first, second) => {
                let (first, second) = (first.value(x), second.value(x));
                match operation {
                    '+' => first.wrapping_add(second),
                    '-' => first.wrapping_sub(second),
                    _ => first.wrapping_mul(second),
                }
            }
        }
    }
}

#[test]
fn random_expressions_mean_what_they_say() {
    needs!(cargo);
    let arguments = [0, 1, -1, 12_345, i64::MIN, i64::MAX];
    for seed in 0..60 {
        let tree = Tree::grow(&mut { seed }, 7);
        let expected: Vec<i64> = arguments.iter().map(|&x| tree.value(x)).collect();
        assert_eq!(
            values(&tree.text(), &arguments),
            expected,
            "{}",
            tree.text()
        );
    }
}

#[test]
fn mistakes_are_sentences() {
    needs!(cargo);
    assert_eq!(run("jit", &[]).code, Some(1));
    run("jit", &[]).complained("which expression?");
    run("jit", &[""]).complained("it ends where a value should be");
    run("jit", &["1 +"]).complained("it ends where a value should be");
    run("jit", &["(1"]).complained("a parenthesis is not closed");
    run("jit", &["1)"]).complained("')' cannot stand there");
    run("jit", &["1 / 2"]).complained("'/' cannot stand there");
    run("jit", &["y"]).complained("'y' is no value");
    run("jit", &["99999999999999999999"]).complained("too many digits");
    run("jit", &["x", "one"]).complained("one is not a whole number");
    run("jit", &[&"(".repeat(100_000)]).complained("nested too deep");
}
