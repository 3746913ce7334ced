// SPDX-License-Identifier: Apache-2.0

package lineartest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/anishathalye/porcupine"

	memstore "github.com/weisyn/memstore/bindings/go"
)

const registerKeys = 2

// Operations on one key. Values are decimal numbers that are written once each.
type registerInput struct {
	op      string
	key     string
	value   int64 // written, or added
	version uint64
}

type registerOutput struct {
	found   bool // or done
	value   int64
	version uint64
}

// register is the state of one key.
type register struct {
	present bool
	value   int64
}

func registerStep(versions map[int64]uint64, state register, in registerInput, out registerOutput) (bool, register) {
	written := register{true, in.value}
	// A write with a condition is done when the condition holds, and then alone.
	conditional := func(holds bool) (bool, register) {
		if out.found {
			return holds, written
		}
		return !holds, state
	}
	switch in.op {
	case "set":
		return true, written
	case "get":
		return out.found == state.present && (!out.found || out.value == state.value), state
	case "has":
		return out.found == state.present, state
	case "delete":
		return true, register{}
	case "add":
		return conditional(!state.present)
	case "replace":
		return conditional(state.present)
	case "compare-and-set":
		return conditional(state.present && in.version != 0 && versions[state.value] == in.version ||
			!state.present && in.version == 0)
	case "increment":
		return out.value == state.value+in.value, register{true, out.value}
	}
	return false, state
}

// registerModel is the model of one history, whose reads tell the versions of its values.
func registerModel(ops []porcupine.Operation) porcupine.Model {
	versions := map[int64]uint64{}
	for _, op := range ops {
		if out := op.Output.(registerOutput); out.version != 0 {
			versions[out.value] = out.version
		}
	}
	return porcupine.Model{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			byKey := map[string][]porcupine.Operation{}
			for _, op := range history {
				key := op.Input.(registerInput).key
				byKey[key] = append(byKey[key], op)
			}
			parts := [][]porcupine.Operation{}
			for _, part := range byKey {
				parts = append(parts, part)
			}
			return parts
		},
		Init: func() any { return register{} },
		Step: func(state, input, output any) (bool, any) {
			return registerStep(versions, state.(register), input.(registerInput), output.(registerOutput))
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v: %+v", input, output) },
	}
}

// done tells whether a condition held; other errors are not expected.
func done(err error) bool {
	if err != nil && !errors.Is(err, memstore.ErrKeyExists) && !errors.Is(err, memstore.ErrKeyNotFound) &&
		!errors.Is(err, memstore.ErrVersionMismatch) {
		panic(err)
	}
	return err == nil
}

func number(value []byte) int64 {
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

func registerCall(store *memstore.Store, in registerInput) registerOutput {
	value := []byte(strconv.FormatInt(in.value, 10))
	switch in.op {
	case "set":
		return registerOutput{found: done(store.Set(ctx, in.key, value, 0))}
	case "get":
		value, version, found, err := store.GetVersioned(ctx, in.key)
		if !done(err) || !found {
			return registerOutput{}
		}
		return registerOutput{true, number(value), version}
	case "has":
		found, err := store.Has(ctx, in.key)
		return registerOutput{found: done(err) && found}
	case "delete":
		return registerOutput{found: done(store.Delete(ctx, in.key))}
	case "add":
		return registerOutput{found: done(store.Add(ctx, in.key, value, 0))}
	case "replace":
		return registerOutput{found: done(store.Replace(ctx, in.key, value, 0))}
	case "compare-and-set":
		return registerOutput{found: done(store.CompareAndSet(ctx, in.key, value, 0, in.version))}
	}
	sum, err := store.Increment(ctx, in.key, in.value, 0, 0)
	return registerOutput{found: done(err), value: sum}
}

func TestSingleKeysAreLinearizable(t *testing.T) {
	ops := []string{"set", "get", "get", "get", "has", "delete", "add", "replace", "compare-and-set", "increment"}
	var known [8][registerKeys]uint64 // versions last told, of each client
	(&workload{
		clients: 4,
		steps:   10,
		prepare: func(store *memstore.Store) error {
			known = [8][registerKeys]uint64{}
			return store.Clear(ctx)
		},
		step: func(r *recorder, store *memstore.Store, client int, random *rand.Rand) {
			key := random.IntN(registerKeys)
			in := registerInput{op: ops[random.IntN(len(ops))], key: fmt.Sprint("register/", key),
				value: random.Int64N(1 << 48), version: known[client][key]}
			r.do(client, in, func() any {
				out := registerCall(store, in)
				if out.version != 0 {
					known[client][key] = out.version
				}
				return out
			})
		},
		model: registerModel,
	}).run(t, memstore.Config{MemoryLimit: 8 << 20, Shards: 2,
		// An entry that is moved in the moment in which its version is first asked for may get another.
		Settings: map[string]string{"performance.gc_percent": "0"}})
}
