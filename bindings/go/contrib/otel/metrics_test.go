// SPDX-License-Identifier: Apache-2.0

package otel

import (
	"context"
	"testing"

	memstore "github.com/weisyn/memstore/bindings/go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

var ctx = context.Background()

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// observed has the values of all series, by their names and attributes.
func observed(t *testing.T, reader metric.Reader) map[string]float64 {
	t.Helper()
	var data metricdata.ResourceMetrics
	must(t, reader.Collect(ctx, &data))
	values := map[string]float64{}
	add := func(name string, attributes attribute.Set, value float64) {
		values[name+"{"+attributes.Encoded(attribute.DefaultEncoder())+"}"] = value
	}
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, point := range data.DataPoints {
					add(m.Name, point.Attributes, float64(point.Value))
				}
			case metricdata.Gauge[float64]:
				for _, point := range data.DataPoints {
					add(m.Name, point.Attributes, point.Value)
				}
			default:
				t.Errorf("%s is a %T", m.Name, data)
			}
		}
	}
	return values
}

func TestAStoreIsObserved(t *testing.T) {
	store, err := memstore.New(memstore.WithMemoryLimit(16<<20), memstore.WithLatencies())
	must(t, err)
	defer store.Close()
	reader := metric.NewManualReader()
	provider := metric.NewMeterProvider(metric.WithReader(reader))
	registration, err := Register(provider.Meter("test"), store, attribute.String("store", "blocks"))
	must(t, err)

	must(t, store.Set(ctx, "a", make([]byte, 1000), 0))
	must(t, store.Set(ctx, "b", nil, 0))
	must(t, store.Delete(ctx, "b"))
	_, _, _ = store.Get(ctx, "a")
	_, _, _ = store.Get(ctx, "c")
	_ = store.Set(ctx, "d", nil, -1)

	values := observed(t, reader)
	for series, want := range map[string]float64{
		"memstore.reads{outcome=hit,store=blocks}":             1,
		"memstore.reads{outcome=miss,store=blocks}":            1,
		"memstore.writes{store=blocks}":                        2,
		"memstore.deletes{store=blocks}":                       1,
		"memstore.rejections{reason=invalid_ttl,store=blocks}": 1,
		"memstore.entries{store=blocks}":                       1,
		"memstore.memory.limit{store=blocks}":                  16 << 20,
	} {
		if got, have := values[series]; !have || got != want {
			t.Errorf("%s is %v, %v; want %v", series, got, have, want)
		}
	}
	if values["memstore.memory.usage{kind=live,store=blocks}"] < 1000 {
		t.Errorf("live bytes: %v", values)
	}
	if _, have := values["memstore.operation.duration{operation=set,quantile=0.99,store=blocks}"]; !have {
		t.Errorf("no latency of set: %v", values)
	}

	must(t, store.Close())
	if values := observed(t, reader); len(values) != 0 {
		t.Errorf("a closed store has %v", values)
	}
	must(t, registration.Unregister())
}

func TestWhatIsNotTrackedIsNotObserved(t *testing.T) {
	store, err := memstore.New(memstore.WithMemoryLimit(16 << 20))
	must(t, err)
	defer store.Close()
	reader := metric.NewManualReader()
	_, err = Register(metric.NewMeterProvider(metric.WithReader(reader)).Meter("test"), store)
	must(t, err)
	for series := range observed(t, reader) {
		if len(series) > 27 && series[:27] == "memstore.operation.duration" {
			t.Errorf("%s is observed", series)
		}
	}
}
