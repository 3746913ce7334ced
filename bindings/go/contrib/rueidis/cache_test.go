// SPDX-License-Identifier: Apache-2.0

package rueidis

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"
	memstore "github.com/weisyn/memstore/bindings/go"
	"github.com/weisyn/memstore/bindings/go/internal/busytest"
)

// freePort returns a port that nobody listens to.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	must(t, err)
	return port
}

func client(t *testing.T, address string, options ...memstore.Option) rueidis.Client {
	t.Helper()
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{address}, NewCacheStoreFn: NewCacheStore(options...), CacheSizeEachConn: 16 << 20,
		PipelineMultiplex: -1, // one connection, and so one cache
	})
	must(t, err)
	t.Cleanup(client.Close)
	return client
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not after a minute: %s", what)
		}
	}
}

// cached reads a key through the cache.
func cached(t testing.TB, c rueidis.Client, key string) (string, bool) {
	t.Helper()
	result := c.DoCache(ctx, c.B().Get().Key(key).Cache(), time.Minute)
	text, err := result.ToString()
	if err != nil && !rueidis.IsRedisNil(err) {
		t.Fatal(err)
	}
	return text, result.IsCacheHit()
}

func set(t testing.TB, c rueidis.Client, key, value string) {
	t.Helper()
	must(t, c.Do(ctx, c.B().Set().Key(key).Value(value).Build()).Error())
}

func TestAChangeOnTheServerInvalidates(t *testing.T) {
	onEach(t, func(t *testing.T, software software) {
		address := software.server(t)
		reader, writer := client(t, address), client(t, address)
		var took []time.Duration
		for round := range 21 {
			want := strconv.Itoa(round)
			set(t, writer, "k", want)
			eventually(t, "the new value is read", func() bool { got, _ := cached(t, reader, "k"); return got == want })
			eventually(t, "it is cached", func() bool { _, hit := cached(t, reader, "k"); return hit })
			set(t, writer, "k", "newer")
			begun := time.Now()
			eventually(t, "it is invalidated", func() bool { got, _ := cached(t, reader, "k"); return got == "newer" })
			took = append(took, time.Since(begun))
		}
		checkInvalidations(t, took)
	})
}

// checkInvalidations asks that they take less than 50 ms: a tenth of them at least, since what else the machine does holds
// up the others. A reader who waited for anything else than the server's word would need luck each time.
func checkInvalidations(t *testing.T, took []time.Duration) {
	t.Helper()
	slices.Sort(took)
	tenth, last := took[len(took)/10], took[len(took)-1]
	t.Logf("%d invalidations took %v to %v, a tenth of them up to %v", len(took), took[0], last, tenth)
	if tenth > 50*time.Millisecond || last > 10*time.Second {
		t.Errorf("a tenth of the invalidations took up to %v, and the last %v", tenth, last)
	}
}

func TestFlushingTheServerInvalidatesAll(t *testing.T) {
	onEach(t, func(t *testing.T, software software) {
		address := software.server(t)
		reader, writer := client(t, address), client(t, address)
		for i := range 10 {
			set(t, writer, fmt.Sprint("k", i), "v")
			cached(t, reader, fmt.Sprint("k", i))
		}
		must(t, writer.Do(ctx, writer.B().Flushall().Build()).Error())
		for i := range 10 {
			eventually(t, "it is gone", func() bool { got, _ := cached(t, reader, fmt.Sprint("k", i)); return got == "" })
		}
	})
}

func TestWhatWasCachedDoesNotOutliveTheConnection(t *testing.T) {
	onEach(t, func(t *testing.T, software software) {
		address := software.server(t)
		reader, writer := client(t, address), client(t, address)
		set(t, writer, "k", "old")
		eventually(t, "it is cached", func() bool { _, hit := cached(t, reader, "k"); return hit })
		must(t, writer.Do(ctx, writer.B().Arbitrary("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").Build()).Error())
		set(t, writer, "k", "new") // of which the server tells nobody
		eventually(t, "the new value is read", func() bool {
			got, err := reader.DoCache(ctx, reader.B().Get().Key("k").Cache(), time.Minute).ToString()
			return err == nil && got == "new"
		})
	})
}

func TestSeveralCommandsAndKindsOfResponses(t *testing.T) {
	onEach(t, func(t *testing.T, software software) {
		address := software.server(t)
		c := client(t, address)
		must(t, c.Do(ctx, c.B().Hset().Key("h").FieldValue().FieldValue("a", "1").FieldValue("b", "2").Build()).Error())
		for range 2 {
			all, err := c.DoCache(ctx, c.B().Hgetall().Key("h").Cache(), time.Minute).AsStrMap()
			if err != nil || len(all) != 2 || all["b"] != "2" {
				t.Errorf("got %v, %v", all, err)
			}
			length, err := c.DoCache(ctx, c.B().Hlen().Key("h").Cache(), time.Minute).AsInt64()
			if err != nil || length != 2 {
				t.Errorf("length %d, %v", length, err)
			}
		}
		if result := c.DoCache(ctx, c.B().Hlen().Key("h").Cache(), time.Minute); !result.IsCacheHit() {
			t.Error("the second command on a key is not cached")
		}
		if result := c.DoCache(ctx, c.B().Hgetall().Key("h").Cache(), time.Minute); !result.IsCacheHit() {
			t.Error("the first command on a key is not cached beside the second")
		}
		must(t, c.Do(ctx, c.B().Hset().Key("h").FieldValue().FieldValue("c", "3").Build()).Error())
		eventually(t, "both are invalidated", func() bool {
			length, _ := c.DoCache(ctx, c.B().Hlen().Key("h").Cache(), time.Minute).AsInt64()
			all, _ := c.DoCache(ctx, c.B().Hgetall().Key("h").Cache(), time.Minute).AsStrMap()
			return length == 3 && len(all) == 3
		})
	})
}

