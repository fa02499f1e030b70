//! Memory that is handed out by moving a pointer and taken back all at once.
//!
//! Blocks of 64 MiB; an allocation lies in one block, starts on 8 bytes, reads as zeros, and is named by a `u32`:
//! the block's number in the upper 6 bits, the place in it in the lower 26. Offset 0 is null: the first
//! 8 bytes are never handed out. A block is a byte vector that grows as it fills, so a transaction of
//! one row commits some hundred bytes and not 64 MiB.

/// Bits of an offset that say where in its block.
const BLOCK_BITS: u32 = 26;

/// Bytes in a block: the most that one allocation can ask for.
pub const BLOCK: usize = 1 << BLOCK_BITS;

/// Allocations start on multiples of this.
const ALIGN: usize = 8;

/// The bump allocator.
#[derive(Clone, Debug, Default)]
pub struct Arena {
    blocks: Vec<Vec<u8>>,
}

impl Arena {
    /// An arena that holds no memory yet.
    pub fn new() -> Arena {
        Arena::default()
    }

    /// `size` zero bytes; `None` when they do not fit one block or all 4 GiB of offsets are used.
    pub fn allocate(&mut self, size: usize) -> Option<u32> {
        let room = BLOCK - if self.blocks.len() <= 1 { ALIGN } else { 0 };
        if size > room {
            return None;
        }
        let full = self.blocks.last().is_none_or(|block| block.len().next_multiple_of(ALIGN) + size > BLOCK);
        if full {
            if self.blocks.len() == 1 << (32 - BLOCK_BITS) {
                return None;
            }
            let reserved = if self.blocks.is_empty() { ALIGN } else { 0 };
            self.blocks.push(vec![0; reserved]);
        }
        let number = self.blocks.len() - 1;
        let block = &mut self.blocks[number];
        let start = block.len().next_multiple_of(ALIGN);
        block.resize(start + size, 0);
        Some((number << BLOCK_BITS | start) as u32)
    }

    /// The bytes from an offset to the end of what its block holds.
    #[inline]
    pub fn at(&self, offset: u32) -> &[u8] {
        let block = &self.blocks[(offset >> BLOCK_BITS) as usize];
        &block[(offset as usize) & (BLOCK - 1)..]
    }

    /// As [`Arena::at`], to write.
    #[inline]
    pub fn at_mut(&mut self, offset: u32) -> &mut [u8] {
        let block = &mut self.blocks[(offset >> BLOCK_BITS) as usize];
        &mut block[(offset as usize) & (BLOCK - 1)..]
    }

    /// Bytes handed out, with the gaps between them.
    pub fn used(&self) -> usize {
        self.blocks.iter().map(Vec::len).sum()
    }

    /// Takes everything back. The first block's memory is kept for what comes next.
    pub fn clear(&mut self) {
        self.blocks.truncate(1);
        if let Some(block) = self.blocks.first_mut() {
            block.truncate(ALIGN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hands_out_aligned_zeros_across_blocks() {
        let mut arena = Arena::new();
        let first = arena.allocate(3).unwrap();
        assert_eq!(first, 8);
        arena.at_mut(first)[..3].copy_from_slice(b"abc");
        let second = arena.allocate(1).unwrap();
        assert_eq!(second, 16);
        assert_eq!(arena.allocate(BLOCK + 1), None);
        let next = arena.allocate(BLOCK - 8).unwrap();
        assert_eq!(next as usize, BLOCK);
        assert_eq!(&arena.at(first)[..3], b"abc");
        arena.clear();
        assert_eq!(arena.allocate(8), Some(8));
        assert_eq!(arena.at(8), [0; 8]);
    }
}
