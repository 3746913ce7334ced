/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of advice share: what a store says, and accounts that are written and read. */
#ifndef STORIES_ADVICE_H
#define STORIES_ADVICE_H

#include "support/support.h"

struct heard {
    int count;
    int kinds[16];
    char setting[16][64], suggested[16][64], current[16][64], evidence[16][400], expected[16][200];
};

/* For memstore_advise(): keeps what is said in a struct heard. */
int hear_advice(const memstore_advice *advice, void *context);
struct heard ask_advice(memstore *store);
/* Where a kind is, or -1. */
int find_advice(const struct heard *heard, int kind);
/* That a kind is advised, by a setting; where it is. */
int assert_advised(memstore *store, struct heard *heard, int kind, const char *setting);
void assert_not_advised(memstore *store, int kind);
/* Do what was advised. */
void follow_advice(memstore *store, const struct heard *heard, int i);

/* The curve's ratio nearest to a limit. */
double foretold(memstore *store, double bytes);

struct taken_text {
    char *text;
    int calls;
};

/* For functions that write a text: keeps it in a struct taken_text. */
int take_text(const char *data, size_t size, void *context);

/* Overwritten by the next. */
const char *account_key(uint64_t i);
extern char account_filler[100000];
void put_account(memstore *store, uint64_t i, size_t size, int64_t ttl);
/* Read, and write what is not there. */
bool use_account(memstore *store, uint64_t i, size_t size, int64_t ttl);
/* Keys at random; some are used more than others. The share that was missed. */
double use_accounts_at_random(memstore *store, uint64_t keys, int times);

/* No write gives up for want of time, on a machine that has none. */
#define PATIENT "performance.lock_timeout=10m"
/* Without a maintenance thread none of what is followed is lost to it. */
#define FOLLOWED "monitoring.access_sample_ratio=1", "maintenance=manual", PATIENT

#endif
