/* SPDX-License-Identifier: Apache-2.0 */
/** @file memstore.h
 * memstore: an in-memory store for hot data: string keys, binary values, a time to live per key,
 * a byte limit that is true.
 *
 * ## Concepts
 * A *store* is opened from a configuration and holds *entries*. An entry is a key (1 byte and
 * up, any bytes), a value (0 bytes and up), and an expiry to the millisecond, or none. When the
 * byte limit is reached, the *eviction* policy removes entries that are worth least; with the
 * policy `none` writes are refused instead. *Expiry* removes entries whose time is over, with no
 * access needed.
 *
 *     memstore *store;
 *     if (memstore_open(NULL, &store) != MEMSTORE_OK) return 1;
 *     memstore_set(store, "block/42", 8, bytes, size, 60000);   // for a minute
 *     memstore_view view;
 *     if (memstore_get_view(store, "block/42", 8, &view) == MEMSTORE_OK) {
 *         use(view.data, view.size);   // the store's own bytes, no copy
 *         memstore_view_release(&view);
 *     }
 *     memstore_destroy(store);
 *
 * ## Memory
 * Keys and values are pointer and length, borrowed for the call; the store keeps copies. A value
 * comes out in one of two ways: copied to the caller's buffer (memstore_get()), or as a *view*:
 * the entry's own bytes, pinned until memstore_view_release(). A view's bytes never change and
 * stay readable when the entry is overwritten, deleted, expired or evicted and when the store is
 * closed. A pinned view keeps its segment's memory, so release views soon. All that a store maps
 * counts against its limit: entries, index, bookkeeping.
 *
 * ## Time
 * Durations and times are int64_t milliseconds; absolute times are Unix milliseconds. Expiry
 * runs on the system's monotonic clock (CLOCK_MONOTONIC), so steps of the wall clock change
 * nothing; time in which the machine is suspended does not count.
 *
 * ## Threads
 * Every function may be called by any number of threads at once, also on the same store, unless
 * its @threadsafety says `object` (one thread at a time on this object) or `exclusive` (no other
 * call on the store in progress). What a call may wait for says its @progress. `Lock-free` calls,
 * which all single reads are, complete even if another thread is stopped for good in the middle of
 * a write; the others wait for any one thing no longer than `performance.lock_timeout`, closing
 * and opening excepted. But where `performance.max_concurrent_readers` bounds how many views are
 * held, calls that pin wait for one to be released. A thread's first call registers it, which takes
 * a lock for a few steps. A thread that has less time than that bounds its own waits:
 * memstore_bound_waits(). A store may be used in a child after fork(). There no view counts for that
 * bound but those that the forking thread got, and no asynchronous write is queued.
 *
 * ## Settings
 * A store is opened from a memstore_config: built-in defaults, and over them a YAML file, the
 * environment if the program wants it, and single settings by name (config.h). Some can be
 * changed while the store is open: memstore_reconfigure(). docs/configuration.md has them all.
 *
 * ## Errors
 * Functions that can fail return 0 or a negative memstore_status. A refused call has changed
 * nothing: a write that is refused leaves the older entry exactly as it was.
 *
 * ## Events
 * Every entry that goes can be told, once, with key, value and cause: events.h.
 *
 * ## Batches
 * set_many, delete_many and memstore_batch are all-or-nothing to every reader, single reads
 * included: once a get has seen a batch under one key, no later get misses it under another.
 * get_many reads its keys as of one moment between batches. */
#ifndef MEMSTORE_H
#define MEMSTORE_H

#include <memstore/advice.h>
#include <memstore/config.h>
#include <memstore/export.h>
#include <memstore/log.h>
#include <memstore/stats.h>
#include <memstore/status.h>
#include <memstore/version.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A store. */
typedef struct memstore memstore;
/** Operations to be applied together; see memstore_batch_new(). */
typedef struct memstore_batch memstore_batch;
/** An iteration over keys; see memstore_cursor_new(). */
typedef struct memstore_cursor memstore_cursor;

/** TTL of an entry that never expires (but for `ttl.max_ttl` and `life_window`). */
#define MEMSTORE_TTL_NONE 0
/** TTL that stands for the configured `ttl.default_ttl`. */
#define MEMSTORE_TTL_DEFAULT (-1)

/** A key: `size` bytes at `data`, at least one. */
typedef struct memstore_key {
    const void *data;
    size_t size;
} memstore_key;

/** An entry to be stored: see memstore_set() for the meaning of its members. */
typedef struct memstore_entry {
    memstore_key key;
    const void *value;
    size_t value_size;
    int64_t ttl_ms;
} memstore_entry;

/** A value in the store's own memory, pinned until memstore_view_release(). All zero when it
 * holds nothing. */
typedef struct memstore_view {
    const void *data;      /**< the value; not NULL on a hit, even when size is 0 */
    size_t size;           /**< bytes at data */
    uint64_t version;      /**< differs after every write of this key; never 0 on a hit */
    int64_t expires_at_ms; /**< Unix milliseconds, 0 when the entry never expires */
    void *pin;             /**< what holds the bytes in place; for the library alone */
} memstore_view;

/* ---- Lifetime -------------------------------------------------------------------------------- */

/** Open an empty store.
 * @param[in] config the settings, or NULL for the built-in defaults; not needed after the call
 * @param[out] out the new store, for memstore_destroy(); NULL on failure
 * @retval MEMSTORE_OK the store is open
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT out is NULL
 * @retval MEMSTORE_ERR_INVALID_CONFIG the settings contradict each other, or the limit is too
 *     small to hold anything; memstore_config_error() says which
 * @retval MEMSTORE_ERR_MEMORY_EXHAUSTED the system gave no memory or no thread
 * @threadsafety any; `object` for the configuration, whose error is written
 * @progress Waits for others that open or close a store and for a fork() in progress, without
 *     bound.
 * @since 0.1 */
MEMSTORE_API int memstore_open(const memstore_config *config, memstore **out);

