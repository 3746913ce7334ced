/* SPDX-License-Identifier: Apache-2.0 */
/* An index over entries that are nothing but a hash and a key, which is a number, and the owner it
 * asks for tables. */
#ifndef UNIT_INDEX_SHELF_H
#define UNIT_INDEX_SHELF_H

#include "index/index.h"
#include "index/validate.h"

#define SHELF_PLACES 200000

struct shelf_entry {
    uint64_t hash;
    uint64_t key;
};

struct shelf {
    struct ms_index index;
    struct shelf_entry entries[SHELF_PLACES]; /* by place; 0 is none */
    uint32_t places;                          /* given out so far */
    char *base;                               /* of the tables, one behind the other */
    size_t used;
    bool refuses;     /* has no room for another table, */
    bool refuses_all; /* nor for one that wins some */
    uint32_t hashed; /* how often an entry was hashed, which is when it is moved to another table */
    unsigned tables, retired_tables;
    uint64_t retired_offset; /* of the table retired last */
    size_t retired_bytes;    /* its size */
};

/* Open the one shelf there is. Fails the test when that fails. */
struct shelf *shelf_open(uint32_t shards);
void shelf_close(struct shelf *shelf);

/* A hash from its parts; `shard` is its top 16 bits, of which those count that the number of shards needs. */
static inline uint64_t shelf_hash(uint16_t shard, uint16_t tag, uint32_t home)
{
    return (uint64_t)shard << 48 | (uint64_t)tag << 32 | home;
}

/* A hash for a key, such as spread evenly. */
static inline uint64_t shelf_hash_of(uint64_t key)
{
    return (key + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

/* A home hash in the middle of a bucket of a table of that many. */
static inline uint32_t shelf_home(uint32_t bucket, uint32_t buckets)
{
    return (uint32_t)((((uint64_t)bucket << 32) + (UINT64_C(1) << 31)) / buckets);
}

/* Put an entry on the shelf without telling the index: its place. */
uint32_t shelf_place(struct shelf *shelf, uint64_t hash, uint64_t key);
/* The same, and into the index, whose table grows as a store lets it. */
uint32_t shelf_insert(struct shelf *shelf, uint64_t hash, uint64_t key);
/* Let a key refer to another place; false when it is not there. */
bool shelf_update(struct shelf *shelf, uint64_t hash, uint64_t key);
/* Find a key as a reader does: its place, or 0. */
uint32_t shelf_find(struct shelf *shelf, uint64_t hash, uint64_t key);
/* Find it from a probe made before. */
uint32_t shelf_find_from(struct shelf *shelf, struct ms_probe probe, uint64_t hash, uint64_t key);
/* Find it as a writer does. */
bool shelf_find_slot(struct shelf *shelf, uint64_t hash, uint64_t key, struct ms_index_slot *slot);
/* Take a key out of the index; false when it is not there. */
bool shelf_remove(struct shelf *shelf, uint64_t hash, uint64_t key);

/* Whether a shard's table is being replaced. */
static inline bool shelf_is_moving(const struct shelf *shelf, uint32_t shard)
{
    return shelf->index.shards[shard].next != 0;
}

/* Buckets of a shard's table. */
uint32_t shelf_buckets(const struct shelf *shelf, uint32_t shard);

/* Fails the test unless the index' invariants hold. */
void shelf_check(const struct shelf *shelf);

#endif
