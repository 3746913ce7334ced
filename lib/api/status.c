/* SPDX-License-Identifier: Apache-2.0 */
#include <memstore/status.h>

/* The switches have no default, so that a status without a text does not compile. */
#pragma GCC diagnostic error "-Wswitch"

const char *memstore_strerror(int status)
{
    switch ((enum memstore_status)status) {
    case MEMSTORE_OK:
        return "success";
    case MEMSTORE_ERR_KEY_NOT_FOUND:
        return "no live entry has this key";
    case MEMSTORE_ERR_CACHE_FULL:
        return "the memory limit is reached and eviction is off";
    case MEMSTORE_ERR_ENTRY_TOO_LARGE:
        return "key and value are above max_entry_size or could never fit the memory limit";
    case MEMSTORE_ERR_CACHE_CLOSED:
        return "the store is closed";
    case MEMSTORE_ERR_INVALID_TTL:
        return "the TTL is negative, too large, or outside ttl.min_ttl .. ttl.max_ttl";
    case MEMSTORE_ERR_TTL_EXPIRED:
        return "the expiry has already passed";
    case MEMSTORE_ERR_TTL_NOT_SET:
        return "the entry never expires";
    case MEMSTORE_ERR_TTL_UPDATE_FAILED:
        return "the TTL was changed by another caller first";
    case MEMSTORE_ERR_MEMORY_EXHAUSTED:
        return "the system gave no memory, or pinned views hold all of it";
    case MEMSTORE_ERR_MEMORY_FRAGMENTATION:
        return "compaction could not bring dead bytes under the bound asked for";
    case MEMSTORE_ERR_SHARD_OVERFLOW:
        return "the index cannot grow within the memory limit";
    case MEMSTORE_ERR_GC_PRESSURE:
        return "no memory was reclaimed within performance.lock_timeout";
    case MEMSTORE_ERR_INVALID_ARGUMENT:
        return "an argument is NULL, empty where that is not allowed, or outside its range";
    case MEMSTORE_ERR_INVALID_CONFIG:
        return "a configuration key, value or combination is not valid";
    case MEMSTORE_ERR_INVALID_PATTERN:
        return "the pattern is malformed";
    case MEMSTORE_ERR_BUFFER_TOO_SMALL:
        return "the buffer is too small";
    case MEMSTORE_ERR_LOCK_TIMEOUT:
        return "a lock or a place was not had within performance.lock_timeout";
    case MEMSTORE_ERR_KEY_EXISTS:
        return "a live entry already has this key";
    case MEMSTORE_ERR_VERSION_MISMATCH:
        return "the entry was written since, or is gone";
    case MEMSTORE_ERR_NOT_A_NUMBER:
        return "the value is not a decimal 64-bit integer, or the sum would overflow one";
    case MEMSTORE_ERR_LOADER_FAILED:
        return "the loader failed and no value could be served in its place";
    case MEMSTORE_ERR_IO:
        return "reading or writing a file failed";
    case MEMSTORE_ERR_CORRUPT_SNAPSHOT:
        return "the snapshot is damaged, truncated or not a snapshot";
    case MEMSTORE_ERR_UNSUPPORTED:
        return "this build or this running store cannot do it";
    case MEMSTORE_ERR_CANCELLED:
        return "a callback of progress asked for the end";
    }
    return "a status that this version does not know";
}

#define NAME(status)                                                                               \
    case status:                                                                                   \
        return #status

const char *memstore_status_name(int status)
{
    switch ((enum memstore_status)status) {
        NAME(MEMSTORE_OK);
        NAME(MEMSTORE_ERR_KEY_NOT_FOUND);
        NAME(MEMSTORE_ERR_CACHE_FULL);
        NAME(MEMSTORE_ERR_ENTRY_TOO_LARGE);
        NAME(MEMSTORE_ERR_CACHE_CLOSED);
        NAME(MEMSTORE_ERR_INVALID_TTL);
        NAME(MEMSTORE_ERR_TTL_EXPIRED);
        NAME(MEMSTORE_ERR_TTL_NOT_SET);
        NAME(MEMSTORE_ERR_TTL_UPDATE_FAILED);
        NAME(MEMSTORE_ERR_MEMORY_EXHAUSTED);
        NAME(MEMSTORE_ERR_MEMORY_FRAGMENTATION);
        NAME(MEMSTORE_ERR_SHARD_OVERFLOW);
        NAME(MEMSTORE_ERR_GC_PRESSURE);
        NAME(MEMSTORE_ERR_INVALID_ARGUMENT);
        NAME(MEMSTORE_ERR_INVALID_CONFIG);
        NAME(MEMSTORE_ERR_INVALID_PATTERN);
        NAME(MEMSTORE_ERR_BUFFER_TOO_SMALL);
        NAME(MEMSTORE_ERR_LOCK_TIMEOUT);
        NAME(MEMSTORE_ERR_KEY_EXISTS);
        NAME(MEMSTORE_ERR_VERSION_MISMATCH);
        NAME(MEMSTORE_ERR_NOT_A_NUMBER);
        NAME(MEMSTORE_ERR_LOADER_FAILED);
        NAME(MEMSTORE_ERR_IO);
        NAME(MEMSTORE_ERR_CORRUPT_SNAPSHOT);
        NAME(MEMSTORE_ERR_UNSUPPORTED);
        NAME(MEMSTORE_ERR_CANCELLED);
    }
    return "MEMSTORE_ERR_UNKNOWN";
}