/** Close a store: applies what memstore_set_async() has queued, waits for the calls in flight, then
 * frees all the store's memory but what views hold. Calls made later get CACHE_CLOSED, whatever
 * else is wrong with them; held views stay readable. The handle itself stays valid until memstore_destroy(). Whether an asynchronous
 * write was refused is told by memstore_flush() alone, called before.
 * @param[in] store the store
 * @retval MEMSTORE_OK the store is closed
 * @retval MEMSTORE_ERR_CACHE_CLOSED it was closed already, or another thread is closing it
 * @retval MEMSTORE_ERR_UNSUPPORTED called in a loader of the store, in a function that is told the
 *     progress of a call, or in the `release` of a loaded value where a call waits for that
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT store is NULL
 * @threadsafety any
 * @progress Waits without bound, until the calls in flight have ended.
 * @since 0.1 */
MEMSTORE_API int memstore_close(memstore *store);

/** Close a store if it is open, and free it. All views of it must have been released. In a function that
 * the store itself calls it would wait for its own caller, or take from that what it still needs. Where
 * memstore_close() is refused, as in a loader and in a function that is told the progress, it does nothing;
 * in every other, as that of memstore_keys() or memstore_read_many(), a callback of events, the function of
 * the log, one that takes a text or advice, or the `release` of a loaded value, it only closes the store.
 * Call it again elsewhere then.
 * @param[in] store may be NULL; not valid afterwards
 * @threadsafety exclusive
 * @progress Waits as memstore_close().
 * @since 0.1 */
MEMSTORE_API void memstore_destroy(memstore *store);

/** Change a setting of an open store. Which settings a running store can change, and from when on
 * a change counts, is in docs/configuration.md: the memory limit, the bounds of TTLs, timeouts and
 * the pace of maintenance can be; the number of shards, the hash function, the eviction policy and
 * others are fixed when the store is opened.
 *
 * A lower memory limit is brought about before the call returns: what has expired goes first, then
 * dead bytes, then what the eviction policy gives up, and the memory goes back to the system. It
 * may take its time as long as it gets on. When it is refused the limit is as it was; entries that
 * were evicted on the way are gone. A higher limit may be up to four times that of the opening,
 * less where the system rations addresses or where more would make every entry larger: a store of
 * 1 to 4 GiB can grow to nearly 4 GiB, and a larger one to nearly the next power of two.
 * @param[in] store the store
 * @param[in] key the setting's path, for example "performance.memory_limit"
 * @param[in] value the new value as text, for example "1GiB"
 * @retval MEMSTORE_OK the setting is changed; calls that begin from now on go by it
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT an argument is NULL
 * @retval MEMSTORE_ERR_INVALID_CONFIG unknown key, wrong unit or type, out of range, less memory
 *     than the store can do with, or in contradiction to another setting
 * @retval MEMSTORE_ERR_UNSUPPORTED a running store cannot change this setting, or not to this value
 * @retval MEMSTORE_ERR_MEMORY_EXHAUSTED views hold more than the new memory limit
 * @retval MEMSTORE_ERR_CACHE_FULL eviction is off and the store holds more than the new limit
 * @retval MEMSTORE_ERR_GC_PRESSURE the memory above the new limit did not come free, and for
 *     performance.lock_timeout there was no progress
 * @retval MEMSTORE_ERR_LOCK_TIMEOUT reclaiming by others took all of performance.lock_timeout
 * @retval MEMSTORE_ERR_CACHE_CLOSED the store is closed
 * @progress Waits for another change in progress; a lower memory limit waits for memory as long as some
 *     comes free within performance.lock_timeout, or within 100 ms if that is longer.
 * @threadsafety any
 * @since 0.1 */
MEMSTORE_API int memstore_reconfigure(memstore *store, const char *key, const char *value);

/** The same as memstore_reconfigure(), with the reason of a refusal.
 * @param[in] store,key,value as there
 * @param[out] why receives a sentence such as "shards: cannot be changed while ..." and a NUL, cut
 *     to cap bytes; "" when the setting is changed; may be NULL when cap is 0
 * @param[in] cap bytes at why; 512 is enough for most
 * @return as memstore_reconfigure(); MEMSTORE_ERR_INVALID_ARGUMENT also when why is NULL and cap is
 *     not 0
 * @progress Waits as memstore_reconfigure().
 * @threadsafety any
 * @since 0.1 */
MEMSTORE_API int memstore_reconfigure_explained(memstore *store, const char *key, const char *value,
                                                char *why, size_t cap);

/** Change the settings of an open store to those of a configuration, all together: what a program does
 * when its file of settings has changed. Build the configuration as the one that the store was opened
 * with was built, from the file, the environment and calls, in this order: a setting that it does not
 * name goes back to its built-in default.
 *
 * All of them are put into force, or none: when one is refused, or one that a running store cannot
 * change would be another, nothing is changed (entries that a lower memory limit evicted before the
 * refusal are gone, as with memstore_reconfigure()). Settings that stay as they are cost nothing. The
 * logger of the configuration is not looked at.
 * @param[in] store the store
 * @param[in] config the configuration, which stays the caller's and is only read: what
 *     memstore_config_error() says of it stays too
 * @param[out] why receives the reason of a refusal, as in memstore_reconfigure_explained()
 * @param[in] cap bytes at why; 512 is enough for most
 * @return as memstore_reconfigure(); MEMSTORE_ERR_INVALID_CONFIG also when settings of the
 *     configuration contradict each other; MEMSTORE_ERR_INVALID_ARGUMENT when store or config is NULL,
 *     or why is and cap is not 0
 * @progress Waits as memstore_reconfigure().
 * @threadsafety any; nobody changes the configuration meanwhile
 * @since 0.1 */
MEMSTORE_API int memstore_reconfigure_all(memstore *store, const memstore_config *config, char *why,
                                          size_t cap);

/** A setting of an open store as it is in force now, as text that memstore_config_set() reads as the
 * same value.
 * @param[in] store the store
 * @param[in] key the setting's path, for example "performance.memory_limit"
 * @param[out] buf receives the text and a NUL when cap is enough for both; may be NULL when cap is 0
 * @param[in] cap bytes at buf; 4096 is enough for all
 * @param[out] size length of the text without the NUL, also when buf is too small; may be NULL
 * @retval MEMSTORE_OK the text is in buf
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT store or key is NULL, or buf is and cap is not 0
 * @retval MEMSTORE_ERR_INVALID_CONFIG there is no such setting
 * @retval MEMSTORE_ERR_BUFFER_TOO_SMALL the text does not fit
 * @retval MEMSTORE_ERR_CACHE_CLOSED the store is closed
 * @progress Waits for a change of settings in progress.
 * @threadsafety any
 * @since 0.1 */
