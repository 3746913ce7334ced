/* SPDX-License-Identifier: Apache-2.0 */
/* What the simulations of miniature.h differ in. */
#ifndef MS_ADVICE_MINI_RULES_H
#define MS_ADVICE_MINI_RULES_H

#include "advice/miniature.h"

struct ms_mini_rules {
    /* The list for an entry of this size that is written; the key is still where it was. Its uses are
     * those of the entry that it replaces, or 0, and may be changed. */
    enum ms_mini_where (*place)(struct ms_mini *mini, uint32_t key, uint32_t size);
    /* The cache is too full: drop or move an entry, as the policy does with its next one. */
    void (*make_room)(struct ms_mini *mini);
};

extern const struct ms_mini_rules ms_mini_fifo;
extern const struct ms_mini_rules ms_mini_s3fifo;
extern const struct ms_mini_rules ms_mini_adaptive;

/* Make the key the newest of a list. */
void ms_mini_move(struct ms_mini *mini, uint32_t key, enum ms_mini_where where);
/* Move the key to the ghost, the oldest of which are forgotten above `most` keys. */
void ms_mini_drop(struct ms_mini *mini, uint32_t key, uint32_t most);

#endif
