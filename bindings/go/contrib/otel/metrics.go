// SPDX-License-Identifier: Apache-2.0

// Package otel hands the metrics of memstore's stores to OpenTelemetry.
//
//	registration, err := memstoreotel.Register(otel.Meter("node"), store, attribute.String("store", "blocks"))
//	…
//	defer registration.Unregister()
package otel

import (
	"context"
	"errors"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Register has a meter observe a store: once for each collection, without a cost in between. The
// attributes are added to each metric and tell the stores of a program apart. A store that is closed has
// no metrics any more.
//
// Counters: memstore.reads by outcome, memstore.writes, memstore.deletes, memstore.evictions,
// memstore.expirations, memstore.rejections by reason, memstore.loads by outcome. What there is now:
// memstore.entries, memstore.memory.limit, memstore.memory.charged, memstore.memory.usage by kind; with the
// setting monitoring.track_operation_latency memstore.operation.duration by operation and quantile.
func Register(meter metric.Meter, store *memstore.Store, attributes ...attribute.KeyValue) (metric.Registration, error) {
	o := &observer{store: store}
	all, err := o.instruments(meter, attributes)
	if err != nil {
		return nil, err
	}
	return meter.RegisterCallback(o.observe, all...)
}

// observer reads a store once and hands on what each of its instruments is to show.
type observer struct {
	store    *memstore.Store
	counts   []count
	duration metric.Float64ObservableGauge
	shared   []attribute.KeyValue
}

// count is an instrument, or one of its series.
type count struct {
	instrument metric.Int64Observable
	attributes metric.MeasurementOption
	value      func(*memstore.CacheStats, *memstore.MemoryStats) uint64
}

type series = map[string]func(*memstore.CacheStats, *memstore.MemoryStats) uint64

// counters and gauges have the series of each instrument by the value of its attribute.
var counters = []struct {
	name, unit, help, attribute string
	series                      series
}{
	{"memstore.reads", "{read}", "Reads", "outcome", series{
		"hit":  func(s *memstore.CacheStats, _ *memstore.MemoryStats) uint64 { return s.Hits },
		"miss": func(s *memstore.CacheStats, _ *memstore.MemoryStats) uint64 { return s.Misses },
	}},
	{"memstore.writes", "{entry}", "Entries stored", "", series{
		"": func(s *memstore.CacheStats, _ *memstore.MemoryStats) uint64 { return s.Sets },
	}},
	{"memstore.deletes", "{entry}", "Live entries removed by deleting calls", "", series{
		"": func(s *memstore.CacheStats, _ *memstore.MemoryStats) uint64 { return s.Deletes },
	}},
	{"memstore.evictions", "{entry}", "Live entries removed to make room", "", series{
		"": func(s *memstore.CacheStats, _ *memstore.MemoryStats) uint64 { return s.Evictions },
	}},
	{"memstore.expirations", "{entry}", "Entries removed because their time was over", "", series{
		"": func(s *memstore.CacheStats, _ *memstore.MemoryStats) uint64 { return s.Expirations },
	}},
	{"memstore.rejections", "{write}", "Writes refused", "reason", series{
		"too_large":   func(s *memstore.CacheStats, _ *memstore.MemoryStats) uint64 { return s.RejectedTooLarge },
		"invalid_ttl": func(s *memstore.CacheStats, _ *memstore.MemoryStats) uint64 { return s.RejectedInvalidTTL },
		"full":        func(s *memstore.CacheStats, _ *memstore.MemoryStats) uint64 { return s.RejectedFull },
		"memory":      func(s *memstore.CacheStats, _ *memstore.MemoryStats) uint64 { return s.RejectedMemory },
		"condition":   func(s *memstore.CacheStats, _ *memstore.MemoryStats) uint64 { return s.RejectedCondition },
		"timeout":     func(s *memstore.CacheStats, _ *memstore.MemoryStats) uint64 { return s.RejectedTimeout },
	}},
	{"memstore.loads", "{load}", "Loads of what was not there", "outcome", series{
		"loaded": func(s *memstore.CacheStats, _ *memstore.MemoryStats) uint64 { return s.Loads },
		"failed": func(s *memstore.CacheStats, _ *memstore.MemoryStats) uint64 { return s.LoadFailures },
		"absent": func(s *memstore.CacheStats, _ *memstore.MemoryStats) uint64 { return s.AbsentLoaded },
	}},
}

var gauges = []struct {
	name, unit, help, attribute string
	series                      series
}{
	{"memstore.entries", "{entry}", "Live entries", "", series{
		"": func(s *memstore.CacheStats, _ *memstore.MemoryStats) uint64 { return s.Entries },
	}},
	{"memstore.memory.limit", "By", "Bytes that the store may use", "", series{
		"": func(_ *memstore.CacheStats, m *memstore.MemoryStats) uint64 { return m.Limit },
	}},
	{"memstore.memory.charged", "By", "Bytes that count against the limit", "", series{
		"": func(_ *memstore.CacheStats, m *memstore.MemoryStats) uint64 { return m.Charged },
	}},
	{"memstore.memory.usage", "By", "Bytes by what they are used for", "kind", series{
		"live":     func(_ *memstore.CacheStats, m *memstore.MemoryStats) uint64 { return m.Live },
		"dead":     func(_ *memstore.CacheStats, m *memstore.MemoryStats) uint64 { return m.Dead },
		"index":    func(_ *memstore.CacheStats, m *memstore.MemoryStats) uint64 { return m.Index },
		"overhead": func(_ *memstore.CacheStats, m *memstore.MemoryStats) uint64 { return m.Overhead },
		"free":     func(_ *memstore.CacheStats, m *memstore.MemoryStats) uint64 { return m.Free },
	}},
}

// instruments makes all of them.
func (o *observer) instruments(meter metric.Meter, shared []attribute.KeyValue) ([]metric.Observable, error) {
	var all []metric.Observable
	var failures []error
	o.shared = shared
	for _, c := range counters {
		instrument, err := meter.Int64ObservableCounter(c.name, metric.WithUnit(c.unit), metric.WithDescription(c.help))
		all, failures = append(all, instrument), append(failures, err)
		o.add(instrument, c.attribute, c.series)
	}
	for _, g := range gauges {
		instrument, err := meter.Int64ObservableUpDownCounter(g.name, metric.WithUnit(g.unit), metric.WithDescription(g.help))
		all, failures = append(all, instrument), append(failures, err)
		o.add(instrument, g.attribute, g.series)
	}
	var err error
	o.duration, err = meter.Float64ObservableGauge("memstore.operation.duration", metric.WithUnit("s"),
		metric.WithDescription("How long calls took, by quantile"))
	return append(all, o.duration), errors.Join(append(failures, err)...)
}

func (o *observer) add(instrument metric.Int64Observable, name string, all series) {
	for value, read := range all {
		o.counts = append(o.counts, count{instrument, o.with(attribute.String(name, value)), read})
	}
}

// with is the shared attributes and those with a name among others.
func (o *observer) with(more ...attribute.KeyValue) metric.MeasurementOption {
	all := append([]attribute.KeyValue{}, o.shared...)
	for _, pair := range more {
		if pair.Key != "" {
			all = append(all, pair)
		}
	}
	return metric.WithAttributes(all...)
}

// observe is called for each collection.
func (o *observer) observe(_ context.Context, to metric.Observer) error {
	stats, memory := o.store.GetStats(), o.store.GetMemoryUsage()
	if memory.Limit == 0 {
		return nil // closed
	}
	for _, c := range o.counts {
		to.ObserveInt64(c.instrument, int64(c.value(stats, memory)), c.attributes)
	}
	for _, operation := range memstore.Operations() {
		latency, err := o.store.GetLatency(operation)
		if err != nil {
			return nil // they are not tracked
		}
		if latency.Count != 0 {
			o.observeLatency(to, operation, latency)
		}
	}
	return nil
}

func (o *observer) observeLatency(to metric.Observer, operation memstore.Operation, latency *memstore.Latency) {
	for quantile, duration := range map[string]time.Duration{
		"0.5": latency.P50, "0.99": latency.P99, "0.999": latency.P999, "1": latency.Max,
	} {
		to.ObserveFloat64(o.duration, duration.Seconds(),
			o.with(attribute.String("operation", operation.String()), attribute.String("quantile", quantile)))
	}
}