MEMSTORE_API int memstore_get_setting(memstore *store, const char *key, char *buf, size_t cap,
                                      size_t *size);

/* ---- Key-value ------------------------------------------------------------------------------- */

/** Store a value under a key, in place of what was there.
 * @param[in] store the store
 * @param[in] key,key_size the key, at least one byte
 * @param[in] value,value_size the value; value may be NULL when value_size is 0
 * @param[in] ttl_ms how long the entry lives; MEMSTORE_TTL_NONE, MEMSTORE_TTL_DEFAULT or positive
 * @retval MEMSTORE_OK stored; every read that starts from now on sees it
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT store, key or value is NULL, or key_size is 0
 * @retval MEMSTORE_ERR_ENTRY_TOO_LARGE above `max_entry_size`, or above half of the memory
 *     limit, less bookkeeping
 * @retval MEMSTORE_ERR_INVALID_TTL negative, or outside the configured bounds
 * @retval MEMSTORE_ERR_CACHE_FULL the limit is reached and eviction is off
 * @retval MEMSTORE_ERR_GC_PRESSURE no memory came free within `performance.lock_timeout`
 * @retval MEMSTORE_ERR_MEMORY_EXHAUSTED pinned views hold all memory, or the system gave none
 * @retval MEMSTORE_ERR_SHARD_OVERFLOW the index cannot grow within the limit and eviction is off
 * @retval MEMSTORE_ERR_LOCK_TIMEOUT another writer held the shard, or
 *     `performance.max_concurrent_writers` others were at work, for `performance.lock_timeout`
 * @retval MEMSTORE_ERR_CACHE_CLOSED the store is closed
 * @threadsafety any
 * @progress Waits for memory, for the key's shard, for asynchronous writes of the key to be applied
 *     and for a place among bounded writers, at most `performance.lock_timeout` for each. Who reclaims memory with `maintenance: manual` waits for the reads in progress, too.
 * @since 0.1 */
MEMSTORE_API int memstore_set(memstore *store, const void *key, size_t key_size, const void *value,
                              size_t value_size, int64_t ttl_ms);

/** Store a value that expires at a point of the wall clock, as it stands at the call.
 * @param[in] store,key,key_size,value,value_size as memstore_set()
 * @param[in] unix_ms when the entry expires
 * @retval MEMSTORE_ERR_TTL_EXPIRED unix_ms has passed; an older entry stays as it was
 * @return otherwise as memstore_set()
 * @threadsafety any
 * @progress Waits as memstore_set().
 * @since 0.1 */
MEMSTORE_API int memstore_set_until(memstore *store, const void *key, size_t key_size,
                                    const void *value, size_t value_size, int64_t unix_ms);

/** Store a value later: hand it to the combiner, which applies many as one batch, and return. The
 * key and the value are copied. Nobody sees the new value before it is applied:
 *
 * - when `performance.batch_size` writes are queued, or they take a sixteenth of the memory limit, by
 *   the call that hands the last of them over;
 * - when the oldest is `performance.batch_timeout` old, by the maintenance thread (with
 *   `maintenance: manual` by memstore_maintain());
 * - by memstore_flush(), and by memstore_close() before it closes;
 * - before a later call of this store that writes the same key in any other way (set, add, delete,
 *   increment, update_ttl, batches and so on), and before memstore_clear() and
 *   memstore_delete_by_pattern(). So the writes of a key take effect in the order of the calls,
 *   and each finds what those before it left.
 *
 * What is queued together becomes visible at one instant, and of several writes of a key among it
 * only the last is stored. If that is refused as a whole, for want of room for instance, the
 * writes are done one by one, so that one refused does not refuse the others. The TTL counts from
 * this call.
 *
 * What can never be stored is refused by this call. A write that is refused later leaves the older
 * entry as it was, is counted as refused like any other (memstore_stats), and is told by
 * memstore_flush(); none is lost in silence.
 *
 * The queue's memory counts against the limit. When there is none, for a write above a sixteenth of
 * the limit, and with `performance.enable_batch_optimization: false` always, the call writes at
 * once, as memstore_set() does. In a child after fork() the queue is empty: the parent applies what
 * is in it.
 * @param[in] store,key,key_size,value,value_size,ttl_ms as memstore_set()
 * @retval MEMSTORE_OK handed over, or written
 * @retval MEMSTORE_ERR_LOCK_TIMEOUT the queue is full and was not applied within
 *     `performance.lock_timeout`; nothing was handed over
 * @return otherwise as memstore_set(); nothing was handed over
 * @threadsafety any
 * @progress Waits for the queue while another call adds to it; for the queue to be applied when it
 *     is full, at most `performance.lock_timeout`; and as memstore_set() when it writes at once.
 * @since 0.1 */
MEMSTORE_API int memstore_set_async(memstore *store, const void *key, size_t key_size,
                                    const void *value, size_t value_size, int64_t ttl_ms);

/** Wait until all that memstore_set_async() was given before this call is applied; reads see it
 * from now on.
 * @param[in] store the store
 * @retval MEMSTORE_OK applied, and no asynchronous write was refused since the last flush
 * @retval MEMSTORE_ERR_LOCK_TIMEOUT `performance.max_concurrent_writers` were at work for
 *     `performance.lock_timeout`: what was not applied is still queued; or an asynchronous write was
 *     refused with it
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT store is NULL
 * @retval MEMSTORE_ERR_CACHE_CLOSED the store is closed
 * @return otherwise applied, and the status with which memstore_set() would have refused the first
 *     write that was refused since the last flush; told once
 * @threadsafety any
 * @progress Waits for those who are applying writes, each as long as these wait; then as
 *     memstore_set_many().
 * @since 0.1 */
MEMSTORE_API int memstore_flush(memstore *store);

/** Store a value only if no live entry has the key.
 * @param[in] store,key,key_size,value,value_size,ttl_ms as memstore_set()
 * @retval MEMSTORE_ERR_KEY_EXISTS a live entry is there; it stays as it was
 * @return otherwise as memstore_set()
 * @threadsafety any
 * @progress Waits as memstore_set().
 * @since 0.1 */
MEMSTORE_API int memstore_add(memstore *store, const void *key, size_t key_size, const void *value,
                              size_t value_size, int64_t ttl_ms);

