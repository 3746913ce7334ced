/* SPDX-License-Identifier: Apache-2.0 */
/* The store of a suite whose tests have one each: `.init` opens it, `.fini` is destroy_store(). */
#ifndef STORIES_ONE_STORE_H
#define STORIES_ONE_STORE_H

#include "support/support.h"

extern memstore *store;

void destroy_store(void);

#endif
