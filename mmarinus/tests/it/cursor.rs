//! Cursors: maps and views as `Read`, `Write` and `Seek`; and files in chunks that may be truncated at any moment.

use std::io::{BufRead, BufReader, Cursor as Model, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

use mmarinus::{Errno, Fault, Map, Private, ProtFlags, Reservation, Shared, Source, perms};

use crate::common::{anonymous, bytes_of, exposed, file_map, memory_file, page, patterned, shared};
use crate::raw::stable;

/// Asserts that a cursor does what one of the standard library over the same bytes does.
fn assert_like_a_file(mut cursor: impl Read + Write + Seek, len: usize) {
    let mut model_bytes = vec![0; len];
    cursor.rewind().unwrap();
    cursor.write_all(&vec![0; len]).unwrap();
    cursor.rewind().unwrap();
    let mut model = Model::new(&mut model_bytes[..]);
    let mut step = 12345_usize;
    for _ in 0..400 {
        step = step
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695);
        let number = step >> 33;
        match number % 7 {
            0 | 1 => {
                let bytes: Vec<u8> = (0..number % 300).map(|i| (i + number) as u8).collect();
                assert_eq!(cursor.write(&bytes).unwrap(), model.write(&bytes).unwrap());
            }
            2 | 3 => {
                let (mut one, mut two) = (vec![1; number % 500], vec![1; number % 500]);
                assert_eq!(
                    cursor.read(&mut one).unwrap(),
                    model.read(&mut two).unwrap()
                );
                assert_eq!(one, two);
            }
            4 => {
                let to = SeekFrom::Start((number % (len + 50)) as u64);
                assert_eq!(cursor.seek(to).unwrap(), model.seek(to).unwrap());
            }
            5 => {
                let to = SeekFrom::Current(number as i64 % 500 - 250);
                assert_eq!(cursor.seek(to).ok(), model.seek(to).ok());
            }
            _ => {
                let to = SeekFrom::End(number as i64 % 500 - 450);
                assert_eq!(cursor.seek(to).ok(), model.seek(to).ok());
            }
        }
        assert_eq!(cursor.stream_position().unwrap(), model.position());
        cursor.flush().unwrap();
    }
    let mut bytes = Vec::new();
    cursor.rewind().unwrap();
    cursor.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, model_bytes);
}

#[test]
fn a_cursor_is_like_one_of_the_standard_library() {
    let len = page() + 77;
    assert_like_a_file(anonymous(len).cursor_mut(), len);
    assert_like_a_file(shared(len).cursor(), len);
    assert_like_a_file(shared(len).cursor_mut(), len);
    assert_like_a_file(exposed(len).cursor(), len);
    assert_like_a_file(file_map(len, Private).cursor(), len);
    assert_like_a_file(file_map(len, Shared).view(..).unwrap().cursor(), len);
    assert_like_a_file(stable(len, Private, perms::ReadWrite).cursor_mut(), len);
    assert_like_a_file(shared(len).forget_permissions().cursor(), len);
    let map = shared(len + 100);
    assert_like_a_file(map.view(50..50 + len).unwrap().cursor(), len);
    let mut ends = vec![0; 50];
    map.read_at(0, &mut ends).unwrap();
    assert_eq!(ends, [0; 50], "what is outside of the view is not written");
}