/** Store a value only if a live entry has the key.
 * @param[in] store,key,key_size,value,value_size,ttl_ms as memstore_set()
 * @retval MEMSTORE_ERR_KEY_NOT_FOUND none is there; nothing was stored
 * @return otherwise as memstore_set()
 * @threadsafety any
 * @progress Waits as memstore_set().
 * @since 0.1 */
MEMSTORE_API int memstore_replace(memstore *store, const void *key, size_t key_size,
                                  const void *value, size_t value_size, int64_t ttl_ms);

/** Store a value only if the key's entry still has the version that a view of it told.
 * @param[in] store,key,key_size,value,value_size,ttl_ms as memstore_set()
 * @param[in] version the version expected; 0 expects that no live entry is there
 * @retval MEMSTORE_ERR_VERSION_MISMATCH the entry was written since, is gone, or (for 0) is there
 * @return otherwise as memstore_set()
 * @threadsafety any
 * @progress Waits as memstore_set().
 * @since 0.1 */
MEMSTORE_API int memstore_compare_and_set(memstore *store, const void *key, size_t key_size,
                                          const void *value, size_t value_size, int64_t ttl_ms,
                                          uint64_t version);

/** Add to a counter kept as a decimal number in a value, atomically. An entry that exists keeps
 * its expiry.
 * @param[in] store the store
 * @param[in] key,key_size the key
 * @param[in] delta what to add; may be negative
 * @param[in] initial what an absent counter counts as before delta is added
 * @param[in] ttl_ms TTL of the entry if the call creates it
 * @param[out] result the sum that was stored; may be NULL
 * @retval MEMSTORE_OK the sum is stored
 * @retval MEMSTORE_ERR_NOT_A_NUMBER the value is not a decimal int64_t, or the sum would
 *     overflow; nothing is changed
 * @return otherwise as memstore_set()
 * @threadsafety any
 * @progress Waits as memstore_set(); begins again whenever another write of the key was faster.
 * @since 0.1 */
MEMSTORE_API int memstore_increment(memstore *store, const void *key, size_t key_size,
                                    int64_t delta, int64_t initial, int64_t ttl_ms,
                                    int64_t *result);

/** Copy a value out.
 * @param[in] store the store
 * @param[in] key,key_size the key
 * @param[out] buf receives the value; may be NULL when cap is 0
 * @param[in] cap bytes at buf
 * @param[out] value_size the value's size, also when the buffer is too small; 0 on a miss; may
 *     be NULL
 * @retval MEMSTORE_OK the whole value is in buf
 * @retval MEMSTORE_ERR_KEY_NOT_FOUND no live entry has the key
 * @retval MEMSTORE_ERR_BUFFER_TOO_SMALL *value_size is set and nothing was copied
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT store or key is NULL, key_size is 0, or buf is NULL
 *     while cap is not 0
 * @retval MEMSTORE_ERR_CACHE_CLOSED the store is closed
 * @threadsafety any
 * @progress Lock-free: completes whatever other threads do.
 * @since 0.1 */
MEMSTORE_API int memstore_get(memstore *store, const void *key, size_t key_size, void *buf,
                              size_t cap, size_t *value_size);

/** Get a value in place, pinned.
 * @param[in] store the store
 * @param[in] key,key_size the key
 * @param[out] out the view, for memstore_view_release(); all zero unless the call returns OK
 * @retval MEMSTORE_OK out holds the value
 * @retval MEMSTORE_ERR_KEY_NOT_FOUND no live entry has the key
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT an argument is NULL or key_size is 0
 * @retval MEMSTORE_ERR_LOCK_TIMEOUT `performance.max_concurrent_readers` views were held for
 *     `performance.lock_timeout`
 * @retval MEMSTORE_ERR_MEMORY_EXHAUSTED the system gave no memory to count the view by; not
 *     without `performance.max_concurrent_readers`
 * @retval MEMSTORE_ERR_CACHE_CLOSED the store is closed
 * @threadsafety any
 * @progress Lock-free: completes whatever other threads do. With
 *     `performance.max_concurrent_readers` it waits while as many views are held, at most
 *     `performance.lock_timeout`.
 * @since 0.1 */
MEMSTORE_API int memstore_get_view(memstore *store, const void *key, size_t key_size,
                                   memstore_view *out);

/** Give a view back and zero it.
 * @param[in,out] view may be NULL or all zero, which does nothing
 * @threadsafety any, also another thread than the one that got the view; `object` for the same view
 * @progress Lock-free: completes whatever other threads do. But of a view that counts for
 *     `performance.max_concurrent_readers`, and of one that came with an event, it waits for a lock that
 *     others hold for a few steps or for as long as an event is copied; of a value that the store did not
 *     take it frees memory by the system's allocator.
 * @since 0.1 */
MEMSTORE_API void memstore_view_release(memstore_view *view);

/** Remove an entry.
 * @param[in] store the store
 * @param[in] key,key_size the key
 * @retval MEMSTORE_OK a live entry was removed
 * @retval MEMSTORE_ERR_KEY_NOT_FOUND none was there
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT store or key is NULL, or key_size is 0
 * @retval MEMSTORE_ERR_LOCK_TIMEOUT as memstore_set(); the entry is as it was
 * @retval MEMSTORE_ERR_CACHE_CLOSED the store is closed
 * @threadsafety any
 * @progress Waits at most `performance.lock_timeout` for the key's shard.
 * @since 0.1 */
MEMSTORE_API int memstore_delete(memstore *store, const void *key, size_t key_size);

/** Whether a live entry has the key. Counts neither hit nor miss and does not protect the entry
 * from eviction.
 * @param[in] store the store
 * @param[in] key,key_size the key
 * @retval MEMSTORE_OK one has
 * @retval MEMSTORE_ERR_KEY_NOT_FOUND none has
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT store or key is NULL, or key_size is 0
 * @retval MEMSTORE_ERR_CACHE_CLOSED the store is closed
 * @threadsafety any
 * @progress Lock-free: completes whatever other threads do.
 * @since 0.1 */
MEMSTORE_API int memstore_has(memstore *store, const void *key, size_t key_size);

/* ---- TTL ------------------------------------------------------------------------------------- */

