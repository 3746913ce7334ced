// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

// FuzzTyped writes by a typed view what the data spells, and by a map.
func FuzzTyped(f *testing.F) {
	f.Add("block/", "a\x00b", int64(-7), []byte("\x00a\x01b\x02a\x03c"))
	f.Add("", "*", int64(0), []byte{})
	f.Add("[", `\`, int64(1)<<62, []byte("\x04x\x00x\x04x"))
	store := open(f, memstore.Config{})
	f.Fuzz(func(t *testing.T, prefix, text string, number int64, steps []byte) {
		must(t, store.Clear(ctx))
		must(t, store.Set(ctx, "\xff another's "+prefix, nil, 0))
		view := memstore.NewTyped(store, prefix+"/", memstore.Decimal[int64](), memstore.JSON[block]())
		want := map[int64]block{}
		for ; len(steps) >= 2; steps = steps[2:] {
			key := number + int64(steps[1])
			value := block{number ^ int64(len(steps)), []string{strings.ToValidUTF8(text, "?")}}
			_, there := want[key]
			switch steps[0] % 5 {
			case 0:
				must(t, view.Set(ctx, key, value, 0))
				want[key] = value
			case 1:
				must(t, view.Delete(ctx, key))
				delete(want, key)
			case 2:
				if err := view.Add(ctx, key, value, 0); (err == nil) == there {
					t.Errorf("Add: %v, there was one: %v", err, there)
				}
				if !there {
					want[key] = value
				}
			case 3:
				if err := view.Replace(ctx, key, value, 0); (err == nil) != there {
					t.Errorf("Replace: %v, there was one: %v", err, there)
				}
				if there {
					want[key] = value
				}
			case 4:
				got, err := view.GetOrLoad(ctx, key, 0, func(context.Context, int64) (block, error) { return value, nil })
				must(t, err)
				if !there {
					want[key] = value
				}
				if !reflect.DeepEqual(got, want[key]) {
					t.Errorf("GetOrLoad: %v, want %v", got, want[key])
				}
			}
		}
		got := map[int64]block{}
		for entry, err := range view.All(ctx) {
			must(t, err)
			got[entry.Key] = entry.Value
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// FuzzEvents compares the events of writes that the data spells with what a map says has gone.
func FuzzEvents(f *testing.F) {
	f.Add("k", []byte("value"), []byte("\x00\x01\x02\x00\x03"))
	f.Add("a\x00b", make([]byte, 100_000), []byte("\x00\x10\x20\x01\x11"))
	f.Add(strings.Repeat("k", 300), []byte{}, []byte("\x00\x00\x02\x02\x04"))
	f.Fuzz(func(t *testing.T, name string, value, steps []byte) {
		store := open(t, memstore.Config{MemoryLimit: 16 << 20, EventQueueMemory: 8 << 20, Maintenance: "manual"})
		all := subscribe(t, store, memstore.EventRemovals, 0)
		have := map[string]string{}
		gone := func(kind memstore.EventKind, key string) {
			wantEvent(t, nextEvent(t, all), kind, key, have[key])
			delete(have, key)
		}
		value = value[:min(len(value), 200_000)]
		for i, step := range steps[:min(len(steps), 50)] {
			key, data := name+string(rune('a'+step>>4)), append(value, byte(i))
			_, there := have[key]
			switch step % 4 {
			case 0:
				must(t, store.Set(ctx, key, data, time.Hour))
				if there {
					gone(memstore.EventReplaced, key)
				}
				have[key] = string(data)
			case 1:
				must(t, store.Delete(ctx, key))
				if there {
					gone(memstore.EventDeleted, key)
				}
			case 2:
				must(t, store.SetMany(ctx, map[string][]byte{key: data}, 0))
				if there {
					gone(memstore.EventReplaced, key)
				}
				have[key] = string(data)
			case 3:
				must(t, store.Clear(ctx))
				cleared := map[string]string{}
				for range have {
					event := nextEvent(t, all)
					if event.Kind != memstore.EventCleared || event.Dropped != 0 {
						t.Errorf("%v of %q, %d lost", event.Kind, event.Key, event.Dropped)
					}
					cleared[event.Key] = string(event.Value)
				}
				if !maps.Equal(cleared, have) {
					t.Error("what was cleared is not what there was")
				}
				clear(have)
			}
		}
		if event, found, err := all.Poll(); found || err != nil {
			t.Errorf("one event too many: %v of %q, %v", event.Kind, event.Key, err)
		}
	})
}

// FuzzSettings changes settings of an open store, whose log tells what was asked for, and reads what the
// store then writes of itself.
func FuzzSettings(f *testing.F) {
	f.Add("ttl.max_ttl", "1h")
	f.Add("performance.memory_limit", "8MiB")
	f.Add("ttl.max_ttl", "soon\xff\n\"")
	f.Add("loader.refresh_after", "1ms")
	f.Add("no.such\x00", "")
	f.Fuzz(func(t *testing.T, key, value string) {
		log := &countingHandler{event: "reconfigure_refused"}
		store := open(t, memstore.Config{MemoryLimit: 4 << 20, Logger: slog.New(log), Verbose: true})
		err := store.Reconfigure(ctx, key, value)
		if err != nil && !errors.Is(err, memstore.ErrInvalidConfig) && !errors.Is(err, memstore.ErrUnsupported) {
			t.Errorf("Reconfigure(%q, %q): %v", key, value, err)
		}
		must(t, store.Set(ctx, "k", []byte("v"), memstore.DefaultTTL))
		if _, err := store.GetOrLoad(ctx, "k", 0, constant); err != nil {
			t.Error(err)
		}
		_, errAdvice := store.AdviseReport()
		noError(t, errAdvice)
		_, errMetrics := store.MetricsText()
		noError(t, errMetrics)
		must(t, store.Close())
		// What holds a NUL does not reach the library.
		if refused := err != nil && !strings.Contains(key+value, "\x00"); refused != (log.count.Load() != 0) {
			t.Errorf("refused %v, and %d records of it", refused, log.count.Load())
		}
	})
}

// FuzzDirectReads reads what it is given directly and through the library.
func FuzzDirectReads(f *testing.F) {
	f.Add("key", []byte("value"), int64(0), "other")
	f.Add(strings.Repeat("k", 128), make([]byte, 65535), int64(time.Hour), strings.Repeat("k", 129))
	f.Add("\x00", []byte{}, int64(time.Millisecond), "\x00\x00")
	store := openDirect(f, memstore.Config{})
	f.Fuzz(func(t *testing.T, key string, value []byte, ttl int64, other string) {
		must(t, store.Clear(ctx))
		err := store.Set(ctx, key, value, time.Duration(ttl))
		for _, key := range []string{key, other} {
			there, errHas := store.HasMany(ctx, []string{key}) // never direct
			got, found, errGet := store.Get(ctx, key)
			if (errHas == nil) != (errGet == nil) || found && !there[key] {
				t.Errorf("Get(%q): %v, %v; the library says %v, %v", key, found, errGet, there[key], errHas)
			}
			into, foundInto, _ := store.GetInto(ctx, key, make([]byte, 0, 100))
			if found && foundInto && !bytes.Equal(got, into) {
				t.Errorf("GetInto(%q) differs", key)
			}
		}
		if err == nil && ttl == 0 {
			wantValue(t, store, key, string(value))
			must(t, store.Delete(ctx, key))
		}
		if other != "" {
			wantAbsent(t, store, key+other)
		}
	})
}

// FuzzUnmarshalYAML gives a Config what a YAML package could: trees of any kind.
func FuzzUnmarshalYAML(f *testing.F) {
	for _, tree := range []string{`{"shards": 8, "ttl": {"max_ttl": "1h"}}`, `{"ttl.max_ttl": 1.5e3}`, `{"verbose": true}`,
		`{"loader": {"retry_max": 0}, "monitoring": {"hit_rate_threshold": 0.25}}`, `{"a": [1]}`, `{"ttl": null}`, `[]`,
		`{"store_name": "7"}`, `{"store_name": "10000000000000001"}`, `{"store_name": "NaN"}`, `{"store_name": "+Inf"}`,
		`{"store_name": "-0"}`, `{"store_name": "true"}`, `{"performance": {"enable_memory_stats": false, "memory_limit": "1GiB"}}`} {
		f.Add([]byte(tree))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		read := func(config *memstore.Config, data []byte) error {
			return config.UnmarshalYAML(func(out any) error { return json.Unmarshal(data, out) })
		}
		var config memstore.Config
		if err := read(&config, data); err != nil {
			if !reflect.DeepEqual(config, memstore.Config{}) {
				t.Errorf("refused, and changed: %+v", config)
			}
			return
		}
		tree, err := config.MarshalYAML()
		must(t, err)
		text, err := json.Marshal(tree)
		must(t, err)
		var back memstore.Config
		if err := read(&back, text); err != nil || !reflect.DeepEqual(back, config) {
			t.Errorf("%s became %+v, written %s, read %+v, %v", data, config, text, back, err)
		}
	})
}
