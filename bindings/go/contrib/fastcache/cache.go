// SPDX-License-Identifier: Apache-2.0

// Package fastcache is a store with the methods of VictoriaMetrics' fastcache, for programs that are to
// move with a change of one import. What is different:
//
//   - Entries of any size go by Set and Get; SetBig and GetBig are other names for these.
//   - The empty key is not stored.
//   - SaveToFile writes a format of its own, which keeps what is left of a time to live; what fastcache has saved is
//     not read: LoadFromFileOrNew begins with an empty cache then.
//   - What is used stays, where fastcache drops what is oldest; the limit counts all memory taken.
//   - Close gives the memory back. Reset keeps the cache ready for use.
package fastcache

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"unsafe"

	memstore "github.com/weisyn/memstore/bindings/go"
)

// Cache is a cache; see New.
type Cache struct {
	store            *memstore.Store
	_                [64]byte // what follows is written often, and shall not share a cache line with the store
	bigGets, bigSets atomic.Uint64
	// has and lacks are the calls of Has and those that found nothing, which the store does not count.
	has, lacks atomic.Uint64
}

// smallest is the least capacity, as in fastcache.
const smallest = 32 << 20

var ctx = context.Background()

// New makes a cache that may take so many bytes, 32 MiB at least. It panics when maxBytes is not positive
// or the memory cannot be had.
func New(maxBytes int) *Cache {
	if maxBytes <= 0 {
		panic(fmt.Errorf("maxBytes must be greater than 0; got %d", maxBytes))
	}
	store, err := memstore.New(memstore.WithMemoryLimit(int64(max(maxBytes, smallest))))
	if err != nil {
		panic(err)
	}
	return &Cache{store: store}
}

// Store is the store below, for what fastcache has no method for: a time to live, batches, statistics.
func (c *Cache) Store() *memstore.Store { return c.store }

// Close gives the memory back. The cache is empty from then on.
func (c *Cache) Close() error { return c.store.Close() }

// text is a key for the length of a call.
func text(k []byte) string { return unsafe.String(unsafe.SliceData(k), len(k)) }

// Set stores (k, v), for good or until room is needed. What the limit has no room for is not stored.
func (c *Cache) Set(k, v []byte) {
	if err := c.store.Set(ctx, text(k), v, 0); err != nil {
		c.Del(k) // rather nothing than the value before
	}
}

// Get appends the value under k to dst.
func (c *Cache) Get(dst, k []byte) []byte {
	dst, _ = c.HasGet(dst, k)
	return dst
}

// HasGet appends the value under k to dst, and says whether there is one.
func (c *Cache) HasGet(dst, k []byte) ([]byte, bool) {
	room := dst[len(dst):]
	value, found, err := c.store.GetInto(ctx, text(k), room)
	switch {
	case err != nil || !found:
		return dst, false
	case len(value) == 0 || unsafe.SliceData(value) == unsafe.SliceData(room):
		// Not told by the size: a value that did not fit may have been replaced by one that would.
		return dst[:len(dst)+len(value)], true
	case len(dst) == 0:
		return value, true
	}
	return append(dst, value...), true
}

// Has says whether there is a value under k.
func (c *Cache) Has(k []byte) bool {
	c.has.Add(1)
	has, _ := c.store.Has(ctx, text(k))
	if !has {
		c.lacks.Add(1)
	}
	return has
}

// Del removes the value under k.
func (c *Cache) Del(k []byte) { surely(func() error { return c.store.Delete(ctx, text(k)) }) }

// surely removes something, however long other writers hold it up: who calls is not told that it is still there.
func surely(remove func() error) {
	for err := remove(); errors.Is(err, memstore.ErrLockTimeout) || errors.Is(err, memstore.ErrGCPressure); err = remove() {
		runtime.Gosched()
	}
}

// Reset removes all values.
func (c *Cache) Reset() {
	surely(func() error { return c.store.Clear(ctx) })
	c.store.ResetStats()
	c.bigGets.Store(0)
	c.bigSets.Store(0)
	c.has.Store(0)
	c.lacks.Store(0)
}

// SetBig is Set.
func (c *Cache) SetBig(k, v []byte) {
	c.bigSets.Add(1)
	c.Set(k, v)
}

// GetBig is Get.
func (c *Cache) GetBig(dst, k []byte) []byte {
	c.bigGets.Add(1)
	return c.Get(dst, k)
}

// Stats is what a cache comes to.
type Stats struct {
	GetCalls     uint64 // reads, those by GetBig and Has included
	SetCalls     uint64 // writes, SetBig's included
	Misses       uint64 // reads that found nothing
	Collisions   uint64 // 0: keys do not collide
	Corruptions  uint64 // 0: a damaged file is not loaded
	EntriesCount uint64 // entries now
	BytesSize    uint64 // bytes taken
	MaxBytesSize uint64 // bytes that may be taken

	BigStats
}

// BigStats is what GetBig and SetBig come to. The errors are 0: keys and values of any size are stored whole.
type BigStats struct {
	GetBigCalls            uint64 // calls of GetBig
	SetBigCalls            uint64 // calls of SetBig
	TooBigKeyErrors        uint64
	InvalidMetavalueErrors uint64
	InvalidValueLenErrors  uint64
	InvalidValueHashErrors uint64
}

// Reset sets all to zero, for another UpdateStats.
func (s *Stats) Reset() { *s = Stats{} }

// UpdateStats adds what the cache comes to to s.
func (c *Cache) UpdateStats(s *Stats) {
	stats, memory := c.store.GetStats(), c.store.GetMemoryUsage()
	s.GetCalls += stats.Hits + stats.Misses + c.has.Load()
	s.SetCalls += stats.Sets
	s.Misses += stats.Misses + c.lacks.Load()
	s.EntriesCount += stats.Entries
	s.BytesSize += memory.Charged
	s.MaxBytesSize += memory.Limit
	s.GetBigCalls += c.bigGets.Load()
	s.SetBigCalls += c.bigSets.Load()
}