/** How long an entry has to live.
 * @param[in] store the store
 * @param[in] key,key_size the key
 * @param[out] ttl_ms the remaining milliseconds, at least 1
 * @retval MEMSTORE_OK *ttl_ms is set
 * @retval MEMSTORE_ERR_KEY_NOT_FOUND no entry has the key
 * @retval MEMSTORE_ERR_TTL_EXPIRED the entry has just run out and is not reclaimed yet
 * @retval MEMSTORE_ERR_TTL_NOT_SET the entry never expires
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT an argument is NULL or key_size is 0
 * @retval MEMSTORE_ERR_CACHE_CLOSED the store is closed
 * @threadsafety any
 * @progress Lock-free: completes whatever other threads do.
 * @since 0.1 */
MEMSTORE_API int memstore_get_ttl(memstore *store, const void *key, size_t key_size,
                                  int64_t *ttl_ms);

/** When an entry expires, as the wall clock stands now, rounded up: when that time comes the entry is
 * gone, for less than a millisecond.
 * @param[in] store the store
 * @param[in] key,key_size the key
 * @param[out] unix_ms the Unix time in milliseconds
 * @retval MEMSTORE_OK *unix_ms is set
 * @return otherwise as memstore_get_ttl()
 * @threadsafety any
 * @progress Lock-free: completes whatever other threads do.
 * @since 0.1 */
MEMSTORE_API int memstore_get_expiration(memstore *store, const void *key, size_t key_size,
                                         int64_t *unix_ms);

/** When an entry was last written. Needs `ttl.store_creation_time: true`.
 * @param[in] store the store
 * @param[in] key,key_size the key
 * @param[out] unix_ms the Unix time in milliseconds
 * @retval MEMSTORE_OK *unix_ms is set
 * @retval MEMSTORE_ERR_UNSUPPORTED the store keeps no creation times
 * @retval MEMSTORE_ERR_KEY_NOT_FOUND no live entry has the key
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT an argument is NULL or key_size is 0
 * @retval MEMSTORE_ERR_CACHE_CLOSED the store is closed
 * @threadsafety any
 * @progress Lock-free: completes whatever other threads do.
 * @since 0.1 */
MEMSTORE_API int memstore_get_created(memstore *store, const void *key, size_t key_size,
                                      int64_t *unix_ms);

/** Give an entry a new TTL, counted from now. The value and its version stay. Never revives an
 * expired entry.
 * @param[in] store the store
 * @param[in] key,key_size the key
 * @param[in] ttl_ms MEMSTORE_TTL_NONE, MEMSTORE_TTL_DEFAULT or positive
 * @retval MEMSTORE_OK the entry has the new TTL
 * @retval MEMSTORE_ERR_KEY_NOT_FOUND no entry has the key
 * @retval MEMSTORE_ERR_TTL_EXPIRED the entry has just run out and is not reclaimed yet
 * @retval MEMSTORE_ERR_TTL_UPDATE_FAILED the entry was replaced while the call made room for the
 *     change
 * @retval MEMSTORE_ERR_INVALID_TTL negative, or outside the configured bounds, whether there is an entry
 *     or not
 * @return otherwise as memstore_set()
 * @threadsafety any
 * @progress Waits as memstore_set().
 * @since 0.1 */
MEMSTORE_API int memstore_update_ttl(memstore *store, const void *key, size_t key_size,
                                     int64_t ttl_ms);

/* ---- Batches --------------------------------------------------------------------------------- */

/** Store several entries, all or none. When a key stands twice, the later one counts.
 * @param[in] store the store
 * @param[in] entries,n the entries; n may be 0
 * @retval MEMSTORE_OK all are stored and became visible at one instant
 * @retval MEMSTORE_ERR_ENTRY_TOO_LARGE as memstore_set(), or all entries together are above half of the
 *     memory limit, less bookkeeping
 * @return otherwise as memstore_set() for the first entry refused; nothing was stored
 * @threadsafety any
 * @progress Waits as memstore_set(), for memory entry by entry, for all shards concerned together.
 * @since 0.1 */
MEMSTORE_API int memstore_set_many(memstore *store, const memstore_entry *entries, size_t n);

/** Get several values in place, pinned, as of one moment between batches.
 * @param[in] store the store
 * @param[in] keys,n the keys; n may be 0
 * @param[out] out n views in the order of the keys, for memstore_view_release_many(); data is
 *     NULL where no live entry has the key; all zero unless the call returns OK
 * @param[out] found how many keys were found; may be NULL
 * @retval MEMSTORE_OK done, also when nothing was found
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT an array or a key in it is NULL or empty
 * @retval MEMSTORE_ERR_LOCK_TIMEOUT a batch over these keys stayed in publication for
 *     `performance.lock_timeout`; or so many other views were held that with one for each key
 *     found there would be more than `performance.max_concurrent_readers`. More found than that
 *     is refused at once; memstore_read_many() has no such bound
 * @retval MEMSTORE_ERR_MEMORY_EXHAUSTED the system gave no memory to compare with batches or to
 *     count the views by
 * @retval MEMSTORE_ERR_CACHE_CLOSED the store is closed
 * @threadsafety any
 * @progress Lock-free, unless batches over the same shards keep committing meanwhile: then it waits
 *     for them, at most `performance.lock_timeout`. With `performance.max_concurrent_readers` it
 *     waits as long for a place for each view.
 * @since 0.1 */
MEMSTORE_API int memstore_get_many(memstore *store, const memstore_key *keys, size_t n,
                                   memstore_view *out, size_t *found);

/** Receives the values that memstore_read_many() found: n views in the order of the keys, data
 * NULL where no live entry has the key. They are valid during the call and not to be released.
 * No lock is held: it may call every function of the store; memstore_destroy() only closes it. */
typedef void (*memstore_read_fn)(const memstore_view *views, size_t n, void *context);

/** Call a function with several values in place, as of one moment between batches. The values are
 * pinned no longer than the call, so `performance.max_concurrent_readers` does not count them and
 * the call does not wait for views to be released.
 * @param[in] store the store
 * @param[in] keys,n the keys; n may be 0
 * @param[in] fn called once, unless the call fails
 * @param[in] context handed to fn
 * @retval MEMSTORE_OK fn was called, also when nothing was found
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT store or fn is NULL, or an array or a key in it is NULL or
 *     empty
 * @retval MEMSTORE_ERR_LOCK_TIMEOUT a batch over these keys stayed in publication for
 *     `performance.lock_timeout`
 * @retval MEMSTORE_ERR_MEMORY_EXHAUSTED the system gave no memory
 * @retval MEMSTORE_ERR_CACHE_CLOSED the store is closed
 * @threadsafety any
 * @progress Lock-free but for the system's allocator, unless batches keep committing: as
 *     memstore_get_many() where no number of views is bounded.
 * @since 0.1 */
