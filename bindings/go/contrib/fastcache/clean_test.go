// SPDX-License-Identifier: Apache-2.0

package fastcache

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	original "github.com/VictoriaMetrics/fastcache"
)

// A state of a blockchain of which a quarter of the keys asked for stands for nothing, and whose other values are of
// 32 to 600 bytes as nodes of tries are: far more than the smallest cache has room for.
const (
	stateKeys  = 300_000
	stateReads = 700_000
)

// stateValue is the value of a key: nothing, or bytes that only its number says.
func stateValue(number uint64) []byte {
	mixed := number * 0x9e3779b97f4a7c15
	if mixed>>62 == 0 {
		return nil
	}
	return bytes.Repeat([]byte{byte(mixed >> 40)}, 32+int(mixed>>20%569))
}

// readState reads keys with a cache in front, and returns how often the disk was asked.
func readState(t *testing.T, c shape, seed uint64) int {
	random := rand.New(rand.NewPCG(seed, 0))
	// A few keys are hot, as a zipfian law has it, and which ones changes slowly, as blocks go on.
	zipf := rand.NewZipf(random, 1.01, 100, stateKeys-1)
	disk := 0
	var key [32]byte
	var buffer []byte
	for read := range uint64(stateReads) {
		number := (zipf.Uint64() + read/100) % stateKeys
		binary.BigEndian.PutUint64(key[:], number*0x9e3779b97f4a7c15)
		want := stateValue(number)
		value, found := c.HasGet(buffer[:0], key[:])
		buffer = value
		if !found {
			disk++
			c.Set(key[:], want)
		} else if !bytes.Equal(value, want) {
			t.Fatalf("key %d is %d bytes, want %d", number, len(value), len(want))
		}
	}
	return disk
}

// A program that moves here asks its disk no more often than before with the same capacity; absent keys, whose
// marker is an empty value, are asked for once as others are.
func TestACleanCacheAsksTheDiskNoMoreOftenThanTheOriginal(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	theirs, ours := original.New(1), New(1)
	defer theirs.Reset()
	defer ours.Close()
	before, now := readState(t, theirs, seed), readState(t, ours, seed)
	t.Logf("%d reads: the disk was asked %d times with the original, %d times now", stateReads, before, now)
	if now > before {
		t.Errorf("the disk was asked %d times, %d times with the original", now, before)
	}
	var stats Stats
	ours.UpdateStats(&stats)
	if stats.BytesSize > stats.MaxBytesSize {
		t.Errorf("%d bytes of %d are taken", stats.BytesSize, stats.MaxBytesSize)
	}
}
