// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"time"
)

// recorder is a handler that keeps what it is given.
type recorder struct {
	mutex   sync.Mutex
	level   slog.Level
	records []map[string]any
	call    func()
}

func (r *recorder) Enabled(_ context.Context, level slog.Level) bool { return level >= r.level }
func (r *recorder) WithAttrs([]slog.Attr) slog.Handler               { return r }
func (r *recorder) WithGroup(string) slog.Handler                    { return r }

func (r *recorder) Handle(_ context.Context, record slog.Record) error {
	got := map[string]any{"level": record.Level, "msg": record.Message, "time": record.Time}
	record.Attrs(func(attr slog.Attr) bool {
		got[attr.Key] = attr.Value.Any()
		return true
	})
	r.mutex.Lock()
	r.records = append(r.records, got)
	r.mutex.Unlock()
	if r.call != nil {
		r.call()
	}
	return nil
}

// find returns the first record of an event.
func (r *recorder) find(event string) map[string]any {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, record := range r.records {
		if record["event"] == event {
			return record
		}
	}
	return nil
}

func TestLoggerIsToldWithTypedAttributes(t *testing.T) {
	handler := &recorder{level: slog.LevelInfo}
	store, err := Open(Config{Logger: slog.New(handler), StoreName: "blocks", Shards: 16, HitRateThreshold: 0.5})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Reconfigure(context.Background(), "ttl.max_ttl", "1h"); err != nil {
		t.Fatal(err)
	}
	if err := store.Reconfigure(context.Background(), "ttl.max_ttl", "soon"); !errors.Is(err, ErrInvalidConfig) {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	opened := handler.find("opened")
	if opened == nil || opened["store"] != "blocks" || opened["shards"] != int64(16) || opened["msg"] != "store opened" ||
		opened["monitoring.hit_rate_threshold"] != 0.5 || opened["level"] != slog.LevelInfo {
		t.Errorf("opened: %v", opened)
	}
	if changed := handler.find("reconfigured"); changed == nil || changed["now"] != "1h" {
		t.Errorf("reconfigured: %v", changed)
	}
	if refused := handler.find("reconfigure_refused"); refused == nil || refused["level"] != slog.LevelWarn {
		t.Errorf("reconfigure_refused: %v", refused)
	}
	if handler.find("closed") == nil {
		t.Error("Close returned before it was told")
	}
}

func TestLoggerDecidesTheLevelAndVerboseAddsDetails(t *testing.T) {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelWarn} {
		handler := &recorder{level: level}
		store, err := Open(Config{Logger: slog.New(handler), Verbose: true, Shards: 1})
		if err != nil {
			t.Fatal(err)
		}
		values := make(map[string][]byte)
		for i := range 2000 {
			values[string(rune('a'+i%26))+string(rune('a'+i/26))] = []byte("v")
		}
		if err := store.SetMany(context.Background(), values, 0); err != nil {
			t.Fatal(err)
		}
		store.Close()
		if got := handler.find("index_grown") != nil; got != (level == slog.LevelDebug) {
			t.Errorf("%v: index_grown told: %v", level, got)
		}
		if got := handler.find("opened") != nil; got != (level == slog.LevelDebug) {
			t.Errorf("%v: opened told: %v", level, got)
		}
	}
}

func TestLoggerIsToldWhyAStoreDoesNotOpen(t *testing.T) {
	handler := &recorder{level: slog.LevelError}
	told := make(chan struct{}, 8)
	handler.call = func() { told <- struct{}{} }
	if _, err := Open(Config{Logger: slog.New(handler), Settings: map[string]string{"performance.memory_limit": "1kB"}}); err == nil {
		t.Fatal("a store of a kilobyte")
	}
	<-told
	if refused := handler.find("config_refused"); refused == nil || refused["status"] != "MEMSTORE_ERR_INVALID_CONFIG" {
		t.Errorf("config_refused: %v", refused)
	}
}

func TestLoggerMayCallTheStore(t *testing.T) {
	handler := &recorder{level: slog.LevelDebug}
	var store *Store
	ready, closed := make(chan struct{}), make(chan error, 100)
	handler.call = func() {
		<-ready
		store.Size()
		closed <- store.Close()
	}
	store, err := Open(Config{Logger: slog.New(handler)})
	if err != nil {
		t.Fatal(err)
	}
	store.library.log.drain = time.Hour // the end of this test shows that nobody waits for himself
	close(ready)
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	<-store.library.log.done
	if handler.find("closed") == nil {
		t.Error("the logger was not told of the end")
	}
}

// owner is the handler of a program whose logger refers to what holds the store.
type owner struct {
	recorder
	store *Store
}

func TestAClosedStoreToWhichItsLoggerRefersIsGivenUp(t *testing.T) {
	collected := make(chan bool)
	func() {
		handler := &owner{}
		store, err := Open(Config{Logger: slog.New(handler)})
		if err != nil {
			t.Fatal(err)
		}
		handler.store = store
		runtime.AddCleanup(store, func(collected chan bool) { close(collected) }, collected)
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}()
	for range 100 {
		runtime.GC()
		select {
		case <-collected:
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
	t.Error("the closed store is never given up")
}