MEMSTORE_API int memstore_read_many(memstore *store, const memstore_key *keys, size_t n,
                                    memstore_read_fn fn, void *context);

/** Give back what memstore_get_many() gave, and zero it.
 * @param[in,out] views,n as given; views already released are skipped
 * @threadsafety any; `object` for the same views
 * @progress Lock-free, but for what memstore_view_release() may wait for.
 * @since 0.1 */
MEMSTORE_API void memstore_view_release_many(memstore_view *views, size_t n);

/** Whether live entries have these keys, as of one moment between batches. Counts neither hits
 * nor misses.
 * @param[in] store the store
 * @param[in] keys,n the keys; n may be 0
 * @param[out] out n bytes, 1 where a live entry has the key, else 0
 * @param[out] found how many were found; may be NULL
 * @return as memstore_get_many()
 * @threadsafety any
 * @progress Lock-free, unless batches keep committing: as memstore_get_many().
 * @since 0.1 */
MEMSTORE_API int memstore_has_many(memstore *store, const memstore_key *keys, size_t n,
                                   unsigned char *out, size_t *found);

/** Remove several entries at one instant. Keys that are absent are passed over. Each entry that is
 * removed needs some 20 bytes of the limit until the call returns; a full store has them for some
 * hundreds of entries at 1 MiB, and some thousands from 16 MiB on. For more at once one without eviction
 * refuses (MEMSTORE_ERR_CACHE_FULL), and one that evicts gives up other entries, or some of these before they are removed: the
 * latter are not among `deleted`, but count as evicted.
 * @param[in] store the store
 * @param[in] keys,n the keys; n may be 0
 * @param[out] deleted how many live entries were removed; may be NULL
 * @retval MEMSTORE_OK done, also when nothing was there
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT an array or a key in it is NULL or empty; nothing is
 *     removed
 * @return otherwise as memstore_set(); nothing is removed
 * @threadsafety any
 * @progress Waits as memstore_set_many().
 * @since 0.1 */
MEMSTORE_API int memstore_delete_many(memstore *store, const memstore_key *keys, size_t n,
                                      size_t *deleted);

/** Start a batch: operations and conditions that are applied together by memstore_batch_commit(),
 * or not at all. Keys and values are copied into the batch. When a key has several operations,
 * the last one counts; a change of TTL is one of what those before it leave: after a set that is
 * stored with the new TTL, after a delete there is nothing to change.
 * @param[in] store the store; must outlive the batch
 * @return a batch for memstore_batch_free(), or NULL when store is NULL or the system gave no
 *     memory
 * @threadsafety any
 * @progress Lock-free, but for the system's allocator.
 * @since 0.1 */
MEMSTORE_API memstore_batch *memstore_batch_new(memstore *store);

/** Add a set.
 * @param[in,out] batch the batch
 * @param[in] key,key_size,value,value_size,ttl_ms as memstore_set()
 * @retval MEMSTORE_OK added
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT batch, key or value is NULL, or key_size is 0
 * @retval MEMSTORE_ERR_ENTRY_TOO_LARGE no store of any limit has room for it; nothing was added.
 *     Smaller limits are checked by memstore_batch_commit()
 * @retval MEMSTORE_ERR_MEMORY_EXHAUSTED the system gave no memory; the batch is as before
 * @threadsafety object
 * @progress Lock-free, but for the system's allocator.
 * @since 0.1 */
MEMSTORE_API int memstore_batch_set(memstore_batch *batch, const void *key, size_t key_size,
                                    const void *value, size_t value_size, int64_t ttl_ms);

/** Add a delete; an absent key is passed over at the commit.
 * @param[in,out] batch the batch
 * @param[in] key,key_size the key
 * @return as memstore_batch_set()
 * @threadsafety object
 * @progress Lock-free, but for the system's allocator.
 * @since 0.1 */
MEMSTORE_API int memstore_batch_delete(memstore_batch *batch, const void *key, size_t key_size);

/** Add a change of TTL; the commit fails with KEY_NOT_FOUND or TTL_EXPIRED if no live entry has the key
 * and the batch sets none before.
 * @param[in,out] batch the batch
 * @param[in] key,key_size the key
 * @param[in] ttl_ms as memstore_update_ttl()
 * @return as memstore_batch_set()
 * @threadsafety object
 * @progress Lock-free, but for the system's allocator.
 * @since 0.1 */
MEMSTORE_API int memstore_batch_update_ttl(memstore_batch *batch, const void *key, size_t key_size,
                                           int64_t ttl_ms);

/** Add a condition: the key's entry has this version when the batch commits.
 * @param[in,out] batch the batch
 * @param[in] key,key_size the key
 * @param[in] version as a view told it; 0 expects that no live entry is there
 * @return as memstore_batch_set()
 * @threadsafety object
 * @progress Lock-free, but for the system's allocator.
 * @since 0.1 */
MEMSTORE_API int memstore_batch_expect_version(memstore_batch *batch, const void *key,
                                               size_t key_size, uint64_t version);

/** Add a condition: no live entry has the key when the batch commits.
 * @param[in,out] batch the batch
 * @param[in] key,key_size the key
 * @return as memstore_batch_set()
 * @threadsafety object
 * @progress Lock-free, but for the system's allocator.
 * @since 0.1 */
MEMSTORE_API int memstore_batch_expect_absent(memstore_batch *batch, const void *key,
                                              size_t key_size);

/** Apply a batch at one instant, if all its conditions hold. The batch is empty afterwards when
 * the call succeeds, and unchanged, ready to be tried again, when it does not;
 * memstore_batch_refused() tells then what was to blame.
 * @param[in,out] batch the batch
 * @retval MEMSTORE_OK all operations are applied
 * @retval MEMSTORE_ERR_VERSION_MISMATCH an expect_version does not hold
 * @retval MEMSTORE_ERR_KEY_EXISTS an expect_absent does not hold
 * @retval MEMSTORE_ERR_KEY_NOT_FOUND an update_ttl met no live entry
 * @retval MEMSTORE_ERR_TTL_EXPIRED that of an update_ttl has just run out and is not reclaimed yet
 * @retval MEMSTORE_ERR_TTL_UPDATE_FAILED the entry of an update_ttl was replaced again and again while the
 *     batch was prepared
 * @retval MEMSTORE_ERR_ENTRY_TOO_LARGE as memstore_set_many()
 * @return otherwise as memstore_set() for the first operation refused; nothing was changed
 * @threadsafety object for the batch, any for the store
 * @progress Waits as memstore_set_many().
 * @since 0.1 */
