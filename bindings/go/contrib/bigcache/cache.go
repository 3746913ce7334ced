// SPDX-License-Identifier: Apache-2.0

// Package bigcache is a store with the methods of allegro/bigcache, for programs that are to move with a
// change of one import. What is different:
//
//   - Settings that mean nothing here are not fields of Config: MaxEntrySize (it only sizes shards there),
//     Verbose, Logger, Hasher, StatsEnabled. The compiler finds them.
//   - There is always a limit: HardMaxCacheSize 0 stands for memstore's default, 64 MB. It counts all memory
//     taken.
//   - What is used stays, where bigcache drops what is oldest. An expired entry is never served.
//   - Set returns an error for the empty key.
//   - OnRemove is called a moment later, on a goroutine of its own, and may call the cache.
//   - Iterator shows the keys that are there when it is made.
package bigcache

import (
	"context"
	"errors"
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
	// CleanWindow is the longest wait between two looks for expired entries; 0 leaves memstore's default.
	CleanWindow time.Duration
	// MaxEntriesInWindow sizes the index; it is not a limit.
	MaxEntriesInWindow int
	// HardMaxCacheSize is the limit in MiB.
	HardMaxCacheSize int
	// OnRemove is called with each entry that expired, was evicted or deleted.
	OnRemove func(key string, entry []byte)
	// OnRemoveWithReason is OnRemove that is told why. It is not called when OnRemove is set.
	OnRemoveWithReason func(key string, entry []byte, reason RemoveReason)

	reasons memstore.EventKind
}

// DefaultConfig is a configuration for entries that live so long.
func DefaultConfig(eviction time.Duration) Config {
	return Config{Shards: 1024, LifeWindow: eviction, CleanWindow: time.Second, MaxEntriesInWindow: 1000 * 10 * 60}
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

// BigCache is a cache; see New.
type BigCache struct {
	store *memstore.Store
	ttl   time.Duration
	stop  func() bool
}

var background = context.Background()

// New makes a cache, which is closed when the context ends.
func New(ctx context.Context, config Config) (*BigCache, error) {
	store, err := memstore.Open(memstore.Config{
		MemoryLimit: int64(config.HardMaxCacheSize) << 20, Shards: config.Shards,
		MaxEntriesInWindow: config.MaxEntriesInWindow, CleanupInterval: config.CleanWindow,
	})
	if err != nil {
		return nil, err
	}
	if err := config.watch(store); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	c := &BigCache{store: store, ttl: config.LifeWindow}
	c.stop = context.AfterFunc(ctx, func() { _ = store.Close() })
	return c, nil
}

// watch has the callbacks called.
func (c *Config) watch(store *memstore.Store) error {
	call, reasons := c.OnRemoveWithReason, c.reasons
	if c.OnRemove != nil {
		call, reasons = func(key string, entry []byte, _ RemoveReason) { c.OnRemove(key, entry) }, 0
	}
	if call == nil {
		return nil
	}
	if reasons == 0 {
		reasons = memstore.EventExpired | memstore.EventEvicted | memstore.EventDeleted
	}
	_, err := store.OnEvent(reasons, func(event memstore.Event) {
		for reason, kind := range kinds {
			if event.Kind == kind {
				call(event.Key, event.Value, reason)
			}
		}
	})
	return err
}

// NewBigCache is New without a context.
func NewBigCache(config Config) (*BigCache, error) { return New(background, config) }

// Store is the store below, for what bigcache has no method for: a time to live for each key, batches.
func (c *BigCache) Store() *memstore.Store { return c.store }

// Close gives the memory back. The callbacks are called for what had happened before.
func (c *BigCache) Close() error {
	c.stop()
	if err := c.store.Close(); err != nil && !errors.Is(err, memstore.ErrCacheClosed) {
		return err
	}
	return nil
}

// Get returns the entry under a key, or ErrEntryNotFound.
func (c *BigCache) Get(key string) ([]byte, error) {
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
	for {
		before, version, _, err := c.store.GetVersioned(background, key)
		if err != nil {
			return err
		}
		err = c.store.CompareAndSet(background, key, append(before, entry...), c.ttl, version)
		if !errors.Is(err, memstore.ErrVersionMismatch) {
			return err
		}
	}
}

// Delete removes an entry; ErrEntryNotFound says that there was none.
func (c *BigCache) Delete(key string) error {
	existed, err := c.store.Remove(background, key)
	if err == nil && !existed || errors.Is(err, memstore.ErrInvalidArgument) {
		return ErrEntryNotFound
	}
	return err
}

// Reset removes all entries.
func (c *BigCache) Reset() error { return c.store.Clear(background) }

// Len is the number of entries.
func (c *BigCache) Len() int { return c.store.Size() }

// Capacity is the number of bytes taken.
func (c *BigCache) Capacity() int { return int(c.store.GetMemoryUsage().Charged) }

// Stats counts what was asked of a cache. Deletions of what is not there are not counted, and keys do not
// collide.
type Stats struct {
	Hits    int64 `json:"hits"`
	Misses  int64 `json:"misses"`
	DelHits int64 `json:"delete_hits"`
}

// Stats returns the counts.
func (c *BigCache) Stats() Stats {
	stats := c.store.GetStats()
	return Stats{Hits: int64(stats.Hits), Misses: int64(stats.Misses), DelHits: int64(stats.Deletes)}
}

// ResetStats sets the counts to zero.
func (c *BigCache) ResetStats() error {
	c.store.ResetStats()
	return nil
}
