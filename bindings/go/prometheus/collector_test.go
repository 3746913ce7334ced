// SPDX-License-Identifier: Apache-2.0

package prometheus_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	memstore "github.com/weisyn/memstore/bindings/go"
	memstoreprometheus "github.com/weisyn/memstore/bindings/go/prometheus"
)

func open(t *testing.T) *memstore.Store {
	t.Helper()
	store, err := memstore.Open(memstore.Config{MemoryLimit: 32 << 20, TrackOperationLatency: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// scrape asks a registry's metrics over HTTP.
func scrape(t *testing.T, registry *prometheus.Registry) string {
	t.Helper()
	server := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError}))
	defer server.Close()
	response, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s %v: %s", response.Status, err, body)
	}
	return string(body)
}

func TestAScrapeOverHTTP(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	for _, name := range []string{"blocks", "states"} {
		store := open(t)
		if err := store.Set(context.Background(), "key", []byte("value"), 0); err != nil {
			t.Fatal(err)
		}
		if _, _, err := store.Get(context.Background(), "key"); err != nil {
			t.Fatal(err)
		}
		registry.MustRegister(memstoreprometheus.NewCollector(store, prometheus.Labels{"store": name}))
	}
	text := scrape(t, registry)
	for _, line := range []string{
		`memstore_hits_total{store="blocks"} 1`,
		`memstore_hits_total{store="states"} 1`,
		`memstore_sets_total{store="blocks"} 1`,
		`memstore_memory_limit_bytes{store="blocks"} 3.3554432e+07`,
		`memstore_rejected_writes_total{reason="full",store="blocks"} 0`,
		`memstore_operation_duration_seconds_count{operation="set",store="blocks"} 1`,
		`memstore_operation_duration_seconds_bucket{operation="set",store="blocks",le="+Inf"} 1`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("%s is missing", line)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

func TestLabelsOfAnyHotKey(t *testing.T) {
	store, err := memstore.Open(memstore.Config{MemoryLimit: 32 << 20, AccessSampleRatio: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	const key = "a \"b\",{c=\"d\"}\\n\n\xff"
	if err := store.Set(context.Background(), key, []byte("value"), 0); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < 4000; i++ {
		if _, _, err := store.Get(context.Background(), key); err != nil {
			t.Fatal(err)
		}
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(memstoreprometheus.NewCollector(store, prometheus.Labels{"store": "blocks"}))
	const line = `memstore_hot_key_share{key="a \"b\",{c=\"d\"}\\n\n\\xff",store="blocks"} 1` + "\n"
	if text := scrape(t, registry); !strings.Contains(text, line) {
		t.Errorf("%s is missing in %s", line, text)
	}
}

func TestAClosedStoreHasNoMetrics(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	store := open(t)
	registry.MustRegister(memstoreprometheus.NewCollector(store, nil))
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if text := scrape(t, registry); strings.Contains(text, "memstore_") {
		t.Error(text)
	}
}

func TestWhatCannotBeReadFailsTheCollection(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(memstoreprometheus.NewCollector(new(memstore.Store), nil))
	if _, err := registry.Gather(); err == nil || !strings.Contains(err.Error(), "not made by Open") {
		t.Errorf("got %v", err)
	}
}
