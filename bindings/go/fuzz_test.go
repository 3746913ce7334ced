// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"bytes"
	"errors"
	"maps"
	"testing"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

// FuzzKeysAndValues stores what it is given in every way and expects it back.
func FuzzKeysAndValues(f *testing.F) {
	f.Add("key", []byte("value"), int64(0))
	f.Add("", []byte{}, int64(-1))
	f.Add("a\x00b", make([]byte, 600), int64(time.Hour))
	store := open(f, memstore.Config{})
	f.Fuzz(func(t *testing.T, key string, value []byte, ttl int64) {
		err := store.Set(ctx, key, value, time.Duration(ttl))
		switch {
		case key == "":
			wantError(t, err, memstore.ErrInvalidArgument)
			return
		case ttl < 0 && time.Duration(ttl) != memstore.DefaultTTL:
			wantError(t, err, memstore.ErrInvalidTTL)
		default:
			must(t, err)
		}
		must(t, store.SetMany(ctx, map[string][]byte{key: value, key + "\x00": value}, 0))
		wantValue(t, store, key, string(value))
		values, err := store.GetMany(ctx, []string{key, key + "\x00"})
		must(t, err)
		if len(values) != 2 || !bytes.Equal(values[key], value) || !bytes.Equal(values[key+"\x00"], value) {
			t.Errorf("GetMany = %q", values)
		}
		if keys, err := store.Keys(ctx, ""); err != nil || len(keys) != 2 {
			t.Errorf("Keys = %q, %v", keys, err)
		}
		must(t, store.Clear(ctx))
	})
}

// FuzzPatterns compares the library's matching with a matcher that is too simple to be wrong.
func FuzzPatterns(f *testing.F) {
	for _, pattern := range []string{"", "*", "a*b", "?", "[a-c]x", "[^a]", `\*`, "[", `a\`, "[]a]", "[a-]", "[z-a]",
		"**", "[^"} {
		f.Add(pattern, "a/b")
		f.Add(pattern, "*")
	}
	store := open(f, memstore.Config{})
	f.Fuzz(func(t *testing.T, pattern, key string) {
		if key == "" || len(pattern) > 200 || len(key) > 200 {
			return
		}
		must(t, store.Clear(ctx))
		must(t, store.Set(ctx, key, nil, 0))
		count, err := store.CountByPattern(ctx, pattern)
		keys, errKeys := store.Keys(ctx, pattern)
		if (err == nil) != (errKeys == nil) || (err != nil && !errors.Is(err, memstore.ErrInvalidPattern)) {
			t.Fatalf("CountByPattern: %v, Keys: %v", err, errKeys)
		}
		if err == nil && (len(keys) != count || count > 1 || (count == 1 && keys[0] != key)) {
			t.Errorf("pattern %q, key %q: %d, %q", pattern, key, count, keys)
		}
		if plain, want := simpleMatch(pattern, key); err == nil && plain && want != (count == 1) {
			t.Errorf("pattern %q, key %q: matches is %v, want %v", pattern, key, count == 1, want)
		}
		deleted, err := store.DeleteByPattern(ctx, pattern)
		if deleted != count || (err == nil) != (errKeys == nil) || store.Size() != 1-count {
			t.Errorf("DeleteByPattern(%q) = %d, %v; %d matched", pattern, deleted, err, count)
		}
	})
}

// simpleMatch matches patterns of stars, question marks and plain bytes; plain is false for others.
func simpleMatch(pattern, key string) (plain, matches bool) {
	for i := range len(pattern) {
		if pattern[i] == '[' || pattern[i] == ']' || pattern[i] == '\\' {
			return false, false
		}
	}
	if pattern == "" {
		return true, true
	}
	// reach[j]: the pattern so far can end before key[j].
	reach := make([]bool, len(key)+1)
	reach[0] = true
	for i := range len(pattern) {
		next := make([]bool, len(key)+1)
		for j := range reach {
			switch {
			case pattern[i] == '*':
				next[j] = reach[j] || (j > 0 && next[j-1])
			case j > 0 && (pattern[i] == '?' || pattern[i] == key[j-1]):
				next[j] = reach[j-1]
			}
		}
		reach = next
	}
	return true, reach[len(key)]
}

// FuzzBatches applies batches that the data spells to a store and to a map.
func FuzzBatches(f *testing.F) {
	f.Add([]byte("\x00a1\x01a0\x02b0\x03a0"))
	f.Add([]byte("\x00a1\x00b2\x04c0"))
	f.Fuzz(func(t *testing.T, steps []byte) {
		store := open(t, memstore.Config{MemoryLimit: 8 << 20, Settings: map[string]string{"shards": "1"}})
		must(t, store.Set(ctx, "a", []byte("first"), 0))
		_, version, _, err := store.GetVersioned(ctx, "a")
		must(t, err)
		batch, want := store.NewBatch(), map[string]string{"a": "first"}
		next, refused := map[string]string{"a": "first"}, false
		for ; len(steps) >= 3; steps = steps[3:] {
			key, value := string(steps[1:2]), string(steps[2:3])
			_, there := want[key]
			switch steps[0] % 5 {
			case 0:
				batch.Set(key, []byte(value), 0)
				next[key] = value
			case 1:
				batch.Delete(key)
				delete(next, key)
			case 2:
				batch.ExpectAbsent(key)
				refused = refused || there
			case 3:
				batch.Expect(key, version)
				refused = refused || !there
			case 4:
				batch.Expect(key, 0)
				refused = refused || there
			}
		}
		if err := batch.Commit(ctx); (err != nil) != refused {
			t.Fatalf("Commit: %v, refused %v", err, refused)
		}
		if !refused {
			want = next
		}
		got := map[string]string{}
		for key, value := range store.All() {
			got[key] = string(value)
		}
		if !maps.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// FuzzCodecs decodes what it is given: values come back, nothing panics.
func FuzzCodecs(f *testing.F) {
	f.Add([]byte(`{"Height":1}`), int64(7))
	f.Fuzz(func(t *testing.T, data []byte, number int64) {
		_, _ = memstore.JSON[block]().Decode(data)
		_, _ = memstore.Gob[block]().Decode(data)
		codec := memstore.Decimal[int64]()
		if got, err := codec.Decode(data); err == nil {
			back, err := codec.Append(nil, got)
			must(t, err)
			if again, err := codec.Decode(back); err != nil || again != got {
				t.Errorf("%d became %d, %v", got, again, err)
			}
		}
		packed, err := codec.Append([]byte("x"), number)
		must(t, err)
		if got, err := codec.Decode(packed[1:]); err != nil || got != number {
			t.Errorf("%d became %d, %v", number, got, err)
		}
		if pattern := memstore.QuotePattern(string(data)); len(pattern) < len(data) {
			t.Errorf("%q became %q", data, pattern)
		}
	})
}
