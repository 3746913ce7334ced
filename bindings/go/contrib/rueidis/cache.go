// SPDX-License-Identifier: Apache-2.0

// Package rueidis keeps what rueidis, a client for Redis and Valkey, caches on the client's side in memstore: outside of
// the Go heap, under a byte limit that holds, evicted by what is used. Invalidations from the server are
// rueidis' own affair; this package is told of them.
//
//	client, err := rueidis.NewClient(rueidis.ClientOption{
//		InitAddress:     []string{"127.0.0.1:6379"},
//		NewCacheStoreFn: memstorerueidis.NewCacheStore(memstore.WithEviction("adaptive")),
//	})
package rueidis

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/redis/rueidis"
	memstore "github.com/weisyn/memstore/bindings/go"
)

// NewCacheStore returns what ClientOption.NewCacheStoreFn wants: a store for each connection, as large as
// ClientOption.CacheSizeEachConn says. Options change it further. Where a store cannot be opened, because
// the options are wrong or memory is short, the logger of the options (memstore.WithLogger), or slog's default one, is
// told so as an error, and rueidis' requests go to the server, one for each key at a time.
func NewCacheStore(options ...memstore.Option) rueidis.NewCacheStoreFn {
	return func(option rueidis.CacheStoreOption) rueidis.CacheStore {
		all := append([]memstore.Option{memstore.WithMemoryLimit(int64(option.CacheSizeEachConn))}, options...)
		store, err := memstore.New(all...)
		if err != nil {
			loggerOf(all).Error("memstore: nothing is cached for this connection", "error", err)
			store = nil
		}
		return newCache(store)
	}
}

// loggerOf is the logger that options name.
func loggerOf(options []memstore.Option) *slog.Logger {
	var config memstore.Config
	for _, option := range options {
		if option != nil { // which memstore.New refuses
			option(&config)
		}
	}
	if config.Logger != nil {
		return config.Logger
	}
	return slog.Default()
}

// cache has an entry for each key of the server's, which holds the response to each command; see records. Where that
// would be much it holds a number instead, under which the responses have entries of their own; see apart.
type cache struct {
	store *memstore.Store // nil: caches nothing

	mutex   sync.Mutex // guards what follows, and is held while entries are written
	pending map[request]*flight
	closed  bool
	parted  uint64 // the last number that was given

	secret [16]byte // begins the names of what lies apart, which so are no keys of the server's; constant
}

type request struct{ key, command string }

// flight is a response to wait for.
type flight struct {
	done    chan struct{}
	expires int64 // what the client asked for, in Unix milliseconds
	message rueidis.RedisMessage
	err     error
}

var ctx = context.Background()

func newCache(store *memstore.Store) *cache {
	c := &cache{store: store, pending: make(map[request]*flight)}
	_, _ = rand.Read(c.secret[:]) // which never fails
	return c
}

// Flight returns what is cached, or what to wait for, or neither, which has the caller ask the server.
func (c *cache) Flight(key, command string, ttl time.Duration, now time.Time) (rueidis.RedisMessage, rueidis.CacheEntry) {
	if message, found := c.lookup(key, command, now); found {
		return message, nil
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.closed {
		return rueidis.RedisMessage{}, nil
	}
	asked := request{key, command}
	if waiting := c.pending[asked]; waiting != nil {
		return rueidis.RedisMessage{}, waiting
	}
	if message, found := c.lookup(key, command, now); found { // which came between
		return message, nil
	}
	c.pending[asked] = &flight{done: make(chan struct{}), expires: now.Add(ttl).UnixMilli()}
	return rueidis.RedisMessage{}, nil
}

func (c *cache) lookup(key, command string, now time.Time) (message rueidis.RedisMessage, found bool) {
	if c.store == nil {
		return message, false
	}
	packed, found, err := c.store.Get(ctx, key)
	if !found || err != nil {
		return message, false
	}
	data := c.find(packed, command)
	if data == nil || message.CacheUnmarshalView(data) != nil || message.CachePXAT() <= now.UnixMilli() {
		return rueidis.RedisMessage{}, false
	}
	return message, true
}

// Update takes the response to a request that Flight had the caller make.
func (c *cache) Update(key, command string, message rueidis.RedisMessage) (expires int64) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	waiting := c.land(key, command)
	if waiting == nil {
		return 0
	}
	// The server's time to live may only shorten what the client asked for.
	expires = message.CachePXAT()
	if expires <= 0 || waiting.expires < expires {
		expires = waiting.expires
	}
	data := withExpiry(message.CacheMarshal(nil), expires)
	c.write(key, command, data, expires)
	waiting.err = waiting.message.CacheUnmarshalView(data)
	close(waiting.done)
	return expires
}

