// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"bytes"
	"fmt"
	"testing"

	memstore "github.com/weisyn/memstore/bindings/go"
)

func TestManyValuesIntoOneBuffer(t *testing.T) {
	store := open(t, memstore.Config{})
	var values memstore.Values
	for _, size := range []int{0, 1, 100, 5_000, 200_000, 10} { // up, and down again
		want := bytes.Repeat([]byte{byte(size)}, size)
		must(t, store.SetMany(ctx, map[string][]byte{"a": want, "b": []byte("b")}, 0))
		must(t, store.GetManyInto(ctx, []string{"a", "absent", "b", "a"}, &values))
		for i, want := range [][]byte{want, nil, []byte("b"), want} {
			value, found := values.At(i)
			if found != (i != 1) || !bytes.Equal(value, want) || cap(value) != len(value) {
				t.Errorf("value %d of size %d: %d bytes, %v", i, size, len(value), found)
			}
		}
		numbers := []int{}
		for i := range values.All() {
			numbers = append(numbers, i)
		}
		if values.Len() != 4 || fmt.Sprint(numbers) != "[0 2 3]" {
			t.Errorf("%d values, found %v", values.Len(), numbers)
		}
	}
	must(t, store.GetManyInto(ctx, nil, &values))
	if values.Len() != 0 {
		t.Errorf("%d values of no keys", values.Len())
	}
	wantError(t, store.GetManyInto(ctx, []string{"a", ""}, &values), memstore.ErrInvalidArgument)
	if values.Len() != 0 {
		t.Errorf("%d values after an error", values.Len())
	}
}

func TestManyValuesIntoABufferMakeNoGarbage(t *testing.T) {
	store := open(t, memstore.Config{})
	keys := make([]string, 100)
	for i := range keys {
		keys[i] = fmt.Sprint("key/", i)
		must(t, store.Set(ctx, keys[i], make([]byte, 300), 0))
	}
	var values memstore.Values
	// A pool may lose what it holds, which it does on purpose under -race; never once for each key.
	if got := testing.AllocsPerRun(100, func() { _ = store.GetManyInto(ctx, keys, &values) }); got > 10 {
		t.Errorf("%v allocations for %d values", got, values.Len())
	}
}
