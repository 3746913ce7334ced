// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"log/slog"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weisyn/memstore/bindings/go/internal/native"
)

// Levels of the library's records.
const (
	logError = 1 + iota
	logWarn
	logInfo
	logDebug
)

var slogLevels = [...]slog.Level{logError: slog.LevelError, logWarn: slog.LevelWarn, logInfo: slog.LevelInfo,
	logDebug: slog.LevelDebug}

// logBuffer is how many bytes of records cross at a time; logHead is how many numbers stand before the
// texts of one.
const (
	logBuffer = 32 << 10
	logHead   = 5
)

// logDrain is how long Close waits for the logger.
const logDrain = time.Second

// logQueue is the library's side of Config.Logger: records wait in it for a goroutine. Two need it, the
// store and the goroutine.
type logQueue struct {
	handle uintptr
	done   chan struct{} // closed when the logger has got all
	drain  time.Duration
	once   sync.Once
	// teller is the goroutine that calls the logger.
	teller atomic.Pointer[string]
}

// newLogQueue makes stores that are opened from a native configuration tell a logger.
func newLogQueue(config uintptr, logger *slog.Logger) *logQueue {
	handle := native.GlueLogNew(config, logLevelOf(logger))
	if handle == 0 {
		return nil
	}
	queue := &logQueue{handle: handle, done: make(chan struct{}), drain: logDrain}
	go queue.tell(logger)
	return queue
}

// logLevelOf is the level of the library up to which a logger takes records.
func logLevelOf(logger *slog.Logger) int32 {
	for level := logDebug; level > 0; level-- {
		if logger.Enabled(context.Background(), slogLevels[level]) {
			return int32(level)
		}
	}
	return 0
}

// end says that no more records come, and waits for a moment until the logger has got those there are,
// unless it is the logger who says so.
func (q *logQueue) end() {
	if q == nil {
		return
	}
	native.GlueLogEnd(q.handle)
	if teller := q.teller.Load(); teller != nil && *teller == goroutineName() {
		return
	}
	select {
	case <-q.done:
	case <-time.After(q.drain):
	}
}

// goroutineName is what the runtime calls this goroutine in traces, "goroutine 18".
func goroutineName() string {
	var trace [64]byte
	name, _, _ := strings.Cut(string(trace[:runtime.Stack(trace[:], false)]), " [")
	return name
}

// free gives the queue up; the library is not going to use it any more.
func (q *logQueue) free() {
	if q == nil {
		return
	}
	q.once.Do(func() {
		native.GlueLogEnd(q.handle)
		native.GlueLogDrop(q.handle)
	})
}

// tell hands out records until no more come.
func (q *logQueue) tell(logger *slog.Logger) {
	defer close(q.done)
	defer native.GlueLogDrop(q.handle)
	name := goroutineName()
	q.teller.Store(&name)
	buffer := make([]byte, logBuffer)
	for {
		used := native.GlueLogFill(q.handle, -1, &buffer[0], len(buffer))
		if used < 0 {
			return
		}
		for unread := buffer[:used]; len(unread) != 0; {
			size := binary.NativeEndian.Uint64(unread)
			tellRecord(unread[:size], logger)
			unread = unread[size:]
		}
	}
}

// tellRecord hands one record to a logger, with the time it was made.
func tellRecord(data []byte, logger *slog.Logger) {
	var head [logHead]uint64
	for i := range head {
		head[i] = binary.NativeEndian.Uint64(data[i*8:])
	}
	texts := data[logHead*8:]
	next := func() string {
		end := bytes.IndexByte(texts, 0)
		text := strings.ToValidUTF8(string(texts[:end]), "\ufffd")
		texts = texts[end+1:]
		return text
	}
	store, event, message := next(), next(), next()
	level := slogLevels[head[1]]
	ctx := context.Background()
	if !logger.Enabled(ctx, level) {
		return
	}
	record := slog.NewRecord(time.UnixMilli(int64(head[2])), level, message, 0)
	record.AddAttrs(slog.String("event", event))
	if store != "" {
		record.AddAttrs(slog.String("store", store))
	}
	if head[3] != 0 {
		record.AddAttrs(slog.Uint64("suppressed", head[3]))
	}
	for range head[4] {
		kind := texts[0]
		texts = texts[1:]
		name, text := next(), next()
		record.AddAttrs(logAttr(kind, name, text))
	}
	_ = logger.Handler().Handle(ctx, record)
}

// logAttr is a field with the type of its kind.
func logAttr(kind byte, name, text string) slog.Attr {
	switch kind {
	case 1:
		if value, err := strconv.ParseInt(text, 10, 64); err == nil {
			return slog.Int64(name, value)
		}
	case 2:
		if value, err := strconv.ParseFloat(text, 64); err == nil {
			return slog.Float64(name, value)
		}
	case 3:
		return slog.Bool(name, text == "true")
	}
	return slog.String(name, text)
}
