/* SPDX-License-Identifier: Apache-2.0 */
/* What the language bindings call where one function of the public ABI is not one crossing: results
 * in the return value instead of behind a pointer, and batches whose keys and values cross as flat
 * memory, without a pointer or an allocation per key.
 *
 * Packed memory: byte strings one directly after the other. Their sizes cross beside them as
 * uint64_t. Return values: int64_t results are the value when it is 0 or more, else a
 * memstore_status. */
#ifndef MEMSTORE_BINDINGS_GLUE_H
#define MEMSTORE_BINDINGS_GLUE_H

#include <memstore/direct.h>
#include <memstore/memstore.h>

/* Calls that may wait take a bound, as memstore_bound_waits(): `wait_ms` -1 and `stop` NULL for none. Where
 * a call gave up because of it, its status is told less GLUE_GAVE_UP. */
#define GLUE_GAVE_UP 1000

/* One entry of a packed set_many. A value too large to be worth copying into the packed memory is
 * lent by address instead, and then takes no bytes of it; the caller keeps it in place for the
 * call. */
typedef struct glue_item {
    uint64_t key_size;
    uint64_t value_size;
    uint64_t value_address; /* 0: the value follows its key in the packed memory */
} glue_item;

/* One call of a packed batch. */
typedef struct glue_step {
    uint64_t kind; /* one of those below */
    uint64_t key_size;
    uint64_t value_size; /* of a set, else 0 */
    int64_t ttl_ms;      /* of a set or an update_ttl */
    uint64_t version;    /* of an expect_version */
} glue_step;

#define GLUE_STEP_SET 0
#define GLUE_STEP_DELETE 1
#define GLUE_STEP_UPDATE_TTL 2
#define GLUE_STEP_EXPECT_VERSION 3
#define GLUE_STEP_EXPECT_ABSENT 4

/* A pass over keys: a cursor and the key that did not fit the caller's last buffer. */
typedef struct glue_scan glue_scan;

/* Copies a text of the library's, without its NUL: its length. A length above cap says that nothing
 * was copied. */
static inline int64_t glue_copy_text(const char *text, void *buf, size_t cap);

/* memstore_get(): the value's size. A size above cap says that nothing was copied. */
static inline int64_t glue_get(memstore *store, const void *key, size_t key_size, void *buf,
                               size_t cap);

/* glue_get() that counts nothing when no live entry has the key, for who then asks in another way. */
static inline int64_t glue_get_present(memstore *store, const void *key, size_t key_size, void *buf,
                                       size_t cap);

/* glue_get() that tells the entry's version as well; *version is 0 unless there is one. A value above
 * cap is in *kept instead, for glue_take_many(), so that nothing is looked up twice; otherwise *kept is
 * NULL. */
static inline int64_t glue_get_versioned(memstore *store, int64_t wait_ms, const int64_t *stop,
                                         const void *key, size_t key_size, void *buf, size_t cap,
                                         uint64_t *version, void **kept);

/* memstore_get_ttl(), memstore_get_expiration(), memstore_get_created(): the milliseconds. */
static inline int64_t glue_get_ttl(memstore *store, const void *key, size_t key_size);
static inline int64_t glue_get_expiration(memstore *store, const void *key, size_t key_size);
static inline int64_t glue_get_created(memstore *store, const void *key, size_t key_size);

/* The functions of the same names, with a bound. */
static inline int glue_set(memstore *store, int64_t wait_ms, const int64_t *stop, const void *key,
                           size_t key_size, const void *value, size_t value_size, int64_t ttl_ms);
static inline int glue_set_until(memstore *store, int64_t wait_ms, const int64_t *stop,
                                 const void *key, size_t key_size, const void *value,
                                 size_t value_size, int64_t unix_ms);
static inline int glue_set_async(memstore *store, int64_t wait_ms, const int64_t *stop,
                                 const void *key, size_t key_size, const void *value,
                                 size_t value_size, int64_t ttl_ms);
static inline int glue_add(memstore *store, int64_t wait_ms, const int64_t *stop, const void *key,
                           size_t key_size, const void *value, size_t value_size, int64_t ttl_ms);
static inline int glue_replace(memstore *store, int64_t wait_ms, const int64_t *stop,
                               const void *key, size_t key_size, const void *value,
                               size_t value_size, int64_t ttl_ms);
static inline int glue_compare_and_set(memstore *store, int64_t wait_ms, const int64_t *stop,
                                       const void *key, size_t key_size, const void *value,
                                       size_t value_size, int64_t ttl_ms, uint64_t version);
