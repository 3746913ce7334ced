// SPDX-License-Identifier: Apache-2.0

//go:build linux && amd64 && !go1.27 && !memstore_nodirect

package direct

import (
	"testing"
	"unsafe"
)

// TestOnlyAKnownLayoutIsRead makes readers of a library that does not exist.
func TestOnlyAKnownLayoutIsRead(t *testing.T) {
	var turns [16 * 64]uint64
	claim := func(count uint32, out *[LanesWords]uint64) bool {
		*out = [LanesWords]uint64{uint64(uintptr(unsafe.Pointer(&turns))), 128, uint64(count), 0}
		return true
	}
	for _, test := range []struct {
		version uint64
		told    bool
		read    bool
	}{
		{layoutVersion, true, true},
		{layoutVersion, false, false},
		{layoutVersion + 1, true, false},
		{0, true, false},
	} {
		reader := New(claim, func(lanes *[LanesWords]uint64, out *[LayoutWords]uint64) bool {
			if lanes[0] != uint64(uintptr(unsafe.Pointer(&turns))) {
				t.Error("the layout is asked for without the lanes that were claimed")
			}
			out[0] = test.version
			return test.told
		})
		if (reader != nil) != test.read {
			t.Errorf("a layout of version %d, told %v: read %v", test.version, test.told, reader != nil)
		}
	}
}
