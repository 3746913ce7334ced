// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

func TestErrorsTellOperationAndKey(t *testing.T) {
	store := open(t, memstore.Config{MaxEntrySize: 100})
	err := store.Set(ctx, "a\x00b", make([]byte, 200), 0)
	var detail *memstore.Error
	if !errors.As(err, &detail) || *detail != (memstore.Error{"Set", "a\x00b", memstore.ErrEntryTooLarge}) {
		t.Errorf("%#v", err)
	}
	if want := `memstore: Set "a\x00b": ` + memstore.ErrEntryTooLarge.Error(); err.Error() != want {
		t.Errorf("message %q, want %q", err, want)
	}
	err = store.Set(ctx, strings.Repeat("k", 1<<20), nil, 0)
	if len(err.Error()) > 300 {
		t.Errorf("the message of a long key has %d bytes", len(err.Error()))
	}
}

func wantErrorOf(t *testing.T, err error, op, key string, cause error) {
	t.Helper()
	var detail *memstore.Error
	if !errors.As(err, &detail) || detail.Op != op || detail.Key != key || !errors.Is(err, cause) {
		t.Errorf("%#v (%v), want one of %s, %q: %v", err, err, op, key, cause)
	}
}

func TestErrorsOfSeveralKeysTellTheOneToBlame(t *testing.T) {
	store := open(t, memstore.Config{MaxEntrySize: 100})
	must(t, store.Set(ctx, "there", nil, 0))
	for _, test := range []struct {
		batch *memstore.Batch
		key   string
		cause error
	}{
		{store.NewBatch().Set("a", nil, 0).Expect("there", 1<<60).Delete("b"), "there", memstore.ErrVersionMismatch},
		{store.NewBatch().Set("a", nil, 0).ExpectAbsent("there").Delete("b"), "there", memstore.ErrKeyExists},
		{store.NewBatch().Delete("a").UpdateTTL("absent", time.Hour), "absent", memstore.ErrKeyNotFound},
		{store.NewBatch().Set("a", nil, 0).Set("b", nil, -time.Hour).Set("c", nil, 0), "b", memstore.ErrInvalidTTL},
		{store.NewBatch().Set("a", []byte("v"), 0).Set("large", make([]byte, 100), 0).Set("c", nil, 0), "large",
			memstore.ErrEntryTooLarge},
		{store.NewBatch().Set("a", []byte("v"), 0).Set("", []byte("v"), 0), "", memstore.ErrInvalidArgument},
		{store.NewBatch().Expect("there", 1<<60).Expect("a", 1), "there", memstore.ErrVersionMismatch},
	} {
		steps := test.batch.Len()
		wantErrorOf(t, test.batch.Commit(ctx), "Commit", test.key, test.cause)
		if test.batch.Len() != steps {
			t.Error("a refused batch was changed")
		}
	}
	huge := store.NewBatch().Delete("a").Set(strings.Repeat("k", 1<<20), nil, 0)
	wantErrorOf(t, huge.Commit(ctx), "Commit", strings.Repeat("k", 1<<20), memstore.ErrEntryTooLarge)
	err := store.SetMany(ctx, map[string][]byte{"a": nil, "large": make([]byte, 100), "c": []byte("v")}, 0)
	wantErrorOf(t, err, "SetMany", "large", memstore.ErrEntryTooLarge)
	many := make(map[string][]byte)
	for i := range 100000 {
		many[strconv.Itoa(i)] = make([]byte, 90)
	}
	wantErrorOf(t, open(t, memstore.Config{MemoryLimit: 8 << 20}).SetMany(ctx, many, 0), "SetMany", "", memstore.ErrEntryTooLarge)
	if store.Size() != 1 {
		t.Errorf("Size = %d", store.Size())
	}
}

func TestSetManyNamesTheOneEntryThatIsTooLarge(t *testing.T) {
	store := open(t, memstore.Config{MemoryLimit: 1 << 20, MaxEntrySize: 4096})
	items := make(map[string][]byte)
	for i := range 8000 {
		items[strconv.Itoa(i)] = []byte("v")
	}
	must(t, store.SetMany(ctx, items, 0))
	items["large"] = make([]byte, 5000)
	wantErrorOf(t, store.SetMany(ctx, items, 0), "SetMany", "large", memstore.ErrEntryTooLarge)
	items["another"] = make([]byte, 5000)
	wantErrorOf(t, store.SetMany(ctx, items, 0), "SetMany", "", memstore.ErrEntryTooLarge)
	items = make(map[string][]byte)
	for i := range 30 {
		items[strconv.Itoa(i)] = make([]byte, 17000) // together nearly half of the limit, of which large entries take more
	}
	store = open(t, memstore.Config{MemoryLimit: 1 << 20})
	wantErrorOf(t, store.SetMany(ctx, items, 0), "SetMany", "", memstore.ErrEntryTooLarge)
}

