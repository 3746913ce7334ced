// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

func TestBatchesOfAllSizes(t *testing.T) {
	store := open(t, memstore.Config{MemoryLimit: 256 << 20})
	for _, n := range []int{0, 1, 2, 127, 128, 129, 1000, 20000} {
		items := make(map[string][]byte, n)
		for i := range n {
			items[fmt.Sprintf("key/%d/%d", n, i)] = []byte(fmt.Sprintf("value %d", i))
		}
		keys := slices.Sorted(maps.Keys(items))
		must(t, store.SetMany(ctx, items, time.Hour))
		asked := append(slices.Clone(keys), "absent")
		got, err := store.GetMany(ctx, asked)
		must(t, err)
		if !maps.EqualFunc(got, items, slices.Equal) {
			t.Errorf("n = %d: GetMany returned %d entries or other values", n, len(got))
		}
		has, err := store.HasMany(ctx, asked)
		must(t, err)
		if len(has) != n+1 || has["absent"] || (n > 0 && !has[keys[n/2]]) {
			t.Errorf("n = %d: HasMany returned %d answers", n, len(has))
		}
		if store.Size() != n {
			t.Errorf("Size = %d, want %d", store.Size(), n)
		}
		must(t, store.DeleteMany(ctx, asked))
		if store.Size() != 0 {
			t.Errorf("n = %d: %d entries left after DeleteMany", n, store.Size())
		}
	}
}

func TestABatchIsAllOrNothing(t *testing.T) {
	store := open(t, memstore.Config{MaxEntrySize: 1000})
	must(t, store.Set(ctx, "a", []byte("old"), 0))
	err := store.SetMany(ctx, map[string][]byte{"a": []byte("new"), "b": []byte("new"), "c": make([]byte, 1001)}, 0)
	wantError(t, err, memstore.ErrEntryTooLarge)
	wantValue(t, store, "a", "old")
	wantAbsent(t, store, "b")
	err = store.SetMany(ctx, map[string][]byte{"a": nil, "": nil}, 0)
	wantError(t, err, memstore.ErrInvalidArgument)
	err = store.DeleteMany(ctx, []string{"a", ""})
	wantError(t, err, memstore.ErrInvalidArgument)
	wantValue(t, store, "a", "old")
	for _, keys := range [][]string{{""}, {"a", ""}} {
		_, err = store.GetMany(ctx, keys)
		wantError(t, err, memstore.ErrInvalidArgument)
		_, err = store.HasMany(ctx, keys)
		wantError(t, err, memstore.ErrInvalidArgument)
	}
}

func TestBatchValuesDoNotOverlap(t *testing.T) {
	store := open(t, memstore.Config{})
	must(t, store.SetMany(ctx, map[string][]byte{"a": []byte("aaaa"), "b": []byte("bbbb")}, 0))
	values, err := store.GetMany(ctx, []string{"a", "b"})
	must(t, err)
	grown := append(values["a"], "XXXX"...)
	if string(values["b"]) != "bbbb" || string(grown) != "aaaaXXXX" {
		t.Errorf("growing one value changed another: %q", values["b"])
	}
}

func TestBatchOfLargeValues(t *testing.T) {
	store := open(t, memstore.Config{MemoryLimit: 128 << 20})
	items := map[string][]byte{}
	for i := range 8 {
		value := make([]byte, 3<<20+i)
		for j := range value {
			value[j] = byte(i + j)
		}
		items[fmt.Sprint("large", i)] = value
		items[fmt.Sprint("small", i)] = value[:i]
	}
	must(t, store.SetMany(ctx, items, 0))
	got, err := store.GetMany(ctx, slices.Collect(maps.Keys(items)))
	must(t, err)
	if !maps.EqualFunc(got, items, slices.Equal) {
		t.Error("large values differ")
	}
}
