// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// Typed is a store seen as one of keys and values of two types. Several can share a store when each has a
// prefix of its own. It adds no state: entries are the store's, and any goroutine may use it.
type Typed[K comparable, V any] struct {
	store  *Store
	prefix string
	keys   Codec[K]
	values Codec[V]
}

// NewTyped makes a view of a store. The bytes of a key are the prefix and what the codec of keys makes,
// which must tell keys apart. A key or value that a codec refuses is an error that matches ErrCodec and
// what the codec said.
//
//	blocks := memstore.NewTyped(store, "block/", memstore.Decimal[int64](), memstore.JSON[Block]())
func NewTyped[K comparable, V any](store *Store, prefix string, keys Codec[K], values Codec[V]) *Typed[K, V] {
	return &Typed[K, V]{store, prefix, keys, values}
}

// Store is the store below.
func (t *Typed[K, V]) Store() *Store { return t.store }

// Key is the key that the store has for one of this view's.
func (t *Typed[K, V]) Key(key K) (string, error) { return t.name("Key", key) }

// name is Key for a method; the error of a key that has no name tells the prefix.
func (t *Typed[K, V]) name(op string, key K) (string, error) {
	var small [64]byte
	data, err := t.keys.Append(append(small[:0], t.prefix...), key)
	if err != nil {
		return "", codecFailure(op, t.prefix, err)
	}
	return string(data), nil
}

func codecFailure(op, key string, err error) error {
	return &Error{op, key, fmt.Errorf("%w: %w", ErrCodec, err)}
}

func (t *Typed[K, V]) decode(op, key string, data []byte) (V, error) {
	value, err := t.values.Decode(data)
	if err != nil {
		var none V
		return none, codecFailure(op, key, err)
	}
	return value, nil
}

// encode makes the key and the value of an entry.
func (t *Typed[K, V]) encode(op string, key K, value V) (string, []byte, error) {
	name, err := t.name(op, key)
	if err != nil {
		return "", nil, err
	}
	data, err := t.values.Append(nil, value)
	if err != nil {
		return "", nil, codecFailure(op, name, err)
	}
	return name, data, nil
}

// Get returns the value under a key, and whether there is one.
func (t *Typed[K, V]) Get(ctx context.Context, key K) (value V, found bool, err error) {
	name, err := t.name("Get", key)
	if err != nil {
		return value, false, err
	}
	data, found, err := t.store.Get(ctx, name)
	if !found || err != nil {
		return value, false, err
	}
	value, err = t.decode("Get", name, data)
	return value, err == nil, err
}

// GetVersioned is Get that also returns the entry's version, for CompareAndSet.
func (t *Typed[K, V]) GetVersioned(ctx context.Context, key K) (value V, version uint64, found bool, err error) {
	name, err := t.name("GetVersioned", key)
	if err != nil {
		return value, 0, false, err
	}
	data, version, found, err := t.store.GetVersioned(ctx, name)
	if !found || err != nil {
		return value, 0, false, err
	}
	value, err = t.decode("GetVersioned", name, data)
	return value, version, err == nil, err
}

// Set is [Store.Set].
func (t *Typed[K, V]) Set(ctx context.Context, key K, value V, ttl time.Duration) error {
	return t.write(ctx, "Set", t.store.Set, key, value, ttl)
}

// Add is [Store.Add].
func (t *Typed[K, V]) Add(ctx context.Context, key K, value V, ttl time.Duration) error {
	return t.write(ctx, "Add", t.store.Add, key, value, ttl)
}

// Replace is [Store.Replace].
func (t *Typed[K, V]) Replace(ctx context.Context, key K, value V, ttl time.Duration) error {
	return t.write(ctx, "Replace", t.store.Replace, key, value, ttl)
}

// CompareAndSet is [Store.CompareAndSet].
func (t *Typed[K, V]) CompareAndSet(ctx context.Context, key K, value V, ttl time.Duration, version uint64) error {
	name, data, err := t.encode("CompareAndSet", key, value)
	if err != nil {
		return err
	}
	return t.store.CompareAndSet(ctx, name, data, ttl, version)
}

type writer = func(ctx context.Context, key string, value []byte, ttl time.Duration) error

func (t *Typed[K, V]) write(ctx context.Context, op string, write writer, key K, value V, ttl time.Duration) error {
	name, data, err := t.encode(op, key, value)
	if err != nil {
		return err
	}
	return write(ctx, name, data, ttl)
}

// SetMany is [Store.SetMany].
func (t *Typed[K, V]) SetMany(ctx context.Context, items map[K]V, ttl time.Duration) error {
	encoded := make(map[string][]byte, len(items))
	for key, value := range items {
		name, data, err := t.encode("SetMany", key, value)
		if err != nil {
			return err
		}
		encoded[name] = data
	}
	return t.store.SetMany(ctx, encoded, ttl)
}