func TestErrorsTellTheMethodThatWasCalled(t *testing.T) {
	store := open(t, memstore.Config{})
	failing := errors.New("no database")
	_, err := store.GetOrLoadMany(ctx, []string{"k"}, 0,
		func(context.Context, []string) (map[string][]byte, error) { return nil, failing })
	wantErrorOf(t, err, "GetOrLoadMany", "k", failing)
	_, err = store.GetOrLoad(ctx, "k", 0, func(context.Context, string) ([]byte, error) { return nil, failing })
	wantErrorOf(t, err, "GetOrLoad", "k", failing)
	_, err = store.GetOrLoadMany(ctx, []string{""}, 0, constants)
	wantErrorOf(t, err, "GetOrLoadMany", "", memstore.ErrInvalidArgument)

	stopped, stop := context.WithCancel(ctx)
	_, err = store.GetOrLoadMany(stopped, []string{"slow"}, 0,
		func(ctx context.Context, _ []string) (map[string][]byte, error) {
			stop()
			<-ctx.Done()
			return nil, ctx.Err()
		})
	wantErrorOf(t, err, "GetOrLoadMany", "slow", context.Canceled)

	must(t, store.Set(ctx, "k", []byte("v"), 0))
	ended, end := context.WithCancel(ctx)
	defer end()
	scan := store.Scan(ended, "")
	for range scan.Keys() {
		end()
	}
	scan = store.Scan(ended, "")
	for range scan.All() {
		t.Error("a pass with a context that has ended")
	}
	wantErrorOf(t, scan.Err(), "Scan", "", context.Canceled)

	all := subscribe(t, store, memstore.EventRemovals, 0)
	_, err = all.Next(stopped)
	wantErrorOf(t, err, "Next", "", context.Canceled)
	for _, err = range all.All(stopped) {
		break
	}
	wantErrorOf(t, err, "All", "", context.Canceled)
	must(t, all.Close())
	_, _, err = all.Poll()
	wantErrorOf(t, err, "Poll", "", memstore.ErrCacheClosed)
}

