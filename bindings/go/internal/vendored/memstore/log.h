/* SPDX-License-Identifier: Apache-2.0 */
/** @file log.h
 * What a store has to say to whoever operates it: that it was opened and with which settings, that it
 * has reached its limit, that loaders fail, that an alert was raised. docs/logging.md lists it all.
 *
 *     static void tell(const memstore_log_record *record, void *context)
 *     {
 *         my_log(context, record->level, "%s: %s", record->store, record->message);
 *     }
 *     memstore_set_logger(config, MEMSTORE_LOG_INFO, tell, my_logger);
 *
 * Without a function the default logger writes one line in logfmt's form to stderr for each record,
 * if the setting `logger_enabled` is on. The setting `verbose` adds MEMSTORE_LOG_DEBUG to either.
 *
 * Reads say nothing. What others say waits in a short queue and is told by a thread of the store that
 * is started for the first record, so that nobody ever waits for a logger; what finds the queue full is
 * left out and counted, and so is what is said too often: records tell how many like them were. */
#ifndef MEMSTORE_LOG_H
#define MEMSTORE_LOG_H

#include <memstore/config.h>
#include <memstore/export.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How much a record matters, and up to which level a logger is told. */
enum memstore_log_level {
    MEMSTORE_LOG_OFF = 0,   /**< of a logger: nothing */
    MEMSTORE_LOG_ERROR = 1, /**< something that was asked for cannot be done */
    MEMSTORE_LOG_WARN = 2,  /**< the store goes on, but somebody should look */
    MEMSTORE_LOG_INFO = 3,  /**< opened, closed, reconfigured, an alert cleared */
    MEMSTORE_LOG_DEBUG = 4  /**< what it does by itself: growth, compaction */
};

/** Of what kind the value of a field is, which is there as text in any case. */
enum memstore_log_kind {
    MEMSTORE_LOG_TEXT = 0,    /**< any bytes but NUL, such as a path */
    MEMSTORE_LOG_INTEGER = 1, /**< a whole number that fits int64_t */
    MEMSTORE_LOG_REAL = 2,    /**< a number such as 0.25 */
    MEMSTORE_LOG_BOOLEAN = 3  /**< "true" or "false" */
};

/** A field of a record. */
typedef struct memstore_log_field {
    const char *name; /**< lower case letters, digits, dots and underscores */
    const char *text; /**< the value */
    int32_t kind;     /**< one of enum memstore_log_kind */
    int32_t reserved; /**< 0 */
} memstore_log_field;

/** A record. All that it points to is valid during the call that hands it out. */
typedef struct memstore_log_record {
    size_t struct_size; /**< of the library; fields are only ever added at the end */
    int64_t at_ms;      /**< when it happened, Unix milliseconds */
    int32_t level;      /**< one of enum memstore_log_level */
    int32_t reserved;   /**< 0 */
    const char
        *store; /**< the setting `store_name`, else the store's number in this process; "" for a
                              configuration that no store was opened from */
    const char *event;   /**< what happened, as a word to search for: "limit_reached" */
    const char *message; /**< the same as a sentence that never changes */
    const memstore_log_field *fields;
    size_t field_count;
    uint64_t suppressed; /**< records of the same event that were left out before this one */
} memstore_log_record;

/** Receives a record. No lock is held and no call waits for it but memstore_close() and
 * memstore_destroy() in other threads, which return when all is told; memstore_close() in a callback of
 * events does not wait either. So it may call every function of the store, memstore_close() included;
 * memstore_destroy() only closes it. Of one store it is called by one
 * thread at a time: one of the library, or, for a configuration that is refused and for what is left
 * when no such thread can be started, the calling one. */
typedef void (*memstore_log_fn)(const memstore_log_record *record, void *context);

/** Say who is told, by stores that are opened from the configuration from now on and when it is
 * refused itself: by memstore_open() or when a file, a text or the environment is loaded.
 * @param[in,out] config the configuration
 * @param[in] level up to which level, one of enum memstore_log_level; `verbose` makes it DEBUG unless
 *     it is OFF
 * @param[in] fn called for each record, whatever `logger_enabled` says; NULL = the default logger,
 *     which writes to stderr while `logger_enabled` is on
 * @param[in] context handed to fn; must stay valid until memstore_destroy() of these stores
 * @retval MEMSTORE_OK it is set
 * @retval MEMSTORE_ERR_INVALID_ARGUMENT config is NULL or there is no such level
 * @threadsafety object
 * @progress Lock-free.
 * @since 0.1 */
MEMSTORE_API int memstore_set_logger(memstore_config *config, int level, memstore_log_fn fn,
                                     void *context);

#ifdef __cplusplus
}
#endif

#endif
