/* SPDX-License-Identifier: Apache-2.0 */
/* One measurement of memory: its findings go to the standard output and to JSON. Keys and values
 * are made on the fly, so that the process grows by nothing but the store. */
#ifndef MEMORY_SCENARIO_H
#define MEMORY_SCENARIO_H

#include "common/json.h"
#include <memstore/memstore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SCENARIO_KEY_SIZE = 20 };

struct scenario_options {
    uint64_t entries;      /* of overhead and ttl; 0 = each scenario's own number */
    uint64_t memory_limit; /* of churn */
    double churn_seconds;
    uint64_t seed;
};

struct scenario {
    const char *name;
    /* Prints a line or more, adds an object's members to json. False when the store failed or
     * broke its promise. */
    bool (*run)(const struct scenario_options *options, struct json *json);
};

bool scenario_overhead_small(const struct scenario_options *options, struct json *json);
bool scenario_overhead_large(const struct scenario_options *options, struct json *json);
bool scenario_empty(const struct scenario_options *options, struct json *json);
bool scenario_ttl(const struct scenario_options *options, struct json *json);
bool scenario_churn(const struct scenario_options *options, struct json *json);

/* Bring in what the process takes for any store at all: the pages of the library's code and its
 * maintenance thread. To be called before a first reading of resident memory. */
void scenario_warm_up(void);
/* A store with this limit; NULL with a message on the standard error. */
memstore *scenario_open(uint64_t memory_limit);
/* Set entry `id` with `size` bytes of value made from it. */
int scenario_set(memstore *store, uint64_t id, size_t size, int64_t ttl_ms);
/* Resident bytes above an earlier reading; 0 when it is lower. */
uint64_t scenario_growth(uint64_t before);
/* "reached" or "MISSED" for people, and the verdict for programs. */
bool scenario_verdict(struct json *json, const char *name, bool reached);

#endif
