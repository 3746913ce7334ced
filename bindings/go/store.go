// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/weisyn/memstore/bindings/go/internal/direct"
	"github.com/weisyn/memstore/bindings/go/internal/native"
)

// DefaultTTL as a ttl stands for the configured default. It is not what time.Until gives for times long ago, which
// is the least of all durations, and a ttl that is refused.
const DefaultTTL time.Duration = math.MinInt64 + 1

// Store is an open store. The handle stays valid when the store is closed and is destroyed when the
// Store is unreachable, so no method can meet freed memory; each keeps the Store reachable until
// its call into the library has returned.
type Store struct {
	handle  uintptr
	library *library
	// largeValues is set once a value did not fit the small buffer; see Get.
	largeValues atomic.Bool
	loads       loads
	// direct reads without a crossing; nil with Config.LibraryReads, and where it cannot.
	direct *direct.Reader
	// warmRate is the setting loader.warm_rate; refreshes is false only if loader.refresh_after is 0; failsLoads
	// says whether loader.on_store_error is "fail".
	warmRate   atomic.Int64
	refreshes  atomic.Bool
	failsLoads atomic.Bool
	// loader.timeout, loader.retry_initial and loader.retry_max, in nanoseconds.
	loadTimeout, retryInitial, retryMax atomic.Int64
	bounds                              loadBounds
	noting                              sync.Mutex // of noteSettings
	// wipes is the setting secure_wipe. Constant.
	wipes bool
}

// Open makes a new, empty store.
func Open(config Config) (*Store, error) { return open("Open", config) }

// OpenYAML makes a new, empty store with the settings of a YAML file: those under storage.memory,
// or at the top. An error tells the file, the line and the column; ErrIO says that the file cannot
// be read. To change some of its settings use [Open] with [Config.File].
func OpenYAML(path string) (*Store, error) {
	if path == "" {
		return nil, &Error{"OpenYAML", "", explained{"the path is empty", ErrInvalidArgument}}
	}
	return open("OpenYAML", Config{File: path})
}

func open(op string, config Config) (*Store, error) {
	settings, log, err := config.native(op)
	if err != nil {
		return nil, err
	}
	defer native.MemstoreConfigFree(settings)
	var handle uintptr
	if status := native.MemstoreOpen(settings, pointerTo(&handle)); status != 0 {
		err := configFailure(op, settings, "", status)
		log.free()
		return nil, err
	}
	store := &Store{handle: handle, library: &library{handle: handle, log: log, logger: config.Logger, ended: make(chan struct{})}}
	if _, file, line, known := runtime.Caller(2); known {
		store.library.opened = fmt.Sprintf("%s:%d", file, line)
	}
	store.noteSettings()
	wipes, _ := store.Setting("secure_wipe")
	store.wipes = wipes != "false"
	places, _ := store.amountOf("loader.max_loads")
	room, _ := store.amountOf("loader.max_load_bytes")
	store.bounds.loads, store.bounds.bytes = newGate(places), newGate(room)
	if !config.LibraryReads {
		store.direct = directReader(handle)
	}
	store.library.retain()
	runtime.AddCleanup(store, (*library).abandoned, store.library)
	return store, nil
}

// library is what the library knows as a store. It is destroyed when neither the Store nor a
// subscription needs it any more.
type library struct {
	handle uintptr
	log    *logQueue // nil without Config.Logger
	users  atomic.Int32
	closed atomic.Bool
	ended  chan struct{} // closed along with the store
	opened string        // file and line
	logger *slog.Logger  // for abandoned; nil once the store is closed
}

// abandoned is called when nothing reaches the Store any more, which should have been closed before.
// It is closed now, so that those who wait for its events learn that no more come.
func (l *library) abandoned() {
	if l.closed.Load() {
		l.release()
		return
	}
	// A logger may block, closing takes a moment, and other cleanups wait behind this one.
	go l.warn()
	go func() {
		if native.MemstoreClose(l.handle) == 0 {
			l.log.end()
		}
		l.release()
	}()
}

func (l *library) warn() {
	logger := l.logger
	if logger == nil {
		logger = slog.Default()
	}
	logger.Warn("memstore: a store was dropped without Close", "opened", l.opened)
}

func (l *library) retain() { l.users.Add(1) }

func (l *library) release() {
	if l.users.Add(-1) == 0 {
		native.MemstoreDestroy(l.handle)
		l.log.free()
	}
}

// Reconfigure changes a setting of the open store, by the name and the text that it has in YAML:
// Reconfigure(ctx, "performance.memory_limit", "1GiB"). docs/configuration.md says which settings can
// change and from when on a change counts; the others are ErrUnsupported. A lower memory limit is
// reached before the call returns, by evicting. The error says why a change was refused.
func (s *Store) Reconfigure(ctx context.Context, key, value string) error {
	if err := live(ctx, "Reconfigure", key); err != nil {
		return err
	}
	keyText, keyOK := cText(key)
	valueText, valueOK := cText(value)
	if !keyOK || !valueOK {
		return s.refuse("Reconfigure", key, explained{"a setting's name and value cannot hold NUL bytes", ErrInvalidConfig})
	}
	why := make([]byte, 1024)
	status := waitingLong(ctx, func(wait bound) int32 {
		return native.GlueReconfigure(s.handle, wait.ms, wait.stop, &keyText[0], &valueText[0], &why[0], len(why))
	})
	runtime.KeepAlive(s)
	if status == 0 {
		s.noteSettings()
		return nil
	}
	return interruption(ctx, explain("Reconfigure", key, string(why[:bytes.IndexByte(why, 0)]), status), status)
}

