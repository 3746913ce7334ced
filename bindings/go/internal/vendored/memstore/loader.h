/* SPDX-License-Identifier: Apache-2.0 */
/** @file loader.h
 * When the cache misses: loading values from wherever they come from, once for however many
 * callers, and never storing what was overtaken meanwhile.
 *
 * - **One load.** Of a key that is not there one caller calls its loader; those who ask meanwhile
 *   wait for that load and get its value, even if it expires at once.
 * - **Invalidation wins.** A set, add, increment, delete, clear, delete_by_pattern or batch that
 *   writes the key during a load *overtakes* it: the loaded value is given to those who asked
 *   before, is not stored, and who asks afterwards begins another load.
 * - **Nothing is held** while a loader runs: it may call every function of the store, load other
 *   keys, and take its time. Asking in a loader for the key that it loads, or for one whose load
 *   waits for this one, fails at once with LOADER_FAILED. memstore_close() in a loader is refused
 *   with UNSUPPORTED.
 * - **What is old is refreshed.** From the age `loader.refresh_after` on one caller of those who ask
 *   calls the loader anew, once and without retries, while the others are given what there is.
 * - **The loader may fail.** A value that expired within `loader.max_stale` is given to those whose
 *   load failed; its `expires_at_ms` is in the past. After `loader.breaker_failures` failures in a
 *   row the loader is not called at all for `loader.breaker_open`.
 * - **The store may fail.** With `loader.on_store_error: bypass` a value that the store cannot take
 *   (too large, no memory, closed) is given to the callers all the same. */
#ifndef MEMSTORE_LOADER_H
#define MEMSTORE_LOADER_H

#include <memstore/memstore.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a loader says about a key. Negative results are failures. */
enum memstore_load_result {
    /** The value was found. */
    MEMSTORE_LOAD_OK = 0,
    /** There is no such key; this is remembered for `loader.negative_ttl`, unless the key is
     * written meanwhile. Callers get KEY_NOT_FOUND. */
    MEMSTORE_LOAD_ABSENT = 1,
    /** It did not work, and may work in a moment: the loader is called again after a pause, which
     * grows with each attempt and is random, for as long as `loader.timeout` allows. */
    MEMSTORE_LOAD_RETRY = 2,
    /** Of leases only, see memstore_lease_fail(): nobody has use for the load any more. What a loader
     * returns so has failed. */
    MEMSTORE_LOAD_ABANDONED = 3,
    /** It did not work. Callers get LOADER_FAILED. */
    MEMSTORE_LOAD_FAILED = -1
};

/** A value that a loader gives. This struct does not grow. */
typedef struct memstore_load_value {
    const void *value; /**< the bytes, which stay readable until `release` is called */
    size_t value_size;
    /** as for memstore_set(); at first what the loader's `ttl_ms` says */
    int64_t ttl_ms;
    /** called once the value is copied, with `release_context`; may be NULL. memstore_destroy() in it
     * closes the store at most */
    void (*release)(void *release_context);
    void *release_context;
    /** of load_many: a memstore_load_result, at first MEMSTORE_LOAD_ABSENT */
    int result;
    int reserved; /**< 0 */
} memstore_load_value;

/** Load one key. Called with no lock held, by the thread that asked for the key.
 * @param key,key_size the key, valid for the call
 * @param out the value, to be filled when the result is MEMSTORE_LOAD_OK
 * @param context the loader's
 * @return a memstore_load_result */
typedef int (*memstore_load_fn)(const void *key, size_t key_size, memstore_load_value *out,
                                void *context);

/** Load several keys, each at most once in the array. Called again for those alone that ask for it, when the others
 * have been stored and their values released.
 * @param keys,n the keys, valid for the call
 * @param out one for each key; what is left as it was counts as absent
 * @param context the loader's
 * @return MEMSTORE_LOAD_OK when each `result` tells about its key; MEMSTORE_LOAD_RETRY or a failure
 *     tells about all of them */
typedef int (*memstore_load_many_fn)(const memstore_key *keys, size_t n, memstore_load_value *out,
                                     void *context);

/** How values are loaded. */
typedef struct memstore_loader {
    size_t struct_size;    /**< sizeof(memstore_loader) as the caller knows it */
    memstore_load_fn load; /**< needed, but where load_many serves */
    void *context;         /**< handed to both functions */
    int64_t ttl_ms;        /**< of what the loader gives no other TTL; 0 = MEMSTORE_TTL_NONE */
    /** longest that a caller waits for a load of another, 0 = no bound; the load goes on */
    int64_t wait_ms;
    /** used by memstore_get_or_load_many(); NULL = `load` is called for each key */
    memstore_load_many_fn load_many;
    /** what loaders share a circuit breaker by, see `loader.breaker_failures`; NULL = `load` (or else
     * `load_many`) and `context` together stand for it; "" = the one of all leases */
    const char *name;
} memstore_loader;