MEMSTORE_API int memstore_batch_commit(memstore_batch *batch);

/** Which operation or condition of a batch was to blame when it was last refused: of the conditions that
 * did not hold the first, else the one that could not be done.
 * @param[in] batch the batch, after a memstore_batch_commit() that was refused
 * @param[out] number how many were added to the batch before that one; may be NULL
 * @param[out] key its key, valid until the batch is next changed, committed or freed; may be NULL
 * @retval MEMSTORE_OK they are set
 * @retval MEMSTORE_ERR_KEY_NOT_FOUND none was to blame by itself, but want of memory or a lock, for
 *     instance; or nothing was refused since the batch was last changed
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT batch is NULL
 * @threadsafety object
 * @progress Lock-free: waits for nothing.
 * @since 0.1 */
MEMSTORE_API int memstore_batch_refused(const memstore_batch *batch, size_t *number,
                                        memstore_key *key);

/** Free a batch; what was not committed is dropped.
 * @param[in] batch may be NULL
 * @threadsafety object
 * @progress Lock-free, but for the system's allocator.
 * @since 0.1 */
MEMSTORE_API void memstore_batch_free(memstore_batch *batch);

/* ---- Management ------------------------------------------------------------------------------ */

/** Remove all entries that are there when the call starts. Not one instant: shards are emptied one
 * after the other, so that readers may find some entries of a batch and others not, and of a batch that
 * is committed meanwhile some may go, too.
 * @param[in] store the store
 * @retval MEMSTORE_OK they are gone
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT store is NULL
 * @retval MEMSTORE_ERR_LOCK_TIMEOUT a writer held a shard, or
 *     `performance.max_concurrent_writers` were at work, for `performance.lock_timeout`; some
 *     entries may be gone
 * @retval MEMSTORE_ERR_CACHE_CLOSED the store is closed
 * @threadsafety any
 * @progress Waits at most `performance.lock_timeout` for all shards together, and with
 *     `maintenance: manual` for the reads in progress.
 * @since 0.1 */
MEMSTORE_API int memstore_clear(memstore *store);

/** How many live entries there are, exactly: entries that have expired by now are not counted. Of a
 * batch that is being committed it may count a part.
 * @param[in] store the store
 * @return the number; 0 when store is NULL or closed
 * @threadsafety any
 * @progress Waits only for locks that others hold for a few steps; but if something has expired, at
 *     most `performance.lock_timeout` for whoever reclaims.
 * @since 0.1 */
MEMSTORE_API uint64_t memstore_size(memstore *store);

/** How many bytes the store may use, index and slack included: the limit in force, which
 * `memory_pressure` may have lowered. memstore_memory_stats has the configured one beside it.
 * @param[in] store the store
 * @return the limit; 0 when store is NULL or closed
 * @threadsafety any
 * @progress Lock-free: completes whatever other threads do.
 * @since 0.1 */
MEMSTORE_API uint64_t memstore_capacity(memstore *store);

/** Reclaim dead bytes by moving live entries together.
 * @param[in] store the store
 * @param[in] max_dead_ratio dead bytes allowed, as a share of live and dead bytes, from 0 to 1
 * @retval MEMSTORE_OK the share is at or under the bound
 * @retval MEMSTORE_ERR_MEMORY_FRAGMENTATION it could not be brought there, because views pin
 *     segments or no room is left
 * @retval MEMSTORE_ERR_LOCK_TIMEOUT another thread reclaimed for `performance.lock_timeout`, or
 *     memstore_bound_waits() has stopped it
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT store is NULL or the ratio is not from 0 to 1
 * @retval MEMSTORE_ERR_CACHE_CLOSED the store is closed
 * @threadsafety any
 * @progress Waits before each segment at most `performance.lock_timeout` for whoever reclaims, and after
 *     it as long for the reads in progress; with `maintenance: manual` until they have ended.
 * @since 0.1 */
MEMSTORE_API int memstore_compact(memstore *store, double max_dead_ratio);

/** Do the maintenance thread's work in the caller: apply asynchronous writes that are due, remove
 * what has expired, reclaim, keep free segments ready, watch `memory_pressure`. Needed only with `maintenance: manual`, allowed always.
 * @param[in] store the store
 * @param[in] budget_us stop after about this many microseconds; 0 does all there is
 * @retval MEMSTORE_OK nothing is left to do
 * @retval MEMSTORE_ERR_LOCK_TIMEOUT the budget ended first, another thread reclaimed for
 *     `performance.lock_timeout`, or asynchronous writes that are due could not be applied; call
 *     again
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT store is NULL or budget_us is negative
 * @retval MEMSTORE_ERR_CACHE_CLOSED the store is closed
 * @threadsafety any
 * @progress Waits for whoever reclaims until the budget ends, without a budget at most
 *     `performance.lock_timeout`; and for the reads in progress.
 * @since 0.1 */
MEMSTORE_API int memstore_maintain(memstore *store, int64_t budget_us);

/* ---- Patterns and iteration ------------------------------------------------------------------ */

/** Receives a key. The bytes are valid during the call. No lock is held: it may call every
 * function of the store; memstore_destroy() only closes it.
 * @return 0 to go on, anything else to stop */
typedef int (*memstore_key_fn)(const void *key, size_t key_size, void *context);

