// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

var seedFlag = flag.Uint64("memstore.seed", 0, "replay random tests with this seed")

var ctx = context.Background()

// TestMain also sees that no goroutine of the package is left over.
func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	left := ourGoroutines()
	for deadline := time.Now().Add(time.Minute); left != "" && time.Now().Before(deadline); left = ourGoroutines() {
		time.Sleep(10 * time.Millisecond)
	}
	if code == 0 && left != "" {
		fmt.Fprintf(os.Stderr, "goroutines are left over:\n%s\n", left)
		code = 1
	}
	os.Exit(code)
}

// ourGoroutines has the stacks of goroutines that are in the package.
func ourGoroutines() string {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	var ours []string
	for _, stack := range strings.Split(string(stacks), "\n\n") {
		if strings.Contains(stack, "memstore/bindings/go.") {
			ours = append(ours, stack)
		}
	}
	return strings.Join(ours, "\n\n")
}

// open makes a store that the test closes; its limit is small unless the configuration has one.
func open(t testing.TB, config memstore.Config) *memstore.Store {
	t.Helper()
	if config.MemoryLimit == 0 {
		config.MemoryLimit = 32 << 20
	}
	store, err := memstore.Open(config)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil && !errors.Is(err, memstore.ErrCacheClosed) {
			t.Errorf("Close: %v", err)
		}
	})
	return store
}

// seed is the seed of a random test: the one asked for, or a new one; it is printed either way.
func seed(t testing.TB) uint64 {
	t.Helper()
	value := *seedFlag
	if value == 0 {
		value = uint64(time.Now().UnixNano())
	}
	t.Logf("replay with -args -memstore.seed=%d", value)
	return value
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// noError is must for goroutines other than the test's own.
func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

func wantError(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("got error %v, want %v", err, target)
	}
}

func wantValue(t testing.TB, store *memstore.Store, key, want string) {
	t.Helper()
	value, found, err := store.Get(ctx, key)
	if err != nil || !found || string(value) != want {
		t.Errorf("Get(%.40q) = %.40q (%d bytes), %v, %v; want %.40q (%d bytes)", key, value, len(value), found, err,
			want, len(want))
	}
}

func wantAbsent(t testing.TB, store *memstore.Store, key string) {
	t.Helper()
	value, found, err := store.Get(ctx, key)
	if err != nil || found || value != nil {
		t.Errorf("Get(%.40q) = %.40q, %v, %v; want nothing", key, value, found, err)
	}
}

// eventually waits for what happens in the background.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not after a minute: %s", what)
		}
	}
}

// spawn runs a function on a goroutine that the group waits for.
func spawn(group *sync.WaitGroup, run func()) {
	group.Add(1)
	go func() {
		defer group.Done()
		run()
	}()
}

// underRace says whether the race detector is on.
func underRace() bool {
	info, _ := debug.ReadBuildInfo()
	return info != nil && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
