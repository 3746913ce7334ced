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

	memstore "github.com/weisyn/memstore/bindings/go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Register has a meter observe a store: once for each collection, without a cost in between. The
// attributes are added to each metric and tell the stores of a program apart. A store that is closed has
// no metrics any more.
//
// The metrics are those of MetricsText, which docs/metrics.md explains, but for the version, the hot keys and the
// histograms of latencies, in whose place there are quantiles; what OpenMetrics has one metric each for is often one
// with an attribute here. Counters:
//
//	memstore.reads (outcome), writes, updates, deletes, evictions, expirations, rejections (reason), refusals (status)
//	memstore.loads (outcome), loads.retries, loads.saved (by), loads.unstored (reason), loads.ended (bound),
//	loads.refreshes (outcome), breakers.opened
//	memstore.compactions, moved, written, room_made, exports (outcome), memory.limit.changes (direction)
//
// What there is now:
//
//	memstore.entries, ttl.entries (from), segments, breakers.open, breakers.half_open
//	memstore.memory.limit, memory.configured_limit, memory.charged, memory.usage (kind), memory.pinned, memory.resident
//
// While EnableMetrics is on, of the last window: memstore.window.duration, window.hit_ratio and others in _ratio,
// memstore.alert (kind), alerts.raised. With TrackOperationLatency, of each operation that was called:
// memstore.operation.duration (operation, quantile), operation.slow (operation).
func Register(meter metric.Meter, store *memstore.Store, attributes ...attribute.KeyValue) (metric.Registration, error) {
	o := &observer{store: store, shared: attributes}
	if err := o.instrument(meter); err != nil {
		return nil, err
	}
	return meter.RegisterCallback(o.observe, o.all...)
}

// observer reads a store once and hands on what each of its instruments is to show.
type observer struct {
	store  *memstore.Store
	shared []attribute.KeyValue
	all    []metric.Observable

	counts, rates []count // those of rates need rates
	windows       []metric.Float64ObservableGauge
	classes       metric.Int64ObservableUpDownCounter
	duration      metric.Float64ObservableGauge
	slow          metric.Int64ObservableCounter
}

// count is an instrument, or one of its series.
type count struct {
	instrument metric.Int64Observable
	attributes metric.MeasurementOption
	value      func(*reading) uint64
}

// instrument makes all instruments.
func (o *observer) instrument(meter metric.Meter) error {
	errs := []error{
		o.countAll(meter, counters, &o.counts, true), o.countAll(meter, gauges, &o.counts, false),
		o.countAll(meter, rateCounters, &o.rates, true), o.countAll(meter, rateGauges, &o.rates, false),
	}
	for _, w := range windows {
		gauge, err := meter.Float64ObservableGauge(w.name, metric.WithUnit(w.unit), metric.WithDescription(w.help))
		o.windows, errs = append(o.windows, gauge), append(errs, err)
		o.all = append(o.all, gauge)
	}
	var err error
	o.classes, err = meter.Int64ObservableUpDownCounter("memstore.ttl.entries", metric.WithUnit("{entry}"),
		metric.WithDescription("Live entries by their TTL when they were written"))
	errs = append(errs, err)
	o.duration, err = meter.Float64ObservableGauge("memstore.operation.duration", metric.WithUnit("s"),
		metric.WithDescription("How long calls took, by quantile"))
	errs = append(errs, err)
	o.slow, err = meter.Int64ObservableCounter("memstore.operation.slow", metric.WithUnit("{call}"),
		metric.WithDescription("Measured calls that took longer than LatencyThreshold"))
	o.all = append(o.all, o.classes, o.duration, o.slow)
	return errors.Join(append(errs, err)...)
}

// countAll makes instruments of a table, and adds their series to counts.
func (o *observer) countAll(meter metric.Meter, table []instrument, counts *[]count, counter bool) error {
	var errs []error
	for _, i := range table {
		var made metric.Int64Observable
		var err error
		if counter {
			made, err = meter.Int64ObservableCounter(i.name, metric.WithUnit(i.unit), metric.WithDescription(i.help))
		} else {
			made, err = meter.Int64ObservableUpDownCounter(i.name, metric.WithUnit(i.unit), metric.WithDescription(i.help))
		}
		errs = append(errs, err)
		o.all = append(o.all, made)
		for value, read := range i.series {
			*counts = append(*counts, count{made, o.with(attribute.String(i.attribute, value)), read})
		}
	}
	return errors.Join(errs...)
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
	r := &reading{stats: o.store.GetStats(), memory: o.store.GetMemoryUsage()}
	if r.memory.Limit == 0 {
		return nil // closed
	}
	for _, c := range o.counts {
		to.ObserveInt64(c.instrument, int64(c.value(r)), c.attributes)
	}
	for _, class := range o.store.GetTTLs() {
		to.ObserveInt64(o.classes, int64(class.Entries), o.with(attribute.String("from", classFrom(class))))
	}
	o.observeRates(to, r)
	o.observeLatencies(to)
	return nil
}

func (o *observer) observeRates(to metric.Observer, r *reading) {
	var err error
	if r.rates, err = o.store.GetRates(); err != nil {
		return // EnableMetrics is off
	}
	for _, c := range o.rates {
		to.ObserveInt64(c.instrument, int64(c.value(r)), c.attributes)
	}
	for i, w := range windows {
		to.ObserveFloat64(o.windows[i], w.value(r.rates), o.with())
	}
}

func (o *observer) observeLatencies(to metric.Observer) {
	for _, operation := range memstore.Operations() {
		latency, err := o.store.GetLatency(operation)
		if err != nil {
			return // they are not tracked
		}
		if latency.Count == 0 {
			continue
		}
		name := attribute.String("operation", operation.String())
		to.ObserveInt64(o.slow, int64(latency.Slow), o.with(name))
		for quantile, duration := range quantiles(latency) {
			to.ObserveFloat64(o.duration, duration.Seconds(), o.with(name, attribute.String("quantile", quantile)))
		}
	}
}
