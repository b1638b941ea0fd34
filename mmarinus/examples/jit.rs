//! Compiles an expression to machine code and runs it: `cargo run --example jit -- 'x * x + 1' 1 2 3`.
//!
//! No page is ever writable and executable at once, and the types say which of the two it is: code is written to a
//! `Map<perms::ReadWrite>`, and `reprotect` turns that into a `Map<perms::ReadExecute>`, which has no `write_at` and no
//! `as_mut_slice`. Then `publish` makes the code visible to every core. The one unsafe block is the call.
#![expect(unsafe_code, reason = "calls the code that was made")]

use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use mmarinus::{Map, perms};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [expression, values @ ..] = &args[..] else {
        eprintln!("jit: which expression? cargo run --example jit -- 'x * x + 1' 1 2 3");
        return ExitCode::FAILURE;
    };
    match run(expression, values) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("jit: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Compiles once, and calls for each value.
fn run(expression: &str, values: &[String]) -> Result<()> {
    ensure!(
        cfg!(any(target_arch = "x86_64", target_arch = "aarch64")),
        "this compiler makes code for x86_64 and aarch64 alone"
    );
    let function = Function::compile(expression)?;
    println!("{function}");
    for value in values {
        let x = value
            .parse()
            .with_context(|| format!("{value} is not a whole number of 64 bits"))?;
        println!("f({x}) = {}", function.call(x));
    }
    Ok(())
}

/// A compiled expression in `x`.
struct Function {
    /// A whole function of the C calling convention, from one `i64` to another, that [`Compiler`] made. It reads and writes no
    /// memory but its own stack, of which it needs at most 32 bytes a level of [`DEEPEST`].
    code: Map<perms::ReadExecute>,
}

impl Function {
    fn compile(expression: &str) -> Result<Self> {
        let code = Compiler::compile(expression)?;
        let mut map = Map::bytes(code.len())
            .anywhere()
            .anonymously()
            .with(perms::ReadWrite)?;
        map.copy_from_slice(&code);
        // From here on `map.copy_from_slice` does not compile: there is no `map` any more, and its successor is not writable.
        let code = map.reprotect(perms::ReadExecute)?;
        code.publish(..)?;
        Ok(Self { code })
    }

    fn call(&self, x: i64) -> i64 {
        // SAFETY:
        // - The bytes are a function of that type for this CPU (the field's invariant), and `publish` was called after the last
        //   was written.
        // - The permissions are `ReadExecute`, and the map is private memory of no file: the bytes are what they were.
        // - They are mapped as long as `self` is borrowed, and the function returns before that ends.
        let function: extern "C" fn(i64) -> i64 =
            unsafe { core::mem::transmute(self.code.as_ptr()) };
        function(x)
    }
}

impl core::fmt::Display for Function {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (address, len) = (self.code.addr(), self.code.len());
        write!(
            f,
            "{len} bytes of code at {address:#x}, {:?}:",
            self.code.permissions()
        )?;
        self.code
            .iter()
            .try_for_each(|byte| write!(f, " {byte:02x}"))
    }
}

/// How deep parentheses and signs may be nested: neither compiling nor running uses up the stack.
const DEEPEST: usize = 200;

/// A compiler in one pass: reads the expression from left to right, and emits code that leaves its value in one register.
struct Compiler<'a> {
    rest: &'a [u8],
    code: Vec<u8>,
    depth: usize,
}

impl Compiler<'_> {
    fn compile(expression: &str) -> Result<Vec<u8>> {
        let mut compiler = Compiler {
            rest: expression.as_bytes(),
            code: Vec::new(),
            depth: 0,
        };
        compiler.emit(machine::ENTER);
        compiler.sum()?;
        if let Some(byte) = compiler.peek() {
            bail!("'{}' cannot stand there", byte.escape_ascii());
        }
        compiler.emit(machine::RETURN);
        Ok(compiler.code)
    }

    fn emit(&mut self, code: &[u8]) {
        self.code.extend_from_slice(code);
    }

    /// The next character that is no space.
    fn peek(&mut self) -> Option<u8> {
        self.rest = self.rest.trim_ascii_start();
        self.rest.first().copied()
    }

    /// Takes the next character if it is this one.
    fn take(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.rest = &self.rest[usize::from(is_there)..];
        is_there
    }

    fn sum(&mut self) -> Result<()> {
        self.product()?;
        loop {
            let operation = match self.peek() {
                _ if self.take(b'+') => machine::ADD,
                _ if self.take(b'-') => machine::SUBTRACT,
                _ => return Ok(()),
            };
            self.emit(machine::PUSH);
            self.product()?;
            self.emit(operation);
        }
    }

    fn product(&mut self) -> Result<()> {
        self.factor()?;
        while self.take(b'*') {
            self.emit(machine::PUSH);
            self.factor()?;
            self.emit(machine::MULTIPLY);
        }
        Ok(())
    }

    fn factor(&mut self) -> Result<()> {
        self.depth += 1;
        ensure!(self.depth <= DEEPEST, "it is nested too deep");
        match self.peek() {
            _ if self.take(b'-') => {
                self.factor()?;
                self.emit(machine::NEGATE);
            }
            _ if self.take(b'(') => {
                self.sum()?;
                ensure!(self.take(b')'), "a parenthesis is not closed");
            }
            _ if self.take(b'x') => self.emit(machine::ARGUMENT),
            Some(b'0'..=b'9') => {
                let len = self
                    .rest
                    .iter()
                    .take_while(|byte| byte.is_ascii_digit())
                    .count();
                let (digits, rest) = self.rest.split_at(len);
                let number = str::from_utf8(digits)?
                    .parse()
                    .context("a number has too many digits")?;
                self.rest = rest;
                self.emit(&machine::number(number));
            }
            Some(byte) => bail!("'{}' is no value", byte.escape_ascii()),
            None => bail!("it ends where a value should be"),
        }
        self.depth -= 1;
        Ok(())
    }
}

