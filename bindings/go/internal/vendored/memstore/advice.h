/* SPDX-License-Identifier: Apache-2.0 */
/** @file advice.h
 * How a store is used, and which settings to change for it, each with the figure behind it.
 * docs/advice.md says how each figure is come by.
 *
 * Some is known of every store: entries that expire unread, sizes, TTLs, how entries are spread over
 * shards. The rest needs some keys to be followed: `monitoring.access_sample_ratio`, which can be
 * switched on and off while the store is in use. */
#ifndef MEMSTORE_ADVICE_H
#define MEMSTORE_ADVICE_H

#include <memstore/export.h>
#include <memstore/stats.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct memstore;

/** What a piece of advice is about. */
enum memstore_advice_kind {
    MEMSTORE_ADVICE_TRACKING = 1,        /**< keys are not followed, or too few, or too many */
    MEMSTORE_ADVICE_MORE_MEMORY = 2,     /**< a larger limit would save misses */
    MEMSTORE_ADVICE_LESS_MEMORY = 3,     /**< a smaller limit would cost none */
    MEMSTORE_ADVICE_EVICTION = 4,        /**< another policy would save misses */
    MEMSTORE_ADVICE_TTL_TOO_LONG = 5,    /**< entries expire without having been read */
    MEMSTORE_ADVICE_TTL_TOO_SHORT = 6,   /**< entries are read after they have expired */
    MEMSTORE_ADVICE_TTL_JITTER = 7,      /**< many entries expire at one moment */
    MEMSTORE_ADVICE_HOT_KEYS = 8,        /**< few keys get much of the reads */
    MEMSTORE_ADVICE_READ_ONCE = 9,       /**< most keys are read once, and the policy keeps them */
    MEMSTORE_ADVICE_LARGE_ENTRIES = 10,  /**< large entries take room and are not read */
    MEMSTORE_ADVICE_SHARDS = 11,         /**< entries crowd in few shards */
    MEMSTORE_ADVICE_REFUSED = 12,        /**< writes are refused because the store is full */
    MEMSTORE_ADVICE_MEMORY_PRESSURE = 13 /**< the limit is lowered because memory is short */
};

/** How much a piece of advice matters. */
enum memstore_advice_severity {
    MEMSTORE_ADVICE_INFO = 0,       /**< good to know */
    MEMSTORE_ADVICE_SUGGESTION = 1, /**< a change that would pay */
    MEMSTORE_ADVICE_WARNING = 2     /**< something goes wrong */
};

/** One piece of advice. All strings are the library's, never NULL, and valid for the call. */
typedef struct memstore_advice {
    size_t struct_size;    /**< sizeof(memstore_advice) as the library knows it */
    int32_t kind;          /**< enum memstore_advice_kind */
    int32_t severity;      /**< enum memstore_advice_severity */
    const char *name;      /**< the kind's name, "more_memory" */
    const char *what;      /**< a sentence for people */
    const char *evidence;  /**< the figures behind it */
    const char *setting;   /**< the setting to change, "performance.memory_limit"; "" = none */
    const char *current;   /**< its value */
    const char *suggested; /**< the value to give it */
    const char *expected;  /**< what is to be expected of the change */
} memstore_advice;

/** Takes one piece of advice. It may call every function of the store; memstore_destroy() only closes it.
 * @param advice valid for the call
 * @param context as it was given
 * @return 0 to go on; anything else ends the calls */
typedef int (*memstore_advice_fn)(const memstore_advice *advice, void *context);

/** One point of a miss-ratio curve. Not extended: frozen. */
typedef struct memstore_miss_ratio_point {
    uint64_t bytes;    /**< a `performance.memory_limit` */
    uint64_t entries;  /**< about how many entries fit it */
    double miss_ratio; /**< the share of reads that would have missed under least recently used */
} memstore_miss_ratio_point;

/** No curve has more points. */
#define MEMSTORE_CURVE_POINTS 64

/** Tell what to change, what matters most first. A store that there is nothing to say about gets no
 * call.
 * @param[in] store the store
 * @param[in] fn called once for each piece of advice, off every lock; it may call the store
 * @param[in] context handed to fn
 * @retval MEMSTORE_OK fn was called for all, or ended the calls
 * @retval MEMSTORE_ERR_MEMORY_EXHAUSTED the system gave no memory
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT store or fn is NULL
 * @retval MEMSTORE_ERR_CACHE_CLOSED the store is closed
 * @threadsafety any
 * @progress Waits as memstore_size(), for the settings while one is being changed, and for fn. Looks
 *     at 65536 entries at most, a few ms.
 * @since 0.1 */
MEMSTORE_API int memstore_advise(struct memstore *store, memstore_advice_fn fn, void *context);

/** The same for people, with the figures behind it: the curve, hot keys, sizes and TTLs.
 * @param[in] store the store
 * @param[in] fn called once with all of the text, off every lock; it may call the store
 * @param[in] context handed to fn
 * @retval MEMSTORE_OK the text was taken
 * @retval MEMSTORE_ERR_IO fn did not return 0
 * @retval MEMSTORE_ERR_MEMORY_EXHAUSTED the system gave no memory
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT store or fn is NULL
 * @retval MEMSTORE_ERR_CACHE_CLOSED the store is closed
 * @threadsafety any
 * @progress Waits as memstore_advise().
 * @since 0.1 */
MEMSTORE_API int memstore_advise_text(struct memstore *store, memstore_write_fn fn, void *context);

/** The same as JSON, in the form that docs/advice.md describes. A byte of a key above 127 is written
 * as the character of that number, so that every key has a form.
 * @param[in] store the store
 * @param[in] fn called once with all of the text, off every lock; it may call the store
 * @param[in] context handed to fn
 * @retval MEMSTORE_OK the text was taken
 * @retval MEMSTORE_ERR_IO fn did not return 0
 * @retval MEMSTORE_ERR_MEMORY_EXHAUSTED the system gave no memory
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT store or fn is NULL
 * @retval MEMSTORE_ERR_CACHE_CLOSED the store is closed
 * @threadsafety any
 * @progress Waits as memstore_advise().
 * @since 0.1 */
MEMSTORE_API int memstore_advise_json(struct memstore *store, memstore_write_fn fn, void *context);

/** Tell what share of reads would miss with other memory limits, by the reads since keys are followed
 * or since memstore_reset_stats(): from a 64th of the limit to sixteen times of it, ascending.
 * @param[in] store the store
 * @param[out] points the curve; may be NULL when cap is 0
 * @param[in] cap how many points there is room for
 * @param[out] n how many points there are; 0 on other failures than BUFFER_TOO_SMALL
 * @retval MEMSTORE_OK the curve is written
 * @retval MEMSTORE_ERR_BUFFER_TOO_SMALL there is room for fewer than n, and nothing is written;
 *     MEMSTORE_CURVE_POINTS are always enough
 * @retval MEMSTORE_ERR_UNSUPPORTED no keys are followed: `monitoring.access_sample_ratio` is 0
 * @retval MEMSTORE_ERR_MEMORY_EXHAUSTED the system gave no memory
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT store or n is NULL, or points is with a cap
 * @retval MEMSTORE_ERR_CACHE_CLOSED the store is closed
 * @threadsafety any
 * @progress Waits as memstore_advise().
 * @since 0.1 */
MEMSTORE_API int memstore_get_miss_ratio_curve(struct memstore *store,
                                               memstore_miss_ratio_point *points, size_t cap,
                                               size_t *n);

#ifdef __cplusplus
}
#endif

#endif
