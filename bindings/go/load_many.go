// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// ManyLoader loads the values of several keys by one call. A key that is not in the result does not exist,
// which is remembered for the setting loader.negative_ttl; an error tells about all of the keys, one that matches
// [ErrLoadRetry] asks for another call, with those of them that are not only to be refreshed.
type ManyLoader func(ctx context.Context, keys []string) (map[string][]byte, error)

// GetOrLoadMany returns copies of the values under the keys; those that are not there are loaded by one
// call of load and stored for the ttl. Keys that others are loading already are waited for, so that each
// is loaded once however many ask, alone or with others. Keys that do not exist are not in the result.
// Values that are to be refreshed are loaded along, and not waited for; those that a loader finds so by a call of load of their
// own, which may go on beside the other and after GetOrLoadMany has returned.
//
// What GetOrLoad says about writes meanwhile, contexts, panics and nested loads holds here, too. When a
// load failed the call fails with the error of the first such key; what was loaded is stored all the same.
func (s *Store) GetOrLoadMany(ctx context.Context, keys []string, ttl time.Duration, load ManyLoader) (map[string][]byte, error) {
	if ctx == nil {
		ctx = context.Background()
	}
	if err := live(ctx, getOrLoadMany, ""); err != nil {
		return nil, err
	}
	many := &manyLoad{store: s, values: make(map[string][]byte, len(keys))}
	defer func() {
		for _, call := range many.begun {
			endToWait(ctx, call)
		}
	}()
	for pause := firstLook; ; {
		waits := many.findAll(ctx, keys, ttl, load)
		keys = many.awaitAll(ctx, waits)
		if many.err != nil {
			return nil, many.err
		}
		if len(keys) == 0 {
			return many.values, nil
		}
		if err := sleep(ctx, getOrLoadMany, "", pause); err != nil {
			return nil, err
		}
		pause = min(2*pause, longestLook)
	}
}

const getOrLoadMany = "GetOrLoadMany"

// manyLoad is one call of GetOrLoadMany.
type manyLoad struct {
	store  *Store
	values map[string][]byte
	err    error       // the first
	begun  []*loadCall // that are noted as waited for since before their loader was called
}

// wait is a key and the load to wait for.
type wait struct {
	key string
	found
}

// note takes what is known of a key; that it does not exist is no error.
func (m *manyLoad) note(key string, value []byte, err error) {
	switch {
	case err == nil:
		m.values[key] = value
	case errors.Is(err, ErrKeyNotFound):
	case m.err == nil:
		m.err = err
	}
}

// findAll notes the values that are there, begins the load of those that nobody loads, and returns which
// loads to wait for.
func (m *manyLoad) findAll(ctx context.Context, keys []string, ttl time.Duration, load ManyLoader) []wait {
	var waits, mine []wait
	var flights flights
	seen := make(map[string]bool, len(keys))
	for _, key := range keys {
		if seen[key] || m.err != nil {
			continue
		}
		seen[key] = true
		found, err := m.store.find(ctx, getOrLoadMany, key, &flights)
		if err != nil || found.call == nil {
			m.note(key, found.value, err)
			continue
		}
		if found.mine {
			mine = append(mine, wait{key, found})
		}
		if found.mine && found.call.refreshes {
			m.note(key, found.value, nil)
		} else {
			waits = append(waits, wait{key, found})
		}
	}
	m.leadAll(ctx, &flights, mine, ttl, load)
	return waits
}

// leadAll begins the loads that are the caller's, each flight by itself.
func (m *manyLoad) leadAll(ctx context.Context, flights *flights, mine []wait, ttl time.Duration, load ManyLoader) {
	var loads, refreshes []wait
	for _, w := range mine {
		if !w.call.refreshes && beginToWait(ctx, w.call) {
			m.begun = append(m.begun, w.call)
		}
		if w.call.flight == flights.refreshes {
			refreshes = append(refreshes, w)
		} else {
			loads = append(loads, w)
		}
	}
	if len(loads) != 0 {
		m.store.leadMany(ctx, flights.loads, loads, ttl, load)
	}
	if len(refreshes) != 0 {
		m.store.leadMany(ctx, flights.refreshes, refreshes, ttl, load)
	}
}

// awaitAll notes what the loads give, and returns the keys to look for again.
func (m *manyLoad) awaitAll(ctx context.Context, waits []wait) []string {
	var again []string
	for _, w := range waits {
		if w.call == loadedElsewhere {
			again = append(again, w.key)
			continue
		}
		value, err := m.store.await(ctx, getOrLoadMany, w.key, w.call) // also when another has failed, which takes no time
		look, err := w.again(ctx, getOrLoadMany, w.key, err)
		if look {
			again = append(again, w.key)
		} else {
			m.note(w.key, value, err)
		}
	}
	return again
}

// leadMany begins the load of several keys. Its context ends when nobody waits for any of them.
func (s *Store) leadMany(ctx context.Context, shared *flight, mine []wait, ttl time.Duration, load ManyLoader) {
	if load == nil {
		load = func(context.Context, []string) (map[string][]byte, error) { return nil, errNoFunction }
	}
	loadCtx, cancel := shared.begin(ctx, s)
	var wanted atomic.Int64
	wanted.Store(int64(len(mine)))
	for _, w := range mine {
		w.call.cancelBy(sync.OnceFunc(func() {
			if wanted.Add(-1) == 0 {
				cancel()
			}
		}))
	}
	go func() {
		defer cancel()
		tries := &attempts{store: s, ctx: loadCtx, flight: shared, keys: len(mine)}
		for {
			values, err := attempt(tries, func() (map[string][]byte, error) { return load(loadCtx, keysOf(mine)) })
			if errors.Is(err, ErrLoadRetry) {
				mine = s.settleRefreshes(mine, ttl, err)
			}
			again := false
			if len(mine) != 0 {
				again, err = tries.again(err)
			}
			if !again {
				if err == nil {
					s.bounds.noteSizes(values)
				}
				s.settleMany(mine, ttl, values, err)
				tries.end()
				return
			}
		}
	}()
}

func keysOf(waits []wait) []string {
	keys := make([]string, len(waits))
	for i, w := range waits {
		keys[i] = w.key
	}
	return keys
}

// settleRefreshes ends the loads of keys that are there with their first failure, and returns the others.
func (s *Store) settleRefreshes(mine []wait, ttl time.Duration, err error) []wait {
	var others []wait
	for _, w := range mine {
		if w.call.refreshes {
			s.settle(w.key, w.call, ttl, nil, err)
		} else {
			others = append(others, w)
		}
	}
	return others
}

// settleMany ends loads with what their loader gave.
func (s *Store) settleMany(mine []wait, ttl time.Duration, values map[string][]byte, err error) {
	for _, w := range mine {
		value, exists := values[w.key]
		reason := err
		if err == nil && !exists {
			reason = ErrKeyNotFound
		}
		s.settle(w.key, w.call, ttl, value, reason)
	}
}
