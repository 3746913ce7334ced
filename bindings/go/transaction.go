// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"context"
	"runtime"
	"time"
	"unsafe"

	"github.com/weisyn/memstore/bindings/go/internal/native"
)

// Batch gathers writes and what they expect; Commit applies them all at one instant, or none. It is for
// one goroutine, holds nothing outside of the Go heap, and needs no end. When a key has several writes,
// the last one counts.
type Batch struct {
	store *Store
	bytes []byte // keys and values, one after the other
	steps []step
}

// step is one call of Batch; its key and its value lie one after the other.
type step struct {
	kind       stepKind
	keySize    int
	valueSize  int
	ttl        int64
	version    uint64
	bytesStart int
}

type stepKind uint8

const (
	stepSet stepKind = iota
	stepDelete
	stepUpdateTTL
	stepExpect
	stepExpectAbsent
)

// NewBatch makes an empty batch.
func (s *Store) NewBatch() *Batch { return &Batch{store: s} }

func (b *Batch) add(kind stepKind, key string, value []byte) *step {
	b.steps = append(b.steps, step{kind: kind, keySize: len(key), valueSize: len(value), bytesStart: len(b.bytes)})
	b.bytes = append(append(b.bytes, key...), value...)
	return &b.steps[len(b.steps)-1]
}

// Set is to store a copy of the value.
func (b *Batch) Set(key string, value []byte, ttl time.Duration) *Batch {
	b.add(stepSet, key, value).ttl = ttlMillis(ttl)
	return b
}

// Delete is to remove an entry, if there is one.
func (b *Batch) Delete(key string) *Batch {
	b.add(stepDelete, key, nil)
	return b
}

// UpdateTTL is to change the ttl of an entry; Commit fails with ErrKeyNotFound if there is none.
func (b *Batch) UpdateTTL(key string, ttl time.Duration) *Batch {
	b.add(stepUpdateTTL, key, nil).ttl = ttlMillis(ttl)
	return b
}

// Expect has Commit fail with ErrVersionMismatch unless the entry has the version that GetVersioned told;
// 0 expects that there is none.
func (b *Batch) Expect(key string, version uint64) *Batch {
	b.add(stepExpect, key, nil).version = version
	return b
}

// ExpectAbsent has Commit fail with ErrKeyExists if there is a live entry.
func (b *Batch) ExpectAbsent(key string) *Batch {
	b.add(stepExpectAbsent, key, nil)
	return b
}

// Len is how many calls the batch holds.
func (b *Batch) Len() int { return len(b.steps) }

// Reset empties the batch.
func (b *Batch) Reset() { b.steps, b.bytes = b.steps[:0], b.bytes[:0] }

// Commit applies the batch at one instant if all that it expects holds, and empties it. When it fails
// nothing has changed and the batch is as it was, to be tried again.
func (b *Batch) Commit(ctx context.Context) error {
	if err := live(ctx, "Commit", ""); err != nil {
		return err
	}
	defer runtime.KeepAlive(b.store)
	batch := native.MemstoreBatchNew(b.store.handle)
	if batch == 0 {
		return &Error{"Commit", "", ErrMemoryExhausted}
	}
	defer native.MemstoreBatchFree(batch)
	for i := range b.steps {
		at := &b.steps[i]
		if status := at.hand(batch, b.bytes[at.bytesStart:]); status != 0 {
			return fail("Commit", string(b.bytes[at.bytesStart:][:at.keySize]), status)
		}
	}
	if status := native.MemstoreBatchCommit(batch); status != 0 {
		return fail("Commit", "", status)
	}
	b.Reset()
	return nil
}

// hand adds the step to a batch of the library's; its bytes come first in packed.
func (at *step) hand(batch uintptr, packed []byte) int32 {
	key, size := unsafe.SliceData(packed), at.keySize
	switch at.kind {
	case stepSet:
		return native.MemstoreBatchSet(batch, key, size, unsafe.SliceData(packed[size:]), at.valueSize, at.ttl)
	case stepDelete:
		return native.MemstoreBatchDelete(batch, key, size)
	case stepUpdateTTL:
		return native.MemstoreBatchUpdateTtl(batch, key, size, at.ttl)
	case stepExpectAbsent:
		return native.MemstoreBatchExpectAbsent(batch, key, size)
	}
	return native.MemstoreBatchExpectVersion(batch, key, size, at.version)
}
