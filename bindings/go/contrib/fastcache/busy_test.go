// SPDX-License-Identifier: Apache-2.0

package fastcache

import (
	"testing"

	"github.com/weisyn/memstore/bindings/go/internal/busytest"
)

// As with the original, which has no errors to return, nothing comes back that was removed or overwritten.
func TestNoRemovalIsLostInABusyCache(t *testing.T) {
	c, tooLarge := &Cache{store: busytest.Open(t, smallest)}, make([]byte, smallest)
	for name, remove := range map[string]func(k []byte){
		"Del":          c.Del,
		"Reset":        func([]byte) { c.Reset() },
		"Set refused":  func(k []byte) { c.Set(k, tooLarge) },
		"Set of other": func(k []byte) { c.Set(k, []byte("newer")) },
	} {
		for stored, key := 0, []byte("k"); stored < 2000; {
			c.Set(key, []byte("older"))
			if c.Has(key) {
				stored++
			}
			remove(key)
			if got := c.Get(nil, key); string(got) == "older" {
				t.Errorf("%s: after %d: the older value is there", name, stored)
				break
			}
		}
	}
}
