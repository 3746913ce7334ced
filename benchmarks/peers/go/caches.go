// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/VictoriaMetrics/fastcache"
	"github.com/Yiling-J/theine-go"
	"github.com/allegro/bigcache/v3"
	"github.com/coocood/freecache"
	"github.com/dgraph-io/ristretto/v2"
	"github.com/hashicorp/golang-lru/v2/expirable"
	"github.com/maypok86/otter/v2"
	memstore "github.com/weisyn/memstore/bindings/go"
)

// cache is what every peer is asked for. get copies the value over dst; peers that return a copy of
// their own do that copy beside it, since that is how they are used. keys do not outlive the call.
type cache interface {
	get(key string, dst []byte) ([]byte, bool)
	set(key string, value []byte)
	close()
}

// peer makes a cache for a number of bytes, or for the entries of a mean size that fit them. Each is
// configured as its documentation recommends for speed; `note` says how.
type peer struct {
	name, note string
	open       func(bytes int64, entries int) cache
	only       string // the one workload that it can do; empty: all
}

var background = context.Background()

// A TTL that does not run out while it is measured, where the peer has one for each entry.
const ttl = time.Hour

var peers = []peer{
	{name: "memstore", note: "Config{MemoryLimit}; GetInto, Set; GetManyInto of as many keys", open: openMemstore},
	{name: "memstore cgo", note: "the same with LibraryReads", open: openLibrary},
	{name: "memstore Get", note: "the same as memstore, but Get, which allocates the value", open: openAllocating},
	{name: "memstore no TTL", note: "as memstore, but entries never expire, as in fastcache and the maps", open: openLasting},
	{name: "cgo no TTL", note: "the same with LibraryReads", open: openLibraryLasting},
	{name: "bigcache", note: "1024 shards, HardMaxCacheSize, no clean-up", open: openBigcache},
	{name: "freecache", note: "NewCache(bytes); GetWithBuf", open: openFreecache},
	{name: "fastcache", note: "New(bytes); no TTL", open: openFastcache},
	{name: "ristretto", note: "10 counters an entry, cost of an entry its bytes", open: openRistretto},
	{name: "otter", note: "MaximumWeight, weight of an entry its bytes; expiry after write; the value is not copied", open: openOtter},
	{name: "theine", note: "cost of an entry its bytes", open: openTheine},
	{name: "golang-lru", note: "expirable.NewLRU(entries)", open: openLRU},
	{name: "map", note: "map[string][]byte and an RWMutex: no bound, no TTL", open: openMap},
	{name: "sync.Map", note: "no bound, no TTL", open: openSyncMap},
	{name: "toy", note: "a table in C that is only read: no TTL, no bound, no lock; huge pages; batches with prefetches", open: openToy, only: "speed"},
}

// ---- memstore ----

type memstoreCache struct {
	store *memstore.Store
	ttl   time.Duration
}

func openStore(config memstore.Config) memstoreCache {
	store, err := memstore.Open(config)
	check(err)
	return memstoreCache{store, ttl}
}

func openLasting(bytes int64, _ int) cache {
	return memstoreCache{openStore(memstore.Config{MemoryLimit: bytes}).store, 0}
}

func openLibraryLasting(bytes int64, _ int) cache {
	return memstoreCache{openStore(memstore.Config{MemoryLimit: bytes, LibraryReads: true}).store, 0}
}

func openMemstore(bytes int64, _ int) cache { return openStore(memstore.Config{MemoryLimit: bytes}) }

func openLibrary(bytes int64, _ int) cache {
	return openStore(memstore.Config{MemoryLimit: bytes, LibraryReads: true})
}

// allocatingCache reads by Get.
type allocatingCache struct{ memstoreCache }

func openAllocating(bytes int64, _ int) cache {
	return allocatingCache{openStore(memstore.Config{MemoryLimit: bytes})}
}

func (c allocatingCache) get(key string, _ []byte) ([]byte, bool) {
	value, found, err := c.store.Get(background, key)
	check(err)
	return value, found
}

// many is what reads several keys at once, into a batch that is used again.
type many interface {
	newBatch() batch
}

type batch interface {
	read(keys []string)
	at(i int) ([]byte, bool)
}

func (c memstoreCache) newBatch() batch { return &memstoreBatch{store: c.store} }

type memstoreBatch struct {
	store  *memstore.Store
	values memstore.Values
}

func (b *memstoreBatch) read(keys []string) { check(b.store.GetManyInto(background, keys, &b.values)) }

func (b *memstoreBatch) at(i int) ([]byte, bool) { return b.values.At(i) }

func (c memstoreCache) get(key string, dst []byte) ([]byte, bool) {
	value, found, err := c.store.GetInto(background, key, dst)
	check(err)
	return value, found
}

func (c memstoreCache) set(key string, value []byte) {
	check(c.store.Set(background, key, value, c.ttl))
}

func (c memstoreCache) close() { check(c.store.Close()) }

// ---- BigCache ----

type bigcacheCache struct{ cache *bigcache.BigCache }

func openBigcache(bytes int64, entries int) cache {
	config := bigcache.DefaultConfig(ttl)
	config.CleanWindow = 0
	config.Verbose = false
	config.MaxEntriesInWindow = entries
	config.MaxEntrySize = int(bytes) / max(entries, 1)
	config.HardMaxCacheSize = int(bytes >> 20)
	made, err := bigcache.New(background, config)
	check(err)
	return bigcacheCache{made}
}

