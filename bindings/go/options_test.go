// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"strings"
	"testing"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

func TestOptionsAndFieldsSayTheSame(t *testing.T) {
	settings := map[string]string{"ttl.jitter": "1"}
	store, err := memstore.New(
		memstore.WithConfig(memstore.Config{Settings: settings}),
		memstore.WithMemoryLimit(16<<20), memstore.WithMemoryLimit(32<<20), memstore.WithShards(64),
		memstore.WithMaxEntrySize(1000), memstore.WithExpectedEntries(1000), memstore.WithEviction("none"),
		memstore.WithEvictionGoal("bytes"), memstore.WithDefaultTTL(time.Hour),
		memstore.WithTTLBounds(time.Second, 2*time.Hour), memstore.WithTTLJitter(0),
		memstore.WithLifeWindow(3*time.Hour), memstore.WithLockTimeout(time.Second),
		memstore.WithNegativeTTL(time.Minute), memstore.WithLatencies(), memstore.WithManualMaintenance(),
		memstore.WithSetting("ttl.jitter", "0"))
	must(t, err)
	defer store.Close()
	if settings["ttl.jitter"] != "1" {
		t.Error("an option has changed the caller's map")
	}
	if store.Capacity() != 32<<20 {
		t.Errorf("capacity %d", store.Capacity())
	}
	wantError(t, store.Set(ctx, "k", make([]byte, 1000), 0), memstore.ErrEntryTooLarge)
	wantError(t, store.Set(ctx, "k", nil, time.Millisecond), memstore.ErrInvalidTTL)
	must(t, store.Set(ctx, "k", nil, memstore.DefaultTTL))
	if ttl, err := store.GetTTL(ctx, "k"); err != nil || ttl > time.Hour || ttl < time.Hour-time.Minute {
		t.Errorf("ttl %v, %v", ttl, err)
	}
	if latency, err := store.GetLatency(memstore.OperationSet); err != nil || latency.Count == 0 {
		t.Errorf("latencies %v, %v", latency, err)
	}
	_, err = memstore.New(memstore.WithEviction("sometimes"))
	wantError(t, err, memstore.ErrInvalidConfig)
	_, err = memstore.New(memstore.WithFile("none.yaml"))
	wantError(t, err, memstore.ErrIO)
}

func TestTheEnvironmentIsReadWhenAskedFor(t *testing.T) {
	t.Setenv("MEMSTORE_PERFORMANCE_MEMORY_LIMIT", "16MiB")
	store, err := memstore.New(memstore.WithEnvironment())
	must(t, err)
	defer store.Close()
	if store.Capacity() != 16<<20 {
		t.Errorf("capacity %d", store.Capacity())
	}
}

func TestAlmostNothingIsNotNothing(t *testing.T) {
	_, err := memstore.Open(memstore.Config{DefaultTTL: -1})
	wantError(t, err, memstore.ErrInvalidConfig)
	store := open(t, memstore.Config{DefaultTTL: 1})
	if text, err := store.Setting("ttl.default_ttl"); text != "1ms" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}

func TestAMessageNamesASettingOnce(t *testing.T) {
	_, err := memstore.New(memstore.WithShards(3))
	wantErrorOf(t, err, "New", "shards", memstore.ErrInvalidConfig)
	if text := err.Error(); strings.Count(text, "shards") != 1 {
		t.Error(text)
	}
}

func TestANilOptionIsRefused(t *testing.T) {
	_, err := memstore.New(memstore.WithMemoryLimit(16<<20), nil)
	wantError(t, err, memstore.ErrInvalidArgument)
}
