// SPDX-License-Identifier: Apache-2.0

package bigcache

import (
	"sync"
	"sync/atomic"
	"time"
)

// Metadata is what is known of a key.
type Metadata struct {
	RequestCount uint32 // reads and appends that found an entry since the key was stored
}

// KeyMetadata tells how often a key was read; nothing without Config.StatsEnabled. What is known of a key is
// forgotten a moment after its entry is gone.
func (c *BigCache) KeyMetadata(key string) Metadata {
	return Metadata{c.requests.of(c.hasher.Sum64(key))}
}

// requests counts the reads of each key, by its hash. A nil one counts nothing.
type requests struct{ shards [64]requestShard }

type requestShard struct {
	mutex  sync.Mutex
	counts map[uint64]uint32
}

func newRequests() *requests {
	r := new(requests)
	for i := range r.shards {
		r.shards[i].counts = make(map[uint64]uint32)
	}
	return r
}

// lock returns the shard of a hash, locked.
func (r *requests) lock(hash uint64) *requestShard {
	shard := &r.shards[hash%uint64(len(r.shards))]
	shard.mutex.Lock()
	return shard
}

func (r *requests) add(hash uint64) {
	shard := r.lock(hash)
	defer shard.mutex.Unlock()
	shard.counts[hash]++
}

// takeBack undoes an add, of which a forget may have come first.
func (r *requests) takeBack(hash uint64) {
	shard := r.lock(hash)
	defer shard.mutex.Unlock()
	if shard.counts[hash] > 1 {
		shard.counts[hash]--
	} else {
		delete(shard.counts, hash)
	}
}

func (r *requests) of(hash uint64) uint32 {
	if r == nil {
		return 0
	}
	shard := r.lock(hash)
	defer shard.mutex.Unlock()
	return shard.counts[hash]
}

// forget drops a count and returns what it was.
func (r *requests) forget(hash uint64) uint32 {
	if r == nil {
		return 0
	}
	shard := r.lock(hash)
	defer shard.mutex.Unlock()
	count := shard.counts[hash]
	delete(shard.counts, hash)
	return count
}

// sweeps is what is known of them: one at a time, and none where events are taken, of which more would be lost.
type sweeps struct{ wanted, running atomic.Bool }

// sweepPause is how long nothing is swept after a sweep, in times of what that took.
const sweepPause = 10

// sweepSoon has the counts swept, after events were lost that would have told what is gone.
func (c *BigCache) sweepSoon() {
	c.sweeps.wanted.Store(true)
	if c.sweeps.running.CompareAndSwap(false, true) {
		go c.sweepWhileWanted()
	}
}

func (c *BigCache) sweepWhileWanted() {
	for c.sweeps.wanted.Swap(false) && c.live.Err() == nil {
		begun := time.Now()
		c.sweep()
		select {
		case <-time.After(sweepPause * time.Since(begun)):
		case <-c.live.Done():
		}
	}
	c.sweeps.running.Store(false)
	if c.sweeps.wanted.Load() && c.live.Err() == nil {
		c.sweepSoon() // it was wanted between the two
	}
}

// sweep forgets the counts of all keys that are not there.
func (c *BigCache) sweep() {
	if c.requests == nil {
		return
	}
	keys, err := c.store.Keys(c.live, "")
	if err != nil {
		return // closed
	}
	there := make(map[uint64]bool, len(keys))
	for _, key := range keys {
		there[c.hasher.Sum64(key)] = true
	}
	for i := range c.requests.shards {
		c.requests.shards[i].keep(there)
	}
}

func (s *requestShard) keep(there map[uint64]bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for hash := range s.counts {
		if !there[hash] {
			delete(s.counts, hash)
		}
	}
}
