// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"context"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

type block struct {
	Height int64
	Hashes []string
}

func TestTypedEntriesByEveryCodec(t *testing.T) {
	store := open(t, memstore.Config{})
	want := block{42, []string{"a", "b"}}
	shout := memstore.CodecOf(
		func(b block) ([]byte, error) { return []byte(strings.Join(b.Hashes, "!")), nil },
		func(data []byte) (block, error) { return block{42, strings.Split(string(data), "!")}, nil })
	for name, codec := range map[string]memstore.Codec[block]{
		"json": memstore.JSON[block](), "gob": memstore.Gob[block](), "own": shout,
	} {
		blocks := memstore.NewTyped(store, name+"/", memstore.Decimal[int64](), codec)
		must(t, blocks.Set(ctx, 42, want, time.Hour))
		got, found, err := blocks.Get(ctx, 42)
		if err != nil || !found || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, %v, %v", name, got, found, err)
		}
		if has, err := store.Has(ctx, name+"/42"); err != nil || !has {
			t.Errorf("%s: the store has no %q", name, name+"/42")
		}
	}
}

func TestTypedPlainValues(t *testing.T) {
	store := open(t, memstore.Config{})
	type name string
	type data []byte
	texts := memstore.NewTyped(store, "t/", memstore.Text[name](), memstore.Bytes[data]())
	must(t, texts.Set(ctx, "x", data("bytes"), 0))
	if got, found, err := texts.Get(ctx, "x"); err != nil || !found || string(got) != "bytes" {
		t.Errorf("got %q, %v, %v", got, found, err)
	}
	counts := memstore.NewTyped(store, "c/", memstore.Text[string](), memstore.Decimal[int8]())
	must(t, counts.Set(ctx, "n", -5, 0))
	if sum, err := store.Increment(ctx, "c/n", 7, 0, 0); err != nil || sum != 2 {
		t.Errorf("sum %d, %v", sum, err)
	}
	if got, _, err := counts.Get(ctx, "n"); err != nil || got != 2 {
		t.Errorf("got %d, %v", got, err)
	}
	must(t, store.Set(ctx, "c/n", []byte("300"), 0))
	_, found, err := counts.Get(ctx, "n")
	wantError(t, err, memstore.ErrCodec)
	var detail *memstore.Error
	if found || !errors.As(err, &detail) || detail.Op != "Get" || detail.Key != "c/n" {
		t.Errorf("found %v, error %v", found, err)
	}
}

func TestTypedConditionsAndMany(t *testing.T) {
	store := open(t, memstore.Config{})
	heights := memstore.NewTyped(store, "h/", memstore.Text[string](), memstore.Decimal[int]())
	wantError(t, heights.Replace(ctx, "a", 1, 0), memstore.ErrKeyNotFound)
	must(t, heights.Add(ctx, "a", 1, 0))
	wantError(t, heights.Add(ctx, "a", 1, 0), memstore.ErrKeyExists)
	must(t, heights.Replace(ctx, "a", 2, 0))
	value, version, found, err := heights.GetVersioned(ctx, "a")
	if err != nil || !found || value != 2 {
		t.Errorf("got %d, %v, %v", value, found, err)
	}
	must(t, heights.CompareAndSet(ctx, "a", 3, 0, version))
	wantError(t, heights.CompareAndSet(ctx, "a", 4, 0, version), memstore.ErrVersionMismatch)

	must(t, heights.SetMany(ctx, map[string]int{"b": 4, "c": 5}, 0))
	many, err := heights.GetMany(ctx, []string{"a", "b", "c", "d"})
	if err != nil || !reflect.DeepEqual(many, map[string]int{"a": 3, "b": 4, "c": 5}) {
		t.Errorf("got %v, %v", many, err)
	}
	must(t, store.Set(ctx, "h", []byte("not of this prefix"), 0))
	must(t, store.Set(ctx, "h/broken", []byte("x"), 0))
	seen, broken := map[string]int{}, 0
	for entry, err := range heights.All(ctx) {
		if err != nil {
			wantError(t, err, memstore.ErrCodec)
			broken++
			continue
		}
		seen[entry.Key] = entry.Value
	}
	if broken != 1 || !reflect.DeepEqual(seen, many) {
		t.Errorf("%v, %d broken", seen, broken)
	}
	must(t, heights.Delete(ctx, "a"))
	if has, err := heights.Has(ctx, "a"); err != nil || has {
		t.Errorf("has %v, %v", has, err)
	}
	must(t, store.Close())
	for _, err := range heights.All(ctx) {
		wantError(t, err, memstore.ErrCacheClosed)
	}
}

