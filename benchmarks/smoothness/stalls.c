/* SPDX-License-Identifier: Apache-2.0 */
#include "smoothness/stalls.h"

void stalls_note(struct stalls *stalls, uint64_t began, uint64_t ended)
{
    if (ended - began < STALL_NS || stalls->count == STALLS_MAX)
        return;
    stalls->at[stalls->count].began = began;
    stalls->at[stalls->count++].ended = ended;
}

/* How long of began..ended the thread stood, in the one stall of its that covers most of it; cuts
 * the interval down to that. */
static void cut(const struct stalls *stalls, uint64_t *began, uint64_t *ended)
{
    uint64_t best_began = *began, best_ended = *began;

    for (uint64_t i = 0; i < stalls->count && stalls->at[i].began < *ended; i++) {
        const uint64_t from = stalls->at[i].began > *began ? stalls->at[i].began : *began;
        const uint64_t to = stalls->at[i].ended < *ended ? stalls->at[i].ended : *ended;

        if (to > from && to - from > best_ended - best_began) {
            best_began = from;
            best_ended = to;
        }
    }
    *began = best_began;
    *ended = best_ended;
}

uint64_t stalls_longest_of_all(const struct stalls *const *stalls, unsigned threads)
{
    uint64_t longest = 0;

    for (uint64_t i = 0; i < stalls[0]->count; i++) {
        uint64_t began = stalls[0]->at[i].began, ended = stalls[0]->at[i].ended;

        for (unsigned thread = 1; thread < threads; thread++)
            cut(stalls[thread], &began, &ended);
        if (ended - began > longest)
            longest = ended - began;
    }
    return longest;
}
