// SPDX-License-Identifier: Apache-2.0

package direct

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// hasher is XXH3-64 with a seed for up to longestKey bytes (Collet, https://github.com/Cyan4973/xxHash, the
// specification in doc/xxhash_spec.md).
type hasher struct {
	secret  [16]uint64 // with the seed in it, for keys of 17 bytes and more
	seed    uint64
	flips   [3]uint64 // for up to 3, 8 and 16 bytes
	flipTop uint64    // for up to 16
}

const longestKey = 128

const (
	prime64_1 = 0x9e3779b185ebca87
	prime64_2 = 0xc2b2ae3d27d4eb4f
	prime64_3 = 0x165667b19e3779f9
)

// The first words of XXH3's secret.
var secretWords = [16]uint64{
	0xbe4ba423396cfeb8, 0x1cad21f72c81017c, 0xdb979083e96dd4de, 0x1f67b3b7a4a44072,
	0x78e5c0cc4ee679cb, 0x2172ffcc7dd05a82, 0x8e2443f7744608b8, 0x4c263a81e69035e0,
	0xcb00c391bb52283c, 0xa32e531b8b65d088, 0x4ef90da297486471, 0xd8acdea946ef1938,
	0x3f349ce33f76faa8, 0x1d4f0bc7c7bbdcf9, 0x3159b4cd4be0518a, 0x647378d9c97e9fc8,
}

func newHasher(seed uint64) hasher {
	h := hasher{seed: seed}
	for i, word := range secretWords {
		if i%2 == 0 {
			h.secret[i] = word + seed
		} else {
			h.secret[i] = word - seed
		}
	}
	first := secretWords[0]
	h.flips[0] = uint64(uint32(first)^uint32(first>>32)) + seed
	swapped := seed ^ uint64(bits.ReverseBytes32(uint32(seed)))<<32
	h.flips[1] = (secretWords[1] ^ secretWords[2]) - swapped
	h.flips[2] = (secretWords[3] ^ secretWords[4]) + seed
	h.flipTop = (secretWords[5] ^ secretWords[6]) - seed
	return h
}

func word(at unsafe.Pointer, offset int) uint64 {
	return binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(at, offset))[:])
}

func half(at unsafe.Pointer, offset int) uint64 {
	return uint64(binary.LittleEndian.Uint32((*[4]byte)(unsafe.Add(at, offset))[:]))
}

func fold(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return high ^ low
}

func avalanche(h uint64) uint64 {
	h ^= h >> 37
	h *= 0x165667919e3779f9
	return h ^ h>>32
}

// piece is what 16 bytes of the key give with the secret's words from number i on.
func (h *hasher) piece(key unsafe.Pointer, offset, i int) uint64 {
	return fold(word(key, offset)^h.secret[i&15], word(key, offset+8)^h.secret[(i+1)&15])
}

func (h *hasher) hash(key unsafe.Pointer, n int) uint64 {
	if n > 16 && n <= 32 {
		return avalanche(uint64(n)*prime64_1 + h.piece(key, 0, 0) + h.piece(key, n-16, 2))
	}
	if n > 32 {
		return h.hashLong(key, n)
	}
	return h.hashShort(key, n)
}

func (h *hasher) hashLong(key unsafe.Pointer, n int) uint64 {
	sum := uint64(n) * prime64_1
	for i := (n - 1) / 32; i >= 0; i-- {
		sum += h.piece(key, 16*i, 4*i) + h.piece(key, n-16*(i+1), 4*i+2)
	}
	return avalanche(sum)
}

func (h *hasher) hashShort(key unsafe.Pointer, n int) uint64 {
	if n > 8 {
		low, high := word(key, 0)^h.flips[2], word(key, n-8)^h.flipTop
		return avalanche(uint64(n) + bits.ReverseBytes64(low) + high + fold(low, high))
	}
	if n > 3 {
		keyed := (half(key, n-4) + half(key, 0)<<32) ^ h.flips[1]
		keyed ^= bits.RotateLeft64(keyed, 49) ^ bits.RotateLeft64(keyed, 24)
		keyed *= 0x9fb21c651e98df25
		keyed ^= keyed>>35 + uint64(n)
		keyed *= 0x9fb21c651e98df25
		return keyed ^ keyed>>28
	}
	first, middle, last := *(*byte)(key), *(*byte)(unsafe.Add(key, n>>1)), *(*byte)(unsafe.Add(key, n-1))
	keyed := uint64(uint32(first)<<16|uint32(middle)<<24|uint32(last)|uint32(n)<<8) ^ h.flips[0]
	keyed ^= keyed >> 33
	keyed *= prime64_2
	keyed ^= keyed >> 29
	keyed *= prime64_3
	return keyed ^ keyed>>32
}
