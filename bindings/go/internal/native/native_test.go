// SPDX-License-Identifier: Apache-2.0

package native

import "testing"

// BenchmarkCrossing is the least that a call costs: the wrapper's way to a function that returns at once, here a look at a
// handle that is NULL. Compare BenchmarkCrossingWithBytes, whose four arguments are two byte strings.
func BenchmarkCrossing(b *testing.B) {
	for b.Loop() {
		MemstoreSize(0)
	}
}

func BenchmarkCrossingWithBytes(b *testing.B) {
	key, buf := []byte("0123456789"), make([]byte, 512)
	b.ReportAllocs()
	for b.Loop() {
		GlueGet(0, &key[0], len(key), &buf[0], len(buf))
	}
}

func TestBytesDoNotEscape(t *testing.T) {
	allocations := testing.AllocsPerRun(100, func() {
		var key, buf [64]byte
		GlueGet(0, &key[0], len(key), &buf[0], len(buf))
	})
	if allocations != 0 {
		t.Errorf("a crossing makes %v allocations", allocations)
	}
}
