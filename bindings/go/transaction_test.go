// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

func TestABatchDoesAllThatItHolds(t *testing.T) {
	store := open(t, memstore.Config{})
	must(t, store.Set(ctx, "old", []byte("old"), 0))
	must(t, store.Set(ctx, "kept", []byte("kept"), 0))
	value := []byte("new")
	batch := store.NewBatch().Set("new", value, time.Hour).Set("empty", nil, 0).Delete("old").Delete("absent").
		UpdateTTL("kept", time.Minute).ExpectAbsent("new")
	value[0] = 'X' // the batch has a copy
	if batch.Len() != 6 {
		t.Errorf("%d steps", batch.Len())
	}
	must(t, batch.Commit(ctx))
	wantValue(t, store, "new", "new")
	wantValue(t, store, "empty", "")
	wantAbsent(t, store, "old")
	if ttl, err := store.GetTTL(ctx, "kept"); err != nil || ttl > time.Minute {
		t.Errorf("ttl %v, %v", ttl, err)
	}
	if batch.Len() != 0 {
		t.Error("a committed batch is not empty")
	}
	must(t, batch.Commit(ctx)) // nothing to do
}

func TestABatchWhoseExpectationFailsChangesNothing(t *testing.T) {
	store := open(t, memstore.Config{})
	must(t, store.Set(ctx, "k", []byte("1"), 0))
	_, version, _, err := store.GetVersioned(ctx, "k")
	must(t, err)
	for want, batch := range map[error]*memstore.Batch{
		memstore.ErrVersionMismatch: store.NewBatch().Set("k", []byte("2"), 0).Expect("k", version+1),
		memstore.ErrKeyExists:       store.NewBatch().Set("k", []byte("2"), 0).ExpectAbsent("k"),
		memstore.ErrKeyNotFound:     store.NewBatch().Set("k", []byte("2"), 0).UpdateTTL("absent", time.Hour),
		memstore.ErrInvalidTTL:      store.NewBatch().Set("k", []byte("2"), 0).Set("l", nil, -time.Second),
		memstore.ErrInvalidArgument: store.NewBatch().Set("k", []byte("2"), 0).Set("", nil, 0),
	} {
		wantError(t, batch.Commit(ctx), want)
		wantValue(t, store, "k", "1")
		if batch.Len() != 2 {
			t.Error("a refused batch was emptied")
		}
		batch.Reset()
		must(t, batch.Set("other", nil, 0).Commit(ctx))
	}
	must(t, store.NewBatch().Set("k", []byte("2"), 0).Expect("k", version).Commit(ctx))
	wantValue(t, store, "k", "2")
}

func TestTransfersByBatchesLoseNothing(t *testing.T) {
	store := open(t, memstore.Config{})
	const accounts, each = 4, 1000
	name := func(i int) string { return fmt.Sprint("account/", i%accounts) }
	for i := range accounts {
		must(t, store.Set(ctx, name(i), []byte(strconv.Itoa(each)), 0))
	}
	var workers sync.WaitGroup
	for worker := range 4 {
		spawn(&workers, func() {
			for i := range 200 {
				transfer(t, store, name(worker+i), name(worker+2*i+1))
			}
		})
	}
	workers.Wait()
	sum := 0
	for _, value := range store.All() {
		amount, err := strconv.Atoi(string(value))
		must(t, err)
		sum += amount
	}
	if sum != accounts*each {
		t.Errorf("the accounts hold %d, want %d", sum, accounts*each)
	}
}

// transfer moves 1 from one account to another, again until nobody has come between.
func transfer(t *testing.T, store *memstore.Store, from, to string) {
	for from != to {
		batch := store.NewBatch()
		for key, amount := range map[string]int{from: -1, to: 1} {
			value, version, _, err := store.GetVersioned(ctx, key)
			noError(t, err)
			balance, err := strconv.Atoi(string(value))
			noError(t, err)
			batch.Expect(key, version).Set(key, []byte(strconv.Itoa(balance+amount)), 0)
		}
		err := batch.Commit(ctx)
		if !errors.Is(err, memstore.ErrVersionMismatch) {
			noError(t, err)
			return
		}
	}
}

func TestARefusedBatchTellsTheKey(t *testing.T) {
	store := open(t, memstore.Config{})
	must(t, store.Set(ctx, "there", []byte("1"), 0))
	_, version, _, err := store.GetVersioned(ctx, "there")
	must(t, err)
	for key, batch := range map[string]*memstore.Batch{
		"there":    store.NewBatch().ExpectAbsent("a").ExpectAbsent("there").Set("b", nil, 0).ExpectAbsent("c"),
		"absent":   store.NewBatch().Expect("there", version).Expect("absent", version).Expect("a", version+1),
		"retimed":  store.NewBatch().UpdateTTL("there", time.Hour).UpdateTTL("retimed", time.Hour),
		"negative": store.NewBatch().Set("a", nil, time.Hour).Set("negative", nil, -time.Second).Set("b", nil, time.Hour),
		"large":    store.NewBatch().Set("large", make([]byte, 30<<20), 0).Set("larger", make([]byte, 31<<20), 0),
	} {
		var failure *memstore.Error
		err := batch.Commit(ctx)
		if !errors.As(err, &failure) || failure.Key != key || failure.Op != "Commit" {
			t.Errorf("%s: got error %v", key, err)
		}
	}
}
