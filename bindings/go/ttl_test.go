// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

func TestTTLIsKeptToTheMillisecond(t *testing.T) {
	const short, step = 60 * time.Millisecond, time.Millisecond
	store := open(t, memstore.Config{})
	start := time.Now()
	must(t, store.Set(ctx, "k", []byte("v"), short))
	must(t, store.Set(ctx, "hour", []byte("v"), time.Hour))
	expired := time.Now().Add(short + step)
	ttl, err := store.GetTTL(ctx, "hour")
	if err != nil || ttl <= 59*time.Minute || ttl > time.Hour {
		t.Errorf("GetTTL = %v, %v", ttl, err)
	}
	at, err := store.GetExpiration(ctx, "hour")
	if err != nil || at.Before(start.Add(time.Hour-step)) || at.After(time.Now().Add(time.Hour+step)) {
		t.Errorf("GetExpiration = %v, %v; set at %v", at, err, start)
	}
	for {
		begin := time.Now()
		_, found, err := store.Get(ctx, "k")
		must(t, err)
		if !found {
			if age := time.Since(start); age < short-step {
				t.Errorf("gone after %v", age)
			}
			break
		}
		if begin.After(expired) {
			t.Fatalf("still served %v after its end", begin.Sub(expired))
		}
	}
	must(t, store.Delete(ctx, "hour"))
	if store.Size() != 0 {
		t.Errorf("an expired entry is counted: Size = %d", store.Size())
	}
}

func TestNoTTLMeansNever(t *testing.T) {
	store := open(t, memstore.Config{})
	must(t, store.Set(ctx, "k", []byte("v"), 0))
	_, err := store.GetTTL(ctx, "k")
	wantError(t, err, memstore.ErrTTLNotSet)
	_, err = store.GetExpiration(ctx, "k")
	wantError(t, err, memstore.ErrTTLNotSet)
	must(t, store.Set(ctx, "d", []byte("v"), memstore.DefaultTTL)) // no default is configured
	_, err = store.GetTTL(ctx, "d")
	wantError(t, err, memstore.ErrTTLNotSet)
}

func TestUpdateTTL(t *testing.T) {
	store := open(t, memstore.Config{DefaultTTL: time.Hour})
	must(t, store.SetWithTTL(ctx, "k", []byte("v"), time.Minute))
	for _, test := range []struct{ set, low, high time.Duration }{
		{2 * time.Hour, 119 * time.Minute, 2 * time.Hour},
		{memstore.DefaultTTL, 59 * time.Minute, time.Hour},
	} {
		must(t, store.UpdateTTL(ctx, "k", test.set))
		if ttl, err := store.GetTTL(ctx, "k"); err != nil || ttl < test.low || ttl > test.high {
			t.Errorf("after UpdateTTL(%v) GetTTL = %v, %v", test.set, ttl, err)
		}
	}
	must(t, store.UpdateTTL(ctx, "k", 0))
	_, err := store.GetTTL(ctx, "k")
	wantError(t, err, memstore.ErrTTLNotSet)
	wantError(t, store.UpdateTTL(ctx, "k", -time.Minute), memstore.ErrInvalidTTL)
	wantError(t, store.UpdateTTL(ctx, "absent", time.Minute), memstore.ErrKeyNotFound)
	wantValue(t, store, "k", "v")
}

func TestShortTTLsRoundUp(t *testing.T) {
	store := open(t, memstore.Config{})
	for _, ttl := range []time.Duration{1, time.Microsecond, time.Millisecond - 1} {
		must(t, store.Set(ctx, "k", nil, ttl))
		if got, err := store.GetTTL(ctx, "k"); err == nil && got != time.Millisecond {
			t.Errorf("a ttl of %v became %v", ttl, got)
		} else if err != nil && !errors.Is(err, memstore.ErrKeyNotFound) {
			t.Errorf("a ttl of %v: %v", ttl, err) // never "no ttl"; that it has run out by now is fine
		}
	}
	must(t, store.Set(ctx, "k", nil, time.Hour+1))
	if at, err := store.GetTTL(ctx, "k"); err != nil || at < time.Hour-time.Second {
		t.Errorf("GetTTL = %v, %v", at, err)
	}
}

func TestNegativeTTLIsRefusedAndCounted(t *testing.T) {
	store := open(t, memstore.Config{})
	must(t, store.Set(ctx, "k", []byte("old"), 0))
	ttls := []time.Duration{-1, -time.Millisecond, -time.Hour, memstore.DefaultTTL + 1}
	for _, ttl := range ttls {
		wantError(t, store.Set(ctx, "k", []byte("new"), ttl), memstore.ErrInvalidTTL)
		wantError(t, store.SetMany(ctx, map[string][]byte{"k": nil}, ttl), memstore.ErrInvalidTTL)
	}
	wantValue(t, store, "k", "old")
	if stats := store.GetStats(); stats.RejectedInvalidTTL < uint64(len(ttls)) {
		t.Errorf("counted %d of %d refusals", stats.RejectedInvalidTTL, 2*len(ttls))
	}
}

