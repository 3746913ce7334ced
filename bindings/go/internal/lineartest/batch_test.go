// SPDX-License-Identifier: Apache-2.0

package lineartest

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/anishathalye/porcupine"

	memstore "github.com/weisyn/memstore/bindings/go"
)

const batchKeys = 3

var batchNames = [batchKeys]string{"batch/a", "batch/b", "batch/c"}

// Operations on several keys: each names those it is about.
type batchInput struct {
	op     string
	keys   [batchKeys]bool
	values [batchKeys]int64 // written
}

// batchState is also what a read finds: numbers, 0 for a key that is absent, and for a key that
// was not asked for.
type batchState [batchKeys]int64

func batchStep(state batchState, in batchInput, out batchState) (bool, batchState) {
	switch in.op {
	case "get", "get-many":
		return out == seen(state, in), state
	case "has-many":
		for i, value := range seen(state, in) {
			if (value != 0) != (out[i] != 0) {
				return false, state
			}
		}
		return true, state
	case "set-many":
		for i := range batchKeys {
			if in.keys[i] {
				state[i] = in.values[i]
			}
		}
	case "delete-many":
		for i := range batchKeys {
			if in.keys[i] {
				state[i] = 0
			}
		}
	}
	return true, state
}

func seen(state batchState, in batchInput) batchState {
	for i := range batchKeys {
		if !in.keys[i] {
			state[i] = 0
		}
	}
	return state
}

func batchModel([]porcupine.Operation) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return batchState{} },
		Step: func(state, input, output any) (bool, any) {
			return batchStep(state.(batchState), input.(batchInput), output.(batchState))
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v: %v", input, output) },
	}
}

func batchCall(store *memstore.Store, in batchInput) (out batchState) {
	var names []string
	items := map[string][]byte{}
	for i, name := range batchNames {
		if in.keys[i] {
			names = append(names, name)
			items[name] = strconv.AppendInt(nil, in.values[i], 10)
		}
	}
	var err error
	found := map[string][]byte{}
	switch in.op {
	case "get":
		var value []byte
		var ok bool
		if value, ok, err = store.Get(ctx, names[0]); ok {
			found[names[0]] = value
		}
	case "get-many":
		found, err = store.GetMany(ctx, names)
	case "has-many":
		var there map[string]bool
		there, err = store.HasMany(ctx, names)
		for name, ok := range there {
			if ok {
				found[name] = []byte("1")
			}
		}
	case "set-many":
		err = store.SetMany(ctx, items, 0)
	case "delete-many":
		err = store.DeleteMany(ctx, names)
	}
	if err != nil {
		panic(err)
	}
	for i, name := range batchNames {
		if value, ok := found[name]; ok {
			out[i] = number(value)
		}
	}
	return out
}

// chooseKeys takes one key for a single read, else all of them more often than not.
func chooseKeys(op string, random *rand.Rand) (keys [batchKeys]bool) {
	if op == "get" {
		keys[random.IntN(batchKeys)] = true
		return keys
	}
	left := -1
	if random.IntN(3) == 0 {
		left = random.IntN(batchKeys)
	}
	for i := range keys {
		keys[i] = i != left
	}
	return keys
}

func TestBatchesAreLinearizable(t *testing.T) {
	ops := []string{"get", "get", "get", "get-many", "get-many", "get-many", "has-many", "set-many", "set-many",
		"delete-many"}
	for _, config := range []memstore.Config{{Shards: 1, LibraryReads: true}, {Shards: 64, LibraryReads: true}, {Shards: 64}} {
		config.MemoryLimit = 8 << 20
		t.Run(fmt.Sprintf("%d shards, library %v", config.Shards, config.LibraryReads), func(t *testing.T) {
			(&workload{
				clients: 4,
				steps:   10,
				prepare: func(store *memstore.Store) error { return store.Clear(ctx) },
				step: func(r *recorder, store *memstore.Store, client int, random *rand.Rand) {
					in := batchInput{op: ops[random.IntN(len(ops))]}
					in.keys = chooseKeys(in.op, random)
					for i := range in.values {
						in.values[i] = 1 + random.Int64N(1<<48)
					}
					r.do(client, in, func() any { return batchCall(store, in) })
				},
				model: batchModel,
			}).run(t, config)
		})
	}
}
