// SPDX-License-Identifier: Apache-2.0

package otel

import (
	"context"
	"errors"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
	"go.opentelemetry.io/otel/sdk/metric"
)

// translations tell what each sample of MetricsText is called here; each * stands for the value of the sample's next
// label. What is "" is left out, as Register's comment says.
var translations = map[string]string{
	"memstore_build_info":                        "",
	"memstore_hits_total":                        "memstore.reads{outcome=hit}",
	"memstore_misses_total":                      "memstore.reads{outcome=miss}",
	"memstore_sets_total":                        "memstore.writes{}",
	"memstore_updates_total":                     "memstore.updates{}",
	"memstore_deletes_total":                     "memstore.deletes{}",
	"memstore_evictions_total":                   "memstore.evictions{}",
	"memstore_expirations_total":                 "memstore.expirations{}",
	"memstore_rejected_writes_total":             "memstore.rejections{reason=*}",
	"memstore_refusals_total":                    "memstore.refusals{status=*}",
	"memstore_compactions_total":                 "memstore.compactions{}",
	"memstore_moved_bytes_total":                 "memstore.moved{}",
	"memstore_written_bytes_total":               "memstore.written{}",
	"memstore_room_made_total":                   "memstore.room_made{}",
	"memstore_exports_total":                     "memstore.exports{outcome=written}",
	"memstore_export_failures_total":             "memstore.exports{outcome=failed}",
	"memstore_limit_lowered_total":               "memstore.memory.limit.changes{direction=lowered}",
	"memstore_limit_raised_total":                "memstore.memory.limit.changes{direction=raised}",
	"memstore_entries":                           "memstore.entries{}",
	"memstore_loads_total":                       "memstore.loads{outcome=loaded}",
	"memstore_load_failures_total":               "memstore.loads{outcome=failed}",
	"memstore_absent_loaded_total":               "memstore.loads{outcome=absent}",
	"memstore_load_retries_total":                "memstore.loads.retries{}",
	"memstore_loads_coalesced_total":             "memstore.loads.saved{by=coalesced}",
	"memstore_absent_served_total":               "memstore.loads.saved{by=absent}",
	"memstore_stale_served_total":                "memstore.loads.saved{by=stale}",
	"memstore_loads_overtaken_total":             "memstore.loads.unstored{reason=overtaken}",
	"memstore_loads_bypassed_total":              "memstore.loads.unstored{reason=bypassed}",
	"memstore_loads_refused_total":               "memstore.loads.ended{bound=breaker}",
	"memstore_loads_timed_out_total":             "memstore.loads.ended{bound=timeout}",
	"memstore_loads_without_place_total":         "memstore.loads.ended{bound=loads}",
	"memstore_loads_without_bytes_total":         "memstore.loads.ended{bound=bytes}",
	"memstore_refreshes_total":                   "memstore.loads.refreshes{outcome=loaded}",
	"memstore_refresh_failures_total":            "memstore.loads.refreshes{outcome=failed}",
	"memstore_breakers_opened_total":             "memstore.breakers.opened{}",
	"memstore_breakers_open":                     "memstore.breakers.open{}",
	"memstore_breakers_half_open":                "memstore.breakers.half_open{}",
	"memstore_memory_limit_bytes":                "memstore.memory.limit{}",
	"memstore_memory_configured_limit_bytes":     "memstore.memory.configured_limit{}",
	"memstore_memory_charged_bytes":              "memstore.memory.charged{}",
	"memstore_memory_bytes":                      "memstore.memory.usage{kind=*}",
	"memstore_memory_pinned_bytes":               "memstore.memory.pinned{}",
	"memstore_memory_resident_bytes":             "memstore.memory.resident{}",
	"memstore_segments":                          "memstore.segments{}",
	"memstore_ttl_entries":                       "memstore.ttl.entries{from=*}",
	"memstore_window_seconds":                    "memstore.window.duration{}",
	"memstore_window_hit_ratio":                  "memstore.window.hit_ratio{}",
	"memstore_window_memory_usage_ratio":         "memstore.window.memory_usage_ratio{}",
	"memstore_window_pinned_ratio":               "memstore.window.pinned_ratio{}",
	"memstore_window_reclaim_pressure_ratio":     "memstore.window.reclaim_pressure_ratio{}",
	"memstore_window_load_failure_ratio":         "memstore.window.load_failure_ratio{}",
	"memstore_alert":                             "memstore.alert{kind=*}",
	"memstore_alerts_raised_total":               "memstore.alerts.raised{}",
	"memstore_operation_duration_seconds_bucket": "",
	"memstore_operation_duration_seconds_count":  "",
	"memstore_operation_duration_seconds_sum":    "",
	"memstore_operation_quantile_seconds":        "memstore.operation.duration{operation=*,quantile=*}",
	"memstore_slow_operations_total":             "memstore.operation.slow{operation=*}",
	"memstore_hot_key_share":                     "",
}

