// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	memstore "github.com/weisyn/memstore/bindings/go"
)

func TestPatterns(t *testing.T) {
	store := open(t, memstore.Config{})
	all := []string{"block/1", "block/2", "block/10", "tx/1/a", "tx/1/b", "[x]", "nul\x00end"}
	for _, key := range all {
		must(t, store.Set(ctx, key, nil, 0))
	}
	for pattern, want := range map[string][]string{
		"":            all,
		"*":           all,
		"block/*":     {"block/1", "block/2", "block/10"},
		"block/?":     {"block/1", "block/2"},
		"block/[1]":   {"block/1"},
		"block/[^1]":  {"block/2"},
		"block/[0-9]": {"block/1", "block/2"},
		"tx*b":        {"tx/1/b"},
		`\[x\]`:       {"[x]"},
		"nul\x00*":    {"nul\x00end"},
		"none*":       {},
	} {
		keys, err := store.Keys(ctx, pattern)
		must(t, err)
		slices.Sort(keys)
		slices.Sort(want)
		if keys == nil || !slices.Equal(keys, want) {
			t.Errorf("Keys(%q) = %q, want %q", pattern, keys, want)
		}
		if count, err := store.CountByPattern(ctx, pattern); err != nil || count != len(want) {
			t.Errorf("CountByPattern(%q) = %d, %v; want %d", pattern, count, err, len(want))
		}
	}
	if deleted, err := store.DeleteByPattern(ctx, "block/*"); deleted != 3 || err != nil {
		t.Errorf("DeleteByPattern = %d, %v", deleted, err)
	}
	if store.Size() != 4 {
		t.Errorf("Size = %d, want 4", store.Size())
	}
}

func TestMalformedPatternsTouchNothing(t *testing.T) {
	store := open(t, memstore.Config{})
	must(t, store.Set(ctx, "[a", nil, 0))
	for _, pattern := range []string{"[a", `a\`, "[", "[^"} {
		_, err := store.Keys(ctx, pattern)
		wantError(t, err, memstore.ErrInvalidPattern)
		_, err = store.CountByPattern(ctx, pattern)
		wantError(t, err, memstore.ErrInvalidPattern)
		deleted, err := store.DeleteByPattern(ctx, pattern)
		wantError(t, err, memstore.ErrInvalidPattern)
		if deleted != 0 {
			t.Errorf("DeleteByPattern(%q) = %d", pattern, deleted)
		}
	}
	if store.Size() != 1 {
		t.Errorf("Size = %d, want 1", store.Size())
	}
}

func TestKeysCrossInManyBuffers(t *testing.T) {
	store := open(t, memstore.Config{MemoryLimit: 64 << 20})
	want := map[string]bool{}
	for i := range 5000 {
		want[fmt.Sprintf("%s/%d", strings.Repeat("k", i%97), i)] = true
	}
	for i := range 3 { // keys beyond the buffer, and one that makes it exactly full
		want[strings.Repeat("long", 20<<10)+fmt.Sprint(i)] = true
	}
	want[strings.Repeat("e", 64<<10-4)] = true
	for key := range want {
		must(t, store.Set(ctx, key, nil, 0))
	}
	keys, err := store.Keys(ctx, "*")
	must(t, err)
	for _, key := range keys {
		if !want[key] {
			t.Fatalf("key met twice or never set: %.50q", key)
		}
		delete(want, key)
	}
	if len(want) != 0 {
		t.Errorf("%d keys were not met", len(want))
	}
}
