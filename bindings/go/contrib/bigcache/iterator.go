// SPDX-License-Identifier: Apache-2.0

package bigcache

type iteratorError string

func (e iteratorError) Error() string { return string(e) }

// ErrInvalidIteratorState says that SetNext is to be called first.
const ErrInvalidIteratorState = iteratorError("Iterator is in invalid state. Use SetNext() to move to next position")

// ErrCannotRetrieveEntry is there for programs that compare with it: SetNext passes over what cannot be read.
const ErrCannotRetrieveEntry = iteratorError("Could not retrieve entry from cache")

// EntryInfoIterator goes through entries; see Iterator.
type EntryInfoIterator struct {
	cache *BigCache
	keys  []string // yet to come
	entry EntryInfo
	valid bool
}

// EntryInfo is an entry that an iterator is at.
type EntryInfo struct {
	key       string
	value     []byte
	hash      uint64
	timestamp uint64
}

// Key is the entry's key.
func (e EntryInfo) Key() string { return e.key }

// Hash is what the Hasher makes of the key.
func (e EntryInfo) Hash() uint64 { return e.hash }

// Timestamp is when the entry was written, in Unix seconds.
func (e EntryInfo) Timestamp() uint64 { return e.timestamp }

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
		if entry, found := it.cache.read(key); found {
			it.entry, it.valid = entry, true
			return true
		}
	}
	it.entry, it.valid = EntryInfo{}, false
	return false
}

// read reads an entry with what there is to know of it.
func (c *BigCache) read(key string) (entry EntryInfo, found bool) {
	value, found, err := c.store.Get(background, key)
	if err != nil || !found {
		return entry, false
	}
	c.iterated.Add(1)
	written, err := c.store.GetCreated(background, key)
	if err != nil {
		return entry, false // it has just gone
	}
	return EntryInfo{key, value, c.hasher.Sum64(key), uint64(written.Unix())}, true
}

// Value returns the entry that the iterator is at.
func (it *EntryInfoIterator) Value() (EntryInfo, error) {
	if !it.valid {
		return EntryInfo{}, ErrInvalidIteratorState
	}
	return it.entry, nil
}
