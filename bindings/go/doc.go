// SPDX-License-Identifier: Apache-2.0

// Package memstore is an in-memory store for hot data: string keys, binary values, a time to live
// for each key, and a byte limit that holds. The data lives outside the Go heap, in the C library
// libmemstore, so the garbage collector has nothing of it to scan.
//
//	store, err := memstore.Open(memstore.Config{MemoryLimit: 1 << 30})
//	if err != nil {
//		return err
//	}
//	defer store.Close()
//
//	err = store.Set(ctx, "block/42", block, time.Minute)
//	value, found, err := store.Get(ctx, "block/42")
//
// # Keys and values
//
// A key is any string of at least one byte. A value is any byte slice; an empty value is stored and
// found like every other. Values are copied in and copied out: what Get returns belongs to the
// caller.
//
// # Time to live
//
// A ttl of 0 never expires, [DefaultTTL] stands for the configured default, and any other negative
// ttl is [ErrInvalidTTL]. A positive ttl is kept in milliseconds, rounded up. Expired entries are
// never served, and their memory comes back without an access to them.
//
// # Errors
//
// A key that is not there is no error for Get, Has and Delete. Errors match the sentinels of this
// package with [errors.Is], and are of type [*Error], which tells the operation and the key. A
// refused write leaves the older entry as it was.
//
// # Contexts
//
// A context that is done before the call stops it; its error is then what the call's error matches.
// A nil context counts as one that is never done. What can take long looks at its context meanwhile:
// loads, events, passes over keys, Flush, Compact, Maintain. So does every call that has to wait for a
// lock, for a place or for memory: it ends within milliseconds after its context, and otherwise when
// [Config.LockTimeout] is over. Its error matches then that of the context and that of what it waited
// for, such as [ErrLockTimeout], and nothing of it was done, but that [Store.Clear] and
// [Store.DeleteByPattern] may have removed entries. The store counts no refusal for it. A context that
// never ends costs nothing, and one that may end next to nothing before a call waits. Calls of one
// entry's value, Get, GetInto and Has, wait for nothing.
//
// # Goroutines
//
// All methods of a [Store], a [Typed] and a [Subscription] may be called from any number of goroutines,
// Close among them. A store dropped without Close is freed when the garbage collector finds it, with a
// warning to [Config.Logger]; until then it holds its memory, so close stores.
//
// A goroutine in a call of the library is on an operating system thread, as for every call of C. Calls
// end soon, but for two kinds: a [Subscription] that is waited for, by Next, a loop, a Channel or OnEvent,
// holds one thread, however many wait for it, and so does a store with a [Config.Logger]. GetOrLoad holds
// none while it waits.
//
// # In operation
//
// [Store.Save] and [Store.Load] bring a store over a restart, and [Store.Warm] loads many keys ahead.
// [Store.Advise] tells which settings to change. [Config.Logger] is told what the store has to say; the
// thresholds of [Config] raise alerts, which are events ([EventAlert]), lines of the log and part of
// [Store.GetRates].
//
// # Building
//
// The package needs cgo and the library, found by pkg-config. The build tag memstore_static links
// libmemstore.a in; memstore_vendored compiles the library's sources, which are part of this module, so
// that only liburcu, libyaml and xxhash's header need be installed.
package memstore
