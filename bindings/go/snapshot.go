// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/weisyn/memstore/bindings/go/internal/native"
)

// Save writes all live entries to a file, which replaces the one at path in one step when it is whole:
// whatever happens before, the end of the process too, the old file stays as it is. Readers and writers
// go on meanwhile; of each batch all is saved or nothing. When the context ends, so does the saving. An
// ErrIO also matches what the system has against the file, such as fs.ErrPermission or syscall.ENOSPC.
func (s *Store) Save(ctx context.Context, path string) error {
	return s.withFile(ctx, "Save", path, func(wait bound, path, reason *byte) int32 {
		return native.GlueSave(s.handle, wait.ms, wait.stop, path, reason)
	})
}

// Load adds the entries of a snapshot that have not expired since; the time in the file counts. What the
// store holds under their keys stays. All of the file is verified first: with ErrCorruptSnapshot nothing
// was loaded. Nothing is evicted for it: if not all fits, what was of most use is loaded. When the context
// ends before, what was loaded is taken back. Where there is no such file the error is both ErrIO and
// fs.ErrNotExist.
func (s *Store) Load(ctx context.Context, path string) error {
	return s.withFile(ctx, "Load", path, func(wait bound, path, reason *byte) int32 {
		return native.GlueLoad(s.handle, wait.ms, wait.stop, path, reason)
	})
}

func (s *Store) withFile(ctx context.Context, op, path string, call func(wait bound, path, reason *byte) int32) error {
	if err := live(ctx, op, path); err != nil {
		return err
	}
	text, ok := cText(path)
	if !ok || path == "" {
		return s.refuse(op, path, explained{"a path is not empty and holds no NUL bytes", ErrInvalidArgument})
	}
	reason := new(int64) // an errno
	status := waitingLong(ctx, func(wait bound) int32 { return call(wait, &text[0], pointerTo(reason)) })
	runtime.KeepAlive(s)
	if status == statusCancelled {
		return &Error{op, path, ctx.Err()}
	}
	return withReason(checkWaiting(ctx, op, path, status), reasonOf(syscall.Errno(*reason), path))
}

// reasonOf is what the system has against a file, by its number for that, or nil.
func reasonOf(number syscall.Errno, path string) error {
	switch number {
	case 0:
		return nil
	case syscall.EINVAL: // not a regular file
		return cmp.Or(reasonAgainst(path), error(number))
	}
	return number
}

const (
	// How many keys are looked for in one call, and how many are loaded at once.
	warmGroup, warmLoads = 128, 16
	// Where the rate is bounded, groups are small enough for about as many a second.
	warmGroupsASecond = 10
	// What is late by more than this is not made up for: the database would be asked for it all at once.
	warmMadeUpFor = time.Second / warmGroupsASecond
	// The longest pause between two looks at the setting.
	warmPause = 10 * time.Millisecond
)

// Warm loads the keys that are not there, as GetOrLoad does, a few at once and at most as many in a
// second as the setting loader.warm_rate says. Keys that the loader says do not exist, by an error for
// which errors.Is(err, ErrKeyNotFound) holds, are passed over. What fails, or is refused by the store, does not
// keep the others from being loaded; the first such error is returned in the end. When the context ends, so does the warming,
// and what was loaded stays.
func (s *Store) Warm(ctx context.Context, keys []string, ttl time.Duration, load Loader) error {
	const op = "Warm"
	if ctx == nil {
		ctx = context.Background()
	}
	if err := live(ctx, op, ""); err != nil {
		return err
	}
	warming := warming{store: s, ttl: ttl, load: load, turn: time.Now()}
	for first := 0; first < len(keys); {
		if err := live(ctx, op, ""); err != nil {
			return err
		}
		group := keys[first:min(first+warming.groupSize(), len(keys))]
		if err := warming.loadGroup(ctx, group); err != nil {
			return err
		}
		first += len(group)
	}
	return warming.err
}

// warming is one call of Warm.
type warming struct {
	store *Store
	ttl   time.Duration
	load  Loader
	turn  time.Time // when the next group may be asked for
	once  sync.Once
	err   error // the first of a load
}

func (w *warming) groupSize() int {
	if rate := w.store.warmRate.Load(); rate > 0 {
		return int(min(warmGroup, rate/warmGroupsASecond+1))
	}
	return warmGroup
}

// loadGroup loads what is missing of some keys. An error, that of a context or of a closed store, ends all of it.
func (w *warming) loadGroup(ctx context.Context, keys []string) error {
	there, err := w.store.HasMany(ctx, keys)
	if err != nil {
		if errors.Is(err, ErrCacheClosed) || ctx.Err() != nil {
			return &Error{"Warm", "", errors.Unwrap(err)}
		}
		there = make(map[string]bool) // which of them cannot be looked up shows when they are loaded
	}
	var missing []string
	for _, key := range keys {
		if !there[key] {
			missing = append(missing, key)
			there[key] = true
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if err := w.awaitTurn(ctx); err != nil {
		return err
	}
	w.takeTurn(len(missing))
	var loads sync.WaitGroup
	places := make(chan struct{}, warmLoads)
	for _, key := range missing {
		places <- struct{}{}
		loads.Add(1)
		go func() {
			defer loads.Done()
			w.loadOne(ctx, key)
			<-places
		}()
	}
	loads.Wait()
	return live(ctx, "Warm", "")
}

func (w *warming) loadOne(ctx context.Context, key string) {
	_, refused, err := w.store.getOrLoad(ctx, key, w.ttl, w.load)
	if err != nil {
		refused = errors.Unwrap(err)
	}
	if refused != nil && !errors.Is(refused, ErrKeyNotFound) {
		w.once.Do(func() { w.err = &Error{"Warm", key, refused} })
	}
}

// awaitTurn waits until more keys may be asked for, at the rate as it is meanwhile.
func (w *warming) awaitTurn(ctx context.Context) error {
	for w.store.warmRate.Load() != 0 {
		left := time.Until(w.turn)
		if left <= 0 {
			break
		}
		if w.store.library.closed.Load() {
			return &Error{"Warm", "", ErrCacheClosed}
		}
		if err := sleep(ctx, "Warm", "", min(left, warmPause)); err != nil {
			return err
		}
	}
	return nil
}

// takeTurn asks for keys: the next may be asked for when the rate, as it is now, has made up for them.
func (w *warming) takeTurn(keys int) {
	if least := time.Now().Add(-warmMadeUpFor); w.turn.Before(least) {
		w.turn = least
	}
	if rate := w.store.warmRate.Load(); rate != 0 {
		w.turn = w.turn.Add(time.Duration(keys) * time.Second / time.Duration(rate))
	}
}
