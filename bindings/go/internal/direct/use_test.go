// SPDX-License-Identifier: Apache-2.0

//go:build linux && amd64 && !go1.27 && !memstore_nodirect

package direct

import (
	"runtime"
	"sync/atomic"
	"testing"
	"unsafe"
)

// TestAUseTakesNothingBack notes uses of an entry beside a thread that marks it as one whose version was told.
func TestAUseTakesNothingBack(t *testing.T) {
	const versioned, rounds = 0x20, 2000
	var entry [2]uint32
	var turn atomic.Uint32
	go func() {
		for round := uint32(1); round <= rounds; round++ {
			for turn.Load() != 2*round-1 {
				runtime.Gosched()
			}
			atomic.OrUint32(&entry[1], versioned)
			turn.Store(2 * round)
		}
	}()
	lost := 0
	for round := uint32(1); round <= rounds; round++ {
		atomic.StoreUint32(&entry[1], 0)
		turn.Store(2*round - 1)
		for turn.Load() == 2*round-1 {
			(&Reader{}).use(unsafe.Pointer(&entry))
			atomic.AndUint32(&entry[1], ^uint32(0x1f))
		}
		if atomic.LoadUint32(&entry[1])&versioned == 0 {
			lost++
		}
	}
	if lost != 0 {
		t.Errorf("of %d marks %d were lost", rounds, lost)
	}
}
