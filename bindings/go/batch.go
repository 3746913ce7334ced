// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"context"
	"runtime"
	"time"

	"github.com/weisyn/memstore/bindings/go/internal/native"
)

// SetMany stores several entries with one ttl, all or none, and every reader sees them appear at
// one instant. They may have half of the memory limit together, a little less where they are large.
func (s *Store) SetMany(ctx context.Context, items map[string][]byte, ttl time.Duration) error {
	if err := live(ctx, "SetMany", ""); err != nil {
		return err
	}
	if len(items) == 0 && ttl < 0 && ttl != DefaultTTL {
		return s.refuse("SetMany", "", ErrInvalidTTL)
	}
	var pinner runtime.Pinner
	defer pinner.Unpin()
	pack := s.getPack()
	defer pack.put()
	pack.addItems(items, &pinner)
	status := waiting(ctx, func(wait bound) int32 {
		return native.GlueSetMany(s.handle, wait.ms, wait.stop, pack.bytesPointer(), len(pack.bytes),
			pack.sizesPointer(), len(items), ttlMillis(ttl))
	})
	runtime.KeepAlive(s)
	if status == statusEntryTooLarge {
		return checkWaiting(ctx, "SetMany", s.itemTooLarge(items), status)
	}
	return checkWaiting(ctx, "SetMany", "", status)
}

// itemTooLarge is the key of the one entry that is too large by itself; "" where several are or all together, which have
// half of the limit.
func (s *Store) itemTooLarge(items map[string][]byte) (tooLarge string) {
	most := s.largestEntry()
	for key, value := range items {
		if len(key)+len(value) <= most {
			continue
		}
		if tooLarge != "" {
			return ""
		}
		tooLarge = key
	}
	return tooLarge
}

// largestEntry is how many bytes the key and the value of one entry may have at most, or little less.
func (s *Store) largestEntry() int {
	most := int(s.Capacity() / 2)
	text, err := s.Setting("max_entry_size")
	if err != nil {
		return most
	}
	if allowed, ok := amount(text); ok && allowed != 0 {
		most = int(min(int64(most), allowed))
	}
	return most
}

// GetMany returns copies of the values found under the keys, as of one moment between batches. Keys
// that are not there are not in the result. The values share one allocation, which lives as long as
// any of them. It waits for no writer, unless batches are committed all the time: then it waits for
// their shards in the end, and it is ErrLockTimeout when one is not had within performance.lock_timeout.
func (s *Store) GetMany(ctx context.Context, keys []string) (map[string][]byte, error) {
	if err := live(ctx, "GetMany", ""); err != nil {
		return nil, err
	}
	pack := s.getPack()
	defer pack.put()
	values, err := s.readMany(ctx, "GetMany", keys, pack, pack.values)
	if err != nil {
		return nil, err
	}
	if len(values) <= len(pack.values) {
		values = append([]byte{}, values...)
	} else if more := min(len(values), packKeep/2); more > len(pack.values) {
		pack.values = make([]byte, more)
	}
	return pack.deal(keys, values), nil
}

// deal hands the packed values out to their keys.
func (p *pack) deal(keys []string, values []byte) map[string][]byte {
	hits := 0
	for _, size := range p.found[:len(keys)] {
		if size >= 0 {
			hits++
		}
	}
	result := make(map[string][]byte, hits)
	for i, key := range keys {
		if size := p.found[i]; size >= 0 {
			result[key] = values[:size:size]
			values = values[size:]
		}
	}
	return result
}

// DeleteMany removes several entries at one instant. Keys that are not there are passed over. Each needs
// some 20 bytes of the limit meanwhile; a full store that evicts nothing refuses more than it has them for,
// some hundreds at 1 MiB and some thousands from 16 MiB on, with ErrCacheFull.
func (s *Store) DeleteMany(ctx context.Context, keys []string) error {
	if err := live(ctx, "DeleteMany", ""); err != nil {
		return err
	}
	pack := s.getPack()
	defer pack.put()
	pack.addKeys(keys)
	deleted := waiting(ctx, func(wait bound) int64 {
		return native.GlueDeleteMany(s.handle, wait.ms, wait.stop, pack.bytesPointer(), len(pack.bytes),
			pack.sizesPointer(), len(keys))
	})
	runtime.KeepAlive(s)
	return checkWaiting(ctx, "DeleteMany", "", int32(min(deleted, 0)))
}

// HasMany says for each key whether a live entry has it, as of one moment between batches; it waits as
// GetMany does.
func (s *Store) HasMany(ctx context.Context, keys []string) (map[string]bool, error) {
	if err := live(ctx, "HasMany", ""); err != nil {
		return nil, err
	}
	pack := s.getPack()
	defer pack.put()
	pack.addKeys(keys)
	pack.room(len(keys))
	found := waiting(ctx, func(wait bound) int64 {
		return native.GlueHasMany(s.handle, wait.ms, wait.stop, pack.bytesPointer(), len(pack.bytes),
			pack.sizesPointer(), len(keys), &pack.flags[0])
	})
	runtime.KeepAlive(s)
	if found < 0 {
		return nil, checkWaiting(ctx, "HasMany", "", int32(found))
	}
	result := make(map[string]bool, len(keys))
	for i, key := range keys {
		result[key] = pack.flags[i] != 0
	}
	return result, nil
}
