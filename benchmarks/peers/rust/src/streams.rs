// SPDX-License-Identifier: Apache-2.0
//! Keys, made before the clock runs and one after the other in memory; and values that tell whose they are.

use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, Zipf};

pub const KEY_SIZE: usize = 20;

pub struct Stream {
    packed: Vec<u8>,
    pub numbers: Vec<u32>,
}

impl Stream {
    pub fn of(numbers: Vec<u32>) -> Stream {
        let packed = numbers.iter().flat_map(|number| format!("key-{number:016x}").into_bytes()).collect();
        Stream { packed, numbers }
    }

    pub fn in_order(count: usize) -> Stream {
        Stream::of((0..count as u32).collect())
    }

    pub fn uniform(count: usize, keys: usize, seed: u64) -> Stream {
        let mut random = SmallRng::seed_from_u64(seed);
        Stream::of((0..count).map(|_| random.random_range(0..keys as u32)).collect())
    }

    /// Ranks of this distribution, scattered over the keys.
    pub fn zipf(count: usize, keys: usize, exponent: f64, seed: u64) -> Stream {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut scatter: Vec<u32> = (0..keys as u32).collect();
        scatter.shuffle(&mut random);
        let ranks = Zipf::new(keys as f64, exponent).unwrap();
        Stream::of((0..count).map(|_| scatter[ranks.sample(&mut random) as usize - 1]).collect())
    }

    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    pub fn key(&self, i: usize) -> &[u8] {
        &self.packed[i * KEY_SIZE..(i + 1) * KEY_SIZE]
    }
}

pub fn fill_value(value: &mut [u8], number: u32) {
    for (i, byte) in value.iter_mut().enumerate() {
        *byte = (number as u8).wrapping_add(i as u8);
    }
    value[..4].copy_from_slice(&number.to_le_bytes());
}

pub fn verify(value: &[u8], number: u32, size: usize) {
    let last = (number as u8).wrapping_add((size - 1) as u8);
    assert!(
        value.len() == size && value[..4] == number.to_le_bytes() && value[size - 1] == last,
        "the value of key {number} is another's"
    );
}