func TestTTLBounds(t *testing.T) {
	store := open(t, memstore.Config{MinTTL: time.Second, MaxTTL: time.Hour})
	wantError(t, store.Set(ctx, "k", nil, time.Second-1000000), memstore.ErrInvalidTTL)
	wantError(t, store.Set(ctx, "k", nil, time.Hour+1), memstore.ErrInvalidTTL)
	must(t, store.Set(ctx, "k", nil, time.Second))
	must(t, store.Set(ctx, "k", nil, 0))
	if ttl, err := store.GetTTL(ctx, "k"); err != nil || ttl > time.Hour || ttl < 59*time.Minute {
		t.Errorf("with a maximum, never is %v, %v", ttl, err)
	}
}

func TestTheLongestTTL(t *testing.T) {
	store := open(t, memstore.Config{})
	err := store.Set(ctx, "k", []byte("v"), math.MaxInt64)
	if err != nil {
		wantError(t, err, memstore.ErrInvalidTTL)
		return
	}
	if ttl, err := store.GetTTL(ctx, "k"); err != nil || ttl < 250*365*24*time.Hour {
		t.Errorf("GetTTL = %v, %v", ttl, err)
	}
}

func TestSetUntil(t *testing.T) {
	store := open(t, memstore.Config{})
	at := time.Now().Add(time.Hour).Truncate(time.Millisecond)
	must(t, store.SetUntil(ctx, "k", []byte("v"), at.Add(1))) // a nanosecond more is a millisecond more
	got, err := store.GetExpiration(ctx, "k")
	if err != nil || got.Sub(at) < -time.Second || got.Sub(at) > time.Second {
		t.Errorf("GetExpiration = %v, %v; want %v", got, err, at)
	}
	for _, past := range []time.Time{time.Now().Add(-time.Second), time.Unix(0, 0), {}} {
		err := store.SetUntil(ctx, "k", []byte("new"), past)
		wantError(t, err, memstore.ErrTTLExpired)
		if errors.Is(err, memstore.ErrKeyNotFound) {
			t.Errorf("the error of a time that has passed says that the key is absent: %v", err)
		}
	}
	wantValue(t, store, "k", "v")
}

func TestAnEntryThatHasJustRunOut(t *testing.T) {
	// Nothing reclaims the entry before Maintain is called, so the calls meet it.
	store := open(t, memstore.Config{Maintenance: "manual"})
	must(t, store.Set(ctx, "k", []byte("v"), 5*time.Millisecond))
	time.Sleep(15 * time.Millisecond)
	_, err := store.GetTTL(ctx, "k")
	wantError(t, err, memstore.ErrTTLExpired)
	wantError(t, err, memstore.ErrKeyNotFound)
	_, err = store.GetExpiration(ctx, "k")
	wantError(t, err, memstore.ErrTTLExpired)
	err = store.UpdateTTL(ctx, "k", time.Hour)
	wantError(t, err, memstore.ErrTTLExpired)
	wantAbsent(t, store, "k")
	wantError(t, store.Replace(ctx, "k", nil, 0), memstore.ErrKeyNotFound)
	must(t, store.Maintain(ctx, 0))
	_, err = store.GetTTL(ctx, "k")
	wantError(t, err, memstore.ErrKeyNotFound)
	if stats := store.GetStats(); stats.Expirations != 1 {
		t.Errorf("Expirations = %d, want 1", stats.Expirations)
	}
}

func TestExpiredMemoryComesBackWithNoAccess(t *testing.T) {
	store := open(t, memstore.Config{})
	for i := range 20000 {
		must(t, store.Set(ctx, fmt.Sprint("k/", i), make([]byte, 200), 50*time.Millisecond))
	}
	eventually(t, "all entries are reclaimed", func() bool {
		return store.GetStats().Expirations == 20000 && store.GetMemoryUsage().Live == 0
	})
}

func TestGetCreated(t *testing.T) {
	store := open(t, memstore.Config{StoreCreationTime: true})
	must(t, store.Set(ctx, "k", nil, 0))
	at, err := store.GetCreated(ctx, "k")
	if age := time.Since(at); err != nil || age < -50*time.Millisecond || age > time.Minute {
		t.Errorf("GetCreated = %v, %v", at, err)
	}
	_, err = store.GetCreated(ctx, "absent")
	wantError(t, err, memstore.ErrKeyNotFound)
}
