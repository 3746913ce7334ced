// SPDX-License-Identifier: Apache-2.0

package bigcache

import "errors"

// ErrInvalidIteratorState says that SetNext is to be called first.
var ErrInvalidIteratorState = errors.New("Iterator is in invalid state. Use SetNext() to move to next position") //nolint:staticcheck // bigcache's own words

// EntryInfoIterator goes through entries; see Iterator.
type EntryInfoIterator struct {
	cache *BigCache
	keys  []string // yet to come
	entry EntryInfo
	valid bool
}

// EntryInfo is an entry that an iterator is at.
type EntryInfo struct {
	key   string
	value []byte
}

// Key is the entry's key.
func (e EntryInfo) Key() string { return e.key }

// Value is the entry's value.
func (e EntryInfo) Value() []byte { return e.value }

// Iterator goes through the entries whose keys are there now. Those that go meanwhile are left out.
func (c *BigCache) Iterator() *EntryInfoIterator {
	keys, _ := c.store.Keys(background, "") // none when the cache is closed
	return &EntryInfoIterator{cache: c, keys: keys}
}

// SetNext goes to the next entry, and says whether there is one.
func (it *EntryInfoIterator) SetNext() bool {
	for len(it.keys) != 0 {
		key := it.keys[0]
		it.keys = it.keys[1:]
		value, found, err := it.cache.store.Get(background, key)
		if err == nil && found {
			it.entry, it.valid = EntryInfo{key, value}, true
			return true
		}
	}
	it.entry, it.valid = EntryInfo{}, false
	return false
}

// Value returns the entry that the iterator is at.
func (it *EntryInfoIterator) Value() (EntryInfo, error) {
	if !it.valid {
		return EntryInfo{}, ErrInvalidIteratorState
	}
	return it.entry, nil
}
