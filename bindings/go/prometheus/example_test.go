// SPDX-License-Identifier: Apache-2.0

package prometheus_test

import (
	"context"
	"fmt"
	"log"

	"github.com/prometheus/client_golang/prometheus"
	memstore "github.com/weisyn/memstore/bindings/go"
	memstoreprometheus "github.com/weisyn/memstore/bindings/go/prometheus"
)

// The metrics of a store in a registry, which promhttp.HandlerFor serves.
func ExampleNewCollector() {
	store, err := memstore.New(memstore.WithMemoryLimit(64 << 20))
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	registry := prometheus.NewRegistry()
	registry.MustRegister(memstoreprometheus.NewCollector(store, prometheus.Labels{"store": "blocks"}))

	_ = store.Set(context.Background(), "block/1", []byte("…"), 0)
	families, err := registry.Gather()
	if err != nil {
		log.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "memstore_entries" {
			entries := family.GetMetric()[0]
			fmt.Println(family.GetName(), entries.GetGauge().GetValue(), entries.GetLabel()[0].GetValue())
		}
	}
	// Output: memstore_entries 1 blocks
}
