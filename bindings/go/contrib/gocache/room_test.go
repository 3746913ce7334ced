// SPDX-License-Identifier: Apache-2.0

package gocache

import (
	"errors"
	"fmt"
	"testing"

	"github.com/eko/gocache/lib/v4/store"
	memstore "github.com/weisyn/memstore/bindings/go"
)

// fill stores entries until the limit is reached, every second one with the tag "t".
func fill(t *testing.T, s *Store, limit int64) {
	t.Helper()
	for i := range limit / 100 {
		key, options := fmt.Sprint("other/", i), []store.Option(nil)
		if i%2 == 0 {
			key, options = fmt.Sprint("tagged/", i), []store.Option{store.WithTags([]string{"t"})}
		}
		if err := s.Set(ctx, key, make([]byte, 100), options...); err != nil {
			// With some seeds of the hash it is the index of a shard that finds no room.
			if !errors.Is(err, memstore.ErrCacheFull) && !errors.Is(err, memstore.ErrShardOverflow) {
				t.Fatal(err)
			}
			return
		}
	}
}

func count(t *testing.T, s *Store, pattern string) int {
	t.Helper()
	n, err := s.memory.CountByPattern(ctx, pattern)
	must(t, err)
	return n
}

// TestAFullStoreIsInvalidated lets no other entry go for it, but for a few that room is made of ahead of writers.
func TestAFullStoreIsInvalidated(t *testing.T) {
	for eviction, mayGo := range map[string]float64{"none": 0, "adaptive": 0.02} {
		for _, limit := range []int64{1 << 20, 16 << 20} {
			t.Run(fmt.Sprint(eviction, " ", limit), func(t *testing.T) {
				s := open(t, memstore.Config{MemoryLimit: limit, Eviction: eviction})
				fill(t, s, limit)
				tagged, others := count(t, s, "tagged/*"), count(t, s, "other/*")
				must(t, s.Invalidate(ctx, store.WithInvalidateTags([]string{"t"})))
				left := count(t, s, "other/*")
				if tagged < 1000 || count(t, s, "tagged/*") != 0 || float64(others-left) > mayGo*float64(others) {
					t.Errorf("of %d with the tag %d are left, of %d others %d", tagged, count(t, s, "tagged/*"), others, left)
				}
			})
		}
	}
}
