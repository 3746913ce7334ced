// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

// What was not made by this package's functions gives errors, and no call waits for it for ever.
func TestZeroValuesGiveErrors(t *testing.T) {
	s := new(memstore.Subscription)
	soon, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for name, call := range map[string]func() error{
		"Commit": func() error { return new(memstore.Batch).Set("k", nil, 0).Commit(ctx) },
		"Next":   func() error { _, err := s.Next(soon); return err },
		"Poll":   func() error { _, _, err := s.Poll(); return err },
		"All": func() error {
			for _, err := range s.All(soon) {
				return err
			}
			return nil
		},
	} {
		wantErrorOf(t, call(), name, "", memstore.ErrInvalidArgument)
	}
	scan := new(memstore.Scan)
	for range scan.All() {
		t.Error("an entry of no store")
	}
	for range scan.Keys() {
		t.Error("a key of no store")
	}
	wantErrorOf(t, scan.Err(), "Scan", "", memstore.ErrInvalidArgument)
	if _, open := <-s.Channel(soon, 0); open || s.Dropped() != 0 {
		t.Error("events of no store")
	}
	must(t, s.Close())
}

// Of a Store that Open has not made every method says so, and speaks of keys only where it is given one.
func TestZeroStoresAreToldFromEmptyKeys(t *testing.T) {
	calls := otherMethods(new(memstore.Store))
	for name, call := range methods(new(memstore.Store), "k") {
		calls[name] = func() error { return call(ctx) }
	}
	several := map[string]bool{"SetMany": true, "GetMany": true, "GetManyInto": true, "DeleteMany": true,
		"HasMany": true, "Commit": true}
	for name, call := range calls {
		err := call()
		wantError(t, err, memstore.ErrInvalidArgument)
		if strings.Contains(fmt.Sprint(err), "a key is empty") && !several[name] {
			t.Errorf("%v", err)
		}
	}
}

// A nil pointer or function is an error where it would have to be followed.
func TestNilArgumentsGiveErrors(t *testing.T) {
	store := open(t, memstore.Config{})
	wantErrorOf(t, store.GetManyInto(ctx, []string{"k"}, nil), "GetManyInto", "", memstore.ErrInvalidArgument)
	none := memstore.CodecOf[int](nil, nil)
	writeOnly := memstore.NewTyped(store, "n/", memstore.Decimal[int](), none)
	must(t, store.Set(ctx, "n/1", nil, 0))
	_, _, err := writeOnly.Get(ctx, 1)
	wantErrorOf(t, err, "Get", "n/1", memstore.ErrCodec)
	wantError(t, err, memstore.ErrInvalidArgument)
	err = writeOnly.Set(ctx, 1, 1, 0)
	wantErrorOf(t, err, "Set", "n/1", memstore.ErrCodec)
	wantError(t, err, memstore.ErrInvalidArgument)
}

// Numbers that no 32 or 64 bits of the library hold are not taken for others.
func TestHugeArgumentsAreNotTakenForOthers(t *testing.T) {
	store := open(t, memstore.Config{TrackOperationLatency: true})
	for _, operation := range []memstore.Operation{-1, 1 << 32, math.MaxInt} {
		if operation.String() != "" {
			t.Errorf("operation %d is %q", int(operation), operation)
		}
		_, err := store.GetLatency(operation)
		wantErrorOf(t, err, "GetLatency", "", memstore.ErrInvalidArgument)
	}
	for _, never := range []time.Time{time.Unix(1<<62, 0), time.UnixMilli(math.MaxInt64), time.Unix(math.MaxInt64, 1)} {
		wantErrorOf(t, store.SetUntil(ctx, "k", nil, never), "SetUntil", "k", memstore.ErrInvalidTTL)
	}
	for _, past := range []time.Time{{}, time.Unix(-1<<62, 0), time.Unix(math.MinInt64, 0)} {
		ttl := time.Until(past)
		wantErrorOf(t, store.Set(ctx, "k", nil, ttl), "Set", "k", memstore.ErrInvalidTTL)
		wantErrorOf(t, store.SetMany(ctx, map[string][]byte{"k": nil}, ttl), "SetMany", "", memstore.ErrInvalidTTL)
		wantErrorOf(t, store.SetMany(ctx, nil, ttl), "SetMany", "", memstore.ErrInvalidTTL)
		wantErrorOf(t, store.SetUntil(ctx, "k", nil, past), "SetUntil", "k", memstore.ErrTTLExpired)
	}
}
