// SPDX-License-Identifier: Apache-2.0

package fastcache_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"

	"github.com/weisyn/memstore/bindings/go/contrib/fastcache"
)

// database is a key-value database that counts its reads.
type database struct {
	values map[string][]byte
	reads  int
}

func (d *database) read(key []byte) []byte {
	d.reads++
	return d.values[string(key)]
}

// state is what a node of a blockchain reads: nodes of a trie by their hash, of 32 bytes (a hash) to some 600 (a
// branch with all children, or a leaf with an account), and accounts by the hash of their address, most of which do
// not exist. cleans holds what the database said. What a hash stands for never changes, so that nodes need no
// invalidation.
type state struct {
	disk   *database
	cleans *fastcache.Cache
}

// node reads a node of the trie. One that is absent is an error of the database's: the next read asks it again.
func (s *state) node(hash [32]byte) []byte {
	if blob, found := s.cleans.HasGet(nil, hash[:]); found {
		return blob
	}
	blob := s.disk.read(hash[:])
	if len(blob) != 0 {
		s.cleans.Set(hash[:], blob)
	}
	return blob
}

// account reads an account, or nil when there is none. That there is none is kept too, as an entry with an empty
// value, which no account has: HasGet tells it from what is not cached.
func (s *state) account(address [32]byte) []byte {
	if blob, found := s.cleans.HasGet(nil, address[:]); found {
		return blob
	}
	blob := s.disk.read(address[:])
	s.cleans.Set(address[:], blob)
	return blob
}

// commit writes to the database and to the cache, from where it is likely read next. An account that did not exist
// before takes the place of the entry that said so.
func (s *state) commit(key [32]byte, blob []byte) {
	s.disk.values[string(key[:])] = blob
	s.cleans.Set(key[:], blob)
}

// The clean cache of a blockchain's state, as go-ethereum has one in front of its database.
func Example_cleanCache() {
	cleans := fastcache.New(64 << 20)
	defer cleans.Close()
	disk := &database{values: map[string][]byte{}}
	chain := &state{disk, cleans}

	branch := bytes.Repeat([]byte("child"), 106) // 16 children of 33 bytes
	leaf := bytes.Repeat([]byte{1}, 32)
	for _, node := range [][]byte{branch, leaf} {
		chain.commit(sha256.Sum256(node), node)
	}
	nobody, somebody := sha256.Sum256([]byte("nobody")), sha256.Sum256([]byte("somebody"))
	chain.commit(somebody, bytes.Repeat([]byte{2}, 70))

	for range 3 {
		fmt.Println(len(chain.node(sha256.Sum256(branch))), len(chain.node(sha256.Sum256(leaf))),
			len(chain.account(somebody)), len(chain.account(nobody)), disk.reads)
	}
	chain.commit(nobody, []byte("somebody by now"))
	fmt.Println(string(chain.account(nobody)), disk.reads)
	cleans.Reset()
	for range 3 {
		fmt.Println(len(chain.node(sha256.Sum256(branch))), disk.reads)
	}
	// Output:
	// 530 32 70 0 1
	// 530 32 70 0 1
	// 530 32 70 0 1
	// somebody by now 1
	// 530 2
	// 530 2
	// 530 2
}
