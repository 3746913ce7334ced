// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

const (
	// More than a processor's registers hold in one piece, which the runtime writes to the stacks of what it
	// interrupts: what the end of a copied value left in them is beyond anybody's reach.
	secretSize = 1024
	// Larger mappings are the race detector's.
	mostScanned = 1 << 30
)

// secretByte is one byte of the secret, which is never all in one place, so that the test itself is not found.
func secretByte(i int) byte {
	return byte(uint32(i+1) * 2654435761 >> 24)
}

// secretValue is a value of which the secret is the end.
func secretValue(size int) []byte {
	value := make([]byte, size)
	for i := range secretSize {
		value[size-secretSize+i] = secretByte(i)
	}
	return value
}

func isSecret(at []byte) bool {
	for i := range secretSize {
		if at[i] != secretByte(i) {
			return false
		}
	}
	return true
}

// countInMemory is how often the secret is in the memory that this process may write to.
func countInMemory(t *testing.T) int {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Skip(err)
	}
	memory, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Skip(err)
	}
	defer memory.Close()
	count := 0
	lines := bufio.NewScanner(strings.NewReader(string(maps)))
	buffer := make([]byte, 1<<20)
	defer clear(buffer)
	for lines.Scan() {
		var from, to int64
		var mode string
		_, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &mode)
		if err != nil || !strings.HasPrefix(mode, "rw") || to-from > mostScanned {
			continue
		}
		for ; from < to; from += int64(len(buffer) - secretSize) {
			clear(buffer)
			read, _ := memory.ReadAt(buffer[:min(int64(len(buffer)), to-from)], from)
			for at := buffer[:read]; len(at) >= secretSize; at = at[1:] {
				next := bytes.IndexByte(at[:len(at)-secretSize+1], secretByte(0))
				if next < 0 {
					break
				}
				at = at[next:]
				if isSecret(at) {
					count++
				}
			}
		}
	}
	return count
}

// With SecureWipe what the binding has kept on the way of a value is overwritten, wherever that was.
func TestSecureWipeReachesWhatIsKeptOnTheWay(t *testing.T) {
	const size = 12_000
	ctx := context.Background()
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // what it frees is not the matter here
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	store, err := Open(Config{SecureWipe: true, LibraryReads: true, MemoryLimit: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	value := secretValue(size)
	keys := []string{"one", "two"}
	for _, key := range keys {
		if err := store.Set(ctx, key, value, 0); err != nil {
			t.Fatal(err)
		}
	}
	clear(value)
	var values Values
	for range 3 {
		one, _, _, err := store.GetVersioned(ctx, "one")
		two, _, errGet := store.Get(ctx, "two")
		three, errLoad := store.GetOrLoad(ctx, "one", 0, nil)
		many, errMany := store.GetMany(ctx, keys)
		if err := errors.Join(err, errGet, errLoad, errMany, store.GetManyInto(ctx, keys, &values)); err != nil {
			t.Fatal(err)
		}
		for _, got := range [][]byte{one, two, three, many["one"], many["two"]} {
			if len(got) != size || !isSecret(got[size-secretSize:]) {
				t.Fatal("another value was read")
			}
			clear(got)
		}
		clear(values.bytes)
	}
	if err := errors.Join(store.DeleteMany(ctx, keys), store.Compact(ctx, 0)); err != nil {
		t.Fatal(err)
	}
	if count := countInMemory(t); count != 0 {
		t.Errorf("the secret is in memory %d times", count)
	}
}
