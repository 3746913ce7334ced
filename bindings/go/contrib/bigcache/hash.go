// SPDX-License-Identifier: Apache-2.0

package bigcache

// Hasher makes a number of a key.
type Hasher interface {
	Sum64(string) uint64
}

// fnv64a is FNV-1a, as in bigcache.
type fnv64a struct{}

func (fnv64a) Sum64(key string) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	hash := uint64(offset)
	for i := range len(key) {
		hash = (hash ^ uint64(key[i])) * prime
	}
	return hash
}
