// SPDX-License-Identifier: Apache-2.0

// Package bigcache is a store with the methods of allegro/bigcache, for programs that are to move with a
// change of one import. What is different:
//
//   - Memory is taken as entries come: MaxEntrySize, by which bigcache sizes shards beforehand, changes nothing.
//   - Keys do not collide. Hasher is for EntryInfo.Hash and for the counts of StatsEnabled, which are on the Go
//     heap, and of which two keys with the same hash have one.
//   - There is always a limit: HardMaxCacheSize 0 stands for memstore's default, 64 MB. It counts all memory
//     taken.
//   - What is used stays, where bigcache drops what is oldest. An expired entry is never served.
//   - Set returns an error for the empty key.
//   - OnRemove and the others are called a moment later, on a goroutine of its own, and may call the cache. With
//     them, or with StatsEnabled, that goroutine waits in C and so holds a thread. Nobody who writes waits for them: where
//     they are slower than entries go for so long that a bounded queue is full, they are not called for what finds it
//     full. Lost counts that.
//   - With Verbose the Logger is told what the store has to say: that it is open, full, or refuses writes.
//   - Iterator shows the keys that are there when it is made.
//   - Close, and the end of New's context, end the cache: calls return memstore.ErrCacheClosed then, where bigcache's
//     goes on without removing what has expired. A second Close does nothing, where bigcache's panics.
//   - A negative LifeWindow is refused.
package bigcache

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

// ErrEntryNotFound says that no entry has the key.
var ErrEntryNotFound = errors.New("Entry not found") //nolint:staticcheck // bigcache's own words

// RemoveReason says why an entry went.
type RemoveReason uint32

// The reasons.
const (
	// Expired says that it was older than LifeWindow.
	Expired = RemoveReason(1)
	// NoSpace says that room was needed.
	NoSpace = RemoveReason(2)
	// Deleted says that Delete was called.
	Deleted = RemoveReason(3)
)

// Response is what GetWithInfo says beside the value. EntryStatus is always 0: what has expired is not
// served.
type Response struct{ EntryStatus RemoveReason }

// Config says how a cache behaves.
type Config struct {
	// Shards is the number of writer locks, a power of two; 0 leaves memstore's default.
	Shards int
	// LifeWindow is how long an entry lives; 0 = for good.
	LifeWindow time.Duration
	// CleanWindow is the longest wait between two looks for expired entries; 0 and less leave memstore's default.
	CleanWindow time.Duration
	// MaxEntriesInWindow sizes the index, as far as the limit has room for so many entries; it is not a limit.
	MaxEntriesInWindow int
	// MaxEntrySize is not needed here; a negative one is refused.
	MaxEntrySize int
	// StatsEnabled counts the reads of each key for KeyMetadata and OnRemoveWithMetadata.
	StatsEnabled bool
	// Verbose has Logger told what the store has to say.
	Verbose bool
	// Hasher is FNV-1a when nil.
	Hasher Hasher
	// HardMaxCacheSize is the limit in MiB.
	HardMaxCacheSize int
	// OnRemove is called with each entry that expired, was evicted or deleted. It is not called when
	// OnRemoveWithMetadata is set, nor for what BigCache.Lost counts; no more are the others.
	OnRemove func(key string, entry []byte)
	// OnRemoveWithMetadata is OnRemove that is told how often the key was read; see StatsEnabled.
	OnRemoveWithMetadata func(key string, entry []byte, keyMetadata Metadata)
	// OnRemoveWithReason is OnRemove that is told why. It is not called when one of the others is set.
	OnRemoveWithReason func(key string, entry []byte, reason RemoveReason)
	// Logger is DefaultLogger when nil.
	Logger Logger

	reasons memstore.EventKind
}

// DefaultConfig is a configuration for entries that live so long.
func DefaultConfig(eviction time.Duration) Config {
	return Config{
		Shards: 1024, LifeWindow: eviction, CleanWindow: time.Second, MaxEntriesInWindow: 1000 * 10 * 60,
		MaxEntrySize: 500, Verbose: true, Hasher: fnv64a{}, Logger: DefaultLogger(),
	}
}

// OnRemoveFilterSet has OnRemoveWithReason called for these reasons only.
func (c Config) OnRemoveFilterSet(reasons ...RemoveReason) Config {
	c.reasons = 0
	for _, reason := range reasons {
		c.reasons |= kinds[reason]
	}
	return c
}

