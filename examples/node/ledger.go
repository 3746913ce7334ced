// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"
	memstore "github.com/weisyn/memstore/bindings/go"
)

// ledger is a database with a store in front of it. Reads are answered by the store; what it has not is
// loaded, once however many ask. Writes go to the database first and, once committed, through to the store:
//
//   - The locks of the keys are held over both, so that two writers of a key reach store and database in
//     the same order.
//   - A load that began before the commit may read what was before it. The write to the store overtakes
//     it, so that its value is not stored.
//   - What happens after the commit is not left undone because the client has gone: it does not look at
//     the request's context.
//   - What the store does not take is deleted there, however long others hold that up, key by key where it has no
//     memory to delete all at one instant.
type ledger struct {
	db     *badger.DB
	store  *memstore.Store
	ttl    time.Duration
	folder string // of the database
	mark   string // of the snapshot that was left with it, if any: see warm
	locks  [256]sync.Mutex
	read   func(key string) ([]byte, error) // the database
	inUse  sync.RWMutex                     // held for reading by who uses the database
	closed bool
}

// errAbsent says that the database has no such key.
var errAbsent = memstore.ErrKeyNotFound

// errClosed says that the ledger is closed.
var errClosed = memstore.ErrCacheClosed

// openLedger opens a database in a folder, and a store of so many bytes.
func openLedger(folder string, memory int64, ttl time.Duration) (*ledger, error) {
	if ttl < 0 {
		return nil, fmt.Errorf("no entry lives for %v; 0 is for good", ttl)
	}
	// The store caches entries, so that the database need not cache blocks of them, too.
	db, err := badger.Open(badger.DefaultOptions(folder).WithLogger(nil).WithBlockCacheSize(8 << 20).WithMemTableSize(16 << 20))
	if err != nil {
		return nil, err
	}
	store, err := memstore.New(memstore.WithMemoryLimit(memory), memstore.WithNegativeTTL(time.Minute),
		memstore.WithTTLJitter(10), memstore.WithLatencies())
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	mark, err := takeMark(folder)
	if err != nil {
		return nil, errors.Join(err, store.Close(), db.Close())
	}
	l := &ledger{db: db, store: store, ttl: ttl, folder: folder, mark: mark}
	l.read = l.readDatabase
	return l, nil
}

// close closes both, once nobody uses the database: a load goes on when the client that asked for it has gone, and
// requests may outlive the patience that a server has for them.
func (l *ledger) close() error {
	l.inUse.Lock()
	l.closed = true
	l.inUse.Unlock()
	return errors.Join(l.store.Close(), l.db.Close())
}

// use has the database stay open until done is called.
func (l *ledger) use() (done func(), err error) {
	l.inUse.RLock()
	if l.closed {
		l.inUse.RUnlock()
		return nil, errClosed
	}
	return l.inUse.RUnlock, nil
}

// get returns the value under a key, or an error that matches errAbsent.
func (l *ledger) get(ctx context.Context, key string) ([]byte, error) {
	return l.store.GetOrLoad(ctx, key, l.ttl, l.load)
}

// load loads what the store has not.
func (l *ledger) load(_ context.Context, key string) ([]byte, error) {
	done, err := l.use()
	if err != nil {
		return nil, err
	}
	defer done()
	return l.read(key)
}

func (l *ledger) readDatabase(key string) (value []byte, err error) {
	err = l.db.View(func(txn *badger.Txn) error {
		item, err := txn.Get([]byte(key))
		if err != nil {
			return err
		}
		value, err = item.ValueCopy(nil)
		return err
	})
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, errAbsent
	}
	return value, err
}

// change is what one transaction does.
type change struct {
	Set    map[string][]byte `json:"set"`
	Delete []string          `json:"delete"`
}

func (c *change) keys() []string {
	keys := slices.Clone(c.Delete)
	for key := range c.Set {
		keys = append(keys, key)
	}
	return keys
}

// apply makes a change: all of it or nothing, for readers at one instant, unless the store has no memory for that.
func (l *ledger) apply(ctx context.Context, c *change) error {
	unlock := l.lock(c.keys())
	defer unlock()
	if err := ctx.Err(); err != nil {
		return err // the client has gone while we waited
	}
	done, err := l.use()
	if err != nil {
		return err
	}
	defer done()
	if err := l.commit(c); err != nil {
		return err
	}
	l.writeThrough(context.WithoutCancel(ctx), c)
	return nil
}

func (l *ledger) commit(c *change) error {
	return l.db.Update(func(txn *badger.Txn) error {
		for _, key := range c.Delete {
			if err := txn.Delete([]byte(key)); err != nil {
				return err
			}
		}
		for key, value := range c.Set {
			if err := txn.Set([]byte(key), value); err != nil {
				return err
			}
		}
		return nil
	})
}

// writeThrough brings the store to where the database is.
func (l *ledger) writeThrough(ctx context.Context, c *change) {
	batch := l.store.NewBatch()
	for _, key := range c.Delete {
		batch.Delete(key)
	}
	for key, value := range c.Set {
		batch.Set(key, value, l.ttl)
	}
	if batch.Commit(ctx) == nil {
		return
	}
	if untilUnlocked(func() error { return l.store.DeleteMany(ctx, c.keys()) }) == nil {
		return
	}
	// There was no memory to delete them at one instant. One deletion needs none.
	for _, key := range c.keys() {
		_ = untilUnlocked(func() error { return l.store.Delete(ctx, key) }) // it fails when the store is closed
	}
}

// untilUnlocked removes something, however long other writers hold it up.
func untilUnlocked(remove func() error) error {
	for {
		err := remove()
		if !errors.Is(err, memstore.ErrLockTimeout) {
			return err
		}
		runtime.Gosched()
	}
}

var seed = maphash.MakeSeed()

// lock takes the locks of keys, in an order that all keep to.
func (l *ledger) lock(keys []string) (unlock func()) {
	numbers := make([]int, len(keys))
	for i, key := range keys {
		numbers[i] = int(maphash.String(seed, key) % uint64(len(l.locks)))
	}
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	for _, number := range numbers {
		l.locks[number].Lock()
	}
	return func() {
		for _, number := range numbers {
			l.locks[number].Unlock()
		}
	}
}

// tidy gives disk space back from time to time, until the context ends.
func (l *ledger) tidy(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			for l.db.RunValueLogGC(0.5) == nil && ctx.Err() == nil {
			}
		}
	}
}