static inline int glue_increment(memstore *store, int64_t wait_ms, const int64_t *stop,
                                 const void *key, size_t key_size, int64_t delta, int64_t initial,
                                 int64_t ttl_ms, int64_t *result);
static inline int glue_delete(memstore *store, int64_t wait_ms, const int64_t *stop,
                              const void *key, size_t key_size);
static inline int glue_update_ttl(memstore *store, int64_t wait_ms, const int64_t *stop,
                                  const void *key, size_t key_size, int64_t ttl_ms);
static inline int glue_get_view(memstore *store, int64_t wait_ms, const int64_t *stop,
                                const void *key, size_t key_size, memstore_view *out);
static inline int glue_clear(memstore *store, int64_t wait_ms, const int64_t *stop);
static inline int glue_maintain(memstore *store, int64_t wait_ms, const int64_t *stop,
                                int64_t budget_us);
static inline int glue_delete_by_pattern(memstore *store, int64_t wait_ms, const int64_t *stop,
                                         const char *pattern, size_t pattern_size,
                                         uint64_t *deleted);
static inline int glue_reconfigure(memstore *store, int64_t wait_ms, const int64_t *stop,
                                   const char *key, const char *value, char *why, size_t cap);
static inline int glue_reconfigure_all(memstore *store, int64_t wait_ms, const int64_t *stop,
                                       const memstore_config *config, char *why, size_t cap);

/* memstore_set_many() of n entries with one TTL: packed holds key, value, key, value, … as items
 * tells. */
static inline int glue_set_many(memstore *store, int64_t wait_ms, const int64_t *stop,
                                const void *packed, size_t packed_size, const glue_item *items,
                                size_t n, int64_t ttl_ms);

/* memstore_read_many() of n packed keys: copies the values found to buf, packed, in the order of the
 * keys, and sets value_sizes[i], -1 for a miss. Returns the bytes of all values. When that is above
 * cap they are in *kept instead, for glue_take_many(), so that nothing is looked up twice; otherwise
 * *kept is NULL. */
static inline int64_t glue_get_many(memstore *store, int64_t wait_ms, const int64_t *stop,
                                    const void *keys, size_t keys_size, const uint64_t *key_sizes,
                                    size_t n, void *buf, size_t cap, int64_t *value_sizes,
                                    void **kept);

/* Copies what a call kept to buf and frees it; cap is the number of bytes it told. With `wipes` it is
 * overwritten before. */
static inline void glue_take_many(void *kept, void *buf, size_t cap, int wipes);

/* memstore_has_many() of n packed keys: how many were found; out[i] is 1 or 0. */
static inline int64_t glue_has_many(memstore *store, int64_t wait_ms, const int64_t *stop,
                                    const void *keys, size_t keys_size, const uint64_t *key_sizes,
                                    size_t n, unsigned char *out);

/* memstore_delete_many() of n packed keys: how many were removed. */
static inline int64_t glue_delete_many(memstore *store, int64_t wait_ms, const int64_t *stop,
                                       const void *keys, size_t keys_size,
                                       const uint64_t *key_sizes, size_t n);

/* A batch of n steps: packed holds the key and the value of each. Returns as memstore_batch_commit();
 * *refused is the number of the step that was refused, or n. */
static inline int glue_commit(memstore *store, int64_t wait_ms, const int64_t *stop,
                              const void *packed, size_t packed_size, const glue_step *steps,
                              size_t n, uint64_t *refused);

/* memstore_count_by_pattern(): the count. */
static inline int64_t glue_count_by_pattern(memstore *store, int64_t wait_ms, const int64_t *stop,
                                            const char *pattern, size_t pattern_size);

/* memstore_cursor_new(). */
static inline int glue_scan_new(memstore *store, const char *pattern, size_t pattern_size,
                                glue_scan **out);

/* Copies the next keys to buf, each as a uint32_t of its size in the machine's byte order and its
 * bytes. Returns the bytes written, 0 when there are no more keys. A result above cap says that the
 * next key alone needs so much, and that nothing was written. */
static inline int64_t glue_scan_fill(glue_scan *scan, int64_t wait_ms, const int64_t *stop,
                                     void *buf, size_t cap);

static inline void glue_scan_free(glue_scan *scan);

/* Events of one subscription, and the one that did not fit the caller's last buffer. */
typedef struct glue_events glue_events;

