//! Runs of pages in the same state, asked from the kernel a few pages at a time.

use core::ffi::c_void;
use core::iter::FusedIterator;
use core::marker::PhantomData;
use core::ops::Range;

use mmarinus_sys::{Errno, page_size};

use crate::error::{Cause, Error, Operation};
use crate::extent::Extent;

/// How many pages are asked about at once.
pub(crate) const ROOM: usize = 64;

/// A question about pages, and the last answers.
pub(crate) trait Ask {
    /// What a page can be.
    type State: Copy + PartialEq;

    /// What is tried, for errors.
    const OPERATION: Operation;

    /// Asks about at most [`ROOM`] pages of a map that lives.
    fn ask(&mut self, first: *const c_void, pages: usize) -> Result<(), Errno>;

    /// The answer about one of them; `None` if the page is not to be told.
    fn answer(&self, page: usize) -> Option<Self::State>;
}

/// Offsets in the map, and the state of the pages there.
type Run<S> = (Range<usize>, S);

/// The runs of pages of a range of bytes that are in the same state.
#[derive(Debug)]
pub(crate) struct Runs<'m, A> {
    /// The whole map.
    extent: Extent,
    ask: A,
    /// Offsets in the map: what is left to tell.
    left: Range<usize>,
    /// Offsets in the map: what the last answers are about. They start with a page, or the map.
    asked: Range<usize>,
    map: PhantomData<&'m ()>,
}

impl<A: Ask> Runs<'_, A> {
    /// The runs of a range, which lies in the map that the extent is of; it is borrowed for as long as they are told.
    pub(crate) fn new(extent: Extent, range: Range<usize>, ask: A) -> Self {
        Self {
            extent,
            ask,
            left: range,
            asked: 0..0,
            map: PhantomData,
        }
    }

    /// The address of the page that an offset is in.
    fn page_of(&self, offset: usize) -> usize {
        (self.extent.as_ptr().addr() + offset) & !(page_size() - 1)
    }

    /// The offset at which the page after the one of `offset` starts.
    fn next_page(&self, offset: usize) -> usize {
        self.page_of(offset) + page_size() - self.extent.as_ptr().addr()
    }

    /// The state of the page that holds the first byte that is left.
    fn state(&mut self) -> Result<Option<A::State>, Errno> {
        if !self.asked.contains(&self.left.start) {
            let first = self.page_of(self.left.start);
            let pages = (self.page_of(self.left.end - 1) - first) / page_size() + 1;
            let pages = pages.min(ROOM);
            let address = self.extent.as_ptr().with_addr(first).cast_const().cast();
            self.ask.ask(address, pages)?;
            let end = first + pages * page_size() - self.extent.as_ptr().addr();
            self.asked = self.left.start..end;
        }
        let page = (self.page_of(self.left.start) - self.page_of(self.asked.start)) / page_size();
        Ok(self.ask.answer(page))
    }

    /// Tells the next run.
    fn run(&mut self) -> Result<Option<Run<A::State>>, Errno> {
        let mut run: Option<Run<A::State>> = None;
        while !self.left.is_empty() {
            let state = self.state()?;
            match (&run, state) {
                (Some((_, of_run)), state) if state != Some(*of_run) => break,
                _ => {}
            }
            let end = self.next_page(self.left.start).min(self.left.end);
            if let Some(state) = state {
                let start = run.map_or(self.left.start, |(run, _)| run.start);
                run = Some((start..end, state));
            }
            self.left.start = end;
        }
        Ok(run)
    }
}

impl<A: Ask> Iterator for Runs<'_, A> {
    type Item = Result<Run<A::State>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.run()
            .map_err(|errno| {
                let figures = [self.left.len(), self.page_of(self.left.start)];
                // There is nothing more to tell.
                self.left.start = self.left.end;
                Cause::kernel(A::OPERATION, errno, figures).into()
            })
            .transpose()
    }
}

impl<A: Ask> FusedIterator for Runs<'_, A> {}
