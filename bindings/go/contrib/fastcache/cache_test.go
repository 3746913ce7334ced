// SPDX-License-Identifier: Apache-2.0

package fastcache

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	original "github.com/VictoriaMetrics/fastcache"
)

// shape is what both have.
type shape interface {
	Set(k, v []byte)
	Get(dst, k []byte) []byte
	HasGet(dst, k []byte) ([]byte, bool)
	Has(k []byte) bool
	Del(k []byte)
	Reset()
	SetBig(k, v []byte)
	GetBig(dst, k []byte) []byte
	SaveToFile(filePath string) error
	SaveToFileConcurrent(filePath string, concurrency int) error
}

var (
	_ shape = (*Cache)(nil)
	_ shape = (*original.Cache)(nil)
)

// both runs a test with the original and with this one.
func both(t *testing.T, test func(t *testing.T, c shape)) {
	t.Run("original", func(t *testing.T) {
		c := original.New(1)
		defer c.Reset()
		test(t, c)
	})
	t.Run("memstore", func(t *testing.T) {
		c := New(1)
		defer c.Close()
		test(t, c)
	})
}

func TestValuesComeBack(t *testing.T) {
	both(t, func(t *testing.T, c shape) {
		for _, size := range []int{0, 1, 100, 10_000, 60_000} {
			key, value := []byte(fmt.Sprint("key", size)), bytes.Repeat([]byte{7}, size)
			c.Set(key, value)
			for _, dst := range [][]byte{nil, {}, []byte("before"), make([]byte, 3, 100_000), make([]byte, 0, size)} {
				got, found := c.HasGet(dst, key)
				if !found || !bytes.Equal(got, append(bytes.Clone(dst), value...)) {
					t.Errorf("size %d onto %d bytes: %d bytes, %v", size, len(dst), len(got), found)
				}
			}
			if !c.Has(key) || len(c.Get(nil, key)) != size {
				t.Errorf("size %d is not there", size)
			}
			c.Del(key)
			c.Del(key)
			got, found := c.HasGet([]byte("dst"), key)
			if found || string(got) != "dst" || c.Has(key) || c.Get(nil, key) != nil {
				t.Errorf("after Del: %q, %v", got, found)
			}
		}
	})
}

func TestBigValuesAndReset(t *testing.T) {
	both(t, func(t *testing.T, c shape) {
		value := bytes.Repeat([]byte("0123456789"), 50_000)
		c.SetBig([]byte("big"), value)
		if got := c.GetBig([]byte("x"), []byte("big")); !bytes.Equal(got[1:], value) {
			t.Errorf("got %d bytes", len(got))
		}
		c.Set([]byte("small"), []byte("1"))
		c.Reset()
		if c.Has([]byte("small")) || len(c.GetBig(nil, []byte("big"))) != 0 {
			t.Error("Reset leaves values")
		}
		c.Set([]byte("again"), []byte("1"))
		if !c.Has([]byte("again")) {
			t.Error("nothing can be stored after Reset")
		}
	})
}

func TestArgumentsMayBeChangedAfterwards(t *testing.T) {
	both(t, func(t *testing.T, c shape) {
		key, value := []byte("key"), []byte("value")
		c.Set(key, value)
		copy(key, "xxx")
		copy(value, "xxxxx")
		got := c.Get(nil, []byte("key"))
		if string(got) != "value" {
			t.Errorf("got %q", got)
		}
		copy(got, "yyyyy")
		if got := c.Get(nil, []byte("key")); string(got) != "value" {
			t.Errorf("a result is the cache's own: %q", got)
		}
	})
}

