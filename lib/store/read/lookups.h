/* SPDX-License-Identifier: Apache-2.0 */
/* Lookups of several keys, on their way. */
#ifndef MS_STORE_READ_LOOKUPS_H
#define MS_STORE_READ_LOOKUPS_H

#include "store/hot.h"
#include "store/store.h"

/* Followed keys of a call that are noted as they are met; if there are more, all keys are looked at again. */
#define MS_FOLLOWED_NOTED 32

struct ms_lookups_followed {
    size_t i; /* of the call's keys */
    uint64_t hash;
};

/* What is done with each lookup. */
struct ms_lookups {
    memstore *store;
    const memstore_key *keys;
    size_t n;
    memstore_view *views; /* or NULL */
    unsigned char *flags; /* or NULL */
    size_t found;
    /* One clock for all keys, so that what a batch lets run out together is missed together; 0 =
     * not looked at yet. */
    int64_t now;
    /* The keys that are followed, in a store that follows some; more than there is room for are counted. */
    size_t followed_count;
    struct ms_lookups_followed *followed; /* room for MS_FOLLOWED_NOTED, not filled in advance */
};

/* Whether the store is of the kind that most are (hot.h). */
MS_ALWAYS_INLINE bool ms_lookups_are_usual(const memstore *store)
{
    return (store->hot_unmeasured & MS_HOT_USUAL) != 0;
}

/* Look all keys up as of now, from the beginning. In a read section. */
void ms_lookups_run(struct ms_lookups *lookups);
/* Nothing was found. */
void ms_lookups_forget(struct ms_lookups *lookups);

#endif
