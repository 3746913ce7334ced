// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

func ExampleStore_Save() {
	folder, err := os.MkdirTemp("", "memstore")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "snapshot")

	ctx := context.Background()
	store := newStore()
	_ = store.Set(ctx, "block/42", []byte("header"), time.Hour)
	if err := store.Save(ctx, path); err != nil {
		log.Fatal(err) // what was at path before is there yet
	}
	_ = store.Close()

	again := newStore()
	defer again.Close()
	if err := again.Load(ctx, path); err != nil {
		log.Fatal(err)
	}
	value, found, err := again.Get(ctx, "block/42")
	fmt.Println(string(value), found, err)
	// Output: header true <nil>
}

func ExampleStore_Load() {
	file, err := os.CreateTemp("", "snapshot")
	if err != nil {
		log.Fatal(err)
	}
	defer os.Remove(file.Name())
	_, _ = file.WriteString("this is no snapshot")
	_ = file.Close()

	store := newStore()
	defer store.Close()
	err = store.Load(context.Background(), file.Name())
	fmt.Println(errors.Is(err, memstore.ErrCorruptSnapshot), store.Size())
	// Output: true 0
}

func ExampleStore_Warm() {
	store := newStore()
	defer store.Close()

	ctx := context.Background()
	_ = store.Set(ctx, "block/1", []byte("is there"), 0)
	keys := []string{"block/1", "block/2", "block/3"}
	err := store.Warm(ctx, keys, time.Hour, func(_ context.Context, key string) ([]byte, error) {
		if key == "block/3" {
			return nil, memstore.ErrKeyNotFound // is passed over
		}
		return []byte("row of " + key), nil
	})
	value, _, _ := store.Get(ctx, "block/2")
	fmt.Println(err, store.Size(), string(value))
	// Output: <nil> 2 row of block/2
}

// readInTurns reads more blocks than a store has room for, one after the other, and stores what is
// missing.
func readInTurns(ctx context.Context, store *memstore.Store, turns int) {
	for i := range turns {
		key := fmt.Sprint("block/", i*7919%20000)
		if _, found, _ := store.Get(ctx, key); !found {
			_ = store.Set(ctx, key, make([]byte, 100), 0)
		}
	}
}

func ExampleStore_Advise() {
	store, err := memstore.Open(memstore.Config{MemoryLimit: 1_000_000, AccessSampleRatio: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	readInTurns(context.Background(), store, 60000)

	advice, err := store.Advise()
	if err != nil {
		log.Fatal(err)
	}
	for _, one := range advice {
		if one.Name == "more_memory" {
			fmt.Println(one.Setting, "is", one.Current, one.Evidence != "")
		}
	}
	text, err := store.AdviseText() // all of it, for people
	fmt.Println(strings.Contains(text, "performance.memory_limit"), err)
	// Output:
	// performance.memory_limit is 1000kB true
	// true <nil>
}

func ExampleStore_AdviseReport() {
	store, err := memstore.Open(memstore.Config{MemoryLimit: 1_000_000, AccessSampleRatio: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	readInTurns(context.Background(), store, 60000)

	report, err := store.AdviseReport()
	if err != nil {
		log.Fatal(err)
	}
	// How many reads would miss with other limits: the more memory, the fewer.
	first, last := report.Curve[0], report.Curve[len(report.Curve)-1]
	fmt.Println(first.Bytes < last.Bytes, first.MissRatio > last.MissRatio)
	// Output: true true
}

func ExampleConfig_logger() {
	withoutTime := func(_ []string, attr slog.Attr) slog.Attr {
		switch attr.Key {
		case slog.LevelKey, slog.MessageKey, "event", "store":
			return attr
		}
		return slog.Attr{}
	}
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
	store, err := memstore.Open(memstore.Config{MemoryLimit: 16 << 20, StoreName: "blocks", Logger: logger})
	if err != nil {
		log.Fatal(err)
	}
	_ = store.Close() // which waits until the logger has got all
	// Output:
	// level=INFO msg="store opened" event=opened store=blocks
	// level=INFO msg="store closed" event=closed store=blocks
}

func ExampleStore_Subscribe_alerts() {
	store, err := memstore.Open(memstore.Config{
		MemoryLimit: 16 << 20, MemoryUsageThreshold: 0.0001, MetricsInterval: 10 * time.Millisecond,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	alerts, err := store.Subscribe(memstore.EventAlert, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer alerts.Close()

	ctx := context.Background()
	_ = store.Set(ctx, "block/42", make([]byte, 100_000), 0)
	event, err := alerts.Next(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(event.Alert == memstore.AlertMemoryUsage, event.Raised, event.AlertThreshold)
	// Output: true true 0.0001
}
