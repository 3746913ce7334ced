// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

func TestAllEntriesComeOnceWithTheirValues(t *testing.T) {
	store := open(t, memstore.Config{})
	want := map[string]string{}
	for i := range 3000 {
		want[fmt.Sprint("key/", i)] = fmt.Sprint(i)
	}
	want["large"] = string(make([]byte, 1<<20))
	for key, value := range want {
		must(t, store.Set(ctx, key, []byte(value), 0))
	}
	seen := map[string]string{}
	for key, value := range store.All() {
		if _, twice := seen[key]; twice {
			t.Errorf("%q comes twice", key)
		}
		seen[key] = string(value)
	}
	if !maps.Equal(seen, want) {
		t.Errorf("%d entries came, want %d", len(seen), len(want))
	}
}

func TestAPrefixIsNoPattern(t *testing.T) {
	store := open(t, memstore.Config{})
	for _, prefix := range []string{"", "*", "[a", `a\`, "?x", "]", "nul\x00", "tx/"} {
		for _, key := range []string{prefix + "1", prefix + "2", "other"} {
			must(t, store.Set(ctx, key, nil, 0))
		}
		keys := slices.Sorted(maps.Keys(maps.Collect(store.Prefix(prefix))))
		if prefix != "" && !slices.Equal(keys, []string{prefix + "1", prefix + "2"}) {
			t.Errorf("Prefix(%q) = %q", prefix, keys)
		}
		if matching, err := store.Keys(ctx, memstore.QuotePattern(prefix+"1")); err != nil || len(matching) != 1 {
			t.Errorf("QuotePattern(%q) matches %q, %v", prefix+"1", matching, err)
		}
		must(t, store.Clear(ctx))
	}
}

func TestAPassSaysWhyItEnded(t *testing.T) {
	store := open(t, memstore.Config{})
	for i := range 5000 {
		must(t, store.Set(ctx, fmt.Sprint(i), nil, 0))
	}
	malformed := store.Scan(ctx, "[")
	for range malformed.Keys() {
		t.Error("a malformed pattern matches")
	}
	wantError(t, malformed.Err(), memstore.ErrInvalidPattern)

	brief, cancel := context.WithCancel(ctx)
	defer cancel()
	scan, passed := store.Scan(brief, "*"), 0
	for range scan.All() {
		passed++
		cancel()
	}
	if !errors.Is(scan.Err(), context.Canceled) || passed >= 5000 {
		t.Errorf("%d entries, %v", passed, scan.Err())
	}

	scan = store.Scan(ctx, "*")
	for range scan.All() {
		must(t, store.Close())
		break
	}
	if scan.Err() != nil {
		t.Errorf("leaving a loop is no error: %v", scan.Err())
	}
	wantError(t, scanAll(scan), memstore.ErrCacheClosed)
}

func TestAStoreClosedInTheMiddleOfAPass(t *testing.T) {
	store := open(t, memstore.Config{})
	for i := range 20000 {
		must(t, store.Set(ctx, fmt.Sprint(i), nil, 0))
	}
	scan, closed := store.Scan(ctx, "*"), false
	for range scan.All() {
		if !closed {
			must(t, store.Close())
			closed = true
		}
	}
	wantError(t, scan.Err(), memstore.ErrCacheClosed)
}

func TestAPassMayChangeTheStore(t *testing.T) {
	store := open(t, memstore.Config{})
	for i := range 2000 {
		must(t, store.Set(ctx, fmt.Sprint("old/", i), nil, 0))
	}
	for key := range store.Prefix("old/") {
		must(t, store.Set(ctx, "new/"+key, nil, 0))
		must(t, store.Delete(ctx, key))
	}
	if left, err := store.CountByPattern(ctx, "old/*"); err != nil || left != 0 || store.Size() != 2000 {
		t.Errorf("%d left, %v, %d entries", left, err, store.Size())
	}
}

func TestPatternsWithAContextThatCanEnd(t *testing.T) {
	store := open(t, memstore.Config{})
	brief, cancel := context.WithCancel(ctx)
	for i := range 2000 {
		must(t, store.Set(ctx, fmt.Sprintf("%d/%d", i%2, i), nil, 0))
	}
	if count, err := store.CountByPattern(brief, "0/*"); err != nil || count != 1000 {
		t.Errorf("count %d, %v", count, err)
	}
	if deleted, err := store.DeleteByPattern(brief, "0/*"); err != nil || deleted != 1000 || store.Size() != 1000 {
		t.Errorf("deleted %d, %v, %d entries", deleted, err, store.Size())
	}
	must(t, store.Maintain(brief, 0))
	must(t, store.Compact(brief, 1))
	must(t, store.SetAsync(brief, "async", nil, 0))
	must(t, store.Flush(brief))
	cancel()
	for name, err := range map[string]error{
		"Maintain": store.Maintain(brief, 0), "Compact": store.Compact(brief, 1), "Flush": store.Flush(brief),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if deleted, err := store.DeleteByPattern(brief, "*"); deleted != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("deleted %d, %v", deleted, err)
	}
}

// Whether the context can end makes no difference to what is deleted.
func TestDeleteByPatternReachesWhatIsOnItsWay(t *testing.T) {
	brief, cancel := context.WithCancel(ctx)
	defer cancel()
	for name, ctx := range map[string]context.Context{"endless": ctx, "brief": brief} {
		store := open(t, memstore.Config{BatchTimeout: never})
		must(t, store.SetAsync(ctx, "old/queued", nil, 0))
		_, err := store.GetOrLoad(ctx, "old/loaded", 0, func(context.Context, string) ([]byte, error) {
			deleted, err := store.DeleteByPattern(ctx, "old/*")
			if deleted != 1 {
				t.Errorf("%s: deleted %d", name, deleted)
			}
			return []byte("v"), err
		})
		must(t, err)
		must(t, store.Flush(ctx))
		if keys, err := store.Keys(ctx, ""); len(keys) != 0 || err != nil {
			t.Errorf("%s: %q is left, %v", name, keys, err)
		}
	}
}

func TestDeleteByPatternEndsWithTheContext(t *testing.T) {
	store := open(t, memstore.Config{Shards: 1, MemoryLimit: 64 << 20})
	for i := range 200000 {
		must(t, store.Set(ctx, fmt.Sprint(i), nil, 0))
	}
	brief, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	deleted, err := store.DeleteByPattern(brief, "*")
	if !errors.Is(err, context.DeadlineExceeded) || store.Size() == 0 || deleted != 200000-store.Size() {
		t.Errorf("deleted %d, %v, %d entries", deleted, err, store.Size())
	}
}

// A pass over keys ends with its context also where no key matches.
func TestPassesOverKeysEndWithTheContext(t *testing.T) {
	store := open(t, memstore.Config{Shards: 1, MemoryLimit: 64 << 20})
	for i := range 200000 {
		must(t, store.Set(ctx, fmt.Sprint(i), nil, 0))
	}
	for name, pass := range map[string]func(context.Context) error{
		"Keys":           func(c context.Context) error { _, err := store.Keys(c, "x*"); return err },
		"CountByPattern": func(c context.Context) error { _, err := store.CountByPattern(c, "x*"); return err },
		"Scan": func(c context.Context) error {
			scan := store.Scan(c, "x*")
			for key := range scan.Keys() {
				t.Errorf("met %q", key)
			}
			return scan.Err()
		},
	} {
		// On a busy machine a pass may be over before the runtime has told of the end.
		err := passBriefly(pass)
		for attempt := 1; err == nil && attempt < 50; attempt++ {
			err = passBriefly(pass)
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// passBriefly makes a pass that has a millisecond.
func passBriefly(pass func(context.Context) error) error {
	brief, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	return pass(brief)
}
