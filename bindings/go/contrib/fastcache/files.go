// SPDX-License-Identifier: Apache-2.0

package fastcache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	memstore "github.com/weisyn/memstore/bindings/go"
)

// What a saved cache is, as in fastcache a folder: the capacity as a decimal number, and a snapshot of the store.
const (
	capacityName = "capacity"
	snapshotName = "snapshot"
)

// SaveToFile saves the entries for LoadFromFile, while others go on. Whatever happens before it returns, what was
// saved at the path before stays whole. What no SaveToFile of this package has made, such as a folder of
// fastcache's, is replaced once all is saved. One of which it cannot be read whether it has is left alone, with an error.
func (c *Cache) SaveToFile(filePath string) error {
	isOurs, err := isSaved(filePath)
	if err != nil {
		return err
	}
	if isOurs {
		return c.saveInto(filePath)
	}
	return c.saveInPlaceOf(filePath)
}

// isSaved says whether there is a saved cache at a path.
func isSaved(filePath string) (bool, error) {
	_, err := readCapacity(filePath)
	for _, other := range []error{fs.ErrNotExist, fs.ErrInvalid, syscall.ENOTDIR} {
		if errors.Is(err, other) {
			return false, nil
		}
	}
	return err == nil, err
}

// saveInto saves in a folder that is there.
func (c *Cache) saveInto(folder string) error {
	if err := c.store.Save(ctx, filepath.Join(folder, snapshotName)); err != nil {
		return err
	}
	return writeCapacity(folder, int64(c.store.Capacity()))
}

// saveInPlaceOf saves in a folder beside what is at a path, if anything is, and then puts it there.
func (c *Cache) saveInPlaceOf(filePath string) error {
	parent := filepath.Dir(filepath.Clean(filePath))
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	beside, err := os.MkdirTemp(parent, filepath.Base(filePath)+".saving-")
	if err != nil {
		return err
	}
	saved, other := filepath.Join(beside, "saved"), filepath.Join(beside, "other")
	err = os.Mkdir(saved, 0o755)
	if err == nil {
		err = c.saveInto(saved)
	}
	if err == nil {
		err = replace(filePath, saved, other)
	}
	if _, gone := os.Lstat(other); err != nil && gone == nil {
		return err // it could not be put back
	}
	return errors.Join(err, os.RemoveAll(beside))
}

// replace moves what is at a path to other, if anything is, and saved to the path.
func replace(filePath, saved, other string) error {
	if err := os.Rename(filePath, other); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := os.Rename(saved, filePath)
	if _, missing := os.Lstat(other); err != nil && missing == nil {
		err = errors.Join(err, os.Rename(other, filePath))
	}
	return err
}

// SaveToFileConcurrent is SaveToFile: one thread saves, however many are allowed.
func (c *Cache) SaveToFileConcurrent(filePath string, concurrency int) error {
	return c.SaveToFile(filePath)
}

// LoadFromFile makes a cache of what SaveToFile has saved, with its capacity. What was saved by fastcache itself is
// refused, and so is what is damaged.
func LoadFromFile(filePath string) (*Cache, error) { return load(filePath, 0) }

// LoadFromFileMaxBytes is LoadFromFile that refuses what was saved with another capacity than New would give.
func LoadFromFileMaxBytes(filePath string, maxBytes int) (*Cache, error) {
	return load(filePath, maxBytes)
}

// LoadFromFileOrNew is LoadFromFileMaxBytes, and New where there is nothing to load.
func LoadFromFileOrNew(filePath string, maxBytes int) *Cache {
	c, err := load(filePath, maxBytes)
	if err != nil {
		return New(maxBytes)
	}
	return c
}

// load loads a cache, of a capacity unless maxBytes is 0.
func load(filePath string, maxBytes int) (*Cache, error) {
	capacity, err := readCapacity(filePath)
	if err != nil {
		return nil, fmt.Errorf("cannot load a cache: %w", err)
	}
	if want := int64(max(maxBytes, smallest)); maxBytes > 0 && capacity != want {
		return nil, fmt.Errorf("cache file %s has a capacity of %d bytes; want %d", filePath, capacity, want)
	}
	store, err := memstore.New(memstore.WithMemoryLimit(capacity))
	if err != nil {
		return nil, err
	}
	if err := store.Load(ctx, filepath.Join(filePath, snapshotName)); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return &Cache{store: store}, nil
}

// readCapacity tells the capacity of a saved cache.
func readCapacity(folder string) (int64, error) {
	path := filepath.Join(folder, capacityName)
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	capacity, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || capacity < smallest {
		return 0, fmt.Errorf("%s holds no capacity: %w", path, fs.ErrInvalid)
	}
	return capacity, nil
}

// writeCapacity replaces the file in one step.
func writeCapacity(folder string, capacity int64) error {
	file, err := os.CreateTemp(folder, capacityName)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(file, capacity)
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = os.Rename(file.Name(), filepath.Join(folder, capacityName))
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}
