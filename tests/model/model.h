/* SPDX-License-Identifier: Apache-2.0 */
/* The naive store that the real one is compared with: an array of keys, each with its value and
 * the moment it runs out.
 *
 * It does what the public headers say, in the plainest way, and nothing else: no hashing, no
 * limit, no eviction. */
#ifndef TEST_MODEL_H
#define TEST_MODEL_H

#include <memstore/memstore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_KEYS 96
#define MODEL_MAX_KEY 400
#define MODEL_NEVER INT64_MAX
#define MODEL_VERSIONS 8
#define MODEL_QUEUE 100

/* The settings that decide what a call must give; the same numbers are given to the real store
 * as text. */
struct model_rules {
    int64_t default_ttl, min_ttl, max_ttl;
    int64_t precision;   /* milliseconds; 0 counts as 1 */
    int64_t life_window; /* 0 = no bound */
    size_t max_entry_size;
    bool keeps_created;
    bool slides; /* ttl.mode: access */
    /* asynchronous writes; 0 counts as the default */
    unsigned batch_size;
    int64_t batch_timeout;
    bool writes_at_once;
};

enum model_state {
    MODEL_ABSENT,
    MODEL_LIVE,
    MODEL_RAN_OUT /* expired, and the real store may not have noticed yet */
};

struct model_entry {
    unsigned char key[MODEL_MAX_KEY];
    size_t key_size;

    enum model_state state;
    unsigned char *value;
    size_t size;
    int64_t expiry;  /* monotonic, or MODEL_NEVER */
    int64_t ttl;     /* what reads renew it by, where they do; 0 = they do not */
    int64_t written; /* monotonic */

    /* as a view told since the last write; 0 = nobody asked */
    uint64_t version;
    uint64_t older[MODEL_VERSIONS]; /* versions told before that write */
    unsigned older_count;

    bool throughout; /* live since the cursor was opened */
    bool sometime;   /* live at some moment since then */
    unsigned met;    /* times the cursor gave it */
};

/* An asynchronous write that is not applied yet. */
struct model_queued {
    struct model_entry *entry;
    unsigned char *value;
    size_t size;
    int64_t expiry, written;
};

struct model {
    struct model_rules rules;
    struct model_entry entries[MODEL_KEYS];
    struct model_queued queue[MODEL_QUEUE];
    unsigned queued;
    memstore_stats counts; /* what memstore_get_stats() must tell */
    /* entries that had run out when a clear took them: counted as expired or not */
    uint64_t cleared_ran_out;
    int64_t now, unix_now;
};

void model_init(struct model *model, const struct model_rules *rules, int64_t now,
                int64_t unix_now);
void model_fini(struct model *model);

/* Move the clock: what runs out by then is no longer live. */
void model_advance(struct model *model, int64_t now, int64_t unix_now);

/* The first reason to refuse a write of this size and TTL, or MEMSTORE_OK with the moment it
 * would run out. */
int model_admit(const struct model *model, size_t key_size, size_t value_size, int64_t ttl_ms,
                int64_t *expiry);
int model_admit_until(const struct model *model, size_t key_size, size_t value_size,
                      int64_t unix_ms, int64_t *expiry);
/* The same for the TTL of an entry written before. */
int model_admit_ttl(const struct model *model, const struct model_entry *entry, int64_t ttl_ms,
                    int64_t *expiry);

bool model_is_live(const struct model_entry *entry);
/* Store a value; counts a set, and an update when the entry is live. Returns what an entry then
 * is known by: no version. */
void model_write(struct model *model, struct model_entry *entry, const void *value, size_t size,
                 int64_t expiry);
/* It is read, or gets an expiry of its own: whether reads renew that counts from now. */
void model_read(const struct model *model, struct model_entry *entry);
void model_retime(const struct model *model, struct model_entry *entry, int64_t expiry);
/* Queue a write; true when the queue is full now. */
bool model_queue(struct model *model, struct model_entry *entry, const void *value, size_t size,
                 int64_t expiry);
bool model_is_queued(const struct model *model, const struct model_entry *entry);
bool model_is_due(const struct model *model);
/* Apply what is queued. */
void model_apply(struct model *model);
/* Take an entry away, whatever the reason. */
void model_remove(struct model_entry *entry);
void model_clear(struct model *model);
unsigned model_size(const struct model *model);
uint64_t model_keys_and_values(const struct model *model);

/* Take note of a version that a view told; false when it contradicts what was told before. */
bool model_note_version(struct model_entry *entry, uint64_t version);

/* The value as a decimal int64_t; false when it is none. */
bool model_number(const struct model_entry *entry, int64_t *number);

/* Whether a well-formed pattern matches, by plain recursion. */
bool model_matches(const char *pattern, size_t pattern_size, const unsigned char *key,
                   size_t key_size);

struct model_entry *model_find(struct model *model, const void *key, size_t key_size);

#endif
