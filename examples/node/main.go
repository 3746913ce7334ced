// SPDX-License-Identifier: Apache-2.0

// Command node is a small service as a node has inside: entries over HTTP, kept by a database (Badger), with
// memstore in front. The same program is its load generator.
//
//	node -data /var/lib/node -listen 127.0.0.1:8080
//	node -load http://127.0.0.1:8080
//	curl 127.0.0.1:8080/metrics
//
// On SIGTERM and SIGINT it says on /readyz that it leaves, answers what it has, and closes the database.
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
		report, err = newLoad(*url, *clients, *requests, *keys, *writes).run(ctx)
		fmt.Println(report)
	} else {
		err = serve(ctx, *listen, *data, *memory, *ttl, *leave)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "node:", err)
		os.Exit(1)
	}
}

// longestLeave bounds how long requests in flight are waited for.
const longestLeave = 30 * time.Second

// serve runs a node until the context ends.
func serve(ctx context.Context, listen, data string, memory int64, ttl, leave time.Duration) (err error) {
	ledger, err := openLedger(data, memory, ttl)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ledger.close()) }()
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	slog.Info("node: listening", "address", listener.Addr().String())

	tidied := make(chan struct{})
	go func() {
		defer close(tidied)
		ledger.tidy(ctx, 5*time.Minute)
	}()
	s := &server{ledger: ledger}
	h := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- h.Serve(listener) }()
	select {
	case err = <-served:
		return err
	case <-ctx.Done():
	}

	slog.Info("node: leaving")
	s.leaving.Store(true)
	time.Sleep(leave) // so that who balances load has seen it
	patience, cancel := context.WithTimeout(context.Background(), longestLeave)
	defer cancel()
	err = h.Shutdown(patience)
	<-tidied
	return err
}