/// x86_64: the argument stays in `rdi`, the value is in `rax`.
#[cfg(target_arch = "x86_64")]
mod machine {
    pub(crate) const ENTER: &[u8] = &[];
    /// `mov rax, rdi`
    pub(crate) const ARGUMENT: &[u8] = &[0x48, 0x89, 0xf8];
    /// `push rax`
    pub(crate) const PUSH: &[u8] = &[0x50];
    /// `pop rcx; add rax, rcx`
    pub(crate) const ADD: &[u8] = &[0x59, 0x48, 0x01, 0xc8];
    /// `mov rcx, rax; pop rax; sub rax, rcx`
    pub(crate) const SUBTRACT: &[u8] = &[0x48, 0x89, 0xc1, 0x58, 0x48, 0x29, 0xc8];
    /// `pop rcx; imul rax, rcx`
    pub(crate) const MULTIPLY: &[u8] = &[0x59, 0x48, 0x0f, 0xaf, 0xc1];
    /// `neg rax`
    pub(crate) const NEGATE: &[u8] = &[0x48, 0xf7, 0xd8];
    /// `ret`
    pub(crate) const RETURN: &[u8] = &[0xc3];

    /// `mov rax, number`
    pub(crate) fn number(number: i64) -> Vec<u8> {
        [&[0x48, 0xb8], &number.to_le_bytes()[..]].concat()
    }
}

/// aarch64: the argument moves to `x9`, the value is in `x0`.
#[cfg(not(target_arch = "x86_64"))]
mod machine {
    /// `mov x9, x0`
    pub(crate) const ENTER: &[u8] = &[0xe9, 0x03, 0x00, 0xaa];
    /// `mov x0, x9`
    pub(crate) const ARGUMENT: &[u8] = &[0xe0, 0x03, 0x09, 0xaa];
    /// `str x0, [sp, #-16]!`
    pub(crate) const PUSH: &[u8] = &[0xe0, 0x0f, 0x1f, 0xf8];
    /// `ldr x1, [sp], #16; add x0, x1, x0`
    pub(crate) const ADD: &[u8] = &[0xe1, 0x07, 0x41, 0xf8, 0x20, 0x00, 0x00, 0x8b];
    /// `ldr x1, [sp], #16; sub x0, x1, x0`
    pub(crate) const SUBTRACT: &[u8] = &[0xe1, 0x07, 0x41, 0xf8, 0x20, 0x00, 0x00, 0xcb];
    /// `ldr x1, [sp], #16; mul x0, x1, x0`
    pub(crate) const MULTIPLY: &[u8] = &[0xe1, 0x07, 0x41, 0xf8, 0x20, 0x7c, 0x00, 0x9b];
    /// `neg x0, x0`
    pub(crate) const NEGATE: &[u8] = &[0xe0, 0x03, 0x00, 0xcb];
    /// `ret`
    pub(crate) const RETURN: &[u8] = &[0xc0, 0x03, 0x5f, 0xd6];

    /// `movz x0, #part` and three times `movk x0, #part, lsl #shift`
    pub(crate) fn number(number: i64) -> Vec<u8> {
        let instruction = |part: u32| {
            let bits = (number as u64 >> (16 * part) & 0xffff) as u32;
            let operation = if part == 0 { 0xd280_0000 } else { 0xf280_0000 };
            (operation | part << 21 | bits << 5).to_le_bytes()
        };
        (0..4).flat_map(instruction).collect()
    }
}
