// SPDX-License-Identifier: Apache-2.0

package yamltest

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
	newer "go.yaml.in/yaml/v3"
	older "gopkg.in/yaml.v3"
)

var packages = map[string]struct {
	read  func([]byte, any) error
	write func(any) ([]byte, error)
}{
	"gopkg.in/yaml.v3":   {older.Unmarshal, older.Marshal},
	"go.yaml.in/yaml/v3": {newer.Unmarshal, newer.Marshal},
}

// application is a program's configuration with one of a store in it.
type application struct {
	Name    string `yaml:"name"`
	Storage struct {
		Memory memstore.Config `yaml:"memory"`
	} `yaml:"storage"`
}

func no() *bool { return new(bool) }

// configs are Configs, each with its settings as people write them.
var configs = map[string]struct {
	text   string
	config memstore.Config
}{
	"nothing": {"{}", memstore.Config{}},
	"sections": {`
performance:
  memory_limit: 1GiB
  lock_timeout: 250ms
  enable_batch_optimization: false
ttl: {default_ttl: 90m, jitter: 10}
eviction: s3fifo
verbose: true
monitoring:
  hit_rate_threshold: 0.75
  # nothing else
loader:
`, memstore.Config{MemoryLimit: 1 << 30, LockTimeout: 250 * time.Millisecond, EnableBatchOptimization: no(),
		DefaultTTL: 90 * time.Minute, TTLJitter: 10, Eviction: "s3fifo", Verbose: true, HitRateThreshold: 0.75}},
	"dots":    {"ttl.max_ttl: 24h\nperformance.memory_limit: 64000000\n", memstore.Config{MaxTTL: 24 * time.Hour, MemoryLimit: 64_000_000}},
	"numbers": {"max_entry_size: 500\nshards: 0x10\n", memstore.Config{MaxEntrySize: 500, Shards: 16}},
	"zeros that are meant": {"loader: {retry_max: 0}\n",
		memstore.Config{Settings: map[string]string{"loader.retry_max": "0"}}},
	"quotes":               {"store_name: '007'\nhash_function: \"xxh3\"\n", memstore.Config{StoreName: "007", HashFunction: "xxh3"}},
	"a name like a number": {"store_name: '1e3'\n", memstore.Config{StoreName: "1e3"}},
}

func indented(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return "    " + strings.Join(lines, "\n    ") + "\n"
}

func TestAConfigIsAPartOfAnApplications(t *testing.T) {
	for name, yaml := range packages {
		for what, test := range configs {
			var got application
			got.Storage.Memory.LibraryReads = true // which YAML does not touch
			text := "name: node\nstorage:\n  memory:\n" + indented(test.text)
			if err := yaml.read([]byte(text), &got); err != nil {
				t.Errorf("%s, %s: %v", name, what, err)
				continue
			}
			want := test.config
			want.LibraryReads = true
			if got.Name != "node" || !reflect.DeepEqual(got.Storage.Memory, want) {
				t.Errorf("%s, %s: %+v", name, what, got)
			}
		}
	}
}

// TestSectionsWithoutSettingsAreEmpty has sections whose every line is a comment, as under a prefix.
func TestSectionsWithoutSettingsAreEmpty(t *testing.T) {
	for name, yaml := range packages {
		for _, text := range []string{"storage:\n", "storage:\n  memory:\n", "storage: {memory: {performance: }}\n", "ttl:\n"} {
			var got memstore.Config
			if err := yaml.read([]byte(text), &got); err != nil || !reflect.DeepEqual(got, memstore.Config{}) {
				t.Errorf("%s, %q: %v, %+v", name, text, err, got)
			}
		}
	}
}

func TestWhatIsWrittenReadsBack(t *testing.T) {
	for name, yaml := range packages {
		for what, test := range configs {
			want := application{Name: "node"}
			want.Storage.Memory = test.config
			want.Storage.Memory.Logger = slog.Default() // no setting: is not written
			for _, form := range []any{want, &want} {
				text, err := yaml.write(form)
				if err != nil {
					t.Fatalf("%s, %s: %v", name, what, err)
				}
				var got application
				if err := yaml.read(text, &got); err != nil {
					t.Fatalf("%s, %s: %v of\n%s", name, what, err, text)
				}
				got.Storage.Memory.Logger = want.Storage.Memory.Logger
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%s, %s: read\n%+v\nwanted\n%+v\nwritten\n%s", name, what, got, want, text)
				}
			}
		}
	}
}

// TestOpenYAMLReadsWhatIsWritten opens stores by both ways and compares a few effects.
func TestOpenYAMLReadsWhatIsWritten(t *testing.T) {
	for name, yaml := range packages {
		config := memstore.Config{MemoryLimit: 48 << 20, MaxTTL: time.Hour, MaxEntrySize: 100}
		text, err := yaml.write(config)
		if err != nil {
			t.Fatal(name, err)
		}
		path := filepath.Join(t.TempDir(), "memstore.yaml")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		store, err := memstore.OpenYAML(path)
		if err != nil {
			t.Fatalf("%s: %v of\n%s", name, err, text)
		}
		ctx := context.Background()
		if store.Capacity() != 48<<20 {
			t.Errorf("%s: a capacity of %d", name, store.Capacity())
		}
		if err := store.Set(ctx, "k", nil, 2*time.Hour); !errors.Is(err, memstore.ErrInvalidTTL) {
			t.Errorf("%s: %v", name, err)
		}
		if err := store.Set(ctx, "k", make([]byte, 100), 0); !errors.Is(err, memstore.ErrEntryTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestADateIsToBeInQuotes: the packages read it as a time, and its text is lost.
func TestADateIsToBeInQuotes(t *testing.T) {
	for name, yaml := range packages {
		var config memstore.Config
		err := yaml.read([]byte("store_name: 2026-11-29"), &config)
		if !errors.Is(err, memstore.ErrInvalidConfig) || !strings.Contains(err.Error(), "quotes") {
			t.Errorf("%s: %q, %v", name, config.StoreName, err)
		}
		if err := yaml.read([]byte("store_name: '2026-11-29'"), &config); err != nil || config.StoreName != "2026-11-29" {
			t.Errorf("%s, in quotes: %q, %v", name, config.StoreName, err)
		}
	}
}

func TestWhatIsNoSettingIsRefused(t *testing.T) {
	for name, yaml := range packages {
		for _, text := range []string{"shard: 4", "shards: [4]", "shards: five", "ttl: {max_ttl: 1 hour}", "ttl: 4",
			"performance: {memory_limit: 2001-01-01}", "eviction:"} {
			config := memstore.Config{Shards: 8}
			if err := yaml.read([]byte(text), &config); !errors.Is(err, memstore.ErrInvalidConfig) {
				t.Errorf("%s, %q: %v", name, text, err)
			}
			if !reflect.DeepEqual(config, memstore.Config{Shards: 8}) {
				t.Errorf("%s: %q is refused and changes %+v", name, text, config)
			}
		}
		if _, err := yaml.write(memstore.Config{Eviction: "luck"}); !errors.Is(err, memstore.ErrInvalidConfig) {
			t.Errorf("%s writes a policy that there is not: %v", name, err)
		}
	}
}
