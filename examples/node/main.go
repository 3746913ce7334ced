// SPDX-License-Identifier: Apache-2.0

// Command node is a small service as a node has inside: entries over HTTP, kept by a database (Badger), with
// memstore in front. The same program is its load generator.
//
//	node -data /var/lib/node -listen 127.0.0.1:8080
//	node -load http://127.0.0.1:8080
//	curl 127.0.0.1:8080/metrics
//
// On SIGTERM and SIGINT it says on /readyz that it leaves, answers what it has, and closes the database. With
// -snapshot PATH it leaves what the store holds there, and starts with that.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "address to listen at")
	data := flag.String("data", "node-data", "folder of the database")
	memory := flag.Int64("memory", 256<<20, "bytes that the store in front of it may take")
	ttl := flag.Duration("ttl", time.Hour, "how long the store keeps an entry")
	snapshot := flag.String("snapshot", "", "file in which the store's entries outlive a restart")
	leave := flag.Duration("leave", time.Second, "how long /readyz says so before the node leaves")
	url := flag.String("load", "", "send requests to the node there, instead of being one")
	clients := flag.Int("clients", 8, "clients of the load")
	requests := flag.Int("requests", 10_000, "requests of each client")
	keys := flag.Int("keys", 10_000, "keys of the load")
	writes := flag.Float64("writes", 0.1, "share of writes in the load")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	var err error
	if *url != "" {
		var report string
		if report, err = newLoad(*url, *clients, *requests, *keys, *writes).run(ctx); report != "" {
			fmt.Println(report)
		}
	} else {
		n := &node{listen: *listen, data: *data, snapshot: *snapshot, memory: *memory, ttl: *ttl, leave: *leave}
		err = n.serve(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "node:", err)
		os.Exit(1)
	}
}

// longestLeave bounds how long the snapshot is loaded on, how long requests in flight are waited for, and then how long
// saving may take.
const longestLeave = 30 * time.Second

// node is one that serves; its fields are the flags.
type node struct {
	listen, data, snapshot string
	memory                 int64
	ttl, leave             time.Duration
}

// serve runs a node until the context ends.
func (n *node) serve(ctx context.Context) (err error) {
	// First, since who comes early waits, and without the port the mark of a snapshot is to stay; see markName.
	listener, err := net.Listen("tcp", n.listen)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }()
	ledger, err := openLedger(n.data, n.memory, n.ttl)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ledger.close()) }()
	if n.snapshot != "" {
		n.warm(ctx, ledger)
	}
	slog.Info("node: listening", "address", listener.Addr().String())

	tidying, enough := context.WithCancel(ctx)
	tidied := make(chan struct{})
	go func() {
		defer close(tidied)
		ledger.tidy(tidying, 5*time.Minute)
	}()
	err = n.answer(ctx, ledger, listener)
	enough()
	<-tidied
	if err == nil && n.snapshot != "" {
		n.keep(ledger)
	}
	return err
}

// answer answers requests until the context ends, and those that came before. With an error some may
// be in progress yet.
func (n *node) answer(ctx context.Context, ledger *ledger, listener net.Listener) error {
	s := &server{ledger: ledger}
	h := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- h.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}

	slog.Info("node: leaving")
	s.leaving.Store(true)
	time.Sleep(n.leave) // so that who balances load has seen it
	patience, cancel := context.WithTimeout(context.Background(), longestLeave)
	defer cancel()
	return h.Shutdown(patience)
}

// warm loads the snapshot, also when the node is told to leave meanwhile, for a while: what it left then would be no
// more than had been loaded.
func (n *node) warm(ctx context.Context, ledger *ledger) {
	patience, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(longestLeave, cancel) })()
	ledger.warm(patience, n.snapshot)
}

// keep saves the store. That it cannot is no failure of the node: the next start is a cold one.
func (n *node) keep(ledger *ledger) {
	patience, cancel := context.WithTimeout(context.Background(), longestLeave)
	defer cancel()
	if err := ledger.keep(patience, n.snapshot); err != nil {
		slog.Warn("node: no snapshot is left", "path", n.snapshot, "error", err)
	}
}
