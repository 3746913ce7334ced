// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "wes.yaml")
	must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestOpenYAMLTakesTheExample(t *testing.T) {
	store, err := memstore.OpenYAML("../../examples/wes.yaml")
	must(t, err)
	defer store.Close()
	if store.Capacity() != 1_000_000_000 {
		t.Errorf("Capacity = %d, want 1 GB", store.Capacity())
	}
	must(t, store.Set(ctx, "k", make([]byte, 499), memstore.DefaultTTL))
	wantError(t, store.Set(ctx, "k", make([]byte, 500), memstore.DefaultTTL), memstore.ErrEntryTooLarge)
	wantError(t, store.Set(ctx, "k", nil, 25*time.Hour), memstore.ErrInvalidTTL)
	wantError(t, store.Set(ctx, "k", nil, 59*time.Second), memstore.ErrInvalidTTL)
	if ttl, err := store.GetTTL(ctx, "k"); err != nil || ttl > 10*time.Minute || ttl < 9*time.Minute {
		t.Errorf("GetTTL = %v, %v; life_window bounds it to 10 minutes", ttl, err)
	}
	if _, err := store.GetCreated(ctx, "k"); err != nil {
		t.Error(err)
	}
}

func TestOpenYAMLTellsFileLineAndColumn(t *testing.T) {
	for text, want := range map[string]string{
		"storage:\n  memory:\n    shard: 4\n": ":3:5: shard: unknown key; the nearest known key is \"shards\"",
		"ttl:\n  max_ttl: 1 hour\n":           ":2:12: ttl.max_ttl: \"1 hour\" has no known unit; expected a duration",
		"shards: [4]\n":                       ":1:9: shards: a list is no value for it; expected a power of two",
		"shards: 4\nshards: 8\n":              ":2:1: shards: duplicate key, first given in line 1",
		"ttl: {min_ttl: 2h, max_ttl: 1h}\n":   ":1:29: ttl.min_ttl (2h) is above ttl.max_ttl (1h)",
		"shards: &a 4\n":                      ":1:9: \"&a\": anchors and aliases are not accepted",
		"shards: 4\n---\nshards: 8\n":         ":2:1: a second document begins",
		"ttl: 4\n":                            ":1:6: ttl: expected a mapping of settings",
		"shards: 4\n# \xff\n":                 ":2:3: not a text in UTF-8: ",
		"shards: {\n":                         ":1:9: shards: a mapping is no value for it",
		"ttl: {max_ttl: 1h\n":                 ":2:1: not YAML: ",
		strings.Repeat("# comment\n", 1<<17):  ": larger than 1 MiB",
		"supervision: {enable_all: yes}\n":    ":1:1: supervision: unknown key; the nearest known key is ",
		"storage: {memory: {verbos: true}}\n": ":1:20: verbos: unknown key; the nearest known key is ",
		"performance: {memory_limit: 1 GB}\n": ":1:29: performance.memory_limit: \"1 GB\" has no known unit",
		"performance: {memory_limit: 1kB}\n":  ":1:29: performance.memory_limit: too small to hold",
		"max_entries_in_window: 2000000000\n": ":1:24: max_entries_in_window: the index for as many entries does not fit",
		"events: {queue_memory: 1GB}\n":       ":1:24: events.queue_memory (1GB) is not below performance.memory_limit (64MB)",
		"performance: {memory_limit: 0}\n":    ":1:29: performance.memory_limit and hard_max_cache_size are both 0",
	} {
		path := writeFile(t, text)
		store, err := memstore.OpenYAML(path)
		var detail *memstore.Error
		if store != nil || !errors.Is(err, memstore.ErrInvalidConfig) || !errors.As(err, &detail) ||
			detail.Op != "OpenYAML" || !strings.Contains(err.Error(), path+want) {
			t.Errorf("%.30q: %v\nwant ...%s", text, err, want)
		}
	}
}

func TestOpenYAMLOfNoFile(t *testing.T) {
	_, err := memstore.OpenYAML("/nowhere/wes.yaml")
	wantError(t, err, memstore.ErrIO)
	if want := "memstore: OpenYAML: /nowhere/wes.yaml: No such file or directory"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	_, err = memstore.OpenYAML(t.TempDir())
	wantError(t, err, memstore.ErrIO)
	_, err = memstore.OpenYAML("")
	wantError(t, err, memstore.ErrInvalidArgument)
	_, err = memstore.OpenYAML("wes\x00.yaml")
	wantError(t, err, memstore.ErrInvalidArgument)
}

