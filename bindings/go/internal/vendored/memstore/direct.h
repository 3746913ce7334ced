/* SPDX-License-Identifier: Apache-2.0 */
/** @file direct.h
 * Reading a store's memory without calling the library: for the bindings of languages in which a call
 * costs more than a look-up. Applications have no use for it.
 *
 * A direct reader looks up an entry of a *usual* store (bit 16 of `hot`) in a section of a lane. What it
 * finds in any other state than the one described here, it leaves to memstore_get().
 *
 * - **A section**: add 1 to the lane's turn, which makes it odd; then load `hot`, and all else; add 1 to
 *   the turn when nothing more is loaded. The store to the turn must come before these loads in the
 *   program, and needs no fence: the library has the kernel run one. One at a time has the lane, and
 *   nothing that takes long may happen inside: a reader that stands still there holds up the reuse of
 *   memory.
 * - **The bucket**: `hash` is XXH3-64 of the key with `seed`. The shard is `hash >> 48 & hot & 0xffff`;
 *   its word at `tables + 8 * shard` has the table's first bucket in its upper half and their number
 *   in its lower. The home bucket is `(hash & 0xffffffff) * number >> 32`, of 64 bytes at `base`:
 *   ten tags of 2 bytes (`hash >> 32`), 4 bytes `overflow`, ten places of 4 bytes. A slot's place 0 is
 *   an empty slot; an entry that is not in the bucket is in one behind it, around the end, if
 *   `overflow` is not 0.
 * - **The entry** at an offset of `place << granule_shift` from `base`: expiry 4 bytes, mark 1, size of the key 1, size of the value 2,
 *   key, value. Size of the key 0: something else. Expiry 0xffffffff: never; 0xfffffffe: something
 *   else; otherwise milliseconds after the `int64_t` at offset 16 of the segment's record, on the
 *   monotonic clock. The record is at `segments + 128 * (offset >> segment_shift)`, if the offset is below
 *   `pages_offset`.
 * - **The clock** tells monotonic milliseconds, up to MEMSTORE_CLOCK_LAG_MS of them late, and makes the
 *   processor wait for nothing, as exact clocks do. What expires later than these is live; what does
 *   not is left to memstore_get().
 * - **Several look-ups** in one section are of one moment between batches if as many batches were done
 *   as begun before the first (`batches`; done is loaded first) and no more were begun after the last.
 *   Otherwise memstore_get_many() is asked.
 * - **A use** is noted by counting up the lower five bits of the mark, if they are below 3.
 * - **The counts** at `reads` and `misses`, less `stripe_bytes` times the lane's position among those
 *   claimed, are the lane's own to add to: each get that found its key or did not is a read. */
#ifndef MEMSTORE_DIRECT_H
#define MEMSTORE_DIRECT_H

#include <memstore/export.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct memstore;

/** The version of all that is described here. It changes with any of it, released or not. */
#define MEMSTORE_LAYOUT_VERSION 4

/** How late the clock of a layout may be. */
#define MEMSTORE_CLOCK_LAG_MS 100

/** How many lanes a process may claim; threads keep as many numbers. */
#define MEMSTORE_LANES_MAX 64

/** Lanes that were claimed. */
typedef struct memstore_lanes {
    uint64_t *turns; /**< the first lane's turn */
    size_t stride;   /**< bytes from one to the next */
    uint32_t count;  /**< as many */
    uint32_t first;  /**< for memstore_get_layout() */
} memstore_lanes;

/** Where a store's memory is; all of it stays mapped until memstore_destroy(). Grows at its end;
 * `struct_size` tells how much there is. */
typedef struct memstore_layout {
    size_t struct_size;
    uint64_t version; /**< MEMSTORE_LAYOUT_VERSION of the library */
    const uint64_t *hot;
    const void *base;
    const void *tables;
    const void *segments;
    uint64_t segment_shift;
    uint64_t pages_offset;
    uint64_t *reads;  /**< the first claimed lane's count */
    uint64_t *misses; /**< likewise */
    uint64_t stripe_bytes;
    uint64_t seed;
    void (*clock)(int64_t *now_ms);
    const uint64_t *batches; /**< how many were begun; then, how many are done */
    uint64_t granule_shift;  /**< 2 for limits below 4 GiB, more beyond */
} memstore_layout;

/** Claim lanes for as long as the process lives. A child of fork() must not read in those of its parent.
 *
 * @param[in] count  how many, at most MEMSTORE_LANES_MAX in the process
 * @param[out] out   what was claimed; set on success only
 * @retval MEMSTORE_OK
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT  `out` is NULL, or `count` is 0
 * @retval MEMSTORE_ERR_UNSUPPORTED       there are not so many left, or the kernel has no membarrier()
 * @threadsafety any
 * @progress Waits for a lock that others hold for a few steps.
 * @since 0.1 */
MEMSTORE_API int memstore_claim_lanes(uint32_t count, memstore_lanes *out);

/** Tell a direct reader where a store's memory is.
 *
 * @param[in] store  a store
 * @param[in] lanes  what memstore_claim_lanes() gave
 * @param[in,out] out  `struct_size` is set by the caller; the members that it covers are filled
 * @retval MEMSTORE_OK
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT  an argument is NULL, or `struct_size` is too small
 * @retval MEMSTORE_ERR_UNSUPPORTED       this store will never be a usual one: another hash or policy, a limit
 *                                        below 4 MiB or of 256 GiB and more, `ttl.mode: access`, or
 *                                        creation times
 * @threadsafety any
 * @progress Lock-free
 * @since 0.1 */
MEMSTORE_API int memstore_get_layout(struct memstore *store, const memstore_lanes *lanes,
                                     memstore_layout *out);

#ifdef __cplusplus
}
#endif

#endif
