// SPDX-License-Identifier: Apache-2.0

package lineartest

import (
	"context"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	memstore "github.com/weisyn/memstore/bindings/go"
)

var seedFlag = flag.Uint64("memstore.seed", 0, "replay the histories of this seed, as far as goroutines allow")

var ctx = context.Background()

// A history takes far less; one that takes longer is counted as undecided.
const timeToCheck = 5 * time.Second

func seed(t *testing.T) uint64 {
	t.Helper()
	value := *seedFlag
	if value == 0 {
		value = uint64(time.Now().UnixNano())
	}
	t.Logf("replay with -args -memstore.seed=%d", value)
	return value
}

func duration() time.Duration {
	if seconds, err := strconv.ParseFloat(os.Getenv("MEMSTORE_TEST_SECONDS"), 64); err == nil && seconds > 0 {
		return time.Duration(seconds * float64(time.Second))
	}
	return 1500 * time.Millisecond
}

// As long as none overlap, as on a machine that has other things to do, more histories are made, for so long.
const patience = time.Minute

// A recorder notes operations with the order of their calls and returns over all goroutines.
type recorder struct {
	clock atomic.Int64
	lock  sync.Mutex
	ops   []porcupine.Operation
}

func (r *recorder) do(client int, input any, call func() any) {
	op := porcupine.Operation{ClientId: client, Input: input, Call: r.clock.Add(1)}
	op.Output = call()
	op.Return = r.clock.Add(1)
	r.lock.Lock()
	defer r.lock.Unlock()
	r.ops = append(r.ops, op)
}

// A workload makes short histories on a store.
type workload struct {
	clients, steps int
	// prepare leaves the store as the model begins.
	prepare func(store *memstore.Store) error
	// step does and records one operation of a client.
	step func(r *recorder, store *memstore.Store, client int, random *rand.Rand)
	// model is that of a history; it may be derived from the history.
	model func(ops []porcupine.Operation) porcupine.Model
}

// run makes histories for a while, and until some tell something, and checks each.
func (w *workload) run(t *testing.T, config memstore.Config) {
	start := seed(t)
	store, err := memstore.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	histories, overlapping, undecided := 0, 0, 0
	began := time.Now()
	for goesOn := true; goesOn; histories++ {
		if err := w.prepare(store); err != nil {
			t.Fatal(err)
		}
		ops := w.history(store, start+uint64(histories))
		if overlap(ops) {
			overlapping++
		}
		switch result, info := porcupine.CheckOperationsVerbose(w.model(ops), ops, timeToCheck); result {
		case porcupine.Illegal:
			t.Fatalf("history %d is not linearizable; %s", histories, w.draw(ops, info))
		case porcupine.Unknown:
			undecided++
		}
		took := time.Since(began)
		goesOn = took < duration() || overlapping == 0 && took < patience
	}
	t.Logf("%d histories of %d goroutines, %d with overlapping operations, %d undecided", histories, w.clients,
		overlapping, undecided)
	if overlapping == 0 || undecided*100 > histories {
		t.Fatal("these histories tell nothing")
	}
}

func overlap(ops []porcupine.Operation) bool {
	return slices.ContainsFunc(ops, func(op porcupine.Operation) bool { return op.Return > op.Call+1 })
}

func (w *workload) history(store *memstore.Store, seed uint64) []porcupine.Operation {
	var r recorder
	var group sync.WaitGroup
	ready := make(chan struct{})
	for client := range w.clients {
		group.Add(1)
		go func() {
			defer group.Done()
			random := rand.New(rand.NewPCG(seed, uint64(client)))
			<-ready
			for range 1 + random.IntN(w.steps) {
				w.step(&r, store, client, random)
				if random.IntN(4) == 0 {
					runtime.Gosched()
				}
			}
		}()
	}
	close(ready)
	group.Wait()
	return r.ops
}

// draw leaves a picture of the history for a person.
func (w *workload) draw(ops []porcupine.Operation, info porcupine.LinearizationInfo) string {
	path := filepath.Join(os.TempDir(), "memstore-history.html")
	if err := porcupine.VisualizePath(w.model(ops), info, path); err != nil {
		return "it could not be drawn: " + err.Error()
	}
	return "it is drawn in " + path
}
