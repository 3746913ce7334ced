// SPDX-License-Identifier: Apache-2.0

// Package leaktest fails the tests of a module that leave goroutines behind.
package leaktest

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Main is for TestMain: it runs the tests, and fails if goroutines of memstore's packages are still there when those that
// end by themselves have had the time to.
func Main(m *testing.M) {
	code := m.Run()
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

// goroutines has the stacks of the goroutines that are in one of the packages, or were begun there, but for the one that asks.
func goroutines() string {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	var ours []string
	for _, stack := range strings.Split(string(stacks), "\n\n") {
		if strings.Contains(stack, "weisyn/memstore/") && !strings.Contains(stack, "leaktest.Main") {
			ours = append(ours, stack)
		}
	}
	return strings.Join(ours, "\n\n")
}