/** The right to load a key, and the duty to say how it went: see memstore_lease_acquire(). */
typedef struct memstore_lease memstore_lease;

/** Read a value in place, or load it.
 * @param[in] store the store
 * @param[in] key,key_size the key
 * @param[in] loader where the value comes from; not needed after the call
 * @param[out] out the value, for memstore_view_release(); all zero unless the result is OK. Of a
 *     value that was not stored the version is one that no entry has, or had for long
 * @retval MEMSTORE_OK out is filled
 * @retval MEMSTORE_ERR_KEY_NOT_FOUND the loader says that there is no such key, now or within
 *     `loader.negative_ttl`
 * @retval MEMSTORE_ERR_LOADER_FAILED the loader failed, here or in the thread that was waited for,
 *     and there is no older value that may serve; its breaker is open; its retries took all of `loader.timeout`; or the key is being loaded by this thread, or by
 *     one that waits for it
 * @retval MEMSTORE_ERR_LOCK_TIMEOUT the load of another took longer than `wait_ms`; or there was
 *     no place among `loader.max_loads` or `loader.max_load_bytes` for `loader.timeout`, or among
 *     `performance.max_concurrent_readers` for `performance.lock_timeout`; and the value has not been
 *     stored meanwhile, or there is no place to show it
 * @retval MEMSTORE_ERR_INVALID_TTL the loader gave a TTL that is not accepted
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT an argument is NULL, the key is empty, struct_size is
 *     wrong, the loader has no `load`, or wait_ms is negative
 * @retval MEMSTORE_ERR_UNSUPPORTED the loader sets members that only a later version knows
 * @retval MEMSTORE_ERR_CACHE_CLOSED the store was closed while the call waited for another's load or
 *     for a retry; or it is closed, with `loader.on_store_error: fail`
 * @return with `loader.on_store_error: fail` also what memstore_get_view() and memstore_set() give,
 *     unless there is an old value, which is given; with `bypass` that too when `loader.bypass_limit` is
 *     reached
 * @threadsafety any
 * @progress Waits for the loader, or for another thread's, `wait_ms` at most; and as
 *     memstore_get_view() and memstore_set(), for room for what replaces an old value 10 ms at most.
 * @since 0.1 */
MEMSTORE_API int memstore_get_or_load(memstore *store, const void *key, size_t key_size,
                                      const memstore_loader *loader, memstore_view *out);

/** Read several values in place, and load those that are not there: by one call of the loader's
 * `load_many`, but for keys that others are loading already, which are waited for.
 * @param[in] store the store
 * @param[in] keys,n the keys
 * @param[in] loader where the values come from; not needed after the call
 * @param[out] out n views, for memstore_view_release_many(); data is NULL where the loader says that
 *     there is no such key. All zero unless the result is OK
 * @param[out] found how many were found or loaded; may be NULL
 * @retval MEMSTORE_OK out is filled
 * @return otherwise as memstore_get_or_load(), of the first key that failed; what was loaded of the
 *     others is stored. Also MEMSTORE_ERR_MEMORY_EXHAUSTED
 * @threadsafety any
 * @progress Waits as memstore_get_or_load().
 * @since 0.1 */
MEMSTORE_API int memstore_get_or_load_many(memstore *store, const memstore_key *keys, size_t n,
                                           const memstore_loader *loader, memstore_view *out,
                                           size_t *found);

