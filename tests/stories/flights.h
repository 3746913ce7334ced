/* SPDX-License-Identifier: Apache-2.0 */
/* Loads in flight, as the store sees them. */
#ifndef STORIES_FLIGHTS_H
#define STORIES_FLIGHTS_H

#include "support/support.h"

/* Until so many threads wait for loads in flight. */
void wait_for_references(memstore *store, uint32_t references);

#endif