func TestErrorsOfTypedViewsTellMethodAndKey(t *testing.T) {
	store := open(t, memstore.Config{})
	refused := errors.New("refused")
	codec := memstore.CodecOf(
		func(n int) ([]byte, error) {
			if n < 0 {
				return nil, refused
			}
			return strconv.AppendInt(nil, int64(n), 10), nil
		},
		func(data []byte) (int, error) { return strconv.Atoi(string(data)) })
	typed := memstore.NewTyped(store, "n/", codec, codec)
	must(t, store.Set(ctx, "n/1", []byte("one"), 0))
	one := func(context.Context, int) (int, error) { return -1, nil }
	ones := func(context.Context, []int) (map[int]int, error) { return map[int]int{2: -1}, nil }
	for name, calls := range map[string]struct{ ofKey, ofValue func() error }{
		"Get": {func() error { _, _, err := typed.Get(ctx, -1); return err },
			func() error { _, _, err := typed.Get(ctx, 1); return err }},
		"GetVersioned": {func() error { _, _, _, err := typed.GetVersioned(ctx, -1); return err },
			func() error { _, _, _, err := typed.GetVersioned(ctx, 1); return err }},
		"Set":     {func() error { return typed.Set(ctx, -1, 1, 0) }, func() error { return typed.Set(ctx, 1, -1, 0) }},
		"Add":     {func() error { return typed.Add(ctx, -1, 1, 0) }, func() error { return typed.Add(ctx, 1, -1, 0) }},
		"Replace": {func() error { return typed.Replace(ctx, -1, 1, 0) }, func() error { return typed.Replace(ctx, 1, -1, 0) }},
		"CompareAndSet": {func() error { return typed.CompareAndSet(ctx, -1, 1, 0, 0) },
			func() error { return typed.CompareAndSet(ctx, 1, -1, 0, 0) }},
		"Delete":     {func() error { return typed.Delete(ctx, -1) }, nil},
		"Has":        {func() error { _, err := typed.Has(ctx, -1); return err }, nil},
		"Remove":     {func() error { _, err := typed.Remove(ctx, -1); return err }, nil},
		"GetTTL":     {func() error { _, err := typed.GetTTL(ctx, -1); return err }, nil},
		"UpdateTTL":  {func() error { return typed.UpdateTTL(ctx, -1, 0) }, nil},
		"DeleteMany": {func() error { return typed.DeleteMany(ctx, []int{-1}) }, nil},
		"HasMany":    {func() error { _, err := typed.HasMany(ctx, []int{-1}); return err }, nil},
		"Key":        {func() error { _, err := typed.Key(-1); return err }, nil},
		"SetMany": {func() error { return typed.SetMany(ctx, map[int]int{-1: 1}, 0) },
			func() error { return typed.SetMany(ctx, map[int]int{1: -1}, 0) }},
		"GetMany": {func() error { _, err := typed.GetMany(ctx, []int{-1}); return err },
			func() error { _, err := typed.GetMany(ctx, []int{1}); return err }},
		"GetOrLoad": {func() error { _, err := typed.GetOrLoad(ctx, -1, 0, one); return err },
			func() error { _, err := typed.GetOrLoad(ctx, 1, 0, one); return err }},
		"GetOrLoadMany": {func() error { _, err := typed.GetOrLoadMany(ctx, []int{-1}, 0, ones); return err },
			func() error { _, err := typed.GetOrLoadMany(ctx, []int{1}, 0, ones); return err }},
	} {
		wantErrorOf(t, calls.ofKey(), name, "n/", memstore.ErrCodec)
		if calls.ofValue != nil {
			wantErrorOf(t, calls.ofValue(), name, "n/1", memstore.ErrCodec)
		}
	}
	_, err := typed.GetOrLoad(ctx, 2, 0, one)
	wantErrorOf(t, err, "GetOrLoad", "n/2", refused)
	if text := err.Error(); text != `memstore: GetOrLoad "n/2": the codec failed: refused` {
		t.Error(text)
	}
	_, err = typed.GetOrLoadMany(ctx, []int{2}, 0, ones)
	wantErrorOf(t, err, "GetOrLoadMany", "n/2", refused)
	for _, err := range typed.All(ctx) {
		wantErrorOf(t, err, "All", "n/1", memstore.ErrCodec)
	}
}

func TestEntryTooLargeLeavesTheOldValue(t *testing.T) {
	store := open(t, memstore.Config{MaxEntrySize: 100})
	must(t, store.Set(ctx, "k", []byte("old"), 0))
	wantError(t, store.Set(ctx, "k", make([]byte, 100), 0), memstore.ErrEntryTooLarge)
	must(t, store.Set(ctx, "k", make([]byte, 99), 0))
	must(t, store.Set(ctx, "k", []byte("old"), 0))
	unbounded := open(t, memstore.Config{MemoryLimit: 8 << 20})
	wantError(t, unbounded.Set(ctx, "k", make([]byte, 9<<20), 0), memstore.ErrEntryTooLarge)
	wantAbsent(t, unbounded, "k")
	wantValue(t, store, "k", "old")
	if stats := store.GetStats(); stats.RejectedTooLarge != 1 {
		t.Errorf("RejectedTooLarge = %d, want 1", stats.RejectedTooLarge)
	}
}

func TestCacheFull(t *testing.T) {
	store := open(t, memstore.Config{MemoryLimit: 4 << 20, Eviction: "none"})
	value := make([]byte, 1000)
	stored := 0
	var err error
	for ; err == nil && stored < 10000; stored++ {
		err = store.Set(ctx, fmt.Sprint("k", stored), value, 0)
	}
	wantError(t, err, memstore.ErrCacheFull)
	if stored-1 != store.Size() || stored < 2000 {
		t.Errorf("%d sets were accepted and %d entries are there", stored-1, store.Size())
	}
	if used := store.GetMemoryUsage(); used.Charged > used.Limit {
		t.Errorf("%d bytes charged, %d allowed", used.Charged, used.Limit)
	}
	must(t, store.Clear(ctx))
	must(t, store.Set(ctx, "again", value, 0))
}

