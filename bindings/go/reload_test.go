// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

func setting(t *testing.T, store *memstore.Store, name string) string {
	t.Helper()
	text, err := store.Setting(name)
	must(t, err)
	return text
}

func TestReconfigureAllTakesAFileAsAWhole(t *testing.T) {
	file := filepath.Join(t.TempDir(), "store.yaml")
	write := func(text string) {
		t.Helper()
		must(t, os.WriteFile(file, []byte(text), 0o600))
	}
	write("ttl: {min_ttl: 1m, max_ttl: 2m}\nloader: {warm_rate: 5}\n")
	store, err := memstore.OpenYAML(file)
	must(t, err)
	defer store.Close()

	write("ttl: {min_ttl: 1h, max_ttl: 2h}\nloader: {warm_rate: 7}\n")
	must(t, store.ReconfigureAll(ctx, memstore.Config{File: file}))
	if got := setting(t, store, "ttl.min_ttl"); got != "1h" {
		t.Errorf("min_ttl is %s", got)
	}
	if got := setting(t, store, "loader.warm_rate"); got != "7" {
		t.Errorf("warm_rate is %s", got)
	}

	write("shards: 16\nttl: {min_ttl: 2h, max_ttl: 3h}\n")
	err = store.ReconfigureAll(ctx, memstore.Config{File: file})
	if !errors.Is(err, memstore.ErrUnsupported) || !strings.Contains(err.Error(), "shards: cannot be changed") {
		t.Errorf("a setting that is fixed: %v", err)
	}
	write("ttl: {min_ttl: often}\n")
	err = store.ReconfigureAll(ctx, memstore.Config{File: file})
	if !errors.Is(err, memstore.ErrInvalidConfig) || !strings.Contains(err.Error(), file+":1:") {
		t.Errorf("a file with a mistake: %v", err)
	}
	if got := setting(t, store, "ttl.max_ttl"); got != "2h" {
		t.Errorf("after refusals max_ttl is %s", got)
	}
}

func TestSettingKnowsItsNames(t *testing.T) {
	store := open(t, memstore.Config{})
	if got := setting(t, store, "storage.memory.shards"); got != "1024" {
		t.Errorf("shards are %s", got)
	}
	for _, name := range []string{"shard", "", "shards\x00"} {
		if _, err := store.Setting(name); !errors.Is(err, memstore.ErrInvalidConfig) {
			t.Errorf("%q: %v", name, err)
		}
	}
	_, err := store.Setting("shard")
	if want := `memstore: Setting "shard": unknown key "shard"; the nearest known key is "shards"`; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	_ = store.Close()
	if _, err := store.Setting("shards"); !errors.Is(err, memstore.ErrCacheClosed) {
		t.Errorf("closed: %v", err)
	}
	if err := store.ReconfigureAll(ctx, memstore.Config{}); !errors.Is(err, memstore.ErrCacheClosed) {
		t.Errorf("closed: %v", err)
	}
}

// TestValuesAreRefreshedOnceTheSettingSaysSo: hits of GetOrLoad look at the age of values only if need be.
func TestValuesAreRefreshedOnceTheSettingSaysSo(t *testing.T) {
	for name, change := range map[string]func(*memstore.Store) error{
		"Reconfigure": func(s *memstore.Store) error { return s.Reconfigure(ctx, "loader.refresh_after", "1ms") },
		"ReconfigureAll": func(s *memstore.Store) error {
			return s.ReconfigureAll(ctx, memstore.Config{MemoryLimit: 32 << 20, StoreCreationTime: true, RefreshAfter: time.Millisecond})
		},
	} {
		store := open(t, memstore.Config{StoreCreationTime: true})
		must(t, change(store))
		eventually(t, name+": a refresh", func() bool {
			_, err := store.GetOrLoad(ctx, "k", 0, constant)
			must(t, err)
			return store.GetStats().Refreshes != 0
		})
	}
}

// TestSettingsChangedAtOnceAreNotedAsTheyAreInForce: what GetOrLoad and Warm go by is what the last of
// several changes has left.
func TestSettingsChangedAtOnceAreNotedAsTheyAreInForce(t *testing.T) {
	store := open(t, memstore.Config{StoreCreationTime: true})
	changes := [][2]string{{"0", "0"}, {"1h", "1"}, {"0", "2"}, {"2h", "3"}}
	for round := range 2000 {
		var together sync.WaitGroup
		for _, change := range changes {
			together.Add(1)
			go func() {
				defer together.Done()
				noError(t, store.Reconfigure(ctx, "loader.refresh_after", change[0]))
				noError(t, store.Reconfigure(ctx, "loader.warm_rate", change[1]))
			}()
		}
		together.Wait()
		if !store.NotesTheSettings() {
			t.Fatalf("round %d: another setting is in force", round)
		}
	}
}
