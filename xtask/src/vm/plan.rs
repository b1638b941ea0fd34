//! Which guests run: each with the kernel that it boots.

use super::Options;
use super::arch::{self, Flavour};
use super::guest::Guest;
use super::guests;
use super::kernel::Wanted;

/// What runs by default, and what more there is.
const DEFAULT: [&str; 2] = ["6.12", "6.1"];
const OLDEST: &str = "5.10";

/// The series that another architecture runs.
const ELSEWHERE: &str = "6.12";

/// A guest that the caller wants.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) wanted: Wanted,
    pub(super) flavour: &'static Flavour,
    pub(super) guest: &'static Guest,
}

impl Wish {
    /// How it is called before its kernel is found.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.wanted.name(), self.guest.name)
    }
}

/// All guests that the caller wants, in the order of what they matter: first the kernels with everything.
pub(super) fn wishes(options: &Options) -> Vec<Wish> {
    let series = |name: &str| Wanted::Series(name.to_owned());
    let elsewhere = [
        (&arch::CLOUD_AARCH64, &guests::AARCH64_4K),
        (&arch::AARCH64_16K, &guests::AARCH64_16K),
    ];
    let elsewhere = elsewhere.into_iter().map(|(flavour, guest)| Wish {
        wanted: series(ELSEWHERE),
        flavour,
        guest,
    });
    let (kernels, elsewhere): (Vec<Wanted>, Vec<Wish>) = match options.kernel.as_deref() {
        None if options.all => {
            let more = [series(OLDEST), Wanted::Newest];
            let kernels = DEFAULT.map(series).into_iter().chain(more);
            (kernels.collect(), elsewhere.collect())
        }
        None => (DEFAULT.map(series).to_vec(), Vec::new()),
        Some(name) => {
            let elsewhere: Vec<Wish> = elsewhere.filter(|wish| wish.guest.name == name).collect();
            let kernels = match name {
                _ if !elsewhere.is_empty() => Vec::new(),
                _ if name == Wanted::Newest.name() => vec![Wanted::Newest],
                _ => vec![series(name)],
            };
            (kernels, elsewhere)
        }
    };
    let here = [&guests::RICH, &guests::POOR]
        .into_iter()
        .flat_map(|guest| {
            kernels.iter().map(move |wanted| Wish {
                wanted: wanted.clone(),
                flavour: &arch::CLOUD_X86_64,
                guest,
            })
        });
    here.chain(elsewhere).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_are_as_wanted() {
        let names = |all, kernel: Option<&str>| {
            let options = Options {
                all,
                kernel: kernel.map(str::to_owned),
                ..Options::default()
            };
            let wishes = wishes(&options);
            let names: Vec<String> = wishes.iter().map(Wish::name).collect();
            names.join(", ")
        };
        assert_eq!(
            names(false, None),
            "6.12 rich, 6.1 rich, 6.12 poor, 6.1 poor"
        );
        assert_eq!(
            names(true, None),
            "6.12 rich, 6.1 rich, 5.10 rich, newest rich, 6.12 poor, 6.1 poor, 5.10 poor, newest poor, \
             6.12 aarch64-4k, 6.12 aarch64-16k"
        );
        assert_eq!(names(false, Some("6.16")), "6.16 rich, 6.16 poor");
        assert_eq!(names(false, Some("newest")), "newest rich, newest poor");
        assert_eq!(names(false, Some("aarch64-16k")), "6.12 aarch64-16k");
    }
}
