// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"context"
	"errors"
	"hash/maphash"
	"testing"
)

// endsOnceWaited is a context that ends when somebody begins to wait for its end.
type endsOnceWaited struct {
	context.Context
	cancel context.CancelFunc
}

func newEndsOnceWaited() endsOnceWaited {
	ctx, cancel := context.WithCancel(context.Background())
	return endsOnceWaited{ctx, cancel}
}

func (e endsOnceWaited) Done() <-chan struct{} {
	e.cancel()
	return e.Context.Done()
}

// settled lists, as the load of a key, one whose lease is being given back and whose result is there already.
func settled(store *Store, key string, value []byte, err error) {
	shard := &store.loads[maphash.String(loadSeed, key)%uint64(len(store.loads))]
	call := &loadCall{mutex: &shard.mutex, ending: true, done: make(chan struct{}), value: value, err: err,
		flight: newFlight(context.Background(), store, false)}
	close(call.done)
	shard.mutex.Lock()
	defer shard.mutex.Unlock()
	if shard.calls == nil {
		shard.calls = map[string]*loadCall{}
	}
	shard.calls[key] = call
}

func TestALoadThatIsJoinedLateGivesNothingToWhoCannotLookAgain(t *testing.T) {
	store, err := Open(Config{MemoryLimit: 32 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	settled(store, "there", []byte("older"), nil)
	settled(store, "absent", nil, ErrKeyNotFound)
	for range 50 { // which end comes first is by chance
		for _, key := range []string{"there", "absent"} {
			value, err := store.GetOrLoad(newEndsOnceWaited(), key, 0, nil)
			if value != nil || !errors.Is(err, context.Canceled) {
				t.Fatalf("%s: got %q, %v", key, value, err)
			}
			values, err := store.GetOrLoadMany(newEndsOnceWaited(), []string{key}, 0, nil)
			if values != nil || !errors.Is(err, context.Canceled) {
				t.Fatalf("%s among many: got %q, %v", key, values, err)
			}
		}
	}
}
