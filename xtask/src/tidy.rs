//! `cargo xtask tidy`: the rules of the house, each with a name and a reason, held against every file.

mod classes;
mod crates;
mod source;
mod test_body;
mod text;

use core::fmt::{self, Display, Formatter};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use xshell::Shell;

/// A rule of the house.
struct Rule {
    /// Never changed, so that it can be looked up.
    name: &'static str,
    /// One sentence, for whoever broke it.
    why: &'static str,
    /// The lines that break the rule.
    check: fn(&File) -> Vec<usize>,
}

/// A file of the project.
#[derive(Debug)]
struct File {
    /// Relative to the root, with `/` between its parts.
    path: String,
    text: String,
}

/// A line that breaks a rule.
struct Problem {
    path: String,
    line: usize,
    rule: &'static Rule,
}

/// A rule for one file says nothing where that file is not, hence this one, which is about no file.
static MISSING: Rule = Rule {
    name: "missing-file",
    why: "There is a rule for this file alone, so the file has to be there.",
    check: |_| Vec::new(),
};

/// It is about one file, but looks for tests in all of them.
static CLASS_TEST: Rule = Rule {
    name: "class-test",
    why: "Each class of holes in `SAFETY.md` keeps its number, and names tests that exist.",
    check: |_| Vec::new(),
};

/// The files that must not be missing.
const ONE_OF_A_KIND: [&str; 4] = [
    "Cargo.toml",
    "README.md",
    "mmarinus-ext/src/lib.rs",
    "xtask/src/main.rs",
];

/// Holds all rules against all files of the workspace, and prints what breaks them.
pub(crate) fn run(sh: &Shell) -> Result<()> {
    let files = files(&sh.current_dir())?;
    let problems = check(&files);
    for problem in &problems {
        println!("{problem}");
    }
    ensure!(problems.is_empty(), "{} lines break a rule", problems.len());
    println!("{} files keep {} rules", files.len(), rules().count());
    Ok(())
}

fn rules() -> impl Iterator<Item = &'static Rule> {
    text::RULES
        .iter()
        .chain(source::RULES)
        .chain(crates::RULES)
        .chain([&CLASS_TEST, &MISSING])
}

fn check(files: &[File]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in files {
        for rule in rules() {
            let lines = (rule.check)(file).into_iter();
            problems.extend(lines.map(|line| Problem {
                path: file.path.clone(),
                line,
                rule,
            }));
        }
    }
    problems.extend(classes::broken(files).into_iter().map(|line| Problem {
        path: classes::TABLE.to_owned(),
        line,
        rule: &CLASS_TEST,
    }));
    let missing = ONE_OF_A_KIND
        .iter()
        .filter(|path| !files.iter().any(|file| file.path == **path));
    problems.extend(missing.map(|path| Problem {
        path: path.to_string(),
        line: 1,
        rule: &MISSING,
    }));
    problems
}

/// Every text file below `root` but what git and cargo keep there.
fn files(root: &Path) -> Result<Vec<File>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            let path = entry.path();
            let kind = entry.file_type()?;
            // In a second worktree, `.git` is a file.
            if [".git", "target"]
                .map(Into::into)
                .contains(&entry.file_name())
            {
                continue;
            }
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
                let Ok(text) = String::from_utf8(bytes) else {
                    continue;
                };
                let path = path.strip_prefix(root)?.display().to_string();
                files.push(File { path, text });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

impl File {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {}: {}",
            self.path, self.line, self.rule.name, self.rule.why
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asserts that in `text`, as a file of that path, these lines break the rule of this name, and no other.
    pub(super) fn assert_lines(name: &str, path: &str, text: &str, expected: &[usize]) {
        let rule = rules()
            .find(|rule| rule.name == name)
            .expect("a rule of that name");
        let file = File {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        assert_eq!((rule.check)(&file), expected, "{name}: {text}");
    }

    #[test]
    fn the_workspace_is_tidy() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("the root");
        let files = files(root).expect("the files of the workspace");
        let problems: String = check(&files)
            .iter()
            .map(|problem| format!("{problem}\n"))
            .collect();
        assert!(problems.is_empty(), "\n{problems}");
    }

    #[test]
    fn missing_file() {
        let path = "xtask/src/main.rs".to_owned();
        let files = [File {
            path,
            text: "//! A.\n#![forbid(unsafe_code)]\n".to_owned(),
        }];
        let problems: Vec<String> = check(&files)
            .iter()
            .map(|problem| problem.path.clone())
            .collect();
        assert_eq!(
            problems,
            ["Cargo.toml", "README.md", "mmarinus-ext/src/lib.rs"]
        );
    }

    #[test]
    fn every_rule_is_in_the_guide() {
        let guide = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../CONTRIBUTING.md"));
        let guide = guide.expect("the guide");
        for Rule { name, why, .. } in rules() {
            assert!(
                guide.contains(&format!("| `{name}` | {why} |")),
                "{name} is missing"
            );
        }
    }
}