// noteSettings keeps those settings that this side needs to know, as they are in force now. Of several calls
// the last one reads what the last change has left, in whatever order they come here.
func (s *Store) noteSettings() {
	s.noting.Lock()
	defer s.noting.Unlock()
	for name, noted := range map[string]*atomic.Int64{
		"loader.warm_rate": &s.warmRate, "loader.timeout": &s.loadTimeout,
		"loader.retry_initial": &s.retryInitial, "loader.retry_max": &s.retryMax,
	} {
		if number, ok := s.amountOf(name); ok {
			noted.Store(number)
		}
	}
	if text, err := s.Setting("loader.refresh_after"); err == nil {
		s.refreshes.Store(text != "0")
	}
	if text, err := s.Setting("loader.on_store_error"); err == nil {
		s.failsLoads.Store(text == "fail")
	}
}

// amountOf is a setting that is a number, a size or a duration, in its smallest unit, as it is in force now.
func (s *Store) amountOf(name string) (number int64, ok bool) {
	text, err := s.Setting(name)
	if err != nil {
		return 0, false
	}
	return amount(text)
}

// Close waits for the calls in flight and frees the store's memory. Every call after it, another
// Close included, returns ErrCacheClosed.
func (s *Store) Close() error {
	status := native.MemstoreClose(s.handle)
	if status == 0 {
		s.library.closed.Store(true)
		close(s.library.ended)
		s.library.log.end()
		s.library.logger = nil // it may refer to the Store, and would keep it reachable
	}
	runtime.KeepAlive(s)
	return check("Close", "", status)
}

// Set stores a value under a key, in place of what was there.
func (s *Store) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	return s.set(ctx, "Set", key, value, ttl)
}

func (s *Store) set(ctx context.Context, op, key string, value []byte, ttl time.Duration) error {
	if err := live(ctx, op, key); err != nil {
		return err
	}
	status := waiting(ctx, func(wait bound) int32 {
		return native.GlueSet(s.handle, wait.ms, wait.stop, unsafe.StringData(key), len(key),
			unsafe.SliceData(value), len(value), ttlMillis(ttl))
	})
	runtime.KeepAlive(s)
	return checkWaiting(ctx, op, key, status)
}

// Delete removes an entry. That there is none is no error.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := live(ctx, "Delete", key); err != nil {
		return err
	}
	status := waiting(ctx, func(wait bound) int32 {
		return native.GlueDelete(s.handle, wait.ms, wait.stop, unsafe.StringData(key), len(key))
	})
	runtime.KeepAlive(s)
	if status == statusKeyNotFound {
		return nil
	}
	return checkWaiting(ctx, "Delete", key, status)
}

// Remove is Delete that says whether there was an entry.
func (s *Store) Remove(ctx context.Context, key string) (existed bool, err error) {
	if err := live(ctx, "Remove", key); err != nil {
		return false, err
	}
	status := waiting(ctx, func(wait bound) int32 {
		return native.GlueDelete(s.handle, wait.ms, wait.stop, unsafe.StringData(key), len(key))
	})
	runtime.KeepAlive(s)
	if status == statusKeyNotFound {
		return false, nil
	}
	return status == 0, checkWaiting(ctx, "Remove", key, status)
}

// Has says whether a live entry has the key. It counts neither as hit nor as miss.
func (s *Store) Has(ctx context.Context, key string) (bool, error) {
	if err := live(ctx, "Has", key); err != nil {
		return false, err
	}
	if s.direct != nil {
		size := s.direct.Has(key)
		runtime.KeepAlive(s)
		if size != direct.Elsewhere {
			return size != direct.Absent, nil
		}
	}
	status := native.MemstoreHas(s.handle, unsafe.StringData(key), len(key))
	runtime.KeepAlive(s)
	if status == statusKeyNotFound {
		return false, nil
	}
	return status == 0, check("Has", key, status)
}

// Clear removes all entries that are there when the call starts.
func (s *Store) Clear(ctx context.Context) error {
	if err := live(ctx, "Clear", ""); err != nil {
		return err
	}
	status := waitingLong(ctx, func(wait bound) int32 {
		return native.GlueClear(s.handle, wait.ms, wait.stop)
	})
	runtime.KeepAlive(s)
	return checkWaiting(ctx, "Clear", "", status)
}

// Size is the exact number of live entries, 0 when the store is closed. Of a batch that is being committed
// it may count a part.
func (s *Store) Size() int {
	size := native.MemstoreSize(s.handle)
	runtime.KeepAlive(s)
	return int(size)
}

// Capacity is the number of bytes that the store may use, 0 when it is closed.
func (s *Store) Capacity() int {
	capacity := native.MemstoreCapacity(s.handle)
	runtime.KeepAlive(s)
	return int(capacity)
}

// String says how full the store is. It is also why a Store can be printed while others use it.
func (s *Store) String() string {
	memory := s.GetMemoryUsage()
	if memory.Limit == 0 {
		return "memstore.Store(closed)"
	}
	return fmt.Sprintf("memstore.Store(%d entries, %d of %d bytes)", s.Size(), memory.Charged, memory.Limit)
}

// ttlMillis is a ttl as the library takes it. Refusing a negative one is left to the library, which
// counts it.
func ttlMillis(ttl time.Duration) int64 {
	switch {
	case ttl == DefaultTTL:
		return int64(native.MEMSTORE_TTL_DEFAULT)
	case ttl < 0:
		return math.MinInt64
	}
	return roundUp(ttl)
}

// roundUp is a duration in milliseconds.
func roundUp(d time.Duration) int64 {
	ms := d.Milliseconds()
	if d > 0 && d%time.Millisecond != 0 {
		ms++
	}
	return ms
}

// pointerTo is how a variable for a result crosses to the library.
func pointerTo[T any](variable *T) *byte { return (*byte)(unsafe.Pointer(variable)) }
