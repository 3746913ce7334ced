// SPDX-License-Identifier: Apache-2.0

package lineartest

import (
	"testing"

	"github.com/anishathalye/porcupine"
)

func op(client int, call, ret int64, input, output any) porcupine.Operation {
	return porcupine.Operation{ClientId: client, Input: input, Call: call, Output: output, Return: ret}
}

// The models themselves: each history but the first breaks one promise.
func TestModelsRejectWhatCannotBe(t *testing.T) {
	all := [batchKeys]bool{true, true, true}
	first, second := [batchKeys]bool{true}, [batchKeys]bool{false, true}
	set := batchInput{"set-many", all, [batchKeys]int64{1, 2, 3}}
	histories := []struct {
		name  string
		model func([]porcupine.Operation) porcupine.Model
		ops   []porcupine.Operation
		legal bool
	}{
		{"all of a batch", batchModel, []porcupine.Operation{
			op(0, 1, 9, set, batchState{}),
			op(1, 2, 3, batchInput{op: "get", keys: first}, batchState{1}),
			op(1, 4, 5, batchInput{op: "get-many", keys: all}, batchState{1, 2, 3})}, true},
		{"a part of a batch", batchModel, []porcupine.Operation{
			op(0, 1, 9, set, batchState{}),
			op(1, 2, 3, batchInput{op: "get-many", keys: all}, batchState{1, 0, 3})}, false},
		{"a batch seen and then missed", batchModel, []porcupine.Operation{
			op(0, 1, 9, set, batchState{}),
			op(1, 2, 3, batchInput{op: "get", keys: first}, batchState{1}),
			op(1, 4, 5, batchInput{op: "get", keys: second}, batchState{})}, false},
		{"a stale read", registerModel, []porcupine.Operation{
			op(0, 1, 2, registerInput{op: "set", key: "k", value: 5}, registerOutput{found: true}),
			op(1, 3, 4, registerInput{op: "get", key: "k"}, registerOutput{})}, false},
		{"two who add", registerModel, []porcupine.Operation{
			op(0, 1, 4, registerInput{op: "add", key: "k", value: 5}, registerOutput{found: true}),
			op(1, 2, 5, registerInput{op: "add", key: "k", value: 6}, registerOutput{found: true})}, false},
		{"a lost increment", registerModel, []porcupine.Operation{
			op(0, 1, 4, registerInput{op: "increment", key: "k", value: 5}, registerOutput{found: true, value: 5}),
			op(1, 2, 5, registerInput{op: "increment", key: "k", value: 5}, registerOutput{found: true, value: 5})}, false},
	}
	for _, history := range histories {
		if legal := porcupine.CheckOperations(history.model(history.ops), history.ops); legal != history.legal {
			t.Errorf("%s: linearizable is %v", history.name, legal)
		}
	}
}
