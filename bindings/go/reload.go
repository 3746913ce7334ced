// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"bytes"
	"context"
	"runtime"

	"github.com/weisyn/memstore/bindings/go/internal/native"
)

// ReconfigureAll changes the settings of the open store to those of a configuration, all together: what
// a service does when its file of settings has changed. Build the configuration as the one that the store
// was opened with; a setting that it does not name goes back to its default.
//
//	err := store.ReconfigureAll(ctx, memstore.Config{File: "wes.yaml", Environment: true})
//
// All of them are put into force, or none: when one is refused, or one that an open store cannot change
// (ErrUnsupported) would be another, nothing is changed, and the error says which one and why. Logger and
// LibraryReads are for opening and are not looked at.
func (s *Store) ReconfigureAll(ctx context.Context, config Config) error {
	const op = "ReconfigureAll"
	if err := live(ctx, op, config.File); err != nil {
		return err
	}
	config.Logger = nil
	settings, _, err := config.native(op)
	if err != nil {
		return err
	}
	defer native.MemstoreConfigFree(settings)
	why := make([]byte, 1024)
	status := waitingLong(ctx, func(wait bound) int32 {
		return native.GlueReconfigureAll(s.handle, wait.ms, wait.stop, settings, &why[0], len(why))
	})
	runtime.KeepAlive(s)
	if status != 0 {
		return interruption(ctx, explain(op, config.File, string(why[:bytes.IndexByte(why, 0)]), status), status)
	}
	s.noteSettings()
	return nil
}

// Setting returns a setting of the open store as it is in force now, by its name in YAML and as text:
// Setting("performance.memory_limit") is "64MB" in a store opened with the defaults.
func (s *Store) Setting(name string) (string, error) {
	text, ok := cText(name)
	if !ok {
		return "", s.refuse("Setting", name, explained{"a setting's name cannot hold NUL bytes", ErrInvalidConfig})
	}
	buf := make([]byte, longestSetting)
	var size int
	status := native.MemstoreGetSetting(s.handle, &text[0], &buf[0], len(buf), pointerTo(&size))
	runtime.KeepAlive(s)
	if status == statusInvalidConfig {
		return "", unknownSetting("Setting", name)
	}
	if status != 0 {
		return "", fail("Setting", name, status)
	}
	return string(buf[:size]), nil
}

// unknownSetting is the error of a name that is none, with the nearest one that is, which a configuration tells.
func unknownSetting(op, name string) error {
	config := native.MemstoreConfigNew()
	if config == 0 {
		return fail(op, name, statusInvalidConfig)
	}
	defer native.MemstoreConfigFree(config)
	_, err := canonical(op, config, name)
	return err
}
