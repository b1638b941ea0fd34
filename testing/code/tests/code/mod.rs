//! The machine code of this program's functions, in a form that does not say where they lie.

use core::hint::black_box;
use core::mem;
use std::collections::BTreeMap;

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Formatter, Instruction, IntelFormatter, Mnemonic, OpKind,
};
use mmarinus_code::{by_hand, with_maps};
use object::{Object, ObjectSection, ObjectSymbol};

/// A function's instructions.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function(Vec<Line>);

/// An instruction.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    text: String,
    then: Then,
}

/// What comes after an instruction: the next one unless it is said otherwise. A place is the number of an instruction.
#[derive(Debug, PartialEq, Eq)]
enum Then {
    Next,
    Jump(usize),
    Branch(usize),
    /// The end, of which calls in place of a return are one kind.
    End,
}

/// The functions of both modules by their names, without crate and hash.
pub(crate) fn functions() -> BTreeMap<String, Function> {
    // The linker keeps what is used.
    black_box((with_maps::all(), by_hand::all()));
    let own = std::env::current_exe().unwrap();
    let data = std::fs::read(own).unwrap();
    let file = object::File::parse(&*data).unwrap();
    let text = file.section_by_name(".text").unwrap();
    let (start, code) = (text.address(), text.data().unwrap());
    file.symbols()
        .filter(|symbol| symbol.size() != 0)
        .filter_map(|symbol| {
            let name = format!("{:#}", rustc_demangle::demangle(symbol.name().ok()?));
            let name = name.strip_prefix("mmarinus_code::")?;
            let at = usize::try_from(symbol.address().checked_sub(start)?).unwrap();
            let size = usize::try_from(symbol.size()).unwrap();
            let function = Function::read(code.get(at..at + size)?, symbol.address());
            Some((name.to_owned(), function))
        })
        .collect()
}

impl Function {
    fn read(code: &[u8], address: u64) -> Self {
        let all: Vec<Instruction> = Decoder::with_ip(64, code, address, DecoderOptions::NONE)
            .into_iter()
            .filter(|instruction| !matches!(instruction.mnemonic(), Mnemonic::Nop | Mnemonic::Int3))
            .collect();
        let place = |target| all.iter().position(|other| other.ip() >= target);
        let inside = address..address + code.len() as u64;
        let line = |instruction: &Instruction| {
            let target = Some(instruction.near_branch_target());
            let target = target.filter(|target| inside.contains(target));
            let target = target.and_then(place);
            let then = match (instruction.flow_control(), target) {
                (FlowControl::UnconditionalBranch, Some(target)) => Then::Jump(target),
                (FlowControl::ConditionalBranch, Some(target)) => Then::Branch(target),
                (
                    FlowControl::UnconditionalBranch
                    | FlowControl::IndirectBranch
                    | FlowControl::Return
                    | FlowControl::Exception,
                    _,
                ) => Then::End,
                _ => Then::Next,
            };
            let text = text_of(*instruction);
            Line { text, then }
        };
        Self(all.iter().map(line).collect())
    }

    /// How many instructions there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// How many instructions are done at least from the first to the end on a way by this one.
    ///
    /// # Panics
    ///
    /// If there is no such instruction, or no such way.
    pub(crate) fn way_by(&self, text: &str) -> usize {
        let through = self.0.iter().position(|line| line.text == text);
        let through = through.unwrap_or_else(|| panic!("no {text} in {self:#?}"));
        let before = self.steps(0, |place| place == through);
        let behind = self.steps(through, |place| self.0[place].then == Then::End);
        before.expect("a way there") + behind.expect("a way on") + 1
    }

    /// How many instructions are done at least before one that is looked for, from this one on.
    fn steps(&self, from: usize, is_there: impl Fn(usize) -> bool) -> Option<usize> {
        let mut seen = vec![false; self.0.len()];
        let mut now = vec![from];
        for steps in 0..=self.0.len() {
            let mut next = Vec::new();
            for place in now {
                if is_there(place) {
                    return Some(steps);
                }
                if place < seen.len() && !mem::replace(&mut seen[place], true) {
                    match self.0[place].then {
                        Then::Next => next.push(place + 1),
                        Then::Jump(target) => next.push(target),
                        Then::Branch(target) => next.extend([place + 1, target]),
                        Then::End => {}
                    }
                }
            }
            now = next;
        }
        None
    }
}

/// The text of an instruction, without the places it names.
fn text_of(mut instruction: Instruction) -> String {
    if instruction.op0_kind() == OpKind::NearBranch64 {
        return format!("{:?}", instruction.mnemonic());
    }
    if instruction.is_ip_rel_memory_operand() {
        instruction.set_memory_displacement64(0);
    }
    let mut text = String::new();
    IntelFormatter::new().format(&instruction, &mut text);
    text
}