/** Read a value in place, or get the right to load it: memstore_get_or_load() without a callback,
 * for programs that load elsewhere: in another thread, in an event loop, in another language.
 *
 * Of a key one lease is out at a time, and it counts as a load in flight: others wait for it, writes
 * overtake it. It must come back by memstore_lease_fill() or memstore_lease_fail(), on any thread and
 * before memstore_destroy(). If it does not within `loader.lease_timeout`, it ends: the next caller
 * gets another, and the fill of the old one is refused. Leases take no place among
 * `loader.max_loads`.
 * @param[in] store the store
 * @param[in] key,key_size the key
 * @param[in] timeout_ms how long to wait for the load of another; 0 = not at all
 * @param[out] lease a lease, when the value is to be loaded; NULL otherwise
 * @param[out] out the value, when it is there or another has loaded it; all zero otherwise
 * @retval MEMSTORE_OK one of lease and out is filled; or both, when the value is there and older than
 *     `loader.refresh_after`, and it is the caller who is to load it anew, at his leisure
 * @retval MEMSTORE_ERR_KEY_NOT_FOUND it is known that there is no such key
 * @retval MEMSTORE_ERR_LOCK_TIMEOUT another loads the key, and did for timeout_ms; or as
 *     memstore_set()
 * @retval MEMSTORE_ERR_LOADER_FAILED the load of another that was waited for failed; or the breaker
 *     that all leases of a store share is open
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT an argument is NULL, the key is empty or timeout_ms is
 *     negative
 * @retval MEMSTORE_ERR_ENTRY_TOO_LARGE no entry can have so long a key
 * @retval MEMSTORE_ERR_MEMORY_EXHAUSTED no memory for the lease
 * @retval MEMSTORE_ERR_CACHE_FULL the limit is reached and eviction is off
 * @retval MEMSTORE_ERR_GC_PRESSURE no memory for it came free within `performance.lock_timeout`
 * @retval MEMSTORE_ERR_CACHE_CLOSED the store is closed
 * @return otherwise as memstore_get_view()
 * @threadsafety any
 * @progress Waits for the load of another, timeout_ms at most; and as memstore_get_view() and
 *     memstore_set().
 * @since 0.1 */
MEMSTORE_API int memstore_lease_acquire(memstore *store, const void *key, size_t key_size,
                                        int64_t timeout_ms, memstore_lease **lease,
                                        memstore_view *out);

/** Whether what a lease is filled with would be stored, and given to those who ask now: the lease
 * has not ended, nobody has written the key since, and the store is open.
 * @param[in] lease the lease
 * @return 1 or 0; 0 for NULL
 * @threadsafety any
 * @progress Waits only for locks that others hold for a few steps.
 * @since 0.1 */
MEMSTORE_API int memstore_lease_is_current(const memstore_lease *lease);

/** Give the value that a lease was got for, and give the lease back.
 * @param[in] lease the lease; not valid afterwards, whatever the result
 * @param[in] value,value_size the value; value may be NULL when value_size is 0
 * @param[in] ttl_ms as memstore_set()
 * @param[out] out the value as it is given to those who wait, for memstore_view_release(): where the
 *     store refuses to replace an old one with it, with `loader.on_store_error: fail`, that is the old
 *     one; all zero when they get none. May be NULL
 * @retval MEMSTORE_OK stored, and given to those who wait
 * @retval MEMSTORE_ERR_VERSION_MISMATCH not stored: the key was written, deleted or cleared since
 *     the lease was given, and only those who waited before that get the value; or the lease has
 *     ended
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT lease or value is NULL; those who wait get LOADER_FAILED
 * @return otherwise as memstore_set(); with `loader.on_store_error: bypass` those who wait get the
 *     value all the same
 * @threadsafety any
 * @progress Waits as memstore_set(); where an old value is to be replaced 10 ms at most.
 * @since 0.1 */
MEMSTORE_API int memstore_lease_fill(memstore_lease *lease, const void *value, size_t value_size,
                                     int64_t ttl_ms, memstore_view *out);

/** Give a lease back without a value.
 * @param[in] lease the lease; not valid afterwards
 * @param[in] result MEMSTORE_LOAD_ABSENT: those who wait get KEY_NOT_FOUND, which is remembered for
 *     `loader.negative_ttl`; MEMSTORE_LOAD_ABANDONED: it was not seen how the load goes, which is no
 *     failure to the statistics, the breaker and later refreshes, and one of those who wait loads in his
 *     stead; anything else: the load failed
 * @param[out] out an older value that serves in place of the one that was to be loaded, for
 *     memstore_view_release(); all zero otherwise. May be NULL
 * @retval MEMSTORE_OK those who wait, and out, get a value that expired within `loader.max_stale`, or
 *     the one that was to be refreshed, if it has not been evicted since
 * @retval MEMSTORE_ERR_KEY_NOT_FOUND the result was MEMSTORE_LOAD_ABSENT
 * @retval MEMSTORE_ERR_LOADER_FAILED those who wait get this; or the result was MEMSTORE_LOAD_ABANDONED
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT lease is NULL
 * @return with `performance.max_concurrent_readers` also what memstore_get_view() gives
 * @threadsafety any
 * @progress Waits as memstore_delete().
 * @since 0.1 */
MEMSTORE_API int memstore_lease_fail(memstore_lease *lease, int result, memstore_view *out);

#ifdef __cplusplus
}
#endif

#endif
