// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

func TestLatenciesAreMeasuredWhenAskedFor(t *testing.T) {
	store := open(t, memstore.Config{TrackOperationLatency: true})
	for i := range 100 {
		must(t, store.Set(ctx, fmt.Sprint("key/", i), []byte("value"), 0))
	}
	latency, err := store.GetLatency(memstore.OperationSet)
	must(t, err)
	if latency.Count != 100 || latency.OneIn != 1 || latency.Slow != 0 {
		t.Errorf("after 100 sets: %+v", latency)
	}
	ordered := []time.Duration{0, latency.P50, latency.P90, latency.P99, latency.P999, latency.P9999, latency.Max, latency.Total}
	for i := range ordered[1:] {
		if ordered[i] > ordered[i+1] {
			t.Errorf("not in order: %v", ordered)
		}
	}
	store.ResetStats()
	latency, err = store.GetLatency(memstore.OperationSet)
	must(t, err)
	if latency.Count != 0 {
		t.Errorf("after a reset: %+v", latency)
	}
}

func TestLatenciesAreRefusedWhenTheyAreNotTracked(t *testing.T) {
	store := open(t, memstore.Config{})
	if _, err := store.GetLatency(memstore.OperationGet); !errors.Is(err, memstore.ErrUnsupported) {
		t.Errorf("GetLatency: %v", err)
	}
	if _, err := store.GetLatency(99); !errors.Is(err, memstore.ErrInvalidArgument) {
		t.Errorf("GetLatency of no operation: %v", err)
	}
}

func TestOperationsAreThoseOfTheLibrary(t *testing.T) {
	all := memstore.Operations()
	if len(all) != int(memstore.OperationLoad)+1 {
		t.Errorf("%d operations", len(all))
	}
	for operation, name := range map[memstore.Operation]string{
		memstore.OperationGet:       "get",
		memstore.OperationHas:       "has",
		memstore.OperationSet:       "set",
		memstore.OperationSetMany:   "set_many",
		memstore.OperationIncrement: "increment",
		memstore.OperationUpdateTTL: "update_ttl",
		memstore.OperationCommit:    "commit",
		memstore.OperationLoad:      "load",
		-1:                          "",
	} {
		if operation.String() != name {
			t.Errorf("operation %d is %q, not %q", int(operation), operation, name)
		}
	}
}

// within waits until a condition comes true.
func within(t *testing.T, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come true")
		}
	}
}

func TestRatesAndAlerts(t *testing.T) {
	store := open(t, memstore.Config{MetricsInterval: 20 * time.Millisecond, MemoryUsageThreshold: 0.001})
	must(t, store.Set(ctx, "key", []byte("value"), 0))
	within(t, func() bool {
		rates, err := store.GetRates()
		must(t, err)
		return rates.Alerts&memstore.AlertMemoryUsage != 0
	})
	rates, err := store.GetRates()
	must(t, err)
	if rates.WindowSeconds < 0.02 || rates.MemoryUsage <= 0.001 || rates.MemoryUsage >= 1 || rates.AlertsRaised != 1 {
		t.Errorf("%+v", rates)
	}
}

func TestRatesAreRefusedWithoutMetrics(t *testing.T) {
	off := false
	store := open(t, memstore.Config{EnableMetrics: &off})
	if _, err := store.GetRates(); !errors.Is(err, memstore.ErrUnsupported) {
		t.Errorf("GetRates: %v", err)
	}
}

func TestMetricsText(t *testing.T) {
	store := open(t, memstore.Config{TrackOperationLatency: true})
	must(t, store.Set(ctx, "key", []byte("value"), 0))
	text, err := store.MetricsText()
	must(t, err)
	for _, line := range []string{
		"# TYPE memstore_sets counter",
		"memstore_sets_total 1",
		`memstore_memory_bytes{kind="live"}`,
		`memstore_operation_duration_seconds_count{operation="set"} 1`,
	} {
		if !strings.Contains(string(text), line) {
			t.Errorf("%s is missing", line)
		}
	}
	if !strings.HasSuffix(string(text), "\n# EOF\n") {
		t.Error("it has no end")
	}
	must(t, store.Close())
	if _, err := store.MetricsText(); !errors.Is(err, memstore.ErrCacheClosed) {
		t.Errorf("of a closed store: %v", err)
	}
}

func TestMemoryByKindCanBeOff(t *testing.T) {
	off := false
	store := open(t, memstore.Config{EnableMemoryStats: &off})
	must(t, store.Set(ctx, "key", []byte("value"), 0))
	if memory := store.GetMemoryUsage(); memory.Charged == 0 || memory.Live != 0 {
		t.Errorf("%+v", memory)
	}
}

func TestTheConfiguredLimitIsBesideTheOneInForce(t *testing.T) {
	store := open(t, memstore.Config{MemoryLimit: 64 << 20, MemoryPressure: "off"})
	memory, stats := store.GetMemoryUsage(), store.GetStats()
	if memory.Limit != 64<<20 || memory.ConfiguredLimit != 64<<20 {
		t.Errorf("limits: %+v", memory)
	}
	if stats.LimitLowered != 0 || stats.LimitRaised != 0 {
		t.Errorf("counts: %+v", stats)
	}
	must(t, store.Reconfigure(ctx, "memory_pressure", "cgroup"))
	must(t, store.Reconfigure(ctx, "performance.memory_limit", "32MiB"))
	if memory := store.GetMemoryUsage(); memory.ConfiguredLimit != 32<<20 || memory.Limit > 32<<20 {
		t.Errorf("limits: %+v", memory)
	}
}

func TestEntriesByTTLAddUp(t *testing.T) {
	store := open(t, memstore.Config{MemoryLimit: 256 << 20})
	must(t, store.Set(ctx, "never", []byte("v"), 0))
	for i := range 10 {
		must(t, store.Set(ctx, fmt.Sprint("minute/", i), []byte("v"), time.Minute))
	}
	classes := store.GetTTLs()
	if len(classes) < 2 || classes[0] != (memstore.TTLClass{Entries: 1}) {
		t.Fatalf("classes %+v", classes)
	}
	var sum, minutes uint64
	for i, class := range classes {
		sum += class.Entries
		if i != 0 && class.Shortest <= time.Minute {
			minutes = class.Entries
		}
	}
	if sum != uint64(store.Size()) || minutes != 10 {
		t.Errorf("%d entries of %d, %d with a minute: %+v", sum, store.Size(), minutes, classes)
	}
	must(t, store.Close())
	if classes := store.GetTTLs(); len(classes) != 0 {
		t.Errorf("a closed store has %+v", classes)
	}
}

func TestAlertsHaveTheNamesOfTheMetrics(t *testing.T) {
	for alert, want := range map[memstore.Alert]string{
		0: "", memstore.AlertHitRate: "hit_rate", memstore.AlertBreaker: "breaker",
		memstore.AlertMemoryUsage | memstore.AlertPinned: "memory_usage|pinned", 1 << 40: "",
	} {
		if alert.String() != want {
			t.Errorf("%#x is %q, want %q", uint64(alert), alert, want)
		}
	}
	store := open(t, memstore.Config{MetricsInterval: 10 * time.Millisecond, HitRateThreshold: 0.9})
	text, err := store.MetricsText()
	must(t, err)
	for alert := memstore.AlertHitRate; alert <= memstore.AlertBreaker; alert <<= 1 {
		if !strings.Contains(string(text), `kind="`+alert.String()+`"`) {
			t.Errorf("the metrics do not have an alert %q", alert)
		}
	}
}