// moving are those that may be another a moment later, whatever the program does.
var moving = map[string]bool{"memstore.window.duration{}": true, "memstore.memory.resident{}": true}

var (
	sampleForm = regexp.MustCompile(`^([a-z_]+)(?:\{(.*)\})? ([^ ]+)$`)
	labelForm  = regexp.MustCompile(`="([^"]*)"`)
)

// samples are those of a text, by what they are called here.
func samples(t *testing.T, text string) map[string]float64 {
	t.Helper()
	values := map[string]float64{}
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		parts := sampleForm.FindStringSubmatch(line)
		if parts == nil {
			t.Fatalf("no sample: %q", line)
		}
		series, known := translations[parts[1]]
		if !known {
			t.Errorf("%s is not told to OpenTelemetry", parts[1])
		}
		if series == "" {
			continue
		}
		for _, label := range labelForm.FindAllStringSubmatch(parts[2], -1) {
			series = strings.Replace(series, "*", label[1], 1)
		}
		value, err := strconv.ParseFloat(parts[3], 64)
		must(t, err)
		values[series] = value
	}
	return values
}

// busy is a store in which most of what is counted has happened.
func busy(t *testing.T) *memstore.Store {
	t.Helper()
	store, err := memstore.Open(memstore.Config{
		MemoryLimit: 8 << 20, Maintenance: "manual", TrackOperationLatency: true, AccessSampleRatio: 1,
		LatencyThreshold: time.Nanosecond, HitRateThreshold: 0.99, MaxEntrySize: 1 << 20, BreakerFailures: 2,
	})
	must(t, err)
	t.Cleanup(func() { must(t, store.Close()) })
	for i := range 20_000 {
		must(t, store.Set(ctx, strconv.Itoa(i), make([]byte, 1000), time.Duration(i%3)*time.Minute))
		_, _, _ = store.Get(ctx, strconv.Itoa(i/2))
	}
	must(t, store.Set(ctx, "k", []byte("v"), 0))
	must(t, store.Set(ctx, "k", []byte("w"), 0))
	must(t, store.Set(ctx, "gone", nil, 0))
	must(t, store.Delete(ctx, "gone"))
	_ = store.Set(ctx, "refused", nil, -5)
	_ = store.Set(ctx, "refused", make([]byte, 2<<20), 0)
	_ = store.Add(ctx, "k", nil, 0)
	_ = store.Replace(ctx, "none", nil, 0)
	_ = store.CompareAndSet(ctx, "k", nil, 0, 1)
	_, _ = store.Increment(ctx, "k", 1, 0, 0)
	failing := func(context.Context, string) ([]byte, error) { return nil, errors.New("no") }
	for i := range 4 {
		_, _ = store.GetOrLoad(ctx, "failing "+strconv.Itoa(i), 0, failing)
	}
	_, err = store.GetOrLoad(ctx, "k", 0, failing)
	must(t, err)
	must(t, store.Maintain(ctx, time.Second))
	return store
}

func TestEveryFamilyOfMetricsTextIsObserved(t *testing.T) {
	store := busy(t)
	reader := metric.NewManualReader()
	_, err := Register(metric.NewMeterProvider(metric.WithReader(reader)).Meter("test"), store)
	must(t, err)
	text, err := store.MetricsText()
	must(t, err)
	got, want := observed(t, reader), samples(t, string(text))
	nonzero := 0
	for series, value := range want {
		found, there := got[series]
		uncalled := strings.HasPrefix(series, "memstore.operation.") && value == 0
		if !there && !uncalled || !moving[series] && math.Abs(found-value) > 1e-9 {
			t.Errorf("%s is %v, %v; want %v", series, found, there, value)
		}
		if value != 0 {
			nonzero++
		}
		delete(got, series)
	}
	for series := range got {
		t.Errorf("MetricsText has no %s", series)
	}
	if nonzero < 50 {
		t.Errorf("only %d of %d series are not 0", nonzero, len(want))
	}
}
