// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

func ExampleOpenYAML() {
	folder, err := os.MkdirTemp("", "memstore")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "node.yaml")
	text := "storage:\n  memory:\n    performance: {memory_limit: 32MiB}\n    ttl: {max_ttl: 1h}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		log.Fatal(err)
	}

	store, err := memstore.OpenYAML(path)
	if err != nil {
		log.Fatal(err) // names the file, the line and the column
	}
	defer store.Close()
	fmt.Println(store.Capacity() >> 20)
	err = store.Set(context.Background(), "k", nil, 2*time.Hour)
	fmt.Println(errors.Is(err, memstore.ErrInvalidTTL))
	// Output:
	// 32
	// true
}

// YAML packages call UnmarshalYAML for a field of the type Config, with a function that decodes the text
// under it: yaml.Unmarshal(text, &application) is all that a program has to do.
func ExampleConfig_UnmarshalYAML() {
	var config memstore.Config
	decode := func(into any) error {
		return json.Unmarshal([]byte(`{"performance": {"memory_limit": "32MiB"}, "ttl": {"default_ttl": "10m"}}`), into)
	}
	if err := config.UnmarshalYAML(decode); err != nil {
		log.Fatal(err)
	}
	fmt.Println(config.MemoryLimit>>20, config.DefaultTTL)
	// Output: 32 10m0s
}

// YAML packages call MarshalYAML for what yaml.Marshal(application) is to write.
func ExampleConfig_MarshalYAML() {
	tree, err := memstore.Config{MemoryLimit: 32 << 20, DefaultTTL: 10 * time.Minute, Shards: 16}.MarshalYAML()
	fmt.Println(tree, err)
	// Output: map[performance:map[memory_limit:32MiB] shards:16 ttl:map[default_ttl:10m]] <nil>
}

func ExampleStore_Compact() {
	store := newStore()
	defer store.Close()

	ctx := context.Background()
	for i := range 1000 {
		_ = store.Set(ctx, fmt.Sprint(i), make([]byte, 1000), 0)
	}
	_, _ = store.DeleteByPattern(ctx, "?*[02468]")
	// At most a tenth of what live and dead entries take may be dead now.
	if err := store.Compact(ctx, 0.1); err != nil {
		log.Fatal(err)
	}
	usage := store.GetMemoryUsage()
	fmt.Println(usage.Dead <= (usage.Live+usage.Dead)/10)
	// Output: true
}

func ExampleStore_Maintain() {
	// A program that runs the upkeep itself, when it has nothing else to do.
	store, err := memstore.Open(memstore.Config{Maintenance: "manual"})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	ctx := context.Background()
	_ = store.Set(ctx, "k", nil, time.Millisecond)
	time.Sleep(10 * time.Millisecond)
	err = store.Maintain(ctx, time.Second) // a second at most
	fmt.Println(store.GetStats().Expirations, err)
	// Output: 1 <nil>
}

func ExampleStore_GetLatency() {
	store, err := memstore.Open(memstore.Config{TrackOperationLatency: true})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	ctx := context.Background()
	for i := range 100 {
		_ = store.Set(ctx, fmt.Sprint(i), nil, 0)
	}
	latency, err := store.GetLatency(memstore.OperationSet)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(latency.Count, latency.P50 <= latency.P99, latency.P99 <= latency.Max)
	// Output: 100 true true
}

func ExampleStore_GetRates() {
	store, err := memstore.Open(memstore.Config{MetricsInterval: 10 * time.Millisecond})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	ctx := context.Background()
	_ = store.Set(ctx, "k", nil, 0)
	for { // until a window with reads has ended
		_, _, _ = store.Get(ctx, "k")
		rates, err := store.GetRates()
		if err != nil {
			log.Fatal(err)
		}
		if rates.Hits > 0 {
			fmt.Println(rates.HitRate, rates.Alerts == 0)
			return
		}
	}
	// Output: 1 true
}

func ExampleStore_GetMemoryUsage() {
	store := newStore()
	defer store.Close()

	_ = store.Set(context.Background(), "k", make([]byte, 10_000), 0)
	usage := store.GetMemoryUsage()
	fmt.Println(usage.Live > 10_000, usage.Charged >= usage.Live, usage.Charged <= usage.Limit)
	// Output: true true true
}

func ExampleStore_GetTTLs() {
	store := newStore()
	defer store.Close()

	ctx := context.Background()
	_ = store.Set(ctx, "forever", nil, 0)
	_ = store.Set(ctx, "a", nil, time.Hour)
	_ = store.Set(ctx, "b", nil, time.Hour)
	for _, class := range store.GetTTLs() {
		if class.Entries != 0 {
			fmt.Println(class.Expires, class.Entries)
		}
	}
	// Output:
	// false 1
	// true 2
}

func ExampleStore_MetricsText() {
	store := newStore()
	defer store.Close()

	_, _, _ = store.Get(context.Background(), "absent")
	text, err := store.MetricsText() // what a handler of /metrics answers with
	if err != nil {
		log.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "memstore_misses") {
			fmt.Print(line)
		}
	}
	// Output: memstore_misses_total 1
}
