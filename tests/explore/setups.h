/* SPDX-License-Identifier: Apache-2.0 */
/* What scenarios begin with, what their threads do beside calls of the history, and what has to
 * hold at the end. */
#ifndef EXPLORE_SETUPS_H
#define EXPLORE_SETUPS_H

#include "explore.h"

/* Numbers whose values, of up to so many bytes, take a segment of their own. */
#define SOLO_LONGEST 8800
#define SOLO_A 3
#define SOLO_B 6

void setup_beyond_full_bucket(memstore *store);
void setup_both(memstore *store);
void setup_both_sealed(memstore *store);
void setup_expired(memstore *store);
void setup_full_bucket(memstore *store);
void setup_full_table(memstore *store);
void setup_half_dead(memstore *store);
void setup_one(memstore *store);
void setup_one_and_spent(memstore *store);
void setup_sealed(memstore *store);
void setup_solo(memstore *store);
void setup_rows(memstore *store);
void setup_counts(memstore *store);
void setup_rows_and_another(memstore *store);
void setup_used(memstore *store);

void do_clear(memstore *store);
void do_compact(memstore *store);
void do_evict(memstore *store);
void do_harvest(memstore *store);
void do_maintain(memstore *store);
void do_seal(memstore *store);

bool end_pinned_while_held(memstore *store);
bool end_retired_when_empty(memstore *store);

#endif
