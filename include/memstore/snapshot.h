/* SPDX-License-Identifier: Apache-2.0 */
/** @file snapshot.h
 * Filling a store before it is used: from a snapshot that was saved earlier, or through a loader.
 *
 * - **A snapshot is whole or is not there.** It is written beside the file that it replaces and takes
 *   its place in one step. A damaged, truncated or foreign file is refused before anything of it is
 *   loaded.
 * - **Saving stops nobody.** Readers and writers go on. Each entry is saved as it was at some moment
 *   during the call, and of each batch all or nothing.
 * - **Loading takes only room that is free.** What the store holds stays; where both know a key, the
 *   store's entry is the newer one and stays. If not all fits, what was of most use comes first.
 * - **Time goes on** while an entry is in a file: it expires when it would have expired. */
#ifndef MEMSTORE_SNAPSHOT_H
#define MEMSTORE_SNAPSHOT_H

#include <memstore/loader.h>

#ifdef __cplusplus
extern "C" {
#endif

/** In loader.h. */
struct memstore_loader;

/** What is being done. */
enum memstore_phase {
    MEMSTORE_PHASE_SAVING = 1,    /**< entries are written to the file */
    MEMSTORE_PHASE_VERIFYING = 2, /**< the file is read from end to end; nothing is loaded yet */
    MEMSTORE_PHASE_LOADING = 3,   /**< entries are stored */
    MEMSTORE_PHASE_WARMING = 4    /**< keys are loaded */
};

/** How far a call has come. Grows at its end; `struct_size` tells how much there is. */
typedef struct memstore_progress {
    size_t struct_size;
    int phase;    /**< a memstore_phase */
    int reserved; /**< 0 */
    /** entries or keys of this phase that are done; `done` is `total` in its last report */
    uint64_t done;
    uint64_t total;  /**< of as many; when saving, an estimate until the last report */
    uint64_t stored; /**< entries saved, or stored in the store */
    /** passed over, because the store has an entry under their key; or, of a load, knows something newer of it */
    uint64_t present;
    uint64_t expired;  /**< passed over, because they have expired meanwhile */
    uint64_t left_out; /**< passed over, because they do not fit the store any more */
    uint64_t absent;   /**< warming: keys that the loader does not know */
    uint64_t failed;   /**< warming: keys that could not be loaded or stored */
} memstore_progress;

/** Receives the progress, every now and then and at the end of each phase. No lock is held: it may
 * call every function of the store. But memstore_close() is refused with UNSUPPORTED and
 * memstore_destroy() does nothing: they would wait for the call that is calling.
 * @return 0 to go on, anything else to stop: the call then returns MEMSTORE_ERR_CANCELLED */
typedef int (*memstore_progress_fn)(const memstore_progress *progress, void *context);

/** Save all live entries to a file.
 *
 * The file is written as `path`.tmp in the same directory, brought to the disk and then renamed,
 * which replaces the file or symbolic link that was at `path`; anything else there, such as a device, is
 * refused. Whatever happens before, the end of
 * the process too, `path` is what it was. It can be read by nobody but its owner. Asynchronous
 * writes that are queued are applied first. Settings: `snapshot.compression`, `snapshot.fsync`,
 * `snapshot.batch_memory`.
 * @param[in] store the store
 * @param[in] path where to
 * @param[in] fn told of the progress; may be NULL
 * @param[in] context handed to fn
 * @retval MEMSTORE_OK saved
 * @retval MEMSTORE_ERR_IO the file could not be written; errno tells why
 * @retval MEMSTORE_ERR_CANCELLED fn has stopped it
 * @retval MEMSTORE_ERR_LOCK_TIMEOUT somebody else is saving to this path, or somebody held a lock for
 *     longer than `performance.lock_timeout`
 * @retval MEMSTORE_ERR_MEMORY_EXHAUSTED no memory; or batches overwrote more meanwhile than
 *     `snapshot.batch_memory` can keep
 * @retval MEMSTORE_ERR_UNSUPPORTED `snapshot.compression: zstd` in a library built without libzstd
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT store or path is NULL or empty
 * @retval MEMSTORE_ERR_CACHE_CLOSED the store is closed
 * @threadsafety any; several may save at once, to different paths. Waited for by memstore_close()
 * @progress Waits for the disk, and for one shard at a time as memstore_set(), which it holds for a
 *     copy of some hundred addresses. Holds nothing while it writes.
 * @since 0.1 */
MEMSTORE_API int memstore_save(memstore *store, const char *path, memstore_progress_fn fn,
                               void *context);

/** Load a snapshot.
 *
 * All of the file is verified before the first entry is stored, so a refusal has changed nothing. What
 * is stored and then turns out to be stopped, by fn or because somebody has written to the file
 * meanwhile, is taken back, except for entries that were written or moved since.
 *
 * Entries keep what is left of their TTL: the time since they were saved counts, as of the wall clock;
 * if that was set back, no time has passed. `ttl.max_ttl` and `life_window` bound it. Loading evicts
 * nothing: it stops when the store is full, after the entries that were of most use. Others may see
 * some of the entries while further ones are being stored. What is written or removed meanwhile, and what
 * loaders load or find not to exist, is newer: nothing is stored of these keys, nor, by chance, of one in
 * sixteen others when as many are written meanwhile as the file has.
 * @param[in] store the store, of any settings
 * @param[in] path the file
 * @param[in] fn told of the progress; may be NULL
 * @param[in] context handed to fn
 * @retval MEMSTORE_OK loaded; what was passed over is told to fn
 * @retval MEMSTORE_ERR_CORRUPT_SNAPSHOT the file is damaged, truncated or no snapshot, or was changed
 *     while it was read
 * @retval MEMSTORE_ERR_UNSUPPORTED the file is of a later version of the format
 *     (memstore_read_snapshot_info() tells which), or is compressed and the library was built without
 *     libzstd
 * @retval MEMSTORE_ERR_IO the file could not be read; errno tells why
 * @retval MEMSTORE_ERR_CANCELLED fn has stopped it
 * @retval MEMSTORE_ERR_MEMORY_EXHAUSTED no memory
 * @retval MEMSTORE_ERR_LOCK_TIMEOUT as memstore_set()
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT store or path is NULL or empty
 * @retval MEMSTORE_ERR_CACHE_CLOSED the store is closed
 * @threadsafety any. Waited for by memstore_close()
 * @progress Waits for the disk, and as memstore_set(); at its end for each shard in turn, without a bound.
 * @since 0.1 */
MEMSTORE_API int memstore_load(memstore *store, const char *path, memstore_progress_fn fn,
                               void *context);

/** What the beginning of a snapshot tells. */
typedef struct memstore_snapshot_info {
    size_t struct_size;  /**< sizeof(memstore_snapshot_info) as the caller knows it */
    uint32_t version;    /**< of the format */
    uint32_t compressed; /**< 1 when it was saved with `snapshot.compression: zstd` */
    int64_t saved_at_ms; /**< when, Unix milliseconds */
    uint64_t entries;    /**< that it holds */
    uint64_t bytes;      /**< of the file */
} memstore_snapshot_info;

/** Read the beginning of a snapshot. That the rest is whole is for memstore_load() to say.
 * @param[in] path the file
 * @param[in,out] info with struct_size set; all else zero unless the result is OK or UNSUPPORTED
 * @retval MEMSTORE_OK info is filled
 * @retval MEMSTORE_ERR_UNSUPPORTED this library cannot load it; info is filled
 * @retval MEMSTORE_ERR_CORRUPT_SNAPSHOT this is no snapshot
 * @retval MEMSTORE_ERR_IO the file could not be read; errno tells why
 * @retval MEMSTORE_ERR_MEMORY_EXHAUSTED no memory
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT an argument is NULL, path is empty or struct_size is wrong
 * @threadsafety any
 * @progress Waits for the disk.
 * @since 0.1 */
MEMSTORE_API int memstore_read_snapshot_info(const char *path, memstore_snapshot_info *info);

/** Load many keys ahead, before they are asked for.
 *
 * The keys that the store does not hold are loaded in groups as by memstore_get_or_load_many(), the
 * others are neither touched nor asked for. `loader.warm_rate` bounds the keys loaded in a second. What
 * fails is counted, and the rest is loaded all the same; so is what the store cannot take, whatever
 * `loader.on_store_error` says.
 * @param[in] store the store
 * @param[in] keys,n the keys
 * @param[in] loader where the values come from; not needed after the call
 * @param[in] fn told of the progress; may be NULL
 * @param[in] context handed to fn
 * @retval MEMSTORE_OK every key is there now, or the loader does not know it
 * @retval MEMSTORE_ERR_CANCELLED fn has stopped it; what was loaded stays
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT an argument is NULL, a key is empty, or as
 *     memstore_get_or_load()
 * @retval MEMSTORE_ERR_CACHE_CLOSED the store is closed, or was closed meanwhile
 * @retval MEMSTORE_ERR_MEMORY_EXHAUSTED no memory
 * @return otherwise the status of the first group that failed, as memstore_get_or_load_many()
 * @threadsafety any. Waited for by memstore_close(), which ends it after the group being loaded
 * @progress Waits for the loader, and as memstore_get_or_load().
 * @since 0.1 */
MEMSTORE_API int memstore_warm(memstore *store, const memstore_key *keys, size_t n,
                               const struct memstore_loader *loader, memstore_progress_fn fn,
                               void *context);

#ifdef __cplusplus
}
#endif

#endif