func TestTheShorterTimeToLiveCounts(t *testing.T) {
	onEach(t, func(t *testing.T, software software) {
		address := software.server(t)
		c := client(t, address)
		must(t, c.Do(ctx, c.B().Set().Key("brief").Value("v").Px(30*time.Second).Build()).Error())
		set(t, c, "lasting", "v")
		for range 2 { // once from the server and once from the cache
			for _, key := range []string{"brief", "lasting"} {
				result := c.DoCache(ctx, c.B().Get().Key(key).Cache(), time.Minute)
				left := time.Duration(result.CachePTTL()) * time.Millisecond
				limit := time.Minute
				if key == "brief" {
					limit = 30 * time.Second
				}
				if left <= 0 || left > limit {
					t.Errorf("%s, hit %v: %v left", key, result.IsCacheHit(), left)
				}
			}
		}
	})
}

func TestManyGoroutinesAskTheServerOnce(t *testing.T) {
	onEach(t, func(t *testing.T, software software) {
		address := software.server(t)
		c := client(t, address)
		set(t, c, "k", "v")
		var group sync.WaitGroup
		for range 100 {
			group.Add(1)
			go func() {
				defer group.Done()
				got, err := c.DoCache(ctx, c.B().Get().Key("k").Cache(), time.Minute).ToString()
				if err != nil || got != "v" {
					t.Errorf("got %q, %v", got, err)
				}
			}()
		}
		group.Wait()
		values, err := rueidis.MGetCache(c, ctx, time.Minute, []string{"k", "none"})
		if err != nil || len(values) != 2 {
			t.Errorf("got %v, %v", values, err)
		}
	})
}

func TestAStoreThatCannotBeOpenedCachesNothingAndSaysSo(t *testing.T) {
	onEach(t, func(t *testing.T, software software) {
		address := software.server(t)
		var told bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&told, nil))
		c := client(t, address, memstore.WithEviction("sometimes"), memstore.WithLogger(logger))
		if text := told.String(); !strings.Contains(text, "level=ERROR") || !strings.Contains(text, "sometimes") {
			t.Errorf("it is not said why: %q", text)
		}
		set(t, c, "k", "v")
		for range 3 {
			if got, hit := cached(t, c, "k"); got != "v" || hit {
				t.Errorf("got %q, hit %v", got, hit)
			}
		}
	})
}

func TestANilOptionIsToldToTheLogger(t *testing.T) {
	var told bytes.Buffer
	logger := memstore.WithLogger(slog.New(slog.NewTextHandler(&told, nil)))
	c := NewCacheStore(nil, logger)(rueidis.CacheStoreOption{CacheSizeEachConn: 8 << 20})
	if text := told.String(); !strings.Contains(text, "level=ERROR") || !strings.Contains(text, "nothing is cached") {
		t.Errorf("it is not said why: %q", text)
	}
	c.Close(nil)
}

func TestWaitersOfABrokenConnectionGetItsError(t *testing.T) {
	store, err := memstore.New(memstore.WithMemoryLimit(8 << 20))
	must(t, err)
	c, now := newCache(store), time.Now()
	if _, entry := c.Flight("k", "GET", time.Minute, now); entry != nil {
		t.Fatal("the first is to ask the server")
	}
	_, first := c.Flight("k", "GET", time.Minute, now)
	_, second := c.Flight("k", "HLEN", time.Minute, now)
	if first == nil || second != nil {
		t.Fatal("one waits for the same command, not for another")
	}
	brief, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := first.Wait(brief); err != context.Canceled {
		t.Errorf("got %v", err)
	}
	c.Close(net.ErrClosed)
	if _, err := first.Wait(ctx); err != net.ErrClosed {
		t.Errorf("got %v", err)
	}
	if _, entry := c.Flight("k", "GET", time.Minute, now); entry != nil {
		t.Error("a closed cache has callers wait")
	}
	c.Cancel("k", "GET", net.ErrClosed)
	c.Delete(nil)
}

