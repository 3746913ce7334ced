// SPDX-License-Identifier: Apache-2.0

package fastcache

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"syscall"
	"testing"
	"time"

	original "github.com/VictoriaMetrics/fastcache"
	memstore "github.com/weisyn/memstore/bindings/go"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fill stores entries that holds looks for.
func fill(c shape, text string) {
	for i := range 1000 {
		c.Set([]byte(fmt.Sprint("key", i)), []byte(fmt.Sprint(text, i)))
	}
	c.SetBig([]byte("big"), bytes.Repeat([]byte(text), 1000))
}

func holds(t *testing.T, c shape, text string) {
	t.Helper()
	for i := range 1000 {
		if got := c.Get(nil, []byte(fmt.Sprint("key", i))); string(got) != fmt.Sprint(text, i) {
			t.Fatalf("key%d is %q, want %s%d", i, got, text, i)
		}
	}
	if got := c.GetBig(nil, []byte("big")); !bytes.Equal(got, bytes.Repeat([]byte(text), 1000)) {
		t.Errorf("the big value is %d bytes", len(got))
	}
}

// closed has a loaded cache closed with the test.
func closed(t *testing.T, c shape) shape {
	t.Helper()
	t.Cleanup(func() {
		if ours, is := c.(*Cache); is && ours != nil {
			must(t, ours.Close())
		}
	})
	return c
}

// loader loads what the caches of one package have saved.
type loader struct {
	any   func(path string) (shape, error)
	exact func(path string, maxBytes int) (shape, error)
	orNew func(path string, maxBytes int) shape
}

var loaders = map[bool]loader{
	true: {
		func(path string) (shape, error) { return LoadFromFile(path) },
		func(path string, maxBytes int) (shape, error) { return LoadFromFileMaxBytes(path, maxBytes) },
		func(path string, maxBytes int) shape { return LoadFromFileOrNew(path, maxBytes) },
	},
	false: {
		func(path string) (shape, error) { return original.LoadFromFile(path) },
		func(path string, maxBytes int) (shape, error) { return original.LoadFromFileMaxBytes(path, maxBytes) },
		func(path string, maxBytes int) shape { return original.LoadFromFileOrNew(path, maxBytes) },
	},
}

// What the original leaves at the path is replaced by what this package saves there.
func TestASavedCacheComesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "folder of nobody", "cache")
	both(t, func(t *testing.T, c shape) {
		_, ours := c.(*Cache)
		load := loaders[ours]
		if _, err := load.any(path + "none"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("nothing was saved: %v", err)
		}
		if ours && closed(t, load.orNew(path, 1)).Has([]byte("key1")) {
			t.Error("what the original has saved is loaded")
		}
		for _, text := range []string{"old", "new"} {
			fill(c, text)
			must(t, c.SaveToFileConcurrent(path, 2))
			fill(c, "after")
			loaded, err := load.any(path)
			must(t, err)
			holds(t, closed(t, loaded), text)
			loaded, err = load.exact(path, 1)
			must(t, err)
			holds(t, closed(t, loaded), text)
		}
		if _, err := load.exact(path, 100<<20); err == nil {
			t.Error("another capacity is loaded")
		}
		holds(t, closed(t, load.orNew(path, 1)), "new")
		for _, c := range []shape{load.orNew(path, 100<<20), load.orNew(path+"none", 1)} {
			if closed(t, c).Has([]byte("key1")) {
				t.Error("what is not to be loaded is")
			}
		}
	})
}

func TestADamagedFileIsNotLoaded(t *testing.T) {
	path, c := filepath.Join(t.TempDir(), "cache"), New(1)
	defer c.Close()
	fill(c, "value")
	must(t, c.SaveToFile(path))
	snapshot := filepath.Join(path, snapshotName)
	whole, err := os.ReadFile(snapshot)
	must(t, err)
	damaged := bytes.Clone(whole)
	damaged[len(damaged)/2] ^= 1
	must(t, os.WriteFile(snapshot, damaged, 0o600))
	if _, err := LoadFromFile(path); !errors.Is(err, memstore.ErrCorruptSnapshot) {
		t.Errorf("got %v", err)
	}
	must(t, os.WriteFile(snapshot, whole, 0o600))
	for _, text := range []string{"", "12", "many", "-33554432"} {
		must(t, os.WriteFile(filepath.Join(path, capacityName), []byte(text), 0o600))
		if _, err := LoadFromFile(path); err == nil {
			t.Errorf("a capacity of %q is loaded", text)
		}
	}
	must(t, c.SaveToFile(path))
	loaded, err := LoadFromFile(path)
	must(t, err)
	defer loaded.Close()
	holds(t, loaded, "value")
	files, err := os.ReadDir(path)
	if err != nil || len(files) != 2 {
		t.Errorf("%v, %v", files, err)
	}
}

// What is saved at a path and cannot be read just now is not taken for a folder of others.
func TestASavedCacheThatCannotBeReadStays(t *testing.T) {
	path, c := filepath.Join(t.TempDir(), "cache"), New(1)
	defer c.Close()
	fill(c, "value")
	must(t, c.SaveToFile(path))
	capacity := filepath.Join(path, capacityName)
	text, err := os.ReadFile(capacity)
	must(t, err)
	must(t, os.Remove(capacity))
	must(t, os.Symlink(capacityName, capacity)) // to itself
	fill(c, "after")
	if err := c.SaveToFile(path); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("got %v", err)
	}
	must(t, os.Remove(capacity))
	must(t, os.WriteFile(capacity, text, 0o600))
	loaded, err := LoadFromFile(path)
	must(t, err)
	defer loaded.Close()
	holds(t, loaded, "value")
}

