// SPDX-License-Identifier: Apache-2.0

package otel_test

import (
	"context"
	"fmt"
	"log"

	memstore "github.com/weisyn/memstore/bindings/go"
	memstoreotel "github.com/weisyn/memstore/bindings/go/contrib/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// The metrics of a store, collected as an exporter does.
func ExampleRegister() {
	store, err := memstore.New(memstore.WithMemoryLimit(64 << 20))
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	reader := metric.NewManualReader() // in a program: a periodic reader with an exporter, or otel.Meter("node")
	provider := metric.NewMeterProvider(metric.WithReader(reader))
	registration, err := memstoreotel.Register(provider.Meter("node"), store, attribute.String("store", "blocks"))
	if err != nil {
		log.Fatal(err)
	}
	defer registration.Unregister()

	ctx := context.Background()
	_ = store.Set(ctx, "block/1", []byte("…"), 0)
	var data metricdata.ResourceMetrics
	if err := reader.Collect(ctx, &data); err != nil {
		log.Fatal(err)
	}
	for _, m := range data.ScopeMetrics[0].Metrics {
		if sum, is := m.Data.(metricdata.Sum[int64]); is && m.Name == "memstore.entries" {
			fmt.Println(m.Name, sum.DataPoints[0].Value, sum.DataPoints[0].Attributes.Encoded(attribute.DefaultEncoder()))
		}
	}
	// Output: memstore.entries 1 store=blocks
}
