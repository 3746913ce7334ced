/* SPDX-License-Identifier: Apache-2.0 */
#include "replay/workload.h"

#include "common/bench_key.h"
#include "common/random.h"
#include <endian.h>
#include <stdlib.h>
#include <string.h>

void workload_init(struct workload *workload)
{
    *workload = (struct workload){0};
}

void workload_fini(struct workload *workload)
{
    free(workload->requests);
    free(workload->text);
    workload_init(workload);
}

bool workload_add(struct workload *workload, const struct request *request)
{
    if (workload->count == workload->capacity) {
        size_t capacity = workload->capacity ? workload->capacity * 2 : 4096;
        struct request *grown = realloc(workload->requests, capacity * sizeof *grown);

        if (!grown)
            return false;
        workload->requests = grown;
        workload->capacity = capacity;
    }
    workload->requests[workload->count] = *request;
    if (!workload->has_text && request->key_size < sizeof request->key)
        workload->requests[workload->count].key_size = sizeof request->key;
    workload->count++;
    return true;
}

bool workload_add_text(struct workload *workload, struct request *request, const char *key)
{
    if (workload->text_size + request->key_size > workload->text_capacity) {
        size_t capacity = (workload->text_capacity + request->key_size) * 2;
        char *grown = realloc(workload->text, capacity);

        if (!grown)
            return false;
        workload->text = grown;
        workload->text_capacity = capacity;
    }
    memcpy(workload->text + workload->text_size, key, request->key_size);
    request->key = workload->text_size;
    workload->text_size += request->key_size;
    workload->has_text = true;
    return workload_add(workload, request);
}

/* ---- Distinct keys: an open-addressing table of request numbers ---- */

struct key_slot {
    size_t first; /* number of the key's first request, plus one; 0 = empty */
    uint32_t requests;
    uint32_t value_size;
};

struct key_table {
    struct key_slot *slots;
    size_t mask;
    size_t used;
};

static uint64_t key_hash(const struct workload *workload, const struct request *request)
{
    uint64_t hash = request->key_size, word = 0;
    const char *key = workload->text + request->key;
    size_t left = request->key_size;

    if (!workload->has_text)
        return random_mix(request->key ^ (hash << 56));
    for (; left >= sizeof word; key += sizeof word, left -= sizeof word) {
        memcpy(&word, key, sizeof word);
        hash = random_mix(hash ^ word);
    }
    word = 0;
    memcpy(&word, key, left);
    return random_mix(hash ^ word);
}

static bool same_key(const struct workload *workload, const struct request *a,
                     const struct request *b)
{
    if (a->key_size != b->key_size)
        return false;
    if (!workload->has_text)
        return a->key == b->key;
    return memcmp(workload->text + a->key, workload->text + b->key, a->key_size) == 0;
}

static struct key_slot *find_slot(const struct workload *workload, const struct key_table *table,
                                  const struct request *request)
{
    for (size_t i = key_hash(workload, request) & table->mask;; i = (i + 1) & table->mask) {
        struct key_slot *slot = &table->slots[i];

        if (slot->first == 0 || same_key(workload, &workload->requests[slot->first - 1], request))
            return slot;
    }
}

static bool grow_table(const struct workload *workload, struct key_table *table)
{
    struct key_table grown = {.mask = table->mask * 2 + 1, .used = table->used};

    grown.slots = calloc(grown.mask + 1, sizeof *grown.slots);
    if (!grown.slots)
        return false;
    for (size_t i = 0; table->slots && i <= table->mask; i++) {
        if (table->slots[i].first)
            *find_slot(workload, &grown, &workload->requests[table->slots[i].first - 1]) =
                table->slots[i];
    }
    free(table->slots);
    *table = grown;
    return true;
}

static void sum_up(struct workload *workload, const struct key_table *table)
{
    workload->distinct_keys = table->used;
    workload->one_hit_keys = 0;
    workload->footprint_bytes = 0;
    for (size_t i = 0; i <= table->mask; i++) {
        const struct key_slot *slot = &table->slots[i];

        if (slot->first == 0)
            continue;
        workload->one_hit_keys += slot->requests == 1;
        workload->footprint_bytes +=
            workload->requests[slot->first - 1].key_size + slot->value_size;
    }
}

bool workload_summarize(struct workload *workload)
{
    struct key_table table = {.mask = 4095};
    bool ok = grow_table(workload, &table);

    workload->max_value_size = 0;
    workload->max_key_size = 0;
    for (size_t i = 0; ok && i < workload->count; i++) {
        const struct request *request = &workload->requests[i];
        struct key_slot *slot = find_slot(workload, &table, request);

        if (slot->first == 0) {
            slot->first = i + 1;
            table.used++;
        }
        slot->requests++;
        if (request->value_size > slot->value_size)
            slot->value_size = request->value_size;
        if (request->value_size > workload->max_value_size)
            workload->max_value_size = request->value_size;
        if (request->key_size > workload->max_key_size)
            workload->max_key_size = request->key_size;
        if (table.used * 2 > table.mask)
            ok = grow_table(workload, &table);
    }
    if (ok)
        sum_up(workload, &table);
    free(table.slots);
    return ok;
}

const char *workload_key(const struct workload *workload, const struct request *request,
                         char *scratch)
{
    uint64_t number = htole64(request->key);

    if (workload->has_text)
        return workload->text + request->key;
    if (request->key_size < BENCH_KEY_SIZE) {
        memcpy(scratch, &number, sizeof number);
        memset(scratch + sizeof number, 0, request->key_size - sizeof number);
    } else {
        bench_key_format(scratch, request->key);
        memset(scratch + BENCH_KEY_SIZE, '.', request->key_size - BENCH_KEY_SIZE);
    }
    return scratch;
}
