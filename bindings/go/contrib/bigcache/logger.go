// SPDX-License-Identifier: Apache-2.0

package bigcache

import (
	"bytes"
	"log"
	"log/slog"
	"os"
)

// Logger is told what the store has to say; see Config.Verbose.
type Logger interface {
	Printf(format string, v ...interface{})
}

// DefaultLogger writes to the standard output.
func DefaultLogger() *log.Logger { return log.New(os.Stdout, "", log.LstdFlags) }

// logger is the one for the store, nil when it is to say nothing.
func (c *Config) logger() *slog.Logger {
	if !c.Verbose {
		return nil
	}
	to := c.Logger
	if to == nil {
		to = DefaultLogger()
	}
	return slog.New(slog.NewTextHandler(printer{to}, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
}

// withoutTime leaves the time to the Logger.
func withoutTime(groups []string, attribute slog.Attr) slog.Attr {
	if len(groups) == 0 && attribute.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return attribute
}

// printer is a Logger that lines are written to.
type printer struct{ Logger }

func (p printer) Write(line []byte) (int, error) {
	p.Printf("%s", bytes.TrimSuffix(line, []byte("\n")))
	return len(line), nil
}
