//! One line of `/proc/PID/maps`, taken apart.

use mmarinus_sys::ProtFlags;

/// What a line of `/proc/PID/maps` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) prot: ProtFlags,
    pub(crate) shared: bool,
    pub(crate) offset: u64,
    pub(crate) device: (u32, u32),
    pub(crate) inode: u64,
    /// As it stands in the line, without the spaces before it; [`unescape`] makes the name of it.
    pub(crate) name: &'a [u8],
}

impl<'a> Line<'a> {
    /// Takes a line apart, which comes without its newline; `None` if it is none that begins as the kernel's do.
    ///
    /// Letters that are not known, or too many of them, are no reason to refuse a line.
    pub(crate) fn parse(line: &'a [u8]) -> Option<Self> {
        let (start, rest) = number(line, 16)?;
        let (end, rest) = number(rest.strip_prefix(b"-")?, 16)?;
        let (letters, rest) = word(rest.strip_prefix(b" ")?);
        let (offset, rest) = number(rest.strip_prefix(b" ")?, 16)?;
        let (major, rest) = number(rest.strip_prefix(b" ")?, 16)?;
        let (minor, rest) = number(rest.strip_prefix(b":")?, 16)?;
        let (inode, rest) = number(rest.strip_prefix(b" ")?, 10)?;
        if start >= end || letters.len() < 4 || !rest.is_empty() && rest[0] != b' ' {
            return None;
        }
        let mut prot = ProtFlags::empty();
        for (letter, flag) in [
            (b'r', ProtFlags::READ),
            (b'w', ProtFlags::WRITE),
            (b'x', ProtFlags::EXEC),
        ] {
            prot.set(flag, letters.contains(&letter));
        }
        // A name may end with a space, but begins with none.
        let spaces = rest.iter().take_while(|&&byte| byte == b' ').count();
        Some(Self {
            start,
            end,
            prot,
            shared: letters.contains(&b's'),
            offset,
            device: (major.try_into().ok()?, minor.try_into().ok()?),
            inode,
            name: &rest[spaces..],
        })
    }
}

/// The bytes of a name: a newline stands in the line as `\012`.
pub(crate) fn unescape(name: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let mut rest = name;
    core::iter::from_fn(move || {
        let (byte, after) = match rest {
            [b'\\', b'0', b'1', b'2', after @ ..] => (b'\n', after),
            [byte, after @ ..] => (*byte, after),
            [] => return None,
        };
        rest = after;
        Some(byte)
    })
}

/// The number at the start, without a sign, and what follows it; `None` if there is none or it is too large.
pub(crate) fn number(text: &[u8], radix: u32) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    let mut len = 0;
    while let Some(digit) = text
        .get(len)
        .and_then(|&byte| char::from(byte).to_digit(radix))
    {
        value = value
            .checked_mul(u64::from(radix))?
            .checked_add(u64::from(digit))?;
        len += 1;
    }
    (len != 0).then(|| (value, &text[len..]))
}

