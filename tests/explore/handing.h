/* SPDX-License-Identifier: Apache-2.0 */
/* A view of k0 that one thread takes and another has a part in. Explored like the library, so that it
 * is seen whether the bytes are read in order. */
#ifndef EXPLORE_HANDING_H
#define EXPLORE_HANDING_H

#include "explore.h"

/* For setups, before the threads begin. */
void handing_start(void);

/* One thread takes the view and hands it over; it is not released before. */
void do_take_view(memstore *store);
/* Another reads and releases what was handed over, */
void do_release_taken_view(memstore *store);
/* or reads and releases a share of it, while */
void do_share_taken_view(memstore *store);
/* the first one releases its own when it has been shared. */
void do_release_shared_view(memstore *store);

/* Whether somebody still holds the view. */
bool handing_is_held(void);

#endif