// GetMany is [Store.GetMany].
func (t *Typed[K, V]) GetMany(ctx context.Context, keys []K) (map[K]V, error) {
	names, err := t.names("GetMany", keys)
	if err != nil {
		return nil, err
	}
	found, err := t.store.GetMany(ctx, names)
	if err != nil {
		return nil, err
	}
	return t.decodeMany("GetMany", keys, names, found)
}

func (t *Typed[K, V]) names(op string, keys []K) ([]string, error) {
	names := make([]string, len(keys))
	for i, key := range keys {
		var err error
		if names[i], err = t.name(op, key); err != nil {
			return nil, err
		}
	}
	return names, nil
}

func (t *Typed[K, V]) decodeMany(op string, keys []K, names []string, found map[string][]byte) (map[K]V, error) {
	values := make(map[K]V, len(found))
	for i, name := range names {
		data, have := found[name]
		if !have {
			continue
		}
		value, err := t.decode(op, name, data)
		if err != nil {
			return nil, err
		}
		values[keys[i]] = value
	}
	return values, nil
}

// GetOrLoad returns the value under a key, and loads it if it is not there, as [Store.GetOrLoad] does.
// An error of load that matches ErrKeyNotFound says that there is no such key.
func (t *Typed[K, V]) GetOrLoad(ctx context.Context, key K, ttl time.Duration, load func(context.Context, K) (V, error)) (value V, err error) {
	name, err := t.name(getOrLoad, key)
	if err != nil {
		return value, err
	}
	if load == nil {
		load = func(context.Context, K) (none V, err error) { return none, errNoFunction }
	}
	data, err := t.store.GetOrLoad(ctx, name, ttl, func(ctx context.Context, _ string) ([]byte, error) {
		loaded, err := load(ctx, key)
		if err != nil {
			return nil, err
		}
		_, data, err := t.encode(getOrLoad, key, loaded)
		if err != nil {
			return nil, errors.Unwrap(err) // the operation and the key are told once
		}
		return data, nil
	})
	if err != nil {
		return value, err
	}
	return t.decode(getOrLoad, name, data)
}

// GetOrLoadMany returns the values under the keys, and loads those that are not there by one call, as
// [Store.GetOrLoadMany] does. What load leaves out of its result does not exist.
func (t *Typed[K, V]) GetOrLoadMany(ctx context.Context, keys []K, ttl time.Duration, load func(context.Context, []K) (map[K]V, error)) (map[K]V, error) {
	names, err := t.names(getOrLoadMany, keys)
	if err != nil {
		return nil, err
	}
	if load == nil {
		load = func(context.Context, []K) (map[K]V, error) { return nil, errNoFunction }
	}
	byName := make(map[string]K, len(keys))
	for i, name := range names {
		byName[name] = keys[i]
	}
	found, err := t.store.GetOrLoadMany(ctx, names, ttl, func(ctx context.Context, names []string) (map[string][]byte, error) {
		wanted := make([]K, len(names))
		for i, name := range names {
			wanted[i] = byName[name]
		}
		loaded, err := load(ctx, wanted)
		if err != nil {
			return nil, err
		}
		return t.encodeMany(loaded)
	})
	if err != nil {
		return nil, err
	}
	return t.decodeMany(getOrLoadMany, keys, names, found)
}

func (t *Typed[K, V]) encodeMany(values map[K]V) (map[string][]byte, error) {
	encoded := make(map[string][]byte, len(values))
	for key, value := range values {
		name, data, err := t.encode(getOrLoadMany, key, value)
		if err != nil {
			return nil, err
		}
		encoded[name] = data
	}
	return encoded, nil
}

// TypedEntry is a key and its value.
type TypedEntry[K comparable, V any] struct {
	Key   K
	Value V
}

// All ranges over the entries whose keys begin with the prefix; see [Store.Scan]. An entry that cannot be
// decoded comes with its error, and the loop may go on; an error of the store is the last.
func (t *Typed[K, V]) All(ctx context.Context) iter.Seq2[TypedEntry[K, V], error] {
	return func(yield func(TypedEntry[K, V], error) bool) {
		scan := t.store.Scan(ctx, QuotePattern(t.prefix)+"*")
		for name, data := range scan.All() {
			entry, err := t.decodeEntry(name, data)
			if !yield(entry, err) {
				return
			}
		}
		if scan.Err() != nil {
			yield(TypedEntry[K, V]{}, scan.Err())
		}
	}
}

func (t *Typed[K, V]) decodeEntry(name string, data []byte) (TypedEntry[K, V], error) {
	key, err := t.keys.Decode([]byte(name[len(t.prefix):]))
	if err != nil {
		return TypedEntry[K, V]{}, codecFailure("All", name, err)
	}
	value, err := t.decode("All", name, data)
	return TypedEntry[K, V]{key, value}, err
}