var kinds = map[RemoveReason]memstore.EventKind{
	Expired: memstore.EventExpired, NoSpace: memstore.EventEvicted, Deleted: memstore.EventDeleted,
}

const allKinds = memstore.EventExpired | memstore.EventEvicted | memstore.EventDeleted

func reason(kind memstore.EventKind) RemoveReason {
	for reason, of := range kinds {
		if of == kind {
			return reason
		}
	}
	return 0
}

// BigCache is a cache; see New.
type BigCache struct {
	store        *memstore.Store
	ttl          time.Duration
	hasher       Hasher
	requests     *requests // nil: they are not counted
	sweeps       sweeps
	deleteMisses atomic.Int64
	iterated     atomic.Int64           // reads of iterators, which are no hits
	removals     *memstore.Subscription // nil: nobody is called for them
	live         context.Context        // until Close, and as long as that of New
	end          context.CancelFunc
	stop         func() bool
}

var background = context.Background()

// New makes a cache, which is closed when the context ends.
func New(ctx context.Context, config Config) (*BigCache, error) {
	if config.MaxEntrySize < 0 {
		return nil, errors.New("MaxEntrySize must be >= 0")
	}
	if config.LifeWindow < 0 {
		return nil, errors.New("LifeWindow must be >= 0")
	}
	store, err := memstore.Open(memstore.Config{
		MemoryLimit: int64(config.HardMaxCacheSize) << 20, Shards: config.Shards,
		MaxEntriesInWindow: config.entries(), CleanupInterval: max(0, config.CleanWindow),
		StoreCreationTime: true, Logger: config.logger(),
	})
	if err != nil {
		return nil, err
	}
	c := &BigCache{store: store, ttl: config.LifeWindow, hasher: config.Hasher}
	if c.hasher == nil {
		c.hasher = fnv64a{}
	}
	if config.StatsEnabled {
		c.requests = newRequests()
	}
	c.live, c.end = context.WithCancel(ctx)
	if err := c.watch(config.callback()); err != nil {
		c.end()
		return nil, errors.Join(err, store.Close())
	}
	c.stop = context.AfterFunc(ctx, func() { _ = store.Close() })
	return c, nil
}

// entries is how many the index is sized for: no more than the limit has room for if they have 100 bytes each, since in
// bigcache this is no more than a hint.
func (c *Config) entries() int {
	limit := c.HardMaxCacheSize << 20
	if limit == 0 {
		limit = 64_000_000 // memstore's default
	}
	return min(c.MaxEntriesInWindow, limit/100)
}

// callback is the one that is to be called for removals, and for which of them; nil when there is none.
func (c *Config) callback() (call func(memstore.Event, Metadata), kinds memstore.EventKind) {
	switch {
	case c.OnRemoveWithMetadata != nil:
		call = func(event memstore.Event, data Metadata) { c.OnRemoveWithMetadata(event.Key, event.Value, data) }
	case c.OnRemove != nil:
		call = func(event memstore.Event, _ Metadata) { c.OnRemove(event.Key, event.Value) }
	case c.OnRemoveWithReason != nil:
		call = func(event memstore.Event, _ Metadata) {
			c.OnRemoveWithReason(event.Key, event.Value, reason(event.Kind))
		}
		if c.reasons != 0 {
			return call, c.reasons
		}
	}
	return call, allKinds
}

// watch has a callback called, and the counts of what is gone forgotten.
func (c *BigCache) watch(call func(memstore.Event, Metadata), wanted memstore.EventKind) error {
	kinds := wanted
	switch {
	case c.requests != nil:
		kinds = allKinds
	case call == nil:
		return nil
	}
	removals, err := c.store.OnEvent(kinds, func(event memstore.Event) {
		if event.Dropped != 0 && c.requests != nil {
			c.sweepSoon()
		}
		metadata := Metadata{c.requests.forget(c.hasher.Sum64(event.Key))}
		if call != nil && event.Kind&wanted != 0 {
			call(event, metadata)
		}
	})
	if call != nil {
		c.removals = removals
	}
	return err
}