/* memstore_subscribe(). */
static inline int glue_events_new(memstore *store, uint32_t mask, size_t queue_size,
                                  glue_events **out);

/* Waits for an event as memstore_subscription_next(), then writes it and those that wait behind it to
 * buf, each as ten uint64_t (kind, size of the key, size of the value, version, when it was to expire,
 * when it happened, events lost before it; of an alert which it is, with bit 32 set when it is raised, and
 * the bits of its value and of its threshold), its key and its value, padded to eight bytes.
 * Returns the bytes written, or a memstore_status. A result above cap says that the next event alone
 * needs so much, and that nothing was written. One thread at a time. */
static inline int64_t glue_events_fill(glue_events *events, int64_t timeout_ms, void *buf,
                                       size_t cap);

static inline void glue_events_wake(glue_events *events);
static inline uint64_t glue_events_dropped(glue_events *events);
static inline void glue_events_free(glue_events *events);

/* log_queue.h, which has what these do. */
typedef struct glue_log glue_log;
static inline glue_log *glue_log_new(memstore_config *config, int level);
static inline int64_t glue_log_fill(glue_log *log, int64_t timeout_ms, void *buf, size_t cap);
static inline void glue_log_end(glue_log *log);
static inline void glue_log_drop(glue_log *log);

/* memstore_get_event_stats(): as glue_get_stats(). */
static inline int glue_get_event_stats(memstore *store, uint64_t *out, size_t n);

/* memstore_lease_acquire() that waits for nobody: the value's size as glue_get_versioned(), with a
 * lease if it is to be refreshed; or GLUE_NO_VALUE and a lease. */
#define GLUE_NO_VALUE INT64_MAX
static inline int64_t glue_lease_acquire(memstore *store, int64_t wait_ms, const int64_t *stop,
                                         const void *key, size_t key_size, void *buf, size_t cap,
                                         memstore_lease **lease, void **kept);
static inline int glue_lease_is_current(memstore_lease *lease);
static inline int glue_lease_fill(memstore_lease *lease, const void *value, size_t value_size,
                                  int64_t ttl_ms);
/* memstore_lease_fail(). The size of the old value that serves instead, which is in *kept for
 * glue_take_many(), or a status. */
static inline int64_t glue_lease_fail(memstore_lease *lease, int result, void **kept);

/* memstore_save(), memstore_load(), which end with MEMSTORE_ERR_CANCELLED when *stop is set as they work.
 * *reason is the errno of MEMSTORE_ERR_IO, else 0. */
static inline int glue_save(memstore *store, int64_t wait_ms, const int64_t *stop, const char *path,
                            int64_t *reason);
static inline int glue_load(memstore *store, int64_t wait_ms, const int64_t *stop, const char *path,
                            int64_t *reason);

/* memstore_get_stats(), memstore_get_memory_stats(): the first n fields after struct_size, in the
 * order of stats.h. */
static inline int glue_get_stats(memstore *store, uint64_t *out, size_t n);
static inline int glue_get_memory_stats(memstore *store, uint64_t *out, size_t n);

/* memstore_get_ttl_stats(): entries and shortest TTLs of up to n classes. How many there are, or a
 * status. */
static inline int glue_get_ttl_stats(memstore *store, uint64_t *entries, uint64_t *from_ms,
                                     size_t n);

/* memstore_get_latency(): the first n fields after struct_size. */
static inline int glue_get_latency(memstore *store, int operation, uint64_t *out, size_t n);

/* memstore_metrics_text(): the bytes of the text, which is in *kept for glue_take_many(). */
static inline int64_t glue_metrics_text(memstore *store, void **kept);

/* memstore_advise_json(), or memstore_advise_text() `for_people`: the same. */
static inline int64_t glue_advise(memstore *store, int for_people, void **kept);

/* memstore_claim_lanes(): turns, stride, count and first, in this order. */
static inline int glue_claim_lanes(uint32_t count, uint64_t *out);
/* memstore_get_layout() with what glue_claim_lanes() told: the members after struct_size, of which there
 * are GLUE_LAYOUT_MEMBERS. */
#define GLUE_LAYOUT_MEMBERS 14
static inline int glue_get_layout(memstore *store, const uint64_t *lanes, uint64_t *out);

/* memstore_get_rates(): the first n fields that are fractions, and both that count alerts. */
static inline int glue_get_rates(memstore *store, double *out, size_t n, uint64_t *alerts);

#endif