func TestRandomCallsHaveTheSameResults(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	theirs, ours := original.New(64<<20), New(64<<20)
	defer theirs.Reset()
	defer ours.Close()
	for range 20_000 {
		key := []byte(fmt.Sprint(random.IntN(500)))
		switch random.IntN(5) {
		case 0:
			theirs.Del(key)
			ours.Del(key)
		case 1:
			value := bytes.Repeat(key, random.IntN(200))
			theirs.Set(key, value)
			ours.Set(key, value)
		case 2:
			if want, got := theirs.Has(key), ours.Has(key); got != want {
				t.Fatalf("%q: %v, want %v", key, got, want)
			}
		default:
			want, wantFound := theirs.HasGet([]byte("d"), key)
			got, found := ours.HasGet([]byte("d"), key)
			if found != wantFound || !bytes.Equal(got, want) {
				t.Fatalf("%q: %d bytes, %v; want %d, %v", key, len(got), found, len(want), wantFound)
			}
		}
	}
	var stats, theirStats = Stats{}, original.Stats{}
	ours.UpdateStats(&stats)
	theirs.UpdateStats(&theirStats)
	if stats.EntriesCount != theirStats.EntriesCount || stats.Misses != theirStats.Misses || stats.GetCalls != theirStats.GetCalls {
		t.Errorf("%+v, want %+v", stats, theirStats)
	}
	stats.Reset()
	if stats != (Stats{}) {
		t.Error("Reset leaves counts")
	}
	ours.Reset()
	if ours.UpdateStats(&stats); stats.GetCalls != 0 || stats.Misses != 0 {
		t.Errorf("the cache's Reset leaves counts: %+v", stats)
	}
}

func TestManyGoroutines(t *testing.T) {
	both(t, func(t *testing.T, c shape) {
		var group sync.WaitGroup
		for worker := range 4 {
			group.Add(1)
			go func() {
				defer group.Done()
				for i := range 2000 {
					key := []byte(fmt.Sprint(worker, "/", i))
					c.Set(key, key)
					if got := c.Get(nil, key); !bytes.Equal(got, key) {
						t.Errorf("%q is %q", key, got)
					}
				}
			}()
		}
		group.Wait()
	})
}

func TestWhatDiffersFromTheOriginal(t *testing.T) {
	c := New(1)
	c.Set(nil, []byte("v"))
	if c.Has(nil) || c.Store().Capacity() != smallest {
		t.Error("the empty key is stored, or the capacity is another")
	}
	large := make([]byte, 1<<20)
	c.Set([]byte("large"), large)
	if len(c.Get(nil, []byte("large"))) != len(large) {
		t.Error("a large entry is not stored by Set")
	}
	c.Set([]byte("large"), make([]byte, 64<<20))
	if c.Has([]byte("large")) {
		t.Error("a refused entry leaves the older one")
	}
	if err := c.Close(); err != nil || c.Has([]byte("large")) || c.Get(nil, []byte("k")) != nil {
		t.Errorf("after Close: %v", err)
	}
	c.Set([]byte("k"), nil)
	c.Reset()
	defer func() {
		if recover() == nil {
			t.Error("New(0) does not panic")
		}
	}()
	New(0)
}

// TestAValueThatShrinksMeanwhileComesBackWhole reads into room for the shorter of two values, while a writer changes between them.
func TestAValueThatShrinksMeanwhileComesBackWhole(t *testing.T) {
	both(t, func(t *testing.T, c shape) {
		key, short, long := []byte("key"), []byte("short"), bytes.Repeat([]byte("long"), 1000)
		c.Set(key, long)
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for {
				select {
				case <-stop:
					return
				default:
					c.Set(key, short)
					c.Set(key, long)
				}
			}
		}()
		defer func() {
			close(stop)
			<-stopped
		}()
		dst := make([]byte, 4, 4+len(short))
		for end := time.Now().Add(time.Second); time.Now().Before(end); {
			clear(dst[:cap(dst)])
			got, found := c.HasGet(dst, key)
			if found && !bytes.Equal(got[len(dst):], short) && !bytes.Equal(got[len(dst):], long) {
				t.Fatalf("got %q", got)
			}
		}
	})
}
