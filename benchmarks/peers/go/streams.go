// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"unsafe"
)

const keySize = 20

// stream is keys one after the other in one piece of memory, so that what is measured is the cache and
// not where the keys lie; number tells them apart for the check of values.
type stream struct {
	packed  []byte
	numbers []uint32
}

func (s stream) len() int { return len(s.numbers) }

func (s stream) key(i int) string {
	return unsafe.String(&s.packed[i*keySize], keySize)
}

func makeStream(count int, number func(i int) uint32) stream {
	s := stream{make([]byte, 0, count*keySize), make([]uint32, count)}
	for i := range count {
		s.numbers[i] = number(i)
		s.packed = fmt.Appendf(s.packed, "key-%016x", s.numbers[i])
	}
	return s
}

func inOrder(count, from int) stream {
	return makeStream(count, func(i int) uint32 { return uint32(from + i) })
}

func uniform(count, keys int, random *rand.Rand) stream {
	return makeStream(count, func(int) uint32 { return uint32(random.IntN(keys)) })
}

// zipf draws by inversion from the continuous distribution of this exponent below 1 or at least other
// than 1, and scatters the ranks over the keys.
func zipf(count, keys int, exponent float64, random *rand.Rand) stream {
	scatter := random.Perm(keys)
	n, e := float64(keys), 1-exponent
	return makeStream(count, func(int) uint32 {
		rank := math.Pow(random.Float64()*(math.Pow(n+1, e)-1)+1, 1/e) - 1
		return uint32(scatter[min(int(rank), keys-1)])
	})
}

// fillValue makes the value of a key: its number, then bytes that follow from it.
func fillValue(value []byte, number uint32) {
	for i := range value {
		value[i] = byte(number) + byte(i)
	}
	binary.LittleEndian.PutUint32(value, number)
}

// verify ends the program when a cache returns another key's value, or half of one.
func verify(value []byte, number uint32, size int) {
	if len(value) != size || binary.LittleEndian.Uint32(value) != number || value[size-1] != byte(number)+byte(size-1) {
		panic(fmt.Sprintf("the value of key %d is wrong: %d bytes", number, len(value)))
	}
}

func bytesOf(key string) []byte { return unsafe.Slice(unsafe.StringData(key), len(key)) }

func clone(key string) string { return strings.Clone(key) }

func check(err error) {
	if err != nil {
		panic(err)
	}
}