// A file at the path makes way as a folder of others does.
func TestAFileMakesWayForASavedCache(t *testing.T) {
	path, c := filepath.Join(t.TempDir(), "cache"), New(1)
	defer c.Close()
	fill(c, "value")
	must(t, os.WriteFile(path, nil, 0o600))
	must(t, c.SaveToFile(path))
	loaded, err := LoadFromFile(path)
	must(t, err)
	defer loaded.Close()
	holds(t, loaded, "value")
}

func TestWhatCannotBeSavedSaysSo(t *testing.T) {
	c := New(1)
	defer c.Close()
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	if err := c.SaveToFile(filepath.Join(file, "cache")); err == nil {
		t.Error("a cache was saved below a file")
	}
	must(t, c.Close())
	if err := c.SaveToFile(filepath.Join(t.TempDir(), "cache")); !errors.Is(err, memstore.ErrCacheClosed) {
		t.Errorf("a closed cache: %v", err)
	}
}

// What is at the path goes once all is saved, and not before.
func TestWhatCannotBeSavedLeavesWhatIsThere(t *testing.T) {
	parent := t.TempDir()
	file, folder := filepath.Join(parent, "file"), filepath.Join(parent, "folder")
	inFolder := filepath.Join(folder, "data.bin")
	must(t, os.WriteFile(file, []byte("of somebody"), 0o600))
	must(t, os.Mkdir(folder, 0o755))
	must(t, os.WriteFile(inFolder, []byte("of somebody"), 0o600))
	c := New(1)
	must(t, c.Close())
	for _, path := range []string{file, folder, filepath.Join(parent, "new")} {
		if err := c.SaveToFile(path); !errors.Is(err, memstore.ErrCacheClosed) {
			t.Errorf("%s: got %v, want ErrCacheClosed", path, err)
		}
	}
	for _, path := range []string{file, inFolder} {
		if text, err := os.ReadFile(path); string(text) != "of somebody" {
			t.Errorf("%s holds %q, %v", path, text, err)
		}
	}
	if left, err := os.ReadDir(parent); len(left) != 2 {
		t.Errorf("%v, %v is there", left, err)
	}
	open := New(1)
	fill(open, "v")
	for _, path := range []string{file, folder} {
		must(t, open.SaveToFile(path))
		loaded, err := LoadFromFile(path)
		must(t, err)
		holds(t, loaded, "v")
		must(t, loaded.Close())
	}
	must(t, open.Close())
	if left, err := os.ReadDir(parent); len(left) != 2 {
		t.Errorf("%v, %v is there", left, err)
	}
}

func TestSavingWhileOthersWrite(t *testing.T) {
	path, c := filepath.Join(t.TempDir(), "cache"), New(1)
	defer c.Close()
	fill(c, "value")
	done := make(chan struct{})
	var group sync.WaitGroup
	for range 2 {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
					c.Set([]byte(fmt.Sprint("other", i%1000)), make([]byte, 100))
				}
			}
		}()
	}
	for range 5 {
		must(t, c.SaveToFile(path))
		loaded, err := LoadFromFile(path)
		must(t, err)
		holds(t, loaded, "value")
		must(t, loaded.Close())
	}
	close(done)
	group.Wait()
}

func TestATimeToLiveGoesOnInTheFile(t *testing.T) {
	path, c := filepath.Join(t.TempDir(), "cache"), New(1)
	defer c.Close()
	must(t, c.Store().Set(ctx, "brief", nil, time.Hour))
	must(t, c.SaveToFile(path))
	loaded, err := LoadFromFile(path)
	must(t, err)
	defer loaded.Close()
	if left, err := loaded.Store().GetTTL(ctx, "brief"); err != nil || left <= 0 || left > time.Hour {
		t.Errorf("%v left, %v", left, err)
	}
}

// A program compiles with the other import.
func TestEveryFieldAndMethodOfTheOriginalIsThere(t *testing.T) {
	for _, pair := range [][2]reflect.Type{
		{reflect.TypeFor[original.Stats](), reflect.TypeFor[Stats]()},
		{reflect.TypeFor[original.BigStats](), reflect.TypeFor[BigStats]()},
	} {
		for i := range pair[0].NumField() {
			want := pair[0].Field(i)
			if got, there := pair[1].FieldByName(want.Name); !there || got.Type.String() != want.Type.String() {
				t.Errorf("%v.%s: %v", pair[1], want.Name, got.Type)
			}
		}
	}
	theirs, ours := reflect.TypeFor[*original.Cache](), reflect.TypeFor[*Cache]()
	for i := range theirs.NumMethod() {
		if _, there := ours.MethodByName(theirs.Method(i).Name); !there {
			t.Errorf("there is no %s", theirs.Method(i).Name)
		}
	}
	var stats, theirStats = Stats{}, original.Stats{}
	c, original := New(1), original.New(1)
	defer c.Close()
	for _, one := range []shape{c, original} {
		one.SetBig([]byte("k"), []byte("v"))
		one.GetBig(nil, []byte("k"))
		one.GetBig(nil, []byte("none"))
	}
	c.UpdateStats(&stats)
	original.UpdateStats(&theirStats)
	if stats.BigStats != BigStats(theirStats.BigStats) {
		t.Errorf("%+v, want %+v", stats.BigStats, theirStats.BigStats)
	}
	c.Reset()
	stats.Reset()
	if c.UpdateStats(&stats); stats.BigStats != (BigStats{}) {
		t.Errorf("after Reset: %+v", stats)
	}
}
