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
// the last one counts; a change of TTL is one of what those before it leave.
type Batch struct {
	store *Store
	bytes []byte // keys and values, one after the other
	steps []step
}

// step is one call of Batch, as glue_step; its key and its value lie one after the other.
type step struct {
	kind      stepKind
	keySize   uint64
	valueSize uint64
	ttl       int64
	version   uint64
}

// stepKind is one of GLUE_STEP.
type stepKind uint64

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
	b.steps = append(b.steps, step{kind: kind, keySize: uint64(len(key)), valueSize: uint64(len(value))})
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

// UpdateTTL is to change the ttl of an entry; Commit fails with ErrKeyNotFound if there is none and the
// batch sets none before.
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

// Commit applies the batch at one instant if all that it expects holds, and empties it, in one call of the
// library. When it fails nothing has changed and the batch is as it was, to be tried again; the error has
// the key of what was expected in vain, or could not be done.
func (b *Batch) Commit(ctx context.Context) error {
	if err := live(ctx, "Commit", ""); err != nil {
		return err
	}
	if b.store == nil {
		return &Error{"Commit", "", explained{"the Batch was not made by NewBatch", ErrInvalidArgument}}
	}
	var refused uint64
	status := waiting(ctx, func(wait bound) int32 {
		return native.GlueCommit(b.store.handle, wait.ms, wait.stop, unsafe.SliceData(b.bytes), len(b.bytes),
			pointerTo(unsafe.SliceData(b.steps)), len(b.steps), pointerTo(&refused))
	})
	runtime.KeepAlive(b.store)
	if status != 0 {
		return checkWaiting(ctx, "Commit", b.keyOf(int(refused)), status)
	}
	b.Reset()
	return nil
}

// keyOf is the key of a step; "" behind the last.
func (b *Batch) keyOf(number int) string {
	from := uint64(0)
	for i, at := range b.steps {
		if i == number {
			return string(b.bytes[from : from+at.keySize])
		}
		from += at.keySize + at.valueSize
	}
	return ""
}
