// SPDX-License-Identifier: Apache-2.0

package bigcache

import (
	"fmt"
	"log"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	original "github.com/allegro/bigcache/v3"
)

func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not after 20 s: %s", what)
		}
	}
}

func TestReadsOfAKeyAreCounted(t *testing.T) {
	theirConfig := original.DefaultConfig(time.Hour)
	theirConfig.Shards, theirConfig.Verbose, theirConfig.StatsEnabled = 16, false, true
	theirs, err := original.NewBigCache(theirConfig)
	must(t, err)
	defer theirs.Close()
	told := make(chan Metadata, 1)
	config := quiet()
	config.StatsEnabled = true
	config.OnRemove = func(string, []byte) { t.Error("it is called though OnRemoveWithMetadata is set") }
	config.OnRemoveWithMetadata = func(key string, entry []byte, data Metadata) {
		if key+string(entry) == "kv" {
			told <- data
		}
	}
	ours := open(t, config)
	for _, c := range []shape{theirs, ours} {
		must(t, c.Set("k", []byte("v")))
		for range 3 {
			_, err := c.Get("k")
			must(t, err)
		}
		_, _ = c.Get("none")
		must(t, c.Set("k", []byte("v"))) // which does not begin anew
	}
	for _, key := range []string{"k", "none"} {
		if want, got := theirs.KeyMetadata(key), ours.KeyMetadata(key); got != Metadata(want) {
			t.Errorf("%s: %v, want %v", key, got, want)
		}
	}
	must(t, ours.Delete("k"))
	if got := <-told; got.RequestCount != 3 {
		t.Errorf("told %v", got)
	}
	if got := ours.KeyMetadata("k"); got.RequestCount != 0 {
		t.Errorf("after Delete: %v", got)
	}
	if got := open(t, quiet()).KeyMetadata("k"); got.RequestCount != 0 {
		t.Errorf("without StatsEnabled: %v", got)
	}
}

// What is counted does not grow with the keys that ever were.
func TestCountsGoWithTheirEntries(t *testing.T) {
	config := quiet()
	config.StatsEnabled = true
	c := open(t, config)
	counted := func() (count int) {
		for i := range c.requests.shards {
			shard := c.requests.lock(uint64(i))
			count += len(shard.counts)
			shard.mutex.Unlock()
		}
		return count
	}
	for i := range 40_000 { // more than there is room for
		key := fmt.Sprint(i)
		must(t, c.Set(key, make([]byte, 1<<10)))
		_, _ = c.Get(key)
	}
	eventually(t, "no more counts than entries", func() bool { return counted() <= c.Len() })
	for i := range c.requests.shards { // as if events had been lost
		c.requests.add(uint64(i))
	}
	c.sweep()
	// Maintenance may still evict.
	eventually(t, "no more counts than entries once more", func() bool { return counted() <= c.Len() })
	must(t, c.Reset())
	if counted() != 0 {
		t.Errorf("%d counts after Reset", counted())
	}
}

// meddling is a Hasher that does something once, when it is asked next.
type meddling struct{ meanwhile atomic.Pointer[func()] }

func (m *meddling) Sum64(key string) uint64 {
	if meanwhile := m.meanwhile.Swap(nil); meanwhile != nil {
		(*meanwhile)()
	}
	return fnv64a{}.Sum64(key)
}

// A read whose entry goes before it is counted leaves no count, which nothing would ever take away.
func TestNoCountIsLeftOfWhatGoesWhileItIsRead(t *testing.T) {
	removed := make(chan struct{}, 1)
	hasher := new(meddling)
	config := quiet()
	config.StatsEnabled, config.Hasher = true, hasher
	config.OnRemove = func(string, []byte) { removed <- struct{}{} }
	c := open(t, config)
	for name, remove := range map[string]func(){
		"Delete": func() { must(t, c.Delete("k")); <-removed },
		"Reset":  func() { must(t, c.Reset()) },
	} {
		must(t, c.Set("k", []byte("v")))
		hasher.meanwhile.Store(&remove)
		_, _ = c.Get("k")
		if got := c.KeyMetadata("k"); got.RequestCount != 0 {
			t.Errorf("%s while it is read: %v", name, got)
		}
		must(t, c.Set("k", []byte("v")))
		hasher.meanwhile.Store(&remove)
		must(t, c.Append("k", []byte("w")))
		if got := c.KeyMetadata("k"); got.RequestCount != 0 {
			t.Errorf("%s while it is appended to: %v", name, got)
		}
		must(t, c.Reset())
	}
}

