// SPDX-License-Identifier: Apache-2.0

package fastcache_test

import (
	"crypto/sha256"
	"fmt"

	"github.com/weisyn/memstore/bindings/go/contrib/fastcache"
)

// database is a key-value database that counts its reads.
type database struct {
	nodes map[[32]byte][]byte
	reads int
}

func (d *database) read(hash [32]byte) []byte {
	d.reads++
	return d.nodes[hash]
}

// trie reads nodes by their hash, as a node of a blockchain reads its state: what a hash stands for never
// changes, so that a clean cache in front of the database needs no invalidation.
type trie struct {
	disk   *database
	cleans *fastcache.Cache
}

func (t *trie) node(hash [32]byte) []byte {
	if blob, found := t.cleans.HasGet(nil, hash[:]); found {
		return blob
	}
	blob := t.disk.read(hash)
	if blob != nil {
		t.cleans.Set(hash[:], blob)
	}
	return blob
}

// commit writes a node to the database and to the cache, from where it is likely read next.
func (t *trie) commit(blob []byte) [32]byte {
	hash := sha256.Sum256(blob)
	t.disk.nodes[hash] = blob
	t.cleans.Set(hash[:], blob)
	return hash
}

// The clean cache of a state trie, as go-ethereum has one in front of its database.
func Example_cleanCache() {
	cleans := fastcache.New(64 << 20)
	defer cleans.Close()
	state := &trie{&database{nodes: map[[32]byte][]byte{}}, cleans}

	root := state.commit([]byte("branch"))
	for range 3 {
		fmt.Println(string(state.node(root)), state.disk.reads)
	}
	cleans.Reset()
	for range 3 {
		fmt.Println(string(state.node(root)), state.disk.reads)
	}
	// Output:
	// branch 0
	// branch 0
	// branch 0
	// branch 1
	// branch 1
	// branch 1
}