/// What stands before the first space, and the rest.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let len = text.iter().position(|&byte| byte == b' ');
    text.split_at(len.unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    /// A line as the kernel prints it.
    fn print(line: Line<'_>) -> Vec<u8> {
        let letter = |flag, letter| {
            if line.prot.contains(flag) {
                letter
            } else {
                '-'
            }
        };
        let mut text = std::format!(
            "{:08x}-{:08x} {}{}{}{} {:08x} {:02x}:{:02x} {} ",
            line.start,
            line.end,
            letter(ProtFlags::READ, 'r'),
            letter(ProtFlags::WRITE, 'w'),
            letter(ProtFlags::EXEC, 'x'),
            if line.shared { 's' } else { 'p' },
            line.offset,
            line.device.0,
            line.device.1,
            line.inode
        )
        .into_bytes();
        if !line.name.is_empty() {
            text.resize(text.len().max(73), b' ');
            text.extend(line.name);
        }
        text
    }

    #[test]
    fn the_lines_of_a_process_are_understood() {
        let line = Line::parse(
            b"55f0c0a4d000-55f0c0a52000 r-xp 00002000 fe:01 1234567                    /usr/bin/cat",
        );
        let expected = Line {
            start: 0x55f0_c0a4_d000,
            end: 0x55f0_c0a5_2000,
            prot: ProtFlags::READ | ProtFlags::EXEC,
            shared: false,
            offset: 0x2000,
            device: (0xfe, 1),
            inode: 1_234_567,
            name: b"/usr/bin/cat",
        };
        assert_eq!(line, Some(expected));
        // No name, and the last page of the address space.
        let line =
            Line::parse(b"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 ").unwrap();
        assert_eq!((line.start, line.name), (0xffff_ffff_ff60_0000, &b""[..]));
    }

    #[test]
    fn devices_have_large_numbers() {
        let line =
            Line::parse(b"1000-2000 rw-s ffffffffffffe000 103:fffff 18446744073709551615 /x");
        let line = line.unwrap();
        assert_eq!(line.device, (0x103, 0xf_ffff));
        assert_eq!((line.offset, line.inode), (u64::MAX - 0x1fff, u64::MAX));
        assert!(line.shared);
    }

    #[test]
    fn names_are_any_bytes() {
        for name in [
            &b"/a b  c "[..],
            b"/gone (deleted)",
            b"[anon:a b]",
            b"[stack]",
            b"/memfd:x (deleted)",
            b"anon_inode:[io_uring]",
            b"/\xff\xfe",
            b"/line\\012feed",
        ] {
            let mut text = b"1000-2000 r--p 00000000 00:01 7      ".to_vec();
            text.extend(name);
            assert_eq!(Line::parse(&text).unwrap().name, name);
        }
        let long = [b'x'; 10_000];
        let mut text = b"1000-2000 r--p 00000000 00:01 7 ".to_vec();
        text.extend(long);
        assert_eq!(Line::parse(&text).unwrap().name, long);
        assert!(unescape(b"/line\\012feed\\01").eq(*b"/line\nfeed\\01"));
    }

    #[test]
    fn letters_that_nobody_knows_are_passed_over() {
        let line = Line::parse(b"1000-2000 rQxs?! 00000000 00:00 0").unwrap();
        assert_eq!(line.prot, ProtFlags::READ | ProtFlags::EXEC);
        assert!(line.shared);
    }

    #[test]
    fn what_is_no_line_is_refused() {
        for text in [
            &b""[..],
            b"-",
            b"1000",
            b"1000-",
            b"2000-1000 r--p 00000000 00:00 0",
            b"1000-1000 r--p 00000000 00:00 0",
            b"1000-2000 r-- 00000000 00:00 0",
            b"1000-2000 r--p 00000000 00:00 ",
            b"1000-2000 r--p 00000000 00:00 0x",
            b"1000-2000 r--p 00000000 00 0",
            b"+1000-2000 r--p 00000000 00:00 0",
            b"10000000000000000-2000 r--p 00000000 00:00 0",
            b"1000-2000 r--p 00000000 100000000:00 0",
            b"Rss:                   4 kB",
        ] {
            assert_eq!(Line::parse(text), None, "{}", text.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = Line::parse(&bytes);
            prop_assert!(unescape(&bytes).count() <= bytes.len());
        }

        #[test]
        fn no_change_of_a_line_makes_it_panic(at in 0_usize..59, byte: u8, cut in 0_usize..59) {
            let mut text = *b"7f0000000000-7f0000001000 rw-p 00000000 103:1ff 123 /a b c d";
            text[at] = byte;
            for text in [&text[..], &text[..cut]] {
                let name = Line::parse(text).map_or(&b""[..], |line| line.name);
                prop_assert!(text.ends_with(name));
            }
        }

        #[test]
        fn a_printed_line_parses_back(
            start: u64,
            end: u64,
            bits in 0_u32..8,
            shared: bool,
            offset: u64,
            device: (u32, u32),
            inode: u64,
            name in "(/[^\n]*)?",
        ) {
            prop_assume!(start < end);
            let prot = ProtFlags::from_bits_truncate(bits);
            let name = name.as_bytes();
            let line = Line { start, end, prot, shared, offset, device, inode, name };
            let text = print(line);
            prop_assert_eq!(Line::parse(&text), Some(line));
        }
    }
}