func (c bigcacheCache) get(key string, _ []byte) ([]byte, bool) {
	value, err := c.cache.Get(key)
	return value, err == nil
}

func (c bigcacheCache) set(key string, value []byte) { check(c.cache.Set(key, value)) }

func (c bigcacheCache) close() { check(c.cache.Close()) }

// ---- freecache ----

type freecacheCache struct{ cache *freecache.Cache }

func openFreecache(bytes int64, _ int) cache { return freecacheCache{freecache.NewCache(int(bytes))} }

func (c freecacheCache) get(key string, dst []byte) ([]byte, bool) {
	value, err := c.cache.GetWithBuf(bytesOf(key), dst[:cap(dst)])
	return value, err == nil
}

func (c freecacheCache) set(key string, value []byte) {
	check(c.cache.Set(bytesOf(key), value, int(ttl/time.Second)))
}

func (c freecacheCache) close() { c.cache.Clear() }

// ---- fastcache ----

type fastcacheCache struct{ cache *fastcache.Cache }

func openFastcache(bytes int64, _ int) cache { return fastcacheCache{fastcache.New(int(bytes))} }

func (c fastcacheCache) get(key string, dst []byte) ([]byte, bool) {
	return c.cache.HasGet(dst[:0], bytesOf(key))
}

func (c fastcacheCache) set(key string, value []byte) { c.cache.Set(bytesOf(key), value) }

func (c fastcacheCache) close() { c.cache.Reset() }

// ---- ristretto ----

type ristrettoCache struct {
	cache *ristretto.Cache[string, []byte]
}

func openRistretto(bytes int64, entries int) cache {
	made, err := ristretto.NewCache(&ristretto.Config[string, []byte]{
		NumCounters: 10 * int64(entries), MaxCost: bytes, BufferItems: 64,
	})
	check(err)
	return ristrettoCache{made}
}

func (c ristrettoCache) get(key string, dst []byte) ([]byte, bool) {
	value, found := c.cache.Get(key)
	return append(dst[:0], value...), found
}

func (c ristrettoCache) set(key string, value []byte) {
	c.cache.SetWithTTL(clone(key), append([]byte{}, value...), int64(len(key)+len(value)), ttl)
}

func (c ristrettoCache) close() { c.cache.Close() }

// ---- otter ----

type otterCache struct {
	cache *otter.Cache[string, []byte]
}

func openOtter(bytes int64, _ int) cache {
	return otterCache{otter.Must(&otter.Options[string, []byte]{
		MaximumWeight:    uint64(bytes),
		Weigher:          func(key string, value []byte) uint32 { return uint32(len(key) + len(value)) },
		ExpiryCalculator: otter.ExpiryWriting[string, []byte](ttl),
	})}
}

func (c otterCache) get(key string, dst []byte) ([]byte, bool) {
	value, found := c.cache.GetIfPresent(key)
	return append(dst[:0], value...), found
}

func (c otterCache) set(key string, value []byte) {
	c.cache.Set(clone(key), append([]byte{}, value...))
}

func (c otterCache) close() { c.cache.InvalidateAll() }

// ---- theine ----

type theineCache struct {
	cache *theine.Cache[string, []byte]
}

func openTheine(bytes int64, _ int) cache {
	made, err := theine.NewBuilder[string, []byte](bytes).Build()
	check(err)
	return theineCache{made}
}

func (c theineCache) get(key string, dst []byte) ([]byte, bool) {
	value, found := c.cache.Get(key)
	return append(dst[:0], value...), found
}

func (c theineCache) set(key string, value []byte) {
	c.cache.SetWithTTL(clone(key), append([]byte{}, value...), int64(len(key)+len(value)), ttl)
}

func (c theineCache) close() { c.cache.Close() }

// ---- golang-lru ----

type lruCache struct {
	cache *expirable.LRU[string, []byte]
}

func openLRU(_ int64, entries int) cache {
	return lruCache{expirable.NewLRU[string, []byte](entries, nil, ttl)}
}

func (c lruCache) get(key string, dst []byte) ([]byte, bool) {
	value, found := c.cache.Get(key)
	return append(dst[:0], value...), found
}

func (c lruCache) set(key string, value []byte) {
	c.cache.Add(clone(key), append([]byte{}, value...))
}

func (c lruCache) close() {
	c.cache.Purge()
	runtime.GC()
}

// ---- Maps, which are no caches ----

type mapCache struct {
	lock   *sync.RWMutex
	values map[string][]byte
}

func openMap(int64, int) cache { return mapCache{new(sync.RWMutex), map[string][]byte{}} }

func (c mapCache) get(key string, dst []byte) ([]byte, bool) {
	c.lock.RLock()
	defer c.lock.RUnlock()
	value, found := c.values[key]
	return append(dst[:0], value...), found
}

func (c mapCache) set(key string, value []byte) {
	c.lock.Lock()
	defer c.lock.Unlock()
	c.values[clone(key)] = append([]byte{}, value...)
}

func (c mapCache) close() { clear(c.values) }

type syncMap struct{ values *sync.Map }

func openSyncMap(int64, int) cache { return syncMap{new(sync.Map)} }

func (c syncMap) get(key string, dst []byte) ([]byte, bool) {
	value, found := c.values.Load(key)
	if !found {
		return dst[:0], false
	}
	return append(dst[:0], value.([]byte)...), true
}

func (c syncMap) set(key string, value []byte) {
	c.values.Store(clone(key), append([]byte{}, value...))
}

func (c syncMap) close() { c.values.Clear() }
