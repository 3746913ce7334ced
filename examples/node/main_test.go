// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain fails when goroutines of the node or of the store are left over.
func TestMain(m *testing.M) {
	code := m.Run()
	if builds != "" {
		_ = os.RemoveAll(builds)
	}
	http.DefaultClient.CloseIdleConnections()
	left := goroutines()
	for deadline := time.Now().Add(time.Minute); left != "" && time.Now().Before(deadline); left = goroutines() {
		time.Sleep(10 * time.Millisecond)
	}
	if code == 0 && left != "" {
		fmt.Fprintf(os.Stderr, "goroutines are left over:\n%s\n", left)
		code = 1
	}
	os.Exit(code)
}

// goroutines has the stacks of those that are in the project's packages or the database's, but for the one that asks.
func goroutines() string {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	var ours []string
	for _, stack := range strings.Split(string(stacks), "\n\n") {
		known := strings.Contains(stack, "weisyn/memstore/") || strings.Contains(stack, "dgraph-io/badger")
		if known && !strings.Contains(stack, "node.TestMain") {
			ours = append(ours, stack)
		}
	}
	return strings.Join(ours, "\n\n")
}