func TestEmptyKeyIsRefusedByEveryMethod(t *testing.T) {
	store := open(t, memstore.Config{StoreCreationTime: true})
	noKey := map[string]bool{"Clear": true, "Compact": true, "Maintain": true, "Reconfigure": true, "ReconfigureAll": true, "Count": true, "Keys": true, "Flush": true,
		"CountByPattern": true, "DeleteByPattern": true, "Add": true, "CompareAndSet": true, "Increment": true,
		"Scan": true, "GetOrLoad": true, "GetOrLoadMany": true,
		"Save": true, "Load": true}
	for name, call := range methods(store, "") {
		if !noKey[name] {
			if err := call(ctx); !errors.Is(err, memstore.ErrInvalidArgument) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	wantError(t, store.Add(ctx, "", nil, 0), memstore.ErrInvalidArgument)
	wantError(t, store.CompareAndSet(ctx, "", nil, 0, 0), memstore.ErrInvalidArgument)
	_, err := store.Increment(ctx, "", 1, 0, 0)
	wantError(t, err, memstore.ErrInvalidArgument)
	_, err = store.GetOrLoad(ctx, "", 0, constant)
	wantError(t, err, memstore.ErrInvalidArgument)
	_, err = store.GetOrLoadMany(ctx, []string{""}, 0, constants)
	wantError(t, err, memstore.ErrInvalidArgument)
	if store.Size() != 0 {
		t.Errorf("Size = %d", store.Size())
	}
}

func TestConditionalWrites(t *testing.T) {
	store := open(t, memstore.Config{})
	wantError(t, store.Replace(ctx, "k", []byte("v"), 0), memstore.ErrKeyNotFound)
	must(t, store.Add(ctx, "k", []byte("v1"), 0))
	wantError(t, store.Add(ctx, "k", []byte("v2"), 0), memstore.ErrKeyExists)
	wantValue(t, store, "k", "v1")
	must(t, store.Replace(ctx, "k", []byte("v2"), 0))

	value, version, found, err := store.GetVersioned(ctx, "k")
	if string(value) != "v2" || version == 0 || !found || err != nil {
		t.Fatalf("GetVersioned = %q, %d, %v, %v", value, version, found, err)
	}
	must(t, store.CompareAndSet(ctx, "k", []byte("v3"), 0, version))
	wantError(t, store.CompareAndSet(ctx, "k", []byte("v4"), 0, version), memstore.ErrVersionMismatch)
	wantError(t, store.CompareAndSet(ctx, "k", []byte("v4"), 0, 0), memstore.ErrVersionMismatch)
	wantValue(t, store, "k", "v3")
	must(t, store.CompareAndSet(ctx, "new", []byte("v"), 0, 0))
	if _, version, found, err := store.GetVersioned(ctx, "absent"); version != 0 || found || err != nil {
		t.Errorf("GetVersioned of an absent key = %d, %v, %v", version, found, err)
	}
	if stats := store.GetStats(); stats.RejectedCondition != 4 {
		t.Errorf("RejectedCondition = %d, want 4", stats.RejectedCondition)
	}
}

func TestIncrement(t *testing.T) {
	store := open(t, memstore.Config{})
	for i, want := range []int64{15, 20, 25} {
		if sum, err := store.Increment(ctx, "n", 5, 10, time.Hour); sum != want || err != nil {
			t.Errorf("step %d: %d, %v; want %d", i, sum, err, want)
		}
	}
	if sum, err := store.Increment(ctx, "n", -30, 0, 0); sum != -5 || err != nil {
		t.Errorf("down: %d, %v", sum, err)
	}
	wantValue(t, store, "n", "-5")
	if ttl, err := store.GetTTL(ctx, "n"); err != nil || ttl < 59*time.Minute {
		t.Errorf("the counter's ttl is %v, %v", ttl, err)
	}
	must(t, store.Set(ctx, "text", []byte("five"), 0))
	_, err := store.Increment(ctx, "text", 1, 0, 0)
	wantError(t, err, memstore.ErrNotANumber)
	must(t, store.Set(ctx, "max", []byte(fmt.Sprint(int64(math.MaxInt64))), 0))
	_, err = store.Increment(ctx, "max", 1, 0, 0)
	wantError(t, err, memstore.ErrNotANumber)
	wantValue(t, store, "max", fmt.Sprint(int64(math.MaxInt64)))
}

func TestBadArguments(t *testing.T) {
	store := open(t, memstore.Config{})
	for _, ratio := range []float64{-0.1, 1.1, math.NaN(), math.Inf(1)} {
		wantError(t, store.Compact(ctx, ratio), memstore.ErrInvalidArgument)
	}
	for _, budget := range []time.Duration{-1, -time.Hour} {
		wantError(t, store.Maintain(ctx, budget), memstore.ErrInvalidArgument)
	}
	must(t, store.Set(ctx, "k", nil, 0))
	_, err := store.GetCreated(ctx, "k")
	wantError(t, err, memstore.ErrUnsupported)
	var never memstore.Store
	wantError(t, never.Set(ctx, "k", nil, 0), memstore.ErrInvalidArgument)
	wantError(t, never.Close(), memstore.ErrInvalidArgument)
	if never.Size() != 0 || never.GetStats().Hits != 0 {
		t.Error("a store that was never opened has entries")
	}
}

func TestBadArgumentsAreTold(t *testing.T) {
	store := open(t, memstore.Config{})
	_, latency := store.GetLatency(-1)
	_, kinds := store.Subscribe(0, 0)
	_, function := store.OnEvent(memstore.EventRemovals, nil)
	_, _, empty := store.Get(ctx, "")
	must(t, store.Set(ctx, "here", nil, 0))
	_, viewed := store.View(ctx, "here", nil)
	_, loaded := store.GetOrLoad(ctx, "k", 0, nil)
	_, many := store.GetOrLoadMany(ctx, []string{"k"}, 0, nil)
	typed := memstore.NewTyped(store, "", memstore.Text[string](), memstore.Text[string]())
	_, typedLoaded := typed.GetOrLoad(ctx, "k", 0, nil)
	_, typedMany := typed.GetOrLoadMany(ctx, []string{"k"}, 0, nil)
	for text, err := range map[string]error{
		"Compact: the share of dead bytes is not from 0 to 1":           store.Compact(ctx, 2),
		"Maintain: the budget is negative":                              store.Maintain(ctx, -1),
		"GetLatency: there is no such operation":                        latency,
		"Subscribe: kinds are some of the EventKinds":                   kinds,
		"OnEvent: there is no function to call":                         function,
		`View "here": there is no function to call`:                     viewed,
		`GetOrLoad "k": there is no function to call`:                   loaded,
		`GetOrLoadMany "k": there is no function to call`:               many,
		`GetOrLoad "k": there is no function to call `:                  typedLoaded,
		`GetOrLoadMany "k": there is no function to call `:              typedMany,
		`Warm "k": there is no function to call`:                        store.Warm(ctx, []string{"k"}, 0, nil),
		"Get: a key is empty, or the Store was not made by Open":        empty,
		"SetMany: a key is empty, or the Store was not made by Open":    store.SetMany(ctx, map[string][]byte{"": nil}, 0),
		"Close: the Store was not made by Open":                         new(memstore.Store).Close(),
		"DeleteMany: a key is empty, or the Store was not made by Open": store.DeleteMany(ctx, []string{"a", ""}),
		`Set "k": the Store was not made by Open`:                       new(memstore.Store).Set(ctx, "k", nil, 0),
	} {
		wantError(t, err, memstore.ErrInvalidArgument)
		if text = strings.TrimSpace(text); err.Error() != "memstore: "+text { // a space tells keys of the map apart
			t.Errorf("got %q, want %q", err, text)
		}
	}
	if events := store.GetEventStats(); events.Subscriptions != 0 {
		t.Errorf("%d subscriptions are left of those that were refused", events.Subscriptions)
	}
}

func TestWhatIsUnsupportedTellsTheSettingItNeeds(t *testing.T) {
	off := false
	store := open(t, memstore.Config{EnableMetrics: &off})
	must(t, store.Set(ctx, "k", nil, 0))
	_, created := store.GetCreated(ctx, "k")
	_, rates := store.GetRates()
	_, latency := store.GetLatency(memstore.OperationGet)
	for text, err := range map[string]error{
		`GetCreated "k": this needs the setting ttl.store_creation_time`:        created,
		"GetRates: this needs the setting monitoring.enable_metrics":            rates,
		"GetLatency: this needs the setting monitoring.track_operation_latency": latency,
	} {
		wantError(t, err, memstore.ErrUnsupported)
		if err.Error() != "memstore: "+text {
			t.Errorf("got %q, want %q", err, text)
		}
	}
}