// withExpiry sets when a message that CacheMarshal wrote expires: seven bytes, the lowest first, begin it.
func withExpiry(data []byte, expires int64) []byte {
	var word [8]byte
	binary.LittleEndian.PutUint64(word[:], uint64(expires))
	copy(data[:7], word[:7])
	return data
}

// land takes a flight out of the pending ones; the mutex is held.
func (c *cache) land(key, command string) *flight {
	asked := request{key, command}
	waiting := c.pending[asked]
	delete(c.pending, asked)
	return waiting
}

// write stores a response beside those to other commands on the key; the mutex is held. What the store
// does not take is not cached.
func (c *cache) write(key, command string, data []byte, expires int64) {
	now := time.Now().UnixMilli()
	if c.store == nil || expires <= now {
		return
	}
	older, _, err := c.store.Get(ctx, key)
	if err != nil {
		return
	}
	left := time.Duration(expires-now) * time.Millisecond
	longest := left
	if ttl, err := c.store.GetTTL(ctx, key); err == nil && ttl > left {
		longest = ttl // each response knows when it expires itself
	}
	if number, are := apart(older); are {
		c.writeApart(number, command, data, left)
		if longest == left {
			_ = c.store.UpdateTTL(ctx, key, left)
		}
		return
	}
	packed := records(older).with(command, data)
	if len(packed) > mostTogether && len(older) != 0 {
		packed = c.part(packed, longest)
	}
	_ = c.store.Set(ctx, key, packed, longest)
}

// Cancel is told that there is no response.
func (c *cache) Cancel(key, command string, err error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if waiting := c.land(key, command); waiting != nil {
		waiting.err = err
		close(waiting.done)
	}
}

// Delete is told by the server that keys have changed, or with nil that all may have.
func (c *cache) Delete(keys []rueidis.RedisMessage) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.store == nil {
		return
	}
	if keys == nil {
		c.surely(func() error { return c.store.Clear(ctx) })
		return
	}
	names := make([]string, 0, len(keys))
	for i := range keys {
		if name, err := keys[i].ToString(); err == nil && name != "" {
			names = append(names, name)
		}
	}
	if untilUnlocked(func() error { return c.store.DeleteMany(ctx, names) }) == nil {
		return
	}
	// There was no memory to delete them at one instant. One deletion needs none.
	for _, name := range names {
		c.surely(func() error { return c.store.Delete(ctx, name) })
	}
}

// surely removes what has changed, however long other writers hold it up. A store that cannot do it is closed: what
// is cached of a key must not outlive its invalidation.
func (c *cache) surely(remove func() error) {
	if untilUnlocked(remove) != nil {
		_ = c.store.Close() // or it is closed
	}
}

// untilUnlocked removes something, however long other writers hold it up.
func untilUnlocked(remove func() error) error {
	for {
		err := remove()
		if !errors.Is(err, memstore.ErrLockTimeout) && !errors.Is(err, memstore.ErrGCPressure) {
			return err
		}
		runtime.Gosched()
	}
}

// Close is told that the connection is gone, and with it the server's promise to tell of changes.
func (c *cache) Close(err error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.closed = true
	if c.store != nil {
		_ = c.store.Close()
	}
	for asked, waiting := range c.pending {
		waiting.err = err
		close(waiting.done)
		delete(c.pending, asked)
	}
}

// Wait waits for the response.
func (f *flight) Wait(ctx context.Context) (rueidis.RedisMessage, error) {
	select {
	case <-f.done:
		return f.message, f.err
	case <-ctx.Done():
		return rueidis.RedisMessage{}, ctx.Err()
	}
}