func TestFieldsOverrideTheEnvironmentAndThatTheFile(t *testing.T) {
	path := writeFile(t, "performance: {memory_limit: 10MB}\nttl: {default_ttl: 1h}\nmax_entry_size: 100\n")
	t.Setenv("MEMSTORE_PERFORMANCE_MEMORY_LIMIT", "20MB")
	t.Setenv("MEMSTORE_TTL_DEFAULT_TTL", "2h")
	for _, test := range []struct {
		config   memstore.Config
		capacity int
		ttl      time.Duration
	}{
		{memstore.Config{File: path}, 10_000_000, time.Hour},
		{memstore.Config{File: path, Environment: true}, 20_000_000, 2 * time.Hour},
		{memstore.Config{Environment: true, File: path, DefaultTTL: 3 * time.Hour}, 20_000_000, 3 * time.Hour},
		{memstore.Config{MemoryLimit: 30_000_000, Environment: true}, 30_000_000, 2 * time.Hour},
	} {
		store, err := memstore.Open(test.config)
		must(t, err)
		must(t, store.Set(ctx, "k", nil, memstore.DefaultTTL))
		ttl, err := store.GetTTL(ctx, "k")
		if store.Capacity() != test.capacity || err != nil || ttl > test.ttl || ttl < test.ttl-time.Minute {
			t.Errorf("%+v: capacity %d, ttl %v, %v", test.config, store.Capacity(), ttl, err)
		}
		must(t, store.Close())
	}
	t.Setenv("MEMSTORE_TTL_DEFAULT_TTL", "soon")
	_, err := memstore.Open(memstore.Config{Environment: true})
	wantError(t, err, memstore.ErrInvalidConfig)
	if err == nil || !strings.HasPrefix(err.Error(), "memstore: Open: MEMSTORE_TTL_DEFAULT_TTL: ttl.default_ttl: \"soon\"") {
		t.Error(err)
	}
}

func TestReconfigure(t *testing.T) {
	store := open(t, memstore.Config{MemoryLimit: 16 << 20})
	for i := range 60000 {
		must(t, store.Set(ctx, "key/"+time.Duration(i).String(), make([]byte, 200), 0))
	}
	must(t, store.Reconfigure(ctx, "performance.memory_limit", "4MiB"))
	if usage := store.GetMemoryUsage(); store.Capacity() != 4<<20 || usage.Charged > 4<<20 || store.Size() < 10000 {
		t.Errorf("capacity %d, %d entries, %+v", store.Capacity(), store.Size(), usage)
	}
	must(t, store.Reconfigure(ctx, "performance.memory_limit", "64MiB"))
	must(t, store.Reconfigure(ctx, "ttl.default_ttl", "90s"))
	must(t, store.Set(ctx, "k", nil, memstore.DefaultTTL))
	if ttl, err := store.GetTTL(ctx, "k"); err != nil || ttl > 90*time.Second || ttl < 80*time.Second {
		t.Errorf("GetTTL = %v, %v", ttl, err)
	}
	for _, test := range []struct {
		key, value string
		cause      error
		text       string
	}{
		{"shards", "4", memstore.ErrUnsupported,
			"shards: cannot be changed while the store is open: every key's place in the index depends on their number"},
		{"performance.memory_limit", "65MiB", memstore.ErrUnsupported, "bytes are more than this store can grow to"},
		{"performance.memory_limit", "1kB", memstore.ErrInvalidConfig, "1000 bytes are too few"},
		{"ttl.min_ttl", "2m", memstore.ErrInvalidConfig, "ttl.min_ttl (2m) is above ttl.default_ttl (90s)"},
		{"ttl.mni_ttl", "2m", memstore.ErrInvalidConfig, "the nearest known key is \"ttl.min_ttl\""},
		{"ttl.min_ttl", "2 m", memstore.ErrInvalidConfig, "\"2 m\" has no known unit"},
		{"ttl.min_ttl\x00", "2m", memstore.ErrInvalidConfig, "NUL"},
	} {
		err := store.Reconfigure(ctx, test.key, test.value)
		var detail *memstore.Error
		if !errors.Is(err, test.cause) || !errors.As(err, &detail) || detail.Op != "Reconfigure" ||
			detail.Key != test.key || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s = %s: %v", test.key, test.value, err)
		}
	}
	must(t, store.Close())
	wantError(t, store.Reconfigure(ctx, "ttl.min_ttl", "1m"), memstore.ErrCacheClosed)
}