func TestTypedLoads(t *testing.T) {
	store := open(t, memstore.Config{})
	squares := memstore.NewTyped(store, "sq/", memstore.Decimal[int](), memstore.Decimal[int]())
	load := func(_ context.Context, n int) (int, error) {
		if n < 0 {
			return 0, memstore.ErrKeyNotFound
		}
		return n * n, nil
	}
	if got, err := squares.GetOrLoad(ctx, 7, 0, load); err != nil || got != 49 {
		t.Errorf("got %d, %v", got, err)
	}
	_, err := squares.GetOrLoad(ctx, -1, 0, load)
	wantError(t, err, memstore.ErrKeyNotFound)
	got, err := squares.GetOrLoadMany(ctx, []int{7, 8, -2}, 0, func(_ context.Context, ns []int) (map[int]int, error) {
		if !reflect.DeepEqual(ns, []int{8, -2}) {
			t.Errorf("%v were loaded", ns)
		}
		return map[int]int{8: 64}, nil
	})
	if err != nil || !reflect.DeepEqual(got, map[int]int{7: 49, 8: 64}) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestTypedKeysAlone(t *testing.T) {
	store := open(t, memstore.Config{})
	heights := memstore.NewTyped(store, "h/", memstore.Decimal[uint64](), memstore.Text[string]())
	must(t, heights.SetMany(ctx, map[uint64]string{1: "a", 2: "b", math.MaxUint64: "c"}, time.Hour))
	if ttl, err := heights.GetTTL(ctx, 1); err != nil || ttl <= 59*time.Minute || ttl > time.Hour {
		t.Errorf("ttl %v, %v", ttl, err)
	}
	must(t, heights.UpdateTTL(ctx, 1, 0))
	_, err := heights.GetTTL(ctx, 1)
	wantError(t, err, memstore.ErrTTLNotSet)
	has, err := heights.HasMany(ctx, []uint64{1, 3, math.MaxUint64, 1})
	if err != nil || !reflect.DeepEqual(has, map[uint64]bool{1: true, 3: false, math.MaxUint64: true}) {
		t.Errorf("has %v, %v", has, err)
	}
	must(t, heights.DeleteMany(ctx, []uint64{1, 3, math.MaxUint64}))
	for _, want := range []bool{true, false} {
		if existed, err := heights.Remove(ctx, 2); err != nil || existed != want {
			t.Errorf("existed %v, %v; want %v", existed, err, want)
		}
	}
	if store.Size() != 0 {
		t.Errorf("%d entries", store.Size())
	}
}

func checkDecimal[T memstore.Integer](t *testing.T, codec memstore.Codec[T], numbers map[T]string, refused ...string) {
	t.Helper()
	for number, text := range numbers {
		data, err := codec.Append([]byte("n/"), number)
		if err != nil || string(data) != "n/"+text {
			t.Errorf("%v is %q, %v", number, data, err)
		}
		if got, err := codec.Decode([]byte(text)); err != nil || got != number {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	for _, text := range refused {
		if got, err := codec.Decode([]byte(text)); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func TestDecimalsOfAllSizes(t *testing.T) {
	type height uint32
	checkDecimal(t, memstore.Decimal[int8](), map[int8]string{-128: "-128", 0: "0", 127: "127"}, "128", "-129", "", "x", "1.0")
	checkDecimal(t, memstore.Decimal[int64](), map[int64]string{math.MinInt64: "-9223372036854775808", math.MaxInt64: "9223372036854775807"},
		"9223372036854775808", "-9223372036854775809")
	checkDecimal(t, memstore.Decimal[uint8](), map[uint8]string{0: "0", 255: "255"}, "256", "-1", "")
	checkDecimal(t, memstore.Decimal[height](), map[height]string{4294967295: "4294967295"}, "4294967296")
	checkDecimal(t, memstore.Decimal[uint64](), map[uint64]string{math.MaxUint64: "18446744073709551615"}, "18446744073709551616", "-1")
}
