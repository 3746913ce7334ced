// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
)

// A snapshot of the store is of use only to a database that nobody has written to since: what it holds is
// served in place of the database's rows. So a mark in the database's folder says which file, if any, is
// the snapshot of what is there:
//
//   - The mark is set when the node leaves in order: after the last request, when the database has
//     brought its writes to the disk and the snapshot is whole, but before another process can open it.
//   - Every start that gets so far as to serve takes it away, with a snapshot or without, before the database
//     can be written to; one that finds its port in use leaves it to the next. Who is killed leaves none, and
//     the next start is cold, whatever lies at the snapshot's path.
//   - It names the file by its size and time, so that another one at its path, such as that of
//     another database or of last week, is none.
const markName = "SNAPSHOT-OF-THIS"

// fingerprint tells a snapshot from others.
func fingerprint(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d bytes of %d ns", info.Size(), info.ModTime().UnixNano()), nil
}

// takeMark removes the mark of a folder, for good when it returns, and tells what it was: "" is none.
func takeMark(folder string) (string, error) {
	path := filepath.Join(folder, markName)
	mark, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if err := os.Remove(path); err != nil {
		return "", err
	}
	return string(mark), syncFolder(folder)
}

// syncFolder brings to the disk which files there are.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// warm fills the store from a snapshot if it is that of the database; without one it starts empty. It is
// called before the first request.
func (l *ledger) warm(ctx context.Context, path string) {
	if l.mark == "" {
		slog.Info("node: cold start: no snapshot was left in order")
		return
	}
	found, err := fingerprint(path)
	if err == nil && found != l.mark {
		err = errors.New("it is not the one that was left with the database")
	}
	if err == nil {
		err = l.store.Load(ctx, path)
	}
	if err != nil {
		slog.Warn("node: cold start: the snapshot is ignored", "path", path, "error", err)
		return
	}
	slog.Info("node: warm start", "entries", l.store.Size())
}

// keep leaves a snapshot to the next start. Nothing may be written meanwhile and afterwards.
func (l *ledger) keep(ctx context.Context, path string) error {
	if err := l.db.Sync(); err != nil {
		return err
	}
	if err := l.store.Save(ctx, path); err != nil {
		return err
	}
	mark, err := fingerprint(path)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(l.folder, markName), []byte(mark), 0o600)
}