#[test]
fn positions_at_and_behind_the_end() {
    let map = shared(100);
    let mut cursor = map.cursor();
    for position in [100, 101, u64::MAX] {
        cursor.set_position(position);
        assert_eq!(cursor.read(&mut [0; 5]).unwrap(), 0);
        assert_eq!(cursor.write(b"hello").unwrap(), 0);
        assert_eq!(
            cursor.write_all(b"hello").unwrap_err().kind(),
            ErrorKind::WriteZero
        );
        assert_eq!(cursor.position(), position);
    }
    assert_eq!(
        cursor.seek(SeekFrom::Current(1)).unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
    assert_eq!(
        cursor.seek(SeekFrom::End(-101)).unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
    assert_eq!(
        cursor.seek(SeekFrom::Current(i64::MIN)).unwrap(),
        u64::MAX - (1 << 63)
    );
    assert_eq!(cursor.seek(SeekFrom::End(-100)).unwrap(), 0);
    cursor.write_all(&[1; 100]).unwrap();
    assert_eq!(cursor.into_inner().addr(), map.addr());
    assert_eq!(bytes_of(&map), [1; 100]);
}

#[test]
fn a_fault_comes_after_the_bytes_before_it() {
    let file = memory_file(4 * page());
    let mut map = Map::bytes(4 * page())
        .from(&file, 0)
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap();
    file.set_len(2 * page() as u64).unwrap();
    let mut cursor = map.cursor();
    let mut buffer = vec![0; 4 * page()];
    cursor.set_position(100);
    assert_eq!(cursor.read(&mut buffer).unwrap(), 2 * page() - 100);
    assert_eq!(buffer[..2 * page() - 100], patterned(100, 2 * page() - 100));
    for _ in 0..2 {
        let error = cursor.read(&mut buffer).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::FAULT.raw_os_error()));
        assert_eq!(cursor.position(), 2 * page() as u64);
    }
    // The file is there again, and so are its bytes.
    file.set_len(4 * page() as u64).unwrap();
    assert_eq!(cursor.read(&mut buffer).unwrap(), 2 * page());
    file.set_len(page() as u64).unwrap();

    let mut all = Vec::new();
    assert_eq!(
        map.cursor()
            .read_to_end(&mut all)
            .unwrap_err()
            .raw_os_error(),
        Some(Errno::FAULT.raw_os_error())
    );
    assert_eq!(all, patterned(0, page()), "what was read stays read");

    let mut cursor = map.cursor_mut();
    cursor.seek(SeekFrom::Start(page() as u64 - 3)).unwrap();
    assert_eq!(cursor.write(b"hello").unwrap(), 3);
    assert_eq!(
        cursor.write(b"lo").unwrap_err().raw_os_error(),
        Some(Errno::FAULT.raw_os_error())
    );
    assert_eq!(cursor.position(), page() as u64);
}

#[test]
fn permissions_at_run_time_are_asked() {
    let map = shared(page())
        .reprotect(perms::Unknown(mmarinus::ProtFlags::READ))
        .unwrap();
    let error = map.cursor().write(b"x").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(map.cursor().read(&mut [0; 9]).unwrap(), 9);
}

#[test]
fn lines_and_copies() {
    let mut map = anonymous(page());
    map.cursor_mut().write_all(b"one\ntwo\nthree\n").unwrap();
    let view = map.view(..14).unwrap();
    let lines: Vec<String> = BufReader::new(view.cursor())
        .lines()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(lines, ["one", "two", "three"]);
    let mut copied = Vec::new();
    assert_eq!(std::io::copy(&mut view.cursor(), &mut copied).unwrap(), 14);
    assert_eq!(copied, b"one\ntwo\nthree\n");
}

#[test]
fn chunks_of_a_file_that_is_cut_meanwhile() {
    let file = memory_file(8 * page());
    let map = Map::bytes(8 * page())
        .from(&file, 0)
        .with(perms::Read)
        .unwrap();
    let view = map.view(..).unwrap();
    let (mut seen, mut faults) = (Vec::new(), 0);
    for (number, chunk) in view.chunks(1000).enumerate() {
        if number == 10 {
            file.set_len(3 * page() as u64 + 17).unwrap();
        }
        let mut buffer = vec![0; chunk.len()];
        let copied = match chunk.copy_to(&mut buffer) {
            Ok(copied) => copied,
            Err(fault) => {
                assert_eq!(fault.errno(), Errno::FAULT);
                faults += 1;
                fault.copied()
            }
        };
        seen.extend_from_slice(&buffer[..copied]);
    }
    // The page that the file ends in is whole, and zeros from there on.
    let mut expected = patterned(0, 4 * page());
    expected[3 * page() + 17..].fill(0);
    assert_eq!(seen, expected);
    assert_eq!(faults, (8 * page()).div_ceil(1000) - 4 * page() / 1000);
}

#[test]
fn a_window_has_a_cursor() {
    let len = page() + 77;
    let reservation = Reservation::new(4 * page()).unwrap();
    let both = ProtFlags::READ | ProtFlags::WRITE;
    reservation.protect(page()..3 * page(), both).unwrap();
    let window = reservation.view(page() + 5..page() + 5 + len).unwrap();
    assert_like_a_file(window.cursor(), len);
    assert_eq!(window.cursor().into_inner().addr(), window.addr());
}