// Lost is how many entries went without a call of OnRemove or the others, because too many waited for theirs. With
// StatsEnabled those count that OnRemoveFilterSet leaves out, too.
func (c *BigCache) Lost() uint64 {
	if c.removals == nil {
		return 0
	}
	return c.removals.Dropped()
}

// NewBigCache is New without a context.
func NewBigCache(config Config) (*BigCache, error) { return New(background, config) }

// Store is the store below, for what bigcache has no method for: a time to live for each key, batches.
func (c *BigCache) Store() *memstore.Store { return c.store }

// Close gives the memory back. The callbacks are called for what had happened before.
func (c *BigCache) Close() error {
	c.stop()
	c.end()
	if err := c.store.Close(); err != nil && !errors.Is(err, memstore.ErrCacheClosed) {
		return err
	}
	return nil
}

// Get returns the entry under a key, or ErrEntryNotFound.
func (c *BigCache) Get(key string) ([]byte, error) {
	if c.requests == nil {
		return c.get(key)
	}
	// Before it is known whether there is an entry: that one goes afterwards takes its count along.
	hash := c.hasher.Sum64(key)
	c.requests.add(hash)
	entry, err := c.get(key)
	if err != nil {
		c.requests.takeBack(hash)
	}
	return entry, err
}

func (c *BigCache) get(key string) ([]byte, error) {
	entry, found, err := c.store.Get(background, key)
	if err == nil && !found || errors.Is(err, memstore.ErrInvalidArgument) {
		err = ErrEntryNotFound
	}
	return entry, err
}

// GetWithInfo is Get.
func (c *BigCache) GetWithInfo(key string) ([]byte, Response, error) {
	entry, err := c.Get(key)
	return entry, Response{}, err
}

// Set stores an entry for LifeWindow.
func (c *BigCache) Set(key string, entry []byte) error {
	return c.store.Set(background, key, entry, c.ttl)
}

// Append appends to an entry, or stores one where there is none, and begins its LifeWindow anew.
func (c *BigCache) Append(key string, entry []byte) error {
	if c.requests == nil {
		_, err := c.append(key, entry)
		return err
	}
	hash := c.hasher.Sum64(key)
	c.requests.add(hash) // as in Get
	found, err := c.append(key, entry)
	if !found {
		c.requests.takeBack(hash)
	}
	return err
}

// append also tells whether there was an entry.
func (c *BigCache) append(key string, entry []byte) (found bool, err error) {
	for {
		before, version, found, err := c.store.GetVersioned(background, key)
		if err != nil {
			return false, err
		}
		err = c.store.CompareAndSet(background, key, append(before, entry...), c.ttl, version)
		if !errors.Is(err, memstore.ErrVersionMismatch) {
			return found, err
		}
	}
}

// Delete removes an entry; ErrEntryNotFound says that there was none.
func (c *BigCache) Delete(key string) error {
	existed, err := c.store.Remove(background, key)
	if err == nil && !existed || errors.Is(err, memstore.ErrInvalidArgument) {
		c.deleteMisses.Add(1)
		return ErrEntryNotFound
	}
	return err
}

// Reset removes all entries.
func (c *BigCache) Reset() error {
	err := c.store.Clear(background)
	c.sweep()
	return err
}

// Len is the number of entries.
func (c *BigCache) Len() int { return c.store.Size() }

// Capacity is the number of bytes taken.
func (c *BigCache) Capacity() int { return int(c.store.GetMemoryUsage().Charged) }

// Stats counts what was asked of a cache. Keys do not collide: Collisions is 0.
type Stats struct {
	Hits       int64 `json:"hits"`
	Misses     int64 `json:"misses"`
	DelHits    int64 `json:"delete_hits"`
	DelMisses  int64 `json:"delete_misses"`
	Collisions int64 `json:"collisions"`
}

// Stats returns the counts.
func (c *BigCache) Stats() Stats {
	stats := c.store.GetStats()
	return Stats{
		Hits: max(0, int64(stats.Hits)-c.iterated.Load()), Misses: int64(stats.Misses), DelHits: int64(stats.Deletes),
		DelMisses: c.deleteMisses.Load(),
	}
}

// ResetStats sets the counts to zero.
func (c *BigCache) ResetStats() error {
	c.store.ResetStats()
	c.deleteMisses.Store(0)
	c.iterated.Store(0)
	return nil
}