/** Call a function for each live key that matches a pattern. Every key present throughout the
 * call is met exactly once; of what is written or removed meanwhile, by a batch too, any part may be.
 *
 * Patterns: `*` any run of bytes (also across `/`), `?` one byte, `[a-z]` one of a set, `[^a]`
 * or `[!a]` one not of it, `\` takes the next byte literally, in a set too; the empty pattern
 * matches every key. A set without a member or an end, a range from a higher byte to a lower one and
 * a `\` at the end are malformed.
 * Matching takes time linear in the key per star.
 * @param[in] store the store
 * @param[in] pattern,pattern_size the pattern; may be NULL when pattern_size is 0
 * @param[in] fn called for each key; stops the iteration by returning other than 0
 * @param[in] context handed to fn
 * @retval MEMSTORE_OK done, or stopped by fn
 * @retval MEMSTORE_ERR_INVALID_PATTERN the pattern is malformed; fn was not called
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT store, fn or pattern is NULL
 * @retval MEMSTORE_ERR_MEMORY_EXHAUSTED the system gave no memory to copy keys to
 * @retval MEMSTORE_ERR_LOCK_TIMEOUT memstore_bound_waits() has stopped it
 * @retval MEMSTORE_ERR_CACHE_CLOSED the store is closed
 * @threadsafety any; blocks no reader and no writer
 * @progress Lock-free, but for the system's allocator: completes whatever other threads do with the
 *     store.
 * @since 0.1 */
MEMSTORE_API int memstore_keys(memstore *store, const char *pattern, size_t pattern_size,
                               memstore_key_fn fn, void *context);

/** Count the live keys that match a pattern.
 * @param[in] store,pattern,pattern_size as memstore_keys()
 * @param[out] count how many match
 * @return as memstore_keys()
 * @threadsafety any; blocks no reader and no writer
 * @progress Lock-free, but for the system's allocator: completes whatever other threads do with the
 *     store.
 * @since 0.1 */
MEMSTORE_API int memstore_count_by_pattern(memstore *store, const char *pattern,
                                           size_t pattern_size, uint64_t *count);

/** Remove the live entries whose keys match a pattern. Not one instant: entries go one after the
 * other.
 * @param[in] store,pattern,pattern_size as memstore_keys()
 * @param[out] deleted how many were removed, also when the call fails midway; may be NULL
 * @retval MEMSTORE_ERR_LOCK_TIMEOUT a writer held a shard for `performance.lock_timeout`, or
 *     memstore_bound_waits() has stopped it
 * @return otherwise as memstore_keys()
 * @threadsafety any
 * @progress Waits at most `performance.lock_timeout` for each matching key's shard.
 * @since 0.1 */
MEMSTORE_API int memstore_delete_by_pattern(memstore *store, const char *pattern,
                                            size_t pattern_size, uint64_t *deleted);

/** Start an iteration over the live keys that match a pattern. Every key present throughout
 * appears exactly once.
 * @param[in] store the store; must outlive the cursor
 * @param[in] pattern,pattern_size as memstore_keys()
 * @param[out] out the cursor, for memstore_cursor_free(); NULL on failure
 * @return as memstore_keys()
 * @threadsafety any
 * @progress Lock-free, but for the system's allocator.
 * @since 0.1 */
MEMSTORE_API int memstore_cursor_new(memstore *store, const char *pattern, size_t pattern_size,
                                     memstore_cursor **out);

/** The next key.
 * @param[in,out] cursor the cursor
 * @param[out] key the key, valid until the next call with this cursor
 * @retval MEMSTORE_OK key is set
 * @retval MEMSTORE_ERR_KEY_NOT_FOUND there are no more
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT an argument is NULL
 * @retval MEMSTORE_ERR_MEMORY_EXHAUSTED the system gave no memory to copy keys to; the call may
 *     be repeated
 * @retval MEMSTORE_ERR_LOCK_TIMEOUT memstore_bound_waits() has stopped it; the call may be repeated
 * @retval MEMSTORE_ERR_CACHE_CLOSED the store is closed
 * @threadsafety object
 * @progress Lock-free, but for the system's allocator: completes whatever other threads do with the
 *     store.
 * @since 0.1 */
MEMSTORE_API int memstore_cursor_next(memstore_cursor *cursor, memstore_key *key);

/** Free a cursor.
 * @param[in] cursor may be NULL
 * @threadsafety object
 * @progress Lock-free, but for the system's allocator.
 * @since 0.1 */
MEMSTORE_API void memstore_cursor_free(memstore_cursor *cursor);

/* ---- Waiting --------------------------------------------------------------------------------- */

/** Bound how long the calls of the calling thread wait, until this is called again: for a program that
 * has an answer to give by some time, or whose own caller may go. Where `performance.lock_timeout` lets
 * a call wait, for locks, places or memory, it waits no longer than this allows either. The time counts
 * for all waits together, from the first one on; so set a bound for each piece of work, and none after
 * it.
 *
 *     memstore_bound_waits(5, NULL);
 *     int status = memstore_set(store, key, key_size, value, value_size, 60000);
 *     int gave_up = memstore_bound_waits(-1, NULL) && status != MEMSTORE_OK;
 *
 * A call that gives up ends as one for which performance.lock_timeout has passed, with
 * MEMSTORE_ERR_LOCK_TIMEOUT, _GC_PRESSURE, _MEMORY_EXHAUSTED, _CACHE_FULL or _SHARD_OVERFLOW. It has
 * changed nothing, as each that is refused; but it is not counted as refused, nor told in the log, for
 * it was not the store that refused it. What memstore_set_async() has queued, and such a call was to
 * apply first, stays queued.
 *
 * memstore_close() and memstore_destroy() are not bounded, nor is the wait for a loader, for which
 * memstore_get_or_load() says how long it is. Who waits for the load of a call that gives up is not
 * refused with it: one of those who wait loads in its stead. Work that goes on is ended only where one call can have
 * much of it: a memory limit on its way down is given up, and passes over keys, memstore_delete_by_pattern()
 * and memstore_maintain() leave what they have not come to when they are stopped.
 * @param[in] wait_ms milliseconds to wait at most, all waits together; 0 waits for nothing; a negative
 *     number sets no bound
 * @param[in] stop NULL, or what another thread sets to another value than 0, in one atomic step, to end
 *     the waits within milliseconds. It is read until the thread next calls this function
 * @return 1 if the bound that was in force until now is over, or was stopped, so that a call which was
 *     refused under it may have given up; else 0
 * @threadsafety any; the bound is that of the calling thread alone
 * @progress Lock-free: waits for nothing.
 * @since 0.1 */
MEMSTORE_API int memstore_bound_waits(int64_t wait_ms, const int64_t *stop);

#ifdef __cplusplus
}
#endif

/* They need the types above. */
#include <memstore/events.h>
#include <memstore/loader.h>
#include <memstore/snapshot.h>

#endif