#[test]
fn a_cursor_of_a_window_stops_where_nothing_is_placed() {
    let reservation = Reservation::new(4 * page()).unwrap();
    let file = memory_file(2 * page());
    let source = Source::of(&file).unwrap();
    reservation
        .place(0..2 * page(), &source, 0, Shared, ProtFlags::READ)
        .unwrap();
    let mut cursor = reservation.view(10..).unwrap().cursor();
    let mut bytes = vec![0; 4 * page()];
    // The bytes before the hole come, then the error, as often as it is asked for.
    assert_eq!(cursor.read(&mut bytes).unwrap(), 2 * page() - 10);
    assert_eq!(bytes[..2 * page() - 10], patterned(10, 2 * page() - 10));
    for _ in 0..2 {
        let error = cursor.read(&mut bytes).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::FAULT.raw_os_error()));
        assert_eq!(cursor.position(), 2 * page() as u64 - 10);
    }
    // A file that was truncated is a hole as well, and what may not be written is an error.
    cursor.rewind().unwrap();
    assert!(cursor.write(b"no").is_err());
    file.set_len(page() as u64).unwrap();
    assert_eq!(cursor.read(&mut bytes).unwrap(), page() - 10);
    assert!(cursor.read(&mut bytes).is_err());
    // At the end there is nothing, and behind it as well.
    cursor.seek(SeekFrom::End(0)).unwrap();
    assert_eq!(cursor.read(&mut bytes).unwrap(), 0);
    cursor.set_position(u64::MAX);
    assert_eq!(cursor.read(&mut bytes).unwrap(), 0);
    assert_eq!(cursor.write(b"no").unwrap(), 0);
}

#[test]
fn a_window_in_chunks_is_the_window() {
    let reservation = Reservation::new(4 * page()).unwrap();
    reservation.protect(.., ProtFlags::READ).unwrap();
    let window = reservation.view(3..3 * page() + 1).unwrap();
    for size in [1, 7, page(), window.len(), usize::MAX] {
        let chunks = window.chunks(size);
        assert_eq!(chunks.len(), window.len().div_ceil(size));
        let mut next = window.addr();
        for chunk in chunks {
            assert_eq!((chunk.addr(), chunk.is_empty()), (next, false));
            assert!(chunk.len() <= size);
            next += chunk.len();
        }
        assert_eq!(next, window.addr() + window.len());
    }
    assert_eq!(window.sub(0..0).unwrap().chunks(5).len(), 0);
    assert!(std::panic::catch_unwind(|| window.chunks(0).len()).is_err());
}

/// Asserts that bytes are those of the file, or zeros where it was cut and extended again.
fn assert_from_the_file(bytes: &[u8], offset: usize) {
    for (index, (&byte, expected)) in bytes.iter().zip(patterned(offset, bytes.len())).enumerate() {
        assert!(
            byte == expected || byte == 0,
            "byte {}: {byte}",
            offset + index
        );
    }
}

/// `copy_to` of some chunk.
type CopyTo<'chunk> = &'chunk dyn Fn(&mut [u8]) -> Result<usize, Fault>;

#[test]
fn chunks_and_lines_while_another_thread_cuts_the_file() {
    let len = 8 * page() + 100;
    let file = memory_file(len);
    let map = Map::bytes(len)
        .from(&file, 0)
        .with_kind(Shared)
        .with(perms::Read)
        .unwrap();
    let reservation = Reservation::new(9 * page()).unwrap();
    reservation
        .place(.., &Source::of(&file).unwrap(), 0, Shared, ProtFlags::READ)
        .unwrap();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (view, window) = (
                map.view(..).unwrap(),
                reservation.view(..).unwrap().sub(..len).unwrap(),
            );
            let mut buffer = vec![0; 1000];
            for _ in 0..60 {
                let chunks = view.chunks(1000).zip(window.chunks(1000));
                for (index, (chunk, same)) in chunks.enumerate() {
                    let copies: [CopyTo<'_>; 2] = [&|buffer| chunk.copy_to(buffer), &|buffer| {
                        same.copy_to(buffer)
                    }];
                    for copy in copies {
                        let copied = match copy(&mut buffer) {
                            Ok(copied) => copied,
                            Err(fault) => {
                                assert_eq!(fault.errno(), Errno::FAULT);
                                fault.copied()
                            }
                        };
                        assert_from_the_file(&buffer[..copied], index * 1000);
                    }
                }
                for mut reader in [
                    Box::new(view.cursor()) as Box<dyn Read>,
                    Box::new(window.cursor()),
                ] {
                    let mut all = Vec::new();
                    match reader.read_to_end(&mut all) {
                        Ok(count) => assert_eq!(count, len),
                        Err(error) => {
                            assert_eq!(error.raw_os_error(), Some(Errno::FAULT.raw_os_error()));
                        }
                    }
                    assert_from_the_file(&all, 0);
                }
            }
        });
        let bytes = patterned(0, len);
        let mut size = 0;
        while !reader.is_finished() {
            size = (size + 1013) % len;
            file.set_len(size as u64).unwrap();
            file.write_all_at(&bytes, 0).unwrap();
        }
    });
}
