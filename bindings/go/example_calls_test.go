// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"slices"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

func ExampleStore_Add() {
	store := newStore()
	defer store.Close()

	ctx := context.Background()
	fmt.Println(store.Add(ctx, "lock/7", []byte("me"), time.Minute))
	err := store.Add(ctx, "lock/7", []byte("you"), time.Minute)
	fmt.Println(errors.Is(err, memstore.ErrKeyExists))
	// Output:
	// <nil>
	// true
}

func ExampleStore_Replace() {
	store := newStore()
	defer store.Close()

	ctx := context.Background()
	err := store.Replace(ctx, "session/1", []byte("new"), 0)
	fmt.Println(errors.Is(err, memstore.ErrKeyNotFound))
	// Output: true
}

func ExampleStore_Remove() {
	store := newStore()
	defer store.Close()

	ctx := context.Background()
	_ = store.Set(ctx, "job/1", nil, 0)
	for range 2 {
		existed, err := store.Remove(ctx, "job/1")
		fmt.Println(existed, err)
	}
	// Output:
	// true <nil>
	// false <nil>
}

func ExampleStore_HasMany() {
	store := newStore()
	defer store.Close()

	ctx := context.Background()
	_ = store.Set(ctx, "tx/1", nil, 0)
	there, err := store.HasMany(ctx, []string{"tx/1", "tx/2"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(there["tx/1"], there["tx/2"])
	// Output: true false
}

func ExampleStore_DeleteMany() {
	store := newStore()
	defer store.Close()

	ctx := context.Background()
	_ = store.SetMany(ctx, map[string][]byte{"a": nil, "b": nil, "c": nil}, 0)
	// Readers see both go at one instant; that there is no "x" is no error.
	err := store.DeleteMany(ctx, []string{"a", "b", "x"})
	fmt.Println(store.Size(), err)
	// Output: 1 <nil>
}

func ExampleStore_DeleteByPattern() {
	store := newStore()
	defer store.Close()

	ctx := context.Background()
	_ = store.SetMany(ctx, map[string][]byte{"user/1/name": nil, "user/1/mail": nil, "user/2/name": nil}, 0)
	deleted, err := store.DeleteByPattern(ctx, "user/1/*")
	fmt.Println(deleted, store.Size(), err)
	// Output: 2 1 <nil>
}

func ExampleStore_SetUntil() {
	store := newStore()
	defer store.Close()

	ctx := context.Background()
	midnight := time.Now().Truncate(24 * time.Hour).Add(48 * time.Hour)
	if err := store.SetUntil(ctx, "report", []byte("…"), midnight); err != nil {
		log.Fatal(err)
	}
	expires, err := store.GetExpiration(ctx, "report")
	fmt.Println(expires.Sub(midnight).Abs() < time.Second, err)
	// Output: true <nil>
}

func ExampleStore_UpdateTTL() {
	store := newStore()
	defer store.Close()

	ctx := context.Background()
	if err := store.SetWithTTL(ctx, "session/1", []byte("…"), time.Minute); err != nil {
		log.Fatal(err)
	}
	if err := store.UpdateTTL(ctx, "session/1", time.Hour); err != nil { // the value stays
		log.Fatal(err)
	}
	left, err := store.GetTTL(ctx, "session/1")
	fmt.Println(left > 59*time.Minute, err)
	err = store.UpdateTTL(ctx, "session/2", time.Hour)
	fmt.Println(errors.Is(err, memstore.ErrKeyNotFound))
	// Output:
	// true <nil>
	// true
}

func ExampleStore_GetCreated() {
	store, err := memstore.Open(memstore.Config{StoreCreationTime: true})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	ctx := context.Background()
	_ = store.Set(ctx, "k", nil, 0)
	created, err := store.GetCreated(ctx, "k")
	fmt.Println(time.Since(created) < time.Hour, err)
	// Output: true <nil>
}

func ExampleStore_GetVersioned() {
	store := newStore()
	defer store.Close()

	ctx := context.Background()
	_ = store.Set(ctx, "balance", []byte("10"), 0)
	value, version, found, err := store.GetVersioned(ctx, "balance")
	if err != nil || !found {
		log.Fatal(found, err)
	}
	_ = store.Set(ctx, "balance", []byte("20"), 0) // somebody else
	err = store.CompareAndSet(ctx, "balance", append(value, '0'), 0, version)
	fmt.Println(errors.Is(err, memstore.ErrVersionMismatch))
	// Output: true
}

func ExampleStore_All() {
	store := newStore()
	defer store.Close()

	ctx := context.Background()
	_ = store.SetMany(ctx, map[string][]byte{"a": []byte("1"), "b": []byte("2")}, 0)
	sum := 0
	for _, value := range store.All() {
		sum += int(value[0] - '0')
	}
	fmt.Println(sum)
	// Output: 3
}

func ExampleStore_OnEvent() {
	store := newStore()
	defer store.Close()

	told := make(chan memstore.Event)
	removals, err := store.OnEvent(memstore.EventDeleted|memstore.EventExpired, func(event memstore.Event) {
		told <- event // on a goroutine of its own: nobody waits for it but the next event
	})
	if err != nil {
		log.Fatal(err)
	}
	defer removals.Close()

	ctx := context.Background()
	_ = store.Set(ctx, "k", []byte("last words"), 0)
	_ = store.Delete(ctx, "k")
	event := <-told
	fmt.Println(event.Kind, event.Key, string(event.Value))
	// Output: deleted k last words
}

type account struct {
	Name    string
	Balance int
}

func ExampleTyped_GetOrLoad() {
	store := newStore()
	defer store.Close()

	accounts := memstore.NewTyped(store, "account/", memstore.Decimal[int64](), memstore.JSON[account]())
	ctx := context.Background()
	fromDatabase := func(_ context.Context, id int64) (account, error) {
		fmt.Println("loading", id)
		return account{Name: "ann", Balance: 7}, nil
	}
	for range 2 {
		found, err := accounts.GetOrLoad(ctx, 42, time.Minute, fromDatabase)
		fmt.Println(found.Name, found.Balance, err)
	}
	// Output:
	// loading 42
	// ann 7 <nil>
	// ann 7 <nil>
}

func ExampleTyped_GetOrLoadMany() {
	store := newStore()
	defer store.Close()

	accounts := memstore.NewTyped(store, "account/", memstore.Decimal[int64](), memstore.JSON[account]())
	ctx := context.Background()
	_ = accounts.Set(ctx, 1, account{Name: "ann"}, 0)
	found, err := accounts.GetOrLoadMany(ctx, []int64{1, 2, 3}, time.Minute,
		func(_ context.Context, ids []int64) (map[int64]account, error) {
			slices.Sort(ids)
			fmt.Println("loading", ids)
			return map[int64]account{2: {Name: "bob"}}, nil // there is no account 3
		})
	fmt.Println(len(found), found[1].Name, found[2].Name, err)
	// Output:
	// loading [2 3]
	// 2 ann bob <nil>
}

func ExampleTyped_All() {
	store := newStore()
	defer store.Close()

	accounts := memstore.NewTyped(store, "account/", memstore.Decimal[int64](), memstore.JSON[account]())
	ctx := context.Background()
	_ = accounts.SetMany(ctx, map[int64]account{1: {"ann", 3}, 2: {"bob", 4}}, 0)
	_ = store.Set(ctx, "another's", nil, 0)
	sum := 0
	for entry, err := range accounts.All(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		sum += entry.Value.Balance
	}
	fmt.Println(sum)
	// Output: 7
}

func ExampleCodecOf() {
	store := newStore()
	defer store.Close()

	binary := memstore.CodecOf(
		func(t time.Time) ([]byte, error) { return t.MarshalBinary() },
		func(data []byte) (t time.Time, err error) { err = t.UnmarshalBinary(data); return t, err })
	seen := memstore.NewTyped(store, "seen/", memstore.Text[string](), binary)

	ctx := context.Background()
	_ = seen.Set(ctx, "peer", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), 0)
	when, _, err := seen.Get(ctx, "peer")
	fmt.Println(when, err)
	// Output: 2026-01-02 03:04:05 +0000 UTC <nil>
}
