// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"context"
	"iter"
	"runtime"

	"github.com/weisyn/memstore/bindings/go/internal/direct"
	"github.com/weisyn/memstore/bindings/go/internal/native"
)

// Values holds what [Store.GetManyInto] found, in the order of its keys. The zero value is ready, and
// one that is used again keeps its memory, so that reading many values makes no garbage. It is for one
// goroutine at a time.
type Values struct {
	bytes []byte
	spans []span
}

// span is where a value lies; from is -1 when there is none.
type span struct{ from, to int }

// Len is how many keys were asked for.
func (v *Values) Len() int { return len(v.spans) }

// At returns the value under the i-th key, and whether there is one. It is valid until the Values are
// used for another GetManyInto.
func (v *Values) At(i int) ([]byte, bool) {
	at := v.spans[i]
	if at.from < 0 {
		return nil, false
	}
	return v.bytes[at.from:at.to:at.to], true
}

// All ranges over the values that were found, each with the number of its key.
func (v *Values) All() iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		for i := range v.spans {
			if value, found := v.At(i); found && !yield(i, value) {
				return
			}
		}
	}
}

// GetManyInto is GetMany without garbage: the values are copied over those that into held before. After
// an error it holds none.
func (s *Store) GetManyInto(ctx context.Context, keys []string, into *Values) error {
	if into == nil {
		return s.refuse("GetManyInto", "", explained{"there are no Values to copy into", ErrInvalidArgument})
	}
	return s.getManyInto(ctx, "GetManyInto", keys, into)
}

func (s *Store) getManyInto(ctx context.Context, op string, keys []string, into *Values) error {
	into.spans = into.spans[:0]
	if err := live(ctx, op, ""); err != nil {
		return err
	}
	pack := s.getPack()
	defer pack.put()
	if cap(into.bytes) == 0 {
		into.bytes = make([]byte, packFirst)
	}
	values, err := s.readMany(ctx, op, keys, pack, into.bytes[:cap(into.bytes)])
	if err != nil {
		return err
	}
	into.bytes = values
	from := 0
	for _, size := range pack.found[:len(keys)] {
		if size < 0 {
			into.spans = append(into.spans, span{-1, -1})
			continue
		}
		into.spans = append(into.spans, span{from, from + int(size)})
		from += int(size)
	}
	return nil
}

// readMany reads the values of keys, packed: into buf, or, when they do not fit, into an allocation. The
// pack gets their sizes.
func (s *Store) readMany(ctx context.Context, op string, keys []string, pack *pack, buf []byte) ([]byte, error) {
	pack.room(len(keys))
	if s.direct != nil && len(keys) <= direct.MostKeys {
		total := s.direct.GetMany(keys, buf, pack.found)
		runtime.KeepAlive(s)
		if total >= 0 {
			return buf[:total], nil
		}
	}
	pack.addKeys(keys)
	var kept uintptr
	total := waiting(ctx, func(wait bound) int64 {
		return native.GlueGetMany(s.handle, wait.ms, wait.stop, pack.bytesPointer(), len(pack.bytes),
			pack.sizesPointer(), len(keys), &buf[0], len(buf), pointerTo(&pack.found[0]), pointerTo(&kept))
	})
	runtime.KeepAlive(s)
	if total < 0 {
		return nil, checkWaiting(ctx, op, "", int32(total))
	}
	if kept == 0 {
		return buf[:total], nil
	}
	return s.take(kept, total), nil
}