// What the server says has changed is not served any more, however busy the store is.
func TestNoInvalidationIsLost(t *testing.T) {
	onEach(t, func(t *testing.T, software software) {
		from := client(t, software.server(t))
		message := answer(t, from)
		c := newCache(busytest.Open(t, 8<<20))
		stored := 0
		for round := 0; stored < 1000; round++ {
			if round == 1_000_000 {
				t.Fatalf("only %d responses could be stored", stored)
			}
			if _, entry := c.Flight("k", "GET", time.Minute, time.Now()); entry != nil {
				t.Fatal("somebody else asks")
			}
			c.Update("k", "GET", message)
			if _, found := c.lookup("k", "GET", time.Now()); found {
				stored++
			}
			if round%2 == 0 {
				c.Delete([]rueidis.RedisMessage{message})
			} else {
				c.Delete(nil)
			}
			if _, found := c.lookup("k", "GET", time.Now()); found {
				t.Fatalf("round %d: what was invalidated is served", round)
			}
		}
	})
}

// onEachAnswer tests with a cache of its own, and a response of each server's.
func onEachAnswer(t *testing.T, test func(t *testing.T, c *cache, store *memstore.Store, message rueidis.RedisMessage)) {
	onEach(t, func(t *testing.T, software software) {
		message := answer(t, client(t, software.server(t)))
		store, err := memstore.New(memstore.WithMemoryLimit(64 << 20))
		must(t, err)
		c := newCache(store)
		defer c.Close(net.ErrClosed)
		test(t, c, store, message)
	})
}

// answer is a response of a server's to store.
func answer(t *testing.T, from rueidis.Client) rueidis.RedisMessage {
	t.Helper()
	set(t, from, "k", "k")
	message, err := from.Do(ctx, from.B().Get().Key("k").Build()).ToMessage()
	must(t, err)
	return message
}

// keep has a response cached as the client does, and says whether it was asked for.
func (c *cache) keep(key, command string, ttl time.Duration, message rueidis.RedisMessage) bool {
	_, found := c.lookup(key, command, time.Now())
	if _, waits := c.Flight(key, command, ttl, time.Now()); found || waits != nil {
		return false
	}
	c.Update(key, command, message)
	return true
}

// Of a hash whose fields are asked for one by one a read of one does not copy all.
func TestManyCommandsOnOneKey(t *testing.T) {
	onEachAnswer(t, func(t *testing.T, c *cache, store *memstore.Store, message rueidis.RedisMessage) {
		const fields = 3000
		for round := range 2 {
			for i := range fields {
				if asked := c.keep("h", fmt.Sprint("HGET", i), time.Minute, message); !asked {
					t.Fatalf("round %d: field %d is there before it was asked for", round, i)
				}
			}
			for i := range fields {
				if c.keep("h", fmt.Sprint("HGET", i), time.Minute, message) {
					t.Fatalf("round %d: field %d is not cached", round, i)
				}
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for i := range fields {
				c.lookup("h", fmt.Sprint("HGET", i), time.Now())
			}
			runtime.ReadMemStats(&after)
			if each := (after.TotalAlloc - before.TotalAlloc) / fields; each > 32<<10 { // of 80 kB that they come to
				t.Errorf("a read of one field allocates %d bytes", each)
			}
			if round == 0 {
				c.Delete(nil)
			} else {
				key := message // its text is "k"
				must(t, store.Set(ctx, "k", nil, 0))
				c.Delete([]rueidis.RedisMessage{key})
				if _, found := c.lookup("h", "HGET1", time.Now()); !found {
					t.Error("the change of one key removes another")
				}
			}
		}
	})
}

// What lies apart lives as long as it was to, whatever the others on its key do, and goes with the key.
func TestCommandsOnOneKeyExpireEachByItself(t *testing.T) {
	onEachAnswer(t, func(t *testing.T, c *cache, store *memstore.Store, message rueidis.RedisMessage) {
		for i := range 500 { // the first of them in one entry, the others apart
			c.keep("k", fmt.Sprint("brief", i), time.Hour, message)
			c.keep("k", fmt.Sprint("lasting", i), 3*time.Hour, message)
		}
		for hours, want := range map[time.Duration][2]int{0: {500, 500}, 2: {0, 500}, 4: {0, 0}} {
			brief, lasting := 0, 0
			for i := range 500 {
				if _, found := c.lookup("k", fmt.Sprint("brief", i), time.Now().Add(hours*time.Hour)); found {
					brief++
				}
				if _, found := c.lookup("k", fmt.Sprint("lasting", i), time.Now().Add(hours*time.Hour)); found {
					lasting++
				}
			}
			if brief != want[0] || lasting != want[1] {
				t.Errorf("after %d hours %d and %d are served, want %v", hours, brief, lasting, want)
			}
		}
		if ttl, err := store.GetTTL(ctx, "k"); err != nil || ttl < 2*time.Hour {
			t.Errorf("what leads to them lives for %v, %v", ttl, err)
		}
		c.Delete([]rueidis.RedisMessage{message})
		for i := range 500 {
			if _, found := c.lookup("k", fmt.Sprint("lasting", i), time.Now()); found {
				t.Fatal("what was invalidated is served")
			}
		}
		// A new one is not led to those of before.
		for i := range 250 {
			c.keep("k", fmt.Sprint("lasting", i), time.Hour, message)
		}
		for i := range 500 {
			if _, found := c.lookup("k", fmt.Sprint("lasting", i), time.Now()); found != (i < 250) {
				t.Fatalf("command %d: found %v", i, found)
			}
		}
	})
}
