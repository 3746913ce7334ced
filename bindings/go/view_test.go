// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"bytes"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

func TestGetIntoCopiesOverWhatItIsGiven(t *testing.T) {
	store := open(t, memstore.Config{})
	must(t, store.Set(ctx, "k", []byte("value"), 0))
	must(t, store.Set(ctx, "empty", nil, 0))
	buffer := make([]byte, 3, 8)
	value, found, err := store.GetInto(ctx, "k", buffer)
	if err != nil || !found || string(value) != "value" || &value[0] != &buffer[0] {
		t.Errorf("GetInto = %q, %v, %v", value, found, err)
	}
	value, found, err = store.GetInto(ctx, "empty", value)
	if err != nil || !found || len(value) != 0 || cap(value) != 8 {
		t.Errorf("GetInto of an empty value = %q, %v, %v", value, found, err)
	}
	value, found, err = store.GetInto(ctx, "absent", value)
	if err != nil || found || len(value) != 0 || cap(value) != 8 {
		t.Errorf("GetInto of an absent key = %q, %v, %v", value, found, err)
	}
}

func TestGetIntoGrowsWhatIsTooSmall(t *testing.T) {
	store := open(t, memstore.Config{})
	for _, size := range []int{1, 5, 512, 513, 70000} {
		want := bytes.Repeat([]byte{byte(size)}, size)
		must(t, store.Set(ctx, "k", want, 0))
		for _, dst := range [][]byte{nil, {}, make([]byte, 0, 4)} {
			value, found, err := store.GetInto(ctx, "k", dst)
			if err != nil || !found || !bytes.Equal(value, want) {
				t.Errorf("GetInto of %d bytes over %d = %d bytes, %v, %v", size, cap(dst), len(value), found, err)
			}
		}
	}
}

func TestViewShowsTheValueInPlace(t *testing.T) {
	store := open(t, memstore.Config{})
	must(t, store.Set(ctx, "k", []byte("value"), time.Hour))
	must(t, store.Set(ctx, "empty", nil, 0))
	want := errors.New("what the function returned")
	found, err := store.View(ctx, "k", func(value []byte) error {
		must(t, store.Set(ctx, "k", []byte("other"), 0))
		must(t, store.Clear(ctx))
		if string(value) != "value" {
			t.Errorf("value = %q", value)
		}
		return want
	})
	if !found || !errors.Is(err, want) {
		t.Errorf("View = %v, %v", found, err)
	}
	must(t, store.Set(ctx, "empty", nil, 0))
	found, err = store.View(ctx, "empty", func(value []byte) error {
		if value == nil || len(value) != 0 {
			t.Errorf("the empty value = %v", value)
		}
		return nil
	})
	if !found || err != nil {
		t.Errorf("View of an empty value = %v, %v", found, err)
	}
	found, err = store.View(ctx, "absent", func([]byte) error { return want })
	if found || err != nil {
		t.Errorf("View of an absent key = %v, %v", found, err)
	}
}

func TestViewReleasesWhateverTheFunctionDoes(t *testing.T) {
	store := open(t, memstore.Config{MaxConcurrentReaders: 1, LockTimeout: time.Millisecond})
	must(t, store.Set(ctx, "k", []byte("value"), 0))
	func() {
		defer func() { _ = recover() }()
		_, _ = store.View(ctx, "k", func([]byte) error { panic("in the function") })
	}()
	found, err := store.View(ctx, "k", func([]byte) error {
		_, err := store.View(ctx, "k", func([]byte) error { return nil })
		if !errors.Is(err, memstore.ErrLockTimeout) {
			t.Errorf("a second value in place: %v", err)
		}
		return nil
	})
	if !found || err != nil {
		t.Errorf("after a panic View = %v, %v", found, err)
	}
}

func TestGetIntoAndViewOfAClosedStore(t *testing.T) {
	store := open(t, memstore.Config{})
	must(t, store.Close())
	if _, found, err := store.GetInto(ctx, "k", nil); found || !errors.Is(err, memstore.ErrCacheClosed) {
		t.Errorf("GetInto = %v, %v", found, err)
	}
	if found, err := store.View(ctx, "k", nil); found || !errors.Is(err, memstore.ErrCacheClosed) {
		t.Errorf("View = %v, %v", found, err)
	}
}

func TestAStoreDroppedInAViewLivesUntilItsEnd(t *testing.T) {
	store, err := memstore.New(memstore.WithMemoryLimit(8<<20), memstore.WithLogger(slog.New(slog.DiscardHandler)))
	must(t, err)
	want := strings.Repeat("0123456789", 10_000)
	must(t, store.Set(ctx, "k", []byte(want), 0))
	found, err := store.View(ctx, "k", func(value []byte) error {
		for range 10 { // nothing but the call itself reaches the store any more
			runtime.GC()
			time.Sleep(time.Millisecond)
		}
		if string(value) != want {
			t.Error("the value is another")
		}
		return nil
	})
	if err != nil || !found {
		t.Errorf("found %v, %v", found, err)
	}
}