// lines is a Logger's output.
type lines struct {
	mutex sync.Mutex
	text  strings.Builder
}

func (l *lines) Write(line []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(line)
}

func TestVerboseTellsTheLogger(t *testing.T) {
	for _, verbose := range []bool{true, false} {
		var told lines
		config := quiet()
		config.Verbose, config.Logger = verbose, log.New(&told, "cache: ", 0)
		c, err := New(background, config)
		must(t, err)
		must(t, c.Close())
		told.mutex.Lock()
		text := told.text.String()
		told.mutex.Unlock()
		if has := strings.Contains(text, "cache: level=INFO msg=\"store opened\""); has != verbose {
			t.Errorf("verbose %v: %q", verbose, text)
		}
	}
}

// constant is a Hasher of a program's own.
type constant struct{}

func (constant) Sum64(string) uint64 { return 7 }

func TestTheHasherIsTheProgramsOwn(t *testing.T) {
	config := quiet()
	config.Hasher, config.MaxEntrySize = constant{}, -1
	if _, err := New(background, config); err == nil {
		t.Error("a negative MaxEntrySize is taken")
	}
	config.MaxEntrySize = 0
	c := open(t, config)
	must(t, c.Set("a", nil))
	must(t, c.Set("b", nil)) // which collides with nothing
	it := c.Iterator()
	for range 2 {
		if !it.SetNext() {
			t.Fatal("two entries were stored")
		}
		if entry, err := it.Value(); err != nil || entry.Hash() != 7 {
			t.Errorf("%q: %d, %v", entry.Key(), entry.Hash(), err)
		}
	}
}

func TestAppendCountsAsInTheOriginal(t *testing.T) {
	theirConfig, config := original.DefaultConfig(time.Hour), quiet()
	theirConfig.Shards, theirConfig.Verbose, theirConfig.StatsEnabled = 16, false, true
	config.StatsEnabled = true
	theirs, err := original.New(background, theirConfig)
	must(t, err)
	defer func() { _ = theirs.Close() }()
	ours := open(t, config)
	for i := range 4 {
		must(t, theirs.Append("list", []byte("x")))
		must(t, ours.Append("list", []byte("x")))
		if got, want := ours.KeyMetadata("list"), theirs.KeyMetadata("list"); got.RequestCount != want.RequestCount {
			t.Errorf("after %d: %v, want %v", i+1, got, want)
		}
	}
}

// halting is a Hasher that halts whoever looks at the key "kept".
type halting struct {
	looks        atomic.Int64
	begun, leave chan struct{}
}

func (h *halting) Sum64(key string) uint64 {
	if key == "kept" {
		if h.looks.Add(1) == 1 {
			close(h.begun)
		}
		<-h.leave
	}
	return fnv64a{}.Sum64(key)
}

func TestCallbacksAreCalledWhileCountsAreSwept(t *testing.T) {
	hasher := &halting{begun: make(chan struct{}), leave: make(chan struct{})}
	var calls atomic.Int64
	blocked, goOn := make(chan struct{}), make(chan struct{})
	config := quiet()
	config.StatsEnabled, config.Hasher = true, hasher
	config.OnRemove = func(string, []byte) {
		if calls.Add(1) == 1 {
			close(blocked)
			<-goOn
		}
	}
	c := open(t, config)
	must(t, c.Store().Reconfigure(background, "events.queue_memory", "64KiB"))
	must(t, c.Set("kept", nil))
	remove := func() {
		must(t, c.Set("gone", nil))
		must(t, c.Delete("gone"))
	}
	loseOne := func() {
		for before := c.Lost(); c.Lost() == before; {
			remove()
		}
	}
	remove()
	<-blocked
	loseOne()
	close(goOn)
	eventually(t, "the counts are swept", func() bool {
		remove() // its event tells what was lost before it
		select {
		case <-hasher.begun:
			return true
		default:
			return false
		}
	})
	before := calls.Load()
	eventually(t, "callbacks are called meanwhile", func() bool {
		for range 100 {
			remove()
		}
		return calls.Load() > before+1000
	})
	for range 10_000 {
		remove() // which loses some, as a rule
	}
	if looks := hasher.looks.Load(); looks != 1 {
		t.Errorf("%d sweeps at once", looks)
	}
	close(hasher.leave)
	eventually(t, "they are swept once more", func() bool {
		remove()
		return hasher.looks.Load() > 1
	})
}
