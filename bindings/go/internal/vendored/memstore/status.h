/* SPDX-License-Identifier: Apache-2.0 */
/** @file status.h
 * What every memstore function that can fail returns: 0, or one negative value of this list. */
#ifndef MEMSTORE_STATUS_H
#define MEMSTORE_STATUS_H

#include <memstore/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The result of a call. Values are never renumbered and never reused; later versions may add
 * more, so treat an unknown negative value as a failure. */
enum memstore_status {
    /** The call did what it says. */
    MEMSTORE_OK = 0,
    /** No live entry has this key. An outcome, not a fault. */
    MEMSTORE_ERR_KEY_NOT_FOUND = -1,
    /** Eviction is off (`eviction: none`) and the limit is reached; nothing was stored. */
    MEMSTORE_ERR_CACHE_FULL = -2,
    /** Key and value together are above `max_entry_size`, or could never fit the memory limit, or one
     * of them is of 1 GiB or more. */
    MEMSTORE_ERR_ENTRY_TOO_LARGE = -3,
    /** The store was closed before the call, or while it waited. */
    MEMSTORE_ERR_CACHE_CLOSED = -4,
    /** The TTL is negative, too large to represent, or outside `ttl.min_ttl` .. `ttl.max_ttl`. */
    MEMSTORE_ERR_INVALID_TTL = -5,
    /** The absolute expiry asked for has passed, or a TTL call met an entry that has just run
     * out. */
    MEMSTORE_ERR_TTL_EXPIRED = -6,
    /** The entry never expires, so it has no TTL and no expiration. */
    MEMSTORE_ERR_TTL_NOT_SET = -7,
    /** A conditional TTL change lost its race; the TTL is as the winner left it. */
    MEMSTORE_ERR_TTL_UPDATE_FAILED = -8,
    /** The system gave no memory, or pinned views hold all of it. */
    MEMSTORE_ERR_MEMORY_EXHAUSTED = -9,
    /** Compaction could not bring dead bytes under the bound asked for. */
    MEMSTORE_ERR_MEMORY_FRAGMENTATION = -10,
    /** One shard's index cannot grow within the memory limit, and eviction is off. */
    MEMSTORE_ERR_SHARD_OVERFLOW = -11,
    /** A write waited `performance.lock_timeout` for reclaimed memory and got none. */
    MEMSTORE_ERR_GC_PRESSURE = -12,
    /** An argument is NULL, empty where that is not allowed, or outside its range. */
    MEMSTORE_ERR_INVALID_ARGUMENT = -13,
    /** A configuration key, value or combination is not valid; memstore_config_error() tells
     * which and why. */
    MEMSTORE_ERR_INVALID_CONFIG = -14,
    /** The pattern is malformed (an open bracket, a trailing backslash); nothing was touched. */
    MEMSTORE_ERR_INVALID_PATTERN = -15,
    /** The caller's buffer is too small; the size needed is set and nothing was copied. */
    MEMSTORE_ERR_BUFFER_TOO_SMALL = -16,
    /** A lock, or a place among as many readers or writers as are allowed, was not had within
     * `performance.lock_timeout`. */
    MEMSTORE_ERR_LOCK_TIMEOUT = -17,
    /** A live entry already has this key. */
    MEMSTORE_ERR_KEY_EXISTS = -18,
    /** The entry's version is not the one expected: it was written since, or is gone. */
    MEMSTORE_ERR_VERSION_MISMATCH = -19,
    /** The value is not a decimal 64-bit integer, or the sum would overflow one. */
    MEMSTORE_ERR_NOT_A_NUMBER = -20,
    /** The loader failed and no value could be served in its place. */
    MEMSTORE_ERR_LOADER_FAILED = -21,
    /** Reading or writing a file failed. */
    MEMSTORE_ERR_IO = -22,
    /** A snapshot is damaged, truncated or not a snapshot; nothing of it was loaded. */
    MEMSTORE_ERR_CORRUPT_SNAPSHOT = -23,
    /** This build or this running store cannot do it. */
    MEMSTORE_ERR_UNSUPPORTED = -24,
    /** A callback that was told of the progress asked for the end. */
    MEMSTORE_ERR_CANCELLED = -25
};

/** A sentence that explains a status to a person.
 * @param[in] status a value returned by a memstore function; any int is accepted
 * @return a static string, never NULL
 * @threadsafety any
 * @progress Lock-free: completes whatever other threads do.
 * @since 0.1 */
MEMSTORE_API const char *memstore_strerror(int status);

/** The identifier of a status, such as "MEMSTORE_ERR_KEY_NOT_FOUND".
 * @param[in] status a value returned by a memstore function; any int is accepted
 * @return a static string, "MEMSTORE_ERR_UNKNOWN" for a value that this version does not know
 * @threadsafety any
 * @progress Lock-free: completes whatever other threads do.
 * @since 0.1 */
MEMSTORE_API const char *memstore_status_name(int status);

#ifdef __cplusplus
}
#endif

#endif
