// SPDX-License-Identifier: Apache-2.0

// Package gocache is a store for eko/gocache: a memstore behind its caches, chains, loaders and metrics.
//
//	memory, err := memstore.Open(memstore.Config{MemoryLimit: 256 << 20})
//	blocks := cache.New[[]byte](gocache.New(memory, store.WithExpiration(time.Minute)))
//
// Values are []byte, or string, which comes back as []byte; put gocache's marshaler in front for others. What
// the memstore holds under a key begins with the tags, so that other code that shares it does not find the
// value as it is.
package gocache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/eko/gocache/lib/v4/store"
	memstore "github.com/weisyn/memstore/bindings/go"
)

// Type is what GetType returns.
const Type = "memstore"

// Store is a memstore as gocache's caches want one. It may be used by several goroutines.
type Store struct {
	memory  *memstore.Store
	options *store.Options
}

var _ store.StoreInterface = (*Store)(nil)

// New returns a store over a memstore, which the caller closes when nobody uses the store any more. The
// options are those of a Set that says nothing else.
func New(memory *memstore.Store, options ...store.Option) *Store {
	return &Store{memory, store.ApplyOptions(options...)}
}

// Get returns the value under a key. The error matches store.NotFound{} when there is none.
func (s *Store) Get(ctx context.Context, key any) (any, error) {
	name, err := nameOf(key)
	if err != nil {
		return nil, err
	}
	packed, found, err := s.memory.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, store.NotFoundWithCause(memstore.ErrKeyNotFound)
	}
	_, value, err := unpack(packed)
	if err != nil {
		return nil, fmt.Errorf("gocache: %q: %w", name, err)
	}
	return value, nil
}

// GetWithTTL returns the value under a key and how long it lives; 0 = for good.
func (s *Store) GetWithTTL(ctx context.Context, key any) (any, time.Duration, error) {
	value, err := s.Get(ctx, key)
	if err != nil {
		return nil, 0, err
	}
	left, err := s.memory.GetTTL(ctx, key.(string))
	switch {
	case errors.Is(err, memstore.ErrTTLNotSet):
		return value, 0, nil
	case errors.Is(err, memstore.ErrKeyNotFound): // which went meanwhile
		return nil, 0, store.NotFoundWithCause(err)
	case err != nil:
		return nil, 0, err
	}
	return value, left, nil
}

// Set stores a value. Of the options an expiration and tags count; without an expiration it is the memstore's
// own default. What the memstore refuses leaves the value there was.
func (s *Store) Set(ctx context.Context, key, value any, options ...store.Option) error {
	name, err := nameOf(key)
	if err != nil {
		return err
	}
	given := store.ApplyOptionsWithDefault(s.options, options...)
	var packed []byte
	switch v := value.(type) {
	case []byte:
		packed = pack(given.Tags, v)
	case string:
		packed = pack(given.Tags, v)
	default:
		return fmt.Errorf("gocache: %q: a value is []byte or string, not %T", name, value)
	}
	ttl := given.Expiration
	if ttl == 0 {
		ttl = memstore.DefaultTTL
	}
	return s.memory.Set(ctx, name, packed, ttl)
}

// Delete removes the value under a key, if there is one.
func (s *Store) Delete(ctx context.Context, key any) error {
	name, err := nameOf(key)
	if err != nil {
		return err
	}
	return s.memory.Delete(ctx, name)
}

// Invalidate removes what has any of the tags. It looks at every entry: the tags lie with the values, so that
// they take no memory beside the limit, and none is forgotten because room was needed. What it removes does not go at one
// instant, which a full store may have no room for. To look at an entry is to read it: it counts as a hit and as a use, and
// where reads renew expiries ("ttl.mode: access") it renews all of them, so such a store is not for tags.
func (s *Store) Invalidate(ctx context.Context, options ...store.InvalidateOption) error {
	wanted := store.ApplyInvalidateOptions(options...).Tags
	if len(wanted) == 0 {
		return nil
	}
	var tagged []string
	scan := s.memory.Scan(ctx, "")
	for name, packed := range scan.All() {
		if tags, _, err := unpack(packed); err == nil && tags.anyOf(wanted) {
			tagged = append(tagged, name)
		}
	}
	if err := scan.Err(); err != nil {
		return err
	}
	for group := range slices.Chunk(tagged, deletedAtOnce) {
		if err := s.remove(ctx, group); err != nil {
			return err
		}
	}
	return nil
}

// deletedAtOnce is of how many keys a deletion at one instant takes so little room that nothing else has to go for it.
const deletedAtOnce = 128

// remove deletes keys together, or else one by one, which takes no room.
func (s *Store) remove(ctx context.Context, keys []string) error {
	if s.memory.DeleteMany(ctx, keys) == nil {
		return nil
	}
	for _, key := range keys {
		if err := s.memory.Delete(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// Clear removes everything, also what others put into the memstore.
func (s *Store) Clear(ctx context.Context) error { return s.memory.Clear(ctx) }

// GetType returns Type.
func (s *Store) GetType() string { return Type }

func nameOf(key any) (string, error) {
	name, is := key.(string)
	if !is {
		return "", fmt.Errorf("gocache: a key is a string, not %T", key)
	}
	return name, nil
}
